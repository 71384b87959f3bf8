"""Draws from the null, for the pipeline to be rerun on, and their cache on disk.

A null knows how its samples are drawn and what they depend on; it knows no statistic.
Replicate b of a null is the same sample whatever tests are asked for, so a test's
replicates can be kept, extended and shared, and tests calibrated together are jointly
calibrated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dmtest.catalogue.spec import Space, Spec
from dmtest.engines.directions import random_directions
from dmtest.engines.gram import tile_dtype
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.engines.slices import Parameters, SliceView
from dmtest.runtime import cache
from dmtest.runtime.parallel import Progress, blocks, run_tasks
from dmtest.runtime.streams import stream

__all__ = ["RowNull", "SliceNull", "replicates_of"]

Lines: TypeAlias = NDArray[Any]
Vector: TypeAlias = NDArray[np.float64]

# Raise it when a change alters any replicate: entries of older versions are then not found.
REVISION = 2
TASK_VALUES = 1 << 18


@dataclass(frozen=True, slots=True)
class SliceNull:
    """Slices of n rows of N(0, I), whitened when the parameters are fitted.

    Orthonormal directions of N(0, I) rows, whitened or not, give lines whose joint law is
    that of the first k columns (the whitened sample is Haar-distributed on the Stiefel
    manifold), so at most min(d, k) columns are ever drawn.

    Attributes
    ----------
    parameters : {"known", "fitted"}
    n, d, k : int
        Rows, columns and slices of a replicate.
    basis : ndarray, shape (k, d), optional
        Fixed directions; None draws fresh ones for every replicate where k > d.
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
        """Return the null of k random directions, or of `directions`, reduced to what matters."""
        if directions is None:
            return cls(parameters, n, min(d, k), k)
        if k <= d:
            triangle = np.asarray(np.linalg.qr(directions.T, mode="r")).T
            if np.allclose(directions @ directions.T, np.eye(k), atol=1e-9):
                return cls(parameters, n, k, k)
            return cls(parameters, n, k, k, np.ascontiguousarray(triangle))
        return cls(parameters, n, d, k, directions)

    def key(self) -> dict[str, Any]:
        """Everything that a replicate depends on, beside the seed."""
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

    def draw(self, rng: np.random.Generator) -> Lines:
        """Draw the lines of one replicate: shape (k, n)."""
        columns = rng.standard_normal((self.d, self.n), dtype=np.float32)
        if self.parameters == "fitted" and self.d > 1:
            columns = whiten_columns(columns)
        if self.basis is not None:
            return np.asarray(self.basis.astype(np.float32) @ columns)
        if self.k > self.d:
            return np.asarray(random_directions(self.k, self.d, rng).astype(np.float32) @ columns)
        return columns

    def evaluate(self, specs: Sequence[Spec], params: Mapping[str, Any], lines: Lines) -> Vector:
        """Evaluate tests on replicates (m, k, n): reduction and worst slice, (m, tests, 2)."""
        view = SliceView(lines.reshape(-1, self.n), self.parameters)
        out = np.empty((len(lines), len(specs), 2))
        for j, spec in enumerate(specs):
            values = spec.statistic(view, **params.get(spec.name, {})).reshape(-1, self.k)
            out[:, j, 0] = values.mean(axis=1)
            out[:, j, 1] = spec.sign * (spec.sign * values).max(axis=1)
        return out


@dataclass(frozen=True, slots=True)
class RowNull:
    """Rows of a space: of N(0, I), whitened, through Phi, or divided by their lengths.

    Attributes
    ----------
    space : {"residuals", "normal", "cube", "sphere"}
    n, d : int
        Rows and columns of a replicate.
    factor : ndarray, shape (d, d), optional
        What residuals are coloured with: given its mean and covariance, a normal sample is
        the mean plus L times a whitened one, so a test calibrated on these is exact also
        where its statistic depends on the covariance.
    """

    space: Space
    n: int
    d: int
    factor: Vector | None = None

    width = 1

    def key(self) -> dict[str, Any]:
        """Everything that a replicate depends on, beside the seed."""
        factor = None if self.factor is None else hashlib.sha256(self.factor.tobytes()).hexdigest()
        key = {"null": self.space, "n": self.n, "d": self.d, "factor": factor}
        return key | {"lengths": "double"} if self.space == "sphere" else key

    def batch(self) -> int:
        """Replicates in one task."""
        return max(1, TASK_VALUES // (self.n * max(self.n, self.d)))

    def draw(self, rng: np.random.Generator) -> Lines:
        """Draw the columns of one replicate: shape (d, n)."""
        columns = rng.standard_normal((self.d, self.n), dtype=np.float32)
        if self.space == "residuals":
            return whiten_columns(columns)
        if self.space == "cube":
            # Phi in float64: float32 would round its upper tail to 1.
            return np.asarray(np.clip(ndtr(columns.astype(np.float64)), 0.0, 1.0))
        if self.space == "sphere":
            # Of two near rows 1 - cos^2 is their rounding, in float32.
            wide = columns.astype(np.float64)
            return np.asarray(wide / np.sqrt(np.square(wide).sum(axis=0)))
        return columns

    def evaluate(self, specs: Sequence[Spec], params: Mapping[str, Any], lines: Lines) -> Vector:
        """Evaluate tests on replicates (m, d, n): their varying part, (m, tests, 1)."""
        out = np.empty((len(lines), len(specs), 1))
        chosen = [params.get(spec.name, {}) for spec in specs]
        functions = [spec.statistic for spec in specs]
        for i, columns in enumerate(lines):
            rows = np.ascontiguousarray(columns.T, dtype=tile_dtype(self.n, self.d))
            view = RowView(rows, self.factor, threads=False)
            for j, (_, varying) in enumerate(evaluate_all(view, functions, chosen)):
                out[i, j, 0] = varying
        return out


def whiten_columns(columns: NDArray[Any]) -> NDArray[Any]:
    """Whiten a sample held as (d, n) with the Cholesky factor of its 1/n covariance."""
    d, n = columns.shape
    centred = columns - columns.mean(axis=1, keepdims=True, dtype=np.float64).astype(columns.dtype)
    # Few rows make the covariance nearly singular: float32 products would not do.
    wide = centred.astype(np.float64) if n < 8 * d else centred
    factor = np.linalg.cholesky((wide @ wide.T).astype(np.float64) / n)
    inverse = np.linalg.solve(factor, np.eye(d))
    return np.asarray((inverse.astype(wide.dtype) @ wide).astype(columns.dtype))


def replicates_of(
    null: SliceNull | RowNull,
    specs: Sequence[Spec],
    params: Mapping[str, Any],
    count: int,
    seed: int,
    progress: Progress | None = None,
) -> Vector:
    """Return `count` null replicates of every test, from the cache where it has them.

    Parameters
    ----------
    null : SliceNull or RowNull
    specs : sequence of Spec
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
    held = [cache.read(name, null.width) for name in names]
    out = np.empty((count, len(specs), null.width))
    for j, values in enumerate(held):
        out[: len(values), j] = values[:count]
    missing = [j for j, values in enumerate(held) if len(values) < count]
    if not missing:
        return out
    first = min(len(held[j]) for j in missing)
    todo = [specs[j] for j in missing]
    # One stream for all nulls of n rows: the first columns of a replicate are the same for
    # every d and k, and Cholesky whitening keeps them so. Slice and pair statistics of
    # replicate b are then statistics of one sample, and can be calibrated jointly.
    label = f"null/{null.n}"

    def task(part: slice) -> Vector:
        members = range(first + part.start, first + part.stop)
        lines = np.stack([null.draw(stream(seed, label, b)) for b in members])
        return null.evaluate(todo, params, lines)

    done = first
    for values in run_tasks(task, blocks(count - first, null.batch())):
        out[done : done + len(values), missing] = values
        done += len(values)
        if progress is not None:
            progress("null replicates", done, count)
    for j in missing:
        cache.write(names[j], out[:, j])
    return out


def _entry(
    null: SliceNull | RowNull, spec: Spec, params: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    chosen = dict(spec.params) | dict(params.get(spec.name, {}))
    chosen = {k: repr(v) if v == float("inf") else v for k, v in chosen.items()}
    return null.key() | {
        "test": spec.name,
        "params": chosen,
        "seed": seed,
        "revision": REVISION,
        "numpy": np.__version__,
    }
