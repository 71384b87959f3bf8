"""Reports by class: labels and by, the summary, scores of rows, surfaces, refusals."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import dmtest
from dmtest.calibration.multiplicity import holm
from dmtest.cli.demo import trained_digits
from dmtest.results.report import Report, schema
from tests.support.calls import refused

X = np.random.default_rng(0).standard_normal((240, 2))
KINDS = np.repeat(["a", "b", "c"], 80)


def iris() -> pd.DataFrame:
    data = pytest.importorskip("sklearn.datasets").load_iris(as_frame=True)
    return data.data.assign(Species=np.array(data.target_names)[data.target])


@pytest.fixture(scope="module")
def species() -> Report:
    return dmtest.report(iris(), "any-normal", by="Species", rng=0)


@pytest.fixture(scope="module")
def digits() -> Report:
    held = trained_digits()
    return dmtest.report(held["embeddings"], labels=held["labels"], rows=True, rng=0)


def test_every_class_has_its_own_report(species: Report) -> None:
    """The same as a report on its rows alone, in everything but the time."""
    assert species.classes is not None
    assert list(species.classes) == ["setosa", "versicolor", "virginica"]
    alone = iris().query("Species == 'versicolor'").drop(columns="Species")
    expected = dmtest.report(alone, "any-normal", rng=0)
    found = species.classes["versicolor"]
    assert found.outcomes == expected.outcomes
    assert found.effects == expected.effects
    assert found.warnings == expected.warnings
    assert (found.verdict, found.pvalue, found.n) == (expected.verdict, expected.pvalue, 50)


def test_the_verdict_is_over_the_classes(species: Report) -> None:
    classes = species.classes
    assert classes is not None
    pvalues = [one.pvalue for one in classes.values()]
    assert_allclose(classes.adjusted, holm(pvalues))
    assert species.pvalue == min(classes.adjusted) == classes.pvalue
    assert species.verdict == classes.verdict
    assert (species.verdict == "mismatch") == (species.pvalue <= 0.05)
    assert (species.n, species.d, species.outcomes) == (150, 4, ())
    # A class that rejects by itself and not after adjustment is compatible.
    for verdict, adjusted in zip(classes.verdicts.values(), classes.adjusted, strict=True):
        assert (verdict == "mismatch") == (adjusted <= 0.05)
    # Rounded values are not all: the column is named, too.
    said = [one.message for one in species.diagnosis]
    assert all(one.startswith("Class setosa: ") for one in said)
    assert any("Petal.Width" in one or "petal width (cm)" in one for one in said)
    assert species.effects["variance-between-classes"].value == pytest.approx(0.288, abs=0.005)


def test_a_class_that_departs_is_named() -> None:
    x = X.copy()
    x[KINDS == "b"] = np.sign(x[KINDS == "b"]) * np.square(x[KINDS == "b"])
    report = dmtest.report(x, by=KINDS, rng=0)
    assert report.classes is not None
    assert report.verdict == "mismatch"
    assert report.classes.verdicts == {"a": "compatible", "b": "mismatch", "c": "compatible"}
    assert all(one.message.startswith("Class b: ") for one in report.diagnosis)
    assert "1 of 3 classes does not follow the standard normal" in " ".join(str(report).split())
    assert "by=labels," in report.to_html()


def test_classes_of_the_target_hold_the_level() -> None:
    """Of 60 samples of three classes at most 5% are a mismatch, within four standard errors."""
    rng = np.random.default_rng(1)
    bad = 0
    for run in range(60):
        report = dmtest.report(rng.standard_normal((60, 2)), by=KINDS[::4], tests="radius", rng=run)
        bad += report.verdict == "mismatch"
    assert bad / 60 <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 60)


def test_labels_leave_the_whole_as_it_is(digits: Report) -> None:
    """The verdict is that of all rows; half of the variance is between the digits."""
    held = trained_digits()
    whole = dmtest.report(held["embeddings"], rng=0)
    assert digits.outcomes == whole.outcomes
    assert (digits.verdict, digits.pvalue, digits.effects) == (
        whole.verdict,
        whole.pvalue,
        whole.effects,
    )
    classes = digits.classes
    assert classes is not None
    assert list(classes) == [str(digit) for digit in range(10)]
    assert sum(one.n for one in classes.values()) == 500
    effects = classes.effects
    assert effects["variance-between-classes"].value == pytest.approx(0.49, abs=0.01)
    parts = [effects[f"kl-classes-{name}"].value for name in ("common", "between", "within")]
    assert sum(filter(None, parts)) == pytest.approx(effects["kl-classes"].value, abs=0.02)
    assert classes.scatter is not None
    assert len(classes.scatter.x) == 500


def test_scores_of_rows(digits: Report) -> None:
    assert digits.rows is not None
    assert len(digits.rows) == 500
    assert digits.rows.labels[:3] == tuple(str(one) for one in trained_digits()["labels"][:3])
    x = X.copy()
    x[7] = [9.0, -9.0]
    found = dmtest.report(x, rows=True, rng=0).rows
    assert found is not None
    assert found == dmtest.outliers(x, "normal", rule="benjamini-hochberg")
    assert found.flagged[0] == 7
    within = dmtest.report(x, "any-normal", by=KINDS, rows=True, rng=0).rows
    assert within is not None
    assert within.flagged[0] == 7
    assert within.score.startswith("robust")


@pytest.mark.parametrize("which", ["species", "digits"])
def test_json_there_and_back(which: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(which)
    data = json.loads(report.to_json())
    jsonschema.Draft202012Validator(schema()).validate(data)
    assert Report.from_json(report.to_json()) == report
    assert list(data["classes"]["reports"]) == list(report.classes or ())
    data["classes"]["adjusted"].pop()
    refused("adjusted", Report.from_json, json.dumps(data))
    del data["classes"]["reports"]
    refused("not a complete dmtest report", Report.from_json, json.dumps(data))


@pytest.mark.parametrize("which", ["species", "digits"])
def test_surfaces(which: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(which)
    classes = report.classes
    assert classes is not None
    text = str(report)
    assert max(map(len, text.splitlines())) <= 80
    for name in classes:
        assert name in text
    page, notebook = report.to_html(), report._repr_html_()
    for html in (page, notebook, classes._repr_html_()):
        assert "Between and within classes" in html
        assert "setosa" in html or f"≤ {max(classes.adjusted):.2g}" in html
    assert page.count('aria-label="Scatter plot of the rows by class') == 1
    assert "classes" in report.panels
    assert report.plot("classes").axes[0].get_xlabel() == "direction 1"
    assert len(classes.plot().axes) == 1
    assert repr(classes).startswith("<ClassReports: ")
    frame = classes.to_frame()
    assert frame["n"].sum() == report.n
    assert list(frame["adjusted"]) == list(classes.adjusted)
    assert "were tested in the same way, with p-values adjusted by Holm" in page


def test_frame_of_all_outcomes(species: Report) -> None:
    assert species.classes is not None
    frame = species.to_frame()
    assert list(frame["label"].unique()) == list(species.classes)
    assert len(frame) == sum(len(one.outcomes) for one in species.classes.values())
    assert species.to_frame("polars").shape == frame.shape


def test_tolerance_of_classes() -> None:
    """With by every class has to be near the target; with labels all rows together."""
    x = np.random.default_rng(2).standard_normal((1200, 2))
    labels = np.repeat([0, 1], 600)
    by = dmtest.report(x, by=labels, tolerance=0.5, rng=0, tests="radius")
    assert by.classes is not None
    assert by.verdict == min(by.classes.verdicts.values(), key=["inconclusive", "equivalent"].index)
    whole = dmtest.report(x, labels=labels, tolerance=0.5, rng=0, tests="radius")
    assert whole.verdict == dmtest.report(x, tolerance=0.5, rng=0, tests="radius").verdict
    assert whole.classes is not None
    assert set(whole.classes.verdicts.values()) == {"compatible"}
    # Few rows are no error: the report says what they can show.
    few = dmtest.report(x[:240], by=np.repeat([0, 1], 120), tolerance=0.5, rng=0)
    assert few.verdict == "inconclusive"
    words = " ".join(re.sub("[│╭╮╰╯─]", "", str(few)).split())
    assert "Both classes are inconclusive" in words
    assert "Class 0: " in words
    assert "120 rows in 2 columns can show tolerances from" in words
    sphere = x / np.linalg.norm(x, axis=1)[:, None]
    said = refused(
        "tolerance: noise moves", dmtest.report, sphere, "sphere", by=labels, tolerance=1
    )
    assert said.startswith("by: class '0' of 600 rows: ")


def test_every_target() -> None:
    """Classes with a box, ranks, a sphere, draws and a reference."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], 100)
    x = rng.standard_normal((200, 3))
    cases: list[tuple[np.ndarray, Any]] = [
        (rng.uniform(size=(200, 3)), "uniform"),
        (rng.integers(0, 11, (200, 3)), dmtest.Ranks(10)),
        (x / np.linalg.norm(x, axis=1)[:, None], "sphere"),
        (x, dmtest.Sampled(lambda n, rng: rng.standard_normal((n, 3)))),
        (x, dmtest.Reference(rng.standard_normal((150, 3)))),
    ]
    for data, target in cases:
        report = dmtest.report(data, target, by=labels, replicates=99, rng=0)
        assert report.classes is not None
        assert list(report.classes) == ["0", "1"]
        assert report.verdict == "compatible", report
        assert "2 classes" in str(report)
        assert Report.from_json(report.to_json()) == report


def test_groups_within_classes() -> None:
    """Rows of an item stay together: each class uses one row of each of its items."""
    items = np.repeat(np.arange(120), 2)
    report = dmtest.report(X, by=KINDS, groups=items, rng=0)
    assert report.classes is not None
    assert all(one.provenance.groups == 40 for one in report.classes.values())


def test_refusals() -> None:
    refused("^by: give either labels or by", dmtest.report, X, by=KINDS, labels=KINDS)
    refused("^labels: has 240 distinct values", dmtest.report, X, labels=X[:, 0])
    refused("^labels: has shape", dmtest.report, X, labels=KINDS[:-1])
    few = np.array(["a"] * 236 + ["rare"] * 4)
    refused("^by: class 'rare' has 4 rows", dmtest.report, X, by=few)
    refused("^augmented: does not apply with by=", dmtest.report, X, by=KINDS, augmented=X)
    wide = np.random.default_rng(4).standard_normal((40, 12))
    said = refused(None, dmtest.report, wide, "any-normal", by=[0] * 30 + [1] * 10)
    assert said.startswith("by: class '1' of 10 rows: data: target 'any-normal' fits a covariance")
    report = dmtest.report(X, by=KINDS, tests="radius", rng=0)
    assert report.classes is not None
    refused("no figure", replace(report.classes, scatter=None).plot)
