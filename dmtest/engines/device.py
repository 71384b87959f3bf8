"""Arrays on a device, through the array API: projection, sums, slices and pairs where the rows are.

What comes back to the host is small: slices of a tile of rows, d x d products, sums over pairs.
The functions take arrays of any library of the array API (tests: torch and array-api-strict on the
CPU); only torch on CUDA or XPU and CuPy count as devices, whose rows are not copied to the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.parallel import blocks
from dmtest.runtime.typing import Vector

if TYPE_CHECKING:
    from dmtest.engines.gram import PairSum

P = ParamSpec("P")
R = TypeVar("R")

# Kinds of devices of torch whose float64 is complete.
ACCELERATORS = ("cuda", "xpu")
# Rows whose products are summed in the precision of the rows; sides of tiles of pairs.
RUN, SIDE = 1024, 2048

_rows_on: ContextVar[Any] = ContextVar("rows_on", default=None)


def on_device(x: Any) -> bool:
    """Whether an array is on a device that computes with it: torch on CUDA or XPU, or CuPy."""
    root = type(x).__module__.partition(".")[0]
    if root == "torch" and hasattr(x, "device"):
        return x.device.type in ACCELERATORS and str(x.layout) == "torch.strided"
    return root == "cupy" and hasattr(x, "shape")


def namespace_of(x: Any) -> Any:
    """Return the module whose functions take an array."""
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    import sys

    return sys.modules[type(x).__module__.partition(".")[0]]


def to_host(x: Any) -> NDArray[Any]:
    """Copy an array to the host."""
    if hasattr(x, "detach"):
        return np.asarray(x.detach().cpu().numpy())
    return np.asarray(x.get() if hasattr(x, "get") else x)


def like(x: Any, values: NDArray[Any]) -> Any:
    """Copy values to the device of an array."""
    xp = namespace_of(x)
    values = values if values.flags.writeable else values.copy()  # torch warns of read-only memory
    if type(x).__module__.partition(".")[0] == "cupy":
        with x.device:
            return xp.asarray(values)
    return xp.asarray(values, device=x.device)


def as_type(x: Any, name: str) -> Any:
    """Convert an array to "float32" or "float64"."""
    xp = namespace_of(x)
    kind = getattr(xp, name)
    if x.dtype == kind:
        return x
    return x.to(kind) if hasattr(x, "detach") else xp.astype(x, kind)


def float_type(x: Any) -> str:
    """Return the type that the values of an array are computed in: "float32" or "float64"."""
    name = str(x.dtype).rpartition(".")[2]
    if name in ("float32", "float64"):
        return name
    return "float32" if "float" in name else "float64"


class Rows:
    """Rows on a device, with what a summary asks of an array; single rows come to the host.

    Parameters
    ----------
    array : array of a device, shape (n, d)
        float32 or float64.
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.dtype = np.dtype(float_type(array))
        self.shape = tuple(int(length) for length in array.shape)

    @classmethod
    def of(cls, array: Any) -> Rows:
        """Return rows of numbers as float32 or float64; half precision becomes float32."""
        array = array.detach() if hasattr(array, "detach") else array
        array = array[:, None] if array.ndim == 1 else array
        return cls(as_type(array, float_type(array)))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, places: Any) -> Any:
        if isinstance(places, slice):
            return Rows(self.array[places])
        return to_host(self.array[like(self.array, np.asarray(places))])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(to_host(self.array), dtype=dtype)

    @property
    def extremes(self) -> tuple[float, float]:
        """Smallest and largest value; NaN where there is one."""
        xp = namespace_of(self.array)
        if not self.shape[0]:
            return 0.0, 0.0
        return float(xp.min(self.array)), float(xp.max(self.array))


class TileSums(NamedTuple):
    """Sums of a tile of n rows and k slices, on the host.

    Attributes
    ----------
    pivots, rows : ndarray, shape (d,)
        Mean in the precision of the rows, and sums of the differences from it.
    products : ndarray, shape (d, d)
        Sums of products of these differences.
    squared : ndarray, shape (n,)
        Squared lengths of the rows.
    slice_pivots : ndarray, shape (k,)
    slices : ndarray, shape (k, 4)
        Sums of powers 1 to 4 of the differences of the slices from their pivots.
    """

    pivots: Vector
    rows: Vector
    products: Vector
    squared: Vector
    slice_pivots: Vector
    slices: Vector


def tile_sums(x: Any, directions: Vector, out: NDArray[Any]) -> TileSums:
    """Project a tile of rows, copy the slices to the host, and sum rows and slices on the device.

    Parameters
    ----------
    x : array of a device, shape (n, d)
    directions : ndarray, shape (k, d)
    out : ndarray, shape (k, n)
        Gets the slices, in the precision of the rows.
    """
    xp = namespace_of(x)
    name = str(x.dtype).rpartition(".")[2]
    slices = project(x, directions)
    out[...] = to_host(slices)
    wide = as_type(x, "float64")
    pivots = as_type(xp.mean(wide, axis=0), name)
    y = x - pivots
    products = 0.0
    for rows in blocks(int(x.shape[0]), RUN):
        part = y[rows, :]
        products = products + as_type(part.T @ part, "float64")
    values = as_type(slices, "float64")
    centre = xp.mean(values, axis=1)
    steps = values - centre[:, None]
    squares = steps * steps
    powers = (steps, squares, squares * steps, squares * squares)
    return TileSums(
        pivots=to_host(as_type(pivots, "float64")),
        rows=to_host(xp.sum(as_type(y, "float64"), axis=0)),
        products=to_host(products),
        squared=to_host(xp.sum(wide * wide, axis=1)),
        slice_pivots=to_host(centre),
        slices=np.stack([to_host(xp.sum(one, axis=1)) for one in powers], axis=1),
    )


def project(x: Any, directions: Vector) -> Any:
    """Return the slices ``directions @ x.T`` on the device, shape (k, n), in the dtype of `x`."""
    name = str(x.dtype).rpartition(".")[2]
    return like(x, np.ascontiguousarray(directions, dtype=name)) @ x.T


def on_its_device(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of data compute sums over pairs of rows on the device of its data."""

    @wraps(function)
    def wrapped(*args: P.args, **options: P.kwargs) -> R:
        data = args[0] if args else options.get("data")
        with pairs_on(data if on_device(data) else None):
            return function(*args, **options)

    return wrapped


@contextmanager
def pairs_on(x: Any) -> Iterator[None]:
    """Let sums over pairs of rows be computed on the device of an array; None changes nothing."""
    token = _rows_on.set(x)
    try:
        yield
    finally:
        _rows_on.reset(token)


def place_of_pairs() -> Any:
    """Return an array on the device that computes sums over pairs; None for the host."""
    return _rows_on.get()


def knows(request: PairSum) -> bool:
    """Whether a sum over pairs can be computed on a device; others are computed on the host."""
    return request.kernel.__name__ in FOLDS and not request.largest


def pair_sums(
    rows: Any, requests: Sequence[PairSum], kind: str, largest: float
) -> dict[PairSum, float]:
    """Evaluate sums over pairs of rows on their device, as :func:`dmtest.engines.gram.pair_sums`.

    Parameters
    ----------
    rows : array of a device, shape (n, d)
        Of the precision of the products.
    requests : sequence of PairSum
        Those that this module knows.
    kind : {"float32", "float64"}
        Precision of the tiles; they are added in float64.
    largest : float
        Largest exponent of a tile.
    """
    xp = namespace_of(rows)
    n = int(rows.shape[0])
    wide = as_type(rows, "float64")
    squared = xp.sum(wide * wide, axis=1)
    top = float(xp.max(squared)) if n else 0.0
    short = as_type(squared, kind)
    parts = blocks(n, SIDE)
    totals: dict[PairSum, Any] = {}
    for i, first in enumerate(parts):
        for second in parts[i:]:
            gram = as_type(rows[first, :] @ rows[second, :].T, kind)
            left, right = short[first][:, None], short[second][None, :]
            mask = None
            if first == second:
                size = first.stop - first.start
                mask = like(rows, np.triu(np.ones((size, size), dtype=kind), 1))
            tiles: dict[tuple[str, float], Any] = {}
            for request in requests:
                shared = request.shared_tile
                if shared not in tiles:
                    tiles[shared] = _tile(gram, left, right, shared, top, largest)
                terms = FOLDS[request.kernel.__name__](
                    gram, tiles[shared], left, right, request.constants
                )
                terms = terms if mask is None else terms * mask
                part = xp.sum(as_type(terms, "float64"))
                totals[request] = totals[request] + part if request in totals else part
    return {one: float(value) * _factor(one, top, largest) for one, value in totals.items()}


def _shift(c: float, top: float, largest: float) -> float:
    return 4.0 * c * top if 4.0 * c * top > largest else 0.0


def _factor(request: PairSum, top: float, largest: float) -> float:
    """Return what a sum is divided by, so that its terms are finite."""
    shift = 0.0 if request.far is None else _shift(request.far, top, largest)
    return math.exp(shift) if shift < 709.0 else math.inf


def _tile(
    gram: Any, left: Any, right: Any, shared: tuple[str, float], top: float, largest: float
) -> Any:
    xp = namespace_of(gram)
    kind, c = shared
    if kind == "gram":
        return gram
    if kind == "far":
        return xp.exp(c * (left + right + 2.0 * gram) - _shift(c, top, largest))
    apart = left + right - 2.0 * gram
    apart = 0.5 * (apart + xp.abs(apart))  # at least 0
    return xp.sqrt(apart) if kind == "distance" else xp.exp(-c * apart)


def _quartic(g: Any, constants: tuple[float, ...]) -> Any:
    c4, c3, c2, c1, c0 = constants
    return (((c4 * g + c3) * g + c2) * g + c1) * g + c0


def _cosine(gram: Any, left: Any, right: Any) -> Any:
    xp = namespace_of(gram)
    tiny = 1e-30
    return gram / (xp.sqrt(left + tiny) * xp.sqrt(right + tiny))


# Folds of tiles by the names of their kernels (:mod:`dmtest.kernels.pairs`).
FOLDS: dict[str, Any] = {
    "mass": lambda gram, shared, left, right, constants: shared,
    "inner": lambda gram, shared, left, right, constants: gram * shared,
    "norms": lambda gram, shared, left, right, constants: left * right * shared,
    "quartic": lambda gram, shared, left, right, constants: _quartic(gram, constants),
    "cosine_quartic": lambda gram, shared, left, right, constants: _quartic(
        _cosine(gram, left, right), constants
    ),
}
