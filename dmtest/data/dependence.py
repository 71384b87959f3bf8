"""Signs that rows depend on each other: bunches of near neighbours, correlation along the file.

Both compare the sample with itself and not with a target, so that clusters, tails and collapsed
columns are no bunches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.results.outcome import Finding
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.streams import some_rows, stream

Floats = NDArray[np.float64]

# Most and fewest rows whose neighbours are searched, distances in all, neighbours of each row.
QUERIES, FEW_QUERIES, DISTANCES, NEIGHBOURS = 512, 128, 4_000_000, 64
# Bunches are looked for where there would be at least this many of them.
FEWEST_BUNCHES = 30
# Numbers of the projected rows, and fewest columns of the projection.
NUMBERS, COLUMNS = 4_000_000, 16
ROW_BLOCK, QUERY_BLOCK = 32_768, 128
# Sizes of the gap behind a bunch that count (see `bunches_of`), and largest share of ties.
PEAK, STEP, GAP, TIES = 2.5, 4.0, 9.0, 0.05

# Rows of a run and numbers of all runs that serial correlation is computed from; series of each
# kind; level of each look.
RUN, IN_RUNS, SERIES, LEVEL = 2048, 2**22, 16, 1e-5
FEWEST_SERIAL = 40
FAINT = 1e-30  # spread whose reciprocal times a row may overflow float32
# Runs over the largest lag; lags summed, in multiples of the sum (Sokal 1997); far lags.
LAGS, WINDOW, FAR = 4, 5.0, 20
# Rows that are compared with all others, fewest of them, and how much nearer than the second
# neighbour the first one is: exp(-CLOSE) is the probability under a law with a density.
COMPARED, FEWEST_CLOSE, CLOSE = 2048, 3, 18.0
# Most rows of consecutive groups that are looked for, and standard errors of their borders.
LARGEST_BLOCK, BORDER = 32, 3.0
# Smallest inflation of a variance that is worth a finding.
INFLATION = 1.1


def dependence_findings(x: NDArray[np.floating[Any]], seed: int) -> tuple[Finding, ...]:
    """Return a finding if rows come in bunches, or else if rows next to each other are alike.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        The rows in the order of the file.
    seed : int
        Seed of the rows and projections that are looked at.
    """
    n = len(x)
    serial = serial_of(x, seed)
    close = near_duplicates(x, seed)
    size = None if serial is not None and serial.block else bunches_of(x, seed)
    # A part of the rows with one near-duplicate each is no sample of pairs.
    if close is not None and 2 * close[0] < close[1] and size is not None and size < 2.5:
        size = None
    if size is not None:
        about = f"{size:.0f}" if size >= 9.5 else f"{size:.2g}"
        text = (
            f"Rows come in groups of about {about}, far closer together than other neighbours "
            f"(views of one item, say): p-values are those of {round(n / size):,} rows at best, "
            f"and smaller than they should be. Pass groups= (--groups) with the item of every "
            f"row, or keep one row, or the average, of each item."
        )
        return (Finding("grouped-rows", text, round(n / size)),)
    if close is not None and not (serial is not None and serial.block):
        count, rows, pair = close
        of = f"{count} of {rows:,} rows" if rows == n else f"{count} of {rows:,} rows compared"
        text = (
            f"{of} {'has' if count == 1 else 'have'} a near-duplicate (row {pair[0]} and row "
            f"{pair[1]}, say), far nearer than any other row: such rows are not independent."
        )
        return (Finding("near-duplicates", text, count),)
    if serial is None:
        return ()
    if serial.block:
        text = (
            f"Rows come in consecutive groups of {serial.block}: rows of one group are alike "
            f"(correlation {serial.correlation:+.2f} in {serial.where}), rows at their borders are "
            f"not. P-values are those of {round(n / serial.time):,} rows at best: pass groups= "
            f"(--groups) with the item of every row."
        )
        advice = (
            f"Usual cause: several views, sentences or frames of one item. Pass the item of every "
            f"row: `dmtest.report(x, target, groups=np.arange(len(x)) // {serial.block})`."
        )
        return (Finding("grouped-rows", text, round(n / serial.time), advice),)
    text = (
        f"Rows next to each other in the file are alike (correlation {serial.correlation:+.2f} in "
        f"{serial.where}): {n:,} rows say as much as about {round(n / serial.time):,} independent "
        f"ones. Where rows arose in this order (a chain, a time series, views stored together), "
        f"p-values are too small: pass groups= (--groups) with the block of every row, or keep "
        f"one row in {max(2, round(2 * serial.time)):,}. Where independent rows were sorted "
        f"afterwards, they hold."
    )
    return (Finding("serial-correlation", text, round(n / serial.time)),)


def bunches_of(x: NDArray[np.floating[Any]], seed: int) -> float | None:
    """Estimate the size of bunches of rows; None where there are none.

    With r_k the distance to the k-th neighbour, k log(r_(k+1) / r_k) has about the same mean for
    every k under any law with a density (Renyi's representation: r^d counts a Poisson process).
    Behind a bunch of g rows it has a peak at k = g - 1. A peak counts in two ways: on average over
    rows, relative to the smaller and to the larger k, which finds bunches of one size; and in half
    of the rows, relative to the mean of the row, which finds bunches of several sizes. (The mean
    falls with k where rows are near a curve that fills more and more dimensions: hence both sides.)

    Parameters
    ----------
    x : ndarray, shape (n, d)
    seed : int

    Returns
    -------
    float or None
        Rows of a bunch: the harmonic mean over rows, so that n over it estimates the bunches.
    """
    n = len(x)
    most = min(NEIGHBOURS, n // FEWEST_BUNCHES)
    if most < 3:
        return None
    rng = stream(seed, "dependence/bunches")
    rows = _projected(x, rng)
    count = min(n, QUERIES, max(FEW_QUERIES, DISTANCES // n))
    wanted = some_rows(rng, n, count)
    distances = _neighbour_distances(rows, wanted, most + 1)
    distances = distances[distances[:, 0] > 0.0]  # copies of rows are another finding
    if len(distances) < count // 2:
        return None
    gaps = np.arange(1, most + 1) * np.diff(np.log(distances), axis=1)
    if np.mean(gaps <= 1e-9) > TIES:  # values on a lattice
        return None
    largest, place = gaps.max(axis=1), gaps.argmax(axis=1)
    relative = largest * (most - 1) / np.maximum(gaps.sum(axis=1) - largest, 1e-12)
    clear = relative >= GAP
    if clear.mean() >= 0.5:
        return float(1.0 / np.mean(1.0 / (place[clear] + 2.0)))
    return _peak(gaps.mean(axis=0))


def near_duplicates(
    x: NDArray[np.floating[Any]], seed: int
) -> tuple[int, int, tuple[int, int]] | None:
    """Count rows whose nearest other row is far nearer than the second; None where few are.

    Under any law with a density d log(r_2 / r_1) is a standard exponential, d being the dimension
    of the rows; it is estimated from the gaps behind. Copies are another finding.

    Parameters
    ----------
    x : ndarray, shape (n, d)
    seed : int

    Returns
    -------
    count, compared : int
        Rows with a near-duplicate, and rows that were looked at.
    pair : (int, int)
        The nearest pair.
    """
    n = len(x)
    if n < 24:
        return None
    rng = stream(seed, "dependence/close")
    rows = _projected(x, rng)
    count = min(n, COMPARED, max(FEW_QUERIES, DISTANCES // n))
    wanted = some_rows(rng, n, count)
    distances, places = _neighbours(rows, wanted, 8)
    distances, places, wanted = _without_copies(distances, places, wanted)
    if len(wanted) < count // 2:
        return None
    logs = np.log(distances)
    gaps = np.arange(2, 8) * np.diff(logs[:, 1:], axis=1)
    if np.mean(gaps <= 1e-9) > TIES:
        return None
    dimension = 1.0 / float(np.median(gaps.mean(axis=1)))
    close = dimension * (logs[:, 1] - logs[:, 0]) > CLOSE
    if np.count_nonzero(close) < FEWEST_CLOSE:
        return None
    best = int(np.flatnonzero(close)[distances[close, 0].argmin()])
    return int(close.sum()), count, (int(wanted[best]), int(places[best, 0]))


def _without_copies(
    distances: Floats, places: NDArray[np.intp], wanted: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    kept = distances[:, 0] > 0.0
    return distances[kept], places[kept], wanted[kept]


def _peak(profile: Floats) -> float | None:
    """Size of the bunches whose gap is a peak of a profile over k = 1, 2, ...; None without one."""
    at = int(profile.argmax())
    before, after = profile[: max(at - 1, 0)], profile[at + 2 :]  # sizes vary: not the shoulders
    if len(after) < 2:
        return None
    two_sided = len(before) >= 2
    level = max(float(np.median(side)) for side in ((before, after) if two_sided else (after,)))
    return at + 2.0 if profile[at] >= (PEAK if two_sided else STEP) * level else None


def _projected(x: NDArray[np.floating[Any]], rng: np.random.Generator) -> Floats:
    """Centred rows, on random directions where there are many numbers."""
    n, d = x.shape
    columns = max(COLUMNS, NUMBERS // n)
    centre = np.asarray(x[:ROW_BLOCK], dtype=np.float64).mean(axis=0)
    if d <= columns:
        return np.asarray(x - centre, dtype=np.float64)
    directions = (rng.standard_normal((d, columns)) / np.sqrt(columns)).astype(x.dtype)
    out = np.empty((n, columns))
    for start in range(0, n, ROW_BLOCK):
        part = slice(start, start + ROW_BLOCK)
        out[part] = (x[part] - centre.astype(x.dtype)) @ directions
    return out


def _neighbour_distances(x: Floats, wanted: NDArray[np.intp], count: int) -> Floats:
    """Distances of some rows to their nearest others, in ascending order: (wanted, count)."""
    return _neighbours(x, wanted, count)[0]


def _neighbours(x: Floats, wanted: NDArray[np.intp], count: int) -> tuple[Floats, NDArray[np.intp]]:
    """The same, with the rows that they are."""
    parts = [wanted[block] for block in blocks(len(wanted), QUERY_BLOCK)]
    found = list(run_tasks(lambda part: _neighbours_of(x, part, count), parts))
    distances, places = zip(*found, strict=True)
    return np.concatenate(distances), np.concatenate(places)


def _neighbours_of(
    x: Floats, wanted: NDArray[np.intp], count: int
) -> tuple[Floats, NDArray[np.intp]]:
    queries = x[wanted]
    near = place = np.zeros((len(wanted), 0))
    for start in range(0, len(x), ROW_BLOCK):
        tile = x[start : start + ROW_BLOCK]
        squares = (-2.0 * queries) @ tile.T
        squares += np.square(tile).sum(axis=1)  # less |query|^2
        inside = np.flatnonzero((wanted >= start) & (wanted < start + len(tile)))
        squares[inside, wanted[inside] - start] = np.inf
        if start == 0:
            best = np.argpartition(squares, count - 1, axis=1)[:, :count]
            near, place = np.take_along_axis(squares, best, axis=1), best.astype(np.float64)
            continue
        # Few rows of a later tile are nearer than those that were found before.
        query, column = np.nonzero(squares < near.max(axis=1)[:, None])
        found = np.bincount(query, minlength=len(wanted))
        at = np.arange(len(query)) - np.repeat(np.cumsum(found) - found, found)
        more = np.full((2, len(wanted), int(found.max())), np.inf)
        more[0, query, at], more[1, query, at] = squares[query, column], column + start
        near, place = np.hstack([near, more[0]]), np.hstack([place, more[1]])
        keep = np.argpartition(near, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(near, keep, axis=1)
        place = np.take_along_axis(place, keep, axis=1)
    # Differences of the rows themselves: a difference of squares has no digits left for near rows.
    pairs = zip(place.astype(np.intp), queries, strict=True)
    exact = np.stack([np.square(x[at] - q).sum(axis=1) for at, q in pairs])
    order = np.argsort(exact, axis=1, kind="stable")
    ordered = np.sqrt(np.take_along_axis(exact, order, axis=1))
    return ordered, np.take_along_axis(place.astype(np.intp), order, axis=1)


class Serial(NamedTuple):
    """Correlation of rows that follow each other."""

    correlation: float
    time: float  # variance of a mean over that of independent rows
    where: str
    block: int = 0  # rows of consecutive groups, where correlation ends at their borders


def serial_of(x: NDArray[np.floating[Any]], seed: int) -> Serial | None:
    """Return the correlation of each row with the next; None where it is no more than chance.

    Columns and random projections are turned to normal scores, which no tail disturbs. The one
    with the largest correlation counts, at a level that allows for their number. The sum of its
    correlations over lags is the integrated autocorrelation time (Sokal 1997).

    Parameters
    ----------
    x : ndarray, shape (n, d)
        In the order of the file; a sample of runs of it where n is large.
    seed : int
    """
    n, d = x.shape
    if n < FEWEST_SERIAL:
        return None
    count, length = min(32, max(4, IN_RUNS // (RUN * d))), RUN
    if n <= count * RUN:
        count, length = 1, n
    starts = np.linspace(0, n - length, count).astype(np.intp)
    rows = np.concatenate([np.asarray(x[s : s + length]) for s in starts])
    columns = np.unique(np.linspace(0, d - 1, min(d, SERIES)).astype(np.intp))
    series, names = rows[:, columns], [f"column {j}" for j in columns]
    if d > 1:
        spread = rows.std(axis=0, dtype=np.float64)
        if spread.min() < FAINT:  # weights would overflow float32
            rows = rows.astype(np.float64)
        weights = stream(seed, "dependence/serial").standard_normal((d, SERIES))
        weights /= np.where(spread > 0.0, spread, np.inf)[:, None]
        series = np.hstack([series, rows @ weights.astype(rows.dtype)])
        names += ["a random direction"] * SERIES
    scores = _normal_scores(series)
    runs = scores.reshape(len(starts), length, -1)
    first = (runs[:, 1:] * runs[:, :-1]).mean(axis=(0, 1))
    worst = int(first.argmax())
    limit = -float(ndtri(LEVEL / len(first))) / np.sqrt(len(starts) * (length - 1.0))
    if first[worst] <= limit:
        return None
    time = _autocorrelation_time(runs[:, :, worst])
    if time < INFLATION:
        return None
    block = _block(runs[0, :, worst]) if len(starts) == 1 else 0
    inside = _inside(runs[0, :, worst], block) if block else float(first[worst])
    return Serial(inside, time, names[worst], block)


def _block(scores: Floats) -> int:
    """Rows of consecutive groups from the first row on; 0 where there are no such groups.

    Products of neighbours have mean 0 at the borders of groups and a larger one inside.
    """
    products = scores[1:] * scores[:-1]
    for size in range(2, 1 + min(LARGEST_BLOCK, len(scores) // 12)):
        place = np.arange(len(products)) % size
        parts = [products[place == k] for k in range(size)]
        means = np.array([part.mean() for part in parts])
        errors = np.array([part.std() / np.sqrt(len(part)) for part in parts])
        inside = means[:-1] - BORDER * errors[:-1]
        if inside.min() > 0.0 and means[-1] < BORDER * errors[-1] < means[:-1].min():
            return size
    return 0


def _inside(scores: Floats, block: int) -> float:
    """Correlation of neighbours within consecutive groups of `block` rows, from -1 to 1."""
    within = np.arange(len(scores) - 1) % block != block - 1
    one, other = scores[:-1][within], scores[1:][within]
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def _normal_scores(series: Floats) -> Floats:
    """Normal scores of the ranks of each column, scaled to variance 1; 0 for a constant one.

    Ties share a rank: ranks in the order of the file would be a correlation.
    """
    scores = np.empty(series.shape)
    for j, column in enumerate(series.T):
        _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
        middle = np.cumsum(counts) - 0.5 * counts
        scores[:, j] = ndtri(middle / len(column))[place]
    scale = scores.std(axis=0)
    return np.asarray((scores - scores.mean(axis=0)) / np.where(scale > 0.0, scale, np.inf))


def _autocorrelation_time(runs: Floats) -> float:
    """1 + 2 sum of correlations over lags up to `WINDOW` times that number: runs (k, length).

    What is left at the farthest lags is a drift or an order of the whole file: it does not count.
    """
    count, length = runs.shape

    def correlation(lag: int) -> float:
        total = float((runs[:, lag:] * runs[:, :-lag]).sum())
        return float(total / (count * (length - lag)))

    far = np.linspace(length // (2 * LAGS), length // LAGS, FAR).astype(np.intp)
    left = max(0.0, float(np.mean([correlation(int(lag)) for lag in far])))
    time = 1.0
    for lag in range(1, length // LAGS):
        time += 2.0 * (correlation(lag) - left)
        if lag >= WINDOW * time:
            break
    return max(time, 1.0)
