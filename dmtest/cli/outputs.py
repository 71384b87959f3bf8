"""Output files of the commands: refused before anything is computed, written after printing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmtest.cli.console import put, rendered
from dmtest.cli.inputs import SPOKEN, STANDARD_INPUT
from dmtest.errors import InputError, printable

if TYPE_CHECKING:
    from dmtest.results.check import CheckResult
    from dmtest.results.report import Report


def check_outputs(
    file: str | None,
    html: str | None,
    json: str | None,
    junit: str | None = None,
    baseline: str | None = None,
    state: str | None = None,
    rows: str | None = None,
) -> None:
    """Refuse outputs that cannot be written, before anything is computed."""
    json = None if json == "-" else json
    outputs = {"--html": html, "--json": json, "--junit": junit, "--write-baseline": baseline}
    outputs |= {"--state": state, "--rows": rows}
    for option, path in outputs.items():
        if path is None:
            continue
        place = Path(path)
        if not path or place.is_dir():
            raise InputError(f"{option}: {path!r} is not the name of a file; give one")
        if not place.parent.is_dir():
            raise InputError(f"{option}: there is no folder {str(place.parent)!r}; create it first")
        if not os.access(place if place.exists() else place.parent, os.W_OK):
            raise InputError(f"{option}: {path!r} cannot be written; choose a writable place")
        if file and place.exists() and os.path.exists(file) and place.samefile(file):
            raise InputError(f"{option}: {path!r} is the input; choose another file")


def with_command(result: Report, start: list[str], options: dict[str, Any]) -> Report:
    """Add the command that repeats the report to it."""
    import shlex
    from dataclasses import replace

    from dmtest.data.readers.remote import is_url, public_url

    words = ["dmtest", *start]
    for name, value in options.items():
        if value is not None and value is not False:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    # Passwords and signatures of URLs are used for this run only.
    words = [public_url(word) if is_url(word) else word for word in words]
    facts = replace(result.provenance, command=shlex.join(words))
    if STANDARD_INPUT in start:
        facts = replace(facts, source=SPOKEN if start[1] == STANDARD_INPUT else facts.source)
        facts = replace(facts, command=None)  # what was piped in cannot be named
    return replace(result, provenance=facts)


def spoken_result(result: CheckResult, file: str) -> CheckResult:
    """Name standard input in a check as a reader would."""
    from dataclasses import replace

    if file != STANDARD_INPUT:
        return result
    facts = replace(result.report.provenance, source=SPOKEN)
    return replace(result, report=replace(result.report, provenance=facts))


def deliver(
    result: Report,
    html: str | None,
    json: str | None,
    quiet: bool = False,
    brief: bool = False,
    verbose: bool = False,
) -> None:
    """Print the report, then write the files: a full disk cannot lose what is printed."""
    if json == "-":
        put(result.to_json())
    elif brief and not quiet:
        from dmtest.render.text.several import line

        put(line(result.provenance.source or "data", result) + "\n")
    elif not quiet:
        from dmtest.render.text.terminal import Whole

        put(rendered(Whole(result) if verbose else result))
    notes = []
    if json not in (None, "-"):
        result.to_json(json)
        notes.append(f"JSON written to {json}")
    if html is not None:
        result.to_html(html)
        notes.append(f"HTML page written to {html}")
    if notes and not (quiet or brief or json == "-"):
        announce(*notes)


def announce(*notes: str) -> None:
    """Print what was written, a line each; a path may hold characters that a terminal obeys."""
    put("\n" + "\n".join(map(printable, notes)) + "\n")
