"""The null of a test: where it comes from, its replicates, and their cache on disk.

`workload_of` alone decides where a null comes from, and `null_of` returns it: shipped with the
package, or simulated at all rows, at a cap, of a linear form or for a subsample.

`SliceNull` and `RowNull` know how a sample from the null is drawn and what it depends on; they
know no statistic. Replicate b is the same sample whatever tests run, so a test's
replicates can be stored, extended and shared, and tests of one run are calibrated jointly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dmtest.calibration.budget import BUDGET, Workload, row_workload, slice_workload
from dmtest.calibration.shipped import (
    MOST_ROWS,
    SLICES,
    Law,
    columns_of,
    description,
    holds,
    laws_of,
    values_of,
)
from dmtest.catalogue.spec import RowTest, SliceTest, Space
from dmtest.engines.directions import random_directions
from dmtest.engines.gram import Tiles, tile_dtype
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.engines.slices import Parameters, SliceView
from dmtest.runtime import cache
from dmtest.runtime.parallel import Progress, blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

Calibration: TypeAlias = Literal["auto", "monte-carlo", "asymptotic"]
Columns: TypeAlias = NDArray[Any]
T = TypeVar("T", SliceTest, RowTest)
T_contra = TypeVar("T_contra", SliceTest, RowTest, contravariant=True)

# To be raised when a change alters any replicate: older cache entries are then ignored.
REVISION = 2
TASK_VALUES = 1 << 18
# Rows of length 1 in so many columns are never near each other, so their replicates are float32.
SINGLE_SPHERE = 64
# Replicates that a shipped null stands for: more of them are simulated. And the number of values
# of a shipped law where a caller takes replicates.
PRECISE, VALUES = 9999, 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class NullPlan:
    """Options of the nulls of a run.

    Attributes
    ----------
    seed : int
        Entropy of the run.
    params : mapping of test name to its tuning parameters
    calibration : {"auto", "monte-carlo", "asymptotic"}
        "auto" allows caps, linear forms, subsamples and fewer replicates where n is large; with
        "monte-carlo" nulls are simulated at n, whatever they cost.
    replicates : int
    budget : float or None
        Multiply-adds that a test and its replicates may take; None for the default.
    progress : callable, optional
        Called with (what, done, total).
    """

    seed: int
    params: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration = "auto"
    replicates: int = 999
    budget: float | None = None
    progress: Progress | None = None

    @property
    def thrifty(self) -> bool:
        """Whether a null may have fewer rows than the data, and fewer replicates."""
        return self.calibration == "auto"


@dataclass(frozen=True, slots=True)
class NullSample:
    """Replicates of one test's null, or its laws, and where they come from.

    Attributes
    ----------
    values : ndarray, shape (replicates, width)
        Slice tests: mean over slices and worst slice (width 2). Tests of rows: the part of the
        statistic that varies (width 1). Of shipped laws, values that divide them evenly.
    workload : Workload
    n : int
        Rows of the data.
    laws : tuple of Law
        Shipped laws, one for each value; empty if the null was simulated.
    columns : tuple of str
        Their names.
    """

    values: Vector
    workload: Workload
    n: int
    laws: tuple[Law, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of a replicate."""
        return self.workload.null_rows

    @property
    def method(self) -> str:
        """Method of p-values from these replicates, in words."""
        note = self.workload.note(self.n)
        if self.laws:
            return f"monte carlo, {description()}{note}"
        return f"monte carlo, {len(self.values)} replicates{note}"

    @property
    def source(self) -> tuple[int, bool, bool]:
        """Key of the samples: nulls with equal keys have replicates of the same samples."""
        return self.rows, self.workload.mode == "subsample", self.workload.shipped


class Null(Protocol[T_contra]):
    """Samples from the null, and the tests of one kind that are evaluated on them."""

    @property
    def n(self) -> int:
        """Rows of a sample."""
        ...

    @property
    def d(self) -> int:
        """Columns of a sample."""
        ...

    @property
    def width(self) -> int:
        """Values of a test on one sample."""
        ...

    def at(self, rows: int, coloured: bool = False) -> Self:
        """Return the null of another number of rows."""
        ...

    def key(self) -> dict[str, Any]:
        """Return all that a replicate depends on, beside the seed."""
        ...

    def batch(self) -> int:
        """Replicates in one task."""
        ...

    def draw(self, rng: np.random.Generator) -> Columns:
        """Draw one sample, column by column."""
        ...

    def evaluate(
        self, specs: Sequence[T_contra], params: Mapping[str, Any], samples: Columns
    ) -> Vector:
        """Evaluate tests on samples: shape (samples, tests, width)."""
        ...


@dataclass(frozen=True, slots=True)
class SliceNull:
    """Slices of n rows of N(0, I), whitened when the parameters are fitted.

    Orthonormal directions of N(0, I) rows, whitened or not, give slices whose joint law is
    that of the first k columns (the whitened sample is Haar-distributed on the Stiefel
    manifold), so at most min(d, k) columns are drawn.

    Attributes
    ----------
    parameters : {"known", "fitted"}
    n, d, k : int
        Rows, columns and slices of a replicate.
    basis : ndarray, shape (k, d), optional
        Fixed directions; None draws new ones for every replicate if k > d.
    """

    parameters: Parameters
    n: int
    d: int
    k: int
    basis: Vector | None = None

    width = 2

    @classmethod
    def of(
        cls, parameters: Parameters, n: int, d: int, k: int, directions: Vector | None
    ) -> SliceNull:
        """Return the null of k random directions, or of fixed ones.

        Parameters
        ----------
        parameters : {"known", "fitted"}
        n, d, k : int
            Rows, columns and slices of the sample.
        directions : ndarray, shape (k, d), or None
            Fixed unit vectors.

        Returns
        -------
        SliceNull
            With min(d, k) columns.
        """
        if directions is None:
            return cls(parameters, n, min(d, k), k)
        if k <= d:
            triangle = np.asarray(np.linalg.qr(directions.T, mode="r")).T
            if np.allclose(directions @ directions.T, np.eye(k), atol=1e-9):
                return cls(parameters, n, k, k)
            return cls(parameters, n, k, k, np.ascontiguousarray(triangle))
        return cls(parameters, n, d, k, directions)

    def at(self, rows: int, coloured: bool = False) -> SliceNull:
        """Return the same null of another number of rows."""
        return replace(self, n=rows)

    def key(self) -> dict[str, Any]:
        """Return all that a replicate depends on, beside the seed."""
        basis = None if self.basis is None else hashlib.sha256(self.basis.tobytes()).hexdigest()
        return {
            "null": "slices",
            "parameters": self.parameters,
            "n": self.n,
            "d": self.d,
            "k": self.k,
            "basis": basis,
        }

    def batch(self) -> int:
        """Replicates in one task."""
        return max(1, TASK_VALUES // (self.n * self.k))

    def draw(self, rng: np.random.Generator) -> Columns:
        """Draw the slices of one replicate: shape (k, n)."""
        columns = rng.standard_normal((self.d, self.n), dtype=np.float32)
        if self.parameters == "fitted" and self.d > 1:
            columns = whiten_columns(columns)
        if self.basis is not None:
            return np.asarray(self.basis.astype(np.float32) @ columns)
        if self.k > self.d:
            return np.asarray(random_directions(self.k, self.d, rng).astype(np.float32) @ columns)
        return columns

    def evaluate(
        self, specs: Sequence[SliceTest], params: Mapping[str, Any], samples: Columns
    ) -> Vector:
        """Evaluate tests on replicates (m, k, n): reduction and worst slice, (m, tests, 2)."""
        view = SliceView(samples.reshape(-1, self.n), self.parameters)
        out = np.empty((len(samples), len(specs), 2))
        for j, spec in enumerate(specs):
            values = spec.statistic(view, **params.get(spec.name, {})).reshape(-1, self.k)
            out[:, j, 0] = values.mean(axis=1)
            out[:, j, 1] = spec.sign * (spec.sign * values).max(axis=1)
        return out


@dataclass(frozen=True, slots=True)
class RowNull:
    """Rows of a space: N(0, I), whitened, mapped by Phi, or divided by their lengths.

    Attributes
    ----------
    space : {"residuals", "normal", "cube", "sphere"}
    n, d : int
        Rows and columns of a replicate.
    factor : ndarray, shape (d, d), optional
        Cholesky factor L that colours residuals. Given its mean and covariance, a normal
        sample is the mean plus L times a whitened one, so calibration is exact also for a
        statistic that depends on the covariance.
    """

    space: Space
    n: int
    d: int
    factor: Vector | None = None

    width = 1

    def at(self, rows: int, coloured: bool = False) -> RowNull:
        """Return the null of another number of rows, with its factor where `coloured`."""
        return replace(self, n=rows, factor=self.factor if coloured else None)

    def key(self) -> dict[str, Any]:
        """Return all that a replicate depends on, beside the seed."""
        factor = None if self.factor is None else hashlib.sha256(self.factor.tobytes()).hexdigest()
        key = {"null": self.space, "n": self.n, "d": self.d, "factor": factor}
        if self.space != "sphere":
            return key
        return key | {"lengths": "single" if self._precision == "single" else "double"}

    @property
    def _precision(self) -> Tiles:
        return "single" if self.space == "sphere" and self.d >= SINGLE_SPHERE else "auto"

    def batch(self) -> int:
        """Replicates in one task."""
        return max(1, TASK_VALUES // (self.n * max(self.n, self.d)))

    def draw(self, rng: np.random.Generator) -> Columns:
        """Draw the columns of one replicate: shape (d, n)."""
        columns = rng.standard_normal((self.d, self.n), dtype=np.float32)
        if self.space == "residuals":
            return whiten_columns(columns)
        if self.space == "cube":
            # Phi in float64: float32 would round its upper tail to 1.
            return np.asarray(np.clip(ndtr(columns.astype(np.float64)), 0.0, 1.0))
        if self.space == "sphere":
            # In float32, 1 - cos^2 of two near rows would be rounding.
            wide: NDArray[Any] = columns
            if self._precision != "single":
                wide = columns.astype(np.float64)
            wide /= np.sqrt(np.einsum("ij,ij->j", wide, wide))
            return wide
        return columns

    def evaluate(
        self, specs: Sequence[RowTest], params: Mapping[str, Any], samples: Columns
    ) -> Vector:
        """Evaluate tests on replicates (m, d, n): their varying part, (m, tests, 1)."""
        out = np.empty((len(samples), len(specs), 1))
        arguments = [params.get(spec.name, {}) for spec in specs]
        functions = [spec.statistic for spec in specs]
        for i, columns in enumerate(samples):
            kind = tile_dtype(self.n, self.d, self._precision)
            rows = np.ascontiguousarray(columns.T, dtype=kind)
            view = RowView(rows, self.factor, precision=self._precision, threads=False)
            for j, (_, varying) in enumerate(evaluate_all(view, functions, arguments)):
                out[i, j, 0] = varying
        return out


def workload_of(null: Null[T], spec: T, plan: NullPlan, *, shipped: bool = False) -> Workload:
    """Decide where the null of a test comes from.

    The null is the shipped one if the caller allows it, the options are the defaults, and the
    package has it. A test of rows without a limit law is then computed from a subsample of
    MOST_ROWS rows. Otherwise the null is simulated: with calibration "auto" at the cap of a
    slice test, and within the budget of a test of rows, which may use its linear form or a
    subsample.

    Parameters
    ----------
    null : SliceNull or RowNull
        At the data's n.
    spec : SliceTest or RowTest
    plan : NullPlan
    shipped : bool
        Whether shipped nulls may be used.

    Returns
    -------
    Workload
    """
    n, params = null.n, plan.params.get(spec.name, {})
    default = not params and plan.budget is None and plan.replicates <= PRECISE
    limit = isinstance(spec, SliceTest) or spec.settles
    rows = n if limit or not plan.thrifty else min(n, MOST_ROWS)
    if shipped and default and (limit or rows <= MOST_ROWS) and _ships(null, spec, rows):
        mode: Literal["exact", "subsample"] = "exact" if rows == n else "subsample"
        return Workload(mode, rows, rows, VALUES, shipped=True)
    if isinstance(null, SliceNull) and isinstance(spec, SliceTest):
        return slice_workload(spec, n, null.d, null.k, plan.replicates, thrifty=plan.thrifty)
    assert isinstance(spec, RowTest)
    # Its own error gives the reason, which a silent subsample would hide.
    too_many = spec.most is not None and n > spec.most
    budget = (plan.budget or BUDGET) if plan.thrifty and not too_many else None
    # No linear form has a parameter at its limit.
    at_limit = any(params.get(name) in values for name, values in spec.limits.items())
    row_test = replace(spec, features=None) if at_limit else spec
    return row_workload(row_test, n, null.d, plan.replicates, budget)


def _ships(null: Null[T], spec: T, rows: int) -> bool:
    """Whether the package ships this null: with the default number of random slices."""
    if not isinstance(null, SliceNull):
        return holds(spec, "known", rows, null.d)
    if null.basis is not None or null.k != slice_count(null.d):
        return False
    return holds(spec, null.parameters, rows, null.d)


def null_of(
    null: Null[T],
    specs: Sequence[T],
    plan: NullPlan,
    *,
    shipped: bool = False,
    workloads: Sequence[Workload] | None = None,
) -> list[NullSample]:
    """Return the null of every test: shipped, or simulated and cached on disk.

    Parameters
    ----------
    null : SliceNull or RowNull
        At the data's n. Its factor colours the replicates of those tests that depend on the
        covariance; others have replicates of their own, without it.
    specs : sequence of SliceTest or of RowTest, as `null` is
        A test in its linear form has that form as its `statistic`.
    plan : NullPlan
    shipped : bool
        Whether shipped nulls may be used.
    workloads : sequence of Workload, optional
        Results of `workload_of` for every test, if they are known.

    Returns
    -------
    list of NullSample, in the order of `specs`
    """
    if workloads is None:
        workloads = [workload_of(null, spec, plan, shipped=shipped) for spec in specs]
    samples: dict[int, NullSample] = {}
    groups: dict[tuple[int, int, bool], list[int]] = {}
    for j, (spec, workload) in enumerate(zip(specs, workloads, strict=True)):
        if workload.shipped:
            parameters: Parameters = null.parameters if isinstance(null, SliceNull) else "known"
            laws = laws_of(spec, parameters, workload.null_rows, null.d)
            values = values_of(laws, VALUES)
            names = columns_of(spec, parameters)
            samples[j] = NullSample(values, workload, null.n, laws, names)
        else:
            coloured = isinstance(spec, RowTest) and spec.coloured
            key = (workload.null_rows, workload.replicates, coloured)
            groups.setdefault(key, []).append(j)
    for (rows, count, coloured), members in groups.items():
        null_at_rows, tests = null.at(rows, coloured), [specs[j] for j in members]
        values = replicates_of(null_at_rows, tests, plan.params, count, plan.seed, plan.progress)
        for position, j in enumerate(members):
            samples[j] = NullSample(values[:, position], workloads[j], null.n)
    return [samples[j] for j in range(len(specs))]


def slice_count(d: int, slices: int | None = None) -> int:
    """Return the number of random slices of data with `d` columns."""
    return 1 if d == 1 else slices or SLICES


def whiten_columns(columns: NDArray[Any]) -> NDArray[Any]:
    """Whiten a sample of shape (d, n) with the Cholesky factor of its 1/n covariance."""
    d, n = columns.shape
    centred = columns - columns.mean(axis=1, keepdims=True, dtype=np.float64).astype(columns.dtype)
    # Few rows make the covariance nearly singular: float32 products would not do.
    wide = centred.astype(np.float64) if n < 8 * d else centred
    factor = np.linalg.cholesky((wide @ wide.T).astype(np.float64) / n)
    inverse = np.linalg.solve(factor, np.eye(d))
    return np.asarray((inverse.astype(wide.dtype) @ wide).astype(columns.dtype))


def replicates_of(
    null: Null[T],
    specs: Sequence[T],
    params: Mapping[str, Any],
    count: int,
    seed: int,
    progress: Progress | None = None,
) -> Vector:
    """Return `count` null replicates of every test, from the cache as far as it has them.

    Parameters
    ----------
    null : SliceNull or RowNull
    specs : sequence of SliceTest or of RowTest, as `null` is
    params : mapping of test name to its tuning parameters
    count : int
        Number of replicates.
    seed : int
        Entropy of the run.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    ndarray, shape (count, tests, width)
    """
    names = [cache.entry_name(_entry(null, spec, params, seed)) for spec in specs]
    entries = [cache.read(name, null.width) for name in names]
    out = np.empty((count, len(specs), null.width))
    for j, values in enumerate(entries):
        out[: len(values), j] = values[:count]
    missing = [j for j, values in enumerate(entries) if len(values) < count]
    if not missing:
        return out
    first = min(len(entries[j]) for j in missing)
    remaining = [specs[j] for j in missing]
    # One stream for all nulls of n rows: the first columns of a replicate are the same for
    # every d and k, and Cholesky whitening keeps them so. Slice and pair statistics of
    # replicate b are then statistics of one sample, and can be calibrated jointly.
    label = f"null/{null.n}"

    def task(part: slice) -> Vector:
        members = range(first + part.start, first + part.stop)
        samples = np.stack([null.draw(stream(seed, label, b)) for b in members])
        return null.evaluate(remaining, params, samples)

    done = first
    for values in run_tasks(task, blocks(count - first, null.batch())):
        out[done : done + len(values), missing] = values
        done += len(values)
        if progress is not None:
            progress("null replicates", done, count)
    for j in missing:
        cache.write(names[j], out[:, j])
    return out


def _entry(null: Null[T], spec: T, params: Mapping[str, Any], seed: int) -> dict[str, Any]:
    values = dict(spec.params) | dict(params.get(spec.name, {}))
    values = {k: repr(v) if v == float("inf") else v for k, v in values.items()}
    return null.key() | {
        "test": spec.name,
        "params": values,
        "seed": seed,
        "revision": REVISION,
        "numpy": np.__version__,
    }
