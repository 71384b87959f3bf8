"""The paper's protocol: the mean p-value over random directions and small subsamples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.slices import SliceView
from dmtest.errors import InputError
from dmtest.multiplicity import mean_merge
from dmtest.nulls import SliceNull, replicates_of, whiten_columns
from dmtest.outcome import MeanPValue
from dmtest.parallel import blocks, run_tasks
from dmtest.projections import random_directions
from dmtest.registry import Spec
from dmtest.streams import stream
from dmtest.targets import Canonical

__all__ = ["mean_pvalue_of"]

Vector = NDArray[np.float64]

DRAWS_IN_A_TASK = 64
POOL = 9_999


def mean_pvalue_of(
    canonical: Canonical,
    spec: Spec,
    *,
    target: str,
    subsample: int,
    draws: int,
    confidence: float,
    seed: int,
) -> MeanPValue:
    """Average the p-values of `draws` subsamples, each projected on a direction of its own.

    Every draw takes `subsample` rows without replacement, so under the null each p-value is
    as good as its test; with n well above `subsample` this is the paper's bootstrap draw,
    without its repeated rows. Pairs tests are averaged over subsamples, not projected.
    """
    n, d = canonical.rows.shape
    if not 8 <= subsample <= n:
        raise InputError(f"subsample: got {subsample}; choose between 8 and n = {n} rows.")
    if draws < 2:
        raise InputError(f"draws: got {draws}; an interval takes at least 2.")
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence: got {confidence}; choose a number between 0 and 1.")
    if spec.family == "pairs" and subsample <= d:
        raise InputError(
            f"subsample: got {subsample} rows for d = {d}; {spec.name} fits a covariance to "
            f"each, which takes more rows than columns."
        )

    def task(part: slice) -> Vector:
        chosen = [_rows(canonical.rows, subsample, seed, i) for i in range(part.start, part.stop)]
        if spec.family == "pairs":
            return np.array([_pair_statistic(rows, spec) for rows in chosen])
        lines = []
        for i, rows in enumerate(chosen, part.start):
            direction = random_directions(1, d, stream(seed, "protocol/directions", i))
            lines.append((rows @ direction[0].astype(rows.dtype)))
        view = SliceView(np.stack(lines), "fitted")
        if not (view.central[:, 1] > 0.0).all():
            raise InputError(
                "data: a projected subsample is constant; raise subsample or leave constant "
                "columns out."
            )
        return np.asarray(spec.statistic(view))

    statistics = np.concatenate(list(run_tasks(task, blocks(draws, DRAWS_IN_A_TASK))))
    pvalues, method = _pvalues(statistics, spec, subsample, d, seed)
    return _summary(pvalues, method, spec, target, subsample, confidence, seed, (n, d))


def _rows(x: NDArray[Any], subsample: int, seed: int, index: int) -> NDArray[Any]:
    rng = stream(seed, "protocol/subsample", index)
    return np.asarray(x[np.sort(rng.choice(len(x), subsample, replace=False, shuffle=False))])


def _pair_statistic(rows: NDArray[Any], spec: Spec) -> float:
    residuals = whiten_columns(np.ascontiguousarray(rows.T, dtype=np.float64))
    return float(spec.statistic(np.ascontiguousarray(residuals.T), threads=False)[0])


def _pvalues(
    statistics: Vector, spec: Spec, subsample: int, d: int, seed: int
) -> tuple[Vector, str]:
    """Published p-values where there are any, else Monte Carlo ones of a single slice."""
    from dmtest.statistics import published

    if spec.family == "pairs":
        pvalues = published.henze_zirkler(statistics, subsample, d)
        return np.asarray(pvalues), "asymptotic (lognormal approximation)"
    formula = published.PUBLISHED.get((spec.name, "fitted"))
    if formula is not None and not (spec.name.startswith("shapiro") and subsample > 5000):
        return np.asarray(formula(statistics, subsample)), "asymptotic (published formula)"
    null = replicates_of(SliceNull("fitted", subsample, 1, 1), [spec], {}, POOL, seed)[:, 0, 0]
    sign = 1.0 if spec.tail == "upper" else -1.0
    worse = POOL - np.searchsorted(np.sort(sign * null), sign * statistics, side="left")
    return (1.0 + worse) / (POOL + 1.0), f"monte carlo, {POOL} replicates"


def _summary(
    pvalues: Vector,
    method: str,
    spec: Spec,
    target: str,
    subsample: int,
    confidence: float,
    seed: int,
    shape: tuple[int, int],
) -> MeanPValue:
    from scipy.special import ndtri

    mean = float(pvalues.mean())
    margin = float(
        ndtri(0.5 + 0.5 * confidence) * pvalues.std(ddof=1) / np.sqrt(len(pvalues))
    )
    return MeanPValue(
        test=spec.name,
        mean=mean,
        low=max(0.0, mean - margin),
        high=min(1.0, mean + margin),
        confidence=confidence,
        pvalue=mean_merge(pvalues),
        draws=len(pvalues),
        subsample=subsample,
        target=target,
        n=shape[0],
        d=shape[1],
        method=method,
        seed=seed,
    )
