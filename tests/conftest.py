"""Fixtures for the tests of every room."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dmtest.cli import main as cli


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate nulls every time."""
    monkeypatch.setenv("DMTEST_CACHE_DIR", "off")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a cache for one test alone."""
    monkeypatch.setenv("DMTEST_CACHE_DIR", str(tmp_path / "nulls"))
    return tmp_path / "nulls"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command line here: exit code, stdout, stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run
