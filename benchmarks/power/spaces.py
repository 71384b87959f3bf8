"""Power of the tests of the cube and of the sphere at 5%.

    python -m benchmarks.power.spaces [--samples 200] [--null 1000]

Statistics of samples of an alternative are ranked among those of null samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.tables import write
from dmtest.catalogue.registry import ROWS
from dmtest.catalogue.spec import RowTest
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.runtime.parallel import single_threaded_blas

N, D = 100, 4
LEVEL = 0.05
Rows = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Rows]


def on_sphere(x: Rows) -> Rows:
    """Scale rows to length 1."""
    return np.asarray(x / np.linalg.norm(x, axis=1)[:, None])


def of_copula(rng: np.random.Generator) -> Rows:
    """Uniform columns whose normal scores have correlation 0.3."""
    common = rng.standard_normal((N, 1))
    return np.asarray(ndtr(np.sqrt(0.3) * common + np.sqrt(0.7) * rng.standard_normal((N, D))))


def first_column(rng: np.random.Generator) -> Rows:
    """Draw one column that is concentrated in the middle."""
    u = rng.random((N, D))
    u[:, 0] = rng.beta(2.0, 2.0, N)
    return u


def groups(rng: np.random.Generator) -> Rows:
    """Rows near four random centres on the sphere."""
    centres = rng.standard_normal((4, D))
    return on_sphere(centres[rng.integers(0, 4, N)] + 1.5 * rng.standard_normal((N, D)))


SPACES: dict[str, tuple[Draw, dict[str, Draw]]] = {
    "cube": (
        lambda rng: rng.random((N, D)),
        {
            "all columns beta(1.2, 1)": lambda rng: rng.beta(1.2, 1.0, (N, D)),
            "all columns beta(1.3, 1.3)": lambda rng: rng.beta(1.3, 1.3, (N, D)),
            "all columns beta(0.8, 0.8)": lambda rng: rng.beta(0.8, 0.8, (N, D)),
            "one column beta(2, 2)": first_column,
            "normal copula, correlation 0.3": of_copula,
        },
    ),
    "sphere": (
        lambda rng: on_sphere(rng.standard_normal((N, D))),
        {
            "a mean direction": lambda rng: on_sphere(
                rng.standard_normal((N, D)) + np.array([0.35, 0.0, 0.0, 0.0])
            ),
            "a long axis": lambda rng: on_sphere(
                rng.standard_normal((N, D)) * np.array([1.6, 1.0, 1.0, 1.0])
            ),
            "a short axis": lambda rng: on_sphere(
                rng.standard_normal((N, D)) * np.array([0.5, 1.0, 1.0, 1.0])
            ),
            "four clusters": groups,
            "signs of one cube": lambda rng: on_sphere(
                np.sign(rng.standard_normal((N, D))) + 0.7 * rng.standard_normal((N, D))
            ),
        },
    ),
}


def badness(rows: list[RowTest], draw: Draw, samples: int, name: str) -> Rows:
    """Return the statistics of samples, larger is worse: shape (samples, tests)."""
    seed = [ord(letter) for letter in name]
    out = np.empty((samples, len(rows)))
    signs = np.array([row.sign for row in rows])
    for i in range(samples):
        view = RowView(draw(np.random.default_rng([i, *seed])), threads=False)
        found = evaluate_all(view, [row.statistic for row in rows], [{} for _ in rows])
        out[i] = signs * [varying for _, varying in found]
    return out


def main() -> None:
    """Measure the power and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--null", type=int, default=1000)
    options = parser.parse_args()
    out: list[dict[str, Any]] = []
    for space, (null, alternatives) in SPACES.items():
        rows = [row for row in ROWS if isinstance(row, RowTest) and row.space == space]
        with single_threaded_blas():
            simulated = badness(rows, null, options.null, "null")
            for name, draw in alternatives.items():
                found = badness(rows, draw, options.samples, name)
                above = (simulated[None] >= found[:, None]).sum(axis=1)
                rejected = (1.0 + above) / (1.0 + options.null) <= LEVEL
                for row, rate in zip(rows, rejected.mean(axis=0), strict=True):
                    line = {"scale": space, "n": N, "d": D, "alternative": name}
                    out.append(line | {"test": row.name, "power": float(rate)})
                print(
                    space,
                    name,
                    dict(zip([r.name for r in rows], rejected.mean(axis=0), strict=True)),
                )
    notes = (
        f"Level 5%, {options.samples} samples of each alternative ranked among {options.null:,} "
        f"null samples: standard error at most {0.5 / options.samples**0.5:.3f}."
    )
    write("power", "power-spaces", "Power in the cube and on the sphere", out, notes)


if __name__ == "__main__":
    main()
