"""Reports on several files in one call: a table, a folder of pages, one JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmtest.cli.console import explain, put, rendered, say
from dmtest.cli.inputs import STANDARD_INPUT
from dmtest.cli.outputs import announce
from dmtest.errors import DmtestError, InputError

if TYPE_CHECKING:
    from dmtest.results.report import Report


def reports_of(files: Sequence[str], one: Callable[[str], Report]) -> list[Report | str]:
    """Return the report of every file, or the sentence that says why there is none.

    A file that cannot be used does not lose the reports of the others.
    """
    if files.count(STANDARD_INPUT) > 1:
        raise InputError("-: standard input can be read once; name '-' once")
    made: list[Report | str] = []
    for file in files:
        try:
            made.append(one(file))
        except DmtestError as error:
            made.append(explain(error))
            say(f"error: {made[-1]}")
    return made


def deliver(
    files: Sequence[str],
    made: Sequence[Report | str],
    html: str | None,
    json: str | None,
    quiet: bool,
    brief: bool,
) -> None:
    """Print the table or a line for each file, then write the files."""
    from dmtest.calibration.multiplicity import holm
    from dmtest.render.text import several
    from dmtest.results import serial

    found = list(zip(files, made, strict=True))
    pvalues = [result.pvalue for result in made if not isinstance(result, str)]
    adjusted = [float(p) for p in holm(pvalues)] if pvalues else []
    if json == "-":
        put(_json(found))
    elif brief and not quiet:
        put("".join(f"{several.line(file, result)}\n" for file, result in found))
    elif not quiet:
        put(rendered(several.Several(found, adjusted)))
    notes = []
    if json not in (None, "-"):
        serial.write(str(json), _json(found))
        notes.append(f"JSON written to {json}")
    if html is not None:
        pages = _pages(found, html)
        notes.append(f"{len(pages)} HTML pages written to {html}: {', '.join(pages)}")
    if notes and not (quiet or brief or json == "-"):
        announce(*notes)


def _json(found: Sequence[tuple[str, Report | str]]) -> str:
    from dmtest.results import serial

    reports: list[dict[str, Any]] = [
        {"file": file, "error": result}
        if isinstance(result, str)
        else {"file": file, "report": result.to_dict()}
        for file, result in found
    ]
    return serial.dumps({"kind": "dmtest-reports", "schema": 1, "reports": reports}) + "\n"


def _pages(found: Sequence[tuple[str, Report | str]], folder: str) -> list[str]:
    """Write a page for each report; return the names of the pages."""
    os.makedirs(folder, exist_ok=True)
    names: list[str] = []
    for file, result in found:
        if isinstance(result, str):
            continue
        base = re.sub(r"[^\w.-]+", "_", Path(file).name).strip(".") or "report"
        base = "stdin" if file == STANDARD_INPUT else base
        name, repeat = f"{base}.html", 1
        while name in names:
            repeat += 1
            name = f"{base}-{repeat}.html"
        result.to_html(os.path.join(folder, name))
        names.append(name)
    return names


def check_folder(html: str | None) -> None:
    """Refuse a folder of pages that cannot be made, before anything is computed."""
    if html is None:
        return
    place = Path(html)
    if not html or place.is_file() or place.suffix.lower() in (".html", ".htm"):
        raise InputError(f"--html: of several files, name a folder for their pages; got {html!r}")
    if not place.absolute().parent.is_dir():
        raise InputError(f"--html: there is no folder {str(place.parent)!r}; create it first")
