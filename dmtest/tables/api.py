"""The public functions `univariate` and `outliers`: tables of columns and of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dmtest import arguments
from dmtest.battery.api import Nonfinite
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.calibration.multiplicity import holm
from dmtest.catalogue.registry import names_of
from dmtest.data.sample import Sample, as_sample, rows_of_class
from dmtest.errors import InputError
from dmtest.results.outcome import Finding, Outcome
from dmtest.results.tables import ClassOutcome, ColumnTests, Outliers, Univariate
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.tables.columns import adjust_columns, describe_columns, with_power
from dmtest.tables.covariance import Mask
from dmtest.tables.scores import (
    RULES,
    RowScores,
    Rule,
    robust_scores,
    specified_scores,
    standing_out,
)
from dmtest.targets.callables import Sampled
from dmtest.targets.reference import Reference
from dmtest.targets.targets import AnyNormal, Target, TargetLike, as_target

MULTIVARIATE = ("henze-zirkler", "mardia-skewness", "mardia-kurtosis")


def univariate(
    data: Any,
    *,
    by: Any = None,
    multivariate: str | Iterable[str] | None = MULTIVARIATE,
    alpha: float = 0.05,
    rng: RngLike = 0,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
) -> Univariate:
    """Test every column for normality, describe it, and suggest a power transformation.

    With :func:`outliers`, one call each gives what ``mvn(data, subset=)`` of R's package MVN gives:
    univariate and multivariate tests, descriptives, transformations and outliers, by class.

    Parameters
    ----------
    data : array_like, frame, tensor or path, shape (n, d)
        As for :func:`report`.
    by : array_like or str, optional
        Class of every row: the table then has every column of every class. Or the name of the
        column or array of `data` that holds the classes, or of another file.
    multivariate : str or iterable of str, optional
        Tests of all columns together (:func:`list_tests`); None for none.
    alpha : float
        Level of the table. A transformation is suggested for columns that are not normal at it.
    rng : None, int or numpy Generator
        Seed of the nulls of the multivariate tests. It is fixed by default.
    key, columns, nonfinite
        As for :func:`report`.

    Returns
    -------
    Univariate
        Rows by number, by the name of a column, or by (class, column); ``to_frame()``.

    Notes
    -----
    Anderson-Darling and Shapiro-Wilk have their published p-values with fitted mean and variance,
    as in R's nortest and ``shapiro.test``. Holm's p-values are over all columns (of all classes),
    for each of the two tests. A column is not normal if twice the smaller of both is at most alpha.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> x[:, 1] = np.exp(x[:, 1])
    >>> table = dmtest.univariate(x)
    >>> [(one.column, one.transformation, one.power) for one in table.rejected]
    [('x1', 'box-cox', 0.0)]
    """
    alpha = arguments.level("alpha", alpha, 0.05)
    tests = names_of(multivariate)
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite, labels=by, by="by")
    seed = entropy_of(rng)
    rows: list[ColumnTests] = []
    together: list[ClassOutcome] = []
    findings = list(sample.findings)
    samples = _classes(sample)
    with single_threaded_blas():
        for label, part in samples:
            rows += describe_columns(part.x, sample.names, label)
            outcomes, notes = _together(part, tests, seed)
            together += [ClassOutcome(label=label, outcome=one, adjusted=1.0) for one in outcomes]
            findings += [_of_class(note, label) for note in notes]
        rows = adjust_columns(rows)
        for i, row in enumerate(rows):
            if row.adjusted is not None and row.adjusted <= alpha:
                part = samples[i // sample.d][1]
                rows[i] = with_power(row, part.x[:, i % sample.d])
    if together:
        adjusted = holm([one.outcome.pvalue for one in together])
        together = [
            replace(one, adjusted=float(p)) for one, p in zip(together, adjusted, strict=True)
        ]
    return Univariate(
        columns=tuple(rows),
        multivariate=tuple(together),
        alpha=alpha,
        n=sample.n,
        d=sample.d,
        by=None if sample.labels is None else sample.labels.name,
        findings=tuple(findings),
    )


def outliers(
    data: Any,
    target: TargetLike = "any-normal",
    *,
    by: Any = None,
    rule: Rule = "holm",
    alpha: float = 0.05,
    rng: RngLike = 0,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
) -> Outliers:
    """Find the rows that are too far out for the target.

    Parameters
    ----------
    data : array_like, frame, tensor or path, shape (n, d)
        As for :func:`report`. The index of a data frame names the rows.
    target : str or target object
        ``"any-normal"``: robust Mahalanobis distances, of mean and covariance by the reweighted
        minimum covariance determinant (MCD). A fully specified target: lengths and largest
        coordinates of rows on normal scale, with exact p-values. Rows on a sphere are all equally
        likely, and are refused.
    by : array_like or str, optional
        Class of every row, as for :func:`univariate`: distances are then within classes.
    rule : {"holm", "benjamini-hochberg", "adjusted-quantile", "quantile"}
        How rows are chosen. ``"holm"``: with probability 1 - alpha no row of a clean sample.
        ``"benjamini-hochberg"``: a share of at most alpha of the chosen rows is clean, on average.
        ``"adjusted-quantile"``: the rule of Filzmoser, Garrett & Reimann (2005), the default of
        R's MVN; alpha is not used. ``"quantile"``: distances beyond the 1 - alpha quantile of
        chi-squared, which about a share alpha of clean rows are.
    alpha : float
    rng : None, int or numpy Generator
        Seed of the search for the MCD. It is fixed by default.
    key, columns, nonfinite
        As for :func:`report`.

    Returns
    -------
    Outliers
        ``flagged`` has the rows' indices, farthest first; ``to_frame(flagged=True)`` their scores.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((100, 3))
    >>> x[7] = [5.0, -5.0, 5.0]
    >>> dmtest.outliers(x).flagged
    (7,)
    """
    alpha = arguments.level("alpha", alpha, 0.05)
    if rule not in RULES:
        raise InputError(f"rule: must be one of {', '.join(map(repr, RULES))}; got {rule!r}")
    law = as_target(target)
    check_scorable(law, "outliers")
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite, labels=by, by="by")
    names = _row_names(data, sample)
    with single_threaded_blas():
        return outliers_of(sample, law, rule=rule, alpha=alpha, seed=entropy_of(rng), names=names)


def check_scorable(target: Target, what: str) -> None:
    """Refuse targets that have no normal scale.

    Raises
    ------
    InputError
        For a sphere, draws and a reference sample.
    """
    sphere = target.name == "sphere"
    if sphere or isinstance(target, Sampled | Reference):
        why = "all directions are equally likely" if sphere else "rows have no normal scale"
        raise InputError(
            f"{what}: target {target.name!r} gives single rows no score ({why}); score them "
            f"with dmtest.outliers(data, 'any-normal')"
        )


def outliers_of(
    sample: Sample,
    target: Target,
    *,
    rule: Rule,
    alpha: float,
    seed: int,
    names: tuple[str, ...] = (),
    within: bool = True,
) -> Outliers:
    """Score the rows of a sample, and choose those that stand out.

    Holm's and Benjamini & Hochberg's rules are over the rows of all classes.

    Parameters
    ----------
    sample : Sample
    target : Target
    rule, alpha, seed
        As for :func:`outliers`.
    names : tuple of str
        Names of the rows as passed in.
    within : bool
        Whether each class is scored by itself.
    """
    n = sample.n
    squared, pvalues = np.empty(n), np.empty(n)
    adjusted = np.empty(n)
    outlier: Mask = np.zeros(n, np.bool_)
    findings: list[Finding] = []
    parts = _classes(sample) if within else [(None, sample)]
    codes = np.zeros(n, np.intp) if sample.labels is None else sample.labels.codes
    cutoff = first = None
    for code, (label, part) in enumerate(parts):
        found = _scores(part, target, seed)
        first = first or found
        own = codes == code if len(parts) > 1 else slice(None)
        squared[own], pvalues[own] = found.squared, found.pvalues
        adjusted[own], outlier[own], cutoff = standing_out(found, rule, alpha)
        findings += [_of_class(note, label) for note in found.findings]
    assert first is not None
    if rule in ("holm", "benjamini-hochberg"):
        whole = first._replace(squared=squared, pvalues=pvalues)
        adjusted, outlier, cutoff = standing_out(whole, rule, alpha)
    cutoff = cutoff if len(parts) == 1 else None
    places = np.arange(n) if sample.places is None else sample.places
    labels = () if sample.labels is None else sample.labels.names
    return Outliers(
        scores=tuple(np.sqrt(squared).tolist()),
        pvalues=tuple(pvalues.tolist()),
        adjusted=tuple(adjusted.tolist()),
        outlier=tuple(outlier.tolist()),
        rows=tuple(places.tolist()),
        names=tuple(names[i] for i in places) if names else (),
        labels=tuple(labels[code] for code in codes) if labels else (),
        score=first.score,
        method=first.method,
        rule=rule,
        alpha=alpha,
        cutoff=None if cutoff is None else float(np.sqrt(cutoff)),
        target=target.name,
        n=n,
        d=sample.d,
        findings=tuple(findings),
    )


def _scores(sample: Sample, target: Target, seed: int) -> RowScores:
    if isinstance(target, AnyNormal):
        return robust_scores(sample.x, seed, "outliers")
    return specified_scores(target.canonical(sample))


def _classes(sample: Sample) -> list[tuple[str | None, Sample]]:
    """Return the name and the rows of every class; without labels, all rows."""
    if sample.labels is None:
        return [(None, sample)]
    names = enumerate(sample.labels.names)
    return [(name, rows_of_class(sample, code)) for code, name in names]


def _together(
    sample: Sample, tests: str | Sequence[str] | None, seed: int
) -> tuple[list[Outcome], list[Finding]]:
    """Run tests of all columns together; say so where there are too few rows for them."""
    n, d = sample.x.shape
    varying = int(np.count_nonzero(np.ptp(sample.x, axis=0)))
    if not tests or varying < 2:
        return [], []
    if n <= d:
        text = (
            f"n = {n} rows in d = {d} columns are too few for tests of all columns together, "
            f"which take more rows than columns."
        )
        return [], [Finding("few-rows", text, n)]
    target = AnyNormal()
    plan = Plan(target=target.name, seed=seed)
    canonical = target.canonical(sample)
    specs = chosen_tests(tests, target.name, canonical, plan)
    return run_battery(canonical, specs, plan).outcomes, list(canonical.findings)


def _of_class(finding: Finding, label: str | None) -> Finding:
    if label is None:
        return finding
    return replace(finding, message=f"Class {label}: {finding.message}")


def _row_names(data: Any, sample: Sample) -> tuple[str, ...]:
    """Return the names of the rows of a pandas frame; none for the default index."""
    index = getattr(data, "index", None)
    if not hasattr(data, "iloc") or index is None or type(index).__name__ == "RangeIndex":
        return ()
    names = tuple(str(one) for one in index)
    rows = sample.n if sample.places is None else 1 + int(sample.places.max(initial=-1))
    return names if len(names) >= rows else ()
