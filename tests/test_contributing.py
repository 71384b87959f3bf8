"""The worked example of CONTRIBUTING.md: a test is one function, one row and one reference file."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmtest
from dmtest.catalogue import registry
from dmtest.catalogue.spec import Spec
from dmtest.cli import main as cli
from dmtest.engines.slices import SliceView

ROOT = Path(__file__).parents[1]
REFERENCES = ROOT / "tests" / "references"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Spec:
    """Run the two blocks of code, and register the row as a row of the catalogue is."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index("## Add a test") : text.index("## Kernels")]
    blocks = re.findall(r"^   ```python\n(.*?)^   ```$", section, flags=re.DOTALL | re.MULTILINE)
    function, row = (re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in blocks)
    names: dict[str, Any] = {"np": np, "SliceView": SliceView, "Vector": np.ndarray, "Spec": Spec}
    exec(function, names)
    spec = eval(row, names)
    assert isinstance(spec, Spec)
    monkeypatch.setattr(registry, "ROWS", (*registry.ROWS, spec))
    monkeypatch.setitem(registry.TESTS, spec.name, spec)
    return spec


def test_it_equals_its_references(example: Spec) -> None:
    with gzip.open(REFERENCES / "univariate_data.csv.gz", "rt", encoding="utf-8") as file:
        data = {row[0]: np.array(row[1:], dtype=float) for row in csv.reader(file)}
    with (REFERENCES / "geary.csv").open(encoding="utf-8", newline="") as file:
        expected = {row["dataset"]: float(row["statistic"]) for row in csv.DictReader(file)}
    assert expected.keys() == data.keys()
    for name, value in expected.items():
        view = SliceView(data[name][None], "fitted")
        assert_allclose(example.statistic(view)[0], value, rtol=1e-8)


def test_the_row_is_all_that_has_to_know_it(
    example: Spec, capsys: pytest.CaptureFixture[str]
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
