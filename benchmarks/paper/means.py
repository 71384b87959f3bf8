"""Means over runs with their intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.paper.runs import Run

__all__ = ["grouped", "interval", "shown"]

FEWEST = 3  # runs: of two the interval is 45 times as wide as their standard deviation


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and half width of the 99% interval (Student's t over three runs or more)."""
    x = np.asarray(values, dtype=float)
    if len(x) < FEWEST:
        return float(x.mean()), float("nan")
    half = stats.t.ppf(0.995, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return float(x.mean()), float(half)


def shown(values: Sequence[float], digits: int = 3) -> str:
    """Return mean and half width as text."""
    mean, half = interval(values)
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def grouped(runs: Sequence[Run], key: Callable[[Run], Any]) -> dict[Any, list[Run]]:
    """Group runs, in the order of the keys."""
    found: dict[Any, list[Run]] = defaultdict(list)
    for run in runs:
        found[key(run)].append(run)
    return dict(sorted(found.items()))
