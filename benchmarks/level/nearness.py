"""Coverage of the KL bracket, and worst directions: by simulation.

python -m benchmarks.level.nearness [--runs 500] [--part coverage|directions]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import dmtest
from benchmarks.tables import write
from dmtest.data.sample import as_sample
from dmtest.effects.directions.one_sample import directions_of
from dmtest.effects.profile import profile_of
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import stream
from dmtest.targets.targets import as_target

Vector = NDArray[np.float64]
CONFIDENCE = 0.95
ROOT12 = float(np.sqrt(12.0))

# Coordinates are independent, so the divergence is d times that of one of them.
Draw = Callable[[np.random.Generator, tuple[int, int]], Vector]
MIXTURE = ((0.7, -0.5, 0.6), (0.3, 7.0 / 6.0, 0.8))
DRAWS: dict[str, Draw] = {
    "normal, sd 1.2": lambda rng, s: 1.2 * rng.standard_normal(s),
    "uniform, sd 1": lambda rng, s: ROOT12 * (rng.random(s) - 0.5),
    "Laplace, scale 1": lambda rng, s: rng.laplace(size=s),
    "t, 5 df": lambda rng, s: rng.standard_t(5, s),
    "mixture": lambda rng, s: np.where(
        rng.random(s) < MIXTURE[0][0],
        MIXTURE[0][1] + MIXTURE[0][2] * rng.standard_normal(s),
        MIXTURE[1][1] + MIXTURE[1][2] * rng.standard_normal(s),
    ),
}
DENSITIES: dict[str, Callable[[Any], Any]] = {
    "normal, sd 1.2": lambda x: stats.norm.pdf(x, scale=1.2),
    "uniform, sd 1": lambda x: np.where(np.abs(x) <= 0.5 * ROOT12, 1.0 / ROOT12, 0.0),
    "Laplace, scale 1": stats.laplace.pdf,
    "t, 5 df": lambda x: stats.t.pdf(x, 5),
    "mixture": lambda x: sum(w * stats.norm.pdf(x, m, s) for w, m, s in MIXTURE),
}


def smoothed_divergence(name: str, sigma: float) -> float:
    """KL of one coordinate plus noise from N(0, 1 + sigma^2), by quadrature."""
    reach = 40.0 if name.startswith("t") else 0.5 * ROOT12 if name.startswith("uni") else 25.0
    return divergence_of(DENSITIES[name], reach, sigma)


@cache
def _nodes(count: int) -> tuple[Vector, Vector]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def divergence_of(density: Callable[[Any], Any], reach: float, sigma: float) -> float:
    """KL of a density on (-reach, reach), plus noise, from N(0, 1 + sigma^2)."""
    # Convolution by Gauss-Hermite in the noise would miss the uniform's edges: integrate x.
    nodes, weights = _nodes(2000)
    # The Laplace density has a kink at 0: both halves by themselves.
    left, right = 0.5 * reach * (nodes - 1.0), 0.5 * reach * (nodes + 1.0)
    x = np.concatenate([left, right])
    mass = np.concatenate([weights, weights]) * 0.5 * reach * density(x)

    top = reach + 8.0 * sigma
    total = 0.0
    place, share = _nodes(24)
    height = 1.0 / (sigma * np.sqrt(2.0 * np.pi))
    for low, high in pairwise(np.linspace(-top, top, 65)):
        y = 0.5 * (high - low) * (place + 1.0) + low
        near = (x > low - 9.0 * sigma) & (x < high + 9.0 * sigma)
        p = height * np.exp(-0.5 * np.square((y[:, None] - x[near]) / sigma)) @ mass[near]
        log_q = stats.norm.logpdf(y, scale=np.sqrt(1.0 + sigma**2))
        terms = np.where(p > 0.0, p * (np.log(np.maximum(p, 1e-300)) - log_q), 0.0)
        total += float(0.5 * (high - low) * (share @ terms))
    return total


def coverage(runs: int) -> list[dict[str, Any]]:
    """How often the simultaneous bounds hold the truth, and their width."""
    rows = []
    levels = np.array([0.5, 1.0])
    for name, draw in DRAWS.items():
        single = np.array([smoothed_divergence(name, float(s)) for s in levels])
        for d in (1, 2, 4):
            truth, n = d * single, 4000
            held, width = 0, np.zeros(2)
            for i in range(runs):
                rng = stream(i, f"nearness/{name}/{d}")
                canonical = as_target("normal").canonical(as_sample(draw(rng, (n, d))))
                found = profile_of(canonical, "normal", noise=levels, views=False, seed=i)
                low = np.array([p.low for p in found.points])
                high = np.array([p.high for p in found.points])
                held += bool(np.all((low <= truth) & (truth <= high)))
                width += (high - low) / runs
            rows.append(
                {
                    "claim": f"95% bracket holds the truth at sigma .5 and 1: {name}",
                    "n": n,
                    "d": d,
                    "measured": held / runs,
                    "standard error": float(
                        np.sqrt(max(held / runs * (1 - held / runs), 1e-9) / runs)
                    ),
                    "wanted": ">= 0.93",
                    "detail": f"truth {truth[0]:.4f}, {truth[1]:.4f}; mean width "
                    f"{width[0]:.3f}, {width[1]:.3f}",
                    "runs": runs,
                }
            )
            print(rows[-1], flush=True)
    widths = []
    for i in range(20):
        x = DRAWS["uniform, sd 1"](stream(i, "nearness/width"), (16_384, 2))
        point = dmtest.kl_profile(x, noise=[0.3], views=False, rng=i).points[0]
        widths.append(point.high - point.low)
    rows.append(
        {
            "claim": "width of the 95% bracket at sigma .3: uniform, sd 1",
            "n": 16_384,
            "d": 2,
            "measured": float(np.mean(widths)),
            "standard error": float(np.std(widths, ddof=1) / np.sqrt(len(widths))),
            "wanted": "<= 0.12",
            "detail": f"largest {max(widths):.3f}",
            "runs": 20,
        }
    )
    return rows


def directions(runs: int) -> list[dict[str, Any]]:
    """Find a planted direction, and keep the level of its p-value."""
    rows = []

    def bimodal(rng: np.random.Generator, n: int) -> Vector:
        return np.asarray(0.9 * rng.choice([-1.0, 1.0], n) + np.sqrt(0.19) * rng.standard_normal(n))

    planted: dict[str, Callable[[np.random.Generator, int], Vector]] = {
        "uniform": lambda rng, n: ROOT12 * (rng.random(n) - 0.5),
        "bimodal": bimodal,
    }
    n, d = 20_000, 64
    for name, draw in planted.items():
        cosines = []
        for i in range(50):
            rng = stream(i, f"nearness/planted/{name}")
            basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
            x = rng.standard_normal((n, d))
            x[:, 0] = draw(rng, n)
            found = dmtest.worst_directions(x @ basis, count=1, rng=i)[0]
            cosines.append(abs(float(np.array(found.direction) @ basis[0])))
        rows.append(
            {
                "claim": f"abs(cosine) > .9 with one {name} direction, rotated",
                "n": n,
                "d": d,
                "measured": float(np.mean(np.array(cosines) > 0.9)),
                "standard error": 0.0,
                "wanted": ">= 0.95",
                "detail": f"smallest {min(cosines):.3f}",
                "runs": 50,
            }
        )
        print(rows[-1], flush=True)
    for target in ("normal", "any-normal"):
        adjusted = []
        for i in range(4 * runs):
            x = stream(i, f"nearness/null/{target}").standard_normal((400, 8))
            canonical = as_target(target).canonical(as_sample(x))
            found_all = directions_of(canonical, 3, 1999, i)
            adjusted.append(min(one.adjusted for one in found_all))
        for alpha in (0.01, 0.05, 0.1):
            rate = float(np.mean(np.array(adjusted) <= alpha))
            rows.append(
                {
                    "claim": f"level of the search's adjusted p at {alpha}: N(0, I), {target}",
                    "n": 400,
                    "d": 8,
                    "measured": rate,
                    "standard error": float(np.sqrt(alpha * (1 - alpha) / len(adjusted))),
                    "wanted": f"<= {alpha} + 3 s.e.",
                    "detail": "smallest of three, Holm",
                    "runs": len(adjusted),
                }
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Run the parts and write a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--part", choices=("coverage", "directions"))
    options = parser.parse_args()
    parts = {"coverage": coverage, "directions": directions}
    with single_threaded_blas():
        for name, part in parts.items():
            if options.part in (None, name):
                rows = part(options.runs)
                write("level", f"nearness/{name}", f"Divergence from the target: {name}", rows, "")


if __name__ == "__main__":
    main()
