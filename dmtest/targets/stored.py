"""A target in a file: what is needed to make it again, or to tell whether it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.sample import Sample
from dmtest.errors import InputError
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


def describe_target(goal: Target, rows: NDArray[Any] | None) -> dict[str, Any]:
    """Return the target's name with its parameters, where numbers do; else a probe.

    The probe is where a target with other parameters (margins, a covariance) takes some rows of
    the sample: another target takes them elsewhere. Without rows there is the name alone.
    """
    found: dict[str, Any] = {"name": goal.name}
    if rows is None or isinstance(goal, AnyNormal):
        return found
    if isinstance(goal, Normal) and goal.name == "normal":
        return found
    if isinstance(goal, Uniform) and goal.low.ndim == goal.high.ndim == 0:
        return found | {"low": float(goal.low), "high": float(goal.high)}
    if isinstance(goal, Sphere):
        return found | {"normalise": goal.normalise}
    return found | {"probe": _probe(goal, rows)}


def chosen_target(
    stored: Mapping[str, Any],
    asked: TargetLike | None,
    rows: NDArray[Any] | None,
    file: str,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> Target:
    """Make a stored target again, or check that the one asked for is the same.

    Parameters
    ----------
    stored : dict
        What `describe_target` returned.
    asked : str or target object, optional
    rows : ndarray, shape (n, d), or None
        What it was described with.
    file : str
        What messages call the file: ``"the baseline b.json"``.
    rtol, atol : float
        By how much probes of one target may differ, on normal scale.

    Raises
    ------
    InputError
        If it is another, or was not asked for and cannot be made from what is stored.
    """
    if asked is None:
        return _rebuilt(stored, file)
    goal = as_target(asked)
    same = goal.name == stored["name"]
    if same:
        now = describe_target(goal, rows)
        here, there = now.pop("probe", None), stored.get("probe")
        same = now == {k: v for k, v in stored.items() if k != "probe"}
        if here is not None and there is not None:
            same = same and np.allclose(here, there, rtol=rtol, atol=atol)
        else:
            same = same and here is there
    if not same:
        got = " ".join(repr(goal).split())[:80]
        raise InputError(
            f"target: {file} is for {stored['name']!r}{_details(stored)}; got {got}, which is "
            f"another; leave the target out, or write a file for it."
        )
    return goal


def _rebuilt(stored: Mapping[str, Any], file: str) -> Target:
    name = stored["name"]
    try:
        if "low" in stored and "high" in stored:
            return Uniform(float(stored["low"]), float(stored["high"]))
        if "normalise" in stored:
            return Sphere(normalise=bool(stored["normalise"]))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"target: that of {file} cannot be made ({error}); write the file again."
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


def _probe(goal: Target, rows: NDArray[Any]) -> list[list[float]]:
    few = np.array(rows[:PROBE_ROWS], dtype=np.float64)
    return [[float(v) for v in row] for row in goal.canonical(Sample(few)).rows]
