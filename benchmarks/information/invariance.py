"""I(X; f(X) + s E) depends on f: python -m benchmarks.information.invariance.

Belghazi et al. (2018) call MINE invariant where f changes and s E stays. Their picture shows curves
that lie close; the information itself does not stay. Truth by quadrature, MINE and KSG on samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from benchmarks.tables import write
from dmtest import information

Vector = NDArray[np.float64]
FUNCTIONS: dict[str, Callable[[Vector], Vector]] = {
    "x": lambda x: x,
    "x^3": lambda x: x**3,
    "sin(pi x)": lambda x: np.sin(np.pi * x),
}
NOISE = 0.3


def truth(function: Callable[[Vector], Vector], noise: float) -> float:
    """Return h(f(X) + s E) - h(s E), X uniform on (-1, 1), in nats."""
    centres = function(np.linspace(-1.0, 1.0, 4001))
    y = np.linspace(centres.min() - 8.0 * noise, centres.max() + 8.0 * noise, 3001)
    near = np.exp(-0.5 * np.square((y[:, None] - centres) / noise))
    density = np.trapezoid(near, axis=1) / 4000.0 / (np.sqrt(2.0 * np.pi) * noise)
    entropy = -float(np.trapezoid(xlogy(density, density), y))
    return entropy - 0.5 * float(np.log(2.0 * np.pi * np.e * noise**2))


def sample(function: Callable[[Vector], Vector], n: int, seed: int) -> tuple[Vector, Vector]:
    """Draw X and f(X) + s E."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, n)
    return x, function(x) + NOISE * rng.standard_normal(n)


def row_of(name: str, n: int, runs: int) -> dict[str, Any]:
    """Return the truth beside the means of both estimators."""
    function = FUNCTIONS[name]
    drawn = [sample(function, n, seed) for seed in range(runs)]
    mine = np.array([float(information.mine(*one, rng=i)) for i, one in enumerate(drawn)])
    ksg = np.array([float(information.ksg(*one)) for one in drawn])
    exact = truth(function, NOISE)
    return {
        "f": name,
        "I": exact,
        "MINE": float(mine.mean()),
        "largest error of MINE": float(np.abs(mine / exact - 1.0).max()),
        "KSG": float(ksg.mean()),
        "n": n,
        "runs": runs,
    }


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--n", type=int, default=4000)
    said = parser.parse_args()
    write(
        "information",
        "information/invariance",
        "The same noise, other functions",
        [row_of(name, said.n, said.runs) for name in FUNCTIONS],
        f"X uniform on (-1, 1), E normal, s = {NOISE}; errors as shares of the truth.",
    )


if __name__ == "__main__":
    main()
