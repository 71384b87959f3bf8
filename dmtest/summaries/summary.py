"""The public class `Summary`: rows in one pass and in bounded memory, in any number of parts."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.arguments import whole
from dmtest.data.inspection import HUGE, MINUTE, check_range
from dmtest.data.readers.columns import Loaded
from dmtest.data.readers.guard import within
from dmtest.data.readers.objects import LOW_PRECISION, from_object
from dmtest.data.readers.remote import public_url
from dmtest.data.sample import as_float
from dmtest.engines.device import Rows, on_device
from dmtest.errors import InputError
from dmtest.results.outcome import Finding
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.summaries import saved
from dmtest.summaries.sources import chunks_of, is_dask
from dmtest.summaries.totals import TILE, Totals
from dmtest.summaries.tree import Moments
from dmtest.targets.targets import Normal, TargetLike, Uniform, as_target

# Rows that are kept by default: so many, or those of so many bytes, but at least so many.
ROWS, BYTES, FEWEST = 50_000, 1 << 26, 16_384
# Bytes that a summary and its report take beside the kept rows, copies of these rows at the same
# time, and fewest rows that are kept to save memory.
FIXED, COPIES, LEAST = 300 << 20, 6, 2048
# Largest absolute value.
LARGEST = 1e18


class ChunkError(InputError):
    """Rows that a summary cannot take; those of an array may have a cure in other steps."""


def kept_rows(d: int, itemsize: int) -> int:
    """Return how many rows of so many values of so many bytes a summary keeps by default."""
    return min(ROWS, max(FEWEST, BYTES // (d * itemsize)))


def rows_within(memory: int, d: int, itemsize: int) -> int:
    """Return how many rows a summary keeps where it and its report have so many bytes."""
    row = COPIES * d * itemsize
    if memory < FIXED + LEAST * row:
        raise InputError(
            f"memory: got {memory:,} bytes; a report of {d} columns takes at least "
            f"{FIXED + LEAST * row:,}."
        )
    return min(kept_rows(d, itemsize), (memory - FIXED) // row)


class Summary:
    """All that a report of many rows needs, in one pass and in bounded memory.

    A summary takes rows in chunks, and summaries of parts merge into that of the whole: by
    threads, processes or machines, in any order, to the same bits. ``dmtest.report(summary)`` is
    the report of all its rows.

    A summary keeps the first ``rows`` rows. Up to there its report is the report of the array, in
    every number. Beyond, it keeps a random sample of that size (those with the smallest hash of
    row number and seed), and of all rows the moments, and the counts along 64 slices in cells of
    1/4096 standard deviation, from which the tests of slices follow with proven bounds.

    Parameters
    ----------
    target : {"normal", "uniform"}
        N(0, I), or uniform on the unit cube. Parts of a merge need the same target.
    rows : int, optional
        Most rows that are kept: 50,000 by default, or as many as take 64 MiB, but no fewer than
        16,384.
    first : int
        Number of the first row, where this is a part of the data that begins there.
    memory : int, optional
        Bytes that the summary and its report may take: fewer rows are then kept by default.
    rng : int, None or numpy Generator
        Seed of the choice of rows and, by default, of the report; 0 by default, because parts of
        a merge need the same one.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> rng = np.random.default_rng(0)
    >>> summary = dmtest.Summary()
    >>> for _ in range(10):
    ...     summary = summary.update(rng.standard_normal((500, 4)))
    >>> summary
    Summary(n=5,000, d=4, target='normal', rows kept: all)
    >>> dmtest.report(summary).verdict
    'compatible'
    """

    def __init__(
        self,
        target: TargetLike = "normal",
        *,
        rows: int | None = None,
        first: int = 0,
        memory: int | None = None,
        rng: RngLike = 0,
    ) -> None:
        self.target = _named(target)
        self.rows = None if rows is None else whole("rows", rows, 8)
        self.memory = None if memory is None else whole("memory", memory, 1, " (bytes)")
        self.seed = entropy_of(rng)
        self.next = whole("first", first, 0)
        # Rows seen, as half-open ranges of row numbers; rows of incomplete tiles by tile and place.
        self.ranges: list[tuple[int, int]] = []
        self.pending: dict[int, dict[int, NDArray[Any]]] = {}
        self.totals: Totals | None = None
        self.names: tuple[str, ...] | None = None
        self.kind: tuple[str, str] | None = None
        self.changes: tuple[Finding, ...] = ()
        # Rows of the whole that this is a part of, where they are known: fewer are then kept.
        self.among: int | None = None
        # File that the rows came from; where all rows were looked at before, what was found.
        self.source: str | None = None
        self.findings: tuple[Finding, ...] | None = None

    @classmethod
    def of(
        cls,
        source: Any,
        target: TargetLike = "normal",
        *,
        rows: int | None = None,
        first: int = 0,
        memory: int | None = None,
        rng: RngLike = 0,
        key: str | None = None,
        columns: Any = None,
        engine: Any = None,
        progress: Progress | None = None,
    ) -> Summary:
        """Summarise a source of rows in one pass.

        Parameters
        ----------
        source : array_like, path, dask collection, iterator of chunks or torch DataLoader
            An array or memory map is read in blocks of rows; a file in parts, or as
            :func:`dmtest.load` reads it where its kind has none (docs/files.md); an open ``.npy``
            or Parquet file, such as one of fsspec, as it arrives. Of a batch that is a tuple, the
            first element counts. The parts of a dask array or data frame are summarised by its
            tasks.
        target, rows, first, rng
            As for the class.
        memory : int, optional
            As for the class, and the bytes that reading a file may take at a time.
        key, columns : optional
            Column of lists, and columns, of a file; as for :func:`dmtest.load`.
        engine : optional
            Who summarises the parts of an array or a file: ``"dask"`` (the current client, or else
            the scheduler that dask is set to), the address of a scheduler, a
            ``distributed.Client`` or a cluster.
        progress : callable, optional
            Called with ("rows", rows read, rows in total or 0).

        Returns
        -------
        Summary
        """
        options: dict[str, Any] = {"target": target, "rows": rows, "first": first}
        options |= {"memory": memory, "rng": rng}
        if engine is not None or is_dask(source):
            from dmtest.summaries.cluster import summarise

            options |= {"target": _named(target), "rng": entropy_of(rng)}
            summary = summarise(source, options, engine=engine, key=key, columns=columns)
            if isinstance(source, (str, os.PathLike)):
                summary.source = public_url(os.fspath(source))
            if progress is not None:
                progress("rows", summary.n, summary.n)
            return summary
        summary = cls(**options)
        with within(summary.memory):
            chunks, total = chunks_of(source, key, columns)
            if isinstance(source, (str, os.PathLike)):
                summary.source = public_url(os.fspath(source))
            for chunk in chunks:
                summary.update(chunk)
                if progress is not None:
                    progress("rows", summary.n, total)
        return summary

    def __repr__(self) -> str:
        kept = "all" if self.exact else f"{self.size:,}"
        d = "unknown" if self.totals is None else self.d
        return f"Summary(n={self.n:,}, d={d}, target={self.target!r}, rows kept: {kept})"

    @property
    def n(self) -> int:
        """Rows so far."""
        return sum(stop - start for start, stop in self.ranges)

    @property
    def d(self) -> int:
        """Columns."""
        return self._filled().d

    @property
    def exact(self) -> bool:
        """Whether all rows are kept, so that the report is the report of the array."""
        return self.totals is None or self.n <= self.size

    @property
    def size(self) -> int:
        """Most rows that are kept."""
        return self._filled().reservoir.size

    @property
    def lacks_rows(self) -> bool:
        """Whether complete tiles have left fewer rows than they should: parts dropped too many."""
        if self.totals is None:
            return False
        apart = sum(len(rows) for pieces in self.pending.values() for rows in pieces.values())
        return len(self.totals.reservoir.settle()[0]) < min(self.size, self.n - apart)

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """Ranges of row numbers, first and beyond the last, between the parts that are there."""
        pairs = zip(self.ranges, self.ranges[1:], strict=False)
        return tuple((left[1], right[0]) for left, right in pairs)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of all rows on normal scale: shape (d,)."""
        return self._moments().mean

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance (1/n) of all rows on normal scale: shape (d, d)."""
        return self._moments().covariance

    def _moments(self) -> Moments:
        moments = self.complete().tree.total()
        assert moments is not None
        return moments

    def sample(self) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the numbers of the kept rows, and the rows, in the order of the data."""
        _, numbers, rows = self.complete().reservoir.settle()
        return numbers, rows

    def update(self, chunk: Any) -> Summary:
        """Add the next rows, shape (n, d), and return the summary.

        Raises
        ------
        InputError
            If the rows cannot be used; the summary is then as before.
        """
        x = self._checked(chunk)
        if not len(x):
            # What only the end of a file tells.
            late = chunk.findings if isinstance(chunk, Loaded) else ()
            self.changes += tuple(one for one in late if one not in self.changes)
            return self
        start, stop = self.next, self.next + len(x)
        self._cover([(start, stop)])
        whole_tiles = []
        at = start
        while at < stop:
            tile, place = divmod(at, TILE)
            count = min(TILE - place, stop - at)
            rows = x[at - start : at - start + count]
            if count == TILE:
                whole_tiles.append((tile, at, rows))
            else:
                whole_tiles += self._hold(tile, place, np.array(rows))
            at += count
        self._filled().add(whole_tiles)
        self.next = stop
        return self

    def merge(self, other: Summary) -> Summary:
        """Add the rows of another summary, and return this one; the other is not changed.

        Raises
        ------
        InputError
            If the summaries do not fit together, or rows are in both; this one is then as before.
        """
        if not isinstance(other, Summary):
            raise InputError(f"other: got {type(other).__name__}; pass a Summary.")
        for name, what in (("target", "target"), ("seed", "rng"), ("rows", "rows")):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise InputError(
                    f"other: has {what}={theirs!r} and this summary {what}={mine!r}; make all "
                    f"parts with the same {what}."
                )
        if other.totals is None:
            return self
        if self.totals is not None:
            self._check_kind(other.kind, other.d)
        self._cover(other.ranges)
        if self.totals is None:
            self.begin(other.d, other.kind, other.names, other.changes)
        totals = self._filled()
        totals.merge(other._filled())
        ready = []
        for tile, pieces in other.pending.items():
            for place, rows in pieces.items():
                ready += self._hold(tile, place, rows)
        totals.add(ready)
        self.next = max(self.next, other.next)
        return self

    def to_bytes(self, *, compress: bool = True) -> bytes:
        """Return the summary as bytes, for another process or a file; nothing in them is run.

        Parameters
        ----------
        compress : bool
            Whether to compress the counts: half of their size, in several times the time.
        """
        return saved.to_bytes(self, 1 if compress else 0)

    @classmethod
    def from_bytes(cls, data: bytes) -> Summary:
        """Return the summary that `to_bytes` wrote.

        Raises
        ------
        InputError
            If the bytes are damaged, or of another kind or version.
        """
        summary = cls()
        saved.fill(summary, data)
        return summary

    def complete(self) -> Totals:
        """Return the totals of all rows, those of incomplete tiles included."""
        if not self.pending:
            return self._filled()
        totals = self._filled().copy()
        self.settle()
        incomplete = [
            (tile, place, rows)
            for tile, pieces in sorted(self.pending.items())
            for place, rows in sorted(pieces.items())
        ]
        before = None
        for number, (tile, place, rows) in enumerate(incomplete):
            # Between two runs of one tile rows are missing: the second one gets a place of its own.
            position = -number if tile == before else tile
            totals.add([(position, tile * TILE + place, rows)])
            before = tile
        return totals

    def settle(self) -> None:
        """Join rows of incomplete tiles that follow each other."""
        for tile, pieces in self.pending.items():
            runs: list[list[int]] = []
            for place in sorted(pieces):
                if runs and runs[-1][-1] + len(pieces[runs[-1][-1]]) == place:
                    runs[-1].append(place)
                else:
                    runs.append([place])
            self.pending[tile] = {
                run[0]: np.concatenate([pieces[place] for place in run]) for run in runs
            }

    def _filled(self) -> Totals:
        if self.totals is None:
            raise InputError("summary: has no rows yet; update it with some.")
        return self.totals

    def begin(
        self,
        d: int,
        kind: tuple[str, str] | None,
        names: tuple[str, ...] | None,
        changes: tuple[Finding, ...],
    ) -> None:
        """Set what the first rows decide: columns, type and names."""
        self.kind, self.names, self.changes = kind, names, changes
        assert kind is not None
        size = self.rows
        itemsize = np.dtype(kind[0]).itemsize
        if size is None and self.memory is not None:
            # Parts of a merge need the same number, whatever made it.
            size = self.rows = rows_within(self.memory, d, itemsize)
        elif size is None:
            size = kept_rows(d, itemsize)
        self.totals = Totals(self.target, d, size, self.seed)
        if self.among is not None:
            self.totals.reservoir.expect(self.among)

    def _checked(self, chunk: Any) -> Any:
        """Return the rows of a chunk as float32 or float64; refuse what does not fit."""
        if on_device(chunk):
            return self._checked_on_device(chunk)
        loaded = chunk if isinstance(chunk, Loaded) else from_object(chunk, None, None)
        array = np.asarray(loaded.array)
        array = array.reshape(-1, 1) if array.ndim == 1 else array
        numeric = array.dtype.kind in "biuf" or array.dtype.name.startswith(LOW_PRECISION)
        if array.ndim != 2 or not array.shape[1] or not numeric:
            raise ChunkError(
                f"chunk: got shape {array.shape} of {array.dtype}; pass rows of numbers, shape "
                f"(n, d)."
            )
        dtype = loaded.dtype or array.dtype.name
        x, changes = as_float(np.ascontiguousarray(array), dtype)
        kind = (x.dtype.name, dtype)
        if self.totals is not None:
            self._check_kind(kind, x.shape[1])
        least, most = (float(f(x)) if x.size else 0.0 for f in (np.min, np.max))
        self._check_values(x, least, most, loaded.names)
        if self.totals is None and len(x):
            self.begin(x.shape[1], kind, loaded.names, (*loaded.findings, *changes))
        return x

    def _checked_on_device(self, chunk: Any) -> Rows:
        """Return rows on a device, which stay there; refuse what does not fit."""
        dtype = str(chunk.dtype).rpartition(".")[2]
        if chunk.ndim not in (1, 2) or not all(chunk.shape[1:]) or "complex" in dtype:
            raise ChunkError(
                f"chunk: got shape {tuple(chunk.shape)} of {dtype}; pass rows of numbers, shape "
                f"(n, d)."
            )
        x = Rows.of(chunk)
        kind = (x.dtype.name, dtype)
        if self.totals is not None:
            self._check_kind(kind, x.shape[1])
        least, most = x.extremes
        size = max(most, -least)
        if not np.isfinite(least + most) or size > LARGEST / x.shape[1] or 0.0 < size < MINUTE:
            self._check_values(np.asarray(x), least, most, None)
        if self.totals is None and len(x):
            empty = np.empty((0, x.shape[1]), x.dtype)
            self.begin(x.shape[1], kind, None, as_float(empty, dtype)[1])
        return x

    def _check_values(
        self, x: NDArray[Any], least: float, most: float, names: tuple[str, ...] | None
    ) -> None:
        """Refuse values that are not finite, or whose powers are not."""
        if not (np.isfinite(least) and np.isfinite(most)):
            bad = ~np.isfinite(x).all(axis=1)
            raise ChunkError(
                f"chunk: {int(bad.sum())} of {len(x)} rows are not finite (first: row "
                f"{self.next + int(bad.argmax())}); leave them out."
            )
        if max(most, -least) * np.sqrt(x.shape[1]) > LARGEST:
            raise ChunkError(f"chunk: values up to {max(most, -least):.3g} are too large; rescale.")
        if max(most, -least) > HUGE or 0.0 < max(most, -least) < MINUTE:
            check_range(x.min(axis=0), x.max(axis=0), "chunk", names)

    def _check_kind(self, kind: tuple[str, str] | None, d: int) -> None:
        if d != self.d:
            raise InputError(f"chunk: has {d} columns and earlier rows {self.d}; pass {self.d}.")
        if kind != self.kind:
            assert kind is not None
            assert self.kind is not None
            raise InputError(
                f"chunk: has values of {kind[1]} and earlier rows of {self.kind[1]}; convert all "
                f"chunks to one type."
            )

    def _cover(self, ranges: list[tuple[int, int]]) -> None:
        """Add ranges of row numbers; refuse rows that are there already."""
        ordered = sorted([*self.ranges, *ranges])
        joined: list[tuple[int, int]] = []
        for start, stop in ordered:
            if joined and start < joined[-1][1]:
                raise InputError(
                    f"rows: {start:,} to {min(stop, joined[-1][1]) - 1:,} are in this summary "
                    f"already; give every part the number of its first row, Summary(first=...), "
                    f"and add it once."
                )
            if joined and start == joined[-1][1]:
                joined[-1] = (joined[-1][0], stop)
            else:
                joined.append((start, stop))
        self.ranges = joined

    def _hold(
        self, tile: int, place: int, rows: NDArray[Any]
    ) -> list[tuple[int, int, NDArray[Any]]]:
        """Keep rows of an incomplete tile; return the tile once it is complete."""
        pieces = self.pending.setdefault(tile, {})
        pieces[place] = rows
        if sum(map(len, pieces.values())) < TILE:
            return []
        del self.pending[tile]
        return [(tile, tile * TILE, np.concatenate([pieces[at] for at in sorted(pieces)]))]


def _named(target: TargetLike) -> str:
    """Return the name of a target that rows can be brought to one by one."""
    resolved = as_target(target)
    if isinstance(resolved, (Normal, Uniform)) and resolved.name in ("normal", "uniform"):
        return resolved.name
    raise InputError(
        f"target: a summary needs 'normal' or 'uniform', got {resolved.name!r}; bring the rows to "
        f"one of them, or report on an array."
    )
