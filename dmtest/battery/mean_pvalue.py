"""Mean p-value over random directions and small subsamples (arXiv 2410.06993)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.arguments import level, whole
from dmtest.calibration.budget import PAIR_BUDGET, affordable_replicates
from dmtest.calibration.multiplicity import mean_merge, rank_pvalues
from dmtest.calibration.nulls import Null, NullPlan, RowNull, SliceNull, null_of, whiten_columns
from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest
from dmtest.engines.directions import random_directions
from dmtest.engines.rows import RowView, evaluate
from dmtest.engines.slices import SliceView
from dmtest.errors import InputError
from dmtest.results.outcome import MeanPValue
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.streams import some_rows, stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import cholesky, varying_columns

T = TypeVar("T", SliceTest, RowTest)

DRAWS_IN_A_TASK = 64
POOL = 9_999
FEWEST = 999
# Fewest draws whose p-values show their variance.
FEWEST_DRAWS = 30


def mean_pvalue_of(
    canonical: Canonical,
    spec: OneSampleTest,
    *,
    target: str,
    subsample: int,
    draws: int,
    confidence: float,
    seed: int,
) -> MeanPValue:
    """Average the p-values of `draws` subsamples, each projected on a direction of its own.

    Every draw takes `subsample` rows without replacement, so under the null each p-value is
    as valid as its test; with n well above `subsample` this is the paper's bootstrap draw
    without repeated rows. Pairs tests are averaged over subsamples, not projected.

    The interval is for the mean p-value of subsamples of fresh samples: beside the choice of
    draws it has the spread over samples, because draws from one sample share rows
    (:func:`sample_variance`).
    """
    rows = _checked_rows(canonical, spec)
    n, d = rows.shape
    subsample, draws = whole("subsample", subsample, 8), whole("draws", draws, 2)
    confidence = level("confidence", confidence, 0.99)
    if subsample > n:
        raise InputError(f"subsample: got {subsample}; choose at most n = {n} rows.")
    if spec.space == "residuals" and subsample <= d:
        raise InputError(
            f"subsample: got {subsample} rows for d = {d}; {spec.name} fits a covariance to "
            f"each draw: choose more than {d}."
        )

    def task(part: slice) -> Vector:
        subsamples = [
            np.asarray(rows[_places(n, subsample, seed, i)]) for i in range(part.start, part.stop)
        ]
        if isinstance(spec, RowTest):
            return np.array([_row_statistic(draw, spec) for draw in subsamples])
        return _slice_statistics(subsamples, spec, seed, part.start)

    statistics = np.concatenate(list(run_tasks(task, blocks(draws, DRAWS_IN_A_TASK))))
    scores = _scores(statistics, spec, subsample, d, seed)
    mean = float(scores.pvalues.mean())
    variance = float(scores.pvalues.var(ddof=1)) / draws
    variance += sample_variance(scores.pvalues, n, subsample, seed)
    if scores.pool is not None:  # p-values share the replicates' error
        variance += 1.0 / (12.0 * scores.pool)
    margin = float(ndtri(0.5 + 0.5 * confidence) * np.sqrt(variance))
    return MeanPValue(
        test=spec.name,
        mean=mean,
        low=max(0.0, mean - margin),
        high=min(1.0, mean + margin),
        confidence=confidence,
        pvalue=mean_merge(scores.pvalues),
        draws=draws,
        subsample=subsample,
        target=target,
        n=n,
        d=canonical.rows.shape[1],
        method=scores.method,
        seed=seed,
    )


class _Scores(NamedTuple):
    """P-values to average, their method and the number of replicates behind them."""

    pvalues: Vector
    method: str
    pool: int | None = None


def _checked_rows(canonical: Canonical, spec: OneSampleTest) -> NDArray[Any]:
    """Return the rows to draw from; for a test that fits covariances, of independent columns."""
    if spec.space == "cube":
        return np.asarray(np.clip(np.asarray(canonical.cube), 0.0, 1.0))
    if spec.space == "sphere":
        return np.asarray(canonical.unit)
    rows = canonical.rows
    if spec.space != "residuals" or canonical.fitted:
        return rows
    columns = varying_columns(rows, canonical.mean, canonical.covariance)
    return rows if len(columns) == rows.shape[1] else rows[:, columns]


def _places(n: int, subsample: int, seed: int, index: int) -> NDArray[np.intp]:
    """Return the rows of a draw, in ascending order."""
    rng = stream(seed, "protocol/subsample", index)
    return some_rows(rng, n, subsample)


def sample_variance(pvalues: Vector, n: int, subsample: int, seed: int) -> float:
    """Variance over samples of the mean p-value of all subsamples.

    It is a U-statistic, so the jackknife overestimates its variance (Efron & Stein 1981): from the
    difference between the mean p-values of draws with and without a row. The error that few draws
    leave in these differences is subtracted, and one standard error of that is added again. The
    variance is at most subsample / n times that of a p-value (Hoeffding 1948).

    Parameters
    ----------
    pvalues : ndarray, shape (draws,)
    n, subsample : int
        Rows of the sample and of a draw.
    seed : int
        Seed of the draws.
    """
    draws, share = len(pvalues), subsample / n
    mean, within = float(pvalues.mean()), float(pvalues.var(ddof=1))
    most = share * mean * (1.0 - mean)
    if subsample == n:
        return most
    if draws >= FEWEST_DRAWS:
        most = min(most, share * within / (1.0 - share))

    def task(part: slice) -> Vector:
        total = np.zeros((2, n))
        for i in range(part.start, part.stop):
            total[:, _places(n, subsample, seed, i)] += [[1.0], [pvalues[i]]]
        return total

    count, total = np.sum(list(run_tasks(task, blocks(draws, DRAWS_IN_A_TASK))), axis=0)
    seen = (count > 0.0) & (count < draws)
    if not seen.any():
        return most
    count, total = count[seen], total[seen]
    difference = total / count - (pvalues.sum() - total) / (draws - count)
    noise = float(np.mean(within * (1.0 / count + 1.0 / (draws - count))))
    excess = max(0.0, float(np.mean(difference**2)) - noise)
    excess += noise * float(np.sqrt(2.0 / min(len(count), draws)))
    return min(most, (n - 1.0) * share**2 * excess)


def _slice_statistics(
    subsamples: Sequence[NDArray[Any]], spec: SliceTest, seed: int, first: int
) -> NDArray[np.float64]:
    """Return statistics of subsamples `first`, `first` + 1, ..., each on its own direction."""
    slices = []
    for i, draw in enumerate(subsamples, first):
        rng = stream(seed, "protocol/directions", i)
        slices.append(draw @ random_directions(1, draw.shape[1], rng)[0].astype(draw.dtype))
    view = SliceView(np.stack(slices), "fitted")
    if not (view.central[:, 1] > 0.0).all():
        raise InputError(
            "data: a projected subsample is constant; raise subsample or leave constant "
            "columns out."
        )
    return np.asarray(spec.statistic(view))


def _row_statistic(rows: NDArray[Any], spec: RowTest) -> float:
    """Return the varying part of a statistic, or its p-value if the null depends on the draw."""
    if spec.space != "residuals":
        view = RowView(np.ascontiguousarray(rows, dtype=np.float64), threads=False)
        return float(evaluate(spec.statistic, view)[1])
    columns = np.ascontiguousarray(rows.T, dtype=np.float64)
    try:
        residuals = whiten_columns(columns)
    except np.linalg.LinAlgError:
        raise InputError(
            "data: the covariance of a subsample is singular; raise subsample or leave columns "
            "with few distinct values out."
        ) from None
    view = RowView(np.ascontiguousarray(residuals.T), threads=False)
    if spec.coloured:
        # The null depends on the covariance of the draw.
        view.factor = cholesky(np.cov(columns, bias=True).reshape(view.d, view.d))
        statistic = evaluate(spec.statistic, view)[0]
        assert spec.published is not None  # coloured rows have one
        return float(spec.published(statistic, view))
    return float(evaluate(spec.statistic, view)[1])


def _scores(statistics: Vector, spec: OneSampleTest, subsample: int, d: int, seed: int) -> _Scores:
    """Return published p-values if they are accurate, else Monte Carlo ones."""
    if isinstance(spec, RowTest):
        mean_law = spec.mean_law
        if spec.coloured:
            return _Scores(statistics, "asymptotic (published formula)")
        if mean_law is not None and subsample >= mean_law.rows_per_column * d:
            pvalues = mean_law.law(statistics, subsample, d)
            return _Scores(pvalues, f"asymptotic ({mean_law.name})")
        count = affordable_replicates(POOL, spec.operations(subsample, d), PAIR_BUDGET, FEWEST)
        null = _null(RowNull(spec.space, subsample, d), spec, count, seed)
        if spec.tail == "two-sided":
            smaller = np.minimum(rank_pvalues(statistics, null), rank_pvalues(-statistics, -null))
            method = f"monte carlo, {len(null)} replicates"
            return _Scores(np.minimum(1.0, 2.0 * smaller), method, len(null))
        return _rank(spec.sign * statistics, spec.sign * null)
    law = spec.published.get("fitted")
    if law is not None and subsample <= spec.mean_rows:
        return _Scores(law(statistics, subsample), "asymptotic (published formula)")
    null = _null(SliceNull("fitted", subsample, 1, 1), spec, POOL, seed)
    return _rank(spec.sign * statistics, spec.sign * null)


def _null(null: Null[T], spec: T, replicates: int, seed: int) -> Vector:
    """Simulate the null at the subsamples' rows: shape (replicates,)."""
    plan = NullPlan(seed=seed, replicates=replicates, calibration="monte-carlo")
    (sample,) = null_of(null, [spec], plan)
    return sample.values[:, 0]


def _rank(statistics: Vector, null: Vector) -> _Scores:
    """Return Monte Carlo p-values of several statistics from one pool of replicates."""
    return _Scores(
        rank_pvalues(statistics, null), f"monte carlo, {len(null)} replicates", len(null)
    )
