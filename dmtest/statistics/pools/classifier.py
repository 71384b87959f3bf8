"""The classifier two-sample test: a rule learned on some rows labels the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.labelled_slices import LabelledStatistic
from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

FOLDS = 5
# Columns up to which products of all pairs, or squares, are features; most features.
PRODUCTS, SQUARES, FEATURES = 16, 512, 2048
# Largest numbers of rows and of values of features, and labellings scored at a time.
ROWS, CELLS, GROUP = 50_000, 40_000_000, 64
# Standard deviations at which a column is cut off, so that no single row dominates.
FAR = 4.0


def classifier(pool: Pool, labels: Labels) -> LabelledStatistic:
    """Cross-fitted area under the ROC curve of a linear discriminant of columns and squares.

    The classifier of Lopez-Paz & Oquab (2017) is trained anew for every permuted labelling, so
    that the test may use every row for both training and testing, and shares its permutations
    with the other tests. A closed form makes that cheap: Fisher's discriminant with the
    covariance of the pool, shrunk as by Ledoit & Wolf (2004), which no labelling changes.
    Features are standardised columns, cut off at 4 standard deviations, and their squares (all
    products up to 16 columns with five rows for each), and the length of the row and its
    square. The area (1/2 at chance) is the Mann-Whitney statistic of held-out scores, averaged
    over five folds; it has more power than the accuracy (Kim et al. 2021), and the samples need
    not have equal n.
    """
    index = chosen_rows(pool)
    fold = folds(pool, index)
    white = whiten(features(pool, index))
    values = np.empty(labels.replicates + 1)
    for batch in labels.batches():
        marks = labels.marks(batch)[:, index]

        def group(part: slice, marks: Any = marks) -> Vector:
            return areas(white, fold, marks[part].astype(np.float64))

        tasks = blocks(len(marks), GROUP)
        for part, group_values in zip(tasks, run_tasks(group, tasks), strict=True):
            values[batch.start + part.start : batch.start + part.stop] = group_values
    return LabelledStatistic(float(values[0]), values[:, None], {"rows": len(index)})


def chosen_rows(pool: Pool) -> NDArray[np.intp]:
    """Return positions of the rows that are used: all, or some drawn from the pool."""
    width = feature_count(pool)
    return pool.subset(min(ROWS, max(CELLS // width, 1000)), "classifier")


def folds(pool: Pool, index: NDArray[np.intp]) -> NDArray[np.intp]:
    """Assign rows to folds at random, whatever their labels."""
    order = pool.random_order("classifier/folds")
    place = np.empty(pool.total, np.intp)
    place[order] = np.arange(pool.total)
    fold = np.empty(len(index), np.intp)
    fold[np.argsort(place[index])] = np.arange(len(index)) % min(FOLDS, len(index))
    return fold


def feature_count(pool: Pool) -> int:
    """Return the number of features of a row, without the two of its length."""
    d = pool.d
    if d <= PRODUCTS and d * (d + 3) // 2 <= pool.total // 5:
        return d * (d + 3) // 2
    return min(2 * d if d <= SQUARES else d, FEATURES)


def features(pool: Pool, index: NDArray[np.intp]) -> Vector:
    """Return features of pooled rows, which do not depend on labels: shape (rows, p + 2)."""
    d, p = pool.d, feature_count(pool)
    spread = np.sqrt(pool.variance)
    z = np.clip(pool.pick(index) / np.where(spread > 0.0, spread, 1.0), -FAR, FAR)
    # Tails in many columns at once change the spread of lengths most.
    length = np.sqrt(np.square(z).sum(axis=1))
    length -= length.mean()
    length = np.clip(length / (float(length.std()) or 1.0), -FAR, FAR)
    lengths = np.stack([length, length**2], axis=1)
    if p == d * (d + 3) // 2:
        first, second = np.triu_indices(d)
        return np.concatenate([z, z[:, first] * z[:, second], lengths], axis=1)
    if p == 2 * d:
        return np.concatenate([z, z * z, lengths], axis=1)
    if p < d:
        # Random sums of columns keep differences of means (Johnson & Lindenstrauss 1984).
        sketch = stream(pool.seed, "classifier/sketch").standard_normal((d, p)) / np.sqrt(p)
        z = z @ sketch
    return np.concatenate([z, lengths], axis=1)


def shrinkage(rows: Vector, covariance: Vector) -> float:
    """Ledoit & Wolf's (2004) weight of the scaled identity, for centred rows (1/n)."""
    n, p = rows.shape
    target = float(np.trace(covariance)) / p
    norm = float(np.square(covariance).sum())
    distance = norm - p * target**2
    noise = (float(np.square(np.einsum("ij,ij->i", rows, rows)).sum()) / n - norm) / n
    return float(np.clip(noise / distance, 0.0, 1.0)) if distance > 0.0 else 1.0


def whiten(rows: Vector) -> Vector:
    """Centre features and whiten them with their shrunk covariance; leave out constant ones."""
    rows = rows - rows.mean(axis=0)
    spread = np.sqrt(np.square(rows).mean(axis=0))
    rows = rows[:, spread > 0.0] / spread[spread > 0.0]
    p = rows.shape[1]
    if not p:
        return np.zeros((len(rows), 1))
    covariance = rows.T @ rows / len(rows)
    weight = shrinkage(rows, covariance)
    shrunk = (1.0 - weight) * covariance + weight * np.eye(p)
    values, vectors = np.linalg.eigh(shrunk)
    # Eigenvalues that are rounding come from duplicate features.
    stable = values > 1e-10 * values[-1]
    return np.asarray(rows @ (vectors[:, stable] / np.sqrt(values[stable])))


def scores(white: Vector, fold: NDArray[np.intp], marks: Vector) -> Vector:
    """Score every row by the rule that is learned on the other folds, under each labelling.

    Returns
    -------
    ndarray, shape (labellings, rows)
        Above 0: nearer to the mean of the data than to that of the reference.
    """
    total = white.sum(axis=0)
    ours = marks @ white
    out = np.empty(marks.shape)
    for f in range(int(fold.max()) + 1):
        held_out = fold == f
        part = white[held_out]
        n = marks.sum(axis=1) - marks[:, held_out].sum(axis=1)
        m = (len(white) - int(held_out.sum())) - n
        inside = ours - marks[:, held_out] @ part
        outside = (total - part.sum(axis=0)) - inside
        inside /= np.maximum(n, 1.0)[:, None]
        outside /= np.maximum(m, 1.0)[:, None]
        rule = inside - outside
        # With one side empty there is no rule.
        rule[(n == 0.0) | (m == 0.0)] = 0.0
        middle = 0.5 * np.einsum("ij,ij->i", rule, inside + outside)
        out[:, held_out] = rule @ part.T - middle[:, None]
    return out


def observed_scores(pool: Pool) -> tuple[Vector, NDArray[np.bool_]]:
    """Return held-out scores of the rows used, and whether each is a row of the data."""
    index = chosen_rows(pool)
    ours = index < pool.n
    white = whiten(features(pool, index))
    return scores(white, folds(pool, index), ours[None].astype(np.float64))[0], ours


def areas(white: Vector, fold: NDArray[np.intp], marks: Vector) -> Vector:
    """Return the mean over folds of the area under the ROC curve, for every labelling."""
    values = scores(white, fold, marks)
    total = np.zeros(len(marks))
    count = int(fold.max()) + 1
    for f in range(count):
        held_out = fold == f
        total += area(values[:, held_out], marks[:, held_out])
    return np.asarray(total / count)


def area(values: Vector, marks: Vector) -> Vector:
    """Mann-Whitney's P(score of ours > of theirs) + P(equal) / 2, row by row; 1/2 if undefined."""
    ours = marks.sum(axis=1)
    theirs = marks.shape[1] - ours
    order = np.argsort(values, axis=1)
    in_order = np.take_along_axis(values, order, axis=1)
    if (np.diff(in_order, axis=1) == 0.0).any():
        from scipy.stats import rankdata

        sums = (rankdata(values, axis=1) * marks).sum(axis=1)
    else:
        sums = np.take_along_axis(marks, order, axis=1) @ np.arange(1.0, marks.shape[1] + 1.0)
    pairs = ours * theirs
    wins = sums - ours * (ours + 1.0) / 2.0
    return np.where(pairs > 0.0, wins / np.where(pairs > 0.0, pairs, 1.0), 0.5)
