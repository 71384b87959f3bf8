"""Numba kernels only: plain loops, each with an independent twin in tests/.

Import a kernel module inside the function that runs it: importing numba takes a third of a second.

Imports only `runtime`.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from dmtest.runtime import cache


def _takes_files(folder: Path) -> bool:
    """Whether a folder is there, or can be made, and new files can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _place_of_machine_code() -> str | None:
    """Return a folder for numba's machine code where it has none; None where it has one.

    numba keeps machine code beside the kernels, else in the user's cache folder, and refuses to
    work where it can write to neither: in an installation of another user, without a home. Then
    the code is kept in ``DMTEST_CACHE_DIR``, else in a folder of this user alone among temporary
    files.
    """
    if os.environ.get("NUMBA_CACHE_DIR") or _takes_files(Path(__file__).parent / "__pycache__"):
        return None
    own = cache.user_folder("numba")
    if own is not None and _takes_files(own):
        return None
    setting = os.environ.get("DMTEST_CACHE_DIR", "")
    if setting.lower() not in {"", "off", "none", "0"} and _takes_files(Path(setting) / "kernels"):
        return str(Path(setting, "kernels"))
    user = os.getuid() if hasattr(os, "getuid") else 0
    place = Path(tempfile.gettempdir(), f"dmtest-{user}")
    place.mkdir(mode=0o700, exist_ok=True)
    facts = place.lstat()  # machine code that somebody else has put there is not run
    alone = stat.S_ISDIR(facts.st_mode) and not facts.st_mode & 0o077 and facts.st_uid == user
    return str(place) if alone else tempfile.mkdtemp(prefix="dmtest-")


if (_place := _place_of_machine_code()) is not None:
    from numba.core import config

    config.CACHE_DIR = _place  # type: ignore[attr-defined]
