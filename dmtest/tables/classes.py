"""Classes of one sample: how much of its variance and divergence lies between and within them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmtest.data.labels import Labels
from dmtest.data.sample import Sample
from dmtest.effects.coordinates import column_name
from dmtest.effects.gaussian import estimable_parts
from dmtest.results import effect_table as table
from dmtest.results.classes import ScatterFigure
from dmtest.results.effect_table import Estimates
from dmtest.results.estimate import Estimate, WidenedEstimate
from dmtest.results.figures import numbers
from dmtest.runtime.streams import some_rows, stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import mean_and_covariance

# Rows of the scatter plot; radius that holds 95% of N(0, I) in two columns.
SCATTERED, RADIUS = 1500, float(np.sqrt(-2.0 * np.log(0.05)))


@dataclass(frozen=True, slots=True)
class _Moments:
    """Rows, mean and 1/n covariance of one class."""

    n: int
    mean: Vector
    covariance: Vector


def class_estimates(canonical: Canonical, labels: Labels) -> Estimates:
    """Estimate the shares of variance and of divergence between and within classes.

    For the rows' mean m, and classes of shares p, means m_c and covariances S_c:

    - variance: tr S = sum p |m_c - m|^2 + sum p tr S_c;
    - divergence of the normals fitted to the classes from N(0, I), on average over rows:
      |m|^2 / 2 + sum p |m_c - m|^2 / 2 + sum p (tr S_c - d - log det S_c) / 2.

    KL(P_c || Q) >= KL(N(m_c, S_c) || Q) for a normal Q, and sum p KL(P_c || Q) is KL(P || Q) plus
    the information that rows have on their class. So the second is at most KL(P || Q) plus the
    entropy of the labels. With fitted parameters Q is the normal fitted to all rows.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    labels : Labels
    """
    rows = np.asarray(canonical.rows, dtype=np.float64)
    classes = [
        _Moments(int(count), *mean_and_covariance(rows[labels.codes == code]))
        for code, count in enumerate(labels.counts)
    ]
    scale = "of the whitened rows" if canonical.fitted else "on normal scale"
    share = {table.VARIANCE_BETWEEN.filled(scale=scale): _variance_share(rows, classes, labels)}
    if canonical.unit is not None:
        return share
    return share | _divergence(rows, classes, labels, canonical.fitted)


def _variance_share(rows: Vector, classes: list[_Moments], labels: Labels) -> Estimate:
    """Epsilon squared of all columns together: 1 - (SSW / (n - K)) / (SST / (n - 1))."""
    n, k = len(rows), len(classes)
    means = np.stack([one.mean for one in classes])[labels.codes]
    within = np.square(rows - means).sum(axis=1)
    total = np.square(rows - rows.mean(axis=0)).sum(axis=1)
    if not total.sum() > 0.0:
        return Estimate(value=None, note="not estimable: all rows are equal")
    factor = (n - 1.0) / (n - k)
    ratio = float(within.sum() / total.sum())
    influence = (within - ratio * total) / total.mean()
    # Where the means are equal the influence vanishes: K - 1 sums of squares are left.
    pooled = sum(one.n * one.covariance for one in classes) / n
    spread = float(np.trace(pooled))  # 0 where the rows of each class are equal
    rest = 2.0 * (k - 1.0) * float(np.square(pooled).sum()) / spread**2 if spread else 0.0
    variance = factor**2 * float(influence.var()) / n + (ratio / n) ** 2 * rest
    return Estimate(value=1.0 - factor * ratio, error=float(np.sqrt(variance)))


def _divergence(rows: Vector, classes: list[_Moments], labels: Labels, fitted: bool) -> Estimates:
    """Divergence of the classes' normals, and its parts."""
    n, d = rows.shape
    law = "one normal of all rows" if fitted else "N(0, I)"
    whole = table.KL_CLASSES.filled(law=law)
    inside = []
    for one, name in zip(classes, labels.names, strict=True):
        parts = estimable_parts(one.mean, one.covariance, one.n)
        if parts is None:
            why = (
                f"not estimable: the covariance of the {one.n} rows of class {name!r} is singular "
                f"in d = {d}"
            )
            return {whole: Estimate(value=None, note=why)}
        inside.append(parts[3] - parts[0])
    shares = labels.counts / n
    mean = rows.mean(axis=0)
    # Unbiased traces of the classes' covariances.
    traces = np.array([np.trace(one.covariance) * one.n / (one.n - 1.0) for one in classes])
    offsets = np.stack([one.mean - mean for one in classes])
    common = 0.5 * (float(mean @ mean) - float(traces @ shares) / n)
    between = 0.5 * (
        float(shares @ np.square(offsets).sum(axis=1)) - float((1.0 - shares) @ traces) / n
    )
    within = float(shares @ np.array(inside))
    values = np.array([common, between, within])
    spread, second, bias = np.zeros((4, 4)), np.zeros(4), 0.0
    for code, one in enumerate(classes):
        y = rows[labels.codes == code] - one.mean
        inverse = np.linalg.inv(one.covariance)
        length = np.einsum("ij,ij->i", y @ inverse, y)
        inside_class = 0.5 * (np.square(y).sum(axis=1) - length)
        influence = np.stack([y @ mean, y @ offsets[code], inside_class])
        # What the kurtosis adds to the bias of the log-determinant of normal rows.
        bias += 0.25 * (float(np.square(length).mean()) - d * (d + 2.0)) / n
        every = np.vstack([influence, influence.sum(axis=0)])
        spread += shares[code] * np.cov(every, bias=True)
        square = float(np.square(one.covariance).sum())
        second += [
            0.5 * square * (shares[code] / n) ** 2,
            0.5 * square * (1.0 - shares[code]) ** 2 / n**2,
            0.25 * d * (d + 1.0) / n**2,
            0.0,
        ]
    second[3] = second[:3].sum()
    errors = np.sqrt(np.diagonal(spread) / n + second)
    value = float(values.sum())
    found = {whole: (value, errors[3])}
    if not fitted:
        found[table.KL_ALL_MEAN.filled(law=law)] = (common, errors[0])
    found[table.KL_CLASS_MEANS.filled(law=law)] = (between, errors[1])
    inside_row = table.KL_CLASS_WITHIN.filled(law=law)
    found[inside_row] = (within, errors[2])
    least = ""
    if value > labels.entropy:
        least = f"; so it is about {value - labels.entropy:.2g} nats or more"
    note = (
        f"mean, over rows, of the divergence of the normal fitted to their class; the divergence "
        f"of all rows is at least this less the labels' entropy, {labels.entropy:.3g} nats{least}"
    )
    estimates: Estimates = {
        row: Estimate(value=part, error=float(error)) for row, (part, error) in found.items()
    }
    for row, text in ((whole, note), (inside_row, "")):
        estimates[row] = WidenedEstimate(
            value=estimates[row].value,
            error=estimates[row].error,
            below=max(0.0, bias),
            above=max(0.0, -bias),
            note=text,
        )
    return estimates


def class_scatter(sample: Sample, canonical: Canonical, labels: Labels, seed: int) -> ScatterFigure:
    """Scatter of the rows by class: two columns, or the plane in which the means differ most.

    Parameters
    ----------
    sample : Sample
        Shape (n, d).
    canonical : Canonical
        The same rows on normal scale.
    labels : Labels
    seed : int
        Seed of the rows that are shown, if there are too many.
    """
    n, d = sample.x.shape
    chosen = np.arange(n)
    if n > SCATTERED:
        chosen = some_rows(stream(seed, "classes/scatter"), n, SCATTERED)
    codes = tuple(labels.codes[chosen].tolist())
    if d <= 2:
        shown = np.asarray(sample.x[chosen], dtype=np.float64)
        if d == 1:  # spread over the height, so that rows do not hide each other
            shown = np.column_stack(
                [shown[:, 0], stream(seed, "classes/height").random(len(chosen))]
            )
        names = (column_name(sample.names, 0), column_name(sample.names, 1) if d == 2 else "")
        circle = RADIUS if d == 2 and canonical.rows is sample.x else None
    else:
        rows = np.asarray(canonical.rows, dtype=np.float64)
        shown = (rows[chosen] - rows.mean(axis=0)) @ _plane(rows, labels)
        names = ("direction 1", "direction 2")
        circle = None if canonical.fitted else RADIUS
    x, y = np.round(shown, 3).T
    return ScatterFigure(
        axes=names, classes=labels.names, codes=codes, x=numbers(x), y=numbers(y), circle=circle
    )


def _plane(rows: Vector, labels: Labels) -> NDArray[np.float64]:
    """Orthonormal basis of the plane in which the means of the classes differ most: (r, 2).

    With two classes, or equal means, the rest of it is where rows vary most.
    """
    counts = labels.counts
    means = np.stack([rows[labels.codes == code].mean(axis=0) for code in range(len(counts))])
    offsets = (means - rows.mean(axis=0)) * np.sqrt(counts / len(rows))[:, None]
    basis = np.linalg.svd(offsets, full_matrices=False)[2][: min(2, len(counts) - 1)]
    if len(basis) < 2:
        covariance = mean_and_covariance(rows)[1]
        free = np.eye(rows.shape[1]) - basis.T @ basis
        vectors = np.linalg.eigh(free @ covariance @ free)[1]
        basis = np.vstack([basis, vectors[:, -1]])
    # The largest weight is positive: an eigenvector has no sign of its own.
    signs = np.sign(np.take_along_axis(basis, np.abs(basis).argmax(axis=1)[:, None], axis=1))
    return np.asarray((basis * signs).T)
