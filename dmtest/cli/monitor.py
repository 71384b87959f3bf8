"""The command ``dmtest monitor``: batches of files, or lines of standard input as they arrive."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmtest.cli.console import put
from dmtest.cli.inputs import STANDARD_INPUT
from dmtest.errors import InputError

if TYPE_CHECKING:
    from dmtest.data.sample import Sample
    from dmtest.monitoring.monitor import Monitor, MonitorState
    from dmtest.targets.targets import TargetLike

LINES = 256  # rows of a batch of standard input
MINIMUM = 8  # rows of any batch


def watch(
    files: Sequence[str],
    target: TargetLike | None,
    *,
    alpha: float | None,
    state: str | None,
    batch: int | None,
    key: str | None,
    columns: Any,
    delimiter: str | None,
    nonfinite: Literal["error", "drop"],
    stop: bool,
    show: str,
) -> bool:
    """Test the batches of files in their order; return whether the stream has been rejected.

    Parameters
    ----------
    files : sequence of str
        ``-`` stands for standard input.
    target : str or target object, optional
        By default that of `state`, or N(0, I).
    alpha : float, optional
    state : str, optional
        File of the monitor, continued if it is there and written after every batch.
    batch : int, optional
        Rows of a batch; a file is one batch by default.
    key, columns, delimiter, nonfinite
        As for ``dmtest report``.
    stop : bool
        Whether to end at the batch that rejects.
    show : {"text", "brief", "json", "none"}
        What is printed: the state after each batch, only the last state, or nothing.
    """
    from dmtest import arguments

    if batch is not None:
        arguments.whole("--batch", batch, MINIMUM)
    monitor = _monitor(target, alpha, state)
    before = monitor.rejected_at is not None
    for name, rows in _batches(files, batch, key, columns, delimiter, nonfinite):
        now = monitor.update(rows)
        if state is not None:
            monitor.to_json(state)  # in one step: an interruption leaves the old file or the new
        if show == "json":
            put(_json(name, now))
        elif show == "text":
            put(line(name, now))
        if stop and now.rejected:
            break
    if not monitor.batches:
        raise InputError("-: standard input had no lines of numbers; check what comes before |")
    if show in ("text", "brief"):
        put(f"{'' if show == 'brief' else chr(10)}{monitor.state.sentence}\n")
        if before and show == "text":
            put("It had been rejected before this call.\n")
    return monitor.state.rejected


def line(name: str, state: MonitorState) -> str:
    """Return the state after a batch in one line."""
    from dmtest.render.wording import clean, number

    mark = "REJECTED" if state.rejected else "ok"
    return (
        f"{mark:8} {clean(name)}  {state.n:,} rows  e = {number(state.e_value)}  "
        f"p = {number(state.pvalue)}\n"
    )


def _json(name: str, state: MonitorState) -> str:
    import json

    from dmtest.results import serial

    return json.dumps(serial.plain(serial.encode({"batch": name} | state.to_dict()))) + "\n"


def _monitor(target: TargetLike | None, alpha: float | None, state: str | None) -> Monitor:
    from dmtest.monitoring.monitor import Monitor

    if state is None or not os.path.exists(state):
        law: TargetLike = "normal" if target is None else target
        return Monitor(law, alpha=0.05 if alpha is None else alpha)
    monitor = Monitor.from_json(state, target)
    if alpha is not None and alpha != monitor.alpha:
        raise InputError(
            f"alpha: {state} is of a monitor with alpha = {monitor.alpha:g}; got {alpha:g}; leave "
            f"it out, or name another file with --state"
        )
    return monitor


def _batches(
    files: Sequence[str],
    batch: int | None,
    key: str | None,
    columns: Any,
    delimiter: str | None,
    nonfinite: Literal["error", "drop"],
) -> Iterator[tuple[str, Any]]:
    """Yield the name and the rows of every batch."""
    from dmtest.data.load import TextPath
    from dmtest.data.readers.columns import pick
    from dmtest.data.sample import as_sample

    if files.count(STANDARD_INPUT) > 1:
        raise InputError("-: standard input can be read once; name '-' once")
    for file in files:
        if file == STANDARD_INPUT:
            for rows in _lines(batch or LINES, delimiter):
                yield "-", pick(rows, columns)
            continue
        path = file if delimiter is None else TextPath(file, delimiter)
        sample = as_sample(path, key=key, columns=columns, nonfinite=nonfinite)
        for place, part in enumerate(_parts(sample, batch)):
            name = file if batch is None else f"{file} batch {place + 1}"
            yield name, part


def _parts(sample: Sample, batch: int | None) -> Iterator[Sample]:
    """Yield parts of a file; the last takes the rows that are too few for a batch of their own."""
    from dataclasses import replace

    if batch is None:
        yield sample
        return
    starts = list(range(0, sample.n, batch))
    if len(starts) > 1 and sample.n - starts[-1] < MINIMUM:
        starts.pop()
    for start, stop in zip(starts, [*starts[1:], sample.n], strict=True):
        yield replace(sample, x=sample.x[start:stop], findings=() if start else sample.findings)


def _lines(batch: int, delimiter: str | None) -> Iterator[NDArray[np.float64]]:
    """Yield batches of rows from lines of numbers on standard input, as they arrive.

    Rows at the end that are fewer than 8 are no batch; a line of names at the start is left out.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("-: standard input is a terminal; pipe lines of numbers into it")
    from dmtest.data.load import separator

    cut = None if delimiter is None else separator(delimiter)
    rows: list[list[float]] = []
    for place, text in enumerate(sys.stdin, 1):
        if not text.strip():
            continue
        try:
            rows.append(_numbers(text, cut))
        except ValueError:
            if place > 1:
                raise InputError(
                    f"-: line {place} of standard input holds no numbers: {text.strip()[:60]!r}; "
                    f"send lines of numbers, separated by commas, semicolons, tabs or spaces"
                ) from None
            continue
        if len(rows[-1]) != len(rows[0]):
            raise InputError(
                f"-: line {place} of standard input has {len(rows[-1])} numbers and earlier ones "
                f"have {len(rows[0])}; give every line the same number"
            )
        if len(rows) == batch:
            yield np.array(rows)
            rows = rows[:0]
    if len(rows) >= MINIMUM:
        yield np.array(rows)


def _numbers(text: str, cut: str | None) -> list[float]:
    """Return the numbers of a line; ValueError if it has something else."""
    if cut is None:
        cut = next((one for one in ",;\t|" if one in text), None)
    return [float(cell) for cell in text.strip().split(cut)]
