"""Tests whether a sample really follows the distribution it is supposed to.

``dmtest.report(data)`` gives a verdict with its evidence; ``dmtest.run_tests`` single
tests; ``dmtest.mean_pvalue`` the score of noise-injected Deep InfoMax. Names are imported
when they are first used, so ``import dmtest`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dmtest import bounds, information
    from dmtest.api import list_tests, mean_pvalue, report, run_test, run_tests
    from dmtest.baseline import Baseline
    from dmtest.checking import check, write_baseline
    from dmtest.comparing import compare
    from dmtest.errors import DataWarning, DmtestError, InputError
    from dmtest.io import load
    from dmtest.measures import detectability, kl_decomposition, kl_profile, worst_directions
    from dmtest.monitor import Monitor, MonitorState
    from dmtest.outcome import Effect, Finding, MeanPValue, Outcome
    from dmtest.reference import Reference
    from dmtest.reporting.check import CheckResult, CheckRow
    from dmtest.reporting.model import Report
    from dmtest.targets import AnyNormal, Normal, Product, Sphere, Uniform

__all__ = [
    "AnyNormal",
    "Baseline",
    "CheckResult",
    "CheckRow",
    "DataWarning",
    "DmtestError",
    "Effect",
    "Finding",
    "InputError",
    "MeanPValue",
    "Monitor",
    "MonitorState",
    "Normal",
    "Outcome",
    "Product",
    "Reference",
    "Report",
    "Sphere",
    "Uniform",
    "__version__",
    "bounds",
    "check",
    "compare",
    "detectability",
    "information",
    "kl_decomposition",
    "kl_profile",
    "list_tests",
    "load",
    "mean_pvalue",
    "report",
    "run_test",
    "run_tests",
    "worst_directions",
    "write_baseline",
]

_HOMES = {
    "dmtest.api": ("list_tests", "mean_pvalue", "report", "run_test", "run_tests"),
    "dmtest.baseline": ("Baseline",),
    "dmtest.checking": ("check", "write_baseline"),
    "dmtest.comparing": ("compare",),
    "dmtest.errors": ("DataWarning", "DmtestError", "InputError"),
    "dmtest.io": ("load",),
    "dmtest.measures": ("detectability", "kl_decomposition", "kl_profile", "worst_directions"),
    "dmtest.monitor": ("Monitor", "MonitorState"),
    "dmtest.outcome": ("Effect", "Finding", "MeanPValue", "Outcome"),
    "dmtest.reporting.check": ("CheckResult", "CheckRow"),
    "dmtest.reference": ("Reference",),
    "dmtest.reporting.model": ("Report",),
    "dmtest.targets": ("AnyNormal", "Normal", "Product", "Sphere", "Uniform"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in ("bounds", "information"):
        return importlib.import_module(f"dmtest.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'dmtest' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
