"""Named random streams: one independent generator for every name, from one entropy.

A stream depends only on the entropy, its name and its index: another test, worker or thread
changes no draw of a stream.
"""

from __future__ import annotations

import zlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.errors import InputError

RngLike: TypeAlias = "int | np.integer | np.random.Generator | None"

# Entropy stays below 2**53, so that JSON readers that store numbers as doubles keep it exact.
_ENTROPY_BITS = 53


def entropy_of(rng: RngLike) -> int:
    """Reduce scipy's ``rng=`` convention to the integer that all streams derive from.

    Parameters
    ----------
    rng : None, int or numpy Generator
        None draws new entropy from the system; an int is used as it is; one number is drawn
        from a Generator.

    Returns
    -------
    int
        The entropy; passed as ``rng=`` it repeats the run.

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


def some_rows(rng: np.random.Generator, n: int, count: int) -> NDArray[np.intp]:
    """Choose `count` of n rows without replacement; in ascending order, for reading from files."""
    return np.sort(rng.choice(n, count, replace=False, shuffle=False))


def stream(entropy: int, name: str, *index: int) -> np.random.Generator:
    """Return the generator of the stream `name` (and `index` within it)."""
    key = (zlib.crc32(name.encode()), *index)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy, spawn_key=key)))
