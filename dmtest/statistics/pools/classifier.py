"""The classifier two-sample test: whether a rule learned on some rows tells others apart."""

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
# Rows and cells of features that are looked at, and labellings that are scored at a time.
ROWS, CELLS, GROUP = 50_000, 40_000_000, 64
# Standard deviations at which a column is cut off, so that no row outweighs all others.
FAR = 4.0


def classifier(pool: Pool, labels: Labels) -> LabelledStatistic:
    """Cross-fitted area under the ROC curve of a linear discriminant of columns and squares.

    The classifier of Lopez-Paz & Oquab (2017) is trained anew for every permuted labelling, so
    that the test may use every row for both training and testing, and shares its permutations
    with the others. What makes that affordable is a closed form: Fisher's discriminant with
    the covariance of the pool, shrunk as by Ledoit & Wolf (2004), which no labelling changes.
    Features are standardised columns, cut off at 4 standard deviations, and their squares (all
    products up to 16 columns where there are five rows for each), and the length of the row and
    its square. The area (1/2 when nothing can be told) is the Mann-Whitney
    statistic of held-out scores, averaged over five folds; it loses less power than the
    accuracy (Kim et al. 2021), and needs no equal n.
    """
    index = chosen_rows(pool)
    fold = folds(pool, index)
    white = whitened(features(pool, index))
    found = np.empty(labels.replicates + 1)
    for batch in labels.batches():
        marks = labels.marks(batch)[:, index]

        def group(part: slice, marks: Any = marks) -> Vector:
            return areas(white, fold, marks[part].astype(np.float64))

        tasks = blocks(len(marks), GROUP)
        for part, values in zip(tasks, run_tasks(group, tasks), strict=True):
            found[batch.start + part.start : batch.start + part.stop] = values
    return LabelledStatistic(float(found[0]), found[:, None])


def chosen_rows(pool: Pool) -> NDArray[np.intp]:
    """Positions of the rows that are looked at: all, or some drawn from the pool."""
    width = feature_count(pool)
    return pool.subset(min(ROWS, max(CELLS // width, 1000)), "classifier")


def folds(pool: Pool, index: NDArray[np.intp]) -> NDArray[np.intp]:
    """Deal rows to folds as by chance, whosever they are."""
    order = pool.random_order("classifier/folds")
    place = np.empty(pool.total, np.intp)
    place[order] = np.arange(pool.total)
    fold = np.empty(len(index), np.intp)
    fold[np.argsort(place[index])] = np.arange(len(index)) % min(FOLDS, len(index))
    return fold


def feature_count(pool: Pool) -> int:
    """Count the features of a row, but for the two of its length."""
    d = pool.d
    if d <= PRODUCTS and d * (d + 3) // 2 <= pool.total // 5:
        return d * (d + 3) // 2
    return min(2 * d if d <= SQUARES else d, FEATURES)


def features(pool: Pool, index: NDArray[np.intp]) -> Vector:
    """Make the features of pooled rows: shape (rows, p + 2). None of it looks at labels."""
    d, p = pool.d, feature_count(pool)
    spread = np.sqrt(pool.variance)
    z = np.clip(pool.pick(index) / np.where(spread > 0.0, spread, 1.0), -FAR, FAR)
    # The spread of lengths is what tails in many columns at once change most.
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
    apart = norm - p * target**2
    noise = (float(np.square(np.einsum("ij,ij->i", rows, rows)).sum()) / n - norm) / n
    return float(np.clip(noise / apart, 0.0, 1.0)) if apart > 0.0 else 1.0


def whitened(rows: Vector) -> Vector:
    """Centre features and whiten them with their shrunk covariance; constant ones are left out."""
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
    # Duplicate features without noise leave eigenvalues of rounding: they carry nothing.
    kept = values > 1e-10 * values[-1]
    return np.asarray(rows @ (vectors[:, kept] / np.sqrt(values[kept])))


def scores(white: Vector, fold: NDArray[np.intp], marks: Vector) -> Vector:
    """Score every row by the rule that the other folds' rows under each labelling give.

    Returns
    -------
    ndarray, shape (labellings, rows)
        Above 0: nearer to the mean of the data than to that of the reference.
    """
    everything = white.sum(axis=0)
    ours = marks @ white
    out = np.empty(marks.shape)
    for f in range(int(fold.max()) + 1):
        held = fold == f
        part = white[held]
        n = marks.sum(axis=1) - marks[:, held].sum(axis=1)
        m = (len(white) - int(held.sum())) - n
        inside = ours - marks[:, held] @ part
        outside = (everything - part.sum(axis=0)) - inside
        inside /= np.maximum(n, 1.0)[:, None]
        outside /= np.maximum(m, 1.0)[:, None]
        rule = inside - outside
        # A labelling that leaves one side empty has nothing to learn from.
        rule[(n == 0.0) | (m == 0.0)] = 0.0
        middle = 0.5 * np.einsum("ij,ij->i", rule, inside + outside)
        out[:, held] = rule @ part.T - middle[:, None]
    return out


def observed_scores(pool: Pool) -> tuple[Vector, NDArray[np.bool_]]:
    """Return held-out scores of the rows looked at, and whether each is a row of the data."""
    index = chosen_rows(pool)
    ours = index < pool.n
    white = whitened(features(pool, index))
    return scores(white, folds(pool, index), ours[None].astype(np.float64))[0], ours


def areas(white: Vector, fold: NDArray[np.intp], marks: Vector) -> Vector:
    """Average over folds the area under the curve of held-out scores, for every labelling."""
    found = scores(white, fold, marks)
    total = np.zeros(len(marks))
    count = int(fold.max()) + 1
    for f in range(count):
        held = fold == f
        total += area(found[:, held], marks[:, held])
    return np.asarray(total / count)


def area(values: Vector, marks: Vector) -> Vector:
    """Mann-Whitney's P(score of ours > of theirs) + P(equal) / 2, row by row; 1/2 if undefined."""
    ours = marks.sum(axis=1)
    theirs = marks.shape[1] - ours
    order = np.argsort(values, axis=1)
    along = np.take_along_axis(values, order, axis=1)
    if (np.diff(along, axis=1) == 0.0).any():
        from scipy.stats import rankdata

        sums = (rankdata(values, axis=1) * marks).sum(axis=1)
    else:
        sums = np.take_along_axis(marks, order, axis=1) @ np.arange(1.0, marks.shape[1] + 1.0)
    pairs = ours * theirs
    won = sums - ours * (ours + 1.0) / 2.0
    return np.where(pairs > 0.0, won / np.where(pairs > 0.0, pairs, 1.0), 0.5)
