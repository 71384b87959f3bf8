"""Effects between two samples, with intervals, on scales that do not grow with n."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.permutation import PermutationResult
from dmtest.effects.wasserstein import direction_variance
from dmtest.engines.labelled_slices import (
    LabelledStatistic,
    SortedSlices,
    slice_distances,
    sort_slices,
)
from dmtest.engines.pool import Labels, Pool
from dmtest.results import effect_table as table
from dmtest.results.effect_table import EffectRow, Estimates, effects_of
from dmtest.results.estimate import Estimate
from dmtest.results.outcome import Effect
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.runtime.typing import Vector
from dmtest.statistics.pools.classifier import FOLDS, observed_scores
from dmtest.targets.transforms import mean_and_covariance

# Most columns with a comparison of covariances; permutations behind the bias of a distance.
MOST_COLUMNS, DEBIASING = 2048, 199


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and 1/n covariance of a sample of n rows."""

    n: int
    mean: Vector
    covariance: Vector

    @property
    def variances(self) -> Vector:
        """Variances of the columns: shape (d,)."""
        return np.asarray(np.diagonal(self.covariance))


def moments_of(x: NDArray[np.floating]) -> Moments:
    """Compute mean and covariance of all rows."""
    mean, covariance = mean_and_covariance(x)
    return Moments(len(x), mean, covariance)


def contrast_effects(
    pool: Pool, details: Mapping[str, PermutationResult], ours: Moments, theirs: Moments
) -> dict[str, Effect]:
    """Measure what each test that was run compares, and the means and covariances.

    Parameters
    ----------
    pool : Pool
        Rows of both samples: n of the data and m of the reference.
    details : dict of str to PermutationResult
        Permuted statistics by name of the test.
    ours, theirs : Moments
        Moments of the data and of the reference.

    Returns
    -------
    dict of str to Effect
    """
    estimates: Estimates = {}
    if "sliced-wasserstein" in details:
        estimates |= _sliced(pool, details["sliced-wasserstein"].drawn)
    if "energy" in details:
        estimates |= _pairwise(pool, details["energy"], table.ENERGY_DISTANCE)
    if "mmd" in details:
        estimates |= _pairwise(pool, details["mmd"], table.MEAN_DISCREPANCY)
    if "classifier" in details:
        estimates[table.CLASSIFIER_ACCURACY] = _classifier_accuracy(pool)
    estimates[table.MEAN_DIFFERENCE] = _means(ours, theirs)
    if pool.d <= MOST_COLUMNS:
        estimates[table.COVARIANCE_DIFFERENCE] = _covariances(pool, ours, theirs)
    return effects_of(estimates)


def rotation_effects(pool: Pool, ours: Moments, theirs: Moments) -> dict[str, Effect]:
    """Measure what no rotation changes: row lengths, the spectrum, the length of the mean.

    Parameters are those of `contrast_effects`; `pool` holds the rows themselves, not blocks.
    """
    from dmtest.kernels.transport import wasserstein_distances

    lengths = [np.sqrt(np.einsum("ij,ij->i", a, a, dtype=np.float64)) for a in (pool.x, pool.y)]
    lines = sort_slices(Pool(lengths[0][:, None], lengths[1][:, None]), np.ones((1, 1)))
    values = slice_distances(
        lines, Labels(pool.n, pool.m, DEBIASING, pool.seed), wasserstein_distances
    )
    our_sds, their_sds = (
        np.sqrt(np.maximum(np.linalg.eigvalsh(m.covariance), 0.0)) for m in (ours, theirs)
    )
    difference = float(np.linalg.norm(ours.mean) - np.linalg.norm(theirs.mean))
    return effects_of(
        {
            table.LENGTH_DIFFERENCE: _wasserstein(pool, values, lines, d=1),
            table.SPECTRUM_DIFFERENCE: Estimate(value=float(np.square(our_sds - their_sds).sum())),
            table.MEAN_LENGTHS: Estimate(value=difference),
        }
    )


def _sliced(pool: Pool, drawn: LabelledStatistic) -> Estimates:
    assert drawn.distances is not None
    assert drawn.slices is not None
    row = table.SLICED_DIFFERENCE.filled(k=len(drawn.distances))
    return {row: _wasserstein(pool, drawn.distances / pool.scale, drawn.slices, d=pool.d)}


def _wasserstein(pool: Pool, values: Vector, lines: SortedSlices, *, d: int) -> Estimate:
    """Estimate the mean of W2^2 over slices of d-dimensional rows.

    `values` has a row a slice and a column a labelling, the true one first. The mean under
    permutations, the bias, is subtracted. The variance is the sum of three parts: the sampling of
    rows (del Barrio & Loubes 2019: the influence function of W2^2 is the Kantorovich potential),
    the choice of directions, and the variance under permutations, which is left where the
    potential vanishes.
    """
    means = values.mean(axis=0)
    x_potential, y_potential = _potentials(lines, pool.n, pool.m)
    variance = float(x_potential.var(ddof=1)) / pool.n + float(y_potential.var(ddof=1)) / pool.m
    variance += direction_variance(values[:, 0], d) + float(means[1:].var(ddof=1))
    return Estimate(value=float(means[0] - means[1:].mean()), error=float(np.sqrt(variance)))


def _potentials(lines: SortedSlices, n: int, m: int) -> tuple[Vector, Vector]:
    """Kantorovich potentials of the rows of either sample, averaged over slices."""
    ours, theirs = np.zeros(n), np.zeros(m)
    for values, order in zip(lines.values, lines.order, strict=True):
        mine = order < n
        x, y = values[mine], values[~mine]
        ours[order[mine]] += _potential(x, y)
        theirs[order[~mine] - n] += _potential(y, x)
    return ours / len(lines.values), theirs / len(lines.values)


def _potential(x: Vector, y: Vector) -> Vector:
    """Integral of 2 (x - T x) at every x, where T maps the quantiles of x to those of y."""
    at = ((np.arange(len(x)) + 0.5) / len(x) * len(y)).astype(np.intp)
    slope = 2.0 * (x - y[np.minimum(at, len(y) - 1)])
    steps = 0.5 * (slope[1:] + slope[:-1]) * np.diff(x)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _pairwise(pool: Pool, result: PermutationResult, row: EffectRow) -> Estimates:
    """Estimate a squared distance, a mean over pairs of rows; permutations remove its bias.

    The variance is that of Hoeffding's projections on single rows, plus that of the permuted
    statistic, which is left where the projections vanish.
    """
    values = result.drawn.badness[:, 0] / pool.scale
    estimate = float(values[0] - values[1:].mean())
    width = result.params.get("bandwidth")
    kernel = "" if width is None else f"; Gaussian kernel, bandwidth {width:.3g}"
    form, error = result.drawn.form, None
    if form is not None:
        ours, theirs = form.potential[: pool.n], form.potential[pool.n :]
        variance = float(values[1:].var(ddof=1))
        variance += 4.0 * (float(ours.var(ddof=1)) / pool.n + float(theirs.var(ddof=1)) / pool.m)
        error = float(np.sqrt(variance))
    return {row.filled(kernel=kernel): Estimate(value=estimate, error=error)}


def _classifier_accuracy(pool: Pool) -> Estimate:
    """Estimate the balanced accuracy of the classifier on held-out rows.

    Rows are not independent here: those that are held out once have trained the other rules. The
    variance of the fold's means is multiplied as Nadeau & Bengio (2003) do, by 9/4 for five folds;
    without that the interval of two equal laws covers 87% (benchmarks/level/accuracy.py).
    """
    scores, mine = observed_scores(pool)
    # A score of exactly 0 is a guess.
    correct = [float((np.sign(one) + 1.0).sum()) / 2.0 for one in (scores[mine], -scores[~mine])]
    sizes = [int(mine.sum()), int((~mine).sum())]
    value = 0.5 * sum(r / s for r, s in zip(correct, sizes, strict=True))
    # Two more successes and failures (Agresti & Coull 1998): no empty interval at 0 and 1.
    shares = [(r + 2.0) / (s + 4.0) for r, s in zip(correct, sizes, strict=True)]
    variance = sum(p * (1.0 - p) / (s + 4.0) for p, s in zip(shares, sizes, strict=True)) / 4.0
    shared = 1.0 + FOLDS / (FOLDS - 1.0)
    return Estimate(value=value, error=float(np.sqrt(shared * variance)))


def _means(ours: Moments, theirs: Moments) -> Estimate:
    """Estimate the squared distance of the means, in units of the mean pooled variance."""
    noise = ours.covariance / ours.n + theirs.covariance / theirs.n
    difference = ours.mean - theirs.mean
    pooled = ours.n * ours.variances + theirs.n * theirs.variances
    scale = float(np.sqrt(pooled.mean() / (ours.n + theirs.n))) or 1.0
    squared = float(difference @ difference - np.trace(noise)) / scale**2
    variance = 4.0 * float(difference @ noise @ difference) + 2.0 * float(np.square(noise).sum())
    return Estimate(value=squared, error=float(np.sqrt(variance)) / scale**2)


def _covariances(pool: Pool, ours: Moments, theirs: Moments) -> Estimate:
    """Estimate the squared Frobenius norm of the difference of covariances, over the reference's.

    The pool may hold a random sample of the rows that the moments are of.

    The bias that sampling adds is estimated from |c c' - S|^2 of centred rows c and subtracted.
    The error is that of the quadratic forms c'Ac, A the difference, of the reference's norm, and
    of the subtracted bias.
    """
    difference = ours.covariance - theirs.covariance
    norm = float(np.square(theirs.covariance).sum()) or 1.0
    share = float(np.square(difference).sum()) / norm
    bias = variance = 0.0
    # The influence of a row c of the reference on |A|^2 and on its norm is -2 c'Ac and 2 c'Sc.
    sides = ((pool.x, ours, difference), (pool.y, theirs, difference + share * theirs.covariance))
    for x, moments, matrix in sides:
        quartic, form = 0.0, []
        for part in blocks(len(x), ROW_TILE):
            centred = np.asarray(x[part], dtype=np.float64) - moments.mean
            quartic += float(np.square(np.einsum("ij,ij->i", centred, centred)).sum())
            form.append(np.einsum("ij,ij->i", centred @ matrix, centred))
        n = moments.n
        own = (quartic / len(x) - float(np.square(moments.covariance).sum())) / n
        bias += own
        variance += 4.0 * float(np.concatenate(form).var(ddof=1)) / n
    d = pool.d
    variance += 2.0 * bias**2 / (d * (d + 1) / 2.0)
    squared = float(np.square(difference).sum() - bias) / norm
    return Estimate(value=squared, error=float(np.sqrt(variance)) / norm)
