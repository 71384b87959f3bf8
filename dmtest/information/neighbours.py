"""Entropy and mutual information from distances to nearest neighbours, in nats.

Both estimators fail in many columns, and without a sign of it. So each of them is also run on
normal twins: samples of as many rows in as many columns, for which the truth is known.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln, ndtri

from dmtest.arguments import whole
from dmtest.errors import InputError
from dmtest.information.estimate import Estimate, not_estimable
from dmtest.information.normal import canonical_variates
from dmtest.information.rows import as_pairs, as_rows
from dmtest.runtime.parallel import blocks, run_tasks, workers
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

# Most nats, and share of the value, by which an estimate may be off.
MOST, SHARE = 0.15, 0.1
# Most rows of a twin, and of the estimate with more neighbours.
TWIN_ROWS = 3_000
# Neighbours of the second estimate, as a multiple of those of the first.
WIDER = 3
# Nats that the twin of a blind estimate has, and that the estimate at least has to find of them.
PLANTED, FOUND = 1.0, 0.5
# Joint columns above which trees are slower than all distances.
TREE_COLUMNS = 8
CONFIDENCE = 0.95


def entropy_knn(x: ArrayLike, k: int = 3) -> Estimate:
    """Kozachenko-Leonenko estimate of the entropy: psi(n) - psi(k) + log c_d + d mean log r_k.

    r_k is the distance of a row to its k-th neighbour and c_d the volume of the unit ball.
    Kozachenko & Leonenko (1987). Differential entropy may be negative, and it does not bound
    mutual information. The bias grows with the dimension. It is measured on a normal sample with
    the correlations and scales of x: where it exceeds 0.15 nats, or where more neighbours change
    the estimate by as much, the entropy is not estimable.

    Parameters
    ----------
    x : array_like, shape (n,) or (n, d)
    k : int
        Number of neighbours. More neighbours reduce the variance and raise the bias.

    Returns
    -------
    Estimate
        Differential entropy in nats with its error; NaN where it is not estimable (`note` says
        why, and `plain` has the formula's value).

    Raises
    ------
    InputError
        If a row has k exact copies: the entropy of a law with atoms is minus infinity.
    """
    rows = as_rows("x", x)
    k = _neighbours(k, len(rows))
    constant = np.flatnonzero(rows.min(axis=0) == rows.max(axis=0))
    if constant.size:
        raise InputError(
            f"x: column {constant[0]} is constant, so the entropy is minus infinity; leave it out."
        )
    terms = _entropy_terms(rows, k)
    copies = int(np.isneginf(terms).sum())
    if copies:
        raise InputError(
            f"x: {copies} rows have {k} exact copies, so the entropy is minus infinity; leave "
            f"copies out or take a larger k."
        )
    value = float(terms.mean())
    facts = {"method": f"Kozachenko-Leonenko, k = {k}", "batch": len(rows)}
    (n, d), few = rows.shape, _few(rows, k)
    if few is None or d >= len(few):
        return not_estimable(value, f"{n} rows in {d} columns are too few to check it", **facts)
    scores, scale = _normal_scores(few), _scales(few)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.corrcoef(scores.T)) * np.outer(scale, scale))
    values = np.maximum(values, 1e-12 * values[-1])
    truth = 0.5 * float(np.log(2.0 * np.pi * math.e * values).sum())
    rng = stream(0, "information/entropy twin")
    near, wide = [], []
    for _ in range(_repeats(len(few))):
        twin = (rng.standard_normal(few.shape) * np.sqrt(values)) @ vectors.T
        near.append(_entropy_terms(twin, k).mean())
        wide.append(_entropy_terms(twin, WIDER * k).mean())
    bias = float(np.mean(near)) - truth
    change = _entropy_terms(few, WIDER * k) - _entropy_terms(few, k)
    drift = change - (np.mean(wide) - np.mean(near))
    return _judged(value, terms, bias, drift, MOST, k, d, facts)


def ksg(x: ArrayLike, y: ArrayLike, k: int = 3) -> Estimate:
    """KSG estimate of I(x; y): psi(k) + psi(n) - mean(psi(n_x + 1) + psi(n_y + 1)).

    For each row, n_x and n_y count the rows that are nearer in x and in y than its k-th neighbour
    in the joint space (maximum norm). Kraskov, Stogbauer & Grassberger (2004), algorithm 1.

    In many columns, or where the information is large compared with log n, the formula's value is
    much too small. Three checks find that. A normal sample with the rank correlations of x and y
    has a known information; a normal sample with 1 nat shows whether the formula finds it; and
    three times as many neighbours should not change the value. Where the first or the last is off
    by 0.15 nats and 10%, or less than half of the nat is found, the information is not estimable.

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d)
        Row i of x belongs to row i of y.
    k : int
        Number of neighbours.

    Returns
    -------
    Estimate
        Nats with its error; may be slightly negative where the information is 0. NaN where it is
        not estimable (`note` says why, and `plain` has the formula's value).
    """
    left, right = as_pairs(x, y)
    k = _neighbours(k, len(left))
    terms = _ksg_terms(left, right, k)
    if terms is None:
        raise InputError(
            f"x, y: pairs of rows have {k} exact copies, which algorithm 1 cannot count; leave "
            f"copies out or take a larger k."
        )
    value, n = float(terms.mean()), len(left)
    facts = {"method": f"KSG 1, k = {k}", "batch": n}
    few = _few(np.hstack([left, right]), k)
    if few is None or few.shape[1] >= len(few):
        columns = left.shape[1] + right.shape[1]
        return not_estimable(
            value, f"{n} rows in {columns} columns are too few to check it", **facts
        )
    a, b = few[:, : left.shape[1]], few[:, left.shape[1] :]
    r = canonical_variates(_normal_scores(a), _normal_scores(b))[2]
    if r.max(initial=0.0) > 1.0 - 1e-9:
        return not_estimable(
            value, "a combination of columns of x is one of y, so the information is infinite",
            **facts,
        )  # fmt: skip
    change = _ksg_terms(a, b, WIDER * k), _ksg_terms(a, b, k)
    assert change[0] is not None
    assert change[1] is not None  # pairs of all rows have no k copies
    p, q, m = a.shape[1], b.shape[1], min(a.shape[1], b.shape[1])
    equal = np.full(m, np.sqrt(-np.expm1(-2.0 * PLANTED / m)))
    rng = stream(0, "information/ksg twin")
    found = np.mean([_twin(p, q, len(few), equal, k, rng)[0] for _ in range(_repeats(len(few)))])
    if found < FOUND * PLANTED:
        note = (
            f"in {p} + {q} columns the estimate finds {max(0.0, float(found)):.2g} of "
            f"{PLANTED:g} nats in a normal sample of {len(few)} rows"
        )
        return not_estimable(value, note, **facts)
    twins = [_twin(p, q, len(few), r[:m], k, rng) for _ in range(_repeats(len(few)))]
    near, wide = np.mean(twins, axis=0)
    truth = float(-0.5 * np.log1p(-np.square(r)).sum())
    bias, drift = float(near - truth), change[0] - change[1] - (wide - near)
    most = max(MOST, SHARE * truth)
    return _judged(value, terms, bias, drift, most, k, few.shape[1], facts)


def _judged(
    value: float,
    terms: Vector,
    bias: float,
    change: Vector,
    most: float,
    k: int,
    columns: int,
    facts: dict[str, object],
) -> Estimate:
    """Return a value with its error, or say why it is none."""
    if abs(bias) > most:
        note = f"in {columns} columns the estimate is off by {bias:+.2g} nats for a normal twin"
        return not_estimable(value, note, **facts)
    drift = float(change.mean())
    chance = 2.0 * float(change.std(ddof=1)) / np.sqrt(len(change))
    if abs(drift) > max(most, SHARE * abs(value)) + chance:
        note = f"it changes by {drift:+.2g} nats from {k} to {WIDER * k} neighbours"
        return not_estimable(value, note, **facts)
    sampling = float(terms.std(ddof=1)) / np.sqrt(len(terms))
    error = float(np.sqrt(sampling**2 + bias**2 + drift**2))
    limit = 1.6449 * error
    return Estimate(
        value,
        kind="estimate",
        plain=value,
        error=error,
        low=value - limit,
        high=value + limit,
        confidence=CONFIDENCE,
        **facts,
    )


def _few(rows: Vector, k: int) -> Vector | None:
    """Return evenly spaced rows for the checks; None where there are too few of them."""
    few = rows[:: -(-len(rows) // TWIN_ROWS)]
    return few if len(few) > max(10, WIDER * k) else None


def _normal_scores(rows: Vector) -> Vector:
    """Return the normal scores of the ranks of each column; ties get their mean rank."""
    from scipy.stats import rankdata

    return np.asarray(ndtri((rankdata(rows, axis=0) - 0.5) / len(rows)))


def _scales(rows: Vector) -> Vector:
    """Return scales of the columns that far values do not change."""
    spread = np.subtract(*np.quantile(rows, [0.75, 0.25], axis=0)) / 1.349
    return np.asarray(np.where(spread > 0.0, spread, np.maximum(rows.std(axis=0), 1e-300)))


def _twin(
    p: int, q: int, n: int, r: Vector, k: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Estimates, with k and with more neighbours, for normals with canonical correlations r."""
    x, y = rng.standard_normal((n, p)), rng.standard_normal((n, q))
    y[:, : len(r)] = r * x[:, : len(r)] + np.sqrt(1.0 - r**2) * y[:, : len(r)]
    near, wide = (_ksg_terms(x, y, neighbours) for neighbours in (k, WIDER * k))
    assert near is not None
    assert wide is not None  # draws of a density do not repeat
    return float(near.mean()), float(wide.mean())


def _repeats(n: int) -> int:
    """Return the number of twins: more of those that chance moves most."""
    return int(np.clip(4_000 // n, 1, 16))


def _entropy_terms(rows: Vector, k: int) -> Vector:
    """Return what each row adds to the mean; minus infinity for one with k copies."""
    from scipy.spatial import cKDTree

    n, d = rows.shape
    distances = np.asarray(cKDTree(rows).query(rows, k=[k + 1], workers=workers())[0])[:, 0]
    ball = 0.5 * d * np.log(np.pi) - gammaln(0.5 * d + 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(digamma(n) - digamma(k) + ball + d * np.log(distances))


def _ksg_terms(x: Vector, y: Vector, k: int) -> Vector | None:
    """Return what each row adds to the mean: shape (n,); None if a row has k copies."""
    n = len(x)
    counts = _counted if x.shape[1] + y.shape[1] > TREE_COLUMNS else _counted_by_trees
    found = counts(x, y, k)
    return None if found is None else np.asarray(digamma(k) + digamma(n) - digamma(found).sum(0))


def _counted_by_trees(x: Vector, y: Vector, k: int) -> Vector | None:
    """n_x + 1 and n_y + 1 of each row: shape (2, n)."""
    from scipy.spatial import cKDTree

    joint = np.hstack([x, y])
    tree = cKDTree(joint)
    distances = np.asarray(tree.query(joint, k=[k + 1], p=np.inf, workers=workers())[0])[:, 0]
    if (distances == 0.0).any():
        return None
    inside = np.nextafter(distances, 0.0)
    # The counts include the row itself: that is the + 1 of the formula.
    return np.array(
        [
            cKDTree(rows).query_ball_point(
                rows, inside, p=np.inf, return_length=True, workers=workers()
            )
            for rows in (x, y)
        ]
    )


def _counted(x: Vector, y: Vector, k: int) -> Vector | None:
    """Return the same counts from all distances, which are faster in many columns."""
    from scipy.spatial.distance import cdist

    def tile(part: slice) -> Vector | None:
        apart = [cdist(rows[part], rows, "chebyshev") for rows in (x, y)]
        radius = np.partition(np.maximum(*apart), k, axis=1)[:, k, None]
        if (radius == 0.0).any():
            return None
        return np.array([(one < radius).sum(axis=1) for one in apart])

    size = max(1, (1 << 21) // len(x))
    found = list(run_tasks(tile, blocks(len(x), size)))
    known = [one for one in found if one is not None]
    return np.concatenate(known, axis=1) if len(known) == len(found) else None


def _neighbours(k: int, n: int) -> int:
    k = whole("k", k, 1)
    if k >= n:
        raise InputError(f"k: got {k} neighbours among n = {n} rows; take k < n.")
    return k
