"""Counts of the values of slices in fine cells, with the sum of their places within a cell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Values within REACH of 0 fall into cells of width 1 / PER_UNIT. Beyond, PER_OCTAVE cells divide
# each doubling of the distance, for OCTAVES doublings.
REACH, PER_UNIT = 8, 4096
PER_OCTAVE, OCTAVES = 16, 60
MIDDLE, TAIL = 2 * REACH * PER_UNIT, PER_OCTAVE * OCTAVES
CELLS = MIDDLE + 2 * TAIL
# Places of a value within its cell are whole numbers below this.
PLACES = 1 << 16
# A packed cell holds the number of its values above these bits, and the sum of their places in
# them: MOST_PACKED values overflow neither.
BITS = 40
MOST_PACKED = 1 << 22


@njit(cache=True, nogil=True, error_model="numpy")
def cell_counts(block: NDArray[Any], edges: NDArray[np.float64], out: NDArray[np.int64]) -> None:
    """Add the values of every slice to its cells.

    Parameters
    ----------
    block : ndarray, shape (tiles, k, n)
        Finite values. One slice after the other is counted in all tiles, as its cells fit into the
        cache and those of all slices do not.
    edges : ndarray, shape (CELLS + 1,)
        Edges of the cells; values beyond the last ones count in the last cells.
    out : ndarray, shape (k, CELLS)
        Packed cells, to be added to.
    """
    tiles, k, n = block.shape
    for place_in_all in range(k * tiles):
        row, tile = place_in_all // tiles, place_in_all % tiles
        values, cells = block[tile, row], out[row]
        for i in range(n):
            y = np.float64(values[i])
            if -REACH <= y < REACH:
                fine = int((y + REACH) * (PER_UNIT * PLACES))
                cell = TAIL + fine // PLACES
                place = fine % PLACES
            else:
                far = int(PER_OCTAVE * math.log2(abs(y) / REACH))
                far = min(max(far, 0), TAIL - 1)
                cell = TAIL + MIDDLE + far if y > 0.0 else TAIL - 1 - far
                # The logarithm may round to the neighbour: the edges decide.
                while cell < TAIL - 1 and y >= edges[cell + 1]:
                    cell += 1
                while TAIL + MIDDLE - 1 < cell < CELLS - 1 and y >= edges[cell + 1]:
                    cell += 1
                while 0 < cell < TAIL and y < edges[cell]:
                    cell -= 1
                while cell > TAIL + MIDDLE and y < edges[cell]:
                    cell -= 1
                share = (y - edges[cell]) / (edges[cell + 1] - edges[cell])
                place = int(share * PLACES)
                place = min(max(place, 0), PLACES - 1)
            cells[cell] += (1 << BITS) + place
