"""Downstream scores against closed forms and sklearn's own."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, silhouette_score, top_k_accuracy_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from dmtest.train.evaluate.classifiers import MEASURES, Task
from dmtest.train.evaluate.scoring import SCORES, downstream
from tests.support.calls import refused

Data = tuple[Any, Any, Any, Any]


def clusters(classes: int, n: int = 1500, spread: float = 2.0, seed: int = 0) -> Data:
    """Draw normal clusters with random centres, training and test rows."""
    rng = np.random.default_rng(seed)
    centres = spread * rng.standard_normal((classes, 3))
    y = rng.integers(classes, size=2 * n)
    z = 5.0 + 0.1 * (centres[y] + rng.standard_normal((2 * n, 3)))
    return z[:n], y[:n], z[n:], y[n:]


def scaled(data: Data) -> Data:
    """Standardise by the training rows, as the docstring says."""
    train, labels, test, truth = data
    return (
        *((train - train.mean(0)) / train.std(0), labels),
        *((test - train.mean(0)) / train.std(0), truth),
    )


def test_scores_are_sklearns() -> None:
    """Naive Bayes, neighbours, probe, silhouette and areas as sklearn computes them."""
    data = clusters(7)
    x, y, u, v = scaled(data)
    found = downstream(*data, rng=0)
    assert tuple(found.values) == SCORES
    bayes = GaussianNB().fit(x, y)
    assert_allclose(found["gnb-accuracy"], bayes.score(u, v))
    area = roc_auc_score(v, bayes.predict_proba(u), multi_class="ovr")
    assert_allclose(found["gnb-auc"], area)
    assert_allclose(found["knn-accuracy"], KNeighborsClassifier(5).fit(x, y).score(u, v))
    probe = LogisticRegression(max_iter=500).fit(x, y)
    assert_allclose(found["probe-top1"], probe.score(u, v))
    assert_allclose(found["probe-top5"], top_k_accuracy_score(v, probe.predict_proba(u), k=5))
    assert_allclose(found["silhouette"], silhouette_score(u, v))
    # The perceptron has no twin; these clusters are normal, so that Bayes' rule is the best.
    assert abs(found["mlp-accuracy"] - found["gnb-accuracy"]) < 0.02
    assert abs(found["mlp-auc"] - found["gnb-auc"]) < 0.01
    assert found.rows == {"mlp-accuracy": 1500, "mlp-auc": 1500, "silhouette": 1500}
    assert (found.n_train, found.n_test, found.d) == (1500, 1500, 3)
    p = found["knn-accuracy"]
    assert_allclose(found.errors["knn-accuracy"], math.sqrt(p * (1 - p) / 1500))
    assert "gnb-auc" not in found.errors
    assert found.notes == ()


def test_two_normals_have_a_known_answer() -> None:
    """Two N(+-m, 1): accuracy Phi(m), area Phi(m sqrt 2); the XOR of them only some models see."""
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 6_000)
    z = rng.standard_normal((12_000, 1)) + 2.0 * y[:, None] - 1.0
    mix = rng.permutation(12_000)
    names = ("gnb-accuracy", "gnb-auc", "mlp-accuracy", "mlp-auc", "probe-top1")
    found = downstream(z[mix[:6_000]], y[mix[:6_000]], z[mix[6_000:]], y[mix[6_000:]], rng=0)
    for name in names:
        truth = norm.cdf(math.sqrt(2.0) if name.endswith("auc") else 1.0)
        assert abs(found[name] - truth) < 0.02
    corners = rng.standard_normal((2000, 2))
    odd = (corners[:, 0] * corners[:, 1] > 0).astype(int)
    found = downstream(corners[:1000], odd[:1000], corners[1000:], odd[1000:], rng=0)
    assert found["probe-top1"] < 0.6
    assert found["mlp-accuracy"] > 0.93
    assert found["knn-accuracy"] > 0.93


def test_labels_that_say_nothing() -> None:
    """Embeddings independent of the classes score at chance, and it is said what chance is."""
    rng = np.random.default_rng(2)
    z, y = rng.standard_normal((4000, 2)), rng.choice(3, size=4000, p=[0.6, 0.2, 0.2])
    found = downstream(z[:2000], y[:2000], z[2000:], y[2000:], rng=0)
    assert found.chance == np.mean(y[2000:] == 0)
    assert abs(found["gnb-auc"] - 0.5) < 0.04
    assert abs(found["probe-top1"] - found.chance) < 0.01
    assert abs(found["silhouette"]) < 0.05
    assert any("probe-top5 is left out: with 3 classes" in note for note in found.notes)


def test_a_collapsed_encoder_scores_at_chance() -> None:
    """Rows that are all equal carry nothing, and nothing breaks."""
    y = np.array([0, 1, 1] * 20)
    z = np.full((60, 2), 0.1)
    found = downstream(z, y, z, y, rng=0)
    assert found["gnb-accuracy"] == found["probe-top1"] == found.chance == 2 / 3
    assert (found["gnb-auc"], found["silhouette"]) == (0.5, 0.0)


def test_same_seed_same_scores_and_subsamples_are_said() -> None:
    """Scores repeat; subsampled rows are counted, and only what was asked for is computed."""
    data = clusters(6, n=600)
    names = ["mlp-accuracy", "silhouette"]
    options: dict[str, Any] = {"scores": names, "mlp_rows": 200, "silhouette_rows": 100}
    found = downstream(*data, rng=3, **options)
    assert found.values == downstream(*data, rng=3, **options).values
    assert (found.rows, list(found.values)) == ({"mlp-accuracy": 200, "silhouette": 100}, names)
    assert found["silhouette"] != downstream(*data, rng=4, **options)["silhouette"]


def test_names_of_classes_and_json() -> None:
    """Names do as labels; the result is plain, and cannot be changed."""
    x, y, u, v = clusters(6, n=300)
    names = np.array(list("abcdef"))
    found = downstream(x, names[y], u, names[v], rng=0, scores="probe-top1")
    assert found.classes == tuple("abcdef")
    assert found.values == downstream(x, y + 3, u, v + 3, rng=0, scores="probe-top1").values
    assert json.loads(json.dumps(found.to_dict()))["values"] == dict(found.values)
    with pytest.raises(AttributeError):
        found.d = 3  # type: ignore[misc]


@pytest.mark.parametrize("classes", [2, 6])
def test_support_vectors_minimise_their_loss(classes: int) -> None:
    """|w|^2 / 2 + C sum max(0, 1 - s f(x))^2 over the weights of each class, by plain Newton steps.

    The constant counts as a column of ones whose weight is penalised too, as in liblinear.
    """
    x, y, u, v = clusters(classes, n=300)
    found = downstream(x, y, u, v, rng=0, scores=["svm-accuracy", "gnb-accuracy"])
    a, b, c, truth = scaled((x, y, u, v))
    rows, others = (np.column_stack([part, np.ones(len(part))]) for part in (a, c))
    margins = []
    for k in range(classes):
        sign, w = np.where(b == k, 1.0, -1.0), np.zeros(rows.shape[1])
        for _ in range(50):
            active = sign * (rows @ w) < 1.0
            near, target = rows[active], sign[active]
            w = np.linalg.solve(np.eye(len(w)) + 0.02 * near.T @ near, 0.02 * near.T @ target)
        margins.append(others @ w)
    predicted = np.argmax(margins, axis=0)
    assert abs(found["svm-accuracy"] - np.mean(predicted == truth)) <= 2 / len(truth)
    assert found["svm-accuracy"] > 1.2 / classes
    assert "svm-accuracy" not in downstream(x, y, u, v, rng=0).values


def test_classes_that_the_test_lacks() -> None:
    """Areas are averaged over what is there; of one class there is no area."""
    x, y, u, v = clusters(6)
    some = v < 3
    found = downstream(x, y, u[some], v[some], rng=0)
    assert "areas are averaged over the 3 classes that the test holds" in found.notes
    a, b, c, _ = scaled((x, y, u[some], v[some]))
    chances = GaussianNB().fit(a, b).predict_proba(c)
    areas = [roc_auc_score(v[some] == k, chances[:, k]) for k in range(3)]
    assert_allclose(found["gnb-auc"], np.mean(areas))
    one = v == 2
    found = downstream(x, y, u[one], v[one], rng=0)
    assert {"gnb-auc", "mlp-auc", "silhouette"}.isdisjoint(found.values)
    assert len(found.notes) == 3


def test_ties_go_to_the_first_class() -> None:
    """A model that gives all classes the same chance is right as often as argmax is."""
    zeros = np.zeros((8, 1))
    truth = np.arange(8)
    task = Task(zeros, truth, zeros, truth, tuple("abcdefgh"), 0)
    flat = np.full((8, 8), 1 / 8)
    assert (MEASURES["top1"](flat, task), MEASURES["top5"](flat, task)) == (1 / 8, 5 / 8)


Z = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((Z, Y, Z[:, :1], Y), {}, "test_z: has 1 columns and train_z 2"),
        ((Z, Y[:5], Z, Y), {}, r"train_y: got shape \(5,\)"),
        ((Z, Y, Z, Y / 2), {}, "test_y: .* of float64"),
        ((Z, Y * 0, Z, Y * 0), {}, "train_y: all labels are 0"),
        ((Z, Y, Z, Y + 1), {}, "test_y: holds 2, which train_y does not"),
        ((Z * np.nan, Y, Z, Y), {}, "train_z: got NaN"),
        ((Z, Y, Z, Y), {"scores": "f1"}, "there is no 'f1'"),
        ((Z, Y, Z, Y), {"scores": []}, "none is named"),
        ((Z, Y, Z, Y), {"scores": "probe-top5"}, "not defined: with 2 classes"),
        ((Z, Y, Z[::2], Y[::2]), {"scores": ["gnb-auc"]}, "gnb-auc is not defined: .* one class"),
        ((Z, Y, Z, Y), {"neighbours": 7}, "neighbours: got 7 of n = 6"),
        ((Z, Y, Z, Y), {"hidden": 0}, "hidden: got 0"),
    ],
)
def test_refusals(arguments: Any, options: Any, message: str) -> None:
    """What cannot be scored is named with its cure."""
    refused(message, downstream, *arguments, **options)
