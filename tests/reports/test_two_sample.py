"""Reports of two samples: what they say, rotation, refusals, the command."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmtest
from dmtest.battery.two_sample import common_rows
from dmtest.calibration.permutation import permute
from dmtest.catalogue.registry import as_tests
from dmtest.cli import main as cli
from dmtest.data.sample import as_sample
from dmtest.effects.directions.two_sample import divergent_directions
from dmtest.effects.two_sample import contrast_effects, moments_of
from dmtest.engines.pool import Pool
from dmtest.errors import InputError
from dmtest.results.report import schema
from tests.support.calls import refused

RNG = np.random.default_rng(3)
X, Y = RNG.standard_normal((60, 3)), RNG.normal([0.3, 0.0, 0.0], 1.0, (45, 3))


# Rotation


def test_rotated_data_give_the_same_report() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 5)) * [2, 1, 1, 1, 1], rng.standard_normal((160, 5))
    q = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    one = dmtest.compare(x, y, rotation=True, rng=0, replicates=99)
    other = dmtest.compare(x @ q, y, rotation=True, rng=0, replicates=99)
    assert one.target == "reference(rotation)"
    assert one.pvalue == other.pvalue <= 0.05
    for a, b in zip(one.outcomes, other.outcomes, strict=True):
        assert (a.pvalue, a.statistic) == (b.pvalue, pytest.approx(b.statistic, rel=1e-6))
        assert "blocks of 8 rows" in a.method
    for name, effect in one.effects.items():
        assert effect.value == pytest.approx(other.effects[name].value, rel=1e-6, abs=1e-9)
    assert {f.code for f in one.diagnosis} >= {"lengths", "spectrum"}


def test_a_rotation_is_seen_without_rotation_only() -> None:
    rng = np.random.default_rng(1)
    scales = np.array([3.0, 1.0, 1.0, 0.3])
    x, y = rng.standard_normal((300, 4)) * scales, rng.standard_normal((300, 4)) * scales[::-1]
    assert dmtest.compare(x, y, rng=0, replicates=99).verdict == "mismatch"
    assert dmtest.compare(x, y, rng=0, replicates=99, rotation=True).verdict == "compatible"


# Reports


def moved() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((400, 5)), rng.standard_normal((300, 5))
    x[:, 1] += 0.6
    x[:, 3] *= 2.0
    return x, y


def test_a_report_says_what_differs() -> None:
    x, y = moved()
    made = dmtest.compare(x, y, rng=0, replicates=199)
    assert (made.verdict, made.pvalue) == ("mismatch", 1 / 200)
    said = {f.code: f.message for f in made.diagnosis}
    assert set(said) >= {"mean", "variance", "covariance", "columns", "direction", "classifier"}
    assert "x1 by +0." in said["mean"]
    assert "most in x3" in said["variance"]
    for effect in made.effects.values():
        assert None not in (effect.low, effect.high)
        assert effect.low <= effect.value <= effect.high
        assert effect.low > 0.0
    assert made.effects["covariance-difference"].value == pytest.approx(3 / np.sqrt(5), rel=0.2)
    direction = made.pictures["directions"][0]
    assert direction["loadings"][0][0] in ("x1", "x3")
    assert direction["adjusted"] <= 0.05
    assert [p["role"] for p in made.pictures["slices"]] == ["worst", "typical"]
    text = str(made)
    assert "400 and 300 \N{MULTIPLICATION SIGN} 5" in text
    assert all(word in text for word in ("the distribution of the reference sample", "two samples"))


@pytest.mark.parametrize("rotation", [False, True])
def test_no_surface_speaks_of_a_target(rotation: bool) -> None:
    """There is none: what a reader is told is compared is two samples."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((200, 3)), rng.standard_normal((150, 3))
    for other, verdict in ((y, "compatible"), (4.0 * y, "mismatch")):
        made = dmtest.compare(x, other, rng=0, replicates=99, rotation=rotation)
        assert made.verdict == verdict
        page = made.to_html()
        texts = (re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL), str(made))
        for text in (*texts, made._repr_html_()):
            assert not re.findall(r"[^\n.]*\btarget[^\n.]*", text)
        assert ("No evidence of a difference" in page) == (verdict == "compatible")
        if not rotation:  # up to a rotation there are no slices to compare
            assert made.plot("qq").axes[0].get_xlabel() == "reference quantile"


def test_reports_are_written_and_read_back(tmp_path: Path) -> None:
    x, y = moved()
    for rotation in (False, True):
        made = dmtest.compare(x, y, rng=0, replicates=99, rotation=rotation)
        data = json.loads(made.to_json(tmp_path / "a.json"))
        jsonschema.validate(data, schema())
        assert dmtest.Report.from_json(tmp_path / "a.json") == made
        page = made.to_html()
        assert "dmtest.compare(" in page
        assert not any(word in page for word in ("dmtest.report(", "N(0, I)")), page
        assert "400 and 300 rows" in page
        made.plot()


def test_report_against_a_reference_is_compare() -> None:
    x, y = moved()
    one = dmtest.compare(x, y, rng=0, replicates=99, tests="energy,mmd")
    other = dmtest.report(x, dmtest.Reference(y), rng=0, replicates=99, tests=["energy", "mmd"])
    drop = ("seconds", "created")
    assert {k: v for k, v in one.computed.items() if k not in drop} == {
        k: v for k, v in other.computed.items() if k not in drop
    }
    assert (one.outcomes, one.effects) == (other.outcomes, other.effects)
    names = "energy-distance mmd mean-difference covariance-difference"
    assert set(one.effects) == set(names.split())


def test_one_distribution_is_compatible() -> None:
    rng = np.random.default_rng(5)
    made = dmtest.compare(rng.standard_normal((200, 3)), rng.standard_normal((99, 3)), rng=0)
    assert (made.verdict, made.diagnosis) == ("compatible", ())
    assert made.effects["energy-distance"].low == 0.0


def test_what_samples_share_is_said() -> None:
    x, y = moved()
    same = dmtest.compare(x, x, rng=0, replicates=99)
    assert (same.verdict, same.pvalue, same.warnings[0].code) == ("compatible", 1.0, "same-rows")
    assert same.warnings[0].count == 400
    y[:7] = x[3:10]
    shared = dmtest.compare(x, y, rng=0, replicates=99).warnings[0]
    assert (shared.code, shared.count) == ("common-rows", 7)
    assert "7 of 400 rows" in shared.message
    assert common_rows(as_sample(x.astype(np.float32)), as_sample(y)) == 7
    assert common_rows(as_sample(x + 1.0), as_sample(y)) == 0


def test_constant_columns_and_one_column_are_compared() -> None:
    x, y = moved()
    x[:, 0] = y[:, 0] = 2.0
    made = dmtest.compare(x, y, rng=0, replicates=99)
    assert made.verdict == "mismatch"
    assert {f.code for f in made.warnings} == {"constant-columns"}
    single = dmtest.compare(x[:, 1], y[:, 1], rng=0, replicates=99)
    assert (single.verdict, single.d, single.pictures["directions"]) == ("mismatch", 1, [])
    nothing = dmtest.compare(np.ones((20, 2)), np.ones((30, 2)), rng=0, replicates=99)
    assert (nothing.verdict, nothing.pvalue) == ("compatible", 1.0)


def test_held_out_directions_are_honest() -> None:
    pvalues = []
    for seed in range(200):
        rng = np.random.default_rng([seed, 5])
        pool = Pool(rng.standard_normal((110, 3)), rng.standard_normal((100, 3)), seed)
        found = divergent_directions(pool, 39)
        assert_allclose(
            np.stack([f.direction for f in found]) @ np.stack([f.direction for f in found]).T,
            np.eye(len(found)),
            atol=1e-9,
        )
        pvalues.append(found[0].pvalue)
    assert np.mean(np.array(pvalues) <= 0.1 + 1e-12) == pytest.approx(0.1, abs=0.075)


def test_intervals_hold_the_truth() -> None:
    d, n, m = 3, 120, 100
    inside = {"mean-difference": 0, "sliced-wasserstein-2": 0, "covariance-difference": 0}
    truth = dict(zip(inside, (0.8, 0.8 / np.sqrt(d), 0.0), strict=True))
    specs = as_tests("sliced-wasserstein", "reference")
    for seed in range(100):
        rng = np.random.default_rng([seed, 6])
        x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
        x[:, 0] += 0.8
        # In pooled sds the move is a little less than 0.8: 0.8 / sqrt(mean variance) with it 1.
        pool = Pool(x, y, seed)
        found = permute(pool, specs, {}, replicates=99, slices=32, budget=None)
        effects = contrast_effects(pool, found, moments_of(x), moments_of(y))
        for name, value in truth.items():
            low, high = effects[name].low, effects[name].high
            assert None not in (low, high)
            inside[name] += low <= value <= high
    assert all(count >= 85 for count in inside.values()), inside


# Refusals


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: dmtest.compare(X, Y[:, :2]), "reference: has 2 columns and the data have 3"),
        (lambda: dmtest.compare(X, Y[:3]), "reference: has 3 rows of 3 values"),
        (lambda: dmtest.compare(X, np.full((9, 3), np.nan)), "reference: 9 of 9 rows are not"),
        (lambda: dmtest.compare(X[:3], Y), "data: has 3 rows"),
        (lambda: dmtest.compare(X, Y, tests="radius"), "does not test target 'reference'"),
        (lambda: dmtest.compare(X, Y, alpha=2), "alpha: got 2"),
        (lambda: dmtest.compare(X, Y, rotation=1), "rotation: got 1"),
        (lambda: dmtest.compare(X, Y, rotation=True), "data: rotation=True compares blocks"),
        (lambda: dmtest.compare(X, Y, replicates=9), "replicates: got 9"),
        (lambda: dmtest.compare(X, Y, slices=0), "slices: got 0"),
        (lambda: dmtest.compare(X, Y, budget=-1), "budget: got -1"),
        (
            lambda: dmtest.compare(X, dmtest.Reference(Y), rotation=True),
            "rotation: the reference is a Reference already",
        ),
        (lambda: dmtest.report(X, "reference"), "pass Reference"),
        (lambda: dmtest.run_test(X, "classifier"), "pass Reference"),
        (lambda: dmtest.report(X, dmtest.Reference), "got the class Reference"),
        (lambda: dmtest.report(X, dmtest.Reference(Y), tolerance=0.1), "tolerance: does not apply"),
        (
            lambda: dmtest.run_test(X, "mmd", dmtest.Reference(Y), calibration="asymptotic"),
            "calibration: two samples are compared by permutation",
        ),
        (
            lambda: dmtest.run_test(X, "mmd", dmtest.Reference(Y), params={"bandwidth": -1.0}),
            "bandwidth of mmd must be positive",
        ),
        (lambda: dmtest.kl_profile(X, dmtest.Reference(Y)), "use dmtest.compare"),
    ],
)
def test_refusals_name_the_cure(call: Callable[[], Any], said: str) -> None:
    refused(said, call)


def test_columns_are_matched_by_name() -> None:
    pd = pytest.importorskip("pandas")
    x, y = pd.DataFrame(X, columns=list("abc")), pd.DataFrame(Y, columns=list("abc"))
    assert dmtest.compare(x, y, rng=0, replicates=19).warnings == ()
    with pytest.raises(InputError, match=r"another order \(column 0 is 'c' there and 'a' here\)"):
        dmtest.compare(x, y[["c", "b", "a"]])
    other = dmtest.compare(x, y.rename(columns={"c": "z"}), rng=0, replicates=19).warnings[0]
    assert (other.code, other.count) == ("column-names", 1)


# Command line


def test_the_command_compares_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = moved()
    np.save("x.npy", x)
    np.savez("y.npz", z=y, w=x)
    few = ["--replicates", "99"]
    code = cli.main(["compare", "x.npy", "y.npz", "--reference-key", "z", "--json", "-", *few])
    report = json.loads(capsys.readouterr().out)
    assert (code, report["verdict"]) == (1, "mismatch")
    assert report["computed"]["reference"] == "y.npz"
    again = shlex.split(report["computed"]["command"])
    assert again[:4] == ["dmtest", "compare", "x.npy", "y.npz"]
    assert cli.main([*again[1:], "--json", "-"]) == 1
    assert json.loads(capsys.readouterr().out)["outcomes"] == report["outcomes"]
    assert cli.main(["compare", "x.npy", "y.npz", "--reference-key", "w", "-q", *few]) == 0
    assert cli.main(["compare", "x.npy", "x.npy", "--rotation", *few, "--html", "a.html"]) == 0
    assert "same rows" in capsys.readouterr().out
    assert "up to a rotation" in Path("a.html").read_text(encoding="utf-8")
    assert cli.main(["compare", "x.npy", "y.npz"]) == 2
    assert capsys.readouterr().err.startswith("dmtest: error: ")
    assert cli.main(["compare", "x.npy", "x.npy", "--json", "x.npy"]) == 2
    assert cli.main(["compare", "x.npy"]) == 2


def test_progress_is_reported() -> None:
    seen: list[tuple[str, int, int]] = []
    dmtest.compare(X, Y, rng=0, replicates=19, progress=lambda *step: seen.append(step))
    assert seen[-1][1] == seen[-1][2]


def test_parameters_of_tests_are_passed_on() -> None:
    """compare() took no `params`, which the page of two samples showed (field case D3)."""
    tuned = dmtest.compare(X, Y, tests="mmd", params={"mmd": {"bandwidth": 2.5}}, rng=0)
    (outcome,) = tuned.outcomes
    alone = dmtest.run_test(X, "mmd", dmtest.Reference(Y), params={"bandwidth": 2.5}, rng=0)
    assert outcome.params == {"bandwidth": 2.5}
    assert outcome.statistic == alone.statistic
    for bad in (0, -1.0, float("nan"), float("inf")):
        refused(
            "bandwidth of mmd must be positive",
            dmtest.compare,
            X,
            Y,
            params={"mmd": {"bandwidth": bad}},
        )
    refused("has no 'width'", dmtest.compare, X, Y, params={"mmd": {"width": 1.0}})
