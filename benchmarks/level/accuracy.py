"""Coverage of the interval of the classifier's accuracy.

    python -m benchmarks.level.accuracy [--runs 1000]

The truth is the balanced accuracy, on new rows, of the five rules that a run has learned, each
with the weight of its held-out rows; and the mean accuracy of such rules over runs.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import write
from dmtest.effects.two_sample import _classifier_accuracy
from dmtest.engines.pool import Pool
from dmtest.results.effect_table import CLASSIFIER_ACCURACY, effects_of
from dmtest.statistics.pools import classifier

Rows = NDArray[np.float64]
NEW = 2000  # rows of each law on which the rules of a run are tried
ALPHA = 0.05
# Rows of the data and of the reference, columns, mean of the first column, sd of all columns.
LAWS = {
    "one law, 200 and 200 rows of 4": (200, 200, 4, 0.0, 1.0),
    "first mean 1, 200 and 200 rows of 4": (200, 200, 4, 1.0, 1.0),
    "sds 1.5, 200 and 200 rows of 4": (200, 200, 4, 0.0, 1.5),
    "first mean 1, 60 and 240 rows of 8": (60, 240, 8, 1.0, 1.0),
    "first mean 3, 60 and 60 rows of 3": (60, 60, 3, 3.0, 1.0),
}


def draw(rng: np.random.Generator, n: int, d: int, mean: float, sd: float) -> Rows:
    """Draw rows of the data."""
    return np.asarray(rng.standard_normal((n, d)) * sd + mean * np.eye(d)[0])


def features(pool: Pool, rows: Rows) -> Rows:
    """Features of new rows, with the scales of the pool's own."""
    d = pool.d
    centre = np.concatenate([pool.x, pool.y]).mean(axis=0)
    old, new = (
        np.clip((part - centre) / np.sqrt(pool.variance), -classifier.FAR, classifier.FAR)
        for part in (np.concatenate([pool.x, pool.y]), rows)
    )
    lengths = np.linalg.norm(old, axis=1)
    length = (np.linalg.norm(new, axis=1) - lengths.mean()) / lengths.std()
    length = np.clip(length, -classifier.FAR, classifier.FAR)
    if classifier.feature_count(pool) == 2 * d:
        more = new**2
    else:
        first, second = np.triu_indices(d)
        more = new[:, first] * new[:, second]
    return np.column_stack([new, more, length, length**2])


def accuracy_of_rules(pool: Pool, ours: Rows, theirs: Rows) -> float:
    """Balanced accuracy of the rules of a pool on new rows of both laws."""
    index = np.arange(pool.total)
    own = classifier.features(pool, index)
    white = classifier.whiten(own)
    # Whitening is affine: its coefficients are those of a regression without residuals.
    affine = np.column_stack([own, np.ones(len(own))])
    turn = np.linalg.lstsq(affine, white, rcond=None)[0]
    assert np.allclose(affine @ turn, white, atol=1e-6)
    fold, mine = classifier.folds(pool, index), index < pool.n
    found, held_scores = 0.0, classifier.observed_scores(pool)[0]
    for f in range(classifier.FOLDS):
        held = fold == f
        means = [white[~held & side].mean(axis=0) for side in (mine, ~mine)]
        rule, middle = means[0] - means[1], 0.5 * (means[0] + means[1])
        assert np.allclose((white[held] - middle) @ rule, held_scores[held], atol=1e-6)
        for rows, side, sign in ((ours, mine, 1.0), (theirs, ~mine, -1.0)):
            new = np.column_stack([features(pool, rows), np.ones(len(rows))]) @ turn
            right = float((sign * ((new - middle) @ rule) > 0.0).mean())
            found += 0.5 * right * float((held & side).sum()) / float(side.sum())
    return found


def measured(law: str, number: int, runs: int) -> list[dict[str, Any]]:
    """Count how often intervals hold either truth."""
    n, m, d, mean, sd = LAWS[law]
    values, truths, limits = np.empty(runs), np.empty(runs), np.empty((runs, 2))
    for seed in range(runs):
        rng = np.random.default_rng([number, seed])
        pool = Pool(draw(rng, n, d, mean, sd), rng.standard_normal((m, d)), seed)
        effect = effects_of({CLASSIFIER_ACCURACY: _classifier_accuracy(pool)})[
            CLASSIFIER_ACCURACY.name
        ]
        values[seed], limits[seed] = effect.value, (effect.low, effect.high)
        truths[seed] = accuracy_of_rules(
            pool, draw(rng, NEW, d, mean, sd), rng.standard_normal((NEW, d))
        )
    rows = []
    for name, truth in (("of the rules of the run", truths), ("of such rules", truths.mean())):
        held = (limits[:, 0] <= truth) & (truth <= limits[:, 1])
        row = {"law": law, "effect": CLASSIFIER_ACCURACY.name, "accuracy": name}
        row |= {"truth": float(np.mean(truth)), "mean estimate": float(values.mean())}
        row |= {"coverage": float(held.mean())}
        row |= {"standard error": math.sqrt(ALPHA * (1.0 - ALPHA) / runs)}
        row |= {"width": float(np.diff(limits, axis=1).mean()), "runs": runs}
        rows.append(row)
    return rows


def main() -> None:
    """Measure every law, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    rows = [row for k, law in enumerate(LAWS) for row in measured(law, k, runs)]
    notes = (
        "Share of intervals that hold the balanced accuracy on new rows; nominal 0.95. The "
        "standard error is that of a coverage of 0.95. The accuracy is that of the five rules "
        f"that a run has learned, on {NEW:,} new rows of each law, or the mean of that over runs."
    )
    print(write("level", "coverage/accuracy", "Accuracy of the classifier", rows, notes))


if __name__ == "__main__":
    main()
