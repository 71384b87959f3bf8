"""Targets by a map of the normal outlet: products of margins, and the sphere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import special, stats

import dmtest
from dmtest import Product, train
from dmtest.train.data.load import load_images
from dmtest.train.fitting.outlet import outlet_of
from dmtest.train.model.margins import build_margins
from tests.support.calls import refused

QUICK: dict[str, Any] = {"sigma": 0.5, "epochs": 2, "batch": 256, "evaluate": False, "rng": 0}


@pytest.mark.parametrize(
    "margin", [stats.gamma(2.0), stats.laplace(1.0, 3.0), stats.t(4), stats.norm(5.0, 0.1)]
)
def test_the_map_is_the_quantile_of_the_normal_cdf(margin: Any) -> None:
    """From -6 to 6, on both sides by the tail that keeps its digits."""
    law, spec = outlet_of(Product(margin), 2)
    assert law == "normal"
    z = np.concatenate([np.linspace(-6.0, 6.0, 4001), [-6.5, 6.5]])
    exact = np.where(z <= 0, margin.ppf(special.ndtr(z)), margin.isf(special.ndtr(-z)))
    rows = torch.from_numpy(np.stack([z, -z], axis=1))
    found = build_margins(spec, 2)(rows).numpy()
    assert_allclose(found[:, 0], exact, rtol=2e-5, atol=2e-5 * margin.std())
    assert_allclose(found[::-1, 1][2:], exact[:-2], rtol=2e-5, atol=2e-5 * margin.std())
    far = build_margins(spec, 2)(torch.tensor([[-20.0, 20.0]])).numpy()
    assert np.isfinite(far).all()
    assert far[0, 0] < found[:, 0].min() < found[:, 1].max() < far[0, 1]


def test_unit_norm() -> None:
    _, spec = outlet_of("sphere", 3)
    z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert_allclose(build_margins(spec, 3)(z).norm(dim=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("target", ["sphere", Product([stats.gamma(2.0), stats.laplace()])])
def test_mapped_encoders_report_and_reload(target: Any, tmp_path: Path) -> None:
    """Files, encoder and report are on the scale of the target; verification is of the outlet."""
    made = train.fit("digits", target, **QUICK | {"evaluate": True, "out": tmp_path})
    assert made.report is not None
    assert made.verification is not None
    assert made.report.target == ("sphere" if target == "sphere" else "product")
    assert made.noise.target == made.verification.target == "normal"
    images = torch.from_numpy(load_images("digits", split="test").images)
    for encoder in (made.encoder, train.load_encoder(tmp_path)):
        with torch.no_grad():
            assert_allclose(encoder(images).numpy(), made.embeddings, atol=1e-5)
            outlet = encoder.outlet(images).numpy()
    assert made.verification.kolmogorov == pytest.approx(
        [stats.kstest(column.astype(float), "norm").statistic for column in outlet.T], abs=1e-5
    )
    with np.load(tmp_path / "embeddings.npz") as stored:
        assert "sigma" not in stored.files
        assert float(stored["outlet_sigma"]) == 0.5
    assert "target" in made.summary()


def test_the_same_outlet_has_the_same_distance_from_every_product() -> None:
    """A strictly increasing map changes neither ranks nor Kolmogorov-Smirnov distances."""
    plain = train.fit("digits", "normal", **QUICK)
    made = train.fit("digits", Product(stats.gamma(2.0)), **QUICK)
    for one, other in zip(plain.embeddings.T, made.embeddings.T, strict=True):
        apart = stats.kstest(one.astype(float), "norm").statistic
        assert stats.kstest(other.astype(float), stats.gamma(2.0).cdf).statistic == pytest.approx(
            apart, abs=1e-5
        )


@pytest.fixture(scope="module")
def default_run() -> train.Fit:
    """``dmtest train --data digits --target normal --sigma 0.3 --seed 0``, without evaluation."""
    torch.set_num_threads(1)
    return train.fit("digits", "normal", sigma=0.3, rng=0, evaluate=False)


def test_the_defaults_match_and_keep_the_classes(default_run: train.Fit) -> None:
    from sklearn.model_selection import cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    z, labels = default_run.embeddings.astype(np.float64), default_run.labels
    assert cross_val_score(KNeighborsClassifier(5), z, labels, cv=5).mean() > 0.72
    assert max(stats.kstest(column, "norm").statistic for column in z.T) < 0.06
    assert default_run.steps == 2000
    assert [one.code for one in default_run.findings] == []


@pytest.mark.parametrize(
    ("target", "margin"),
    [
        (Product(stats.gamma(2.0)), stats.gamma(2.0)),
        (Product(stats.laplace()), stats.laplace()),
        ("sphere", stats.arcsine(-1.0, 2.0)),
    ],
)
def test_every_target_is_matched_on_every_axis(
    default_run: train.Fit, target: Any, margin: Any
) -> None:
    """Training is that of the normal outlet, so its map alone is applied here."""
    _, spec = outlet_of(target, 2)
    z = build_margins(spec, 2)(torch.from_numpy(default_run.embeddings)).double().numpy()
    assert max(stats.kstest(column, margin.cdf).statistic for column in z.T) <= 0.06


@pytest.mark.parametrize(
    ("target", "dim", "words"),
    [
        ("ranks", 2, "target"),
        ("any-normal", 2, "'sphere' and Product"),
        (dmtest.Normal([1.0, 2.0]), 2, "the trainer knows"),
        ("sphere", 1, "2 columns"),
        (Product([stats.norm()] * 3), 2, "3 margins for dim=2"),
        (Product(stats.poisson(3.0)), 2, "target"),
    ],
)
def test_targets_that_are_refused(target: Any, dim: int, words: str) -> None:
    refused(words, train.fit, "digits", target, dim=dim, **QUICK)
