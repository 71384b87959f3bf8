"""Columns that depart on their own: Anderson-Darling and moments, with Holm's method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dmtest.calibration.multiplicity import holm
from dmtest.engines.slices import SliceView
from dmtest.render.wording import pvalue as shown
from dmtest.reports.causes.evidence import LEVEL, SampleEvidence
from dmtest.results.advice import ADVICE
from dmtest.results.outcome import Finding
from dmtest.runtime.parallel import blocks
from dmtest.runtime.typing import Vector
from dmtest.statistics.laws.slice_laws import anderson_darling_fitted, anderson_darling_known
from dmtest.statistics.slices.edf import anderson_darling
from dmtest.statistics.slices.moments import kurtosis_score, skewness_score
from dmtest.words import of_many

Places: TypeAlias = NDArray[np.intp]

# Most columns that are named; columns of a block; values that are few.
LISTED, BLOCK, FEW = 4, 16, 12
SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class ColumnTests:
    """Tests of columns, each an array of shape (d,).

    Attributes
    ----------
    adjusted : ndarray
        P-values over the tests of a column (Bonferroni) and over columns (Holm).
    mean, sd, skewness, kurtosis : ndarray
        Moments; kurtosis is the excess.
    scores : ndarray, shape (4, d)
        Normal scores of mean, variance, skewness and kurtosis; 0 for moments that are free.
    """

    adjusted: Vector
    mean: Vector
    sd: Vector
    skewness: Vector
    kurtosis: Vector
    scores: Vector


def column_tests(x: Vector, fitted: bool) -> ColumnTests:
    """Test every column of x, shape (n, d), none of them constant.

    Parameters
    ----------
    x : ndarray, shape (n, d)
    fitted : bool
        Whether mean and variance are free; otherwise they should be 0 and 1.
    """
    n, d = x.shape
    parts = []
    for part in blocks(d, BLOCK):
        view = SliceView(np.ascontiguousarray(x[:, part].T), "fitted" if fitted else "known")
        law = anderson_darling_fitted if fitted else anderson_darling_known
        mean, c2, c3, c4 = view.central.T
        skewness, kurtosis = c3 / c2**1.5, c4 / c2**2
        free = np.zeros(len(c2))
        scores = [
            free if fitted else mean * np.sqrt(n),
            # Wilson & Hilferty's cube root of the variance.
            free
            if fitted
            else (np.cbrt(c2 * n / (n - 1)) - 1.0 + 2.0 / (9.0 * (n - 1))) * np.sqrt(4.5 * (n - 1)),
            skewness_score(skewness, n),
            kurtosis_score(kurtosis, n),
        ]
        distance = law(anderson_darling(view), n)
        parts.append(np.stack([mean, np.sqrt(c2), skewness, kurtosis - 3.0, *scores, distance]))
    table = np.concatenate(parts, axis=1)
    normal = table[4:8]
    pvalues = np.vstack([2.0 * ndtr(-np.abs(normal if not fitted else normal[2:])), table[8]])
    smallest = np.maximum(np.minimum(1.0, len(pvalues) * pvalues.min(axis=0)), SMALLEST)
    mean, sd, skewness, kurtosis = table[:4]
    return ColumnTests(holm(smallest), mean, sd, skewness, kurtosis, normal)


def column_findings(e: SampleEvidence) -> Iterator[Finding]:
    """Name the columns that depart on their own."""
    columns, tests = tested_columns(e)
    if not len(columns):
        return
    bad = np.flatnonzero(tests.adjusted <= LEVEL)
    if not len(bad):
        return
    d = e.rows.shape[1]
    order = bad[np.argsort(tests.adjusted[bad], kind="stable")]
    listed = [described(e, int(columns[k]), tests, int(k)) for k in order[:LISTED]]
    more = f"; and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
    free = e.fitted or e.units
    after = " after standardising" if free else ""
    verb = of_many(len(bad), d, "column", "departs", "depart")
    own = "its" if len(bad) == 1 else "their"
    text = (
        f"{verb} from the target on {own} own{after} (Anderson-Darling and moments, "
        f"Holm-adjusted): {'; '.join(listed)}{more}."
    )
    if d == 1:
        text = f"The values{after}: {listed[0]}."
    yield Finding("coordinates", text, len(bad), _advice(e, columns[order], tests, order))


def _advice(e: SampleEvidence, columns: Places, tests: ColumnTests, order: Places) -> str:
    """Advice on the columns that depart, by what most of them have in common."""
    j = int(columns[0])
    skewed = np.abs(tests.scores[2, order]) > 3.0
    tails = tests.scores[3, order]
    few = [len(np.unique(e.few[:, k])) <= FEW for k in columns[:LISTED]]
    if np.mean(few) > 0.5:
        return ADVICE["few-values"]
    # A skewed law such as a gamma has an excess kurtosis of 1.5 times its squared skewness.
    heavy = tests.kurtosis[order] > 3.0 * np.square(tests.skewness[order])
    if np.mean((tails > 3.0) & heavy) >= 0.5:
        return ADVICE["tails"]
    if np.mean(skewed) >= 0.5 and np.median(np.abs(tests.skewness[order])) > 0.5:
        return (
            f"Usual cause: variables that cannot be negative, or mixtures. Plot these columns; a "
            f"power transformation often helps, `x[:, {j}] = scipy.stats.yeojohnson(x[:, {j}])[0]`."
        )
    if np.mean(tails < -3.0) >= 0.5:
        return (
            f"Usual cause: bounded values, or groups of rows. Plot these columns, "
            f"`plt.hist(x[:, {j}])`; test groups one by one, and values before a saturated "
            f"activation."
        )
    return ADVICE["coordinates"]


def tested_columns(e: SampleEvidence) -> tuple[Places, ColumnTests]:
    """Return the columns that are tested, and their tests: with free moments where units are."""
    columns = e.live
    free = e.fitted or e.units
    if not len(columns) or len(e.few) < 8:
        none = np.zeros(0)
        return none.astype(np.intp), ColumnTests(none, none, none, none, none, np.zeros((4, 0)))
    rows = e.few if free else np.asarray(e.canonical.rows[e.chosen], dtype=np.float64)
    return columns, column_tests(rows[:, columns], free)


def described(e: SampleEvidence, j: int, tests: ColumnTests, k: int) -> str:
    """Return a column with its p-value and how it departs."""
    said = []
    scores = np.abs(tests.scores[:, k])
    strong = scores > 3.0
    if strong[0]:
        said.append(f"mean {tests.mean[k]:+.2g}")
    if strong[1]:
        said.append(f"standard deviation {tests.sd[k]:.3g}")
    distinct = len(np.unique(e.few[:, j]))
    if distinct <= FEW:
        said.append(f"only {distinct} different values")
    elif strong[2] and scores[2] >= scores[3] - 2.0:
        side = "right" if tests.skewness[k] > 0 else "left"
        said.append(f"skewed to the {side}, skewness {tests.skewness[k]:+.2g}")
    elif strong[3]:
        kind = "heavy tails" if tests.kurtosis[k] > 0 else "light tails or two humps"
        said.append(f"{kind}, excess kurtosis {tests.kurtosis[k]:+.2g}")
    if not said:
        said.append(f"skewness {tests.skewness[k]:+.2g}, excess kurtosis {tests.kurtosis[k]:+.2g}")
    value = shown(float(tests.adjusted[k]))
    return f"{e.name(j)} (p {value if value[0] in '<≤' else '= ' + value}; {'; '.join(said)})"
