"""Joint shape: the spread of row lengths and the effective number of directions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.results.outcome import Effect
from dmtest.targets.targets import Canonical

__all__ = ["dispersion", "shape_effects"]

ROWS = 20_000


def shape_effects(canonical: Canonical, confidence: float = 0.95) -> list[Effect]:
    """Return the dispersion of squared lengths and the effective rank of the covariance.

    Dispersion: Var |x|^2 over 2 d, the value under N(0, I), on rows scaled to unit variance
    on average. 1 under the target; above 1 for heavy tails common to all coordinates, below
    1 for rows near a sphere. The interval is the delta method's. Effective rank:
    (tr S)^2 / tr S^2, d when all directions carry the same variance.
    """
    covariance = canonical.covariance
    trace, square = float(np.trace(covariance)), float(np.square(covariance).sum())
    effects = [_dispersion(canonical.rows, confidence)]
    if len(covariance) > 1 and square > 0.0:
        effects.append(
            Effect(
                name="effective-rank",
                label="Effective rank of the covariance",
                value=trace**2 / square,
                unit=f"of {len(covariance)} directions",
                note="(tr S)^2 / tr S^2, descriptive",
            )
        )
    return effects


def dispersion(x: NDArray[Any]) -> tuple[float, float]:
    """Dispersion of squared lengths and its standard error; of ROWS rows at most."""
    step = -(-len(x) // ROWS)
    rows = np.asarray(x[::step], dtype=np.float64)
    m, d = rows.shape
    scale = float(np.square(rows).mean())
    squares = np.square(rows).sum(axis=1) / (scale or 1.0)
    deviation = np.square(squares - d) / (2.0 * d)
    value = float(deviation.mean())
    # The scale is estimated too. In few dimensions that makes the error smaller, but more so
    # than a sample of a few hundred rows shows: the larger of the two covers.
    shared = deviation - 2.0 * value * (squares / d - 1.0)
    error = max(float(deviation.std(ddof=1)), float(shared.std(ddof=1))) / np.sqrt(m)
    return value, error


def _dispersion(x: NDArray[Any], confidence: float) -> Effect:
    value, error = dispersion(x)
    margin = float(ndtri(0.5 + 0.5 * confidence)) * error
    return Effect(
        name="length-dispersion",
        label="Dispersion of squared row lengths",
        value=value,
        low=max(0.0, value - margin),
        high=value + margin,
        confidence=confidence,
        unit="times the normal's",
        note="1 under the target; above it tails are heavy in all coordinates at once",
    )
