"""Rounded samples under a continuous target: what the resolution is, and the rounded null.

A rounded value stands for its cell. Where the target is right, a value that is drawn anew from the
target within its cell follows the target exactly, column by column: u = F(low) + U (F(high) -
F(low)), z = F^-1(u). Tests of the new values are tests of the rounded values against the rounded
target. That is done where cells are small; where they are not, a sample of two values could pass
for a normal one, and the finding is all that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from dmtest.data.lattice import Grid, grids_of, low_bits
from dmtest.data.readers.columns import listing
from dmtest.data.sample import Sample
from dmtest.results.outcome import Finding
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.targets.ranks import Ranks
from dmtest.targets.targets import AnyNormal, Normal, Product, Target, Uniform

Floats: TypeAlias = NDArray[np.float64]
# Map of the ends of cells and uniform numbers, shape (m,) each, to new values.
Redraw: TypeAlias = Callable[[Floats, Floats, Floats], Floats]

# Largest probability of a typical cell that is small; most numbers that are drawn anew.
SMALL, MOST = 0.1, 2**27
# A last cell with so many more values than the one inside it holds all that was clipped.
CLIPPED, CHANCE = 2.0, 5.0
# Most columns that advice names.
LISTED = 12
PRECISIONS = {3: "float8 (e5m2)", 4: "float8 (e4m3)", 8: "bfloat16", 11: "float16"}


@dataclass(frozen=True, slots=True)
class Resolution:
    """A sample at the resolution of its values.

    Attributes
    ----------
    sample : Sample
        The sample, with values drawn anew within their cells where that was possible.
    findings : tuple of Finding
        What the resolution is, and what was done or is to be done.
    causes : tuple of Finding
        Those that could explain a mismatch, or that it has to be read with.
    drawn : bool
        Whether values were drawn anew within their cells.
    """

    sample: Sample
    findings: tuple[Finding, ...] = ()
    causes: tuple[Finding, ...] = ()
    drawn: bool = False


def at_resolution(sample: Sample, target: Target) -> Resolution:
    """Find lattices that a continuous target cannot give; draw values within small cells anew."""
    if isinstance(target, Ranks):
        return Resolution(sample)
    grids = grids_of(sample.x)
    if not grids:
        return Resolution(sample, tuple(_held(sample)))
    if isinstance(target, Uniform):
        grids = {j: _ranked(grid, sample, target, j) for j, grid in grids.items()}
    redraws = _redraws(sample, target, grids)
    x = None if redraws is None else _drawn(sample, grids, redraws)
    findings = tuple(_findings(sample, target, grids, x is not None))
    if x is None:
        return Resolution(_without(sample, findings, grids), findings, findings)
    x.flags.writeable = False
    return Resolution(replace(_without(sample, findings, grids), x=x), findings, findings, True)


def _without(sample: Sample, findings: tuple[Finding, ...], grids: Mapping[int, Grid]) -> Sample:
    """Leave out findings that the new ones repeat, and repeated rows that the cells explain."""
    said = {finding.code for finding in findings}
    # Pairs of equal rows that the cells alone give, if columns are independent.
    pairs = 0.5 * sample.n**2 * np.prod([grid.coarse for grid in grids.values()])
    pairs *= len(grids) == sample.d
    kept = tuple(
        finding
        for finding in sample.findings
        if finding.code not in said
        and not (finding.code == "duplicate-rows" and (finding.count or 0) <= 2.0 * pairs + 3.0)
    )
    return replace(sample, findings=kept)


# Cells of values of a uniform target


@dataclass(frozen=True, slots=True)
class RankGrid(Grid):
    """A lattice of ranks in the unit interval: each of its values stands for an equal part.

    Attributes
    ----------
    start, width : float
        Low end of the part of rank 0, and the length of a part.
    draws : int
    form : str
        How values are made of ranks, such as ``"rank / 20"``.
    """

    start: float = 0.0
    width: float = 0.0
    draws: int = 0
    form: str = ""

    def cell(self, values: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return the ends of the part of each value."""
        low = self.start + self.width * self.index(np.asarray(values, dtype=np.float64))
        return low, low + self.width


def _unit(target: Uniform, d: int, j: int) -> tuple[float, float]:
    low, high = (float(np.broadcast_to(bound, (d,))[j]) for bound in (target.low, target.high))
    return low, high


def _ranked(grid: Grid, sample: Sample, target: Uniform, j: int) -> Grid:
    """Return the grid as one of ranks if its values can be made of ranks.

    Those are rank / L, (rank + 1/2) / (L + 1), rank / (L + 1) and (rank + 1) / (L + 1). Rounded
    values k / L have half as many at both ends as elsewhere, ranks as many.
    """
    if grid.kind != "steps":
        return grid
    low, high = _unit(target, sample.d, j)
    parts = (high - low) / grid.step
    whole = int(np.rint(parts))
    offset = ((grid.origin - low) / grid.step) % 1.0
    if whole < 1 or abs(parts - whole) > 1e-3:
        return grid

    def ranks(draws: int, first: float, form: str) -> RankGrid:
        origin, width = low + first * grid.step, (high - low) / (draws + 1.0)
        known = grid.coarse, grid.distinct, origin, grid.step
        return RankGrid("steps", *known, start=low, width=width, draws=draws, form=form)

    if abs(offset - 0.5) < 1e-2:
        return ranks(whole - 1, 0.5, f"(rank + 1/2) / {whole}")
    if min(offset, 1.0 - offset) > 1e-2:
        return grid
    position = np.rint((np.asarray(sample.x[:, j], dtype=np.float64) - low) / grid.step)
    ends = int(np.count_nonzero(position == 0)), int(np.count_nonzero(position == whole))
    mean = sample.n / (whole + 1.0)
    if min(ends) > 0 and sum(ends) > 1.5 * mean:
        return ranks(whole, 0.0, f"rank / {whole}")
    if min(ends) == 0 and max(ends) > 0.5 * mean and mean > 8.0:
        if ends[1] == 0:
            return ranks(whole - 1, 0.0, f"rank / {whole}")
        return ranks(whole - 1, 1.0, f"(rank + 1) / {whole}")
    # Few values at the ends tell nothing; decimals are rounded, other parts are counts of draws.
    if mean <= 8.0 and whole not in (10, 100, 1000, 10_000):
        return ranks(whole, 0.0, f"rank / {whole}")
    return grid


# New values


def _redraws(sample: Sample, target: Target, grids: Mapping[int, Grid]) -> list[Redraw] | None:
    """Return how to draw each column anew, or None where that is not possible or not right."""
    small = all(grid.kind != "few" and grid.coarse <= SMALL for grid in grids.values())
    if not small or sample.x.size > MOST:
        return None
    if not all(grid.holds(np.asarray(sample.x[:, j])) for j, grid in grids.items()):
        return None
    d = sample.d
    if isinstance(target, Uniform):
        return [_in_box(*_unit(target, d, j)) for j in grids]
    if isinstance(target, Product):
        margins = target.margins if isinstance(target.margins, tuple) else (target.margins,) * d
        if len(margins) != d or not all(hasattr(m, "ppf") and hasattr(m, "isf") for m in margins):
            return None
        return [_in_margin(margins[j]) for j in grids]
    if isinstance(target, AnyNormal):
        columns = {j: np.asarray(sample.x[:, j], dtype=np.float64) for j in grids}
        return [
            # Sheppard's correction: rounding adds a twelfth of the squared step.
            _normal(x.mean(), np.sqrt(max(x.var() - grids[j].step ** 2 / 12.0, 0.5 * x.var())))
            for j, x in columns.items()
        ]
    if isinstance(target, Normal) and (target.cov is None or target.cov.ndim < 2):
        mean = np.broadcast_to(0.0 if target.mean is None else target.mean, (d,))
        variance = np.broadcast_to(1.0 if target.cov is None else target.cov, (d,))
        return [_normal(mean[j], np.sqrt(variance[j])) for j in grids]
    return None


def _normal(mean: float, sd: float) -> Redraw:
    def redraw(low: Floats, high: Floats, share: Floats) -> Floats:
        a, b = (low - mean) / sd, (high - mean) / sd
        # In the lower tail, where the cdf keeps its digits.
        upper = a + b > 0.0
        a, b = np.where(upper, -b, a), np.where(upper, -a, b)
        below = ndtr(a)
        z = ndtri(np.maximum(below + share * (ndtr(b) - below), np.finfo(np.float64).tiny))
        # Beyond 37 standard deviations the cdf is 0: the value stays in its cell.
        z = np.clip(z, a, b)
        return np.asarray(mean + sd * np.where(upper, -z, z))

    return redraw


def _in_box(low_end: float, high_end: float) -> Redraw:
    def redraw(low: Floats, high: Floats, share: Floats) -> Floats:
        # A cell that lies outside stays outside.
        a, b = np.maximum(low, low_end), np.minimum(high, high_end)
        a, b = np.where(a < b, a, low), np.where(a < b, b, high)
        return np.asarray(a + share * (b - a))

    return redraw


def _in_margin(margin: Any) -> Redraw:
    def redraw(low: Floats, high: Floats, share: Floats) -> Floats:
        lower = np.asarray(margin.cdf(0.5 * (low + high))) < 0.5
        a = np.where(lower, margin.cdf(low), margin.sf(high))
        b = np.where(lower, margin.cdf(high), margin.sf(low))
        tail = a + share * (b - a)
        new = np.where(lower, margin.ppf(tail), margin.isf(tail))
        # A cell outside the support keeps its value, which refutes the target.
        return np.asarray(np.where(b > a, new, 0.5 * (low + high)))

    return redraw


def _drawn(sample: Sample, grids: Mapping[int, Grid], redraws: list[Redraw]) -> NDArray[Any]:
    """Draw the columns with a grid anew, with uniform numbers from a fixed stream."""
    x = np.array(sample.x)
    rng = stream(0, "rounding")
    places = [int(rng.integers(2**63)) for _ in blocks(len(x), ROW_TILE)]
    open_ends = {j: _open_ends(np.asarray(sample.x[:, j]), grid) for j, grid in grids.items()}

    def tile(task: tuple[int, slice]) -> None:
        place, rows = task
        share = np.random.default_rng(place).random((len(grids), len(x[rows])))
        for i, ((j, grid), redraw) in enumerate(zip(grids.items(), redraws, strict=True)):
            values = np.asarray(x[rows, j], dtype=np.float64)
            low, high = grid.cell(values)
            least, most = open_ends[j]
            low = np.where(values <= least, -np.inf, low)
            high = np.where(values >= most, np.inf, high)
            x[rows, j] = redraw(low, high, share[i])

    for _ in run_tasks(tile, zip(places, blocks(len(x), ROW_TILE), strict=True)):
        pass
    return x


def _open_ends(values: NDArray[Any], grid: Grid) -> tuple[float, float]:
    """Return values at and beyond which everything was clipped; infinite where nothing was."""
    if grid.kind != "steps" or isinstance(grid, RankGrid):
        return -np.inf, np.inf
    index = grid.index(np.asarray(values, dtype=np.float64)).astype(np.int64)
    least, most = int(index.min()), int(index.max())
    ends = []
    for end, inner in ((least, least + 1), (most, most - 1)):
        count, inside = np.count_nonzero(index == end), np.count_nonzero(index == inner)
        ends.append(bool(count > CLIPPED * inside + CHANCE))
    half = 0.25 * grid.step
    low = grid.origin + grid.step * least + half if ends[0] else -np.inf
    high = grid.origin + grid.step * most - half if ends[1] else np.inf
    return float(low), float(high)


# Findings


def _findings(
    sample: Sample, target: Target, grids: Mapping[int, Grid], drawn: bool
) -> list[Finding]:
    """Return one finding for each kind of grid, the most frequent kind first."""
    kinds: dict[str, list[int]] = {}
    for j, grid in grids.items():
        kinds.setdefault(_code(sample, grid), []).append(j)
    done = (
        "This report tests values that were drawn anew within their cells, as the target has them "
        "there: it tests the rounded values against the rounded target"
    )
    findings = []
    for code, columns in sorted(kinds.items(), key=lambda item: -len(item[1])):
        grid = grids[columns[0]]
        if code == "ranks":
            assert isinstance(grid, RankGrid)
            text = (
                f"Values of {_columns(columns, sample)} are {grid.form}: these are ranks of 0 to "
                f"{grid.draws}, which are not continuous; pass the ranks themselves with "
                f"target=Ranks({grid.draws})"
            )
            text += (
                ". This report tests them at random places within their steps."
                if drawn
                else ". A mismatch may be due to the steps alone."
            )
        else:
            text = f"Values of {_columns(columns, sample)} {_described(code, grid)}"
            text += f". {done}; {_cure(code)}." if drawn else f", {_otherwise(code)}"
            if isinstance(target, Uniform) and grid.kind == "steps":
                low, high = _unit(target, sample.d, columns[0])
                text += _hint(int(np.rint((high - low) / grid.step)))
        findings.append(Finding(code, text, len(columns), _advice(code, grid, columns, drawn)))
    return findings


def _advice(code: str, grid: Grid, columns: list[int], drawn: bool) -> str:
    """Advice with the step and the columns; an empty text for the advice on the code."""
    if code == "ranks":
        assert isinstance(grid, RankGrid)
        return (
            f"Pass the ranks themselves, 0 to {grid.draws}: `--target ranks --draws {grid.draws}`."
        )
    if drawn:
        return (
            "Nothing to do: the tests allow for the steps. Save more digits to test the values "
            "themselves."
        )
    if code != "lattice" or len(columns) > LISTED:
        return ""
    return (
        f"Usual cause: rounding or quantisation. Save more digits, or draw places within the step: "
        f"`x[:, {columns}] += {grid.step:.4g} * np.random.default_rng(0).uniform(-0.5, 0.5, "
        f"(len(x), {len(columns)}))`."
    )


def _held(sample: Sample) -> Iterator[Finding]:
    """Values of a low precision in a type of a higher one, whose steps are no matter at this n."""
    bits = low_bits(sample.x)
    if bits is None or any(finding.code == "low-precision" for finding in sample.findings):
        return
    text = (
        f"Values have {bits} significant bits{_precision(bits)}: at {sample.n:,} rows their steps "
        f"are too small to matter; save float32 for more rows."
    )
    yield Finding("low-precision", text)


def _precision(bits: int) -> str:
    name = PRECISIONS.get(bits)
    return f", those of {name}, whatever type holds them" if name else ""


def _code(sample: Sample, grid: Grid) -> str:
    if isinstance(grid, RankGrid):
        return "ranks"
    if grid.kind == "bits":
        return "low-precision"
    if any(finding.code == "integer-data" for finding in sample.findings):
        return "integer-data"
    return "lattice" if grid.kind == "steps" else "few-values"


def _columns(columns: list[int], sample: Sample) -> str:
    if sample.d == 1:
        return "the column"
    if len(columns) == sample.d:
        return f"all {sample.d} columns"
    names = [repr(sample.names[j]) if sample.names else f"x{j}" for j in columns]
    return f"{len(columns)} of {sample.d} columns ({listing(names, 5)})"


def _described(code: str, grid: Grid) -> str:
    if code == "low-precision":
        return f"have {grid.bits} significant bits{_precision(grid.bits)}"
    if code == "few-values":
        return f"are only {grid.distinct} different ones"
    if code == "integer-data":
        step = "" if grid.step == 1.0 else f", multiples of {grid.step:.4g}"
        return f"are integers{step}"
    offset = f"{grid.origin:.4g} plus " if abs(grid.origin) > 1e-3 * grid.step else ""
    return f"are {offset}multiples of {grid.step:.4g}"


def _cure(code: str) -> str:
    if code == "low-precision":
        return "save float32 to test the values themselves"
    return "pass unrounded values to test those"


def _hint(parts: int) -> str:
    return f" If they are ranks of 0 to {parts}, pass these with target=Ranks({parts})."


def _otherwise(code: str) -> str:
    cures = {
        "low-precision": "save the values in float32",
        "integer-data": (
            "for counts of draws below a true value pass target=Ranks(draws); else add a uniform "
            "number within the step to each value, x + U - 1/2, or compare two samples"
        ),
        "lattice": (
            "save more digits, or add a uniform number within the step to each value, "
            "x + step * (U - 1/2)"
        ),
        "few-values": "compare two samples, which may have ties",
    }
    why = "which no continuous target gives: a mismatch may be due to that alone"
    return f"{why}; {cures[code]}."
