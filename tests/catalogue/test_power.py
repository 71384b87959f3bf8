"""Every row of the catalogue detects the departure that it is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
# What every row is for, by alternative and space.
NAMED = {
    ("heavy tails", "lines"): "dagostino-pearson shapiro-francia jarque-bera",
    ("light tails", "lines"): "shapiro-wilk",
    ("skewness", "lines"): "anderson-darling cramer-von-mises kolmogorov-smirnov",
    ("clusters", "lines"): "kuiper watson epps-pulley vasicek",
    ("clusters", "residuals"): "henze-zirkler manzotti-quiroz-1 malkovich-afifi-skewness",
    ("skewness", "residuals"): (
        "bhep henze-wagner mardia-skewness mori-rohatgi-szekely henze-visagie "
        "ebner-henze-strieder royston doornik-hansen generalised-shapiro-wilk pudelko "
    ),
    ("light tails", "residuals"): "mardia-kurtosis",
    ("heavy tails", "residuals"): (
        "koziol-kurtosis energy henze-jimenez-gamero doerr-ebner-henze-t doerr-ebner-henze-u "
        "henze-jimenez-gamero-meintanis malkovich-afifi-kurtosis "
    ),
    ("lengths", "residuals"): "manzotti-quiroz-2",
    ("squares", "residuals"): "cox-small",
    ("shift", "normal"): "mmd energy mean direction",
    ("scale", "normal"): "stein covariance-lrt covariance-nagao covariance-ledoit-wolf",
    ("lengths", "normal"): "radius",
    ("bad axis", "cube"): "axis-kolmogorov-smirnov axis-anderson-darling",
    ("full centre", "cube"): "centred-discrepancy mmd energy",
    ("mean direction", "sphere"): "rayleigh ajne gine-fn bakshaev pcvm pad",
    ("full plane", "sphere"): "bingham gine-gn",
    ("near duplicates", "sphere"): "cai-fan-jiang",
    ("three poles", "sphere"): "sobolev",
    ("clusters", "draws"): "mmd",
    ("both moments", "draws"): "moments",
    ("both moments", "two-sample"): "mmd energy sliced-wasserstein classifier",
}
DETECTED = {
    f"{name}-{space}": alternative
    for (alternative, space), names in NAMED.items()
    for name in names.split()
}


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_it_detects_what_it_is_for(row: Spec) -> None:
    """At level .05 in at least 16 of 20 samples of 150 rows, where the test takes as many."""
    assert label(row) in DETECTED, (
        f"{label(row)} has no alternative: list it in NAMED of tests/catalogue/test_power.py, "
        f"with a sampler in ALTERNATIVES where none of them is what it is for."
    )
    sampler, detected = ALTERNATIVES[DETECTED[label(row)]], 0
    rows = 40 if row.most is not None and row.most <= 200 else N
    for seed in range(SAMPLES):
        rng = np.random.default_rng(seed)
        x = sampler(rng)[:rows]
        goal: Any = row.targets[0]
        if row.space == "two-sample":
            goal = dmtest.Reference(normal(rng))
        if row.space == "draws":
            goal = dmtest.Sampled(lambda n, rng: rng.standard_normal((n, D)), reference_rows=500)
        outcome = dmtest.run_test(x, row.name, goal, slices=16, replicates=99, rng=0)
        detected += outcome.rejects(0.05)
    assert detected >= 0.8 * SAMPLES, detected


def test_a_row_without_an_alternative_says_what_to_add() -> None:
    with pytest.raises(AssertionError, match="no alternative: list it in NAMED"):
        test_it_detects_what_it_is_for(replace(ROWS[0], name="unheard-of"))
