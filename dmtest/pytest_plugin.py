"""The pytest plugin: a fixture that checks an encoder's sample against a stored baseline.

pytest imports it in every run where dmtest is installed, so it imports nothing but pytest: what
computes is loaded when a test first uses the fixture.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from dmtest.results.check import CheckResult

FOLDER = "baselines"
OPTION = "--dmtest-update-baselines"
# What belongs to a baseline, and what to the data whatever is done with them.
OF_BASELINE = ("tests", "tolerance", "slices", "replicates")
OF_DATA = ("target", "alpha", "rng", "key", "columns", "nonfinite")
WRITTEN = pytest.StashKey[list[str]]()


class DmtestCheck(Protocol):
    """What the fixture gives a test."""

    def __call__(self, data: Any, name: str | None = None, **options: Any) -> CheckResult:
        """Check `data` against the baseline `name`; see :func:`dmtest_check`."""
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes baselines."""
    group = parser.getgroup("dmtest", "distribution checks")
    group.addoption(
        OPTION,
        action="store_true",
        default=False,
        help="write the baselines of dmtest_check instead of checking against them",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Let the process that prints the summary know what was written, also from a worker."""
    report = yield
    if call.when == "teardown":
        for path in item.stash.get(WRITTEN, []):
            report.user_properties.append(("dmtest_baseline", path))
    return report


@pytest.fixture
def dmtest_check(request: pytest.FixtureRequest) -> DmtestCheck:
    """Give a function that checks a sample against a baseline beside the test file.

    ``dmtest_check(data, name=None, **options)`` fails the test if the sample is worse than the
    baseline ``baselines/NAME.json``, or beyond a limit; it returns the
    :class:`~dmtest.CheckResult`. The name is that of test module and test unless one is given.
    Options are those of :func:`dmtest.check`, and those of :func:`dmtest.write_baseline` that a
    baseline is written with.

    With ``--dmtest-update-baselines`` the baseline is written first.
    """
    used: set[Path] = set()

    def check(data: Any, name: str | None = None, **options: Any) -> CheckResult:
        __tracebackhide__ = True
        path = _place(request, name)
        if path in used:
            pytest.fail(
                f"dmtest: two checks of this test use the baseline {path.name}; give each a name: "
                f"dmtest_check(data, 'name').",
                pytrace=False,
            )
        used.add(path)
        return _checked(request, data, path, options)

    return check


def _place(request: pytest.FixtureRequest, name: str | None) -> Path:
    test = Path(str(request.path))
    if name is None:
        name = f"{test.stem}.{request.node.name}"
    elif not name or re.search(r"[/\\]|^\.", name):
        pytest.fail(f"dmtest: {name!r} is not the name of a baseline; use letters.", pytrace=False)
    plain = re.sub(r"[^\w.+=-]+", "-", name).strip("-")
    return test.parent / FOLDER / f"{plain}.json"


def _checked(
    request: pytest.FixtureRequest, data: Any, path: Path, options: dict[str, Any]
) -> CheckResult:
    __tracebackhide__ = True
    from dataclasses import replace

    from dmtest.checks.api import check
    from dmtest.checks.baseline import Baseline
    from dmtest.errors import InputError

    shown = os.path.relpath(path, request.config.rootpath)
    of_check = {k: v for k, v in options.items() if k not in OF_BASELINE}
    if not request.config.getoption(OPTION) and not path.exists():
        pytest.fail(
            f"dmtest: there is no baseline {shown}; run\n\n"
            f'    pytest {OPTION} "{request.node.nodeid}"\n\n'
            f"once, on an encoder that is as it should be, and commit the file.",
            pytrace=False,
        )
    try:
        if request.config.getoption(OPTION):
            _update(data, path, options)
            request.node.stash.setdefault(WRITTEN, []).append(shown)
        result = check(data, replace(Baseline.from_json(path), source=shown), **of_check)
    except InputError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:  # outside of the handler, so that pytest shows this sentence alone
        pytest.fail(f"dmtest: {refused}", pytrace=False)
    if not result.passed:
        pytest.fail(
            f"{result}\n\nIf this is what the encoder should be from now on, write the baseline "
            f"{shown} again with {OPTION}.",
            pytrace=False,
        )
    return result


def _update(data: Any, path: Path, options: dict[str, Any]) -> None:
    """Write a baseline; a reader beside it, in another worker, sees the old file or the new."""
    from dmtest.checks.api import write_baseline

    kept = {k: v for k, v in options.items() if k in (*OF_BASELINE, *OF_DATA)}
    made = write_baseline(data, **kept)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    made.to_json(partial)
    os.replace(partial, path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which baselines were written."""
    reports = (
        one for kind in ("passed", "failed", "") for one in terminalreporter.getreports(kind)
    )
    said = [v for one in reports for k, v in one.user_properties if k == "dmtest_baseline"]
    if said:
        terminalreporter.section("dmtest baselines written")
        for path in sorted({str(path) for path in said}):
            terminalreporter.line(path)
