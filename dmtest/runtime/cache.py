"""Cache of null replicates on disk.

An entry is one ``.npy`` file. Its name is a hash of everything its numbers depend on, and its last
bytes are a hash of its content, so a damaged entry is never used. An entry is written in one step:
a reader sees the old entry, the new one or none, even if another process writes at the same time or
a writer is killed. An entry that cannot be read is computed again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from dmtest.errors import DataWarning
from dmtest.runtime import files

SEAL = hashlib.sha256().digest_size
# Entries by name while `in_memory` is entered, and how many times it is.
_memory: dict[str, NDArray[np.float64]] = {}
_entered = 0


@contextmanager
def in_memory() -> Iterator[None]:
    """Keep the entries of a block of code in memory too: it needs them again and again.

    They are then computed once also where the cache is off or its folder cannot be used.
    """
    global _entered
    _entered += 1
    try:
        yield
    finally:
        _entered -= 1
        if not _entered:
            _memory.clear()


def directory() -> Path | None:
    """Return the folder of entries: ``DMTEST_CACHE_DIR``, else the user's cache folder.

    ``DMTEST_CACHE_DIR=off`` switches the cache off, and a user without a home has none: returns
    None.
    """
    setting = os.environ.get("DMTEST_CACHE_DIR", "")
    if setting.lower() in {"off", "none", "0"}:
        return None
    if setting:
        return Path(setting)
    place = user_folder("dmtest")
    return None if place is None else place / "nulls"


def user_folder(name: str) -> Path | None:
    """Return the user's cache folder of a program; None for a user without a home."""
    from platformdirs import user_cache_dir

    try:
        place = Path(user_cache_dir(name, appauthor=False))
    except RuntimeError:
        return None
    return place if place.is_absolute() else None  # it may be "~/.cache" as it stands


def entry_name(key: dict[str, Any]) -> str:
    """Return the file name of the entry of `key`, a JSON-able dict of all its numbers depend on."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40] + ".npy"


def read(name: str, width: int) -> NDArray[np.float64]:
    """Return the entry, shape (replicates, width), or no rows if there is no valid entry."""
    absent = np.empty((0, width))
    known = _memory.get(name)
    if known is not None:
        return known
    folder = directory()
    if folder is None:
        return absent
    try:
        content = (folder / name).read_bytes()
    except OSError:  # absent or not readable
        return absent
    body, seal = content[:-SEAL], content[-SEAL:]
    if hashlib.sha256(body).digest() != seal:  # damaged
        return absent
    try:
        values = npy_format.read_array(io.BytesIO(body), allow_pickle=False)
    except Exception:  # a valid hash, but not from write(): the header may raise anything
        return absent
    if values.dtype != np.float64 or values.ndim != 2 or values.shape[1] != width:
        return absent
    return np.asarray(values)


def write(name: str, values: NDArray[np.float64]) -> None:
    """Write an entry in one step; warn if the folder cannot be written to."""
    if _entered:
        _memory[name] = np.array(values, dtype=np.float64)
    folder = directory()
    if folder is None:
        return
    buffer = io.BytesIO()
    npy_format.write_array(buffer, np.ascontiguousarray(values, np.float64), allow_pickle=False)
    body = buffer.getvalue()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.replace({folder / name: body + hashlib.sha256(body).digest()})
    except OSError as error:
        # Without the name of the entry: one sentence for all entries of a run.
        warnings.warn(
            f"null replicates were not kept in {str(folder)!r} ({error.strerror}); set "
            f"DMTEST_CACHE_DIR to a folder that can be written to, or to 'off'.",
            DataWarning,
            stacklevel=2,
        )
