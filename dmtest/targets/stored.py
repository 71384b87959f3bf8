"""Targets in stored files: a description from which a target is rebuilt or recognised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.sample import Sample
from dmtest.errors import InputError
from dmtest.targets.ranks import Ranks
from dmtest.targets.targets import (
    CLASSES,
    AnyNormal,
    Normal,
    Sphere,
    Target,
    TargetLike,
    Uniform,
    as_target,
)

PROBE_ROWS = 4


def describe_target(target: Target, rows: NDArray[Any] | None) -> dict[str, Any]:
    """Return the name of a target with its parameters if they are numbers, else with a probe.

    The probe of a target with other parameters (margins, a covariance) is the transform of some
    rows of the sample to normal scale, which differs for another target. Without rows the
    description is only the name.
    """
    description: dict[str, Any] = {"name": target.name}
    if rows is None or isinstance(target, AnyNormal):
        return description
    if isinstance(target, Normal) and target.name == "normal":
        return description
    if isinstance(target, Uniform) and target.low.ndim == target.high.ndim == 0:
        return description | {"low": float(target.low), "high": float(target.high)}
    if isinstance(target, Sphere):
        return description | {"normalise": target.normalise}
    if isinstance(target, Ranks):
        return description | {"draws": target.draws, "independent": target.independent}
    return description | {"probe": _probe(target, rows)}


def resolve_target(
    stored: Mapping[str, Any],
    requested: TargetLike | None,
    rows: NDArray[Any] | None,
    file: str,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> Target:
    """Rebuild a stored target, or check that a requested target is the same.

    Parameters
    ----------
    stored : dict
        Description from :func:`describe_target`.
    requested : str or target object, optional
    rows : ndarray, shape (n, d), or None
        Rows with which the target was described.
    file : str
        Name of the file for messages, such as ``"the baseline b.json"``.
    rtol, atol : float
        Relative and absolute tolerance of probes, on normal scale.

    Returns
    -------
    Target

    Raises
    ------
    InputError
        If the requested target is another one, or none is requested and the stored one cannot be
        rebuilt.
    """
    if requested is None:
        return _rebuild(stored, file)
    target = as_target(requested)
    same = target.name == stored["name"]
    if same:
        now = describe_target(target, rows)
        here, there = now.pop("probe", None), stored.get("probe")
        same = now == {k: v for k, v in stored.items() if k != "probe"}
        if here is not None and there is not None:
            same = same and np.allclose(here, there, rtol=rtol, atol=atol)
        else:
            same = same and here is there
    if not same:
        got = " ".join(repr(target).split())[:80]
        raise InputError(
            f"target: {file} is for {stored['name']!r}{_details(stored)}; got {got}, which is "
            f"another; leave the target out, or write a file for it."
        )
    return target


def _rebuild(stored: Mapping[str, Any], file: str) -> Target:
    name = stored["name"]
    try:
        if "low" in stored and "high" in stored:
            return Uniform(float(stored["low"]), float(stored["high"]))
        if "normalise" in stored:
            return Sphere(normalise=bool(stored["normalise"]))
        if "draws" in stored:
            return Ranks(stored["draws"], independent=bool(stored.get("independent", False)))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"target: the target of {file} cannot be rebuilt ({error}); write the file again."
        ) from None
    if "probe" in stored or name not in CLASSES:
        raise InputError(
            f"target: {file} is for {name!r}, which a file cannot hold; pass the target again, as "
            f"when the file was first written."
        )
    return as_target(name)


def _details(stored: Mapping[str, Any]) -> str:
    known = {k: v for k, v in stored.items() if k not in ("name", "probe")}
    return f" ({', '.join(f'{k}={v!r}' for k, v in known.items())})" if known else ""


def _probe(target: Target, rows: NDArray[Any]) -> list[list[float]]:
    few = np.array(rows[:PROBE_ROWS], dtype=np.float64)
    return [[float(v) for v in row] for row in target.canonical(Sample(few)).rows]
