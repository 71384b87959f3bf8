"""Python in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def python(
    *arguments: str | Path, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments; `env` is added to the environment of this process."""
    command = [sys.executable, *map(str, arguments)]
    options = {"capture_output": True, "encoding": "utf-8", "check": False} | options
    return subprocess.run(command, env=os.environ | (env or {}), **options)
