"""Memory that a thread keeps between calls: touching fresh pages costs more than small work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What a thread keeps at most: pieces of memory, and bytes of each.
PIECES, BYTES = 3, 1 << 24

_held = threading.local()


@contextmanager
def borrowed(count: int, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Give `count` values of memory, not set to anything, until the end of the block.

    What is borrowed is taken out of what the thread holds, so a borrower within the block gets
    other memory. Nothing that outlives the block may refer to it.
    """
    pieces: list[NDArray[np.uint8]] = _held.__dict__.setdefault("pieces", [])
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
            # The largest are kept, the smallest that fits is found first.
            pieces.append(piece)
            pieces.sort(key=len)
            del pieces[:-PIECES]
