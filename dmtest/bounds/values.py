"""Arguments and results of bounds: numbers or arrays that broadcast, refused outside domains."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.errors import InputError

Numbers: TypeAlias = "float | NDArray[np.float64]"
Kind: TypeAlias = Literal["gaussian", "uniform"]


def as_kind(kind: str) -> str:
    """Return a known kind of noise."""
    if kind not in ("gaussian", "uniform"):
        raise InputError(f"kind: got {kind!r}; choose 'gaussian' or 'uniform'.")
    return kind


def plain(value: Any) -> Numbers:
    """Return a float for a single value, else an array."""
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array


def excerpt(value: Any) -> str:
    """Return the start of a value, for messages."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def number(name: str, value: ArrayLike, infinite: bool = False) -> NDArray[np.float64]:
    """Return an array of finite numbers (or, if allowed, infinite ones)."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: got {excerpt(value)}; give a number or an array.") from None
    bad = np.isnan(array) if infinite else ~np.isfinite(array)
    if bad.any():
        raise InputError(f"{name}: got {excerpt(value)}; give finite numbers.")
    return array


def positive(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return an array of positive numbers."""
    array = number(name, value)
    if (array <= 0.0).any():
        raise InputError(f"{name}: got {excerpt(value)}; it must be positive.")
    return array


def dimension(value: ArrayLike) -> NDArray[np.float64]:
    """Return an array of dimensions: whole numbers of at least 1."""
    array = number("d", value)
    if (array < 1.0).any() or (array != np.floor(array)).any():
        raise InputError(f"d: got {excerpt(value)}; a dimension is a whole number of at least 1.")
    return array


def as_points(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two arrays of points whose last axes agree."""
    left, right = number("x", x), number("y", y)
    if left.ndim == 0 or right.ndim == 0 or left.shape[-1] != right.shape[-1]:
        raise InputError(
            f"x, y: got shapes {left.shape} and {right.shape}; the last axis of both is the "
            f"dimension d."
        )
    return left, right
