"""How far apart two samples are, on scales that do not grow with n, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.calibration.permutation import PermutationResult
from dmtest.effects.wasserstein import direction_variance
from dmtest.engines.labelled_lines import Drawn, Lines, per_line, sorted_lines
from dmtest.engines.pool import Labels, Pool
from dmtest.results.outcome import Effect
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.statistics.pools.classifier import observed_scores
from dmtest.targets.transforms import mean_and_covariance

__all__ = ["Moments", "contrast_effects", "moments_of", "rotation_effects"]

Vector = NDArray[np.float64]

CONFIDENCE = 0.95
# Columns up to which covariances are compared, and permutations that remove a bias.
MOST_COLUMNS, DEBIASING = 2048, 199


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and 1/n covariance of a sample of n rows."""

    n: int
    mean: Vector
    covariance: Vector

    @property
    def variances(self) -> Vector:
        """Of the columns."""
        return np.asarray(np.diagonal(self.covariance))


def moments_of(x: NDArray[np.floating]) -> Moments:
    """Compute mean and covariance of all rows."""
    mean, covariance = mean_and_covariance(x)
    return Moments(len(x), mean, covariance)


def contrast_effects(
    pool: Pool, details: Mapping[str, PermutationResult], ours: Moments, theirs: Moments
) -> dict[str, Effect]:
    """Measure what the tests that were run look at, and means and covariances."""
    effects: list[Effect] = []
    if "sliced-wasserstein" in details:
        effects.append(_sliced(pool, details["sliced-wasserstein"].drawn))
    if "energy" in details:
        effects.append(
            _pairwise(pool, details["energy"], "energy-distance", "Energy distance", "data units")
        )
    if "mmd" in details:
        label = "Maximum mean discrepancy"
        effects.append(_pairwise(pool, details["mmd"], "mmd", label, "of at most 1.41"))
    if "classifier" in details:
        effects.append(_told_apart(pool))
    effects.append(_means(ours, theirs))
    if pool.d <= MOST_COLUMNS:
        effects.append(_covariances(pool, ours, theirs))
    return {effect.name: effect for effect in effects}


def rotation_effects(pool: Pool, ours: Moments, theirs: Moments) -> dict[str, Effect]:
    """Measure what no rotation changes: row lengths, the spectrum, the length of the mean.

    `pool` holds the rows themselves.
    """
    lengths = [np.sqrt(np.einsum("ij,ij->i", a, a, dtype=np.float64)) for a in (pool.x, pool.y)]
    lines = sorted_lines(Pool(lengths[0][:, None], lengths[1][:, None]), np.ones((1, 1)))
    labels = Labels(pool.n, pool.m, DEBIASING, pool.seed)
    from dmtest.kernels.transport import wasserstein_lines

    values = per_line(lines, labels, wasserstein_lines)
    low, high = (np.sqrt(np.maximum(np.linalg.eigvalsh(m.covariance), 0.0)) for m in (ours, theirs))
    effects = [
        _wasserstein(
            pool.n,
            pool.m,
            1,
            values,
            lines,
            "length-difference",
            "Wasserstein-2 distance of row lengths",
            "of lengths |x|; bias removed by permutation",
        ),
        Effect(
            name="spectrum-difference",
            label="Distance of the spectra",
            value=float(np.sqrt(np.square(low - high).sum())),
            unit="data units",
            note=(
                "of the sorted standard deviations along principal axes: the smallest "
                "Wasserstein-2 distance, over rotations, of normals with these covariances"
            ),
        ),
        Effect(
            name="mean-lengths",
            label="Difference of the lengths of the means",
            value=float(np.linalg.norm(ours.mean) - np.linalg.norm(theirs.mean)),
            unit="data units",
        ),
    ]
    return {effect.name: effect for effect in effects}


def _rooted(name: str, label: str, squared: float, error: float, unit: str, note: str) -> Effect:
    """Give a distance from the estimate of its square and the standard error of that."""
    reach = float(ndtri(0.5 + 0.5 * CONFIDENCE)) * error
    value, low, high = (
        float(np.sqrt(max(v, 0.0))) for v in (squared, squared - reach, squared + reach)
    )
    return Effect(
        name=name,
        label=label,
        value=value,
        low=low,
        high=high,
        confidence=CONFIDENCE,
        unit=unit,
        note=note,
    )


def _sliced(pool: Pool, drawn: Drawn) -> Effect:
    assert drawn.per_line is not None
    assert drawn.lines is not None
    k = len(drawn.per_line)
    return _wasserstein(
        pool.n,
        pool.m,
        pool.d,
        drawn.per_line / pool.scale,
        drawn.lines,
        "sliced-wasserstein-2",
        "Sliced Wasserstein-2 distance",
        f"root mean square over {k} slices; bias removed by permutation",
    )


def _wasserstein(
    n: int, m: int, d: int, values: Vector, lines: Lines, name: str, label: str, note: str
) -> Effect:
    """Take off the mean under permutations; add up what the estimate varies by.

    Rows (del Barrio & Loubes 2019: the influence function of W2^2 is the Kantorovich
    potential), the choice of directions, and what is left where the potential vanishes.
    """
    means = values.mean(axis=0)
    estimate = float(means[0] - means[1:].mean())
    ours, theirs = _potentials(lines, n, m)
    variance = float(ours.var(ddof=1)) / n + float(theirs.var(ddof=1)) / m
    variance += direction_variance(values[:, 0], d) + float(means[1:].var(ddof=1))
    return _rooted(name, label, estimate, float(np.sqrt(variance)), "data units", note)


def _potentials(lines: Lines, n: int, m: int) -> tuple[Vector, Vector]:
    """Average over lines the Kantorovich potentials of the rows of either sample."""
    ours, theirs = np.zeros(n), np.zeros(m)
    for values, order in zip(lines.values, lines.order, strict=True):
        mine = order < n
        x, y = values[mine], values[~mine]
        ours[order[mine]] += _potential(x, y)
        theirs[order[~mine] - n] += _potential(y, x)
    return ours / len(lines.values), theirs / len(lines.values)


def _potential(x: Vector, y: Vector) -> Vector:
    """Integrate 2 (x - T x), where T carries the quantiles of x to those of y."""
    at = ((np.arange(len(x)) + 0.5) / len(x) * len(y)).astype(np.intp)
    slope = 2.0 * (x - y[np.minimum(at, len(y) - 1)])
    steps = 0.5 * (slope[1:] + slope[:-1]) * np.diff(x)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _pairwise(pool: Pool, result: PermutationResult, name: str, label: str, unit: str) -> Effect:
    """Give the root of a mean over pairs, its bias removed by permutation.

    Its sampling error is that of the projections on single rows (Hoeffding), and where these
    vanish that of the permuted statistic.
    """
    values = result.drawn.badness[:, 0] / pool.scale
    estimate = float(values[0] - values[1:].mean())
    variance = float(values[1:].var(ddof=1))
    note = "root of the squared distance; bias removed by permutation"
    if "bandwidth" in result.params:
        note += f"; Gaussian kernel, bandwidth {result.params['bandwidth']:.3g}"
    form = result.drawn.form
    if form is None:
        value = float(np.sqrt(max(estimate, 0.0)))
        return Effect(name=name, label=label, value=value, unit=unit, note=note)
    ours, theirs = form.potential[: pool.n], form.potential[pool.n :]
    variance += 4.0 * (float(ours.var(ddof=1)) / pool.n + float(theirs.var(ddof=1)) / pool.m)
    return _rooted(name, label, estimate, float(np.sqrt(variance)), unit, note)


def _told_apart(pool: Pool) -> Effect:
    """Say how many held-out rows a classifier gets right, both samples weighing the same."""
    found, mine = observed_scores(pool)
    # A score of exactly 0 is a guess.
    right = [float((np.sign(one) + 1.0).sum()) / 2.0 for one in (found[mine], -found[~mine])]
    sizes = [int(mine.sum()), int((~mine).sum())]
    value = 0.5 * sum(r / s for r, s in zip(right, sizes, strict=True))
    # Agresti & Coull's (1998) two more of either kind keep the interval from closing at 0 and 1.
    shares = [(r + 2.0) / (s + 4.0) for r, s in zip(right, sizes, strict=True)]
    variance = sum(p * (1.0 - p) / (s + 4.0) for p, s in zip(shares, sizes, strict=True)) / 4.0
    reach = float(ndtri(0.5 + 0.5 * CONFIDENCE) * np.sqrt(variance))
    return Effect(
        name="classifier-accuracy",
        label="Held-out rows that a classifier tells right",
        value=value,
        low=max(value - reach, 0.0),
        high=min(value + reach, 1.0),
        confidence=CONFIDENCE,
        unit="of all (0.5: none)",
        note="balanced accuracy of a shrunk linear discriminant, cross-fitted over five folds",
    )


def _means(ours: Moments, theirs: Moments) -> Effect:
    """Give the distance of the means in root mean squared pooled standard deviations."""
    noise = ours.covariance / ours.n + theirs.covariance / theirs.n
    apart = ours.mean - theirs.mean
    pooled = ours.n * ours.variances + theirs.n * theirs.variances
    scale = float(np.sqrt(pooled.mean() / (ours.n + theirs.n))) or 1.0
    squared = float(apart @ apart - np.trace(noise)) / scale**2
    variance = 4.0 * float(apart @ noise @ apart) + 2.0 * float(np.square(noise).sum())
    return _rooted(
        "mean-difference",
        "Distance of the means",
        squared,
        float(np.sqrt(variance)) / scale**2,
        "sd",
        "length of the difference, in root mean squared pooled standard deviations of columns; "
        "what sampling adds is taken off",
    )


def _covariances(pool: Pool, ours: Moments, theirs: Moments) -> Effect:
    """Give the Frobenius distance of the covariances over the norm of the reference's.

    What sampling adds to the square is estimated from |c c' - S|^2 of centred rows c, and taken
    off; the error is that of the projections c'Ac, A the difference, and of the part taken off.
    """
    apart = ours.covariance - theirs.covariance
    bias = variance = 0.0
    for x, moments in ((pool.x, ours), (pool.y, theirs)):
        quartic, form = 0.0, []
        for part in blocks(len(x), ROW_TILE):
            centred = np.asarray(x[part], dtype=np.float64) - moments.mean
            quartic += float(np.square(np.einsum("ij,ij->i", centred, centred)).sum())
            form.append(np.einsum("ij,ij->i", centred @ apart, centred))
        n = moments.n
        own = (quartic / n - float(np.square(moments.covariance).sum())) / n
        bias += own
        variance += 4.0 * float(np.concatenate(form).var(ddof=1)) / n
    d = pool.d
    variance += 2.0 * bias**2 / (d * (d + 1) / 2.0)
    norm = float(np.square(theirs.covariance).sum()) or 1.0
    return _rooted(
        "covariance-difference",
        "Distance of the covariances",
        float(np.square(apart).sum() - bias) / norm,
        float(np.sqrt(variance)) / norm,
        "of the reference's",
        "Frobenius norm of the difference over that of the reference's covariance; what sampling "
        "adds is taken off",
    )
