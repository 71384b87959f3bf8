"""Estimators and bounds of information beside the truth, from 0.5 to 10 nats.

    python -m benchmarks.information.estimators [--repeats 100]

Pairs of normal vectors in eight columns, x and y = x + s z, have I(x; y) = 4 log(1 + 1/s^2). Bounds
from scores have the best critic there is, log p(y | x) / p(y), in batches of 128 rows: what is left
is the error of the bound itself, which no training removes. The neural bound and the fitted normal
see the rows alone. The bracket knows that y is x with noise of this size, and nothing
of x. A second table sets the Jensen-Shannon divergence against the information of random laws on a
few letters, where both are finite sums.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.tables import write
from dmtest import information

Vector = NDArray[np.float64]
TRUTHS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
COLUMNS, BATCH, ROWS = 8, 128, 4096
# Repeats of what takes long.
FEW = {"MINE": 3, "known channel": 10}
LETTERS, LAWS = (4, 8, 16), 200


def noise_of(truth: float) -> float:
    """Return the noise at which normal rows in eight columns have this information."""
    return float(1.0 / np.sqrt(np.expm1(2.0 * truth / COLUMNS)))


def pairs(truth: float, seed: int) -> tuple[Vector, Vector, float]:
    """Draw x and y = x + s z; return them with s."""
    rng = np.random.default_rng([seed, int(1000 * truth)])
    x, s = rng.standard_normal((ROWS, COLUMNS)), noise_of(truth)
    return x, x + s * rng.standard_normal((ROWS, COLUMNS)), s


def best_scores(x: Vector, y: Vector, s: float) -> Vector:
    """Return log p(y_i | x_j) / p(y_i) of every batch: shape (batches, 128, 128)."""
    x, y = (a.reshape(-1, BATCH, COLUMNS) for a in (x, y))
    near = stats.norm.logpdf(y[:, :, None], loc=x[:, None], scale=s).sum(axis=3)
    return np.asarray(near - stats.norm.logpdf(y, scale=np.hypot(1.0, s)).sum(axis=2)[:, :, None])


def jensen_shannon_value(scores: Vector) -> float:
    """Return the nats that the best critic of the Jensen-Shannon objective gives: it is the same.

    The objective itself is no information; its critic is the pointwise information, so the mean of
    that over pairs is read as an estimate (Poole et al. 2019).
    """
    return float(np.diagonal(scores, axis1=1, axis2=2).mean())


ESTIMATORS: dict[str, Callable[[Vector, Vector, float, int], float]] = {
    "Donsker-Varadhan": lambda x, y, s, seed: float(
        information.donsker_varadhan(best_scores(x, y, s))
    ),
    "NWJ": lambda x, y, s, seed: float(information.nwj(best_scores(x, y, s) + 1.0)),
    "InfoNCE": lambda x, y, s, seed: float(information.infonce(best_scores(x, y, s))),
    "Jensen-Shannon critic": lambda x, y, s, seed: jensen_shannon_value(best_scores(x, y, s)),
    "MINE": lambda x, y, s, seed: float(information.mine(x, y, rng=seed)),
    "fitted normal": lambda x, y, s, seed: float(information.gaussian(x, y)),
}


def measured(name: str, truth: float, repeats: int) -> dict[str, Any]:
    """Return bias and spread of an estimator at a true information."""
    values = []
    for seed in range(min(repeats, FEW.get(name, repeats))):
        values.append(ESTIMATORS[name](*pairs(truth, seed), seed))
    x = np.array(values)
    return {
        "estimator": name,
        "I": truth,
        "mean": float(x.mean()),
        "bias": float(x.mean() - truth),
        "sd": float(x.std(ddof=1)),
        "runs": len(x),
    }


def bracketed(truth: float, repeats: int) -> dict[str, Any]:
    """Return the mean bracket of the known channel, and how often it holds the truth."""
    count = min(repeats, FEW["known channel"])
    found = []
    for seed in range(count):
        x, _, s = pairs(truth, seed)
        found.append(information.channel_bracket(x, sigma=s, rng=seed))
    low, high = (np.array([getattr(one, side) for one in found]) for side in ("low", "high"))
    return {
        "I": truth,
        "noise": noise_of(truth),
        "low": float(low.mean()),
        "high": float(high.mean()),
        "covered": float(np.mean((low <= truth) & (truth <= high))),
        "runs": count,
    }


def discrete() -> list[dict[str, Any]]:
    """Return information and Jensen-Shannon divergence of random laws of two letters."""
    rng, rows = np.random.default_rng(7), []
    for letters in LETTERS:
        values = []
        for _ in range(LAWS):
            # Between a random law and a bijection.
            share = rng.uniform()
            joint = share * rng.dirichlet(np.full(letters * letters, 1.0))
            joint = joint.reshape(letters, letters)
            joint += (1.0 - share) * np.diag(rng.dirichlet(np.full(letters, 10.0)))
            product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
            values.append((_divergence(joint, product), _jensen_shannon(joint, product)))
        mutual, js = np.array(values).T
        rows.append(
            {
                "letters": letters,
                "laws": LAWS,
                "rank correlation": float(stats.spearmanr(mutual, js).statistic),
                "largest JSD": float(js.max()),
                "JSD at I = 1": float(np.interp(1.0, np.sort(mutual), js[np.argsort(mutual)])),
                "points": [[round(float(a), 3), round(float(b), 3)] for a, b in values],
            }
        )
    return rows


def _divergence(p: Vector, q: Vector) -> float:
    """Kullback-Leibler divergence of finite laws."""
    some = p > 0.0
    return float(np.sum(p[some] * np.log(p[some] / q[some])))


def _jensen_shannon(p: Vector, q: Vector) -> float:
    middle = 0.5 * (p + q)
    return 0.5 * (_divergence(p, middle) + _divergence(q, middle))


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    repeats = parser.parse_args().repeats
    rows = [measured(name, truth, repeats) for name in ESTIMATORS for truth in TRUTHS]
    write(
        "information",
        "information/estimators",
        "Estimators against the truth",
        rows,
        f"{ROWS} pairs of normal rows in {COLUMNS} columns. Critics of the first four are the best "
        f"there are, in batches of {BATCH} (log {BATCH} = {np.log(BATCH):.2f} nats). "
        'KSG calls all of these "not estimable": 16 columns are too many for it.',
    )
    write(
        "information",
        "information/bracket",
        "The bracket of a known channel",
        [bracketed(truth, repeats) for truth in TRUTHS],
        "The same rows; mean ends of intervals of 95%.",
    )
    write(
        "information",
        "information/jensen-shannon",
        "Jensen-Shannon divergence against information",
        [{k: v for k, v in row.items() if k != "points"} for row in discrete()],
        "Random joint laws of two letters. The divergence is at most log 2.",
    )


if __name__ == "__main__":
    main()
