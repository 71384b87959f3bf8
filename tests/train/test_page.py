"""The page of a training run: true to the numbers, without labels, noise or evaluation, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dmtest import train
from dmtest.cli import main as cli
from dmtest.render import training_rows
from dmtest.render.page.training import worst_pair
from tests.support.pages import Page, faults


@pytest.fixture(scope="module")
def fits() -> dict[str, train.Fit]:
    """Train for an epoch or two: on digits, in one column, in the cube, without noise."""
    rng = np.random.default_rng(0)
    common = {"epochs": 2, "batch": 256, "rng": 0}
    x = rng.standard_normal((600, 5)).astype(np.float32)
    return {
        "digits": train.fit("digits", sigma=0.5, dim=3, **common),
        "one": train.fit(x, sigma=0.5, dim=1, **common),
        "cube": train.fit(x, "uniform", epsilon=0.1, dim=2, **common),
        "plain": train.fit(x, sigma=0.0, critic="separable", dim=2, **common),
        "unevaluated": train.fit(x, sigma=0.5, evaluate=False, **common),
    }


@pytest.mark.parametrize("name", ["digits", "one", "cube", "plain", "unevaluated"])
def test_pages_are_well_formed_and_say_what_the_run_found(
    fits: dict[str, train.Fit], name: str
) -> None:
    fit = fits[name]
    text = fit.to_html()
    assert faults(text) == []
    page = Page(text)
    titles = ["Trained", "An exact sample"]
    labels = [a.get("aria-label", "") for a in page.all("svg")]
    shown = [label for label in labels if " rows in columns " in label]
    if fit.verification is not None:
        titles.insert(1, "Untrained")
        for row, cells in training_rows.rows(fit):
            assert " ".join(" ".join((row, *cells)).split()) in page.text
        assert fit.report is not None
        for finding in fit.report.diagnosis:
            assert finding.message in page.text
    else:
        assert "The run was not evaluated" in page.text
    assert [label.split(":")[0] for label in shown] == titles
    if name == "plain":
        assert "Bounds on one axis" not in page.text  # no noise, no bounds


def test_the_untrained_rows_are_those_before_training(fits: dict[str, train.Fit]) -> None:
    fit = fits["digits"]
    assert fit.untrained is not None
    assert fit.untrained.shape == fit.embeddings.shape
    assert not np.allclose(fit.untrained, fit.embeddings)
    assert fits["unevaluated"].untrained is None


def test_the_scatter_shows_the_worst_two_columns(fits: dict[str, train.Fit]) -> None:
    fit = fits["digits"]
    assert fit.verification is not None
    distances = dict(enumerate(fit.verification.kolmogorov))
    best = min(distances, key=distances.__getitem__)
    assert set(worst_pair(fit)) == set(distances) - {best}
    assert worst_pair(fits["one"]) == (0, 0)


def test_a_broken_inequality_is_said(fits: dict[str, train.Fit]) -> None:
    fit = fits["digits"]
    assert fit.verification is not None
    broken = replace(fit.verification, violations=("<b>broken</b>",))
    text = replace(fit, verification=broken).to_html()
    assert "1 inequality of the theory is broken: see Bounds." in Page(text).text
    assert "<b>broken" not in text


def test_the_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "run.html"
    command = ["train", "--epochs", "1", "--batch", "256", "--html", str(page)]
    assert cli.main(command) == 0
    assert capsys.readouterr().out.endswith(f"HTML page written to {page}\n")
    assert faults(page.read_text(encoding="utf-8")) == []
    assert cli.main(["train", "--html", str(tmp_path / "nowhere" / "x.html")]) == 2
