"""Small models (scikit-learn) whose scores judge embeddings, each a function of one task."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

Codes = NDArray[np.int64]

TOP = 5
# The perceptron trains for at least STEPS gradient steps, within these bounds on the passes.
BATCH, STEPS, LEAST_PASSES, MOST_PASSES = 200, 3000, 10, 100
PROBE_ITERATIONS = 500
SVM_COST, SVM_ITERATIONS = 0.01, 200


class Task(NamedTuple):
    """Standardised training and test rows, with labels as positions in `classes`."""

    train: Vector
    labels: Codes
    test: Vector
    truth: Codes
    classes: tuple[str, ...]
    seed: int


def subsample(task: Task, part: Literal["train", "test"], most: int) -> Task:
    """Return the task with at most `most` training or test rows, a random subsample."""
    n = len(task.train if part == "train" else task.test)
    if n <= most:
        return task
    rows = np.sort(stream(task.seed, f"downstream/{part}").permutation(n)[:most])
    if part == "train":
        return task._replace(train=task.train[rows], labels=task.labels[rows])
    return task._replace(test=task.test[rows], truth=task.truth[rows])


def bayes(task: Task, notes: list[str]) -> Vector:
    """Class probabilities (n, classes) by Gaussian naive Bayes."""
    from sklearn.naive_bayes import GaussianNB

    if not task.train.any():  # a collapsed encoder: no column varies
        shares = np.bincount(task.labels, minlength=len(task.classes)) / len(task.labels)
        return np.tile(shares, (len(task.test), 1))
    model = GaussianNB().fit(task.train, task.labels)
    return np.asarray(model.predict_proba(task.test))


def nearest(task: Task, notes: list[str], count: int) -> Vector:
    """Shares of the classes (n, classes) among the `count` nearest training rows."""
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(count).fit(task.train, task.labels)
    return np.asarray(model.predict_proba(task.test))


def perceptron(task: Task, notes: list[str], hidden: int) -> Vector:
    """Class probabilities (n, classes) by a perceptron with a fixed number of passes, untuned."""
    from sklearn.neural_network import MLPClassifier

    n = len(task.train)
    batch = min(BATCH, n)
    passes = min(MOST_PASSES, max(LEAST_PASSES, math.ceil(STEPS * batch / n)))
    model = MLPClassifier(
        (hidden,),
        batch_size=batch,
        learning_rate_init=0.003,
        random_state=int(stream(task.seed, "downstream/mlp").integers(2**31)),
    )
    rows = task.train.astype(np.float32)
    for _ in range(passes):
        model.partial_fit(rows, task.labels, classes=np.arange(len(task.classes)))
    return np.asarray(model.predict_proba(task.test.astype(np.float32)), dtype=np.float64)


def probe(task: Task, notes: list[str]) -> Vector:
    """Class probabilities (n, classes) by logistic regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=PROBE_ITERATIONS)
    with warnings.catch_warnings():
        # The notes report it, beside the scores.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(task.train, task.labels)
    if int(np.max(model.n_iter_)) >= PROBE_ITERATIONS:
        notes.append(f"the linear probe has not converged in {PROBE_ITERATIONS} iterations")
    return np.asarray(model.predict_proba(task.test))


def machine(task: Task, notes: list[str]) -> Vector:
    """Margins of the classes (n, classes) by a linear support vector machine.

    One class against the rest, squared hinge loss, C = 0.01, untuned: many columns of standardised
    features are separable, and a larger C only takes longer.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    # The primal problem: its time does not depend on how separable the classes are.
    model = LinearSVC(C=SVM_COST, dual=False, max_iter=SVM_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(task.train, task.labels)
    if int(np.max(model.n_iter_)) >= SVM_ITERATIONS:
        notes.append(f"the support vector machine has not converged in {SVM_ITERATIONS} iterations")
    margins = np.asarray(model.decision_function(task.test))
    # Of two classes there is one margin, that of the second.
    return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins


def silhouette(task: Task) -> float:
    """Mean silhouette of the test rows with the classes as clusters. Rousseeuw (1987)."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(task.test, task.truth))


def _top(chances: Vector, task: Task, most: int = 1) -> float:
    """Share of rows whose class is among the `most` most probable; ties go to the first class."""
    own = np.take_along_axis(chances, task.truth[:, None], axis=1)
    before = np.arange(chances.shape[1]) < task.truth[:, None]
    rank = np.count_nonzero((chances > own) | ((chances == own) & before), axis=1)
    return float(np.mean(rank < most))


def _area(chances: Vector, task: Task) -> float:
    """Area under the ROC curve of a class against the rest, averaged over the test's classes."""
    from sklearn.metrics import roc_auc_score

    areas = [roc_auc_score(task.truth == c, chances[:, c]) for c in np.unique(task.truth)]
    return float(np.mean(areas))


MEASURES: dict[str, Callable[[Vector, Task], float]] = {
    "accuracy": _top,
    "auc": _area,
    "top1": _top,
    "top5": partial(_top, most=TOP),
}
