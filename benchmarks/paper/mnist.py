"""Figures 1 and 2 on MNIST, the best runs within a quarter of an hour, and the recipe's cost."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.paper.runs import fitted, run
from dmtest import train

CROP = 24
CAPACITIES = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 14.0)
# A cheap recipe for many runs, and the one that a quarter of an hour on two cores pays for.
QUICK: dict[str, Any] = {"crop": CROP, "encoder": "mlp", "epochs": 12}
QUICK |= {"batch": 1024, "critic": "calibrated"}
# SIGReg's term takes what the bound is indifferent to once noise is small; 250 epochs with it are
# a quarter of an hour on one core.
LONG: dict[str, Any] = {"crop": CROP, "encoder": "mlp", "critic": "separable", "epochs": 250}
LONG |= {"matching": "sigreg", "matching_weight": 20.0}
# In d = 8 classes are clusters once writers no longer matter; the more of SIGReg, the more of the
# space between them is filled, and the less do neighbours share a class. With the columns among
# its directions they match at a smaller weight.
HANDWRITING: dict[str, Any] = {"dim": 8, "sigma": 0.5, "augment": "handwriting", "epochs": 200}
BEST: dict[str, tuple[str, dict[str, Any]]] = {
    "normal-2": ("normal", {"dim": 2, "sigma": 0.1}),
    "normal-8": ("normal", HANDWRITING | {"matching_weight": 150.0, "matching_axes": 3.0}),
    "normal-8-closer": ("normal", HANDWRITING | {"matching_weight": 600.0, "matching_axes": 1.0}),
    "uniform-2": ("uniform", {"dim": 2, "epsilon": 0.05}),
}


def figure1(data: str, seeds: int) -> None:
    """Capacity against information, mean p-values and downstream scores."""
    for seed in range(seeds):
        for capacity in CAPACITIES:
            for target in ("normal", "uniform"):
                run(
                    "figure1",
                    f"{target}-{capacity:04.1f}-{seed}",
                    lambda target=target, capacity=capacity, seed=seed: fitted(  # type: ignore[misc]
                        train.fit(data, target, capacity=capacity, rng=seed, **QUICK)
                    ),
                )


def best(data: str, seeds: int, which: str) -> None:
    """Run those of `BEST`, their points kept for Figure 2."""
    target, options = BEST[which]
    for seed in range(seeds):
        run(
            "best",
            f"{which}-{seed}",
            lambda seed=seed: fitted(  # type: ignore[misc]
                train.fit(data, target, rng=seed, **LONG | options), points=4000
            ),
        )


# Table 2's ConvNet and learned critic on all pairs of 1,024, learning rate 1e-3.
PAPER: dict[str, Any] = {"encoder": "convnet", "critic": "learned", "learning_rate": 1e-3}
PAPER |= {"schedule": "constant"}
# What takes about as long as one epoch of it.
EQUAL: dict[str, dict[str, Any]] = {
    "the paper's": PAPER | {"epochs": 1},
    "default, a tenth of the time": {"encoder": "mlp", "epochs": 30, "critic": "calibrated"},
}


def equal(data: str) -> None:
    """Train for the time of one epoch of the paper's recipe."""
    for name, options in EQUAL.items():
        slug = name.replace("'", "").replace(",", "").replace(" ", "-")
        run(
            "equal",
            slug,
            lambda name=name, options=options: (
                fitted(  # type: ignore[misc]
                    train.fit(data, sigma=0.1, rng=0, crop=CROP, **options)
                )
                | {"recipe": name}
            ),
        )


def cost(data: str) -> None:
    """Seconds an epoch of the default recipe, of the paper's, and between.

    A twelfth of the training rows stands for an epoch, as one of the paper's takes minutes.
    """
    from dmtest.train.data.load import load_images

    images = load_images(data)
    shown = images.images[:5120, 0, 2:26, 2:26]
    recipes: dict[str, dict[str, Any]] = {
        "paper": PAPER,
        "default": {"encoder": "mlp", "critic": "calibrated"},
        "half-width ConvNet": {"encoder": "convnet-half", "critic": "calibrated"},
        "Table 2's ConvNet, calibrated critic": {"encoder": "convnet", "critic": "calibrated"},
        "MLP, separable critic": {"encoder": "mlp", "critic": "separable"},
    }

    def timed() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, options in recipes.items():
            seconds = []
            for epochs in (1, 2):  # the difference leaves out what is done once
                began = time.process_time()
                train.fit(
                    shown,
                    sigma=0.1,
                    batch=1024,
                    epochs=epochs,
                    rng=0,
                    evaluate=False,
                    augment_scale=0.6,
                    **options,
                )
                seconds.append(time.process_time() - began)
            found[name] = (seconds[1] - seconds[0]) * 60_000 / (len(shown) * 0.8)
            print(name, f"{found[name]:.1f} CPU seconds an epoch", flush=True)
        return {"cpu_seconds_per_epoch": found}

    run("cost", "epoch", timed)
