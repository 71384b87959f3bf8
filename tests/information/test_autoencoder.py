"""The bound by the error of a trained autoencoder, against the bracket of its channel."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.information.autoencoder import COLUMNS, ENTROPY, SCALES, source, trained


def test_the_source_has_the_entropy_that_is_said() -> None:
    """Undo the bends: what is left is the normal U, and the volume did not change."""
    x = source(50_000, np.random.default_rng(0)).astype(np.float64)
    u = x.copy()
    for j in range(1, COLUMNS):
        u[:, j] -= 2.0 * np.sin(0.5 * x[:, j - 1])
    expected = 0.5 * COLUMNS * np.log(2.0 * np.pi * np.e) + np.log(SCALES).sum()
    covariance = np.cov(u.T)
    fitted = 0.5 * np.linalg.slogdet(2.0 * np.pi * np.e * covariance)[1]
    assert abs(fitted - expected) < 0.05
    assert abs(expected - ENTROPY) < 1e-12


@pytest.mark.parametrize("code", [1, 6])
def test_no_autoencoder_breaks_its_bracket(code: int) -> None:
    """A short run: the bound by the error is not above what the noise lets pass."""
    pytest.importorskip("torch")
    made = trained(code, seed=3, steps=150, held_rows=3000)
    assert made["bound by the error"] <= made["I(X; Z), high"]
    assert made["I(X; Z), low"] <= made["I(X; Z), high"]
    assert made["as printed"] > made["I(X; Z), high"] or code > 1
