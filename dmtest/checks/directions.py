"""The worst directions of a fresh sample: found on one half, compared with the baseline's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dmtest.checks.changes import shapes
from dmtest.checks.family import in_looks, single_step
from dmtest.data.structure import live_columns
from dmtest.effects.directions.one_sample import loadings
from dmtest.effects.directions.search import search_directions
from dmtest.engines.pool import Labels, Pool
from dmtest.results.figures import Loadings
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import independent_columns, mean_and_covariance

# Directions, fewest rows of a search and of each column, most rows of a search and of a test.
COUNT, FEWEST, ROWS_PER_COLUMN, ROWS = 3, 100, 2, 10_000
MEASURES = ("shape", "distance")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionChange:
    """How much further the fresh sample departs along one of its worst directions.

    Attributes
    ----------
    pvalue : float
        P-value of "no further than the baseline along the same direction", of held-out rows,
        adjusted for the number of directions and measures.
    excess : float
        P-value of "no further than the baseline along *its* worst directions".
    measure : {"shape", "distance"}
        sqrt(1 - W) of the held-out rows, or their Wasserstein-2 distance from N(0, 1).
    ours, theirs, record : float
        The measure of the fresh rows and of the baseline's along the direction, and the largest of
        the baseline's rows along the baseline's worst directions.
    spread : float
        Standard deviation of `ours` less `theirs`, if both have one distribution.
    weights : tuple of (str, float)
        Columns with the largest weights.
    rows : int
        Held-out rows.
    """

    pvalue: float
    excess: float
    measure: str
    ours: float
    theirs: float
    record: float
    spread: float
    weights: Loadings
    rows: int


def searchable(n: int, m: int, d: int) -> bool:
    """Whether half of the rows are enough for a search over directions."""
    return d > 1 and min(n, m) // 2 >= max(FEWEST, ROWS_PER_COLUMN * d)


def direction_change(
    pool: Pool, canonical: Canonical, names: Sequence[str] | None, level: float
) -> DirectionChange | None:
    """Search half of the fresh rows for the worst directions, and test them on the other rows.

    Parameters
    ----------
    pool : Pool
        Fresh rows and rows of the baseline on normal scale.
    canonical : Canonical
        The same rows, with how they came to this scale.
    names : sequence of str, optional
    level : float

    Returns
    -------
    DirectionChange or None
        None where fewer than two columns vary.
    """
    fitted = canonical.fitted
    searched, held_out = _halves(pool.x, pool.seed, "fresh")
    directions = _found(searched, pool.seed, fitted)
    if directions is None:
        return None
    test = Pool(held_out, pool.y[:ROWS], pool.seed)

    def run(replicates: int) -> tuple[dict[str, float], Vector]:
        labels = Labels(test.n, test.m, replicates, pool.seed)
        four = shapes(test, labels, directions)
        excess = {"shape": four[0] - four[1]}
        if not fitted:
            excess["distance"] = four[2] - four[3]
        separate = {
            f"{kind} {k}": values[:, [k]]
            for kind, values in excess.items()
            for k in range(len(directions))
        }
        return single_step(separate), np.stack(four)

    adjusted, four = in_looks(run, lambda found: min(found[0].values()), level)
    best = min(adjusted, key=adjusted.__getitem__)
    measure, k = best.split()[0], int(best.split()[1])
    at = 2 * MEASURES.index(measure)
    ours, theirs = float(four[at, 0, int(k)]), float(four[at + 1, 0, int(k)])
    spread = max(float((four[at, :, k] - four[at + 1, :, k]).std()), 1e-12)
    record = theirs
    if adjusted[best] <= level:
        record = max(theirs, _record(pool, fitted, at))
    return DirectionChange(
        pvalue=adjusted[best],
        excess=float(ndtr(-(ours - record) / spread)),
        measure=measure,
        ours=ours,
        theirs=theirs,
        record=record,
        spread=spread,
        weights=loadings(directions[k], names, canonical),
        rows=test.n,
    )


def _record(pool: Pool, fitted: bool, at: int) -> float:
    """Measure the baseline's held-out rows along the baseline's own worst directions."""
    searched, held_out = _halves(pool.y[: 2 * ROWS], pool.seed, "baseline")
    directions = _found(searched, pool.seed, fitted)
    if directions is None:
        return 0.0
    alone = Pool(held_out, held_out[:2], pool.seed)
    four = shapes(alone, Labels(alone.n, alone.m, 0, pool.seed), directions)
    return float(four[at][0].max())


def _found(rows: Vector, seed: int, fitted: bool) -> Vector | None:
    """Return the worst directions in the columns that vary; None for fewer than two columns."""
    live = live_columns(rows)
    if fitted:
        live = live[independent_columns(mean_and_covariance(rows[:, live])[1], len(rows))]
    if len(live) < 2:
        return None
    narrow = search_directions(rows[:, live], COUNT, seed, fitted=fitted)
    directions = np.zeros((len(narrow), rows.shape[1]))
    directions[:, live] = narrow
    return directions


def _halves(rows: NDArray[np.floating], seed: int, name: str) -> tuple[Vector, Vector]:
    order = stream(seed, f"check/halves/{name}").permutation(len(rows))
    half = len(rows) // 2
    first, second = np.sort(order[:half][:ROWS]), np.sort(order[half:][:ROWS])
    return np.asarray(rows[first], dtype=np.float64), np.asarray(rows[second], dtype=np.float64)
