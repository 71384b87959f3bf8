"""Entropy and mutual information in nats: lower bounds, upper bounds and estimates, named apart.

Imports only `errors`, `arguments`, `runtime`, `results`, `render`, `kernels`, `data`, `engines`,
`summaries`, `statistics`, `bounds`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmtest.information.channel import Bracket, channel_bracket
    from dmtest.information.dependence import neural_dependence
    from dmtest.information.estimate import Estimate
    from dmtest.information.neighbours import entropy_knn, ksg
    from dmtest.information.network import mine
    from dmtest.information.normal import gaussian
    from dmtest.information.pairs import PairBounds, pair_bounds
    from dmtest.information.scores import donsker_varadhan, infonce, jsd, leave_one_out, nwj

__all__ = [
    "Bracket",
    "Estimate",
    "PairBounds",
    "channel_bracket",
    "donsker_varadhan",
    "entropy_knn",
    "gaussian",
    "infonce",
    "jsd",
    "ksg",
    "leave_one_out",
    "mine",
    "neural_dependence",
    "nwj",
    "pair_bounds",
]

_HOMES = {
    "channel": ("Bracket", "channel_bracket"),
    "dependence": ("neural_dependence",),
    "estimate": ("Estimate",),
    "neighbours": ("entropy_knn", "ksg"),
    "network": ("mine",),
    "normal": ("gaussian",),
    "pairs": ("PairBounds", "pair_bounds"),
    "scores": ("donsker_varadhan", "infonce", "jsd", "leave_one_out", "nwj"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dmtest.information' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"dmtest.information.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
