"""The pytest plugin: a fixture that checks an encoder's sample against a stored baseline.

pytest imports this module in every run where dmtest is installed, so it imports only pytest. The
rest of dmtest is imported when a test first uses the fixture.
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
# Options of write_baseline, and options of the data that write_baseline and check share.
BASELINE_OPTIONS = ("tests", "tolerance", "slices", "replicates")
DATA_OPTIONS = ("target", "alpha", "rng", "key", "columns", "nonfinite")
LEVEL = 0.05  # of a baseline
WRITTEN_PATHS = pytest.StashKey[list[str]]()


class DmtestCheck(Protocol):
    """Type of the function that the fixture returns."""

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
    """Report the baselines that a test wrote to the process that prints the summary."""
    report = yield
    if call.when == "teardown":
        for path in item.stash.get(WRITTEN_PATHS, []):
            report.user_properties.append(("dmtest_baseline", path))
    return report


@pytest.fixture
def dmtest_check(request: pytest.FixtureRequest) -> DmtestCheck:
    """Return a function that checks a sample against a baseline beside the test file.

    ``dmtest_check(data, name=None, **options)`` fails the test if the sample is worse than the
    baseline ``baselines/NAME.json`` or exceeds a limit. It returns the
    :class:`~dmtest.CheckResult`. The default name consists of the names of the test module and
    the test. Options are those of :func:`dmtest.check`, such as ``fail_on="mismatch"``, and
    those of :func:`dmtest.write_baseline`, with which the baseline is written.

    With ``--dmtest-update-baselines`` the baseline is written first.

    A fresh sample of the same encoder fails with a probability of at most `alpha`, 0.05 by
    default. A check that must never fail by chance takes the same rows in every run, where it is
    deterministic; see docs/ci.md.
    """
    used: set[Path] = set()

    def check(data: Any, name: str | None = None, **options: Any) -> CheckResult:
        __tracebackhide__ = True
        path = _baseline_path(request, name)
        if path in used:
            pytest.fail(
                f"dmtest: two checks of this test use the baseline {path.name}; give each a name: "
                f"dmtest_check(data, 'name').",
                pytrace=False,
            )
        used.add(path)
        return _check(request, data, path, options)

    return check


def _baseline_path(request: pytest.FixtureRequest, name: str | None) -> Path:
    test = Path(str(request.path))
    if name is None:
        name = f"{test.stem}.{request.node.name}"
    elif not name or re.search(r"[/\\]|^\.", name):
        pytest.fail(f"dmtest: {name!r} is not the name of a baseline; use letters.", pytrace=False)
    plain = re.sub(r"[^\w.+=-]+", "-", name).strip("-")
    return test.parent / FOLDER / f"{plain}.json"


def _check(
    request: pytest.FixtureRequest, data: Any, path: Path, options: dict[str, Any]
) -> CheckResult:
    __tracebackhide__ = True
    from dataclasses import replace

    from dmtest.checks.api import check
    from dmtest.checks.baseline import Baseline
    from dmtest.errors import InputError

    relative = os.path.relpath(path, request.config.rootpath)
    check_options = {k: v for k, v in options.items() if k not in BASELINE_OPTIONS}
    if not request.config.getoption(OPTION) and not path.exists():
        pytest.fail(
            f"dmtest: there is no baseline {relative}; run\n\n"
            f'    pytest {OPTION} "{request.node.nodeid}"\n\n'
            f"once, on an encoder that is as it should be, and commit the file.",
            pytrace=False,
        )
    try:
        if request.config.getoption(OPTION):
            _update(data, path, options)
            request.node.stash.setdefault(WRITTEN_PATHS, []).append(relative)
        result = check(data, replace(Baseline.from_json(path), source=relative), **check_options)
    except InputError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:  # outside of the handler, so that pytest shows only this sentence
        pytest.fail(f"dmtest: {refusal}", pytrace=False)
    if not result.passed:
        pytest.fail(
            f"{result}\n\nIf this is what the encoder should be from now on, write the baseline "
            f"{relative} again with {OPTION}.",
            pytrace=False,
        )
    return result


def _update(data: Any, path: Path, options: dict[str, Any]) -> None:
    """Write a baseline; a reader in another worker sees the old file or the new."""
    from dmtest.checks.api import write_baseline

    arguments = {k: v for k, v in options.items() if k in (*BASELINE_OPTIONS, *DATA_OPTIONS)}
    if arguments.get("alpha", 1.0) < LEVEL:  # of the check alone: a verdict at 0.001 says little
        del arguments["alpha"]
    baseline = write_baseline(data, **arguments)
    path.parent.mkdir(exist_ok=True)
    baseline.to_json(path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the baselines that were written."""
    reports = (
        one for kind in ("passed", "failed", "") for one in terminalreporter.getreports(kind)
    )
    properties = [pair for report in reports for pair in report.user_properties]
    paths = {str(value) for key, value in properties if key == "dmtest_baseline"}
    if paths:
        terminalreporter.section("dmtest baselines written")
        for path in sorted(paths):
            terminalreporter.line(path)
