"""The unit cube in its own language: position, spread, and values at the ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dmtest.calibration.multiplicity import holm
from dmtest.reports.causes.evidence import LEVEL, SampleEvidence
from dmtest.results.outcome import Finding
from dmtest.runtime.typing import Vector
from dmtest.words import of_many

LISTED = 5
# Share of rows outside from which on the cube is not the box that was meant.
OUTSIDE = 0.05
# Parts at each end whose counts are compared with the next ones, and the factor that is a spike.
END, SPIKE = 0.01, 5.0


def cube_findings(e: SampleEvidence) -> Iterator[Finding]:
    """Say which columns lie off the middle, too far out or in, or pile up at an end."""
    cube = e.canonical.cube
    if cube is None or e.canonical.outside > OUTSIDE * e.n:
        return
    u = np.clip(np.asarray(cube[e.chosen], dtype=np.float64), 0.0, 1.0)
    live = np.flatnonzero(np.ptp(u, axis=0) > 0.0)
    if not len(live):
        return
    part = u[:, live]
    n = len(part)
    mean = part.mean(axis=0)
    spread = np.square(part - mean).mean(axis=0) * n / (n - 1.0)
    position = (mean - 0.5) * np.sqrt(12.0 * n)
    width = (spread - 1.0 / 12.0) * np.sqrt(180.0 * n)
    yield from _ends(e, part, live)
    level = _named(position, width)
    moved = [int(k) for k in np.flatnonzero(level[0] <= LEVEL)]
    if moved:
        moved.sort(key=lambda k: -abs(position[k]))
        listed = _listing(e, live, moved, [f"mean {mean[k]:.3g}" for k in range(len(live))])
        verb = of_many(len(moved), u.shape[1], "column", "lies", "lie")
        sides = {"too low" if position[k] < 0 else "too high" for k in moved}
        side = sides.pop() if len(sides) == 1 else "off to one side"
        text = (
            f"{verb} {side} (slope: more values at one end than at the other; mean 0.5 expected): "
            f"{listed}."
        )
        yield Finding("position", text, len(moved))
    for sign, code, shape in (
        (1.0, "too-narrow", "U-shaped: values pile up at both ends, as of forecasts too narrow"),
        (-1.0, "too-wide", "hump-shaped: values pile up in the middle, as of forecasts too wide"),
    ):
        off = [int(k) for k in np.flatnonzero((level[1] <= LEVEL) & (sign * width > 0.0))]
        if not off:
            continue
        off.sort(key=lambda k: -abs(width[k]))
        listed = _listing(e, live, off, [f"variance {v:.3g}" for v in spread])
        verb = of_many(len(off), u.shape[1], "column", "is", "are")
        text = f"{verb} {shape} (variance 1/12 = 0.0833 expected): {listed}."
        yield Finding(code, text, len(off))


def _named(position: Vector, width: Vector) -> Vector:
    """Holm's adjusted p-values of position and spread over all columns: shape (2, k)."""
    pvalues = 2.0 * ndtr(-np.abs(np.concatenate([position, width])))
    return holm(np.minimum(1.0, pvalues)).reshape(2, -1)


def _listing(
    e: SampleEvidence, live: NDArray[np.intp], places: Sequence[int], values: Sequence[str]
) -> str:
    shown = [f"{e.name(int(live[k]))} ({values[k]})" for k in places[:LISTED]]
    return ", ".join(shown) + (", ..." if len(places) > LISTED else "")


def _ends(e: SampleEvidence, u: Vector, live: NDArray[np.intp]) -> Iterator[Finding]:
    """Columns with a spike at an end: the outermost hundredth against the next two."""
    n = len(u)
    spikes: dict[int, str] = {}
    for k in range(u.shape[1]):
        said = []
        for end, x in (("0", u[:, k]), ("1", 1.0 - u[:, k])):
            inside = int(np.count_nonzero(x < END))
            beside = 0.5 * int(np.count_nonzero((x >= END) & (x < 3.0 * END)))
            # Five standard deviations of a count, besides the factor.
            floor = max(beside, n * END)
            if inside > SPIKE * floor and inside - floor > 5.0 * np.sqrt(floor + 1.0):
                said.append(f"{inside / n:.1%} of values within {END:g} of {end}")
        if said:
            spikes[k] = " and ".join(said)
    if not spikes:
        return
    listed = "; ".join(f"{e.name(int(live[k]))}: {text}" for k, text in list(spikes.items())[:3])
    more = "; ..." if len(spikes) > 3 else ""
    verb = of_many(len(spikes), e.rows.shape[1], "column", "has", "have")
    text = f"{verb} a spike at an end ({listed}{more}; {END:.0%} expected)."
    yield Finding("ends", text, len(spikes))
