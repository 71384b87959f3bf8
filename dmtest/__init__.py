"""Tests whether a sample really follows the distribution it is supposed to.

``dmtest.report(data)`` gives a verdict with its evidence; ``dmtest.run_tests`` single
tests; ``dmtest.mean_pvalue`` the score of noise-injected Deep InfoMax. Names are imported
when they are first used, so ``import dmtest`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dmtest._version import __version__

if TYPE_CHECKING:
    from dmtest import bounds, information, train
    from dmtest.battery.api import mean_pvalue, run_test, run_tests
    from dmtest.catalogue.registry import list_tests
    from dmtest.checks.api import check, write_baseline
    from dmtest.checks.baseline import Baseline
    from dmtest.data.load import load
    from dmtest.effects.api import detectability, kl_decomposition, kl_profile, worst_directions
    from dmtest.errors import DataWarning, DmtestError, InputError
    from dmtest.monitoring.monitor import Monitor, MonitorState
    from dmtest.reports.api import report
    from dmtest.reports.compare import compare
    from dmtest.results.check import CheckResult, CheckRow
    from dmtest.results.outcome import Effect, Finding, MeanPValue, Outcome
    from dmtest.results.report import Report
    from dmtest.results.tables import Outliers, Univariate
    from dmtest.summaries.summary import Summary
    from dmtest.tables.api import outliers, univariate
    from dmtest.targets.callables import Rosenblatt, Sampled
    from dmtest.targets.ranks import Ranks
    from dmtest.targets.reference import Reference
    from dmtest.targets.targets import AnyNormal, Normal, Product, Sphere, Uniform

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
    "Outliers",
    "Product",
    "Ranks",
    "Reference",
    "Report",
    "Rosenblatt",
    "Sampled",
    "Sphere",
    "Summary",
    "Uniform",
    "Univariate",
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
    "outliers",
    "report",
    "run_test",
    "run_tests",
    "train",
    "univariate",
    "worst_directions",
    "write_baseline",
]

_HOMES = {
    "dmtest.battery.api": ("mean_pvalue", "run_test", "run_tests"),
    "dmtest.catalogue.registry": ("list_tests",),
    "dmtest.checks.api": ("check", "write_baseline"),
    "dmtest.checks.baseline": ("Baseline",),
    "dmtest.data.load": ("load",),
    "dmtest.effects.api": ("detectability", "kl_decomposition", "kl_profile", "worst_directions"),
    "dmtest.errors": ("DataWarning", "DmtestError", "InputError"),
    "dmtest.monitoring.monitor": ("Monitor", "MonitorState"),
    "dmtest.reports.api": ("report",),
    "dmtest.reports.compare": ("compare",),
    "dmtest.results.check": ("CheckResult", "CheckRow"),
    "dmtest.results.outcome": ("Effect", "Finding", "MeanPValue", "Outcome"),
    "dmtest.results.report": ("Report",),
    "dmtest.results.tables": ("Outliers", "Univariate"),
    "dmtest.summaries.summary": ("Summary",),
    "dmtest.tables.api": ("outliers", "univariate"),
    "dmtest.targets.callables": ("Rosenblatt", "Sampled"),
    "dmtest.targets.ranks": ("Ranks",),
    "dmtest.targets.reference": ("Reference",),
    "dmtest.targets.targets": ("AnyNormal", "Normal", "Product", "Sphere", "Uniform"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in ("bounds", "information", "train"):
        return importlib.import_module(f"dmtest.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'dmtest' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
