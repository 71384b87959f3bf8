"""The defaults on the digits, other targets, and the law of the trade-off beside runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import stats

import dmtest
from benchmarks.paper.runs import run
from dmtest import Product, bounds, information, train

SEEDS = range(5)
TARGETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "circle": ("sphere", {"dim": 2}),
    "sphere": ("sphere", {"dim": 3}),
    "gamma": (Product(stats.gamma(2.0)), {"dim": 2}),
    "laplace": (Product(stats.laplace()), {"dim": 2}),
}
# Noise of the runs on the trade-off, as capacities in nats in d = 2.
CAPACITIES = (1.0, 2.0, 4.0, 8.0, 14.0)
# Most held-out rows of one batch of scores.
SCORED = 2048
AUGMENTED = (0.1, 0.3, 0.6)
COMMON: dict[str, Any] = {"encoder": "mlp", "critic": "separable"}
DIGITS: dict[str, Any] = {"batch": 128, "epochs": 200}
MNIST: dict[str, Any] = {"crop": 24, "batch": 1024, "epochs": 9}


def neighbours(z: Any, labels: Any) -> float:
    """Return the accuracy of 5 nearest neighbours, cross-validated in 5 folds."""
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    return float(cross_val_score(KNeighborsClassifier(5), z, labels, cv=5).mean())


def distances(made: Any) -> list[float]:
    """Return the Kolmogorov-Smirnov distance of every written column from the target's margin."""
    z = made.embeddings.astype(np.float64)
    if made.target == "sphere":
        shape = 0.5 * (z.shape[1] - 1)  # (1 + x) / 2 is Beta(shape, shape)
        return [float(stats.kstest(0.5 * (1.0 + c), "beta", (shape, shape)).statistic) for c in z.T]
    margin = stats.norm() if made.target == "normal" else made.target.margins
    return [float(stats.kstest(column, margin.cdf).statistic) for column in z.T]


def measured(made: Any) -> dict[str, Any]:
    """Return what the tables show of a run on the digits."""
    assert made.report is not None
    assert made.verification is not None
    return {
        "target": made.report.target,
        "seed": made.seed,
        "d": made.embeddings.shape[1],
        "level": made.noise.level,
        "steps": made.steps,
        "neighbours": neighbours(made.embeddings, made.labels),
        "kolmogorov": distances(made),
        "pvalue": made.report.pvalue,
        "verdict": made.report.verdict,
        "violations": made.verification.violations,
    }


def _reported(made: Any) -> dict[str, Any]:
    report = dmtest.report(made.embeddings, made.target, rng=made.seed, progress=False)
    return {
        "target": report.target,
        "seed": made.seed,
        "d": made.embeddings.shape[1],
        "level": made.noise.level,
        "steps": made.steps,
        "neighbours": neighbours(made.embeddings, made.labels),
        "kolmogorov": distances(made),
        "pvalue": report.pvalue,
        "verdict": report.verdict,
    }


def defaults() -> None:
    """Run ``dmtest train --data digits --target normal --sigma 0.3`` with five seeds."""
    for seed in SEEDS:
        run(
            "defaults",
            f"normal-{seed}",
            lambda seed=seed: measured(  # type: ignore[misc]
                train.fit("digits", "normal", sigma=0.3, rng=seed)
            ),
        )


def targets() -> None:
    """Train to the sphere and to two products of margins, with three seeds each.

    A product has the distances of the normal outlet, because its maps are increasing.
    """
    for name, (target, options) in TARGETS.items():
        for seed in SEEDS[:3]:
            run(
                "targets",
                f"{name}-{seed}",
                lambda name=name, target=target, options=options, seed=seed: (  # type: ignore[misc]
                    _reported(
                        train.fit("digits", target, sigma=0.3, rng=seed, evaluate=False, **options)
                    )
                    | {"method": name}
                ),
            )


def tradeoff(data: str | None) -> None:
    """Compare the best bound with the law, over capacities and strengths of augmentation."""
    sources = [("digits", DIGITS)] + ([] if data is None else [(data, MNIST)])
    for source, options in sources:
        name = "digits" if source == "digits" else "mnist"
        for capacity in CAPACITIES:
            for scale in AUGMENTED:
                given = COMMON | options | {"capacity": capacity, "augment_scale": scale}
                run(
                    "tradeoff",
                    f"{name}-{capacity:04.1f}-{scale:.1f}",
                    lambda source=source, given=given, name=name: _predicted(  # type: ignore[misc]
                        train.fit(source, "normal", rng=0, evaluate=False, **given), name
                    ),
                )


def _predicted(made: Any, source: str) -> dict[str, Any]:
    """Compare the law with two lower bounds on held-out pairs.

    The trained critic's is at most the log of the rows of a batch. That of a linear decoder of
    normal errors (Barber & Agakov 2003) is not: it is the entropy of the noisy outlet, of nearest
    neighbours, less the entropy of the errors.
    """
    x, other = (rows.astype(np.float64) for rows in (made.embeddings, made.augmented))
    level, d = made.noise.level, x.shape[1]
    rng = np.random.default_rng(made.seed)
    order = rng.permutation(len(x))
    y = (x + level * rng.standard_normal(x.shape)).astype(np.float32)
    size = min(SCORED, len(x))
    scores = []
    for start in range(0, len(x) // size * size, size):
        part = order[start : start + size]
        with torch.no_grad():
            pair = torch.from_numpy(made.augmented[part]), torch.from_numpy(y[part])
            scores.append(made.critic(*pair).double().numpy())
    error = float(np.square(x - other).mean())
    wide = y.astype(np.float64)
    normal = 0.5 * np.linalg.slogdet(2.0 * np.pi * np.e * np.cov(wide.T))[1]
    negentropy = float(normal) - float(information.entropy_knn(wide))
    return {
        "decoded": float(information.gaussian(other, wide)) - negentropy,
        "method": source,
        "d": d,
        "level": level,
        "seed": made.seed,
        "steps": made.steps,
        "capacity": made.noise.capacity(d),
        "augment_scale": made.settings.augment_scale,
        "invariance_error": error,
        "information": float(information.infonce(np.stack(scores))),
        "predicted": bounds.gaussian_tradeoff(d, level, error),
    }
