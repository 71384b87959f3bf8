"""Ways to make an embedding follow N(0, I): one encoder, the same data, the same seconds."""

from __future__ import annotations

import resource
import time
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.paper.runs import fitted, run, smoothed
from dmtest import train

COMMON: dict[str, Any] = {"crop": 24, "encoder": "mlp"}
SEPARABLE = {"critic": "separable"}
NONE = {"objective": "none"}
SIGREG: dict[str, Any] = {"matching": "sigreg"}
# Epochs that take 60 CPU seconds on one core of the machine that measured them (2.4, 2.8, 2.4,
# 2.9, 1.8 and 1.6 seconds an epoch): the table has the seconds that the runs then took.
METHODS: dict[str, dict[str, Any]] = {
    "noise-injected DIM": {"sigma": 0.1, "epochs": 25} | SEPARABLE,
    "noise-injected DIM + SIGReg": {"sigma": 0.1, "epochs": 21, "matching_weight": 20.0}
    | SEPARABLE
    | SIGREG,
    "plain DIM": {"sigma": 0.0, "epochs": 25} | SEPARABLE,
    "adversarial prior": {"sigma": 0.0, "epochs": 21, "matching": "adversarial"} | SEPARABLE,
    "SIGReg": {"sigma": 0.0, "epochs": 32, "matching_weight": 50.0} | SIGREG | NONE,
    "covariance only": {"sigma": 0.0, "epochs": 39, "matching": "covariance"} | NONE,
}
DIMS = (2, 8)
# Rows without training that say what a perfect match gets, and their number.
EXACT, HELD_OUT = "exact sample", 10_000
# What the noisy divergence is measured at, whatever the training had.
SIGMA = {2: 0.1, 8: 0.5}


def headtohead(data: str, seeds: int) -> None:
    """Run all methods, the untrained encoder, post-hoc Gaussianisation and an exact sample."""
    for seed in range(seeds):
        for d in DIMS:
            exact = partial(_exact, d, seed)
            run("headtohead", f"{EXACT.replace(' ', '-')}-{d}-{seed}", exact)
            for name, options in METHODS.items():
                more = dict(options)
                if more.get("sigma"):
                    more["sigma"] = SIGMA[d]
                slug = name.lower().replace(" + ", "-").replace(" ", "-")
                run(
                    "headtohead",
                    f"{slug}-{d}-{seed}",
                    lambda name=name, more=more, d=d, seed=seed: _one(  # type: ignore[misc]
                        data, name, more, d, seed
                    ),
                )


def _exact(d: int, seed: int) -> dict[str, Any]:
    """Measure what the embeddings should be: as many rows of N(0, I)."""
    x = np.random.default_rng([seed, d]).standard_normal((HELD_OUT, d))
    return {"method": EXACT, "d": d, "seed": seed, "common": _measured(x, x, d, seed)}


def _one(data: str, name: str, options: dict[str, Any], d: int, seed: int) -> dict[str, Any]:
    made = train.fit(data, dim=d, rng=seed, **COMMON | options)
    kept = fitted(made) | {"method": name}
    if seed == 0:
        # A process of its own: the most that this one ever held says nothing about a method.
        with get_context("spawn").Pool(1) as pool:
            kept["peak_mib"] = pool.apply(_memory, (data, options | {"dim": d, "epochs": 1}))
    kept["common"] = _measured(made.embeddings, made.augmented, d, seed)
    if name == "plain DIM":
        kept["gaussianised"] = _gaussianised(made, d, seed)
    return kept


def _memory(data: str, options: dict[str, Any]) -> float:
    """Return the most MiB that a process which trains one epoch holds."""
    train.fit(data, rng=0, evaluate=False, **COMMON | options)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def _measured(x: Any, augmented: Any, d: int, seed: int) -> dict[str, Any]:
    """Measure at one noise whatever the training had."""
    from dmtest.train.evaluate.verification import verify
    from dmtest.train.model.noise import Noise

    found = verify(x, augmented, Noise("normal", SIGMA[d]), rng=seed)
    return {
        "information": None if found.information is None else float(found.information),
        **smoothed(found),
        "kl": found.kl,
        "kolmogorov": found.kolmogorov,
        "mean_pvalues": {key: one.mean for key, one in found.mean_pvalues.items()},
    }


def _gaussianised(made: Any, d: int, seed: int) -> dict[str, Any]:
    """Map the embeddings of plain Deep InfoMax to N(0, I) after the fact, fitted in training."""
    from dmtest.train.evaluate.rbig import gaussianise

    began = time.process_time()
    to_normal = gaussianise(made.train_embeddings, rng=seed)
    x, other, rows = (
        np.asarray(to_normal(z)) for z in (made.embeddings, made.augmented, made.train_embeddings)
    )
    scored = train.downstream(rows, made.train_labels, x, made.labels, rng=seed)
    return {
        "cpu_seconds": time.process_time() - began,
        "common": _measured(x, other, d, seed),
        "downstream": dict(scored.values),
    }
