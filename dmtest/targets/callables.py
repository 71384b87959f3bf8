"""Laws given by a caller's function: a transform to the unit cube, or draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dmtest.arguments import whole
from dmtest.data.readers.objects import LOW_PRECISION, from_object
from dmtest.data.sample import Sample
from dmtest.errors import InputError
from dmtest.results.outcome import Finding
from dmtest.runtime.streams import stream
from dmtest.targets.canonical import Canonical, from_cube

# Rows that are transformed a second time, by themselves; difference that is rounding.
PROBED, SAME = 16, 1e-4
# Distance outside [0, 1] that is rounding of a cdf.
EDGE = 1e-6
# Fewest rows of a large draw that a caller may choose.
FEWEST = 200
# Rows of a large draw: so many times the data's, at least and at most; rows a column; most values.
TIMES, LEAST, MOST, A_COLUMN, VALUES = 5, 2000, 100_000, 10, 1 << 25


class Rosenblatt:
    """A law given by a transform that takes it to the uniform on the unit cube.

    Parameters
    ----------
    transform : callable
        From rows, an array of shape (n, d), to rows in the unit cube, shape (n, d), which are
        uniform if and only if the rows follow the law. Rosenblatt's (1952) transform is one:
        column j becomes its conditional cdf given columns 0 to j - 1. It is called with all rows
        at once, and with some of them alone: every row has to be mapped by itself, and the same
        way each time. It may return a tensor.

    Examples
    --------
    A normal copula with correlation 1/2, for margins that are uniform already:

    >>> import numpy as np, dmtest
    >>> from scipy.special import ndtr, ndtri
    >>> def transform(u):
    ...     z = ndtri(u)
    ...     return np.column_stack([u[:, 0], ndtr((z[:, 1] - 0.5 * z[:, 0]) / np.sqrt(0.75))])
    >>> z = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 500)
    >>> dmtest.report(ndtr(z), dmtest.Rosenblatt(transform), rng=0).verdict
    'compatible'
    """

    fitted = False
    name = "rosenblatt"

    def __init__(self, transform: Callable[[NDArray[Any]], Any]) -> None:
        if not callable(transform):
            raise InputError(
                f"Rosenblatt: got {type(transform).__name__}; pass a function from rows (n, d) to "
                f"rows (n, d) in the unit cube."
            )
        self.transform = transform

    def __repr__(self) -> str:
        return f"Rosenblatt({getattr(self.transform, '__name__', repr(self.transform))})"

    def canonical(self, sample: Sample) -> Canonical:
        """Return normal scores of the transformed rows.

        Raises
        ------
        InputError
            If the transform raises, returns no n x d finite numbers or values outside [0, 1], or
            maps some rows differently when they are passed alone.
        """
        cube = self._rows(sample.x)
        few = self._rows(sample.x[:PROBED])
        change = float(np.abs(few - cube[: len(few)]).max())
        if change > SAME:
            raise InputError(
                f"transform: its values of the first {len(few)} rows change by up to {change:.2g} "
                f"when these are passed alone; map every row by itself and the same way each time: "
                f"no ranks or means of the sample, a model in evaluation mode, a fixed seed."
            )
        return from_cube(cube)

    def _rows(self, x: NDArray[Any]) -> NDArray[Any]:
        n, d = x.shape
        # A copy: a transform may work in place, and some libraries warn of read-only memory.
        returned = _call("transform", self.transform, "transform(rows)", np.array(x))
        cure = "return 0 or 1 where a cdf is saturated, and leave out rows that it cannot map"
        u = _as_rows("transform", returned, n, d, cure)
        low, high = float(u.min()), float(u.max())
        if low < -EDGE or high > 1.0 + EDGE:
            raise InputError(
                f"transform: returned values from {low:.4g} to {high:.4g}; return conditional "
                f"cdfs, which are between 0 and 1 (scipy.special.ndtr makes them of normal scores)."
            )
        return np.asarray(np.clip(u, 0.0, 1.0))


class Sampled:
    """Any law that can be drawn from: a simulator, a posterior, a sampler.

    The null of a statistic is its law on fresh draws of as many rows as the data have, so p-values
    are exact for every law, at any n and any number of replicates (Besag & Clifford 1989). Two
    large draws fix what is measured: the scale of the rows, and what the data are compared with.

    Parameters
    ----------
    draw : callable
        ``draw(n, rng)`` returns n fresh rows, shape (n, d), drawn with the numpy Generator `rng`.
        It may return a tensor; seed other libraries by ``int(rng.integers(2**31))``.
    reference_rows : int, optional
        Rows of each of the two large draws: by default five times those of the data, between
        2,000 and 100,000. Fewer cost power and no validity.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> def draw(n, rng):
    ...     centres = 3.0 * rng.integers(3, size=(n, 1))
    ...     return centres + rng.standard_t(3, (n, 2))
    >>> x = draw(300, np.random.default_rng(1))
    >>> dmtest.report(x, dmtest.Sampled(draw), rng=0).verdict
    'compatible'
    >>> dmtest.report(x + [0.0, 0.8], dmtest.Sampled(draw), rng=0).verdict
    'mismatch'
    """

    fitted = False
    name = "sampled"

    def __init__(
        self,
        draw: Callable[[int, np.random.Generator], Any],
        *,
        reference_rows: int | None = None,
    ) -> None:
        if not callable(draw):
            raise InputError(
                f"Sampled: got {type(draw).__name__}; pass a function draw(n, rng) that returns n "
                f"fresh rows, or use Reference(sample) to compare with rows that you have."
            )
        self.draw = draw
        self.reference_rows = reference_rows
        if reference_rows is not None:
            self.reference_rows = whole("reference_rows", reference_rows, FEWEST)

    def __repr__(self) -> str:
        return f"Sampled({getattr(self.draw, '__name__', repr(self.draw))})"

    def canonical(self, sample: Sample) -> NoReturn:
        """Raise an error: a law that is known by its draws has no normal scale.

        Raises
        ------
        InputError
            Always; the message names the functions that take the target.
        """
        raise InputError(
            "target: got a Sampled, which has no density and no transform to compute with; use "
            "dmtest.report, dmtest.run_test or dmtest.run_tests, or a draw of your own with "
            "Reference(sample)."
        )

    def fresh(self, n: int, like: Sample, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw n rows with the columns and the precision of the data: shape (n, d)."""
        returned = _call("draw", self.draw, f"draw({n}, rng) with a numpy Generator", n, rng)
        cure = "return finite rows only, for instance by drawing the others again"
        return _as_precise_as(_as_rows("draw", returned, n, like.d, cure), like.dtype)


@dataclass(frozen=True, slots=True)
class LargeDraws:
    """Two independent large draws, and what was found of them.

    Attributes
    ----------
    scale, centre : ndarray, shape (m, d)
        The first fixes the scale of rows, the second what the data are compared with.
    findings : tuple of Finding
    """

    scale: NDArray[np.float64]
    centre: NDArray[np.float64]
    findings: tuple[Finding, ...]


def large_draws(target: Sampled, sample: Sample, n: int, seed: int) -> LargeDraws:
    """Draw the two large samples of a law.

    Parameters
    ----------
    target : Sampled
    sample : Sample
        The data: their number of columns and their precision.
    n : int
        Rows of the data that are used.
    seed : int

    Raises
    ------
    InputError
        If the draw cannot be used; the message says why.
    """
    d = sample.d
    usual = min(max(TIMES * n, LEAST, A_COLUMN * d), MOST, max(LEAST, VALUES // d))
    m = target.reference_rows or usual
    streams = [stream(seed, "sampled/large", i) for i in (0, 1)]
    before = [_state(rng) for rng in streams]
    first, second = (target.fresh(m, sample, rng) for rng in streams)
    ignored = any(_state(rng) == state for rng, state in zip(streams, before, strict=True))
    same = np.array_equal(first, second)
    if same and (ignored or len(np.unique(first, axis=0)) > m // 2):
        raise InputError(
            "draw: two calls with different generators returned the same rows; draw with the "
            "generator that is passed (rng), not with a fixed seed or from a fixed table."
        )
    findings: tuple[Finding, ...] = ()
    if ignored:
        text = (
            "draw(n, rng) did not use its generator: p-values are valid as long as its rows are "
            "fresh in every call, but the same seed does not repeat them."
        )
        findings = (Finding("draw-ignores-rng", text),)
    return LargeDraws(first, second, findings)


def _state(rng: np.random.Generator) -> str:
    """Return the state of a generator, which every draw and every spawned child changes."""
    bits: Any = rng.bit_generator
    return f"{bits.state!r} {bits.seed_seq.n_children_spawned}"


def _as_precise_as(rows: NDArray[Any], dtype: str) -> NDArray[np.float64]:
    """Round to the precision of the data: a draw of more digits would have other ties."""
    if dtype in ("float32", "float16", "bfloat16"):
        with np.errstate(over="ignore"):
            short = rows.astype(np.float16 if dtype == "float16" else np.float32)
        if dtype == "bfloat16":
            bits = short.view(np.uint32)
            half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
            short = ((bits + half) & np.uint32(0xFFFF0000)).view(np.float32)
        if np.isfinite(short).all():
            return short.astype(np.float64)
    return np.asarray(rows, dtype=np.float64)


def _call(name: str, function: Callable[..., Any], how: str, *arguments: Any) -> Any:
    """Call a caller's function; what it raises becomes an `InputError` with its cause.

    Parameters
    ----------
    name : str
        Name of the function in messages, such as ``"draw"``.
    function : callable
    how : str
        How it is called, for the message.
    *arguments
    """
    try:
        return function(*arguments)
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise InputError(
            f"{name}: raised {type(error).__name__}{f' ({said})' if said else ''}; it is called "
            f"as {how}."
        ) from error


def _as_rows(name: str, values: Any, n: int, d: int, cure: str) -> NDArray[Any]:
    """Return what a caller's function returned as n finite rows of d numbers.

    Parameters
    ----------
    name : str
        Name of the function in messages.
    values : array, tensor, frame or list
        Anything that :func:`dmtest.report` reads; n numbers for d = 1.
    n, d : int
    cure : str
        Clause that says what to do about values that are not finite.

    Returns
    -------
    ndarray, shape (n, d)
        float32 or float64, in memory of its own: a function may fill the same array again.

    Raises
    ------
    InputError
        If there are other shapes, no numbers, or values that are not finite.
    """
    if values is None:
        raise InputError(f"{name}: returned None; return an array of shape ({n}, {d}).")
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(f"{name}: returned a masked array; return plain numbers, {cure}.")
    try:
        loaded = from_object(values, None, None)
    except InputError as error:
        raise InputError(f"{name}: {str(error).partition(': ')[2]}") from None
    array = loaded.array
    low = array.dtype.name.startswith(LOW_PRECISION)
    if array.dtype.kind not in "biuf" and not low:
        raise InputError(
            f"{name}: returned {array.dtype} values; return numbers, an array of shape ({n}, {d})."
        )
    if array.ndim == 1 and d == 1:
        array = array[:, None]
    if array.shape != (n, d):
        raise InputError(
            f"{name}: returned shape {loaded.array.shape}; return one row for each of the {n} "
            f"rows asked for, with the {d} columns of the data: shape ({n}, {d})."
        )
    kept = np.float32 if low or array.dtype == np.float32 else np.float64
    rows = np.array(array, dtype=kept, order="C")
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise InputError(
            f"{name}: {int(bad.sum())} of its {n} rows are not finite (first: row {first}); {cure}."
        )
    return rows
