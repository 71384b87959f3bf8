"""Leading eigenvectors of the extreme quadratic forms of fourth moments.

They point at directions of few outliers or of two clusters in dimensions where a random start of a
search would not find them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.typing import Vector

# Operator of fourth moments: most rows times squared columns of one product, eigenvectors used at
# each end of its spectrum, and Lanczos vectors.
PRODUCT, ENDS, LANCZOS = 400_000_000, 3, 160
# Unknowns per row from which the matrix of inner products of rows is the smaller one; vectors of a
# block, and blocks.
SPARSE, BLOCK, KRYLOV = 1.25, 12, 12
# Most unknowns of a form per row. With more, 1 + kurtosis / 2 would have to be above
# 1 + sqrt(10) to stand out: a kurtosis many times the normal's.
MOST_UNKNOWNS = 10


def extreme_forms(y: Vector, rng: np.random.Generator, *, single: int) -> list[Vector]:
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

    found = rows.astype(np.float32) if rows.size >= single else rows

    def product(vector: Vector) -> Vector:
        form = matrix(np.ravel(vector))
        trace, form = np.trace(form), form.astype(found.dtype)

        def tile(part: slice) -> tuple[NDArray[Any], float]:
            x = found[part]
            q = np.einsum("ij,ij->i", x @ form, x) - found.dtype.type(trace)
            return x.T @ (x * q[:, None]), float(q.sum(dtype=np.float64))

        total, sums = np.zeros((d, d)), 0.0
        for outer, plain in run_tasks(tile, blocks(len(rows), ROW_TILE)):
            total += outer
            sums += plain
        total = (total - sums * np.eye(d)) / (2.0 * len(rows))
        return np.asarray(total[upper] * scale)

    size = len(scale)
    if size <= LANCZOS:
        dense = np.stack([product(unit) for unit in np.eye(size)])
        extremes = _ends(np.linalg.eigh(0.5 * (dense + dense.T))[1])
    else:
        extremes = _krylov(
            lambda one: product(one)[:, None], rng.standard_normal((size, 1)), LANCZOS
        )
    return _leading([matrix(vector) for vector in extremes.T])


def _ends(vectors: Vector) -> Vector:
    """Return the first and the last of eigenvectors, at most `ENDS` of each."""
    return np.concatenate([vectors[:, :ENDS], vectors[:, ENDS:][:, -ENDS:]], axis=1)


def _krylov(
    product: Callable[[NDArray[Any]], NDArray[Any]], start: NDArray[Any], steps: int
) -> Vector:
    """Return approximate eigenvectors at both ends of the spectrum of a symmetric operator.

    They are the best in the space of the start's first images (block Lanczos with all vectors
    kept; Musco & Musco 2015). What stands out of the bulk is found long before the bulk's ends.
    """
    size, block = start.shape
    basis = np.empty((size, block * steps), dtype=start.dtype, order="F")
    images, new = np.empty_like(basis), start
    for step in range(steps):
        past, part = basis[:, : block * step], slice(block * step, block * (step + 1))
        for _ in range(2):
            new = np.linalg.qr(new - past @ (past.T @ new))[0]
        basis[:, part] = new
        images[:, part] = new = product(new)
    small = (basis.T @ images).astype(np.float64)
    return np.asarray(basis @ _ends(np.linalg.eigh(0.5 * (small + small.T))[1]))


def _leading(forms: list[Vector]) -> list[Vector]:
    """Return the three leading eigenvectors of every form, shape (3, d)."""
    leading = []
    for form in forms:
        values, vectors = np.linalg.eigh(form)
        leading.append(vectors.T[np.argsort(-np.abs(values))[:3]])
    return leading


def _extreme_weights(rows: Vector, rng: np.random.Generator) -> list[Vector]:
    """Return the weights of the rows in the extreme forms, where unknowns outnumber the rows.

    The operator of `extreme_forms` is the mean of v v' / 2 with v = xx' - I for a row x. It has the
    eigenvalues of the matrix of inner products of these, (x.y)^2 - |x|^2 - |y|^2 + d, of which a
    block of vectors is multiplied at a time.
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
    start = rng.standard_normal((n, block), dtype=np.float32)
    return list(_krylov(lambda vectors: inner @ vectors, start, steps).T)


def _form_of(rows: Vector, weights: Vector) -> Vector:
    """Return the sum of the rows' v (see `_extreme_weights`) with weights."""
    return np.asarray(rows.T @ (rows * weights[:, None]) - weights.sum() * np.eye(rows.shape[1]))
