"""The demo: real data that comes with the dependencies, printed and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dmtest.cli import main as cli
from dmtest.cli.demo import INTRODUCTION, trained_digits, whitened_digits


def test_digits_are_whitened() -> None:
    """The components have mean 0 and covariance I, and are those of scikit-learn's PCA."""
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA

    x = whitened_digits()
    assert x.shape == (1797, 16)
    assert_allclose(x.mean(axis=0), 0.0, atol=1e-12)
    assert_allclose(x.T @ x / len(x), np.eye(16), atol=1e-12)
    peer = PCA(16, svd_solver="full").fit_transform(load_digits().data)
    assert_allclose(np.abs(x), np.abs(peer) / peer.std(axis=0), atol=1e-9)


def test_signs_do_not_depend_on_lapack() -> None:
    """Of every component the largest loading is positive."""
    from sklearn.datasets import load_digits

    pixels = load_digits().data
    loadings = whitened_digits(3).T @ (pixels - pixels.mean(axis=0))
    largest = np.abs(loadings).argmax(axis=1)
    assert (loadings[np.arange(3), largest] > 0.0).all()


def test_trained_digits_are_what_the_introduction_says() -> None:
    """500 rows in 8 columns whose neighbours name the digit; held out, so not exactly N(0, I)."""
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    stored = trained_digits()
    x, labels = stored["embeddings"], stored["labels"]
    assert x.shape == stored["augmented"].shape == (500, 8)
    assert_allclose(x.var(axis=0), 1.0, atol=0.2)
    assert cross_val_score(KNeighborsClassifier(5), x, labels, cv=5).mean() > 0.85


def test_demo_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report is printed, the page is written here and said to be, and the exit code is 0."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(INTRODUCTION)
    assert "Mismatch" in out
    assert out.endswith("HTML page written to dmtest-demo.html\n")
    page = (tmp_path / "dmtest-demo.html").read_text(encoding="utf-8")
    assert all(word in page for word in ("held-out digits, trained embeddings", "z1")), page
    assert [path.name for path in tmp_path.iterdir()] == ["dmtest-demo.html"]
    other = tmp_path / "other.html"
    assert cli.main(["demo", "--html", str(other)]) == 0
    assert f"HTML page written to {other}\n" in capsys.readouterr().out
