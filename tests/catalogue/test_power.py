"""Every row of the catalogue detects the departure that it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import dmtest
from dmtest.catalogue.registry import ROWS
from dmtest.catalogue.spec import Spec
from tests.support.references import label
from tests.support.samples import unit

Sampler = Callable[[np.random.Generator], np.ndarray]

N, D, SAMPLES = 150, 3, 20


def normal(rng: np.random.Generator) -> np.ndarray:
    """Draw N(0, I)."""
    return rng.standard_normal((N, D))


def clusters(rng: np.random.Generator) -> np.ndarray:
    """Draw two clusters of unequal weights, at both ends of the first axis."""
    return normal(rng) + np.where(rng.random((N, 1)) < 0.25, 3.0, -1.0) * [1.0, 0.0, 0.0]


def lengths(rng: np.random.Generator) -> np.ndarray:
    """Draw rows of two scales: no column is skewed or correlated."""
    return normal(rng) * np.where(rng.random((N, 1)) < 0.3, 2.0, 0.6)


def squares(rng: np.random.Generator) -> np.ndarray:
    """Draw a column that depends on the square of another."""
    x = normal(rng)
    x[:, 1] = 0.6 * x[:, 1] + (x[:, 0] ** 2 - 1.0)
    return x


def poles(rng: np.random.Generator) -> np.ndarray:
    """Draw directions near three points of a great circle, 120 degrees from each other."""
    angle = 2.0 * np.pi / 3.0 * rng.integers(3, size=N)
    centre = np.stack([np.cos(angle), np.sin(angle), np.zeros(N)], axis=1)
    return unit(centre + 0.4 * normal(rng))


ALTERNATIVES: dict[str, Sampler] = {
    "heavy tails": lambda rng: rng.standard_t(2, (N, D)),
    "skewness": lambda rng: rng.standard_exponential((N, D)) - 1.0,
    "light tails": lambda rng: rng.uniform(-np.sqrt(3), np.sqrt(3), (N, D)),
    "clusters": clusters,
    "lengths": lengths,
    "squares": squares,
    "shift": lambda rng: normal(rng) + 0.4,
    "scale": lambda rng: 1.4 * normal(rng),
    "bad axis": lambda rng: rng.random((N, D)) ** [1.0, 1.0, 2.0],
    "full centre": lambda rng: rng.beta(2.0, 2.0, (N, D)),
    "mean direction": lambda rng: unit(normal(rng) + 0.4),
    "full plane": lambda rng: unit(normal(rng) * [2.0, 2.0, 0.8]),
    "three poles": poles,
    "near duplicates": lambda rng: np.repeat(unit(normal(rng))[: N // 2], 2, axis=0),
    "both moments": lambda rng: normal(rng) * [1.8, 1.0, 1.0] + 0.4,
}
# Every row, and what it is for.
DETECTED = {
    "dagostino-pearson-lines": "heavy tails",
    "shapiro-wilk-lines": "light tails",
    "shapiro-francia-lines": "heavy tails",
    "anderson-darling-lines": "skewness",
    "cramer-von-mises-lines": "skewness",
    "kolmogorov-smirnov-lines": "skewness",
    "kuiper-lines": "clusters",
    "watson-lines": "clusters",
    "jarque-bera-lines": "heavy tails",
    "epps-pulley-lines": "clusters",
    "vasicek-lines": "clusters",
    "henze-zirkler-residuals": "clusters",
    "bhep-residuals": "skewness",
    "henze-wagner-residuals": "skewness",
    "mardia-skewness-residuals": "skewness",
    "mardia-kurtosis-residuals": "light tails",
    "koziol-kurtosis-residuals": "heavy tails",
    "mori-rohatgi-szekely-residuals": "skewness",
    "energy-residuals": "heavy tails",
    "henze-jimenez-gamero-residuals": "heavy tails",
    "henze-visagie-residuals": "skewness",
    "doerr-ebner-henze-t-residuals": "heavy tails",
    "doerr-ebner-henze-u-residuals": "heavy tails",
    "ebner-henze-strieder-residuals": "skewness",
    "manzotti-quiroz-1-residuals": "clusters",
    "manzotti-quiroz-2-residuals": "lengths",
    "henze-jimenez-gamero-meintanis-residuals": "heavy tails",
    "royston-residuals": "skewness",
    "doornik-hansen-residuals": "skewness",
    "generalised-shapiro-wilk-residuals": "skewness",
    "malkovich-afifi-skewness-residuals": "clusters",
    "malkovich-afifi-kurtosis-residuals": "heavy tails",
    "cox-small-residuals": "squares",
    "pudelko-residuals": "skewness",
    "mmd-normal": "shift",
    "energy-normal": "shift",
    "stein-normal": "scale",
    "mean-normal": "shift",
    "covariance-lrt-normal": "scale",
    "covariance-nagao-normal": "scale",
    "covariance-ledoit-wolf-normal": "scale",
    "radius-normal": "lengths",
    "direction-normal": "shift",
    "axis-kolmogorov-smirnov-cube": "bad axis",
    "axis-anderson-darling-cube": "bad axis",
    "centred-discrepancy-cube": "full centre",
    "mmd-cube": "full centre",
    "energy-cube": "full centre",
    "rayleigh-sphere": "mean direction",
    "bingham-sphere": "full plane",
    "ajne-sphere": "mean direction",
    "gine-gn-sphere": "full plane",
    "gine-fn-sphere": "mean direction",
    "bakshaev-sphere": "mean direction",
    "pcvm-sphere": "mean direction",
    "pad-sphere": "mean direction",
    "cai-fan-jiang-sphere": "near duplicates",
    "sobolev-sphere": "three poles",
    "mmd-two-sample": "both moments",
    "energy-two-sample": "both moments",
    "sliced-wasserstein-two-sample": "both moments",
    "classifier-two-sample": "both moments",
}


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_it_detects_what_it_is_for(row: Spec) -> None:
    """At level .05 in at least 16 of 20 samples of 150 rows, where the test takes as many."""
    assert label(row) in DETECTED, (
        f"{label(row)} has no alternative: list it in DETECTED of tests/catalogue/test_power.py, "
        f"with a sampler in ALTERNATIVES where none of them is what it is for."
    )
    sampler, detected = ALTERNATIVES[DETECTED[label(row)]], 0
    rows = 40 if row.most is not None and row.most <= 200 else N
    for seed in range(SAMPLES):
        rng = np.random.default_rng(seed)
        x = sampler(rng)[:rows]
        goal = dmtest.Reference(normal(rng)) if row.space == "two-sample" else row.targets[0]
        detected += dmtest.run_test(x, row.name, goal, slices=16, replicates=99, rng=0).rejects(
            0.05
        )
    assert detected >= 0.8 * SAMPLES, detected


def test_a_row_without_an_alternative_says_what_to_add() -> None:
    with pytest.raises(AssertionError, match="no alternative: list it in DETECTED"):
        test_it_detects_what_it_is_for(replace(ROWS[0], name="unheard-of"))
