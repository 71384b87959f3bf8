"""Downstream scores of embeddings: accuracies and areas of small models (scikit-learn).

An untrained encoder can be nearly normal, so distribution matching means little without these
scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.arguments import whole
from dmtest.errors import InputError
from dmtest.information.rows import as_rows
from dmtest.results.shown import Shown
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.train.evaluate.classifiers import (
    MEASURES,
    TOP,
    Task,
    bayes,
    machine,
    nearest,
    perceptron,
    probe,
    silhouette,
    subsample,
)

Fit = Callable[..., NDArray[np.float64]]

SCORES = (
    *("gnb-accuracy", "gnb-auc", "knn-accuracy", "mlp-accuracy", "mlp-auc"),
    *("silhouette", "probe-top1", "probe-top5"),
)
# Scores that are computed only where they are named.
ON_DEMAND = ("svm-accuracy",)
# Scores without a binomial standard error.
WITHOUT_ERROR = ("auc", "silhouette")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Downstream(Shown):
    """Scores of embeddings with known labels; larger is better.

    Attributes
    ----------
    values : mapping of str to float
        Scores by their names in `SCORES` and `ON_DEMAND`. Accuracies and areas lie in [0, 1], the
        silhouette in [-1, 1].
    errors : mapping of str to float
        Standard errors of the accuracies, from the finite number of test rows.
    rows : mapping of str to int
        Number of rows behind a score: training rows of the perceptron, test rows of the
        silhouette. If below `n_train` or `n_test`, they are a random subsample.
    chance : float
        Accuracy of predicting the most frequent training class for all rows.
    classes : tuple of str
    n_train, n_test, d : int
    seed : int
    notes : tuple of str
        Scores that were left out, and fits that did not converge.
    """

    values: Mapping[str, float]
    errors: Mapping[str, float]
    rows: Mapping[str, int]
    chance: float
    classes: tuple[str, ...]
    n_train: int
    n_test: int
    d: int
    seed: int
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in fields.items()
        } | {"classes": list(self.classes), "notes": list(self.notes)}


def downstream(
    train_z: ArrayLike,
    train_y: ArrayLike,
    test_z: ArrayLike,
    test_y: ArrayLike,
    *,
    rng: RngLike = None,
    scores: str | Iterable[str] | None = None,
    neighbours: int = 5,
    hidden: int = 100,
    mlp_rows: int = 60_000,
    silhouette_rows: int = 10_000,
) -> Downstream:
    """Fit small models to training embeddings and score them on test embeddings.

    Columns are standardised with the training rows' means and standard deviations. The models are
    Gaussian naive Bayes, k nearest neighbours, a perceptron with one hidden layer (Adam, at least
    3,000 steps or 100 passes) and a linear probe (logistic regression). Areas under the ROC curve
    are of one class against the rest, averaged over the classes in the test. The silhouette is
    that of the test rows (Rousseeuw 1987).

    Parameters
    ----------
    train_z, test_z : array_like, shape (n, d)
    train_y, test_y : array_like, shape (n,)
        Whole numbers or names of classes.
    rng : None, int or numpy Generator
        Seed of the perceptron and of subsamples.
    scores : str or iterable of str, optional
        Some of `SCORES`, which are all computed by default where the labels define them, or
        "svm-accuracy", that of a linear support vector machine.
    neighbours : int
        Number of nearest neighbours.
    hidden : int
        Width of the perceptron.
    mlp_rows : int
        Most training rows of the perceptron; larger sets are subsampled at random.
    silhouette_rows : int
        Most test rows of the silhouette, whose time grows with their square.

    Returns
    -------
    Downstream
        60,000 + 10,000 rows of 2 columns take 3 s of one core.

    Raises
    ------
    InputError
        If rows and labels do not fit together, the test holds a class that training does not, or
        a score in `scores` is not defined.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> z = rng.standard_normal((400, 2)) + 6.0 * y[:, None]
    >>> result = downstream(z[:300], y[:300], z[300:], y[300:], scores="knn-accuracy", rng=0)
    >>> result["knn-accuracy"]
    1.0
    """
    names, explicit = _names(scores)
    task = _task(train_z, train_y, test_z, test_y, entropy_of(rng))
    if whole("neighbours", neighbours, 1) > len(task.train):
        raise InputError(
            f"neighbours: got {neighbours} of n = {len(task.train)} training rows; take fewer."
        )
    fits: dict[str, Fit] = {
        "gnb": bayes,
        "knn": partial(nearest, count=neighbours),
        "mlp": partial(perceptron, hidden=whole("hidden", hidden, 1)),
        "probe": probe,
        "svm": machine,
    }
    mlp_task = subsample(task, "train", whole("mlp_rows", mlp_rows, 2))
    silhouette_task = subsample(task, "test", whole("silhouette_rows", silhouette_rows, 2))
    names, notes = _defined_scores(names, explicit, task, silhouette_task)
    values: dict[str, float] = {}
    with single_threaded_blas():
        for family, fit in fits.items():
            if members := [name for name in names if name.startswith(family)]:
                chances = fit(mlp_task if family == "mlp" else task, notes=notes)
                values |= {name: MEASURES[name.split("-")[1]](chances, task) for name in members}
        if "silhouette" in names:
            values["silhouette"] = silhouette(silhouette_task)
    spread = {name: v * (1.0 - v) for name, v in values.items() if not name.endswith(WITHOUT_ERROR)}
    rows = {name: len(mlp_task.train) for name in values if name.startswith("mlp")}
    rows |= {name: len(silhouette_task.test) for name in values if name == "silhouette"}
    return Downstream(
        values={name: values[name] for name in names},
        errors={name: math.sqrt(v / len(task.test)) for name, v in spread.items()},
        rows=rows,
        chance=float(np.mean(task.truth == np.argmax(np.bincount(task.labels)))),
        classes=task.classes,
        n_train=len(task.train),
        n_test=len(task.test),
        d=task.train.shape[1],
        seed=task.seed,
        notes=tuple(notes),
    )


def _names(scores: str | Iterable[str] | None) -> tuple[list[str], bool]:
    """Return the scores in the order of `SCORES`, and whether the caller named them."""
    if scores is None:
        return list(SCORES), False
    names = [scores] if isinstance(scores, str) else list(scores)
    known = (*SCORES, *ON_DEMAND)
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"scores: there is no {unknown[0]!r}; choose from {', '.join(known)}.")
    if not names:
        raise InputError(f"scores: none is named; choose from {', '.join(known)}.")
    return [name for name in known if name in names], True


def _task(
    train_z: ArrayLike, train_y: ArrayLike, test_z: ArrayLike, test_y: ArrayLike, seed: int
) -> Task:
    train, test = as_rows("train_z", train_z), as_rows("test_z", test_z)
    if train.shape[1] != test.shape[1]:
        raise InputError(
            f"test_z: has {test.shape[1]} columns and train_z {train.shape[1]}; give embeddings "
            f"of one encoder."
        )
    codes = []
    for name, values, rows in (("train_y", train_y, train), ("test_y", test_y, test)):
        labels = np.asarray(values)
        if labels.ndim != 1 or labels.dtype.kind not in "iubU" or len(labels) != len(rows):
            raise InputError(
                f"{name}: got shape {labels.shape} of {labels.dtype} for {len(rows)} rows; give "
                f"one whole number or name for each."
            )
        codes.append(labels)
    if len(known := np.unique(codes[0])) < 2:
        raise InputError(f"train_y: all labels are {known[0]!s}; give at least two classes.")
    if strange := sorted(set(codes[1].tolist()) - set(known.tolist())):
        raise InputError(f"test_y: holds {strange[0]!r}, which train_y does not; remove it.")
    labels, truth = (np.searchsorted(known, labels).astype(np.int64) for labels in codes)
    # A constant column becomes exactly 0, although its standard deviation may differ by rounding.
    varies = np.ptp(train, axis=0) > 0.0
    scale = np.where(varies, train.std(axis=0), 1.0)
    middle = np.where(varies, train.mean(axis=0), train[0])
    classes = tuple(map(str, known))
    return Task((train - middle) / scale, labels, (test - middle) / scale, truth, classes, seed)


def _defined_scores(
    names: list[str], explicit: bool, task: Task, silhouette_task: Task
) -> tuple[list[str], list[str]]:
    """Return the scores that are defined for these labels, and notes on the others.

    A score that the caller named and that is not defined is refused.
    """
    undefined: dict[str, str] = {}
    present = len(np.unique(task.truth))
    if present < 2:
        undefined |= dict.fromkeys(
            ("gnb-auc", "mlp-auc"), "the test holds one class, and an area needs two"
        )
    if not 2 <= len(np.unique(silhouette_task.truth)) < len(silhouette_task.truth):
        undefined["silhouette"] = "it needs two classes or more, and fewer than rows"
    if len(task.classes) <= TOP:
        undefined["probe-top5"] = f"with {len(task.classes)} classes it is always 1"
    left_out = [name for name in names if name in undefined]
    if left_out and explicit:
        raise InputError(f"scores: {left_out[0]} is not defined: {undefined[left_out[0]]}.")
    notes = [f"{name} is left out: {undefined[name]}" for name in left_out]
    if 2 <= present < len(task.classes):
        notes.append(f"areas are averaged over the {present} classes that the test holds")
    return [name for name in names if name not in undefined], notes
