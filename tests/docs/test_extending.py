"""The worked examples of docs/extending.md: one function, one row and one reference file each."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmtest
from dmtest.catalogue import registry
from dmtest.catalogue.spec import SliceTest
from dmtest.cli import main as cli
from dmtest.data.readers import columns, formats
from dmtest.effects import shape
from dmtest.engines.slices import SliceView
from tests.catalogue import test_invariance, test_references
from tests.support.calls import python, refused
from tests.support.references import PATH, references_of, univariate

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")


def blocks(title: str) -> tuple[str, str]:
    """Return the function and the row of a section."""
    section = PAGE[PAGE.index(f"## {title}\n") :]
    found = re.findall(r"^   ```python\n(.*?)^   ```$", section, flags=re.DOTALL | re.MULTILINE)
    function, row = (re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found[:2])
    return function, row


def run(title: str, **names: Any) -> Any:
    """Execute the function and evaluate the row, as in the modules where they would stand."""
    function, row = blocks(title)
    exec(function, names)
    return eval(row, names)


def table(name: str) -> list[dict[str, str]]:
    with (PATH / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def geary(monkeypatch: pytest.MonkeyPatch) -> SliceTest:
    """Register the row as a row of the catalogue is."""
    spec = run("Add a test", np=np, SliceView=SliceView, Vector=np.ndarray, SliceTest=SliceTest)
    assert isinstance(spec, SliceTest)
    monkeypatch.setattr(registry, "ROWS", (*registry.ROWS, spec))
    monkeypatch.setitem(registry.TESTS, spec.name, spec)
    return spec


def test_a_test_equals_its_references(geary: SliceTest) -> None:
    assert {one.what for one in references_of(geary)} == set(univariate())
    test_references.test_it_equals_its_references(geary)


def test_a_test_is_invariant(geary: SliceTest) -> None:
    for name, target in (("triangular", "any-normal"), ("row-order", "normal")):
        test_invariance.test_it_does_not_depend_on(geary, name, target, np.float64)


def test_a_test_needs_its_row_only(geary: SliceTest, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    outcome = dmtest.run_test(rng.laplace(size=(200, 3)), "geary", replicates=199, rng=0)
    assert outcome.pvalue <= 0.05
    pvalues = [
        dmtest.run_test(rng.standard_normal((40, 2)), "geary", replicates=99, rng=0).pvalue
        for _ in range(200)
    ]
    # Uniform: the mean of 200 has standard error .02.
    assert abs(np.mean(pvalues) - 0.5) < 0.09
    assert cli.main(["tests", "--json"]) == 0
    assert "geary" in [row["name"] for row in json.loads(capsys.readouterr().out)]


# The names of targets are read when modules are imported, so the row comes before all of them.
TARGET = """
import json, sys
import numpy as np
from scipy.special import ndtri
from dmtest.results import targets as rows
from dmtest.results.targets import NamedTarget

function, row, data = json.load(sys.stdin)
rows.NAMED = (*rows.NAMED, eval(row))
from dmtest.cli.options import TargetName
from dmtest.targets import targets as module
from dmtest.targets.canonical import Canonical, known

exec("from __future__ import annotations\\n" + function, globals())
module.Laplace = Laplace
import dmtest
from dmtest.data.sample import as_sample

scores = module.as_target("laplace").canonical(as_sample(data)).rows
x = np.random.default_rng(0).laplace(size=(400, 2))
report = dmtest.report(x, "laplace", rng=0)
other = dmtest.report(1.3 * x, "laplace", rng=0)
print(json.dumps({
    "scores": scores[:, 0].tolist(),
    "verdicts": [report.verdict, other.verdict],
    "text": str(report),
    "command": [name.value for name in TargetName],
    "tests": [row.name for row in dmtest.list_tests("laplace")],
}))
"""


def test_a_target_needs_its_class_and_its_row() -> None:
    known = table("laplace.csv")
    given = [*blocks("Add a target"), [[float(row["x"])] for row in known]]
    done = python("-c", TARGET, input=json.dumps(given))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert_allclose(result["scores"], [float(row["score"]) for row in known], rtol=1e-8)
    assert result["verdicts"] == ["compatible", "mismatch"]
    assert "independent standard Laplace columns" in " ".join(
        result["text"].replace("│", " ").split()
    )
    assert "laplace" in result["command"]
    assert {"anderson-darling", "radius", "energy"} <= set(result["tests"])


def test_a_reader_needs_its_function_and_its_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = run("Add a reader", **vars(columns) | vars(formats) | {"json": json, "np": np})
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, row))
    x = np.load(PATH / "files" / "x.npy")
    assert_array_equal(dmtest.load(PATH / "files" / "x.jsonl"), x)
    assert_array_equal(dmtest.load(PATH / "files" / "x.jsonl", columns=[2, 0]), x[:, [2, 0]])
    ragged = tmp_path / "ragged.jsonl"
    ragged.write_text("[1, 2]\n[3]\n")
    refused("lines have", dmtest.load, ragged)


def test_an_effect_needs_its_function_and_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.special import chdtri

    row = run("Add an effect", **vars(shape) | {"chdtri": chdtri})
    ((effect, function),) = row.items()
    for line in table("median_length.csv"):
        estimate = function(np.array(json.loads(line["rows"])))
        assert_allclose(estimate.value, float(line["value"]), rtol=1e-8)
    monkeypatch.setitem(shape.ROW_EFFECTS, effect, function)
    x = 2.0 * np.random.default_rng(0).standard_normal((300, 3))
    report = dmtest.report(x, rng=0)
    assert report.effects["median-length"].value == function(x).value
    assert "Median squared row length" in report.to_html()
    assert dmtest.Report.from_json(report.to_json()) == report
