"""Result of a training run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmtest.information.estimate import Estimate
from dmtest.results.outcome import Finding
from dmtest.results.shown import Shown
from dmtest.train.evaluate.scoring import Downstream
from dmtest.train.evaluate.verification import Verification
from dmtest.train.fitting.settings import Settings
from dmtest.train.model.critics import Critic
from dmtest.train.model.encoders import Encoder
from dmtest.train.model.feature_map import MapEncoder
from dmtest.train.model.noise import Noise
from dmtest.train.model.projection import Projector

if TYPE_CHECKING:
    from dmtest.results.report import Report

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Fit(Shown):
    """A trained encoder with its embeddings and their checks.

    Attributes
    ----------
    embeddings, augmented : ndarray, shape (n, dim)
        f(X) and f(X') of the held-out rows.
    labels : ndarray, shape (n,), or None
    train_embeddings, train_labels
        f(X) of the training rows, and their labels or None.
    encoder : Encoder
        The encoder, in evaluation mode and on the CPU.
    critic : Critic or None
    noise : Noise
        Its law is that of the outlet: "normal" also where the outlet is mapped to the target.
    target : str or target
    settings : Settings
        With batch, epochs and critic as they were chosen.
    steps : int
        Gradient steps that were taken.
    history : dict of str to list of float
        By epoch ``loss``, ``invariance_error``, and ``information`` in nats: its place has
        ``score``, which is not in nats, for the Jensen-Shannon objective, and nothing if there is
        no objective.
    findings : tuple of Finding
        Signs of a run that failed, with cause and cure.
    report : Report or None
        Report on the held-out embeddings against the target.
    verification : Verification or None
        Check of the held-out embeddings against the bounds of the theory.
    baseline : Verification or None
        The same check before training: random features are often nearly normal.
    downstream, baseline_downstream : Downstream or None
        Scores of the held-out embeddings after and before training.
    seconds : float
        Time of training, without evaluation.
    seed : int
    source : str
        Name of the training data.
    untrained : ndarray, shape (n, dim), or None
        f(X) of the held-out rows before training.
    """

    embeddings: Vector
    augmented: Vector
    labels: NDArray[np.int64] | None
    train_embeddings: Vector
    train_labels: NDArray[np.int64] | None
    encoder: Encoder
    critic: Critic | None
    noise: Noise
    target: Any
    settings: Settings
    steps: int
    history: dict[str, list[float]]
    findings: tuple[Finding, ...]
    report: Report | None
    verification: Verification | None
    baseline: Verification | None
    downstream: Downstream | None
    baseline_downstream: Downstream | None
    seconds: float
    seed: int
    source: str
    untrained: Vector | None = None

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return one self-contained HTML page, and write it when `path` is given.

        Parameters
        ----------
        path : path-like, optional
            File to write (UTF-8).

        Returns
        -------
        str
            Verdict and diagnosis of the held-out rows, curves, trained, untrained and perfect
            encoder, scatter plots, and bounds. It has no scripts and loads nothing.
        """
        from dmtest.render.page.training import training_page
        from dmtest.results import serial

        return serial.output(training_page(self), path)

    def summary(self) -> dict[str, Any]:
        """Return settings, history and scores as plain Python values."""
        scores = {
            "downstream": self.downstream,
            "baseline_downstream": self.baseline_downstream,
            "baseline": self.baseline,
        }
        return {
            "source": self.source,
            "settings": self.settings.to_dict(),
            "target": self.target if isinstance(self.target, str) else repr(self.target),
            self.noise.name: self.noise.level,
            "seed": self.seed,
            "seconds": self.seconds,
            "steps": self.steps,
            "findings": [one.to_dict() for one in self.findings],
            "history": self.history,
        } | {name: None if score is None else score.to_dict() for name, score in scores.items()}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SelfSupervisedFit(Shown):
    """An encoder trained by a self-supervised method, with its embeddings and scores.

    Attributes
    ----------
    embeddings, augmented : ndarray, shape (n, dim)
        Outlets of the held-out rows, and of one augmented view of each.
    features, train_features : ndarray, shape (n, width)
        Features before the projection head, of held-out and of training rows.
    labels, train_labels : ndarray, shape (n,), or None
    encoder : Projector
        In evaluation mode and on the CPU.
    method : str
    sigma : float
        Standard deviation of the noise at the outlet of the second view.
    settings : Settings
        With batch and epochs as they were chosen.
    steps : int
        Gradient steps that were taken.
    history : dict of str to list of float
        ``loss`` and ``invariance_error`` (of a column) by epoch.
    findings : tuple of Finding
        Signs of a run that failed, with cause and cure.
    report : Report or None
        Report on the held-out outlets against N(0, I).
    downstream, baseline_downstream : Downstream or None
        Scores of the held-out features after and before training.
    seconds : float
        Time of training, without evaluation.
    seed : int
    source : str
        Name of the training data.
    """

    embeddings: Vector
    augmented: Vector
    features: Vector
    train_features: Vector
    labels: NDArray[np.int64] | None
    train_labels: NDArray[np.int64] | None
    encoder: Projector
    method: str
    sigma: float
    settings: Settings
    steps: int
    history: dict[str, list[float]]
    findings: tuple[Finding, ...]
    report: Report | None
    downstream: Downstream | None
    baseline_downstream: Downstream | None
    seconds: float
    seed: int
    source: str

    def summary(self) -> dict[str, Any]:
        """Return settings, history and scores as plain Python values."""
        scores = {"downstream": self.downstream, "baseline_downstream": self.baseline_downstream}
        return {
            "source": self.source,
            "method": self.method,
            "sigma": self.sigma,
            **_run_facts(self),
        } | {name: None if score is None else score.to_dict() for name, score in scores.items()}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeepInfoMaxFit(Shown):
    """An encoder trained by Deep InfoMax, with its embeddings and scores.

    Attributes
    ----------
    embeddings, train_embeddings : ndarray, shape (n, dim)
        Y of the held-out and of the training rows.
    features, train_features : ndarray, shape (n, hidden)
        The layer below the outlet.
    labels, train_labels : ndarray, shape (n,), or None
    encoder : MapEncoder
        In evaluation mode and on the CPU; its ``levels`` are what probes read.
    target : {"normal", "uniform"}
    weights : dict of str to float
        Weights of the "global" and the "local" objective and of "coordinates".
    prior : dict of str to float
        Weights of the terms that match the target; empty without any.
    occlude : float
        Sides of the rectangle that the embedding did not see, over those of the image.
    settings : Settings
        With batch and epochs as they were chosen.
    steps : int
        Gradient steps that were taken.
    history : dict of str to list of float
        By epoch ``loss``, and what was trained on: values of the objectives ``global`` and
        ``local`` (nats, but not for the Jensen-Shannon objective), ``coordinates`` (cross-entropy
        in nats) and ``prior`` (the weighted terms together).
    findings : tuple of Finding
        Signs of a run that failed, with cause and cure.
    report : Report or None
        Report on the held-out embeddings against the target.
    downstream, baseline_downstream : Downstream or None
        Scores of the held-out embeddings after and before training.
    feature_downstream : Downstream or None
        Scores of the held-out features after training.
    dependence, baseline_dependence : Estimate or None
        Neural dependence measure of the held-out embeddings after and before training, in nats;
        None for fewer than 256 rows or one column.
    seconds : float
        Time of training, without evaluation.
    seed : int
    source : str
        Name of the training data.
    """

    embeddings: Vector
    train_embeddings: Vector
    features: Vector
    train_features: Vector
    labels: NDArray[np.int64] | None
    train_labels: NDArray[np.int64] | None
    encoder: MapEncoder
    target: str
    weights: dict[str, float]
    prior: dict[str, float]
    occlude: float
    settings: Settings
    steps: int
    history: dict[str, list[float]]
    findings: tuple[Finding, ...]
    report: Report | None
    downstream: Downstream | None
    baseline_downstream: Downstream | None
    feature_downstream: Downstream | None
    dependence: Estimate | None
    baseline_dependence: Estimate | None
    seconds: float
    seed: int
    source: str

    @property
    def method(self) -> str:
        """What was maximised, such as "local Deep InfoMax (infonce)"."""
        kinds = " and ".join(name for name in ("global", "local") if self.weights[name])
        return f"{kinds} Deep InfoMax ({self.settings.objective})"

    def summary(self) -> dict[str, Any]:
        """Return settings, history and scores as plain Python values."""
        scores = {
            "downstream": self.downstream,
            "baseline_downstream": self.baseline_downstream,
            "feature_downstream": self.feature_downstream,
        }
        dependence = {
            "dependence": self.dependence,
            "baseline_dependence": self.baseline_dependence,
        }
        return {
            "source": self.source,
            "method": self.method,
            "weights": self.weights,
            "prior": self.prior,
            "occlude": self.occlude,
            "target": self.target,
            **_run_facts(self),
            **{name: None if one is None else float(one) for name, one in dependence.items()},
            **{name: None if one is None else one.to_dict() for name, one in scores.items()},
        }


def _run_facts(fit: SelfSupervisedFit | DeepInfoMaxFit) -> dict[str, Any]:
    """Return settings, length, findings and history of a run as plain Python values."""
    return {
        "settings": fit.settings.to_dict(),
        "seed": fit.seed,
        "seconds": fit.seconds,
        "steps": fit.steps,
        "findings": [one.to_dict() for one in fit.findings],
        "history": fit.history,
    }
