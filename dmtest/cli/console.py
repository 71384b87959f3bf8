"""Standard output and standard error of the command line: tables, warnings, errors."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from dmtest.errors import DmtestError, InputError, printable

if TYPE_CHECKING:
    pass

FINE, MISMATCH, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
# Names of arguments in the API, and of the options for them; limits of a check are added below.
OPTIONS = {name: name for name in ("target", "alpha", "tests", "slices", "replicates")}
OPTIONS |= {name: name for name in ("tolerance", "noise", "sigma", "epsilon", "augmented")}
OPTIONS |= {name: name for name in ("baseline", "compare", "rotation")}
OPTIONS |= {name: name for name in ("labels", "by", "rows")}
OPTIONS |= {"rng": "seed", "key": "key", "columns": "columns", "nonfinite": "nonfinite"}
OPTIONS |= {"delimiter": "delimiter", "groups": "groups"}
OPTIONS |= {"tolerance_rows": "tolerance-rows"}


def prepare() -> None:
    """Escape characters that the terminal cannot encode, instead of failing."""
    # Its warnings, such as of a folder that it cannot write to, are lines of its own.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def put(text: str, commands: bool = False, error: bool = False) -> None:
    """Write to standard output, or to standard error. Nothing else does.

    A line that begins with ``::`` is a command to GitHub's runners: `commands` says that it is
    meant to be; where a name begins so, the first colon is escaped.
    """
    stream = sys.stderr if error else sys.stdout
    if stream is not None:
        text = text if commands else re.sub(r"(?m)^(\s*):(?=:)", r"\1\\x3a", text)
        with _sink(stream):
            stream.write(text)
            stream.flush()


def say(text: str) -> None:
    """Write one line to standard error."""
    if sys.stderr is not None:
        with _sink(sys.stderr):
            print("dmtest:", printable(" ".join(text.split())), file=sys.stderr, flush=True)


def warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning. The signature is that of `warnings.showwarning`."""
    say(f"warning: {message}")


def hush(quiet: bool) -> None:
    """Leave out warnings for the rest of the run, if it is quiet; errors are still said."""
    if quiet:
        warnings.simplefilter("ignore")


@contextmanager
def unbroken() -> Iterator[None]:
    """Let an interrupt wait while compiled code is imported, which it may end with an abort."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _sink(stream: TextIO) -> Iterator[None]:
    """End output silently when the reader of a stream has closed it."""
    try:
        yield
    except OSError as error:
        # Python flushes the buffer at exit, which would fail again: send the rest to os.devnull.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError) and stream is sys.stdout:
            raise InputError(f"standard output cannot be written: {error.strerror}") from None


def rendered(thing: Any, width: int | None = None) -> str:
    """Return what Rich would print on standard output, with its colours if it is a terminal."""
    from rich.console import Console

    console, text = Console(highlight=False, width=width), ""
    with _sink(sys.stdout):  # Rich writes an empty text to it, which may fail
        with console.capture() as capture:
            console.print(thing)
        text = capture.get()
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def as_options(message: str) -> str:
    """Replace arguments of the API by options where a message says what to pass."""
    from dmtest.checks.limits import LIMITS  # here: it loads numpy, and --help does not

    options = OPTIONS | {name: name.replace("_", "-") for name in LIMITS}
    names = "|".join(options)

    def option(found: re.Match[str]) -> str:
        start, within, value = found.groups()
        return f"--{options[start]}:" if start else f"--{options[within]}{' ' if value else ''}"

    message = re.sub(r"\btarget=Sphere\(normalise=True\)", "--normalise", message)
    message = re.sub(r"\bcolumns=range\((\d+), (\d+)\)", r"--columns \1:\2", message)
    message = re.sub(r"\bcolumns=\[([^]]*)\]", _listed_columns, message)
    # An argument at the start of a message, or one that it says to pass; not within a path.
    return re.sub(rf"^({names}):|(?<![^\s(])({names})=(?=(\w|')?)", option, message)


def _listed_columns(found: re.Match[str]) -> str:
    """Return columns in brackets as the option has them, quoted for a shell if need be."""
    import ast
    import shlex

    try:
        columns = ast.literal_eval(f"[{found[1]}]")
    except (ValueError, SyntaxError):
        return f"--columns {found[1]}"
    return f"--columns {shlex.quote(','.join(map(str, columns)))}"


def explain(error: Exception) -> str:
    """Turn an exception into one line for a user."""
    if isinstance(error, InputError):
        return as_options(str(error))
    if isinstance(error, DmtestError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}"
    if hasattr(error, "format_message"):  # Typer's, from wherever it takes its Click
        context: Any = getattr(error, "ctx", None)
        command = context.command_path if context else "dmtest"
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        message = re.sub(r"^Invalid value for '(--[\w-]+)': \1: ", r"\1: ", message)
        name = getattr(getattr(error, "param", None), "name", None)
        source = context.get_parameter_source(name) if context and name else None
        if source is not None and source.name == "DEFAULT_MAP":
            return f"{message} (it is set in [tool.dmtest], which DMTEST_CONFIG=off leaves out)"
        return f"{message} (see '{command} --help')"
    if isinstance(error, OSError):
        return str(error)
    return (
        f"unexpected {type(error).__name__}: {error}; this is a defect of dmtest, please report "
        f"it with the traceback that DMTEST_TRACEBACK=1 shows"
    )
