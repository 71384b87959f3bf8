"""Departures of the joint shape: pairs on a curve, and far rows that lie to one side.

Both have exact p-values under every normal law, so they are looked for where nothing else speaks,
at the level of the report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from dmtest.battery.api import run_test
from dmtest.calibration.multiplicity import holm
from dmtest.render.wording import equals
from dmtest.render.wording import pvalue as shown
from dmtest.reports.causes.evidence import SampleEvidence
from dmtest.results.outcome import Finding
from dmtest.runtime.typing import Vector
from dmtest.targets.transforms import independent_columns, mean_and_covariance, whiten

# Most columns whose pairs are looked at; fewest rows; weights that are listed.
MOST, FEWEST, LISTED = 64, 12, 3
# Most values of a sample whose null is simulated.
VALUES = 100_000
# Share of a variance that may be rounding.
ROUNDING = 1e-16
# Test of far rows to one side (its statistic is the length of the direction).
ONE_SIDED = "mori-rohatgi-szekely"


@dataclass(frozen=True, slots=True)
class Curve:
    """The pair of columns whose relation bends most.

    Attributes
    ----------
    of, on : int
        The column that is explained, and the one that explains it.
    bend : float
        Coefficient of the square, both columns standardised.
    pvalue : float
        Over all ordered pairs (Holm).
    """

    of: int
    on: int
    bend: float
    pvalue: float


def curve(x: Vector) -> Curve | None:
    """Return the pair of columns whose relation bends most; None with one column or few rows.

    Under a normal law the regression of a column on another is a line with independent normal
    errors, so the t-test of the coefficient of the square is exact.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        No column is constant.
    """
    n, d = x.shape
    if d < 2 or n < FEWEST or d > MOST:
        return None
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    bends, pvalues = np.zeros((d, d)), np.ones((d, d))
    for i in range(d):
        basis, factor = np.linalg.qr(np.column_stack([np.ones(n), z[:, i], np.square(z[:, i])]))
        if abs(factor[2, 2]) < 1e-8 * np.sqrt(n):
            continue  # two values: their square is a line
        loads = basis.T @ z
        # Where a line or parabola has no error, rounding has: a copy does not bend.
        rest = np.maximum(n - np.square(loads).sum(axis=0), ROUNDING * n)
        error = np.sqrt(rest / (n - 3))
        bends[i] = loads[2] / factor[2, 2]
        pvalues[i] = 2.0 * stdtr(n - 3, -np.abs(loads[2]) / error)
        pvalues[i, i] = 1.0
    pairs = ~np.eye(d, dtype=bool)
    adjusted = np.ones((d, d))
    adjusted[pairs] = holm(pvalues[pairs])
    on, of = divmod(int(np.where(pairs, pvalues, 2.0).argmin()), d)
    return Curve(of, on, float(bends[on, of]), float(adjusted[on, of]))


def joint_findings(e: SampleEvidence) -> Iterator[Finding]:
    """Name a pair on a curve, or the side of far rows; their p-values share the level."""
    columns = e.live
    if len(columns) < 2 or len(e.few) < FEWEST:
        return
    x = e.few[:: -(-e.few.size // VALUES), columns]
    found = curve(x)
    side = _one_sided(e, x) if len(x) > 2 * len(columns) else None
    pvalues = np.array([1.0 if found is None else found.pvalue, 1.0 if side is None else side[0]])
    adjusted = holm(pvalues)
    if found is not None and adjusted[0] <= e.alpha:
        yield _curved(e, found, float(adjusted[0]))
    if side is not None and adjusted[1] <= e.alpha:
        yield _far(e, side[1], float(adjusted[1]))


def _curved(e: SampleEvidence, found: Curve, pvalue: float) -> Finding:
    of, on = int(e.live[found.of]), int(e.live[found.on])
    turn = "upwards" if found.bend > 0.0 else "downwards"
    text = (
        f"{e.name(of)} follows {e.name(on)} along a curve that bends {turn}, while columns of a "
        f"normal law follow each other along lines (t-test of the square, adjusted "
        f"{_p(pvalue)})."
    )
    advice = (
        f"Usual cause: a relation that is not a line, or a scale that has to be transformed. Plot "
        f'the pair, `plt.plot(x[:, {on}], x[:, {of}], ".")`; transform a column, or test what a '
        f"model of the curve leaves."
    )
    return Finding("curved-pair", text, None, advice)


def _one_sided(e: SampleEvidence, x: Vector) -> tuple[float, Vector] | None:
    """Return the p-value of far rows to one side, and their direction in standardised columns."""
    mean, covariance = mean_and_covariance(x)
    kept = independent_columns(covariance, len(x), 1e-10)
    if len(kept) < 2:
        return None
    outcome = run_test(x[:, kept], ONE_SIDED, "any-normal", rng=0)
    part = covariance[np.ix_(kept, kept)]
    white = whiten(x[:, kept], mean[kept], part)
    far = (np.square(white).sum(axis=1)[:, None] * white).mean(axis=0)
    weights = np.zeros(x.shape[1])
    weights[kept] = np.linalg.solve(np.linalg.cholesky(part).T, far) * x[:, kept].std(axis=0)
    return outcome.pvalue, weights / np.linalg.norm(weights)


def _far(e: SampleEvidence, weights: Vector, pvalue: float) -> Finding:
    top = np.argsort(-np.abs(weights), kind="stable")[:LISTED]
    listed = ", ".join(f"{e.name(int(e.live[j]))} {weights[j]:+.2f}" for j in top)
    text = (
        f"Rows far from the centre lie to one side, along {listed} of standardised columns "
        f"(Mori-Rohatgi-Szekely, adjusted {_p(pvalue)}): the sample is skewed as a whole, though "
        f"no column is clearly so."
    )
    columns = [int(e.live[j]) for j in top]
    listed = ", ".join(f"{weights[j]:.2f}" for j in top)
    advice = (
        f"Usual cause: skewed variables, or a few rows of another kind. Look at the rows along "
        f"this direction: `plt.hist((x[:, {columns}] - x[:, {columns}].mean(axis=0)) / "
        f"x[:, {columns}].std(axis=0) @ [{listed}])`."
    )
    return Finding("one-sided", text, None, advice)


def _p(pvalue: float) -> str:
    return equals(shown(pvalue))
