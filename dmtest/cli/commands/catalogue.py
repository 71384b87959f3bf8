"""The command ``dmtest tests``: the list of tests, or one of them."""

from __future__ import annotations

from typing import Annotated

import typer

from dmtest.cli import options
from dmtest.cli.console import FINE, put
from dmtest.cli.options import option
from dmtest.errors import InputError
from dmtest.results.targets import NAMED


def _test_like(incomplete: str) -> list[str]:
    from dmtest.catalogue.registry import TESTS

    return [name for name in TESTS if name.startswith(incomplete)]


def _targets_like(incomplete: str) -> list[str]:
    from dmtest.catalogue.registry import TARGETS

    return [name for name in TARGETS if name.startswith(incomplete)]


TestName = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="Describe this test: what it detects, its targets, parameters, null and reference.",
        show_default=False,
        autocompletion=_test_like,
    ),
]

Listed = Annotated[
    str | None,
    option(
        "NAME",
        f"List only the tests of this target: {', '.join(target.name for target in NAMED[:-1])} or "
        f"{NAMED[-1].name} (two samples).",
        autocompletion=_targets_like,
    ),
]

EPILOG = """\b
Exit codes:
  0   the tests were listed
  2   bad usage: one line on standard error says what to do

\b
Examples:
  dmtest tests
  dmtest tests henze-zirkler
  dmtest tests --target any-normal
  dmtest tests --json | jq -r '.[].name'
"""


def list_tests(name: TestName = None, target: Listed = None, json: options.AsJson = False) -> int:
    """List the tests, or describe one.

    The list gives the family of each test, its cost (rows n, columns d, slices k), what it
    detects, its targets and its reference.
    """
    from dmtest.catalogue.registry import as_name
    from dmtest.catalogue.registry import list_tests as registered
    from dmtest.cli.catalogue import test_card, tests_table
    from dmtest.results.shown import Records

    rows = registered(target)
    if name is not None:
        rows = Records(row for row in rows if row.name == as_name(name))
        if not rows:
            raise InputError(f"--target: {name!r} does not test {target!r}; leave the target out")
    if json:
        from dmtest.results.serial import dumps

        put(dumps([row.to_dict() for row in rows]) + "\n")
    else:
        put(tests_table(rows) if name is None else test_card(rows))
    return FINE
