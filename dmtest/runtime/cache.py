"""Null replicates kept on disk between runs.

One ``.npy`` file an entry, named by a hash of everything its numbers depend on and sealed
with a hash of its content: a damaged one is never taken for numbers. A file
is written beside its place and moved there in one step, so a reader sees the old
entry, the new one or none, whoever else is writing and whenever a writer is killed.
An entry that cannot be read is one that has to be computed again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from dmtest.errors import DataWarning

SEAL = hashlib.sha256().digest_size


def directory() -> Path | None:
    """Where entries are kept: ``DMTEST_CACHE_DIR``, else the user's cache folder.

    ``DMTEST_CACHE_DIR=off`` keeps nothing: returns None.
    """
    chosen = os.environ.get("DMTEST_CACHE_DIR", "")
    if chosen.lower() in {"off", "none", "0"}:
        return None
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("dmtest", appauthor=False)) / "nulls"


def entry_name(key: dict[str, Any]) -> str:
    """Name the entry of `key`, a JSON-able description of all that its numbers depend on."""
    text = json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40] + ".npy"


def read(name: str, width: int) -> NDArray[np.float64]:
    """Return the entry, shape (replicates, width); of zero rows when there is none."""
    missing = np.empty((0, width))
    folder = directory()
    if folder is None:
        return missing
    try:
        content = (folder / name).read_bytes()
    except OSError:  # absent, or out of reach
        return missing
    body, seal = content[:-SEAL], content[-SEAL:]
    if hashlib.sha256(body).digest() != seal:  # damaged by something beside us
        return missing
    try:
        values = npy_format.read_array(io.BytesIO(body), allow_pickle=False)
    except Exception:  # sealed, yet not by write(): its header may raise anything
        return missing
    if values.dtype != np.float64 or values.ndim != 2 or values.shape[1] != width:
        return missing
    return np.asarray(values)


def write(name: str, values: NDArray[np.float64]) -> None:
    """Put an entry in place in one step; a folder that cannot be written to is warned of."""
    folder = directory()
    if folder is None:
        return
    buffer = io.BytesIO()
    npy_format.write_array(buffer, np.ascontiguousarray(values, np.float64), allow_pickle=False)
    body = buffer.getvalue()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix="write-", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(body + hashlib.sha256(body).digest())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, folder / name)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        warnings.warn(
            f"null replicates were not kept: {error}; set DMTEST_CACHE_DIR to a folder that "
            f"can be written to, or to 'off'.",
            DataWarning,
            stacklevel=2,
        )
