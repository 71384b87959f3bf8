"""The worked example of CONTRIBUTING.md: a test is one function, one row and one reference file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmtest
from dmtest.catalogue import registry
from dmtest.catalogue.spec import SliceTest
from dmtest.cli import main as cli
from dmtest.engines.slices import SliceView
from tests.catalogue import test_invariance, test_references
from tests.support.references import references_of, univariate

ROOT = Path(__file__).parents[1]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> SliceTest:
    """Run the two blocks of code, and register the row as a row of the catalogue is."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("## Add a test") : text.index("## Kernels")]
    blocks = re.findall(r"^   ```python\n(.*?)^   ```$", section, flags=re.DOTALL | re.MULTILINE)
    function, row = (re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in blocks)
    names: dict[str, Any] = {"np": np, "SliceView": SliceView, "Vector": np.ndarray}
    names["SliceTest"] = SliceTest
    exec(function, names)
    spec = eval(row, names)
    assert isinstance(spec, SliceTest)
    monkeypatch.setattr(registry, "ROWS", (*registry.ROWS, spec))
    monkeypatch.setitem(registry.TESTS, spec.name, spec)
    return spec


def test_it_equals_its_references(example: SliceTest) -> None:
    assert {one.what for one in references_of(example)} == set(univariate())
    test_references.test_it_equals_its_references(example)


def test_it_keeps_its_value(example: SliceTest) -> None:
    for name, target in (("triangular", "any-normal"), ("order of rows", "normal")):
        test_invariance.test_it_does_not_depend_on(example, name, target)


def test_the_row_is_all_that_has_to_know_it(
    example: SliceTest, capsys: pytest.CaptureFixture[str]
) -> None:
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
