"""From statistics to p-values. Knows tests only as rows of the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.budget import affordable
from dmtest.calibration.multiplicity import bonferroni, min_p, rank_pvalues
from dmtest.calibration.nulls import RowNull, SliceNull, replicates_of
from dmtest.calibration.shipped import MOST_ROWS, RANKED, SLICES, tabulated
from dmtest.catalogue.spec import SliceTest, Spec
from dmtest.engines.slices import Parameters
from dmtest.errors import InputError
from dmtest.runtime.parallel import Progress

__all__ = [
    "Calibrated",
    "Calibration",
    "asymptotic",
    "monte_carlo_rows",
    "monte_carlo_slices",
    "slice_table",
]

Calibration: TypeAlias = Literal["auto", "monte-carlo", "asymptotic"]
Vector: TypeAlias = NDArray[np.float64]

# Values sorted above which 'auto' simulates fewer replicates.
SLICE_BUDGET = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The p-values of one test: of its reduction and, over slices, of its worst slice.

    `badness` and `null` (larger is worse; shapes (m,) and (B, m)) are kept for joint
    calibration with other tests whose replicates are of the same `rows`: these are then
    statistics of the same samples, unless they were `subsampled`, or come from the table
    that the package ships and others do not. They are None for published p-values.
    """

    pvalue: float
    method: str
    worst_pvalue: float | None = None
    replicates: int | None = None
    error: float | None = None
    badness: Vector | None = None
    null: Vector | None = None
    rows: int | None = None
    subsampled: bool = False
    tabulated: bool = False


def monte_carlo_slices(
    values: Vector,
    null: SliceNull,
    specs: Sequence[Spec],
    params: Mapping[str, Any],
    *,
    replicates: int,
    seed: int,
    thrifty: bool,
    columns: int | None = None,
    progress: Progress | None = None,
) -> list[Calibrated]:
    """Calibrate slice tests by Monte Carlo, rerunning the pipeline on draws from the null.

    Parameters
    ----------
    values : ndarray, shape (k, tests)
        Statistics of the data's slices.
    null : SliceNull
        At the data's n; tests with a cap are calibrated at the cap above it.
    thrifty : bool
        Allow caps and fewer replicates where n is large (calibration "auto").
    columns : int, optional
        Columns of the data; where they are given, tests whose null the package ships are
        calibrated with that.
    """
    groups: dict[tuple[int, int], list[int]] = {}
    results: dict[int, Calibrated] = {}
    known = null.parameters == "known"
    for j, spec in enumerate(specs):
        if columns is not None and not params.get(spec.name):
            most = min(null.n, MOST_ROWS)
            table = slice_table(null, most, columns, spec, replicates)
            if table is not None:
                here = np.asarray(spec.at_rows(values[:, j], null.n, most, known))
                results[j] = _compare(here, table, spec, null.n, most, tabulated=True)
                continue
        rows = spec.rows(null.n, null.d) if thrifty else null.n
        count = affordable(replicates, rows * null.k, SLICE_BUDGET) if thrifty else replicates
        groups.setdefault((rows, count), []).append(j)
    for (rows, count), members in groups.items():
        chosen = [specs[j] for j in members]
        at = SliceNull(null.parameters, rows, null.d, null.k, null.basis)
        draws = replicates_of(at, chosen, params, count, seed, progress)
        for position, j in enumerate(members):
            here = np.asarray(specs[j].at_rows(values[:, j], null.n, rows, known))
            results[j] = _compare(here, draws[:, position], specs[j], null.n, rows)
    return [results[j] for j in range(len(specs))]


def slice_table(
    null: SliceNull, rows: int, columns: int, spec: Spec, replicates: int
) -> Vector | None:
    """Return shipped replicates of a test of slices, if there are any of such slices."""
    usual = null.basis is None and null.k == (1 if columns == 1 else SLICES)
    if not usual or replicates > RANKED:
        return None
    found = tabulated(null.parameters, rows, columns, [spec])
    return None if found is None else found[:, 0]


def _compare(
    values: Vector, draws: Vector, spec: Spec, n: int, rows: int, tabulated: bool = False
) -> Calibrated:
    bad = spec.sign * values
    badness = np.array([bad.mean(), bad.max()])
    null = spec.sign * draws
    pvalue, worst = (float(rank_pvalues(b, draw)) for b, draw in zip(badness, null.T, strict=True))
    method = f"monte carlo, {len(draws)} replicates" + (" (shipped)" if tabulated else "")
    if rows != n:
        method += f" at n = {rows}, where the null has settled"
    error = _error(pvalue, len(draws))
    return Calibrated(
        pvalue, method, worst, len(draws), error, badness, null, rows, tabulated=tabulated
    )


def monte_carlo_rows(
    varying: Sequence[float],
    null: RowNull,
    specs: Sequence[Spec],
    params: Mapping[str, Any],
    *,
    replicates: int,
    seed: int,
    table: Vector | None = None,
    progress: Progress | None = None,
) -> list[Calibrated]:
    """Calibrate tests of rows by Monte Carlo on the part of their statistics that varies.

    All are evaluated on the same replicates, and share one pass over the pairs of each; or
    they are compared with those of `table`, shape (replicates, tests).
    """
    draws = table
    if draws is None:
        draws = replicates_of(null, specs, params, replicates, seed, progress)[:, :, 0]
    replicates = len(draws)
    results = []
    for value, column, spec in zip(varying, draws.T, specs, strict=True):
        signs = np.array(spec.signs)
        badness, drawn = signs * value, column[:, None] * signs
        if len(signs) == 1:
            pvalue = float(rank_pvalues(badness[0], drawn[:, 0]))
        else:
            pvalue = min_p(badness, drawn)[0]
        error = _error(pvalue, replicates)
        method = f"monte carlo, {replicates} replicates"
        method += "" if table is None else " (shipped)"
        results.append(
            Calibrated(
                pvalue,
                method,
                None,
                replicates,
                error,
                badness,
                drawn,
                null.n,
                tabulated=table is not None,
            )
        )
    return results


def asymptotic(values: Vector, spec: SliceTest, parameters: Parameters, n: int) -> Calibrated:
    """Take published p-values of slices and their Bonferroni combination.

    Raises
    ------
    InputError
        If none is published for this test, or not for this n.
    """
    law = spec.published.get(parameters)
    if law is None:
        raise InputError(
            f"calibration: no asymptotic p-value is published for {spec.name} with {parameters} "
            f"parameters ({spec.why_unpublished(parameters)}); "
            f"use calibration='monte-carlo'."
        )
    pvalues = np.atleast_1d(np.asarray(law(values, n), dtype=np.float64))
    together = bonferroni(pvalues)
    method = "asymptotic (published formula)"
    if len(pvalues) > 1:
        method += f", Bonferroni over {len(pvalues)} slices"
    return Calibrated(together, method, together)


def _error(pvalue: float, replicates: int) -> float:
    return float(np.sqrt(pvalue * (1.0 - pvalue) / replicates))
