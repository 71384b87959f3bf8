"""Recipes by name: what appendix C of arXiv 2410.06993 prints, and Deep InfoMax.

What the appendix does not print is that of this package: LARS follows half a cosine after a short
rise, and images of MNIST are cut to the 24 x 24 pixels of Table 2.
"""

from __future__ import annotations

from typing import Any

from dmtest.errors import InputError

# The method of a recipe whose options are for :func:`dim`.
DEEP = "deep-infomax"
_LARS: dict[str, Any] = {"optimiser": "lars", "learning_rate": 0.3, "weight_decay": 1e-4}
_LARS |= {"batch": 256, "epochs": 800, "schedule": "cosine"}
_CIFAR: dict[str, Any] = {"encoder": "resnet18", "augment": "paper-image"} | _LARS

RECIPES: dict[str, dict[str, Any]] = {
    "paper-mnist": {
        "encoder": "convnet",
        "critic": "learned",
        "objective": "infonce",
        "crop": 24,
        "augment": "paper-noise",
        "augment_scale": 0.6,
        "optimiser": "adam",
        "learning_rate": 1e-3,
        "schedule": "constant",
        "batch": 1024,
        "epochs": 2000,
    },
    "paper-simclr": _CIFAR | {"method": "simclr", "widths": (2048, 256), "temperature": 0.2},
    "paper-vicreg": _CIFAR | {"method": "vicreg", "widths": (2048, 2048, 2048)},
    "deep-infomax-local": {"method": DEEP, "local_weight": 1.0, "global_weight": 0.0, "dim": 64},
    "deep-infomax-global": {"method": DEEP, "local_weight": 0.0, "global_weight": 1.0, "dim": 64},
}


def recipe(name: str) -> dict[str, Any]:
    """Return the options of a recipe, for the function that trains by it.

    That is :func:`fit` without a ``method`` among them, :func:`dim` if it is "deep-infomax" (leave
    it out of the call), else :func:`ssl`.

    Parameters
    ----------
    name : {"paper-mnist", "paper-simclr", "paper-vicreg", "deep-infomax-local", \
"deep-infomax-global"}

    Returns
    -------
    dict
        A new one, which may be changed.

    Examples
    --------
    >>> from dmtest import train
    >>> options = train.recipe("paper-mnist") | {"epochs": 1}
    >>> options["batch"], options["learning_rate"], options["schedule"]
    (1024, 0.001, 'constant')
    """
    if name not in RECIPES:
        raise InputError(f"recipe: got {name!r}; choose one of {', '.join(map(repr, RECIPES))}.")
    return dict(RECIPES[name])
