"""Checks of arguments that several entry points share; every error names the cure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dmtest.errors import InputError

FEWEST_REPLICATES = 19


def whole(name: str, value: Any, least: int, why: str = "") -> int:
    """Return a whole number of at least `least`.

    Parameters
    ----------
    name : str
        Name of the argument, for the error message.
    value : Any
    least : int
    why : str
        End of the error message.

    Returns
    -------
    int
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name}: got {value!r}; give a whole number of at least {least}{why}.")
    return int(value)


def level(name: str, value: Any, example: float) -> float:
    """Return a number strictly between 0 and 1."""
    if not isinstance(value, float | np.floating) or not 0.0 < value < 1.0:
        raise InputError(
            f"{name}: got {value!r}; choose a number between 0 and 1, such as {example}."
        )
    return float(value)


def positive(name: str, value: Any) -> float:
    """Return a positive finite number."""
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not good or not 0.0 < float(value) < math.inf:
        raise InputError(f"{name}: got {value!r}; give a positive number.")
    return float(value)


def unmasked(name: str, x: Any) -> Any:
    """Return what is no masked array, or hides nothing; a hidden value has to be left out."""
    if not isinstance(x, np.ma.MaskedArray):
        return x
    if hidden := int(np.count_nonzero(np.ma.getmaskarray(x))):
        raise InputError(
            f"{name}: {hidden} values are masked; leave their rows out, or pass x.data to use them."
        )
    return x.data


def check_replicates(replicates: Any, alpha: float = 0.05) -> int:
    """Return a number of replicates that permits p-values as small as `alpha`."""
    count = whole("replicates", replicates, FEWEST_REPLICATES, ", for a p-value as small as 0.05")
    if count + 1 < 1.0 / alpha:
        raise InputError(
            f"replicates: {count} cannot give a p-value as small as alpha = {alpha}; "
            f"take at least {math.ceil(1.0 / alpha) - 1}."
        )
    return count


def refuse(target: str, **arguments: Any) -> None:
    """Refuse arguments that were given and do not apply to a target."""
    for name, value in arguments.items():
        if value is not None:
            raise InputError(f"{name}: does not apply to target {target}(...); leave it out.")
