"""Files that are written whole or not at all.

The bytes go to a temporary file beside the old one, which is then replaced in one step. A reader
sees the old file or the new one, also if the disk is full or the writer is killed.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dmtest.errors import InputError

PARTIAL = ".partial"  # suffix of temporary files; a writer that is killed leaves its own
STALE = 3600.0  # seconds after which the temporary file of another writer is removed
# A folder that takes no new file, or a file that is a mount of its own (as in a container).
IN_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)


def replace(contents: Mapping[Path, bytes]) -> None:
    """Write files. None of them is changed before all new ones are on the disk.

    A device or a pipe, such as ``/dev/stdout``, takes the bytes directly. A link stays a link:
    the file that it names is replaced. Permissions of an old file are kept. An old file in a folder
    that takes no new file is written in place, which a kill may interrupt.

    Parameters
    ----------
    contents : mapping of Path to bytes

    Raises
    ------
    OSError
        If a file cannot be written; `filename` names it, and the old files are unchanged.
    """
    partial: dict[Path, str] = {}
    try:
        for path, content in contents.items():
            if _is_stream(path):
                _fill(path, content)
                continue
            target = Path(os.path.realpath(path))
            try:
                partial[target] = _beside(target, content)
            except OSError as error:
                if error.errno not in IN_PLACE or not os.access(target, os.W_OK):
                    raise OSError(error.errno, error.strerror, os.fspath(path)) from None
                _fill(target, content)
        for target, temporary in list(partial.items()):
            try:
                os.replace(temporary, target)
                del partial[target]
            except OSError as error:
                if error.errno not in IN_PLACE or not os.access(target, os.W_OK):
                    raise OSError(error.errno, error.strerror, os.fspath(target)) from None
                _fill(target, Path(temporary).read_bytes())
    finally:
        for temporary in partial.values():
            with suppress(OSError):
                os.unlink(temporary)


def save(contents: Mapping[Path, bytes]) -> None:
    """Write files as :func:`replace` does, for a user: what fails is an InputError."""
    try:
        replace(contents)
    except (OSError, ValueError) as error:
        name = getattr(error, "filename", None) or os.fspath(next(iter(contents)))
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{name!r}: cannot be written ({reason}); choose an existing, writable folder with "
            f"space for it"
        ) from None


def _is_stream(path: Path) -> bool:
    """Whether a path names a device, a pipe, or a stream of a process."""
    if path.parts[:2] == ("/", "proc") or path.parts[:3] in (
        ("/", "dev", "stdout"),
        ("/", "dev", "stderr"),
        ("/", "dev", "fd"),
    ):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _fill(path: Path, content: bytes) -> None:
    """Write the bytes to a file as it stands."""
    try:
        with path.open("wb") as file:
            file.write(content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _beside(target: Path, content: bytes) -> str:
    """Write the bytes to a temporary file in the folder of `target`; return its path."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(target))
    start = f".{target.name[:40]}-"
    _sweep(target.parent, start)
    temporary = os.fspath(target.parent / f"{start}{secrets.token_hex(6)}{PARTIAL}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def _sweep(folder: Path, start: str) -> None:
    """Remove temporary files of a target whose writers were killed long ago."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(start) and entry.name.endswith(PARTIAL):
                with suppress(OSError):
                    if time.time() - entry.stat().st_mtime > STALE:
                        os.unlink(entry.path)
