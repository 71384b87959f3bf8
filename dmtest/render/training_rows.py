"""What a training run shows: trained, untrained and perfect encoder, for terminal and page."""

from __future__ import annotations

import math
from typing import Any

from dmtest.render.wording import number

# Mean p-value of a perfect match; Henze-Zirkler's on 100 rows is slightly below 1/2.
PERFECT = 0.5
SCORES = (
    ("gnb-auc", "Gaussian naive Bayes, ROC AUC"),
    ("knn-accuracy", "Nearest neighbours, accuracy"),
    ("svm-accuracy", "Linear support vector machine, accuracy"),
    ("mlp-accuracy", "Perceptron, accuracy"),
    ("probe-top1", "Linear probe, accuracy"),
    ("silhouette", "Silhouette"),
)
HEAD = ("Held-out rows", "Trained", "Untrained", "Perfect")


def title(fit: Any) -> str:
    """Return one line on the run: data, target, noise, time and seed."""
    noise, (n, d) = fit.noise, fit.embeddings.shape
    return (
        f"{fit.source}: {n:,} held-out rows in d = {d}, target {target(fit)}, "
        f"{noise.name} = {noise.level:.3g}; trained {trained(fit)}, seed {fit.seed}"
    )


def trained(fit: Any) -> str:
    """Return how long a run was trained."""
    epochs = len(fit.history["loss"])
    return (
        f"{epochs} epoch{'s' if epochs != 1 else ''} ({fit.steps:,} steps of "
        f"{fit.settings.batch:,} rows, {fit.settings.critic} critic) in {fit.seconds:.1f} s"
    )


def target(fit: Any) -> str:
    """Name of the target; of a mapped one, that the rows below are of the normal outlet."""
    if fit.target in ("normal", "uniform"):
        return str(fit.target)
    name = fit.target if isinstance(fit.target, str) else fit.target.name
    return f"{name} (information and distances: of the normal outlet before the map)"


def rows(fit: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Return the scores of the trained, the untrained and a perfect encoder, with their names.

    Parameters
    ----------
    fit : dmtest.train.Fit
        Evaluated: it has a verification and a baseline.
    """
    classes = [(label, (*cells, "")) for label, cells in downstream(fit)]
    return [*_verified(fit.verification, fit.baseline), *classes]


def agreement(verification: Any) -> str:
    """Return the sentence on inequalities that all hold; empty if one does not or none is known."""
    if verification.violations or not verification.inequalities:
        return ""
    return (
        f"All {len(verification.inequalities)} inequalities of the theory that could be "
        f"checked hold within their intervals."
    )


def _verified(after: Any, before: Any) -> list[tuple[str, tuple[str, ...]]]:
    perfect = number(after.matched_information, 3) if math.isfinite(after.capacity) else "no limit"
    rows = [
        (
            "I(f(X'); f(X)+Z), best lower bound, nats",
            (_nats(after.information), _nats(before.information), perfect),
        ),
        ("Invariance gap, nats", (_nats(after.invariance_gap), _nats(before.invariance_gap), "0")),
        (
            f"KL after noise{_noise(after)}, limits, nats",
            (_pair(after.smoothed_kl), _pair(before.smoothed_kl), _pair(after.smoothed_exact)),
        ),
        ("KL before noise, estimate, nats", (_nats(after.kl), _nats(before.kl), "0")),
        (
            "Kolmogorov-Smirnov distance, worst column",
            (*(number(max(one.kolmogorov), 2) for one in (after, before)), "0"),
        ),
    ]
    for name, score in after.mean_pvalues.items():
        other = before.mean_pvalues[name].mean
        cells = (f"{score.mean:.2f}", f"{other:.2f}", f"{PERFECT:.2f}")
        rows.append((f"Mean p, {name}", cells))
    return rows


def downstream(fit: Any) -> list[tuple[str, tuple[str, str]]]:
    """Return the scores of the classes after and before training, with their names."""
    if fit.downstream is None:
        return []
    after, before = fit.downstream.values, fit.baseline_downstream.values
    return [
        (label, (f"{after[name]:.3f}", f"{before[name]:.3f}"))
        for name, label in SCORES
        if name in after
    ]


def _nats(value: float | None) -> str:
    return "not estimable" if value is None else number(float(value), 3)


def _pair(limits: Any) -> str:
    if limits is None:
        return "too few rows"
    return " to ".join(number(value, 2) if value < float("inf") else "?" for value in limits)


def _noise(one: Any) -> str:
    return "" if one.smoothed_noise is None else f" {number(one.smoothed_noise, 2)}"
