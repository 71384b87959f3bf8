"""Training with distribution matching: the only part of dmtest that needs torch.

Names are imported when they are first used, so that ``import dmtest.train`` costs nothing and
works without torch; what needs a package that is missing says which one, and how to install it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmtest.train.callback import DistributionCallback
    from dmtest.train.gather import gather_rows
    from dmtest.train.loss import StatisticLoss
    from dmtest.train.metric import DistributionMatch
    from dmtest.train.pairs import bhep, energy, henze_zirkler, mmd, whiten
    from dmtest.train.statistics import (
        anderson_darling,
        cramer_von_mises,
        dagostino_pearson,
        epps_pulley,
        jarque_bera,
        kolmogorov_smirnov,
        kuiper,
        shapiro_francia,
        shapiro_wilk,
        sliced,
        squared_wasserstein,
        vasicek,
        watson,
    )

__all__ = [
    "DistributionCallback",
    "DistributionMatch",
    "StatisticLoss",
    "anderson_darling",
    "bhep",
    "cramer_von_mises",
    "dagostino_pearson",
    "energy",
    "epps_pulley",
    "gather_rows",
    "henze_zirkler",
    "jarque_bera",
    "kolmogorov_smirnov",
    "kuiper",
    "mmd",
    "shapiro_francia",
    "shapiro_wilk",
    "sliced",
    "squared_wasserstein",
    "vasicek",
    "watson",
    "whiten",
]

# Public names, by the module that holds them.
_HOMES = {
    "callback": ("DistributionCallback",),
    "gather": ("gather_rows",),
    "loss": ("StatisticLoss",),
    "metric": ("DistributionMatch",),
    "pairs": ("bhep", "energy", "henze_zirkler", "mmd", "whiten"),
    "statistics": (
        "anderson_darling",
        "cramer_von_mises",
        "dagostino_pearson",
        "epps_pulley",
        "jarque_bera",
        "kolmogorov_smirnov",
        "kuiper",
        "shapiro_francia",
        "shapiro_wilk",
        "sliced",
        "squared_wasserstein",
        "vasicek",
        "watson",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_NEEDED = ("torch", "torchmetrics", "lightning")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dmtest.train' has no attribute {name!r}")
    try:
        module = importlib.import_module(f"dmtest.train.{_HOME[name]}")
    except ModuleNotFoundError as missing:
        if missing.name not in _NEEDED:
            raise
        raise ImportError(
            f"dmtest.train.{name} needs {missing.name}: run `pip install 'dmtest[train]'`"
        ) from None
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
