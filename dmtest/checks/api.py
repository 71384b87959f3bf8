"""The public functions `check` and `write_baseline`: compare an encoder with an accepted one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmtest import arguments
from dmtest._version import __version__
from dmtest.battery.api import Nonfinite
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import names_of
from dmtest.checks.baseline import VALUES, Baseline
from dmtest.checks.columns import columns_row, lost_columns
from dmtest.checks.departures import Departure, departures_of
from dmtest.checks.limits import limit_rows, valid_limits
from dmtest.checks.rows import (
    Evidence,
    change_rows,
    comparison_row,
    direction_row,
    effect_rows,
    gather,
    left_out,
    rotation_row,
    rounded,
    shares,
    target_row,
    verdict_row,
    worse,
)
from dmtest.checks.sides import digest_of, moments_of_all, read_side
from dmtest.data.sample import Sample
from dmtest.errors import InputError
from dmtest.reports.api import report
from dmtest.results.check import CheckResult, CheckRow
from dmtest.results.effect_table import SMOOTHED_KL
from dmtest.results.figures import NO_FIGURES
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.progress import reporter
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.summaries.sides import Side
from dmtest.targets.stored import describe_target, resolve_target
from dmtest.targets.targets import Target, TargetLike, as_target

PathLike = str | os.PathLike[str]
FailOn = Literal["worse", "mismatch"]


def write_baseline(
    data: Any,
    path: PathLike | None = None,
    target: TargetLike = "normal",
    *,
    tests: str | Iterable[str] | None = None,
    alpha: float = 0.05,
    tolerance: float | None = None,
    slices: int | None = None,
    replicates: int = 999,
    rng: RngLike = 0,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
    groups: Any = None,
    memory: int | None = None,
) -> Baseline:
    """Store a sample of an accepted encoder as the baseline of later checks.

    Parameters
    ----------
    data, target, tests, alpha, tolerance, slices, replicates, progress, key, columns, nonfinite
        As for :func:`dmtest.report`. Checks use the same target, tests, levels and slices.
    path : path-like, optional
        JSON file to write. It has the report, the departures with their errors, and the rows as
        float32 (a random part of them if there are more than 262,144 numbers). Nothing is pickled.
    rng : None, int or numpy Generator
        Seed of directions and nulls; checks use it again.
    groups : array_like or str, optional
        As for :func:`dmtest.report`; the baseline has one row of each group.
    memory : int, optional
        Bytes that this may take beside the libraries. Rows that take more, by default 256 MiB, and
        streams are read once, in parts: see :func:`check`.

    Returns
    -------
    Baseline
        Also without `path`: :func:`check` accepts it.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> dmtest.write_baseline(x).report.verdict
    'compatible'
    """
    target = as_target(target)
    seed = entropy_of(rng)
    names = names_of(tests)
    options: dict[str, Any] = {"tests": names, "alpha": alpha, "tolerance": tolerance}
    options |= {"slices": slices, "replicates": replicates}
    reading: dict[str, Any] = {"key": key, "columns": columns, "nonfinite": nonfinite}
    reading |= {"groups": groups, "memory": memory, "progress": progress}
    side = read_side(data, target, options, seed, seed, **reading)
    sample = side.sample
    result = report(side.summary or sample, target, rng=seed, progress=progress, **options)
    rows = _stored_rows(sample.x, seed)
    baseline = Baseline(
        target=describe_target(target, rows),
        report=replace(result, figures=NO_FIGURES),
        scores=tuple(_departures(side, target, seed, options)),
        options=options,
        columns=sample.names,
        sample=rows,
        digest=digest_of(side),
        source="baseline" if path is None else os.fspath(path),
    )
    if path is not None:
        baseline.to_json(path)
    return baseline


def check(
    data: Any,
    baseline: Baseline | PathLike | None = None,
    *,
    target: TargetLike | None = None,
    alpha: float | None = None,
    max_kl: float | None = None,
    max_smoothed_kl: float | None = None,
    max_wasserstein: float | None = None,
    max_margin: float | None = None,
    max_mean: float | None = None,
    max_correlation: float | None = None,
    min_rank: float | None = None,
    min_detectable_n: int | None = None,
    fail_on: FailOn = "worse",
    compare: bool = False,
    rotation: bool = False,
    rng: RngLike = 0,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
    groups: Any = None,
    memory: int | None = None,
) -> CheckResult:
    """Check that a fresh sample of an encoder is as good as its baseline, or within limits.

    The check fails where the sample departs further from the target than the baseline by more than
    chance: in the mean, variance or shape of a column, in the correlation of a pair, along a
    direction, in rows that repeat, or in a departure of the whole. It fails if the verdict is worse
    and the samples differ, if a column is constant or a copy of another, and beyond a limit. A
    fresh sample of the same encoder fails with a probability of at most `alpha` on average over
    baselines (limits and ``fail_on="mismatch"`` aside): of a baseline that is good by chance it
    fails more often, of one that is bad by chance more seldom.

    Parameters
    ----------
    data : array_like, frame, tensor, path, Summary or stream
        Shape (n, d), one observation per row, independent of the rows of the baseline; see
        :func:`dmtest.report` for summaries and streams.
    baseline : path-like or Baseline, optional
        From :func:`write_baseline`; its tests, directions and tolerance are used again. Without
        a baseline, only limits are checked.
    target : str or target object, optional
        By default that of the baseline. Required if it has parameters that a file cannot store.
    alpha : float, optional
        Joint level of all comparisons with the baseline; by default the level of its report.
    max_kl : float, optional
        Largest allowed divergence of the fitted normal, in nats (effect ``"kl-fitted-normal"``);
        it is at most the whole divergence. Limits apply to estimates, without a test.
    max_smoothed_kl : float, optional
        Largest allowed divergence after noise, in nats (``"smoothed-kl"``).
    max_wasserstein : float, optional
        Largest allowed ``"sliced-wasserstein-2"``, in standard deviations.
    max_margin : float, optional
        Largest allowed divergence of a column or direction after noise, in nats
        (``"kl-worst-margin"``).
    max_mean : float, optional
        Largest allowed size of the mean of a column, in standard deviations of the target.
    max_correlation : float, optional
        Largest allowed size of the correlation of two columns.
    min_rank : float, optional
        Smallest allowed ``"effective-rank"``, the exponential of the entropy of the eigenvalues. A
        baseline of an older dmtest has the participation ratio under that name: it is read as
        ``"participation-ratio"`` and not shown beside the limit.
    min_detectable_n : int, optional
        Number of rows, at most half of the data's, at which the test with the smallest p-value
        may have at most 50% power.
    fail_on : {"worse", "mismatch"}
        ``"mismatch"`` fails also if the verdict is a mismatch, whatever the baseline's: for teams
        that require the target itself. A perfect encoder then fails at the level of the report,
        too. It needs no baseline.
    compare : bool
        Whether to fail also if the two samples have different distributions (:func:`compare`),
        for better or worse. For an encoder that was not retrained.
    rotation : bool
        The same comparison, up to a rotation or reflection.
    rng : None, int or numpy Generator
        Seed of the permutations; without a baseline also of directions and nulls.
    progress, key, columns, nonfinite
        As for :func:`dmtest.report`.
    groups : array_like or str, optional
        As for :func:`dmtest.report`; the check uses one row of each group.
    memory : int, optional
        Bytes that the check may take beside the libraries. Rows that take more, by default 256 MiB,
        and streams are read once, in parts: the report on them, means and covariances are then of
        all rows, and everything else of up to 50,000 rows, drawn at random.

    Returns
    -------
    CheckResult

    Raises
    ------
    InputError
        If an argument, the data or the baseline cannot be used, or if they do not match.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> rng = np.random.default_rng(0)
    >>> good = dmtest.write_baseline(rng.standard_normal((1000, 4)))
    >>> dmtest.check(rng.standard_normal((1000, 4)), good).passed
    True
    >>> worse = dmtest.check(1.2 * rng.standard_normal((1000, 4)), good)
    >>> [row.name for row in worse.failures]
    ['verdict', 'variance', 'worst-direction', 'kl-scale', 'sliced-wasserstein-2']
    >>> worse.failures[1].where
    'x2'
    """
    given: dict[str, Any] = {"max_kl": max_kl, "max_smoothed_kl": max_smoothed_kl}
    given |= {"max_wasserstein": max_wasserstein, "max_margin": max_margin}
    given |= {"max_mean": max_mean, "max_correlation": max_correlation, "min_rank": min_rank}
    limits = valid_limits(given | {"min_detectable_n": min_detectable_n})
    if fail_on not in ("worse", "mismatch"):
        raise InputError(f"fail_on: must be 'worse' or 'mismatch'; got {fail_on!r}.")
    if baseline is None and not limits and fail_on == "worse":
        raise InputError(
            "baseline: pass one (from dmtest.write_baseline), a limit such as max_kl=0.1, or "
            "fail_on='mismatch'."
        )
    if (compare or rotation) and baseline is None:
        name = "compare" if compare else "rotation"
        raise InputError(f"{name}: compares with the sample of a baseline; pass one as baseline=.")
    seed = entropy_of(rng)
    then = None
    if baseline is not None:
        then = baseline if isinstance(baseline, Baseline) else Baseline.from_json(baseline)
    level = arguments.level("alpha", _level(alpha, then), 0.05)
    options: dict[str, Any] = {"alpha": level, "rng": seed}
    if then is None:
        target = as_target("normal" if target is None else target)
    else:
        target = resolve_target(then.target, target, then.sample, f"the baseline {then.source}")
        options = then.options | {"rng": then.report.seed}
    reading: dict[str, Any] = {"key": key, "columns": columns, "nonfinite": nonfinite}
    reading |= {"groups": groups, "memory": memory, "progress": progress}
    side = read_side(data, target, options, options["rng"], seed, **reading)
    sample = side.sample
    if then is not None:
        _require_same_columns(sample, then)
    old = None if then is None else then.sample
    x = sample.x if old is None else rounded(sample.x, old.dtype)
    lost = lost_columns(x, old, sample.names)
    now = report(side.summary or sample, target, progress=progress, **options)
    rows: list[CheckRow] = [columns_row(lost)] if lost or then is not None else []
    if fail_on == "mismatch":
        rows.append(target_row(now))
    with single_threaded_blas():
        if then is not None:
            share = shares(rotation)
            thin = replace(sample, x=_some_rows(sample.x, seed, "check/rows"))
            with reporter(progress) as step:
                evidence = gather(
                    thin, target, then.sample, alpha=level, share=share, seed=seed, progress=step
                )
            rows.append(verdict_row(now, then.report, evidence.apart, level))
            rows += _changes(evidence, share, level)
            if lost:
                rows += left_out(then.scores, "columns were lost")
            else:
                known = {one.name: one for one in then.scores}.get(SMOOTHED_KL.name)
                departures = _departures(side, target, then.report.seed, then.options, known)
                rows += effect_rows(departures, then.scores, level, share["effects"])
            if rotation:
                rows.append(
                    rotation_row(
                        sample,
                        then.sample,
                        share=share["rotation"],
                        alpha=level,
                        seed=seed,
                        progress=progress,
                    )
                )
            elif compare:
                rows.append(comparison_row(evidence.family, share["family"], level))
        before = None if then is None else then.report
        rows += limit_rows(
            limits,
            sample,
            target,
            now,
            before,
            seed=seed,
            lost=bool(lost),
            whole=moments_of_all(side),
        )
    return CheckResult(
        passed=all(row.passed is not False for row in rows),
        alpha=level,
        rows=tuple(rows),
        report=now,
        baseline=None if then is None else _facts(then),
        warnings=tuple(_findings(side, now, then, rows)),
    )


def _changes(evidence: Evidence, share: Mapping[str, float], level: float) -> list[CheckRow]:
    """Return the rows of what moved: columns, pairs, rows, and the worst direction."""
    rows = change_rows(evidence.family, share["family"], level)
    if evidence.direction is not None:
        rows.append(direction_row(evidence.direction, share["direction"], level))
    return rows


def _departures(
    side: Side,
    target: Target,
    seed: int,
    options: Mapping[str, Any],
    smoothed: Departure | None = None,
) -> list[Departure]:
    """Estimate the departures of a sample along the directions of a seed and options.

    `smoothed` is the stored smoothed divergence to compare with: its noise level and batch are
    used again.
    """
    slices, replicates = options["slices"], options["replicates"]
    plan = Plan(target=target.name, seed=seed, slices=slices, replicates=replicates)
    known = (None, None) if smoothed is None else (smoothed.noise, smoothed.batch)
    with single_threaded_blas():
        return departures_of(
            target.canonical(side.sample), plan, *known, whole=moments_of_all(side)
        )


def _level(alpha: float | None, then: Baseline | None) -> float:
    """Return the level of a check: as passed, else that of the baseline, else 0.05."""
    if alpha is not None:
        return alpha
    return 0.05 if then is None else float(then.report.alpha)


def _require_same_columns(sample: Sample, then: Baseline) -> None:
    """Raise if the columns of the sample are not those of the baseline."""
    if sample.d != then.d:
        raise InputError(
            f"data: has d = {sample.d} columns and the baseline {then.source} d = {then.d}, so "
            f"the encoders differ; choose columns=, or write a baseline for this encoder."
        )
    if sample.names and then.columns and tuple(sample.names) != then.columns:
        j = [a == b for a, b in zip(sample.names, then.columns, strict=True)].index(False)
        raise InputError(
            f"data: column {j} is {sample.names[j]!r} and in the baseline {then.source} "
            f"{then.columns[j]!r}; pass columns= in its order, or write the baseline again."
        )


def _findings(
    side: Side,
    now: Report,
    then: Baseline | None,
    rows: Sequence[CheckRow],
) -> list[Finding]:
    if then is None:
        return []
    findings = []
    verdict = [row for row in rows if row.name == "verdict" and row.passed]
    if verdict and worse(now, then.report):
        findings.append(Finding("worse-verdict", verdict[0].message))
    version = then.report.provenance.version
    if version != __version__:
        text = f"The baseline was written by dmtest {version}; this is {__version__}"
        findings.append(Finding("other-version", f"{text}: write it again if numbers changed."))
    if then.digest and digest_of(side) == then.digest:
        text = "The data are the rows of the baseline: a check needs fresh rows."
        findings.append(Finding("same-rows", text, side.n))
    if then.report.verdict == "mismatch":
        text = "The baseline is itself a mismatch: the check only requires that it gets no worse."
        findings.append(Finding("baseline-mismatch", text))
    return findings + list(now.warnings)


def _facts(then: Baseline) -> dict[str, Any]:
    return {
        "source": then.source,
        "n": then.n,
        "d": then.d,
        "verdict": then.report.verdict,
        "pvalue": then.report.pvalue,
        "version": then.report.provenance.version,
        "created": then.report.provenance.created,
        "sample_rows": len(then.sample),
    }


def _stored_rows(x: NDArray[Any], seed: int) -> NDArray[np.floating[Any]]:
    """Round rows to float32 and thin them to at most `VALUES` numbers, but at least 2 rows."""
    x = _some_rows(x, seed, "baseline/rows")
    with np.errstate(over="ignore"):
        short = np.asarray(x, dtype=np.float32)
    rows = short if np.isfinite(short).all() else np.asarray(x, dtype=np.float64)
    rows.flags.writeable = False
    return rows


def _some_rows(x: NDArray[Any], seed: int, name: str) -> NDArray[Any]:
    """Draw rows of at most `VALUES` numbers, but at least 2 rows."""
    most = max(2, VALUES // x.shape[1])
    if len(x) <= most:
        return x
    return x[np.sort(stream(seed, name).permutation(len(x))[:most])]
