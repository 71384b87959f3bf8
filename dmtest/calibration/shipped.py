"""Shipped nulls: the laws of the default battery's tests, without a simulation.

A law is the null of one statistic at n rows and d columns: quantiles, and the standard error of
the probability of each. The file holds the laws on a grid of n and d; between its points their
parameters are interpolated by cubic polynomials in log n and log d. Statistics of slices do not
depend on d beyond SLICES columns, and have a limit in n. The file also holds the law of the
smallest p-value of every set of tests that reports join, and scores of all statistics in
common replicates, which give it for any other set. ``benchmarks/nulls`` simulates, smooths and
writes the file; ``benchmarks/level`` measures the size of the tests on fresh draws.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from dmtest.calibration.multiplicity import Smallest
from dmtest.catalogue.spec import OneSampleTest, SliceTest
from dmtest.engines.slices import Parameters
from dmtest.runtime.typing import Vector

PATH = Path(__file__).parent / "data" / "nulls.npz"
# Slices of the shipped nulls, and the rows of a random subsample where a law has no limit in n.
SLICES, MOST_ROWS = 64, 10_000
# Rows that statistics of slices are brought to before their laws are stored.
SETTLED_ROWS = 2000
# Normal scores of the stored quantiles: the smallest p-value is ndtr(-4.2), 1.3e-5.
SCORES = np.linspace(-4.2, 4.2, 57)
# Scores of the smallest p-values at which their law is stored.
JOINT_SCORES = np.linspace(0.0, 4.2, 29)
# Units in which quantiles, errors and scores of common replicates are stored.
QUANTILE_UNIT, ERROR_UNIT, SCORE_UNIT = 1.0 / 2048.0, 1.0 / 1024.0, 1.0 / 32.0


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """The null of one statistic.

    Attributes
    ----------
    quantiles : ndarray, shape (57,)
        Quantiles at the probabilities ``ndtr(SCORES)``, increasing.
    errors : ndarray, shape (57,)
        Standard errors of these probabilities.
    """

    quantiles: Vector
    errors: Vector

    def score(self, value: float, sign: float = 1.0) -> float:
        """Return the normal score of a value; larger is worse, with the sign of the test."""
        return float(sign * np.interp(value, self.quantiles, SCORES))

    def error(self, score: float, sign: float = 1.0) -> float:
        """Return the standard error of the p-value ``ndtr(-score)``."""
        return float(np.interp(sign * score, SCORES, self.errors))

    def replicates(self, count: int) -> Vector:
        """Return `count` values that divide the law into equal parts, in increasing order."""
        scores = ndtri((np.arange(count) + 0.5) / count)
        return np.asarray(np.interp(scores, SCORES, self.quantiles))

    def equivalent_replicates(self) -> int:
        """Return the number of replicates whose p-values at 5% have the error of this law."""
        upper = self.error(float(ndtri(0.95)))
        return int(0.05 * 0.95 / max(upper, 1e-6) ** 2)


def columns_of(spec: OneSampleTest, parameters: Parameters) -> tuple[str, ...]:
    """Return the names of a test's laws: mean and worst slice, or the statistic of rows."""
    if isinstance(spec, SliceTest):
        return tuple(f"{parameters}/{spec.name}/{view}" for view in ("slices", "worst"))
    return (f"{spec.space}/{spec.name}",)


def holds(spec: OneSampleTest, parameters: Parameters, n: int, d: int) -> bool:
    """Whether the file has the laws of a test at this n and d."""
    table = _load()
    if not set(columns_of(spec, parameters)) <= set(table["columns"]):
        return False
    fewest = int(table["rows/n"][0])
    if isinstance(spec, SliceTest):
        return n >= (fewest if parameters == "known" else max(fewest, 2 * min(d, SLICES)))
    if d > table["rows/d"][-1] or n < fewest or not spec.suits(d):
        return False
    return spec.space != "residuals" or n >= 2 * d


def laws_of(spec: OneSampleTest, parameters: Parameters, n: int, d: int) -> tuple[Law, ...]:
    """Return the laws of a test.

    Parameters
    ----------
    spec : SliceTest or RowTest
        One that the file holds (`holds`).
    parameters : {"known", "fitted"}
    n, d : int
        Rows and columns. Laws of slices are those of their values at SETTLED_ROWS rows
        (``spec.at_rows``).

    Returns
    -------
    tuple of Law
        Mean over slices and worst slice, or the statistic of rows.
    """
    names = columns_of(spec, parameters)
    if isinstance(spec, SliceTest):
        kind = "slices" if d > 1 else "single"
        return tuple(_law(name, kind, n, effective_columns(d)) for name in names)
    place = None if spec.null_mean is None else spec.null_mean(n, d)
    unit = 1.0 if spec.null_scale is None else spec.null_scale(n, d)
    return tuple(_law(name, "rows", n, d, place, unit) for name in names)


@lru_cache(maxsize=256)  # blocks of rows ask for the same ones many times
def values_of(laws: tuple[Law, ...], count: int) -> Vector:
    """Return `count` values that divide every law into equal parts: (count, laws), read-only."""
    values = np.column_stack([law.replicates(count) for law in laws])
    values.flags.writeable = False
    return values


def effective_columns(d: int) -> float:
    """Return the columns whose slices have the same variance of their mean, if d divides SLICES.

    Directions are orthonormal within blocks of d, of which the last one may be smaller: only
    slices of different blocks depend on each other, and the variance of a mean over slices is
    linear in the number of such pairs. Between the divisors of SLICES it is not smooth in d.
    """
    width = min(d, SLICES)
    full, rest = divmod(SLICES, width)
    pairs = SLICES - (full * width**2 + rest**2) / SLICES
    return SLICES / (1.0 + pairs / width)


@lru_cache(maxsize=512)  # blocks of rows ask for the same law many times
def _law(
    name: str, kind: str, n: int, d: float, place: float | None = None, unit: float = 1.0
) -> Law:
    table = _load()
    position = table[f"{kind}/columns"].index(name)
    rows, columns, weights = _weights(table[f"{kind}/n"], table[f"{kind}/d"], n, d)
    cell = (*np.ix_(rows, columns), position)
    scale = unit * float(np.exp((weights * table[f"{kind}/scale"][cell]).sum()))
    if place is None:
        value = float((weights * table[f"{kind}/place"][cell]).sum())
        place = place_of(table[f"{kind}/form"][position], value, scale)
    quantiles = np.einsum("nd,ndq->q", weights, table[f"{kind}/quantiles"][cell] * QUANTILE_UNIT)
    errors = np.einsum("nd,ndq->q", np.abs(weights), table[f"{kind}/errors"][cell] * ERROR_UNIT)
    errors = errors * np.sqrt(ndtr(SCORES) * ndtr(-SCORES))
    return Law(place + scale * np.maximum.accumulate(quantiles), errors)


def place_of(form: str, value: float, scale: float) -> float:
    """Return a mean from the form in which it is interpolated."""
    if form == "ratio":
        return value * scale
    return float(np.exp(value) if form == "log" else 1.0 - np.exp(value))


def two_sided(score: ArrayLike) -> Vector:
    """Normal scores of two-sided p-values, from those of the smaller of their two sides."""
    return np.asarray(-ndtri(np.minimum(2.0 * ndtr(-np.asarray(score)), 0.999999)))


def smallest_of(columns: Collection[str], score: float, error: float, n: int, d: int) -> Smallest:
    """Return the p-value of the smallest p-value of several statistics of one sample.

    Parameters
    ----------
    columns : collection of str
        Names of the statistics (`columns_of`).
    score : float
        Normal score of the smallest p-value: ``ndtri(1 - p)``.
    error : float
        Standard error of the smallest p-value.
    n, d : int

    Returns
    -------
    Smallest
        By the law of this set of statistics, or by scores of common replicates.
    """
    wanted = frozenset(columns)
    if len(wanted) == 1:
        return _smallest(float(ndtr(-score)), 0.0, float(ndtr(-SCORES[-1])), error, score)
    sets = _load()["sets"]
    if wanted in sets:
        return _by_joint_law(sets.index(wanted), score, error, n, d)
    return _by_common_replicates(wanted, score, error, d)


def _smallest(pvalue: float, error: float, floor: float, own: float, score: float) -> Smallest:
    """Add the error of the smallest p-value to that of its law."""
    slope = pvalue / max(float(ndtr(-score)), 1e-12)
    total = float(np.hypot(error, slope * own))
    count = int(pvalue * (1.0 - pvalue) / max(total, 1e-9) ** 2)
    return Smallest(pvalue, total, floor, max(count, 1))


def _by_joint_law(position: int, score: float, error: float, n: int, d: int) -> Smallest:
    """The shipped law of a set, whose score is that of the smallest p-value less a gap."""
    table = _load()
    rows, cells, weights = _weights(table["joint/n"], table["joint/d"], n, d)
    cell = np.ix_(rows, cells)
    gaps = np.einsum("nd,ndq->q", weights, table["joint/gaps"][position][cell].astype(np.float64))
    errors = table["joint/errors"][position][cell].astype(np.float64)
    # More tests than one only make the smallest p-value smaller.
    scores = np.maximum.accumulate(JOINT_SCORES + np.minimum(gaps, 0.0))
    # Below a p-value of 1/2 of the smallest one, nothing is evidence.
    at = float(np.interp(score, JOINT_SCORES, scores)) + min(score, 0.0)
    deviation = np.interp(score, JOINT_SCORES, np.einsum("nd,ndq->q", np.abs(weights), errors))
    density = np.exp(-0.5 * at * at) / np.sqrt(2.0 * np.pi)
    floor = float(ndtr(-scores[-1]))
    return _smallest(float(ndtr(-at)), float(deviation * density), floor, error, score)


def _by_common_replicates(wanted: frozenset[str], score: float, error: float, d: int) -> Smallest:
    """The share of common replicates whose smallest p-value is as small."""
    table = _load()
    nearest = int(np.abs(np.log(table["common/d"] / d)).argmin())
    positions = [table["columns"].index(name) for name in sorted(wanted)]
    common = table["common/scores"][nearest][:, positions]
    worst = common[(common > -128).all(axis=1)].max(axis=1) * SCORE_UNIT
    as_bad = int(np.count_nonzero(worst >= score))
    floor = len(wanted) * float(ndtr(-SCORES[-1]))
    if as_bad < 10:
        # Too few replicates are as bad: Bonferroni's inequality.
        pvalue = min(1.0, len(wanted) * float(ndtr(-score)))
        return _smallest(pvalue, 0.0, floor, error, score)
    pvalue = (1.0 + as_bad) / (len(worst) + 1.0)
    spread = float(np.sqrt(pvalue * (1.0 - pvalue) / len(worst)))
    return _smallest(pvalue, spread, floor, error, score)


def description() -> str:
    """Return how the shipped laws were simulated, in words."""
    most, shapes = _load()["simulated"]
    return f"up to {int(most):,} replicates at each of {int(shapes)} shapes, smoothed (shipped)"


def _weights(
    ns: NDArray[Any], ds: NDArray[Any], n: int, d: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], Vector]:
    """Return the grid points around (n, d), and the weights of cubic interpolation: (n, d)."""
    rows, row_weights = _stencil(ns, min(n, float(ns[-1])))
    columns, column_weights = _stencil(ds, min(d, float(ds[-1])))
    return rows, columns, np.outer(row_weights, column_weights)


def _stencil(grid: NDArray[Any], value: float) -> tuple[NDArray[np.intp], Vector]:
    """Return four grid points around a value, and Lagrange's weights in their logarithms."""
    exact = np.flatnonzero(grid == value)
    if len(exact):
        return exact, np.ones(1)
    right = int(np.searchsorted(grid, value))
    first = min(max(right - 2, 0), len(grid) - 4)
    points = np.arange(first, first + 4)
    x, at = np.log(grid[points].astype(np.float64)), np.log(value)
    weights = np.ones(4)
    for j in range(4):
        others = np.delete(x, j)
        weights[j] = np.prod((at - others) / (x[j] - others))
    return points, weights


@lru_cache(maxsize=1)
def _load() -> dict[str, Any]:
    with np.load(PATH, allow_pickle=False) as file:
        table: dict[str, Any] = {name: file[name] for name in file.files}
    for kind in ("slices", "single", "rows"):
        for name in (f"{kind}/columns", f"{kind}/form"):
            table[name] = [str(value) for value in table[name]]
    table["columns"] = table["slices/columns"] + table["rows/columns"]
    table["sets"] = [frozenset(str(names).split()) for names in table["joint/sets"]]
    return table
