"""Characteristic-function statistics from random frequencies, in time linear in n.

A statistic n int |...|^2 w(t) dt whose weight is a normal density up to a factor is n times
the mean of |...|^2 over frequencies drawn from it (Rahimi & Recht 2007). The frequencies
are the same for the sample and for its replicates, so the p-value is calibrated whatever
their number; more of them detect more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dmtest.engines.rows import RowView, Values
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.typing import Vector
from dmtest.statistics.rows.pairs import henze_zirkler_beta, mmd_beta

# Random frequencies of a statistic.
FEATURES = 512


@dataclass(frozen=True, slots=True)
class _Sums:
    """Means over rows at frequencies t (m, d): of cos and sin, times r^2, and times rows."""

    t: Vector
    squared: Vector
    cos: Vector
    sin: Vector
    normed_cos: Vector
    normed_sin: Vector
    rows_cos: Vector
    rows_sin: Vector


def _sums(view: RowView, variance: float, rows: bool = False) -> _Sums:
    t = view.rng("features").standard_normal((FEATURES, view.d)) * np.sqrt(variance)
    single = t.astype(view.rows.dtype)

    def tile(part: slice) -> list[Any]:
        y = view.rows[part]
        angle = y @ single.T
        cos, sin = np.cos(angle), np.sin(angle)
        r2 = view.squared[part].astype(y.dtype)
        out = [cos.sum(0, np.float64), sin.sum(0, np.float64)]
        out += [(r2 @ cos).astype(np.float64), (r2 @ sin).astype(np.float64)]
        return out + ([cos.T @ y, sin.T @ y] if rows else [np.zeros(()), np.zeros(())])

    parts = blocks(view.n, ROW_TILE)
    results = run_tasks(tile, parts) if view.threads else map(tile, parts)
    total: list[Any] = [0.0] * 6
    for values in results:
        total = [a + np.asarray(b, dtype=np.float64) for a, b in zip(total, values, strict=True)]
    return _Sums(t, np.square(t).sum(axis=1), *(np.asarray(value) / view.n for value in total))


def bhep(view: RowView, beta: float = 1.0, *, n: int = 0) -> Values:
    """Mean of n |phi_n(t) - exp(-|t|^2/2)|^2 over t from N(0, beta^2 I)."""
    s = _sums(view, beta**2)
    gap = np.square(s.cos - np.exp(-0.5 * s.squared)) + np.square(s.sin)
    value = float(view.n * gap.mean())
    return value, value


def henze_zirkler(view: RowView, beta: float | None = None, *, n: int) -> Values:
    """:func:`bhep` at the bandwidth for n rows, whatever the rows of a replicate."""
    return bhep(view, henze_zirkler_beta(n, view.d) if beta is None else beta)


def mmd(view: RowView, beta: float | None = None, *, n: int = 0) -> Values:
    """:func:`bhep` at the bandwidth :func:`mmd_beta`."""
    return bhep(view, mmd_beta(view.d) if beta is None else beta)


def ebner_henze_strieder(view: RowView, a: float = 1.0, *, n: int = 0) -> Values:
    """(pi/a)^(d/2) n times the mean of |grad phi_n(t) + t exp(-|t|^2/2)|^2, t from N(0, I/(2a))."""
    s = _sums(view, 0.5 / a, rows=True)
    real = s.t * np.exp(-0.5 * s.squared)[:, None] - s.rows_sin
    gap = np.square(real).sum(axis=1) + np.square(s.rows_cos).sum(axis=1)
    varying = float(view.n * gap.mean())
    with np.errstate(over="ignore"):
        return float(np.exp(0.5 * view.d * np.log(np.pi / a)) * varying), varying


def doerr_ebner_henze_t(view: RowView, a: float = 1.0, *, n: int = 0) -> Values:
    """n/d^2 times the mean of |Lap phi_n(t) - (|t|^2 - d) exp(-|t|^2/2)|^2."""
    s = _sums(view, 0.5 / a)
    gap = np.square(s.normed_cos + (s.squared - view.d) * np.exp(-0.5 * s.squared))
    value = float(view.n * (gap + np.square(s.normed_sin)).mean() / view.d**2)
    return value, value


def doerr_ebner_henze_u(view: RowView, a: float = 0.5, *, n: int = 0) -> Values:
    """n/d^2 times the mean of |Lap phi_n(t) - (|t|^2 - d) phi_n(t)|^2."""
    s = _sums(view, 0.5 / a)
    factor = s.squared - view.d
    gap = np.square(s.normed_cos + factor * s.cos) + np.square(s.normed_sin + factor * s.sin)
    value = float(view.n * gap.mean() / view.d**2)
    return value, value
