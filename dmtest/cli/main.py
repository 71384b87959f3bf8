"""The command line: arguments in, text and exit codes out."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from dmtest.cli import defaults
from dmtest.cli.commands import (
    bounds,
    catalogue,
    check,
    compare,
    demo,
    monitor,
    report,
    tables,
    train,
)
from dmtest.cli.console import (
    BAD_INPUT,
    FINE,
    INTERRUPTED,
    explain,
    prepare,
    put,
    say,
    warn,
)
from dmtest.cli.options import option

COMPLETION = {"--install-completion", "--show-completion"}


def _version(wanted: bool) -> None:
    if wanted:
        from dmtest import __version__

        put(f"dmtest {__version__}\n")
        raise typer.Exit


# A line that holds \b alone keeps the lines of the paragraph below it as they are.
START = """\b
Start here:
  dmtest demo                    a first look, on data that come with dmtest
  dmtest report embeddings.npy   is this N(0, I)? exit code 1 if not
  dmtest compare a.npy b.npy     do both have the same distribution?
  dmtest tests                   list the tests
  dmtest tests energy            describe one of them

\b
Environment:
  DMTEST_CACHE_DIR   folder for null replicates; 'off' keeps none
  DMTEST_THREADS     number of threads (default: one for each core)
  DMTEST_CONFIG      file with the table [tool.dmtest], whose keys are the
                     defaults of options; 'off' reads none (default: the
                     nearest pyproject.toml)

\b
Completion of commands, options and names of tests:
  dmtest --install-completion    for bash, zsh, fish or PowerShell

Results go to standard output; progress, on a terminal only, and errors to standard error. An
error is one line, with exit code 2.
"""

Version = Annotated[
    bool,
    option(None, "Print the version and exit.", "--version", callback=_version, is_eager=True),
]

# Commands for which the keys of [tool.dmtest] itself are meant, and what each does not take there.
TESTING: dict[str, tuple[str, ...]] = {
    "report": (),
    "check": (),
    "compare": ("tests",),
    "monitor": (),
}

app = typer.Typer(
    name="dmtest",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=START,
)


@app.callback()
def top(version: Version = False) -> None:
    """Test whether a sample really follows the distribution it is supposed to.

    Calibrated tests, effect sizes and reports for embeddings and other samples.
    """


app.command(epilog=report.EPILOG)(report.report)
app.command(epilog=check.EPILOG)(check.check)
app.command(epilog=compare.EPILOG)(compare.compare)
app.command(epilog=bounds.EPILOG)(bounds.bounds)
app.command(name="tests", epilog=catalogue.EPILOG)(catalogue.list_tests)
app.command(epilog=monitor.EPILOG)(monitor.monitor)
app.command(epilog=demo.EPILOG)(demo.demo)
app.command(epilog=tables.UNIVARIATE)(tables.univariate)
app.command(epilog=tables.OUTLIERS)(tables.outliers)
app.command(name="train", epilog=train.EPILOG)(train.train)


def main(argv: Sequence[str] | None = None, interrupts: Sequence[int] = ()) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.
    interrupts : sequence of int
        Signals that have come, by the time that it is looked at.

    Returns
    -------
    int
        0: fine; 1: mismatch; 2: bad usage or input, which one line on standard error
        explains; 130: interrupted.
    """
    prepare()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = warn
            arguments = list(sys.argv[1:] if argv is None else argv)
            if not arguments:
                app(["--help"], prog_name="dmtest", standalone_mode=False)
                return BAD_INPUT  # a gate that lost its arguments is no pass
            more = {"default_map": _project_defaults(arguments)}
            code = app(arguments, prog_name="dmtest", standalone_mode=False, **more)
            if code and COMPLETION.intersection(arguments):
                code = BAD_INPUT  # a shell that Typer cannot complete for, which Typer has reported
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit:  # how Rich exits when the reader of a page of help has closed the pipe
        code = FINE
    except Exception as error:
        if not interrupts:
            # Python ends a traceback with exit code 1, which a gate would read as a mismatch.
            say(f"error: {explain(error)}")
            if os.environ.get("DMTEST_TRACEBACK"):
                raise
            return BAD_INPUT
        code = INTERRUPTED  # an interrupted import of compiled code is an ImportError
    if code == INTERRUPTED:
        say("interrupted")
    return code if isinstance(code, int) else FINE


def _project_defaults(arguments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the defaults that the project's file sets, by command and parameter."""
    if {"-h", "--help", "--version"}.intersection(arguments):
        return {}
    path = defaults.project_file()
    if path is None:
        return {}
    table = defaults.read(path)
    if not table:
        return {}
    group: Any = typer.main.get_command(app)
    commands = {
        name: {
            option.removeprefix("--"): str(parameter.name)
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--")
        }
        for name, command in group.commands.items()
    }
    return defaults.defaults(path, table, commands, TESTING)
