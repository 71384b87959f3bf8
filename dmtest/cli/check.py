"""The command ``dmtest check``: write a baseline, run a check, deliver the result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dmtest.checks.limits import LIMITS
from dmtest.cli.console import put, rendered
from dmtest.cli.outputs import announce
from dmtest.errors import InputError, printable

if TYPE_CHECKING:
    from dmtest.results.check import CheckResult

# Options for writing a baseline, and for a check. Each refuses the options of the other.
WRITTEN = ("alpha", "tolerance", "tests")
CHECKED = ("alpha", *LIMITS, "compare", "rotation", "fail_on")


def write(
    file: str,
    path: str,
    baseline: str | None,
    requested: Mapping[str, Any],
    data: Mapping[str, Any],
    quiet: bool,
    name: str = "",
) -> None:
    """Write a baseline of a file, and print what it contains; `name` is that of the file."""
    import dmtest

    if baseline is not None:
        raise InputError("baseline: give either --baseline or --write-baseline, not both.")
    given = _applicable(requested, WRITTEN, "a baseline is being written; leave it out")
    options = dict(data) | {"target": "normal" if data["target"] is None else data["target"]}
    written = dmtest.write_baseline(file, path, **options, **given)
    if quiet:
        return
    rows = f"all {written.n:,} rows"
    if len(written.sample) < written.n:
        rows = f"{len(written.sample):,} of its {written.n:,} rows, at random"
    size = os.path.getsize(path) / 1024.0
    put(
        f"Baseline of {printable(f'{name or file} written to {path}')} ({size:,.0f} KiB): "
        f"{written.report.verdict}, global p = {written.report.pvalue:.3g}, target "
        f"{written.report.target}; it holds {rows}.\n"
    )


def run(
    file: str, baseline: str | None, requested: Mapping[str, Any], data: Mapping[str, Any]
) -> CheckResult:
    """Check a file against a baseline, limits, or both."""
    import dmtest

    why = "it is the baseline's; give it with --write-baseline"
    given = _applicable(requested, CHECKED, why)
    return dmtest.check(file, baseline, **data, **given)


def _applicable(requested: Mapping[str, Any], names: tuple[str, ...], why: str) -> dict[str, Any]:
    for name, value in requested.items():
        if name not in names and value is not None and value is not False:
            raise InputError(f"--{name.replace('_', '-')}: {why}.")
    return {k: v for k, v in requested.items() if k in names and v is not None and v is not False}


def deliver(
    result: CheckResult,
    json: str | None,
    junit: str | None,
    github: bool | None,
    html: str | None,
    quiet: bool,
    brief: bool = False,
) -> None:
    """Print the check, then write the files."""
    if json == "-":
        put(result.to_json())
    elif brief and not quiet:
        from dmtest.render.text.check import line

        put(line(result) + "\n")
    elif not quiet:
        put(rendered(result))
    if json not in (None, "-"):
        result.to_json(json)
    if junit is not None:
        result.to_junit(junit)
    if html is not None:
        result.to_html(html)
        if not (quiet or brief or json == "-"):
            announce(f"HTML page written to {html}")
    asked = os.environ.get("GITHUB_ACTIONS") == "true" and not quiet if github is None else github
    if asked:
        lines = "".join(f"{line}\n" for line in result.annotations())
        # GitHub reads both streams; a program that reads the JSON reads standard output only.
        put(lines, commands=True, error=json == "-")
