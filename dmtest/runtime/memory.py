"""Scratch memory that a thread keeps between calls: new pages cost more than a small task."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Most pieces of memory that a thread keeps, and most bytes of each.
PIECES, BYTES = 3, 1 << 24

_spare = threading.local()


@contextmanager
def scratch(count: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Lend memory for `count` values, not initialised, until the end of the block.

    The memory is removed from the thread's pieces, so a nested call gets other memory. Nothing
    that outlives the block may refer to it.
    """
    pieces: list[NDArray[np.uint8]] = _spare.__dict__.setdefault("pieces", [])
    size = count * dtype.itemsize
    piece = next((p for p in pieces if p.size >= size), None)
    if piece is None:
        piece = np.empty(size, dtype=np.uint8)
    else:
        pieces[:] = [p for p in pieces if p is not piece]
    try:
        yield piece[:size].view(dtype)
    finally:
        if piece.size <= BYTES:
            # The largest pieces stay; sorted, so that the search takes the smallest that fits.
            pieces.append(piece)
            pieces.sort(key=len)
            del pieces[:-PIECES]
