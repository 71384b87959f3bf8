"""The pages' code is run from the root of the repository, whatever folder pytest was started in."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the folder for one page or module."""
    monkeypatch.chdir(Path(__file__).parents[1])
