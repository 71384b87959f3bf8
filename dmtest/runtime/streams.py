"""Named random streams: one entropy, one independent generator for every name.

A stream depends on the entropy, its name and its index, on nothing else: adding a
test, a worker or a thread changes no other number that is drawn.
"""

from __future__ import annotations

import zlib
from typing import TypeAlias

import numpy as np

from dmtest.errors import InputError

RngLike: TypeAlias = "int | np.integer | np.random.Generator | None"

# Entropy is kept below 2**53 so that it survives JSON readers that hold numbers as doubles.
_ENTROPY_BITS = 53


def entropy_of(rng: RngLike) -> int:
    """Reduce scipy's ``rng=`` convention to the integer that all streams derive from.

    Parameters
    ----------
    rng : None, int or numpy Generator
        None takes fresh entropy from the system; an int is used as it is; a
        Generator is advanced by one draw.

    Returns
    -------
    int
        Pass it back as ``rng=`` to repeat the run.

    Raises
    ------
    InputError
        If `rng` is negative or of another type.
    """
    if rng is None:
        return int(np.random.SeedSequence().entropy) % (1 << _ENTROPY_BITS)  # type: ignore[arg-type]
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(1 << _ENTROPY_BITS))
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        if rng < 0:
            raise InputError(f"rng: a seed must be >= 0; got {rng}.")
        return int(rng)
    raise InputError(
        f"rng: got {type(rng).__name__}; pass None, an int seed or a numpy.random.Generator."
    )


def stream(entropy: int, name: str, *index: int) -> np.random.Generator:
    """Return the generator of the stream `name` (and `index` within it)."""
    key = (zlib.crc32(name.encode()), *index)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy, spawn_key=key)))
