"""Calls that many tests make: of what is refused, and of Python in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmtest.errors import InputError


def refused(said: str | None, function: Callable[..., object], /, *args: Any, **more: Any) -> str:
    """Check that a call raises InputError whose message matches `said`; return the message."""
    with pytest.raises(InputError, match=said) as caught:
        function(*args, **more)
    return str(caught.value)


def python(
    *arguments: str | Path, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments; `env` is added to the environment of this process."""
    command = [sys.executable, *map(str, arguments)]
    options = {"capture_output": True, "encoding": "utf-8", "check": False} | options
    return subprocess.run(command, env=os.environ | (env or {}), **options)
