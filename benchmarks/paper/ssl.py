"""Table 1's question on Fashion-MNIST: what noise does to five self-supervised methods.

The encoder is a narrow ResNet-18 at half the resolution, for CPUs. Runs of one seed share weights
and batches, so noise is compared by differences between its runs.
"""

from __future__ import annotations

from typing import Any

from benchmarks.paper.runs import run
from dmtest import train
from dmtest.train.model.methods import METHODS

SIGMAS = (0.0, 0.1, 0.3, 0.5)
OPTIONS: dict[str, Any] = {
    "encoder": "resnet18-strided",
    "augment": "image",
    "widths": (256, 64),
    "batch": 256,
    "epochs": 2,
}


def methods(data: str, seeds: int) -> None:
    """Run all methods at every sigma."""
    for seed in range(seeds):
        for sigma in SIGMAS:
            for method in METHODS:
                run(
                    "methods",
                    f"{method}-{sigma:.1f}-{seed}",
                    lambda method=method, sigma=sigma, seed=seed: _measured(  # type: ignore[misc]
                        train.ssl(data, method, sigma=sigma, rng=seed, **OPTIONS)
                    ),
                )


def _measured(made: train.SelfSupervisedFit) -> dict[str, Any]:
    assert made.report is not None
    assert made.downstream is not None
    assert made.baseline_downstream is not None
    return {
        "method": made.method,
        "sigma": made.sigma,
        "seed": made.seed,
        "steps": made.steps,
        "probe": dict(made.downstream.values),
        "untrained": dict(made.baseline_downstream.values),
        "outlet": {
            "verdict": made.report.verdict,
            "effects": {name: one.to_dict() for name, one in made.report.effects.items()},
            "mean": float(abs(made.embeddings.mean(axis=0)).max()),
        },
    }
