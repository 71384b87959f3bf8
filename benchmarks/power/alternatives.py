"""Samples that are not normal: the Ebner-Henze review's, and what embeddings do.

Every function takes (rng, n, d) and returns (n, d). Those of `EMBEDDINGS` have mean 0 and
covariance I but where their name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["EMBEDDINGS", "MOMENTS", "REVIEW"]

Vector = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Vector]


def _margins(draw: Callable[[np.random.Generator, tuple[int, int]], Vector]) -> Draw:
    return lambda rng, n, d: draw(rng, (n, d))


def _spherical(radius: Callable[[np.random.Generator, int, int], Vector]) -> Draw:
    def draw(rng: np.random.Generator, n: int, d: int) -> Vector:
        z = rng.standard_normal((n, d))
        unit = z / np.sqrt(np.square(z).sum(axis=1))[:, None]
        return np.asarray(unit * radius(rng, n, d)[:, None])

    return draw


def _t(df: float) -> Draw:
    return lambda rng, n, d: (
        rng.standard_normal((n, d)) / np.sqrt(rng.chisquare(df, n) / df)[:, None]
    )


def _mixture(weight: float, shift: float, correlation: float) -> Draw:
    def draw(rng: np.random.Generator, n: int, d: int) -> Vector:
        factor = np.linalg.cholesky((1 - correlation) * np.eye(d) + correlation)
        other = rng.standard_normal((n, d)) @ factor.T + shift
        return np.where(rng.random(n)[:, None] < weight, other, rng.standard_normal((n, d)))

    return draw


REVIEW: dict[str, Draw] = {
    "normal": _margins(lambda rng, s: rng.standard_normal(s)),
    "t, 3 df": _t(3),
    "t, 5 df": _t(5),
    "t, 10 df": _t(10),
    "mixture, shift 3, 10%": _mixture(0.1, 3.0, 0.0),
    "mixture, shift 3, 50%": _mixture(0.5, 3.0, 0.0),
    "mixture, correlation .9, 50%": _mixture(0.5, 0.0, 0.9),
    "mixture, correlation .9, 90%": _mixture(0.9, 0.0, 0.9),
    "Pearson II, 0": _spherical(lambda rng, n, d: np.sqrt(rng.beta(0.5 * d, 1.0, n))),
    "Pearson II, 1": _spherical(lambda rng, n, d: np.sqrt(rng.beta(0.5 * d, 2.0, n))),
    "Pearson VII, 5": _spherical(
        lambda rng, n, d: np.sqrt(rng.chisquare(d, n) / rng.chisquare(5, n))
    ),
    "spherical, exponential": _spherical(lambda rng, n, d: rng.exponential(size=n)),
    "spherical, uniform": _spherical(lambda rng, n, d: rng.random(n)),
    "exponential margins": _margins(lambda rng, s: rng.exponential(size=s)),
    "lognormal margins, .5": _margins(lambda rng, s: rng.lognormal(0.0, 0.5, s)),
    "uniform margins": _margins(lambda rng, s: rng.random(s)),
    "beta(1, 2) margins": _margins(lambda rng, s: rng.beta(1.0, 2.0, s)),
    "beta(2, 2) margins": _margins(lambda rng, s: rng.beta(2.0, 2.0, s)),
    "chi2(5) margins": _margins(lambda rng, s: rng.chisquare(5.0, s)),
    "chi2(15) margins": _margins(lambda rng, s: rng.chisquare(15.0, s)),
    "gamma(5) margins": _margins(lambda rng, s: rng.gamma(5.0, size=s)),
    "logistic margins": _margins(lambda rng, s: rng.logistic(size=s)),
    "Laplace margins": _margins(lambda rng, s: rng.laplace(size=s)),
}


def _rotated(rng: np.random.Generator, x: Vector) -> Vector:
    basis, _ = np.linalg.qr(rng.standard_normal((x.shape[1], x.shape[1])))
    return np.asarray(x @ basis)


def _one(values: Callable[[np.random.Generator, int], Vector], rotate: bool) -> Draw:
    def draw(rng: np.random.Generator, n: int, d: int) -> Vector:
        x = rng.standard_normal((n, d))
        x[:, 0] = values(rng, n)
        return _rotated(rng, x) if rotate else x

    return draw


def _uniform(rng: np.random.Generator, n: int) -> Vector:
    return np.asarray(np.sqrt(12.0) * (rng.random(n) - 0.5))


def _bimodal(rng: np.random.Generator, n: int) -> Vector:
    return np.asarray(0.9 * rng.choice([-1.0, 1.0], n) + np.sqrt(0.19) * rng.standard_normal(n))


def _exponential(rng: np.random.Generator, n: int) -> Vector:
    return np.asarray(rng.exponential(size=n) - 1.0)


def _clusters(rng: np.random.Generator, n: int, d: int) -> Vector:
    centres = _spherical(lambda r, m, _: np.full(m, 3.0))(rng, 10, d)
    x = rng.standard_normal((n, d)) + centres[rng.integers(10, size=n)]
    covariance = np.eye(d) + np.cov(centres.T, bias=True)
    return np.asarray(np.linalg.solve(np.linalg.cholesky(covariance), (x - centres.mean(0)).T).T)


def _light_radius(rng: np.random.Generator, n: int, d: int) -> Vector:
    z = rng.standard_normal((n, d))
    return np.asarray(z * (d / np.square(z).sum(axis=1))[:, None] ** 0.25)


def _few_sources(rng: np.random.Generator, n: int, d: int) -> Vector:
    """Mix d/8 Laplace sources, and a normal rest: low effective rank of what is not normal."""
    few = max(1, d // 8)
    x = rng.standard_normal((n, d))
    x[:, :few] = rng.laplace(size=(n, few)) / np.sqrt(2.0)
    return _rotated(rng, x)


def _saturated(rng: np.random.Generator, n: int, d: int) -> Vector:
    x = np.clip(rng.standard_normal((n, d)), -1.7, 1.7)
    return np.asarray(x / 0.9275)


def _parity(rng: np.random.Generator, n: int, d: int) -> Vector:
    """Every three coordinates have an even number of negative signs: all pairs are normal."""
    x = rng.standard_normal((n, d))
    for j in range(0, d - 2, 3):
        x[:, j] = np.abs(x[:, j]) * np.sign(x[:, j + 1] * x[:, j + 2])
    return x


EMBEDDINGS: dict[str, Draw] = {
    "normal": _margins(lambda rng, s: rng.standard_normal(s)),
    "one uniform coordinate, rotated": _one(_uniform, True),
    "one uniform coordinate": _one(_uniform, False),
    "one bimodal coordinate, rotated": _one(_bimodal, True),
    "one exponential coordinate, rotated": _one(_exponential, True),
    "t, 20 df": lambda rng, n, d: np.sqrt(0.9) * _t(20)(rng, n, d),
    "lengths half as varied": _light_radius,
    "10 clusters": _clusters,
    "Laplace sources, d/8, rotated": _few_sources,
    "saturated coordinates": _saturated,
    "Laplace margins": _margins(lambda rng, s: rng.laplace(size=s) / np.sqrt(2.0)),
    "uniform margins": _margins(lambda rng, s: np.sqrt(12.0) * (rng.random(s) - 0.5)),
    "parity of three signs": _parity,
}


def _decaying(rng: np.random.Generator, n: int, d: int) -> Vector:
    spectrum = 1.0 / (1.0 + np.arange(d) / d) ** 0.3
    return _rotated(rng, rng.standard_normal((n, d)) * np.sqrt(spectrum * d / spectrum.sum()))


# What the fully specified hypothesis has to see beside shapes.
MOMENTS: dict[str, Draw] = {
    "mean of length .3": lambda rng, n, d: rng.standard_normal((n, d)) + 0.3 / np.sqrt(d),
    "one mean of .2": _one(lambda rng, n: 0.2 + rng.standard_normal(n), False),
    "scale 1.02": lambda rng, n, d: 1.02 * rng.standard_normal((n, d)),
    "one scale of 1.2": _one(lambda rng, n: 1.2 * rng.standard_normal(n), False),
    "decaying spectrum": _decaying,
}
