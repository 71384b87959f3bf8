"""Signs of a run that failed, as findings with their usual cause and cure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.results.outcome import Finding
from dmtest.train.evaluate.scoring import Downstream
from dmtest.train.evaluate.verification import Verification
from dmtest.train.model.noise import Noise

# Gradient steps below which a run has hardly begun, and from which the defaults train.
FEW_STEPS, ENOUGH_STEPS = 500, 2000
# Share of the columns that the spectrum of a collapsed embedding fills, at most; share of distinct
# rows.
COLLAPSED, DISTINCT = 0.5, 0.5
# Mean p-value below which the paper's score is flat: a match has about 0.5.
FLAT = 0.02
# Standard errors by which a score has to fall below the untrained encoder's.
ERRORS = 3.0
# Share of the epochs at the end, and drop of the bound in nats, of an unstable run.
TAIL, DROP = 0.2, 0.5


def signatures(
    embeddings: NDArray[Any],
    *,
    steps: int,
    batch: int,
    history: Mapping[str, Sequence[float]],
    noise: Noise,
    verification: Verification | None = None,
    scores: tuple[Downstream | None, Downstream | None] = (None, None),
) -> tuple[Finding, ...]:
    """Return the signs of failure that a run shows, the most basic one first.

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
        f(X) of the held-out rows.
    steps : int
        Gradient steps that were taken.
    batch : int
        Rows of a step.
    history : mapping of str to sequence of float
        Measurements by epoch.
    noise : Noise
    verification : Verification or None
    scores : pair of Downstream or None
        Scores after and before training.

    Returns
    -------
    tuple of Finding
    """
    d = embeddings.shape[1]
    found = [
        _few_steps(steps),
        _collapse(embeddings),
        _unstable(history),
        _saturated(noise, d, batch),
        _unresolved(verification),
        _flat(verification),
        _lost_classes(*scores),
    ]
    return tuple(finding for finding in found if finding is not None)


def basic_signatures(
    embeddings: NDArray[Any],
    steps: int,
    scores: tuple[Downstream | None, Downstream | None],
) -> tuple[Finding, ...]:
    """Return the signs of failure of a run without a channel; arguments as of `signatures`."""
    found = (_few_steps(steps), _collapse(embeddings), _lost_classes(*scores))
    return tuple(finding for finding in found if finding is not None)


def _few_steps(steps: int) -> Finding | None:
    if steps >= FEW_STEPS:
        return None
    return Finding(
        "few-steps",
        f"The run took {steps:,} gradient {'step' if steps == 1 else 'steps'}, and the encoder has "
        f"hardly changed.",
        steps,
        f"Raise epochs, or lower batch, until epochs times rows / batch is {ENOUGH_STEPS:,} or "
        f"more; leave both out, and the run takes that many.",
    )


def _collapse(embeddings: NDArray[Any]) -> Finding | None:
    x = np.asarray(embeddings, dtype=np.float64)
    n, d = x.shape
    advice = (
        "A learning rate that is too high, or an augmentation that leaves nothing in common, "
        "collapses an encoder: lower learning_rate or the strength of the augmentation."
    )
    if not np.isfinite(x).all():
        return None
    distinct = len(np.unique(x, axis=0))
    if distinct <= DISTINCT * n:
        text = f"The {n:,} held-out embeddings take {distinct:,} distinct values: collapse."
        return Finding("collapse", text, n - distinct, advice)
    values = np.clip(np.linalg.eigvalsh(np.cov(x.T).reshape(d, d)), 0.0, None)
    shares = values[values > 0.0] / values.sum()
    rank = float(np.exp(-(shares * np.log(shares)).sum()))
    if d == 1 or rank > COLLAPSED * d:
        return None
    text = f"The embeddings fill {rank:.1f} of {d} dimensions (effective rank): collapse."
    return Finding("collapse", text, d - int(rank), advice)


def _unstable(history: Mapping[str, Sequence[float]]) -> Finding | None:
    values = np.asarray(history.get("information", ()), dtype=np.float64)
    tail = max(1, int(TAIL * len(values)))
    if len(values) < 5:
        return None
    drop = float(values.max() - values[-tail:].mean())
    if drop <= DROP:
        return None
    return Finding(
        "unstable",
        f"The bound fell by {drop:.2f} nats from its best epoch, {int(values.argmax()) + 1} of "
        f"{len(values)}, to the end of the run.",
        None,
        "Lower learning_rate, or take schedule='cosine' and objective='infonce', whose gradients "
        "are bounded.",
    )


def _saturated(noise: Noise, d: int, batch: int) -> Finding | None:
    capacity, most = noise.capacity(d), math.log(batch)
    if not math.isfinite(capacity) or capacity <= most:
        return None
    return Finding(
        "saturated-bound",
        f"The capacity of {capacity:.2f} nats is above log {batch:,} = {most:.2f}, the most that "
        f"InfoNCE shows with this batch: near its end the bound hardly depends on the match.",
        None,
        f"Raise {noise.name} or batch, or add matching='sigreg', which the batch does not limit.",
    )


def _unresolved(verification: Verification | None) -> Finding | None:
    if verification is None or verification.smoothed_exact is None or verification.informative:
        return None
    high = verification.smoothed_exact[1]
    cost = verification.yardsticks["dead coordinate"]
    return Finding(
        "noise-unresolved",
        f"After noise of {verification.smoothed_noise:.2g} a dead coordinate costs {cost:.2g} nats "
        f"and an exact sample of {verification.n:,} rows is bounded by {high:.2g}: the divergence "
        f"after noise cannot tell them apart.",
        verification.n,
        "Evaluate on more held-out rows, or in fewer columns; lower the noise if it is that of "
        "training; judge this run by the tests of its report.",
    )


def _flat(verification: Verification | None) -> Finding | None:
    if verification is None or not verification.mean_pvalues:
        return None
    means = {name: score.mean for name, score in verification.mean_pvalues.items()}
    flat = [name for name, mean in means.items() if mean < FLAT]
    if not flat:
        return None
    return Finding(
        "flat-pvalues",
        f"Mean p-values of {', '.join(flat)} are flat: {', '.join(f'{means[n]:.2g}' for n in flat)}"
        f" where a match has about 0.5.",
        len(flat),
        "The noise is too small to shape the embeddings, or classes are clusters with space "
        "between them: raise the noise, train longer, or add matching='sigreg'.",
    )


def _lost_classes(after: Downstream | None, before: Downstream | None) -> Finding | None:
    name = "knn-accuracy"
    if after is None or before is None or name not in after.values:
        return None
    fall = before[name] - after[name]
    if fall <= ERRORS * math.hypot(after.errors[name], before.errors[name]):
        return None
    return Finding(
        "classes-lost",
        f"Nearest neighbours name {after[name]:.1%} of the classes, and {before[name]:.1%} before "
        f"training.",
        None,
        "The noise is too large for these classes, or the augmentation changes them: lower either.",
    )
