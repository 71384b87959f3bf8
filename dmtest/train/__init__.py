"""The reference trainer for noise-injected Deep InfoMax, and losses and metrics for other loops.

It needs torch, which is imported only when one of the names here is used. Install it with
``pip install "dmtest[train]"``.

Imports only `errors`, `arguments`, `runtime`, `results`, `render`, `data`, `targets`, `engines`,
`statistics`, `battery`, `bounds`, `information`, `effects`, `reports`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dmtest.errors import MissingExtraError

if TYPE_CHECKING:
    from dmtest.train.evaluate.reconstruction import Reconstruction, ms_ssim, reconstruction
    from dmtest.train.evaluate.scoring import Downstream, downstream
    from dmtest.train.evaluate.verification import Verification, verify
    from dmtest.train.fitting.api import fit
    from dmtest.train.fitting.deep_infomax import dim
    from dmtest.train.fitting.module import TrainingError
    from dmtest.train.fitting.optimisers import LARS
    from dmtest.train.fitting.recipes import recipe
    from dmtest.train.fitting.result import DeepInfoMaxFit, Fit, SelfSupervisedFit
    from dmtest.train.fitting.self_supervised import ssl
    from dmtest.train.fitting.settings import Settings
    from dmtest.train.losses.gather import gather_rows
    from dmtest.train.losses.loss import StatisticLoss
    from dmtest.train.losses.pairs import bhep, energy, henze_zirkler, mmd, whiten
    from dmtest.train.losses.statistics import (
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
    from dmtest.train.model.encoders import Encoder, build_encoder
    from dmtest.train.watch.callback import DistributionCallback
    from dmtest.train.watch.metric import DistributionMatch

__all__ = [
    "LARS",
    "DeepInfoMaxFit",
    "DistributionCallback",
    "DistributionMatch",
    "Downstream",
    "Encoder",
    "Fit",
    "Reconstruction",
    "SelfSupervisedFit",
    "Settings",
    "StatisticLoss",
    "TrainingError",
    "Verification",
    "anderson_darling",
    "bhep",
    "build_encoder",
    "cramer_von_mises",
    "dagostino_pearson",
    "dim",
    "downstream",
    "energy",
    "epps_pulley",
    "fit",
    "gather_rows",
    "henze_zirkler",
    "jarque_bera",
    "kolmogorov_smirnov",
    "kuiper",
    "load_encoder",
    "mmd",
    "ms_ssim",
    "recipe",
    "reconstruction",
    "shapiro_francia",
    "shapiro_wilk",
    "sliced",
    "squared_wasserstein",
    "ssl",
    "vasicek",
    "verify",
    "watson",
    "whiten",
]

_HOMES = {
    "watch.callback": ("DistributionCallback",),
    "losses.gather": ("gather_rows",),
    "losses.loss": ("StatisticLoss",),
    "watch.metric": ("DistributionMatch",),
    "losses.pairs": ("bhep", "energy", "henze_zirkler", "mmd", "whiten"),
    "losses.statistics": (
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
    "evaluate.reconstruction": ("Reconstruction", "ms_ssim", "reconstruction"),
    "evaluate.scoring": ("Downstream", "downstream"),
    "model.encoders": ("Encoder", "build_encoder"),
    "fitting.export": ("load_encoder",),
    "fitting.api": ("fit",),
    "fitting.deep_infomax": ("dim",),
    "fitting.module": ("TrainingError",),
    "fitting.optimisers": ("LARS",),
    "fitting.recipes": ("recipe",),
    "fitting.result": ("DeepInfoMaxFit", "Fit", "SelfSupervisedFit"),
    "fitting.self_supervised": ("ssl",),
    "fitting.settings": ("Settings",),
    "evaluate.verification": ("Verification", "verify"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dmtest.train' has no attribute {name!r}")
    try:
        module = importlib.import_module(f"dmtest.train.{_HOME[name]}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "lightning", "torchmetrics"):
            raise
        raise MissingExtraError(
            f'dmtest.train.{name} needs {error.name}: run `pip install "dmtest[train]"`'
        ) from None
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
