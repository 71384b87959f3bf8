"""Power of a test on subsamples of the data: the rows that it needs to detect a departure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtr, ndtri

from dmtest.battery.rows import rows_of
from dmtest.calibration.multiplicity import min_p, rank_pvalues
from dmtest.calibration.nulls import NullPlan, RowNull, SliceNull, null_of, slice_count
from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest
from dmtest.data.sample import Sample
from dmtest.engines.directions import random_directions
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.engines.slices import slice_statistics
from dmtest.errors import InputError
from dmtest.results.effect_table import DETECTABLE_ROWS, NO_INTERVAL
from dmtest.results.outcome import Effect
from dmtest.results.shown import Shown
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import some_rows, stream
from dmtest.runtime.typing import Vector
from dmtest.targets.callables import Rosenblatt
from dmtest.targets.canonical import Canonical
from dmtest.targets.targets import Target, Uniform

# Rows of the smallest subsample and, by default, of the largest; resamples behind an interval.
SMALLEST, LARGEST, RESAMPLES = 20, 8192, 400
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, repr=False)
class Threshold(Shown):
    """The rows at which a test reaches a power, with a 95% interval.

    Attributes
    ----------
    power : float
        Share of samples that the test rejects.
    n : float or None
        Rows; None if the power is not reached, or is exceeded at every size that was tried.
    low, high : float or None
        Limits of `n`; None where the sizes that were tried do not bound it.
    """

    power: float
    n: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Detectability(Shown):
    """Power of a test against the rows of subsamples.

    Attributes
    ----------
    test, target : str
    alpha : float
        Level of the test.
    sizes : tuple of int
        Rows of the subsamples, drawn without replacement; at most half of the data's.
    rates, low, high : tuple of float
        Share of subsamples that the test rejects, with a 95% interval for that of fresh samples.
    mean_pvalues : tuple of float
        Mean p-value of the subsamples.
    draws : int
        Subsamples of each size.
    thresholds : tuple of Threshold
        Rows for 50% and for 90% power.
    seed : int
    """

    test: str
    target: str
    alpha: float
    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean_pvalues: tuple[float, ...]
    draws: int
    thresholds: tuple[Threshold, ...]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects."""
        return asdict(self)


def detectability_of(
    sample: Sample,
    target: Target,
    spec: OneSampleTest,
    *,
    alpha: float,
    sizes: tuple[int, ...] | None = None,
    top: int = LARGEST,
    draws: int = 200,
    replicates: int = 999,
    seed: int,
    progress: Progress | None = None,
) -> Detectability:
    """Test subsamples of n/2, n/4, ... rows until the test rejects few of them.

    Parameters
    ----------
    sample : Sample
        Rows before any transform, shape (n, d).
    target : Target
        Each subsample is brought to its normal scale by itself.
    spec : SliceTest or RowTest
        The test. One whose null depends on the subsample's covariance raises `InputError`.
    alpha : float
        Level of the test.
    sizes : tuple of int, optional
        Rows of the subsamples. By default `top` and its halves, until at most the larger of
        10% and 1.5 alpha are rejected.
    top : int
        Rows of the largest subsample, where no `sizes` are given.
    draws : int
        Subsamples of each size.
    replicates : int
        Replicates of the null of each size.
    seed : int
    progress : callable, optional

    Returns
    -------
    Detectability
    """
    if isinstance(spec, RowTest) and spec.coloured:
        raise InputError(
            f"test: the null of {spec.name!r} depends on each subsample's covariance, so its power "
            f"cannot be estimated this way; choose another test."
        )
    name = target.name
    if isinstance(target, Rosenblatt):
        # Every row is mapped by itself: the caller's function is not run on every subsample.
        sample, target = replace(sample, x=np.asarray(target.canonical(sample).cube)), Uniform()
    # A fitted covariance needs two rows a column, as for tests of whole rows.
    least = max(SMALLEST, 2 * sample.d) if target.fitted else SMALLEST
    ladder = sizes or _halving(sample.n, top, least)
    pvalues_of: dict[int, Vector] = {}
    replicates_of: dict[int, int] = {}
    for place, m in enumerate(sorted(ladder, reverse=True)):
        pvalues, replicates_of[m] = _pvalues(
            sample, target, m, spec, draws=draws, replicates=replicates, seed=seed
        )
        pvalues_of[m] = pvalues
        if progress is not None:
            progress("subsamples", place + 1, len(ladder))
        # Smaller subsamples have less power: the rest of the curve is the level.
        if sizes is None and (pvalues <= alpha).mean() <= max(1.5 * alpha, 0.1):
            break
    tried = tuple(sorted(pvalues_of))
    rates = np.array([(pvalues_of[m] <= alpha).mean() for m in tried])
    # What the draws do not show, on normal scale: the rows that subsamples share, and the error of
    # simulated critical values.
    shared = np.array([m / sample.n for m in tried])
    critical = np.sqrt([alpha * (1.0 - alpha) / replicates_of[m] for m in tried])
    critical /= np.exp(-0.5 * ndtri(alpha) ** 2) / np.sqrt(2.0 * np.pi)
    errors = RateErrors(draws, shared, critical)
    low, high = _rate_limits(rates, errors)
    return Detectability(
        test=spec.name,
        target=name,
        alpha=alpha,
        sizes=tried,
        rates=tuple(map(float, rates)),
        low=tuple(map(float, low)),
        high=tuple(map(float, high)),
        mean_pvalues=tuple(float(pvalues_of[m].mean()) for m in tried),
        draws=draws,
        thresholds=tuple(_threshold(p, tried, rates, errors, seed) for p in (0.5, 0.9)),
        seed=seed,
    )


def detectability_effect(power: Detectability) -> Effect:
    """Return the rows at which the test has 50% power, as an effect."""
    half = power.thresholds[0]
    row = DETECTABLE_ROWS.filled(
        test=power.test, alpha=power.alpha, most=power.sizes[-1], draws=power.draws
    )
    if half.n is not None and half.low is half.high is None:
        return row.within_limits(half.n, note=f"{row.note}; {NO_INTERVAL}")
    if half.n is not None:
        return row.within_limits(half.n, half.low, half.high, CONFIDENCE)
    reached = power.rates[-1] >= 0.5
    side = f"fewer than {power.sizes[0]}" if reached else f"more than {power.sizes[-1]}"
    return row.within_limits(None, note=f"{side} rows: {row.note}")


def _halving(n: int, most: int, least: int) -> tuple[int, ...]:
    top = min(n // 2, max(most, least))
    if top < least:
        raise InputError(f"data: power on subsamples takes at least {2 * least} rows; got n = {n}.")
    steps = int(np.log2(top / least))
    return tuple(top >> j for j in range(steps + 1))


def _pvalues(
    sample: Sample,
    target: Target,
    m: int,
    spec: OneSampleTest,
    *,
    draws: int,
    replicates: int,
    seed: int,
) -> tuple[Vector, int]:
    """P-values of the test on `draws` subsamples of m rows, and the replicates behind them."""
    values, null = [], None
    for i in range(draws):
        rng = stream(seed, f"detectability/{m}", i)
        rows = some_rows(rng, sample.n, m)
        canonical = target.canonical(replace(sample, x=sample.x[rows]))
        if null is None:
            null = _null(canonical, m, spec, replicates, seed)
        values.append(_statistic(canonical, spec, rng))
    assert null is not None
    signs = np.array(spec.signs)
    observed, drawn = np.array(values)[:, None] * signs, null[:, None] * signs
    if len(signs) == 1:
        return np.asarray(rank_pvalues(observed[:, 0], drawn[:, 0])), len(null)
    return np.array([min_p(one, drawn)[0] for one in observed]), len(null)


def _statistic(canonical: Canonical, spec: OneSampleTest, rng: np.random.Generator) -> float:
    """Evaluate the statistic of a test on one subsample: the mean over slices, or of whole rows."""
    if isinstance(spec, SliceTest):
        d = canonical.rows.shape[1]
        directions = random_directions(slice_count(d), d, rng)
        functions = {spec.name: spec.statistic}
        values = slice_statistics(canonical.rows, directions, canonical.parameters, functions)
        return float(values.mean())
    rows, factor = rows_of(canonical, spec.space, spec.name)
    return evaluate_all(RowView(rows, factor), [spec.statistic], [{}])[0][1]


def _null(canonical: Canonical, m: int, spec: OneSampleTest, replicates: int, seed: int) -> Vector:
    """Null of that statistic for subsamples of m rows: shape (replicates,)."""
    if isinstance(spec, SliceTest):
        return _null_of_width(canonical, m, canonical.rows.shape[1], spec, replicates, seed)
    # Whitened rows have the independent columns only.
    width = rows_of(canonical, spec.space, spec.name)[0].shape[1]
    return _null_of_width(canonical, m, width, spec, replicates, seed)


def _null_of_width(
    canonical: Canonical, m: int, width: int, spec: OneSampleTest, replicates: int, seed: int
) -> Vector:
    """Null of that statistic for m rows of so many columns, shipped or simulated."""
    plan = NullPlan(seed=seed, replicates=replicates, calibration="monte-carlo")
    if isinstance(spec, SliceTest):
        lines = SliceNull.of(canonical.parameters, m, width, slice_count(width), None)
        (sample,) = null_of(lines, [spec], plan, shipped=True)
    else:
        (sample,) = null_of(RowNull(spec.space, m, width), [spec], plan, shipped=True)
    return sample.values[:, 0]


@dataclass(frozen=True, slots=True)
class RateErrors:
    """Sources of error of the rates at which subsamples are rejected.

    Subsamples of one sample share rows. A statistic that is nearly a mean over rows correlates
    between two of them as they overlap, by m / n on average, so a rate is that of fresh samples
    given a normal factor of the sample, with this correlation (a probit model).

    Attributes
    ----------
    draws : int
        Subsamples of each size.
    shared : ndarray, shape (sizes,)
        Share of the sample's rows in a subsample.
    critical : ndarray, shape (sizes,)
        Standard error of the critical value, in standard deviations of the statistic.
    """

    draws: int
    shared: Vector
    critical: Vector

    def resample(self, rates: Vector, rng: np.random.Generator, count: int) -> Vector:
        """Draw rates of samples whose rates over fresh samples these are: (count, sizes)."""
        # A rate of 0 or 1 is of so many draws only.
        inside = np.clip(rates, 0.5 / self.draws, 1.0 - 0.5 / self.draws)
        # The largest subsamples overlap by half of their rows.
        shared = np.minimum(self.shared, 0.5)
        factor = np.sqrt(shared) * rng.standard_normal((count, 1))
        factor = factor + self.critical * rng.standard_normal((count, len(rates)))
        given = ndtr((ndtri(inside) + factor) / np.sqrt(1.0 - shared))
        return np.asarray(rng.binomial(self.draws, given) / self.draws)


def _rate_limits(rates: Vector, errors: RateErrors) -> tuple[Vector, Vector]:
    """Wilson's 95% interval on normal scale, widened by the errors that the draws do not show."""
    z2 = 1.959964**2
    draws = errors.draws
    middle = (rates + 0.5 * z2 / draws) / (1.0 + z2 / draws)
    reach = np.sqrt(z2 * (rates * (1.0 - rates) / draws + 0.25 * z2 / draws**2)) / (
        1.0 + z2 / draws
    )
    shared = np.minimum(errors.shared, 0.5)
    wide = np.sqrt(z2 * (shared + errors.critical**2))
    low, middle, high = ndtri(np.clip([middle - reach, middle, middle + reach], 1e-12, 1 - 1e-12))
    rest = np.sqrt(1.0 - shared)
    low = middle * rest - np.hypot((middle - low) * rest, wide)
    high = middle * rest + np.hypot((high - middle) * rest, wide)
    return (
        np.where(rates > 0.0, ndtr(low), 0.0),
        np.where(rates < 1.0, ndtr(high), 1.0),
    )


def _threshold(
    power: float, sizes: tuple[int, ...], rates: Vector, errors: RateErrors, seed: int
) -> Threshold:
    """Interpolate the isotonic fit in log n; a parametric bootstrap gives the interval."""
    logs = np.log(sizes)
    fit = np.asarray(isotonic_regression(rates).x)
    rng = stream(seed, f"detectability/bootstrap/{power}")
    resamples = errors.resample(fit, rng, RESAMPLES)
    crossings = [_crossing(power, logs, np.asarray(isotonic_regression(r).x)) for r in resamples]
    tail = 0.5 * (1.0 - CONFIDENCE)
    low, high = np.quantile(crossings, [tail, 1.0 - tail], method="nearest")
    middle = _crossing(power, logs, fit)

    def rows(log: float) -> float | None:
        return float(np.exp(log)) if np.isfinite(log) else None

    return Threshold(power, rows(middle), rows(low), rows(high))


def _crossing(power: float, logs: Vector, fit: Vector) -> float:
    """Log n where the fit reaches a power: -inf if below all sizes tried, inf if above."""
    if fit[-1] < power:
        return np.inf
    if fit[0] >= power:
        return -np.inf
    right = int(np.argmax(fit >= power))
    share = (power - fit[right - 1]) / (fit[right] - fit[right - 1])
    return float(logs[right - 1] + share * (logs[right] - logs[right - 1]))
