"""What a caller's function returns, checked: rows of numbers, or one sentence that says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.objects import LOW_PRECISION, from_object
from dmtest.errors import InputError


def call(name: str, function: Callable[..., Any], how: str, *arguments: Any) -> Any:
    """Call a caller's function; what it raises becomes an `InputError` with its cause.

    Parameters
    ----------
    name : str
        Name of the function in messages, such as ``"draw"``.
    function : callable
    how : str
        How it is called, for the message.
    *arguments
    """
    try:
        return function(*arguments)
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise InputError(
            f"{name}: raised {type(error).__name__}{f' ({said})' if said else ''}; it is called "
            f"as {how}."
        ) from error


def as_rows(name: str, values: Any, n: int, d: int, cure: str) -> NDArray[Any]:
    """Return what a caller's function returned as n finite rows of d numbers.

    Parameters
    ----------
    name : str
        Name of the function in messages.
    values : array, tensor, frame or list
        Anything that :func:`dmtest.report` reads; n numbers for d = 1.
    n, d : int
    cure : str
        Clause that says what to do about values that are not finite.

    Returns
    -------
    ndarray, shape (n, d)
        float32 or float64, in memory of its own: a function may fill the same array again.

    Raises
    ------
    InputError
        If there are other shapes, no numbers, or values that are not finite.
    """
    if values is None:
        raise InputError(f"{name}: returned None; return an array of shape ({n}, {d}).")
    try:
        loaded = from_object(values, None, None)
    except InputError as error:
        raise InputError(f"{name}: {str(error).partition(': ')[2]}") from None
    array = loaded.array
    low = array.dtype.name.startswith(LOW_PRECISION)
    if array.dtype.kind not in "biuf" and not low:
        raise InputError(
            f"{name}: returned {array.dtype} values; return numbers, an array of shape ({n}, {d})."
        )
    if array.ndim == 1 and d == 1:
        array = array[:, None]
    if array.shape != (n, d):
        raise InputError(
            f"{name}: returned shape {loaded.array.shape}; return one row for each of the {n} "
            f"rows asked for, with the {d} columns of the data: shape ({n}, {d})."
        )
    kept = np.float32 if low or array.dtype == np.float32 else np.float64
    rows = np.array(array, dtype=kept, order="C")
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise InputError(
            f"{name}: {int(bad.sum())} of its {n} rows are not finite (first: row {first}); {cure}."
        )
    return rows
