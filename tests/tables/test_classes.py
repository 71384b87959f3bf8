"""How much of the variance and of the divergence lies between classes: exact cases, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

from dmtest.data.labels import as_labels
from dmtest.data.sample import as_sample
from dmtest.results.effect_table import (
    KL_ALL_MEAN,
    KL_CLASS_MEANS,
    KL_CLASS_WITHIN,
    KL_CLASSES,
    VARIANCE_BETWEEN,
)
from dmtest.tables.classes import class_estimates, class_scatter
from dmtest.targets.canonical import known
from dmtest.targets.targets import AnyNormal, Normal

SHARES = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[1.0, 0.0], [-0.5, 1.0], [-1.0, -0.5]])
FACTORS = np.array([[[0.6, 0.0], [0.3, 0.5]], [[1.0, 0.0], [0.0, 0.3]], [[0.4, 0.0], [0.1, 0.8]]])


def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw n rows with their classes, in fixed proportions."""
    codes = np.repeat(np.arange(3), np.round(SHARES * n).astype(int))
    z = rng.standard_normal((len(codes), 2))
    return MEANS[codes] + np.einsum("nij,nj->ni", FACTORS[codes], z), codes


def truth() -> dict[str, float]:
    """Return the exact shares of the mixture."""
    covariances = FACTORS @ np.swapaxes(FACTORS, 1, 2)
    mean = SHARES @ MEANS
    between = SHARES @ np.square(MEANS - mean).sum(axis=1)
    traces = np.trace(covariances, axis1=1, axis2=2)
    inside = 0.5 * (traces - 2.0 - np.log(np.linalg.det(covariances)))
    parts = {
        VARIANCE_BETWEEN.name: between / (between + SHARES @ traces),
        KL_ALL_MEAN.name: 0.5 * mean @ mean,
        KL_CLASS_MEANS.name: 0.5 * between,
        KL_CLASS_WITHIN.name: SHARES @ inside,
    }
    whole = sum(value for name, value in parts.items() if name != VARIANCE_BETWEEN.name)
    return {name: float(value) for name, value in (parts | {KL_CLASSES.name: whole}).items()}


def test_estimates_are_unbiased_and_their_intervals_cover() -> None:
    """Against the exact values of a mixture, over 200 samples of 150 rows."""
    rng, exact, runs = np.random.default_rng(0), truth(), 200
    values: dict[str, list[float]] = {name: [] for name in exact}
    inside = dict.fromkeys(exact, 0)
    for _ in range(runs):
        x, codes = draw(rng, 150)
        labels = as_labels(codes, len(codes), "labels")
        for row, one in class_estimates(known(x), labels).items():
            limits = one.limits(0.95)
            assert one.value is not None
            assert limits is not None
            values[row.name].append(one.value)
            inside[row.name] += limits[0] <= exact[row.name] <= limits[1]
    for name, value in exact.items():
        error = np.std(values[name]) / np.sqrt(runs)
        assert abs(np.mean(values[name]) - value) <= 4 * error + 0.002, name
        share = inside[name] / runs
        assert 0.95 - 4 * np.sqrt(0.95 * 0.05 / runs) <= share, (name, share)


def test_equal_classes_have_no_share() -> None:
    """Labels that say nothing: the share is 0 on average, and its interval holds 0."""
    rng, shares, held = np.random.default_rng(1), [], 0
    for _ in range(200):
        labels = as_labels(rng.permutation(np.repeat(np.arange(4), 25)), 100, "labels")
        found = class_estimates(known(rng.standard_normal((100, 3))), labels)
        one = next(found[row] for row in found if row.name == VARIANCE_BETWEEN.name)
        limits = one.limits(0.95)
        assert one.value is not None
        assert limits is not None
        shares.append(one.value)
        held += limits[0] <= 0.0 <= limits[1]
    assert abs(np.mean(shares)) <= 4 * np.std(shares) / np.sqrt(200)
    assert held >= 200 * (0.95 - 4 * np.sqrt(0.95 * 0.05 / 200))


def test_the_parts_add_up_to_the_fitted_normals() -> None:
    """With parameters as they are fitted: sum of p KL(N(m_c, S_c) || N(0, I)), less the bias."""
    x, codes = draw(np.random.default_rng(2), 100_000)
    labels = as_labels(codes, len(codes), "labels")
    found = {row.name: one for row, one in class_estimates(known(x), labels).items()}
    total = 0.0
    for code, share in enumerate(labels.counts / len(x)):
        rows = x[codes == code]
        mean, covariance = rows.mean(axis=0), np.cov(rows.T, bias=True)
        divergence = mean @ mean + np.trace(covariance) - 2 - np.log(np.linalg.det(covariance))
        total += 0.5 * share * divergence
    parts = (KL_ALL_MEAN, KL_CLASS_MEANS, KL_CLASS_WITHIN)
    assert_allclose(found[KL_CLASSES.name].value, total, atol=2e-4)
    assert_allclose(found[KL_CLASSES.name].value, sum(found[row.name].value for row in parts))


def test_all_rows_are_at_least_as_far_as_the_note_says() -> None:
    """Two narrow classes in one column: the bound is the divergence of the mixture itself."""
    rng = np.random.default_rng(3)
    codes = np.repeat([0, 1], 4000)
    x = (np.where(codes, 2.0, -2.0) + 0.4 * rng.standard_normal(8000))[:, None]
    labels = as_labels(codes, 8000, "labels")
    found = {row.name: one for row, one in class_estimates(known(x), labels).items()}

    def integrand(at: float) -> float:
        density = 0.5 * (stats.norm.pdf(at, 2, 0.4) + stats.norm.pdf(at, -2, 0.4))
        return float(density * (np.log(density) - stats.norm.logpdf(at)))

    divergence = integrate.quad(integrand, -6, 6, points=[-2, 0, 2])[0]
    value = found[KL_CLASSES.name].value
    assert value is not None
    assert_allclose(value - labels.entropy, divergence, atol=0.03)
    assert f"it is about {value - np.log(2):.2g} nats or more" in found[KL_CLASSES.name].note


def test_whitened_rows() -> None:
    """Some normal: the share is Pillai's trace over d, and no part is from the mean of all."""
    x, codes = draw(np.random.default_rng(4), 3000)
    sample = as_sample(x @ [[2.0, 1.0], [0.0, 3.0]] + 5.0, labels=codes)
    assert sample.labels is not None
    found = {
        row.name: one
        for row, one in class_estimates(AnyNormal().canonical(sample), sample.labels).items()
    }
    plain = {
        row.name: one
        for row, one in class_estimates(AnyNormal().canonical(as_sample(x)), sample.labels).items()
    }
    assert KL_ALL_MEAN.name not in found
    for name, one in found.items():
        assert_allclose(one.value, plain[name].value, rtol=1e-9)
    total = np.cov(x.T, bias=True)
    means = np.stack([x[codes == code].mean(axis=0) for code in range(3)]) - x.mean(axis=0)
    between = np.einsum("c,ci,cj->ij", sample.labels.counts / len(x), means, means)
    pillai = np.trace(np.linalg.solve(total, between)) / 2
    assert_allclose(found[VARIANCE_BETWEEN.name].value, pillai, atol=2e-3)


def test_few_rows_and_equal_rows() -> None:
    """A class with fewer rows than columns has no divergence; equal rows have no variance."""
    rng = np.random.default_rng(5)
    labels = as_labels(np.repeat([0, 1], 10), 20, "labels")
    few = class_estimates(known(rng.normal(size=(20, 12))), labels)
    found = {row.name: one for row, one in few.items()}
    assert set(found) == {VARIANCE_BETWEEN.name, KL_CLASSES.name}
    assert "class '0' is singular" in found[KL_CLASSES.name].note
    same = {row.name: one for row, one in class_estimates(known(np.ones((20, 2))), labels).items()}
    assert same[VARIANCE_BETWEEN.name].value is None


@pytest.mark.parametrize(("d", "classes"), [(1, 3), (2, 3), (5, 2), (5, 3), (5, 12)])
def test_the_plane_of_the_scatter_plot(d: int, classes: int) -> None:
    rng = np.random.default_rng(d)
    codes = np.repeat(np.arange(classes), 200)
    x = rng.standard_normal((len(codes), d))
    x[:, -1] += 5.0 * codes
    sample = as_sample(x, labels=codes)
    assert sample.labels is not None
    figure = class_scatter(sample, Normal().canonical(sample), sample.labels, 0)
    assert len(figure.x) == len(figure.y) == len(figure.codes) == min(1500, len(x))
    assert figure.classes == tuple(str(code) for code in range(classes))
    if d > 2:  # the first direction is the column that tells the classes apart
        assert np.corrcoef(figure.x, figure.codes)[0, 1] > 0.9
        assert figure.axes == ("direction 1", "direction 2")
    elif d == 2:
        assert figure.axes == ("x0", "x1")
        assert_allclose(figure.x, np.round(x[:, 0], 3), atol=1e-9)
