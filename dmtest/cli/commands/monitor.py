"""The command ``dmtest monitor``: a stream in batches."""

from __future__ import annotations

from typing import Annotated

import typer

from dmtest.cli import options, outputs
from dmtest.cli.console import FINE, MISMATCH, hush
from dmtest.cli.options import option

Batches = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Batches of the stream, in their order; '-' reads lines of numbers from standard "
        "input as they arrive.",
        show_default=False,
    ),
]

BatchRows = Annotated[
    int | None,
    option(
        "ROWS",
        "Rows of a batch (default: a file is one batch, and 256 lines of standard input are).",
    ),
]

State = Annotated[
    str | None,
    option(
        "PATH",
        "File that keeps the monitor: it is continued if it is there, and written after every "
        "batch.",
    ),
]

MonitorAlpha = Annotated[
    float | None,
    option(
        "LEVEL",
        "Probability of ever rejecting a stream that follows the target (default: that of "
        "--state, else 0.05).",
        show_default=False,
    ),
]

Stop = Annotated[bool, option(None, "End with exit code 1 at the batch that rejects.", "--stop")]

Lines = Annotated[
    bool, option(None, "Print the state after each batch as a line of JSON.", "--json")
]

EPILOG = """\b
Exit codes:
  0   the stream is still compatible with the target
  1   rejected, by this batch or an earlier one
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest monitor monday.npy --state stream.json
  dmtest monitor tuesday.npy --state stream.json --brief
  dmtest monitor all.npy --batch 500
  producer | dmtest monitor - --batch 100 --stop
  dmtest monitor b1.npy b2.npy --json | jq .e_value
"""


def monitor(
    files: Batches,
    target: options.SameTarget = None,
    low: options.Low = None,
    high: options.High = None,
    draws: options.Draws = None,
    alpha: MonitorAlpha = None,
    state: State = None,
    batch: BatchRows = None,
    key: options.Key = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    nonfinite: options.Nonfinite = options.OnNonfinite.error,
    stop: Stop = False,
    json: Lines = False,
    brief: options.Brief = False,
    quiet: options.Quiet = False,
) -> int:
    """Test a stream, batch by batch.

    The question is whether the rows of all batches so far still follow the target.

    The p-value is valid at any time, however often it is looked at and whenever the stream ends:
    a stream that follows the target is ever rejected with a probability of at most alpha.
    """
    from dmtest.cli.monitor import watch

    hush(quiet)
    outputs.check_outputs(None, None, None, state=state)
    given = any(value is not None for value in (low, high, draws))
    name = target or (options.RANKS if draws else options.UNIFORM if given else None)
    law = None if name is None else options.law_of(name, low, high, draws)
    rejected = watch(
        files,
        law,
        alpha=alpha,
        state=state,
        batch=batch,
        key=key,
        columns=options.columns_of(columns),
        delimiter=delimiter,
        nonfinite=nonfinite.value,
        stop=stop,
        show="none" if quiet else "json" if json else "brief" if brief else "text",
    )
    return MISMATCH if rejected else FINE
