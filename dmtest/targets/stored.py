"""A target in a file: what is needed to make it again, or to tell whether it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.sample import Sample
from dmtest.errors import InputError
from dmtest.targets.targets import AnyNormal, Normal, Sphere, Target, TargetLike, Uniform, as_target

__all__ = ["chosen_target", "describe_target"]

PROBE_ROWS = 4


def describe_target(goal: Target, rows: NDArray[Any]) -> dict[str, Any]:
    """Return the target's name with its parameters, where numbers do; else a probe.

    The probe is where a target with other parameters (margins, a covariance) takes some rows of
    the sample: another target takes them elsewhere.
    """
    found: dict[str, Any] = {"name": goal.name}
    if isinstance(goal, AnyNormal) or (isinstance(goal, Normal) and goal.name == "normal"):
        return found
    if isinstance(goal, Uniform) and goal.low.ndim == goal.high.ndim == 0:
        return found | {"low": float(goal.low), "high": float(goal.high)}
    if isinstance(goal, Sphere):
        return found | {"normalise": goal.normalise}
    return found | {"probe": _probe(goal, rows)}


def chosen_target(
    stored: Mapping[str, Any], asked: TargetLike | None, rows: NDArray[Any], source: str
) -> Target:
    """Make the baseline's target again, or check that the one asked for is the same.

    Raises
    ------
    InputError
        If it is another, or was not asked for and cannot be made from what is stored.
    """
    if asked is None:
        return _rebuilt(stored, source)
    goal = as_target(asked)
    same = goal.name == stored["name"]
    if same:
        now = describe_target(goal, rows)
        here, there = now.pop("probe", None), stored.get("probe")
        same = now == {k: v for k, v in stored.items() if k != "probe"}
        if here is not None and there is not None:
            same = same and np.allclose(here, there, rtol=1e-5, atol=1e-6)
        else:
            same = same and here is there
    if not same:
        said = " ".join(repr(goal).split())
        raise InputError(
            f"target: the baseline {source} is for {stored['name']!r}"
            f"{_details(stored)}; got {said[:80]}; leave the target out, or write a baseline "
            f"for it."
        )
    return goal


def _rebuilt(stored: Mapping[str, Any], source: str) -> Target:
    name = stored["name"]
    if "probe" in stored:
        raise InputError(
            f"target: the baseline {source} is for {name!r}, which a file cannot hold; pass the "
            f"target again, as when the baseline was written."
        )
    try:
        if name == "sphere":
            return Sphere(normalise=bool(stored["normalise"]))
        if name.startswith("uniform"):
            return Uniform(float(stored["low"]), float(stored["high"]))
        return as_target(name)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"baseline: {source} has a target that cannot be made ({error}); write it again."
        ) from None


def _details(stored: Mapping[str, Any]) -> str:
    known = {k: v for k, v in stored.items() if k not in ("name", "probe")}
    return f" ({', '.join(f'{k}={v!r}' for k, v in known.items())})" if known else ""


def _probe(goal: Target, rows: NDArray[Any]) -> list[list[float]]:
    few = np.array(rows[:PROBE_ROWS], dtype=np.float64)
    return [[float(v) for v in row] for row in goal.canonical(Sample(few)).rows]
