"""The directions of largest departure: found on one half of the rows, tested on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from dmtest.calibration.monte_carlo import monte_carlo_slices
from dmtest.calibration.multiplicity import holm
from dmtest.calibration.nulls import NullPlan, ShippedKey, SliceNull
from dmtest.catalogue.slices import ANDERSON_DARLING
from dmtest.effects.coordinates import column_name
from dmtest.engines.slices import Parameters, slice_statistics
from dmtest.results.figures import DirectionFigure, Loadings
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.rows.directions import climb
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import cholesky, mean_and_covariance, unit_rows

# Rows that the search looks at, start points of each kind.
ROWS, STARTS = 50_000, 24
# Coordinates and rows that a direction names, and columns with their weights in a figure.
NAMED, LOADINGS = 5, 6
# Rows times squared columns of one product with the operator of fourth moments, the eigenvectors
# that are looked at on both ends of its spectrum, and its Lanczos vectors.
PRODUCT, ENDS, LANCZOS = 400_000_000, 3, 60
# Unknowns of a form for every row beyond which only a kurtosis of many times the normal's
# would stand out: 1 + kurtosis / 2 has to be above 1 + sqrt(10).
HOPELESS = 10
# Points of 1% of A^2 (Stephens 1974), which bring both of its versions to one scale.
CRITICAL: dict[Parameters, float] = {"known": 3.857, "fitted": 1.035}


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """One direction along which the rows depart from the target, or from a reference.

    Attributes
    ----------
    direction : tuple of float
        Unit vector in the coordinates of the (canonical) rows.
    statistic : float
        Anderson-Darling statistic of the held-out half along it; of a specified target, that
        of the more surprising of two versions, with parameters known and fitted. With a
        reference, nm/(n+m) times the energy distance of the held-out halves, in pooled
        standard deviations.
    pvalue : float
        Its p-value there: honest, for those rows had no part in the choice.
    adjusted : float
        The same, adjusted by Holm's method for the number of directions.
    mean, variance, skewness, kurtosis : float
        Moments of the held-out half along it; kurtosis is the excess. With a reference, mean and
        variance are in units of its own: 0 and 1 where they agree.
    coordinates, weights : tuple
        The columns it loads on most, and its entries there.
    rows : tuple of int
        The rows that stand out most along it, by index into the data.
    """

    direction: tuple[float, ...]
    statistic: float
    pvalue: float
    adjusted: float
    mean: float
    variance: float
    skewness: float
    kurtosis: float
    coordinates: tuple[int, ...]
    weights: tuple[float, ...]
    rows: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)

    def loadings(self, names: Sequence[str] | None, canonical: Canonical | None = None) -> Loadings:
        """Return the columns that it weighs most, with their weights (:func:`loadings`)."""
        return loadings(np.array(self.direction), names, canonical)

    def figure(
        self, names: Sequence[str] | None, canonical: Canonical | None = None
    ) -> DirectionFigure:
        """Return the numbers of its figure."""
        return DirectionFigure(
            loadings=self.loadings(names, canonical),
            rows=self.rows,
            statistic=self.statistic,
            pvalue=self.pvalue,
            adjusted=self.adjusted,
            mean=self.mean,
            variance=self.variance,
            skewness=self.skewness,
            kurtosis=self.kurtosis,
        )

    def sentence(self, weights: Loadings, reference: bool = False) -> str:
        """Return the sentence about it: its largest weights, and moments of the held-out rows.

        Parameters
        ----------
        weights : tuple of (str, float)
            Names of columns and their weights.
        reference : bool
            Whether it was compared with a reference.
        """
        listed = ", ".join(f"{name} {weight:+.2f}" for name, weight in weights)
        along = (
            f"the variance is {self.variance:.3g}, the skewness {self.skewness:+.2g} and the "
            f"excess kurtosis {self.kurtosis:+.2g}"
        )
        if reference:
            along = (
                f"the mean differs by {self.mean:+.2g} sds of the reference, and the variance is "
                f"{self.variance:.3g} times the reference's"
            )
        return (
            f"One direction departs most, and held-out rows confirm it: its largest weights are "
            f"{listed}; along it {along}."
        )


def loadings(
    direction: Vector, names: Sequence[str] | None, canonical: Canonical | None = None
) -> Loadings:
    """Return the columns that a direction weighs most, with their weights.

    Parameters
    ----------
    direction : ndarray, shape (d,)
        Unit vector.
    names : sequence of str, optional
        Of the columns of the data.
    canonical : Canonical, optional
        The rows that it is a direction of; of whitened ones it is first taken back to the
        standardised columns, and brought to unit length again.

    Returns
    -------
    tuple of (str, float)
    """
    weights, columns = direction, np.arange(len(direction))
    if canonical is not None:
        columns = canonical.columns
        if canonical.fitted:
            part = canonical.covariance[np.ix_(columns, columns)]
            weights = np.linalg.solve(np.linalg.cholesky(part).T, direction)
            weights = weights * np.sqrt(np.diagonal(part))
        weights = weights / np.linalg.norm(weights)
    top = np.argsort(-np.abs(weights), kind="stable")[:LOADINGS]
    return tuple((column_name(names, int(columns[j])), float(weights[j])) for j in top)


def directions_of(
    canonical: Canonical, count: int, replicates: int, seed: int, rows: int = ROWS
) -> list[Direction]:
    """Search one half of the rows, test on the other.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    count : int
        Directions, at most d.
    replicates : int
        Of the null of the Anderson-Darling statistic.
    seed : int
    rows : int
        Rows that the search looks at, at most; one half of them.

    Returns
    -------
    list of Direction
        In the order they were found.

    Notes
    -----
    Along u the departure is n sum_k (mean He_k(u.x))^2 / k! over the Hermite polynomials of
    degree 1 to 4 (3 and 4 where mean and covariance are fitted): location, scale, skewness and
    kurtosis, each with variance about 1 under the target. What decides is where ascent starts:
    see `_starts`.
    """
    n, d = canonical.rows.shape
    order = stream(seed, "directions/split").permutation(n)
    first, second = np.sort(order[: n // 2]), np.sort(order[n // 2 :])
    train = np.asarray(canonical.rows[first[: rows // 2]], dtype=np.float64)
    held = np.asarray(canonical.rows[second], dtype=np.float64)
    back: Vector = np.eye(d)
    if canonical.fitted:
        mean, covariance = mean_and_covariance(train)
        back = np.asarray(np.linalg.inv(cholesky(covariance)).T)
        train = (train - mean) @ back
    starts = _starts(train, stream(seed, "directions/starts"))
    found: list[Vector] = []
    for _ in range(min(count, d)):
        found.append(_search(train, canonical.fitted, found, starts))
    original = unit_rows(np.stack(found) @ back.T)
    lines = held @ original.T
    pvalues, statistics = _tested(lines, canonical.fitted, replicates, seed)
    adjusted = holm(list(pvalues))
    return [
        described(u, line, second, statistic=statistic, pvalue=p, adjusted=float(q))
        for u, line, statistic, p, q in zip(
            original, lines.T, statistics, pvalues, adjusted, strict=True
        )
    ]


def _views(fitted: bool) -> tuple[Parameters, ...]:
    """Of a specified target, look at the shape by itself too: location and scale hide it."""
    return ("fitted",) if fitted else ("known", "fitted")


def _tested(
    lines: Vector, fitted: bool, replicates: int, seed: int
) -> tuple[list[float], list[float]]:
    """Anderson-Darling of every line by itself, as run_test would of one column.

    Both views of a specified target cost a factor of 2 (Bonferroni); the statistic is that of
    the smaller p-value.
    """
    plan = NullPlan(seed=seed, replicates=replicates)
    pvalues, statistics = [], []
    for line in lines.T:
        rows = np.ascontiguousarray(line)[:, None]
        found = []
        for parameters in _views(fitted):
            values = _anderson_darling(rows, np.ones((1, 1)), parameters)[:, None]
            null = SliceNull.of(parameters, len(rows), 1, 1, None)
            key = ShippedKey(parameters, 1)
            (result,) = monte_carlo_slices(values, null, [ANDERSON_DARLING], plan, key)
            found.append((result.pvalue, -float(values[0, 0])))
        pvalue, negative = min(found)
        pvalues.append(min(1.0, len(found) * pvalue))
        statistics.append(-negative)
    return pvalues, statistics


def described(
    u: Vector,
    line: Vector,
    rows: NDArray[Any],
    *,
    statistic: float,
    pvalue: float,
    adjusted: float,
    reference: Vector | None = None,
) -> Direction:
    """Describe the held-out rows along a direction.

    Parameters
    ----------
    u : ndarray, shape (d,)
        Unit vector.
    line : ndarray, shape (n,)
        The held-out rows along it.
    rows : ndarray of int, shape (n,)
        Their places in the data.
    statistic, pvalue, adjusted : float
        As in `Direction`.
    reference : ndarray, shape (m,), optional
        Held-out rows of the reference along it, in whose mean and standard deviation those of
        the data are given.
    """
    mean, variance = float(line.mean()), float(line.var())
    z = (line - mean) / np.sqrt(variance or 1.0)
    centre, scale, apart = 0.0, 1.0, z
    if reference is not None:
        centre, scale = float(reference.mean()), float(reference.std()) or 1.0
        apart = line - centre
    columns = np.argsort(-np.abs(u), kind="stable")[:NAMED]
    far = np.argsort(-np.abs(apart), kind="stable")[:NAMED]
    return Direction(
        direction=tuple(float(v) for v in u),
        statistic=statistic,
        pvalue=pvalue,
        adjusted=adjusted,
        mean=(mean - centre) / scale,
        variance=variance / scale**2,
        skewness=float((z**3).mean()),
        kurtosis=float((z**4).mean() - 3.0),
        coordinates=tuple(int(j) for j in columns),
        weights=tuple(float(u[j]) for j in columns),
        rows=tuple(int(rows[i]) for i in far),
    )


def _search(x: Vector, fitted: bool, taken: list[Vector], starts: Vector) -> Vector:
    """Climb within the directions orthogonal to those taken."""
    basis: Vector = np.eye(x.shape[1])
    if taken:
        basis = np.linalg.svd(np.stack(taken))[2][len(taken) :]
    if len(basis) == 1:
        return np.asarray(basis[0])
    y = x @ basis.T
    near = starts @ basis.T
    # What is left of a start that was all but taken is noise.
    near = unit_rows(near[np.square(near).sum(axis=1) > 0.1])

    def objective(u: Vector) -> tuple[Vector, Vector]:
        return _departure(y, u, fitted)

    def distance(u: Vector) -> Vector:
        parts = [_anderson_darling(y, u, one) / CRITICAL[one] for one in _views(fitted)]
        return np.asarray(np.max(parts, axis=0))

    tops = climb(near, objective, unit_rows, 0.5, distance)[1]
    # A far row has a large fourth moment along its own direction and moves few of the other
    # rows: moments lead uphill, the distance between distributions decides.
    return np.asarray(tops[distance(tops).argmax()] @ basis)


def _anderson_darling(y: Vector, u: Vector, parameters: Parameters) -> Vector:
    functions = {ANDERSON_DARLING.name: ANDERSON_DARLING.statistic}
    return slice_statistics(y, u, parameters, functions)[:, 0]


def _starts(y: Vector, rng: np.random.Generator) -> Vector:
    """Give unit vectors that point at departures, and random ones.

    The eigenvectors of the covariance and of the quadratic forms that `_forms` finds; the mean,
    the mean of y |y|^2, the farthest rows, coordinates. In many dimensions a single bad
    direction is in reach of the forms alone: the objective is flat but within a few degrees
    of it, and what a random start finds is the direction of some far row.
    """
    d = y.shape[1]
    length = np.square(y).sum(axis=1)
    centred = y - y.mean(axis=0)
    count = min(d, STARTS // 2)
    vectors = np.linalg.eigh(centred.T @ centred / len(y))[1].T
    far = y[np.argsort(-length, kind="stable")[:STARTS]]
    parts = [
        vectors[:count],
        vectors[-count:],
        *_forms(centred, rng),
        (centred.T @ (length - length.mean()))[None],
        y.mean(axis=0)[None],
        far,
        np.eye(d)[: 4 * STARTS],
        rng.standard_normal((STARTS, d)),
    ]
    starts = np.concatenate(parts)
    return unit_rows(starts[np.square(starts).sum(axis=1) > 1e-20])


def _forms(y: Vector, rng: np.random.Generator) -> list[Vector]:
    """Return the leading eigenvectors of the extreme quadratic forms of fourth moments.

    Those are eigenvectors, among symmetric matrices, of K(A) = mean (y'Ay - tr A) (yy' - I) / 2:
    the identity for normal rows, and 1 + kurtosis / 2 at A = uu' for a direction u that is
    independent of the rest. It stands out as a spike of a sample covariance in d(d+1)/2
    dimensions does (Baik, Ben Arous & Peche 2005; Cardoso 1989 for the operator).
    """
    d = y.shape[1]
    if d < 2:
        return []
    rows = y[: max(PRODUCT // d**2, 1)]
    upper = np.triu_indices(d)
    if len(upper[0]) > HOPELESS * len(rows):
        return []
    # With this scale the inner product of two vectors is that of the matrices.
    scale = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))

    def matrix(vector: Vector) -> Vector:
        full = np.zeros((d, d))
        full[upper] = vector / scale
        return np.asarray(full + np.triu(full, 1).T)

    def product(vector: Vector) -> Vector:
        form = matrix(np.ravel(vector))

        def tile(part: slice) -> tuple[Vector, float]:
            x = rows[part]
            q = ((x @ form) * x).sum(axis=1) - np.trace(form)
            return x.T @ (x * q[:, None]), float(q.sum())

        total, sums = np.zeros((d, d)), 0.0
        for outer, plain in run_tasks(tile, blocks(len(rows), ROW_TILE)):
            total += outer
            sums += plain
        total = (total - sums * np.eye(d)) / (2.0 * len(rows))
        return np.asarray(total[upper] * scale)

    size = len(scale)
    if size <= LANCZOS:
        dense = np.stack([product(unit) for unit in np.eye(size)])
        extremes = np.linalg.eigh(0.5 * (dense + dense.T))[1]
    else:
        operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
        try:
            extremes = eigsh(
                operator,
                k=2 * ENDS,
                which="BE",
                v0=rng.standard_normal(size),
                ncv=LANCZOS,
                maxiter=8,
                tol=1e-2,
            )[1]
        except ArpackNoConvergence as stopped:
            # Nothing stands out; those that did converge are starts like others.
            extremes = stopped.eigenvectors
    order = np.arange(extremes.shape[1])
    found = []
    for j in [*order[:ENDS], *order[ENDS:][-ENDS:]]:
        values, vectors = np.linalg.eigh(matrix(extremes[:, j]))
        found.append(vectors.T[np.argsort(-np.abs(values))[:3]])
    return found


def _departure(y: Vector, u: Vector, fitted: bool) -> tuple[Vector, Vector]:
    """Sum of squared means of Hermite polynomials over k!, and its gradient."""
    weights = (0.0, 0.0, 1.0, 1.0) if fitted else (1.0, 1.0, 1.0, 1.0)

    def tile(part: slice) -> list[Vector]:
        x = y[part]
        p = x @ u.T
        p2 = p * p
        h3 = p2 * p - 3.0 * p
        h4 = p2 * p2 - 6.0 * p2 + 3.0
        sums = [p, p2 - 1.0, h3, h4]
        slopes = [np.ones_like(p), 2.0 * p, 3.0 * p2 - 3.0, 4.0 * h3]
        return [s.sum(axis=0) for s in sums] + [s.T @ x for s in slopes]

    total: list[Any] = [0.0] * 8
    for values in run_tasks(tile, blocks(len(y), ROW_TILE)):
        total = [a + b for a, b in zip(total, values, strict=True)]
    value, slope = np.zeros(len(u)), np.zeros(u.shape)
    for k, weight in enumerate(weights):
        factorial = (1.0, 2.0, 6.0, 24.0)[k]
        mean, gradient = total[k] / len(y), total[4 + k] / len(y)
        value += weight * mean**2 / factorial
        slope += weight * (2.0 / factorial) * mean[:, None] * gradient
    return value, slope
