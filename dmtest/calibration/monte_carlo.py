"""P-values of one sample's statistics, by Monte Carlo or by a published law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from dmtest.calibration.multiplicity import bonferroni, min_p, monte_carlo_error, rank_pvalues
from dmtest.calibration.nulls import NullPlan, NullSample, SliceNull, null_of
from dmtest.calibration.shipped import SCORES, SETTLED_ROWS, two_sided
from dmtest.catalogue.spec import RowTest, SliceTest
from dmtest.engines.slices import Parameters
from dmtest.errors import InputError
from dmtest.runtime.typing import Vector

SMALLEST = float(np.finfo(np.float64).tiny)  # p-values that underflow


@dataclass(frozen=True, slots=True)
class PValues:
    """P-values of one test: of its statistic and, for slices, of the worst slice.

    Attributes
    ----------
    pvalue : float
    method : str
    worst_pvalue : float or None
    replicates : int or None
    error : float or None
        Monte Carlo standard error of `pvalue`.
    floor : float or None
        Smallest p-value that the null can give.
    badness : ndarray, shape (m,), or None
        Statistics of the data, larger is worse; None where the p-value is a published one.
    null : ndarray, shape (replicates, m), or None
        The same statistics under the null, for joint calibration with other tests.
    source : tuple or None
        As :attr:`NullSample.source`: tests with equal sources share their null samples.
    scores : mapping of str to (float, float)
        Names of shipped laws, and the normal scores and errors of the p-values by them; empty for
        other nulls.
    """

    pvalue: float
    method: str
    worst_pvalue: float | None = None
    replicates: int | None = None
    error: float | None = None
    floor: float | None = None
    badness: Vector | None = None
    null: Vector | None = None
    source: tuple[int, bool, bool] | None = None
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep p-values above 0 where a law has them and float64 has not."""
        if self.method.endswith("with probability 0"):
            return
        for name in ("pvalue", "worst_pvalue"):
            if getattr(self, name) == 0.0:
                object.__setattr__(self, name, SMALLEST)


def monte_carlo_slices(
    values: Vector,
    null: SliceNull,
    specs: Sequence[SliceTest],
    plan: NullPlan,
    *,
    shipped: bool = False,
) -> list[PValues]:
    """Calibrate slice tests by Monte Carlo, rerunning the pipeline on draws from the null.

    Parameters
    ----------
    values : ndarray, shape (k, tests)
        Statistics of the data's slices.
    null : SliceNull
        The null at the data's n; a test with a smaller cap is calibrated at that.
    specs : sequence of SliceTest
    plan : NullPlan
    shipped : bool
        Whether shipped nulls may be used.

    Returns
    -------
    list of PValues, in the order of `specs`
    """
    known = null.parameters == "known"
    results = []
    for column, spec, sample in zip(
        values.T, specs, null_of(null, specs, plan, shipped=shipped), strict=True
    ):
        rows = SETTLED_ROWS if sample.laws else sample.rows
        bad = spec.sign * np.asarray(spec.at_rows(column, null.n, rows, known))
        badness = np.array([bad.mean(), bad.max()])
        if sample.laws:
            results.append(_by_law(spec.sign * badness, (spec.sign,), sample))
            continue
        draws = spec.sign * sample.values
        pvalue, worst = (
            float(rank_pvalues(value, null_values))
            for value, null_values in zip(badness, draws.T, strict=True)
        )
        results.append(_pvalues(pvalue, sample, badness, draws, worst))
    return results


def monte_carlo_rows(
    varying: Sequence[float], specs: Sequence[RowTest], nulls: Sequence[NullSample]
) -> list[PValues]:
    """Calibrate tests of whole rows by Monte Carlo, with the varying part of their statistics.

    Parameters
    ----------
    varying : sequence of float
        Varying parts of the data's statistics.
    specs : sequence of RowTest
    nulls : sequence of NullSample
        The null of every test.

    Returns
    -------
    list of PValues, in the order of `specs`
    """
    results = []
    for value, spec, sample in zip(varying, specs, nulls, strict=True):
        signs = np.array(spec.signs)
        if sample.laws:
            results.append(_by_law(np.array([value]), spec.signs, sample))
            continue
        badness, draws = signs * value, signs * sample.values
        if len(signs) == 1:
            pvalue = float(rank_pvalues(badness[0], draws[:, 0]))
        else:
            pvalue = min_p(badness, draws)[0]
        results.append(_pvalues(pvalue, sample, badness, draws))
    return results


def _by_law(values: Vector, signs: Sequence[float], sample: NullSample) -> PValues:
    """P-values by shipped laws; a two-sided one is twice the smaller of the two sides."""
    scores, errors = [], []
    for value, law in zip(values, sample.laws, strict=True):
        sign, score = max(((s, law.score(value, s)) for s in signs), key=lambda pair: pair[1])
        scores.append(score if len(signs) == 1 else float(two_sided(score)))
        errors.append(len(signs) * law.error(score, sign))
    pvalues = [float(ndtr(-score)) for score in scores]
    return PValues(
        pvalues[0],
        sample.method,
        pvalues[1] if len(pvalues) > 1 else None,
        sample.laws[0].equivalent_replicates(),
        errors[0],
        len(signs) * float(ndtr(-SCORES[-1])),
        source=sample.source,
        scores=dict(zip(sample.columns, zip(scores, errors, strict=True), strict=True)),
    )


def _pvalues(
    pvalue: float, sample: NullSample, badness: Vector, draws: Vector, worst: float | None = None
) -> PValues:
    count = len(draws)
    error = monte_carlo_error(pvalue, count)
    floor = 1.0 / (count + 1.0)
    return PValues(pvalue, sample.method, worst, count, error, floor, badness, draws, sample.source)


def asymptotic(values: Vector, spec: SliceTest, parameters: Parameters, n: int) -> PValues:
    """Return the Bonferroni combination of published p-values of slices.

    Parameters
    ----------
    values : ndarray, shape (k,)
        Statistics of the data's slices.
    spec : SliceTest
    parameters : {"known", "fitted"}
    n : int
        Rows of the data.

    Returns
    -------
    PValues

    Raises
    ------
    InputError
        If no law is published for this test, or none for this n.
    """
    law = spec.published.get(parameters)
    if law is None:
        raise InputError(
            f"calibration: no asymptotic p-value is published for {spec.name} with {parameters} "
            f"parameters ({spec.why_unpublished(parameters)}); "
            f"use calibration='monte-carlo'."
        )
    pvalues = np.atleast_1d(np.asarray(law(values, n), dtype=np.float64))
    pvalue = bonferroni(pvalues)
    method = "asymptotic (published formula)"
    if len(pvalues) > 1:
        method += f", Bonferroni over {len(pvalues)} slices"
    return PValues(pvalue, method, pvalue)
