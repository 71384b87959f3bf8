"""Bets against N(0, I): exact e-values of a batch, from conjugate families and earlier batches.

A bet is the ratio of two densities of the batch's rows: a proper mixture, updated with earlier
batches, over N(0, I). Its expectation under N(0, I), given all earlier batches, is therefore
exactly 1 at any n and d, without asymptotics and without a simulated null. (The size of a p-value
from one fixed null of B replicates is off by about 1/sqrt(B) in every batch; a bettor that learns
would exploit that.)

Earlier batches fade: sums are multiplied by 2^(-1/h) after every batch, h a half-life in batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, gammaln, multigammaln, ndtr

from dmtest.engines.directions import random_directions
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

# Half-lives, in batches, of the sums that a bet uses.
MEMORIES = (2.0, 16.0, 128.0)
# Weight of a bet's prior, centred at N(0, I), in rows: weak for large departures, strong for small
# ones.
STRENGTHS = (20.0, 500.0)
# Weights of the prior of a full covariance, in rows a column; never below those above.
JOINT_STRENGTHS = (2.0, 20.0)
# Most columns with a bet on the full covariance, and most random slices.
MOST_JOINT = 256
SLICES = 64
EDGES = np.array([-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
BINS = np.diff(ndtr(EDGES), prepend=0.0, append=1.0)
# What the groups of bets test; {} is the number or name of a column or slice.
GROUPS = {
    "columns": "the mean or variance of column {}",
    "column-shapes": "the shape of column {}",
    "all-columns": "means or variances of many columns",
    "all-shapes": "the shape of many columns",
    "slices": "the mean or variance of random slice {}",
    "slice-shapes": "the shape of random slice {}",
    "joint": "the mean and covariance as a whole",
    "lengths": "the lengths of the rows",
}


@dataclass
class Sums:
    """Sums over rows from which all bets are computed, one for each memory (last axis).

    A margin is a column or a random slice.

    Attributes
    ----------
    n : ndarray, shape (m,)
        Number of rows.
    first, second : ndarray, shape (margins, m)
        Sums of values and of their squares, for the columns and then for the slices.
    counts : ndarray, shape (margins + 1, bins, m)
        Values in each bin; the last margin holds the squared lengths.
    cross : ndarray, shape (d, d, m)
        Sums of products; (0, 0, m) where d = 1 or d is above MOST_JOINT.
    """

    n: Vector
    first: Vector
    second: Vector
    counts: Vector
    cross: Vector

    @classmethod
    def zeros(cls, d: int, margins: int) -> Sums:
        """Return the sums of no rows."""
        m, wide = len(MEMORIES), d if 1 < d <= MOST_JOINT else 0
        shapes = ((m,), (margins, m), (margins, m), (margins + 1, len(BINS), m), (wide, wide, m))
        return cls(*(np.zeros(shape) for shape in shapes))

    def parts(self) -> dict[str, Vector]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in ("n", "first", "second", "counts", "cross")}

    def after(self, batch: Sums) -> Sums:
        """Return the sums of these and the rows of a batch, faded by one batch."""
        fade = 2.0 ** (-1.0 / np.array(MEMORIES))
        new = batch.parts()
        return Sums(*((old + new[name]) * fade for name, old in self.parts().items()))


@dataclass
class Bets:
    """All bets on rows of d columns, with the sums of earlier batches."""

    d: int
    sums: Sums = field(init=False)
    directions: Vector = field(init=False)

    def __post_init__(self) -> None:
        k = min(SLICES, 2 * self.d) if self.d > 1 else 0
        rng = stream(0, "monitor/directions")
        self.directions = random_directions(k, self.d, rng) if k else np.empty((0, self.d))
        self.sums = Sums.zeros(self.d, self.d + k)
        cumulative = np.cumsum(BINS)[:-1]
        # Upper tail probabilities keep their digits beyond the median.
        self.length_edges: Vector = np.asarray(chdtri(float(self.d), 1.0 - cumulative))

    def batch_sums(self, rows: NDArray[Any]) -> Sums:
        """Return the sums of a batch, the same for every memory."""
        x = np.asarray(rows, dtype=np.float64)
        margins = np.concatenate([x.T, self.directions @ x.T])
        counts = [_bin_counts(margin, EDGES) for margin in margins]
        counts.append(_bin_counts(np.square(x).sum(axis=1), self.length_edges))
        cross = x.T @ x if self.sums.cross.size else np.zeros((0, 0))
        parts = (
            np.array(float(len(x))),
            margins.sum(axis=1),
            np.square(margins).sum(axis=1),
            np.array(counts, dtype=np.float64),
            cross,
        )
        return Sums(*(np.repeat(part[..., None], len(MEMORIES), axis=-1) for part in parts))

    def place(self, rows: NDArray[Any]) -> dict[str, Vector]:
        """Return the log e-value of every bet on a batch, then add the batch to the sums.

        Returns
        -------
        dict of str to ndarray, shape (members, strengths, memories)
            By name, for the :data:`GROUPS` that are defined for d columns.
        """
        batch, past, d = self.batch_sums(rows), self.sums, self.d
        normal = np.stack([_normal(past, batch, s) for s in STRENGTHS], axis=1)
        shape = np.stack([_shape(past, batch, s) for s in STRENGTHS], axis=1)
        values = {"columns": normal[:d], "column-shapes": shape[:d]}
        if d > 1:
            # Columns are independent under N(0, I): products of their e-values are e-values.
            values["all-columns"] = normal[:d].sum(axis=0, keepdims=True)
            values["all-shapes"] = shape[:d].sum(axis=0, keepdims=True)
            values["slices"], values["slice-shapes"] = normal[d:], shape[d:-1]
            values["lengths"] = shape[-1:]
            if past.cross.size:
                strengths = (
                    max(s, per * d) for s, per in zip(STRENGTHS, JOINT_STRENGTHS, strict=True)
                )
                values["joint"] = np.stack([_joint(past, batch, s) for s in strengths])[None]
        self.sums = past.after(batch)
        return values


def _bin_counts(values: Vector, edges: Vector) -> Vector:
    return np.bincount(np.searchsorted(edges, values), minlength=len(BINS)).astype(np.float64)


def _normal(past: Sums, batch: Sums, strength: float) -> Vector:
    """Log e-value of each margin under a normal-gamma prior: (margins, memories).

    x ~ N(m, 1/l), m ~ N(0, 1/(s l)), l ~ Gamma(s/2, s/2), updated with earlier batches.
    """

    def state(n: Vector, first: Vector, second: Vector) -> tuple[Vector, Vector, Vector]:
        kappa = strength + n
        return kappa, 0.5 * (strength + n), 0.5 * (strength + second - first**2 / kappa)

    k0, a0, b0 = state(past.n, past.first, past.second)
    total = past.n + batch.n, past.first + batch.first, past.second + batch.second
    k1, a1, b1 = state(*total)
    value = gammaln(a1) - gammaln(a0) + a0 * np.log(b0) - a1 * np.log(b1)
    return np.asarray(value + 0.5 * np.log(k0 / k1) + 0.5 * batch.second)


def _shape(past: Sums, batch: Sums, strength: float) -> Vector:
    """Log e-value of each margin's bin counts under a Dirichlet prior: (margins + 1, memories)."""
    prior = strength * BINS[:, None] + past.counts
    each = gammaln(prior + batch.counts) - gammaln(prior) - batch.counts * np.log(BINS)[:, None]
    start = strength + past.n
    return np.asarray(each.sum(axis=1) + gammaln(start) - gammaln(start + batch.n))


def _joint(past: Sums, batch: Sums, strength: float) -> Vector:
    """Log e-value of whole rows under a normal-inverse-Wishart prior of mean N(0, I): (memories,).

    S ~ IW(s + d + 1, s I), m ~ N(0, S/s), updated with earlier batches.
    """
    d = past.cross.shape[0]

    def state(n: float, first: Vector, cross: Vector) -> tuple[float, float, float]:
        kappa = strength + n
        scale = strength * np.eye(d) + cross - np.outer(first, first) / kappa
        return kappa, strength + d + 1.0 + n, float(np.linalg.slogdet(scale)[1])

    values = []
    for j in range(len(MEMORIES)):
        n0, n = float(past.n[j]), float(batch.n[j])
        first, cross = past.first[:d, j], past.cross[:, :, j]
        k0, v0, log0 = state(n0, first, cross)
        k1, v1, log1 = state(n0 + n, first + batch.first[:d, j], cross + batch.cross[:, :, j])
        value = multigammaln(0.5 * v1, d) - multigammaln(0.5 * v0, d)
        value += 0.5 * (v0 * log0 - v1 * log1 + d * math.log(k0 / k1) + n * d * math.log(2.0))
        values.append(float(value) + 0.5 * float(np.trace(batch.cross[:, :, j])))
    return np.array(values)


def bet_in_words(group: str, member: int, names: Sequence[str] | None) -> str:
    """Return in words what a bet tests, with the column's name where there is one."""
    has_name = names is not None and group.startswith("column")
    return GROUPS[group].format(repr(names[member]) if has_name and names else member)
