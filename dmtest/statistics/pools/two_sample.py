"""Two-sample statistics, each for the observed labelling of a pool and for all permuted ones.

All but the classifier are ``nm / (n + m)`` times a squared distance between the two empirical
distributions, so that their null does not move with n, as in R's energy. Their random numbers
do not depend on the labels.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np
from scipy.special import gammaln

from dmtest.engines.labelled_gram import DISTANCE, Form, PairForm
from dmtest.engines.labelled_slices import (
    FREQUENCIES,
    SLICES,
    LabelledStatistic,
    SliceRequest,
    SortedSlices,
    slice_distances,
)
from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

# Rounding of a sum whose terms cancel, in units of the terms.
CANCELLED = 1e-13
# Pooled rows whose median distance is the bandwidth.
MEDIAN_ROWS = 2000


# A statistic requests results that it shares with others, and receives them.
Asks: TypeAlias = Generator[Any, Any, LabelledStatistic]


def median_bandwidth(pool: Pool) -> float:
    """Median distance between pooled rows: the usual bandwidth of the normal kernel.

    It uses at most 2,000 rows drawn from the pool, so that it cannot depend on labels and is the
    same in every replicate. If most rows are equal, it is the root mean squared distance.
    """
    from scipy.spatial.distance import pdist

    distances = pdist(pool.pick(pool.subset(MEDIAN_ROWS, "bandwidth")))
    middle = float(np.median(distances))
    if middle > 1e-12 * float(distances.max(initial=0.0)):
        return middle
    return float(np.sqrt(2.0 * pool.variance.sum())) or 1.0


def energy(pool: Pool, labels: Labels) -> Asks:
    """nm/(n+m) (2 E|X-Y| - E|X-X'| - E|Y-Y'|) over all pairs.

    Szekely & Rizzo (2004); equals R's energy::eqdist.e. In one dimension it is nm/(n+m) times
    twice the Cramer-von Mises type integral of (F - G)^2.
    """
    form: Form = yield DISTANCE
    size = float(np.sqrt(2.0 * pool.variance.sum()))
    return _drawn(-pool.scale * form.values, pool.scale * size, form)


def mmd(pool: Pool, labels: Labels, bandwidth: float | None = None) -> Asks:
    """nm/(n+m) times the squared maximum mean discrepancy, kernel exp(-|x-y|^2 / (2 h^2)).

    The V-statistic (biased, never negative) of Gretton et al. (2012); h is `bandwidth`, the
    median distance of pooled rows by default. Pairs j = k are constants that permutations do
    not move; the unbiased version has the same p-value when n = m.
    """
    h = median_bandwidth(pool) if bandwidth is None else bandwidth
    form: Form = yield PairForm(0.5 / h**2)
    return _drawn(pool.scale * form.values, pool.scale, form, {"bandwidth": h})


def _drawn(
    values: Vector, size: float, form: Form | None = None, params: dict[str, Any] | None = None
) -> LabelledStatistic:
    """Return one calibrated column; `size` is the size of the terms that cancel in it."""
    rounding = CANCELLED * size
    if form is not None:
        rounding += form.rounding * float(values[1:].std())
    return LabelledStatistic(
        float(values[0]),
        values[:, None],
        rounding=rounding,
        params=params or {},
        form=form,
    )


def mmd_of_frequencies(
    pool: Pool, labels: Labels, bandwidth: float | None = None
) -> LabelledStatistic:
    """MMD from 512 random frequencies of the kernel's Fourier transform, linear in n.

    Rahimi & Recht (2007): the squared distance between mean sines and cosines. It is a
    distance too, with a valid permutation p-value, and estimates that of the kernel.
    """
    rng = stream(pool.seed, "two-sample/frequencies")
    h = median_bandwidth(pool) if bandwidth is None else bandwidth
    frequencies = rng.standard_normal((pool.d, FREQUENCIES)) / h
    values = np.empty(labels.replicates + 1)
    for batch in labels.batches():
        marks = labels.marks(batch)

        def tile(part: slice, marks: Any = marks) -> Vector:
            angle = pool.rows(part) @ frequencies
            waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
            return np.asarray(labels.weights(marks[:, part]) @ waves)

        sums = np.zeros((len(marks), 2 * FREQUENCIES))
        for part in run_tasks(tile, blocks(pool.total, ROW_TILE)):
            sums += part
        values[batch] = np.square(sums).sum(axis=1) / FREQUENCIES
    return _drawn(pool.scale * values, pool.scale, params={"bandwidth": h})


def sliced_wasserstein(pool: Pool, labels: Labels, slices: int = SLICES) -> Asks:
    """nm/(n+m) times the mean over slices of the squared Wasserstein-2 distance.

    Bonneel et al. (2015). The second column is the largest distance of a slice in units of its
    pooled standard deviation, which detects a departure in few directions.
    """
    from dmtest.kernels.transport import wasserstein_distances

    lines: SortedSlices = yield SliceRequest(slices)
    values = pool.scale * slice_distances(lines, labels, wasserstein_distances)
    spread = np.where(lines.spread > 0.0, lines.spread, 1.0)
    scaled = values / spread[:, None]
    mean = values.mean(axis=0)
    worst = int(scaled[:, 0].argmax())
    facts = {
        "slices": len(values),
        "reduction": "mean",
        "worst_slice": worst,
        "worst_statistic": float(values[worst, 0]),
    }
    badness = np.stack([mean, scaled.max(axis=0)], axis=1)
    return LabelledStatistic(float(mean[0]), badness, facts, distances=values, slices=lines)


def energy_of_slices(pool: Pool, labels: Labels, slices: int = SLICES) -> Asks:
    """Energy distance from slices, linear in n: its mean over slices times E|z| / E|u.z|.

    |z| is sqrt(pi) Gamma((d+1)/2) / Gamma(d/2) times the mean of |u.z| over directions u, so
    the energy distance is that factor times its mean over all slices (Szekely & Rizzo 2013).
    """
    from dmtest.kernels.transport import energy_distances

    lines: SortedSlices = yield SliceRequest(slices)
    d = pool.d
    factor = float(np.sqrt(np.pi) * np.exp(gammaln((d + 1) / 2.0) - gammaln(d / 2.0)))
    values = pool.scale * factor * slice_distances(lines, labels, energy_distances).mean(axis=0)
    return _drawn(values, 0.0)
