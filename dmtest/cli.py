"""The command line: it translates arguments, and results to text and exit codes."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from dmtest.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from dmtest.reporting import Report
    from dmtest.targets import TargetLike

__all__ = ["app", "main"]

FINE, MISMATCH, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

# What the API calls an argument, and what it is called here.
OPTIONS = {
    "rng": "seed",
    **{
        name: name
        for name in (
            *("target", "alpha", "tests", "slices", "replicates"),
            *("key", "columns", "nonfinite"),
        )
    },
}
_NAMED = re.compile(rf"^({'|'.join(OPTIONS)}):|(?<![^\s(])({'|'.join(OPTIONS)})=")


class TargetName(StrEnum):
    """The targets that can be named on a command line."""

    normal = "normal"
    any_normal = "any-normal"
    uniform = "uniform"


class Nonfinite(StrEnum):
    """What to do with rows that hold NaN or infinity."""

    error = "error"
    drop = "drop"


app = typer.Typer(
    name="dmtest",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Errors are one line on standard error with exit code 2. DMTEST_CACHE_DIR says where "
    "null replicates are kept ('off': nowhere), DMTEST_THREADS how many threads to use.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from dmtest import __version__

        _put(f"dmtest {__version__}\n")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Does this sample really follow the distribution it is supposed to?

    Calibrated tests, effect sizes and reports for embeddings and other samples.

    \b
    dmtest demo                    a first look, on data that is built in
    dmtest report embeddings.npy   is this N(0, I)? exit code 1 if not
    dmtest tests                   which tests there are
    """


REPORT_EPILOG = """[bold]Exit codes[/]

\b
0   no evidence against the target at this level
1   mismatch: the data do not follow the target
2   bad usage or input; one line on standard error says what to do

[bold]Examples[/]

\b
dmtest report z.npy
dmtest report z.npy --target any-normal --html z.html
dmtest report z.npz --key embeddings --json - | jq .pvalue
dmtest report z.csv --columns 0:16 --nonfinite drop
dmtest report u.parquet --target uniform --low -1 --high 1
dmtest report z.npy --tests epps-pulley,shapiro-wilk --slices 256
dmtest report z.npy --quiet || echo 'not N(0, I)'
"""


@app.command(epilog=REPORT_EPILOG)
def report(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A .npy, .npz, .csv, .tsv (also .gz) or .parquet file: a row an observation.",
            show_default=False,
        ),
    ],
    target: Annotated[
        TargetName,
        typer.Option(
            help="The hypothesis: N(0, I), some normal N(m, S), or the uniform on a box.",
        ),
    ] = TargetName.normal,
    low: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Lower end of the box of --target uniform: 0."),
    ] = None,
    high: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Upper end of the box of --target uniform: 1."),
    ] = None,
    alpha: Annotated[
        float, typer.Option(metavar="LEVEL", help="Level of the verdict, over all tests together.")
    ] = 0.05,
    seed: Annotated[
        int,
        typer.Option(
            metavar="INTEGER",
            help="Seed of directions and null replicates. It is fixed so that a run can be "
            "repeated, and so that the next one finds its replicates on disk and takes seconds.",
        ),
    ] = 0,
    tests: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Tests to run, with commas between them, or 'all'; 'dmtest tests' lists them. "
            "By default a few that complement one another.",
        ),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Also write a self-contained HTML page."),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Also write the report as JSON; '-' prints it, and nothing else, to standard "
            "output.",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which array of an .npz, or column of lists."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Columns to keep: names or positions from 0 with commas between them; 0:16 are "
            "the first sixteen.",
        ),
    ] = None,
    slices: Annotated[
        int | None,
        typer.Option(metavar="INTEGER", help="Random directions to project on: 64 by default."),
    ] = None,
    replicates: Annotated[
        int,
        typer.Option(
            metavar="INTEGER",
            help="Null samples behind the p-values; no p-value is below 1 / (replicates + 1).",
        ),
    ] = 999,
    nonfinite: Annotated[
        Nonfinite,
        typer.Option(help="Rows that hold NaN or infinity: refuse them, or drop and count them."),
    ] = Nonfinite.error,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            help="Print no report and no progress: the exit code tells. Files that were asked "
            "for are written.",
        ),
    ] = False,
) -> int:
    """Report whether the rows of FILE follow a target distribution.

    Prints the verdict with the evidence for it: what is wrong in plain words, effect sizes with
    confidence intervals, the tests with calibrated p-values, and what a reader has to know about
    the data. The first run of a new shape simulates its null distribution; later runs of the
    same shape and seed find it on disk.
    """
    _check_outputs(file, html, json)
    import dmtest

    goal = _target(target, low, high)
    result = dmtest.report(
        file,
        goal,
        tests=tests,
        alpha=alpha,
        slices=slices,
        replicates=replicates,
        rng=seed,
        progress=False if quiet else None,
        key=key,
        columns=_columns(columns),
        nonfinite=nonfinite.value,
    )
    options = {"target": target.value, "low": low, "high": high, "alpha": alpha, "seed": seed}
    options |= {"tests": tests, "key": key, "columns": columns, "slices": slices}
    options |= {"replicates": None if replicates == 999 else replicates}
    options |= {"nonfinite": None if nonfinite == Nonfinite.error else nonfinite.value}
    result = _with_command(result, file, options)
    _deliver(result, html, json, quiet)
    return MISMATCH if result.verdict == "mismatch" else FINE


@app.command(
    name="tests",
    epilog="[bold]Examples[/]\n\n\b\ndmtest tests\ndmtest tests --target any-normal\n"
    "dmtest tests --json | jq -r '.[].name'\n",
)
def list_tests(
    target: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only tests of normal, any-normal, uniform or product."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead.")] = False,
) -> int:
    """List the tests: what each sees, what it costs, and where it is published.

    In the costs n is the number of rows, d of columns and k of slices.
    """
    from dmtest.registry import list_tests as registered

    rows = registered(target)
    if json:
        from dmtest.reporting.serial import dumps

        _put(dumps([row.to_dict() for row in rows]) + "\n")
    else:
        _put(_rendered(_table(rows)))
    return FINE


@app.command(epilog="[bold]Examples[/]\n\n\b\ndmtest demo\ndmtest demo --html /tmp/digits.html\n")
def demo(
    html: Annotated[
        str, typer.Option(metavar="PATH", help="Where to write the HTML page.")
    ] = "dmtest-demo.html",
) -> int:
    """Report on real data: scikit-learn's handwritten digits as a whitened embedding.

    The 1,797 images of 64 pixels are projected on their first 16 principal components and each
    is divided by its standard deviation. Mean and covariance are then those of N(0, I); the
    report says what else is. The exit code is 0 whatever the verdict.
    """
    _check_outputs(None, html, None)
    from dmtest.demo import INTRODUCTION, digits_report

    _put(f"{INTRODUCTION}\n\n")
    _deliver(digits_report(), html, None, quiet=False)
    return FINE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        0: fine; 1: mismatch; 2: bad usage or input, which one line on standard error
        explains; 130: interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # odd file names, narrow encodings
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            code = app(list(sys.argv[1:] if argv is None else argv), standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit:  # how Rich leaves when the reader of a page of help has gone away
        code = FINE
    except InputError as error:
        return _fail(_as_options(str(error)))
    except MemoryError as error:
        return _fail(f"not enough memory: {error}")
    except Exception as error:
        return _fail(_unexpected(error))
    if code == INTERRUPTED:
        _say("interrupted")
    return code if isinstance(code, int) else FINE


def _unexpected(error: Exception) -> str:
    """Say what a usage error says; any other exception is a defect, and says so.

    It must not leave by a traceback: Python would exit with 1, which a gate reads as a mismatch.
    """
    if hasattr(error, "format_message"):  # Typer's, from wherever it takes Click
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "dmtest"
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        return f"{message} (see '{command} --help')"
    if os.environ.get("DMTEST_TRACEBACK"):
        raise error
    return (
        f"unexpected {type(error).__name__}: {error}; this is a defect of dmtest, please report "
        f"it with the traceback that DMTEST_TRACEBACK=1 shows"
    )


def _as_options(message: str) -> str:
    """Speak of options, not of the API's arguments, where a message tells what to pass."""

    def option(found: re.Match[str]) -> str:
        start, within = found.groups()
        return f"--{OPTIONS[start]}:" if start else f"--{OPTIONS[within]} "

    return _NAMED.sub(option, message)


def _say(text: str) -> None:
    """Print one line on standard error."""
    if sys.stderr is not None:
        with _reader(sys.stderr):
            print("dmtest:", " ".join(text.split()), file=sys.stderr, flush=True)


def _fail(message: str) -> int:
    _say(f"error: {message}")
    return BAD_INPUT


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _say(f"warning: {message}")


@contextmanager
def _reader(stream: TextIO) -> Iterator[None]:
    """Let whoever reads a stream go away: nothing more is written, and nobody complains."""
    try:
        yield
    except OSError as error:
        # What is left in the buffer is flushed when Python exits: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise InputError(f"standard output cannot be written: {error.strerror}") from None


def _put(text: str) -> None:
    """Write to standard output, the only way anything gets there."""
    if sys.stdout is not None:
        with _reader(sys.stdout):
            sys.stdout.write(text)
            sys.stdout.flush()


def _rendered(thing: Any, width: int | None = None) -> str:
    from rich.console import Console

    console = Console(highlight=False, width=width)
    with console.capture() as capture:
        console.print(thing)
    return capture.get()


def _table(rows: Sequence[Any]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Test", no_wrap=True)
    for name in ("Family", "Targets", "Cost", "Sees", "Reference"):
        table.add_column(name)
    for row in rows:
        cells = (row.name, row.family, ", ".join(row.targets), row.cost, row.sees, row.reference)
        table.add_row(*map(Text, cells))
    return table


def _check_outputs(file: str | None, html: str | None, json: str | None) -> None:
    """Refuse outputs that cannot be written before anything is computed for them."""
    for option, path in (("--html", html), ("--json", json)):
        if path is None or (path == "-" and option == "--json"):
            continue
        place = Path(path)
        folder = place.parent
        if place.is_dir() or not path:
            raise InputError(f"{option}: {path!r} is not the name of a file; give one")
        if not folder.is_dir():
            raise InputError(f"{option}: there is no folder {str(folder)!r}; create it first")
        if not os.access(place if place.exists() else folder, os.W_OK):
            raise InputError(f"{option}: {path!r} cannot be written; choose a writable place")
        if file is not None and place.exists() and os.path.exists(file):
            if place.samefile(file):
                raise InputError(f"{option}: {path!r} is the input; choose another file")


def _target(name: TargetName, low: float | None, high: float | None) -> TargetLike:
    if low is None and high is None:
        return name.value
    if name is not TargetName.uniform:
        raise InputError(f"--low and --high are for --target uniform; got --target {name.value}")
    from dmtest.targets import Uniform

    return Uniform(0.0 if low is None else low, 1.0 if high is None else high)


def _columns(text: str | None) -> list[str | int] | None:
    """Read names and positions; a:b stands for the positions from a to b - 1."""
    if text is None:
        return None
    found: list[str | int] = []
    for part in (part.strip() for part in text.split(",")):
        if span := re.fullmatch(r"(\d+):(\d+)", part):
            found += range(int(span[1]), int(span[2]))
        else:
            found.append(int(part) if re.fullmatch(r"-?\d+", part) else part)
    return found


def _with_command(result: Report, file: str, options: dict[str, Any]) -> Report:
    """Keep the command that repeats the report in it."""
    import shlex
    from dataclasses import replace

    words = ["dmtest", "report", file]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", f"{value}"]
    return replace(result, computed=result.computed | {"command": shlex.join(words)})


def _deliver(result: Report, html: str | None, json: str | None, quiet: bool) -> None:
    """Print the report and write what was asked for; printed first, so that it is not lost."""
    if json == "-":
        _put(result.to_json())
    elif not quiet:
        _put(_rendered(result))
    notes = []
    if json not in (None, "-"):
        result.to_json(json)
        notes.append(f"JSON written to {json}")
    if html is not None:
        result.to_html(html)
        notes.append(f"HTML page written to {html}")
    if notes and not quiet and json != "-":
        _put("\n" + "\n".join(notes) + "\n")
