"""Directions of largest departure: searched on one half of the rows, tested on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.monte_carlo import monte_carlo_slices
from dmtest.calibration.multiplicity import holm
from dmtest.calibration.nulls import NullPlan, SliceNull
from dmtest.catalogue.slices import ANDERSON_DARLING
from dmtest.data.structure import constant_columns, live_columns
from dmtest.effects.coordinates import column_name, halves
from dmtest.engines.slices import Parameters, slice_statistics
from dmtest.results.figures import DirectionFigure, Loadings
from dmtest.results.shown import Shown
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.rows.directions import climb
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import (
    cholesky,
    independent_columns,
    mean_and_covariance,
    unit_rows,
)

# Most rows of the search, both halves together; starts of each kind.
ROWS, STARTS = 50_000, 24
# Values of the rows from which on the search is in float32; share of its value that an ascent has
# to gain in a few steps.
SINGLE, GAIN = 1 << 17, 1e-3
# Columns and rows that a direction lists; columns with their weights in a figure.
NAMED, LOADINGS = 5, 6
# Operator of fourth moments: most rows times squared columns of one product, eigenvectors used at
# each end of its spectrum, and Lanczos vectors.
PRODUCT, ENDS, LANCZOS = 400_000_000, 3, 60
# Unknowns per row from which the matrix of inner products of rows is the smaller one; vectors of a
# block, and blocks.
SPARSE, BLOCK, KRYLOV = 1.25, 12, 12
# Most unknowns of a form per row. With more, 1 + kurtosis / 2 would have to be above
# 1 + sqrt(10) to stand out: a kurtosis many times the normal's.
MOST_UNKNOWNS = 10
# 1% points of A^2 (Stephens 1974): they bring both versions to one scale.
CRITICAL: dict[Parameters, float] = {"known": 3.857, "fitted": 1.035}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Direction(Shown):
    """A direction along which the rows depart from the target or from a reference.

    Attributes
    ----------
    direction : tuple of float
        Unit vector, shape (d,), in the coordinates of the rows on normal scale (with a
        reference, of the data).
    statistic : float
        Anderson-Darling statistic of the held-out rows along it. For a specified target it is
        computed with known and with fitted parameters; the version with the smaller p-value
        counts. With a reference: nm/(n+m) times the energy distance of the held-out halves, in
        pooled standard deviations.
    pvalue : float
        P-value on the held-out rows, which had no part in the choice of the direction.
    adjusted : float
        The p-value adjusted for the number of directions (Holm).
    mean, variance, skewness, kurtosis : float
        Moments of the held-out rows along it; kurtosis is the excess. With a reference, mean and
        variance are relative to the reference's: 0 and 1 where they agree.
    coordinates, weights : tuple
        Indices of the columns with the largest weights, and these weights.
    rows : tuple of int
        Indices of the rows that stand out most along it.
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
        """Return the columns with the largest weights, and the weights (:func:`loadings`)."""
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
        """Return a sentence with its largest weights and the moments of the held-out rows.

        Parameters
        ----------
        weights : tuple of (str, float)
            Names of columns and their weights.
        reference : bool
            Whether the rows are compared with a reference.
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
    """Return the columns with the largest weights of a direction, and the weights.

    Parameters
    ----------
    direction : ndarray, shape (d,)
        Unit vector.
    names : sequence of str, optional
        Names of the columns of the data.
    canonical : Canonical, optional
        The rows on normal scale. A direction of whitened rows is mapped back to the standardised
        columns and scaled to length 1.

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
    """Search one half of the rows for directions, test these on the other half.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    count : int
        Directions, at most d.
    replicates : int
        Replicates of the null of the Anderson-Darling statistic.
    seed : int
    rows : int
        The search uses at most half of this many rows.

    Returns
    -------
    list of Direction
        In the order of the search; empty where no column varies in both halves. Columns that do
        not, or that equal another one, have weight 0.

    Notes
    -----
    Along u the departure is n sum_k (mean He_k(u.x))^2 / k! over the Hermite polynomials of
    degree 1 to 4 (3 and 4 where mean and covariance are fitted): location, scale, skewness and
    kurtosis, each with variance about 1 under the target. The result depends on where the ascent
    starts: see `_starts`.
    """
    n, d = canonical.rows.shape
    first, second = halves(n)
    train = np.asarray(canonical.rows[first[: rows // 2]], dtype=np.float64)
    held_out = np.asarray(canonical.rows[second], dtype=np.float64)
    # A column may vary in a few rows alone, and those may all be in one half.
    live = np.setdiff1d(
        np.intersect1d(canonical.live, live_columns(train)), constant_columns(held_out)
    )
    if canonical.fitted and len(live):
        covariance = mean_and_covariance(train[:, live])[1]
        live = live[independent_columns(covariance, len(train))]
    if not len(live):
        return []
    if len(live) < d:
        train, held_out = train[:, live], held_out[:, live]
    original = search_directions(train, count, 0, fitted=canonical.fitted)
    slices = held_out @ original.T
    pvalues, statistics = _test_slices(slices, canonical.fitted, replicates, seed)
    adjusted = holm(list(pvalues))
    if len(live) < d:
        narrow, original = original, np.zeros((len(original), d))
        original[:, live] = narrow
    return [
        describe_direction(u, values, second, statistic=statistic, pvalue=p, adjusted=float(q))
        for u, values, statistic, p, q in zip(
            original, slices.T, statistics, pvalues, adjusted, strict=True
        )
    ]


def search_directions(rows: NDArray[Any], count: int, seed: int, *, fitted: bool) -> Vector:
    """Return the orthogonal directions, at most `count`, along which rows depart most.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Rows on normal scale, of columns that vary (if fitted, of independent ones). They choose
        the directions, so only other rows can test these.
    count, seed : int
    fitted : bool
        Whether only the shape counts, after whitening; the directions are those of the rows.
    """
    train = np.asarray(rows, dtype=np.float64)
    back: Vector = np.eye(train.shape[1])
    if fitted:
        mean, covariance = mean_and_covariance(train)
        back = np.asarray(np.linalg.inv(cholesky(covariance)).T)
        train = (train - mean) @ back
    starts = _starts(train, stream(seed, "directions/starts"))
    # Other rows test the directions, in double: float32 is enough to find them.
    found = train.astype(np.float32) if train.size >= SINGLE else train
    directions: list[Vector] = []
    for _ in range(min(count, train.shape[1])):
        directions.append(_search(found, fitted, directions, starts))
    return unit_rows(np.stack(directions) @ back.T)


def _views(fitted: bool) -> tuple[Parameters, ...]:
    """Return the versions of a test: for a specified target also the fitted one, of shape alone."""
    return ("fitted",) if fitted else ("known", "fitted")


def _test_slices(
    slices: Vector, fitted: bool, replicates: int, seed: int
) -> tuple[list[float], list[float]]:
    """P-values and Anderson-Darling statistics of slices, each tested as a single column.

    Two versions for a specified target cost a factor of 2 (Bonferroni); the statistic is that of
    the smaller p-value.
    """
    plan = NullPlan(seed=seed, replicates=replicates)
    pvalues, statistics = [], []
    for column in slices.T:
        rows = np.ascontiguousarray(column)[:, None]
        versions = []
        for parameters in _views(fitted):
            if parameters == "fitted" and not np.ptp(column) > 0.0:
                continue  # a constant has no spread to fit
            values = _anderson_darling(rows, np.ones((1, 1)), parameters)[:, None]
            null = SliceNull.of(parameters, len(rows), 1, 1, None)
            (result,) = monte_carlo_slices(values, null, [ANDERSON_DARLING], plan, shipped=True)
            versions.append((result.pvalue, -float(values[0, 0])))
        pvalue, negative = min(versions, default=(1.0, 0.0))
        # Without a version that can be computed nothing is found: 1, not 0 times 1.
        pvalues.append(min(1.0, max(1, len(versions)) * pvalue))
        statistics.append(0.0 - negative)
    return pvalues, statistics


def describe_direction(
    u: Vector,
    values: Vector,
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
        Unit vector. The result has the sign that makes its largest weight positive.
    values : ndarray, shape (n,)
        The slice of the held-out rows along it.
    rows : ndarray of int, shape (n,)
        Indices of these rows in the data.
    statistic, pvalue, adjusted : float
        As in `Direction`.
    reference : ndarray, shape (m,), optional
        The slice of the reference's held-out rows: mean and variance become relative to its own.
    """
    # LAPACK's choice of an eigenvector's sign depends on the processor: the largest weight is > 0.
    sign = 1.0 if u[np.abs(u).argmax()] > 0.0 else -1.0
    u, values = sign * u, sign * values
    reference = None if reference is None else sign * reference
    mean, variance = float(values.mean()), float(values.var())
    z = (values - mean) / np.sqrt(variance or 1.0)
    centre, scale, distance = 0.0, 1.0, z
    if reference is not None:
        centre, scale = float(reference.mean()), float(reference.std()) or 1.0
        distance = values - centre
    columns = np.argsort(-np.abs(u), kind="stable")[:NAMED]
    far = np.argsort(-np.abs(distance), kind="stable")[:NAMED]
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


def _search(x: NDArray[Any], fitted: bool, previous: list[Vector], starts: Vector) -> Vector:
    """Return the best direction among those orthogonal to the previous ones."""
    d = x.shape[1]
    past = np.stack(previous) if previous else np.zeros((0, d))
    if d - len(past) == 1:
        return np.asarray(np.linalg.svd(past, full_matrices=True)[2][-1] if len(past) else [1.0])

    def rest(u: Vector) -> Vector:
        return np.asarray(u - (u @ past.T) @ past)

    def objective(u: Vector) -> tuple[Vector, Vector]:
        value, slope = _departure(x, u, fitted)
        return value, rest(slope)

    def distance(u: Vector) -> Vector:
        parts = [_anderson_darling(x, u, one) / CRITICAL[one] for one in _views(fitted)]
        return np.asarray(np.max(parts, axis=0))

    def onto(u: Vector) -> Vector:
        return unit_rows(rest(u))

    points = rest(starts)
    # The rest of a start that is close to a previous direction is noise.
    points = onto(points[np.square(points).sum(axis=1) > 0.1])
    tops = climb(points, objective, onto, 0.5, distance, sphere=True, gain=GAIN)[1]
    # A single far row has a large fourth moment along its own direction. So moments guide the
    # ascent, and the distance between distributions, which one row hardly changes, decides.
    return np.asarray(tops[distance(tops).argmax()])


def _anderson_darling(y: Vector, u: Vector, parameters: Parameters) -> Vector:
    functions = {ANDERSON_DARLING.name: ANDERSON_DARLING.statistic}
    return slice_statistics(y, u, parameters, functions)[:, 0]


def _starts(y: Vector, rng: np.random.Generator) -> Vector:
    """Return unit vectors that point at likely departures, and random ones.

    They are eigenvectors of the covariance and of the quadratic forms of `_forms`, the mean, the
    mean of y |y|^2, the farthest rows, and columns. In many dimensions only the forms lead to a
    single bad direction: the objective is flat except within a few degrees of it, and random
    starts end at the direction of some far row.
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

    The forms are eigenvectors, among symmetric matrices, of the operator (Cardoso 1989)
    K(A) = mean (y'Ay - tr A) (yy' - I) / 2. For normal rows it is the identity; for a direction u
    independent of the rest it has the eigenvalue 1 + kurtosis / 2 at A = uu'. This stands out
    like a spike of a sample covariance in d(d+1)/2 dimensions (Baik, Ben Arous & Peche 2005).
    """
    d = y.shape[1]
    if d < 2:
        return []
    rows = y[: max(PRODUCT // d**2, 1)]
    upper = np.triu_indices(d)
    if len(upper[0]) > MOST_UNKNOWNS * len(rows):
        return []
    if len(upper[0]) >= SPARSE * len(rows):
        return _leading([_form_of(rows, weights) for weights in _extreme_weights(rows, rng)])
    # With this scale the inner product of two vectors equals that of their matrices.
    scale = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))

    def matrix(vector: Vector) -> Vector:
        full = np.zeros((d, d))
        full[upper] = vector / scale
        return np.asarray(full + np.triu(full, 1).T)

    single = rows.astype(np.float32) if rows.size >= SINGLE else rows

    def product(vector: Vector) -> Vector:
        form = matrix(np.ravel(vector))
        trace, form = np.trace(form), form.astype(single.dtype)

        def tile(part: slice) -> tuple[NDArray[Any], float]:
            x = single[part]
            q = np.einsum("ij,ij->i", x @ form, x) - single.dtype.type(trace)
            return x.T @ (x * q[:, None]), float(q.sum(dtype=np.float64))

        total, sums = np.zeros((d, d)), 0.0
        for outer, plain in run_tasks(tile, blocks(len(rows), ROW_TILE)):
            total += outer
            sums += plain
        total = (total - sums * np.eye(d)) / (2.0 * len(rows))
        return np.asarray(total[upper] * scale)

    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

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
            # Nothing stands out; the vectors that did converge still serve as starts.
            extremes = stopped.eigenvectors
    order = np.arange(extremes.shape[1])
    return _leading([matrix(extremes[:, j]) for j in [*order[:ENDS], *order[ENDS:][-ENDS:]]])


def _leading(forms: list[Vector]) -> list[Vector]:
    """Return the three leading eigenvectors of every form, shape (3, d)."""
    leading = []
    for form in forms:
        values, vectors = np.linalg.eigh(form)
        leading.append(vectors.T[np.argsort(-np.abs(values))[:3]])
    return leading


def _extreme_weights(rows: Vector, rng: np.random.Generator) -> list[Vector]:
    """Return the weights of the rows in the extreme forms, where unknowns outnumber the rows.

    The operator of `_forms` is the mean of v v' / 2 with v = xx' - I for a row x. It has the
    eigenvalues of the matrix of inner products of these, (x.y)^2 - |x|^2 - |y|^2 + d, of which a
    block of vectors is multiplied at a time (block Krylov: Musco & Musco 2015).
    """
    x = rows.astype(np.float32)
    n, d = x.shape
    squared = np.square(x).sum(axis=1)
    inner = x @ x.T
    np.square(inner, out=inner)
    inner -= squared
    inner -= squared[:, None] - np.float32(d)
    block = min(BLOCK, n)
    steps = min(KRYLOV, n // block)
    basis = np.empty((n, block * steps), dtype=np.float32)
    images = np.empty_like(basis)
    new = rng.standard_normal((n, block), dtype=np.float32)
    for step in range(steps):
        past = basis[:, : block * step]
        for _ in range(2):
            new = np.linalg.qr(new - past @ (past.T @ new))[0]
        part = slice(block * step, block * (step + 1))
        basis[:, part] = new
        images[:, part] = inner @ basis[:, part]
        new = images[:, part]
    small = (basis.T @ images).astype(np.float64)
    vectors = np.linalg.eigh(0.5 * (small + small.T))[1]
    ends = [*range(min(ENDS, len(small))), *range(len(small))[-ENDS:]]
    return [basis @ vectors[:, j] for j in ends]


def _form_of(rows: Vector, weights: Vector) -> Vector:
    """Return the sum of the rows' v (see `_extreme_weights`) with weights."""
    return np.asarray(rows.T @ (rows * weights[:, None]) - weights.sum() * np.eye(rows.shape[1]))


def _departure(y: NDArray[Any], u: Vector, fitted: bool) -> tuple[Vector, Vector]:
    """Sum of squared means of Hermite polynomials over k!, and its gradient.

    Products with the rows have their precision.
    """
    u = u.astype(y.dtype, copy=False)
    weights = (0.0, 0.0, 1.0, 1.0) if fitted else (1.0, 1.0, 1.0, 1.0)

    def tile(part: slice) -> tuple[NDArray[Any], Vector]:
        p = u @ y[part].T
        p2 = p * p
        cube = p2 * p
        powers = [p, p2, cube, p2 * p2]
        return p, np.stack([power.sum(axis=1, dtype=np.float64) for power in powers])

    slices, sums = [], np.zeros((4, len(u)))
    parts = blocks(len(y), ROW_TILE)
    for p, powers in run_tasks(tile, parts):
        slices.append(p)
        sums += powers
    first, second, third, fourth = sums / len(y)
    means = [first, second - 1.0, third - 3.0 * first, fourth - 6.0 * second + 3.0]
    factorials = (1.0, 2.0, 6.0, 24.0)
    value = np.zeros(len(u))
    factors = []
    for weight, mean, factorial in zip(weights, means, factorials, strict=True):
        value += weight * mean**2 / factorial
        factors.append((weight * (2.0 / factorial) * mean)[:, None])
    # The slope of a Hermite polynomial is k times the one before: one product with the rows.
    a, b, c, e = (k * factor for k, factor in enumerate(factors, 1))
    cubic = [part.astype(y.dtype) for part in (a - c, b - 3.0 * e, c, e)]

    def slope_of(job: tuple[NDArray[Any], slice]) -> NDArray[Any]:
        p, part = job
        constant, linear, square, cube = cubic
        return np.asarray((((cube * p + square) * p + linear) * p + constant) @ y[part])

    slope = np.zeros(u.shape)
    for one in run_tasks(slope_of, list(zip(slices, parts, strict=True))):
        slope += one
    return value, slope / len(y)
