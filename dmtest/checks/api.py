"""Checks of an encoder against what it was: `dmtest.check` and `dmtest.write_baseline`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest import arguments
from dmtest._version import __version__
from dmtest.battery.api import Nonfinite
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import names_of
from dmtest.checks.baseline import VALUES, Baseline
from dmtest.checks.departures import Departure, departures_of
from dmtest.checks.limits import asked_limits, limit_rows
from dmtest.checks.rows import baseline_rows
from dmtest.data.sample import Sample, as_sample
from dmtest.errors import InputError
from dmtest.reports.api import report
from dmtest.results.check import CheckResult, CheckRow
from dmtest.results.effect_table import SMOOTHED_KL
from dmtest.results.figures import NO_FIGURES
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.targets.stored import describe_target, resolve_target
from dmtest.targets.targets import Target, TargetLike, as_target

PathLike = str | os.PathLike[str]


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
) -> Baseline:
    """Describe an encoder's sample, so that later ones can be checked against it.

    Parameters
    ----------
    data, target, tests, alpha, tolerance, slices, replicates, progress, key, columns, nonfinite
        As for :func:`dmtest.report`; the checks ask for the same.
    path : path-like, optional
        The JSON file to write. It holds the report, departures with their errors, and the rows
        (float32; at random where there are more than 262,144 numbers); nothing is pickled.
    rng : None, int or numpy Generator
        Of directions and nulls, which the checks take over.

    Returns
    -------
    Baseline

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> dmtest.write_baseline(x).report.verdict
    'compatible'
    """
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite)
    goal = as_target(target)
    seed = entropy_of(rng)
    names = names_of(tests)
    options: dict[str, Any] = {"tests": names, "alpha": alpha, "tolerance": tolerance}
    options |= {"slices": slices, "replicates": replicates}
    found = report(sample, goal, rng=seed, progress=progress, **options)
    kept = _kept(sample.x, seed)
    baseline = Baseline(
        target=describe_target(goal, kept),
        report=replace(found, figures=NO_FIGURES),
        scores=tuple(_departures(sample, goal, seed, options)),
        options=options,
        columns=sample.names,
        sample=kept,
        digest=_digest(sample.x),
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
    min_rank: float | None = None,
    min_detectable_n: int | None = None,
    compare: bool = False,
    rotation: bool = False,
    rng: RngLike = 0,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
) -> CheckResult:
    """Check that a fresh sample of an encoder is as good as its baseline, or within limits.

    It fails where a departure from the target is larger than in the baseline by more than the
    errors of both, where the verdict is worse and the samples differ, and beyond any limit. A
    fresh sample of the same encoder fails with a probability of at most `alpha`.

    Parameters
    ----------
    data : array_like, frame, tensor or path
        Shape (n, d), one row an observation, independent of the baseline's rows.
    baseline : path-like or Baseline, optional
        What :func:`write_baseline` wrote; its tests, directions and tolerance are used again.
        Without one only limits are checked.
    target : str or target object, optional
        By default the baseline's; one with parameters that a file cannot hold has to be given.
    alpha : float, optional
        Level of all comparisons with the baseline together; by default that of its report.
    max_kl : float, optional
        Nats: the most that the divergence of the fitted normal may be (Report's
        ``"kl-fitted-normal"``), which is below the whole divergence. Limits are on estimates.
    max_smoothed_kl : float, optional
        Nats: the most that the divergence after noise may be (``"smoothed-kl"``).
    max_wasserstein : float, optional
        Standard deviations: the most that ``"sliced-wasserstein-2"`` may be.
    min_rank : float, optional
        The least that ``"effective-rank"`` may be.
    min_detectable_n : int, optional
        Rows, at most half of the data's, at which the test that is most telling may reject no
        more than half of the subsamples.
    compare : bool
        Also fail where the two samples do not follow one distribution (:func:`compare`), for
        better or for worse: for an encoder that was not trained anew.
    rotation : bool
        The same, up to a rotation or reflection of either.
    rng : None, int or numpy Generator
        Of the permutations; and of directions and nulls where there is no baseline.
    progress, key, columns, nonfinite
        As for :func:`dmtest.report`.

    Returns
    -------
    CheckResult

    Raises
    ------
    InputError
        If an argument, the data or the baseline cannot be used, or they do not belong together.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> rng = np.random.default_rng(0)
    >>> good = dmtest.write_baseline(rng.standard_normal((1000, 4)))
    >>> dmtest.check(rng.standard_normal((1000, 4)), good).passed
    True
    >>> worse = dmtest.check(1.2 * rng.standard_normal((1000, 4)), good)
    >>> [row.name for row in worse.failures]
    ['verdict', 'kl-scale', 'sliced-wasserstein-2', 'smoothed-kl']
    """
    given: dict[str, Any] = {"max_kl": max_kl, "max_smoothed_kl": max_smoothed_kl}
    given |= {"max_wasserstein": max_wasserstein, "min_rank": min_rank}
    limits = asked_limits(given | {"min_detectable_n": min_detectable_n})
    if baseline is None and not limits:
        raise InputError(
            "baseline: give one (dmtest.write_baseline writes it), or a limit such as max_kl=0.1."
        )
    if (compare or rotation) and baseline is None:
        name = "compare" if compare else "rotation"
        raise InputError(f"{name}: the samples are compared with a baseline's; give one.")
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite)
    seed = entropy_of(rng)
    then = None
    if baseline is not None:
        then = baseline if isinstance(baseline, Baseline) else Baseline.from_json(baseline)
        _fits(sample, then)
    level = arguments.level("alpha", _level(alpha, then), 0.05)
    options: dict[str, Any] = {"alpha": level, "rng": seed}
    if then is None:
        goal = as_target("normal" if target is None else target)
    else:
        goal = resolve_target(then.target, target, then.sample, f"the baseline {then.source}")
        options = then.options | {"rng": then.report.seed}
    now = report(sample, goal, progress=progress, **options)
    with single_threaded_blas():
        rows: list[CheckRow] = []
        if then is not None:
            known = {one.name: one for one in then.scores}.get(SMOOTHED_KL.name)
            rows = baseline_rows(
                sample,
                now,
                _departures(sample, goal, then.report.seed, then.options, known),
                then,
                alpha=level,
                compare=compare,
                rotation=rotation,
                seed=seed,
                progress=progress,
            )
        before = None if then is None else then.report
        rows += limit_rows(limits, sample, goal, now, before, seed=seed)
    return CheckResult(
        passed=all(row.passed is not False for row in rows),
        alpha=level,
        rows=tuple(rows),
        report=now,
        baseline=None if then is None else _facts(then),
        warnings=() if then is None else tuple(_findings(sample, now, then)),
    )


def _departures(
    sample: Sample,
    goal: Target,
    seed: int,
    options: Mapping[str, Any],
    smoothed: Departure | None = None,
) -> list[Departure]:
    """Estimate the departures of a sample, along the directions that a seed and options give.

    At the noise level and batch of the smoothed divergence that they are compared with.
    """
    slices, replicates = options["slices"], options["replicates"]
    plan = Plan(target=goal.name, seed=seed, slices=slices, replicates=replicates)
    known = (None, None) if smoothed is None else (smoothed.noise, smoothed.batch)
    with single_threaded_blas():
        return departures_of(goal.canonical(sample), plan, *known)


def _level(alpha: float | None, then: Baseline | None) -> float:
    if alpha is not None:
        return alpha
    return 0.05 if then is None else float(then.report.alpha)


def _fits(sample: Sample, then: Baseline) -> None:
    if sample.d != then.d:
        raise InputError(
            f"data: has d = {sample.d} columns and the baseline {then.source} d = {then.d}; they "
            f"do not come from one encoder: choose columns=, or write a baseline for this one."
        )
    if sample.names and then.columns and tuple(sample.names) != then.columns:
        j = [a == b for a, b in zip(sample.names, then.columns, strict=True)].index(False)
        raise InputError(
            f"data: column {j} is {sample.names[j]!r} and in the baseline {then.source} "
            f"{then.columns[j]!r}; pass columns= in the baseline's order, or write it again."
        )


def _findings(sample: Sample, now: Report, then: Baseline) -> list[Finding]:
    found = []
    wrote = then.report.provenance.version
    if wrote != __version__:
        said = f"The baseline was written by dmtest {wrote}; this is {__version__}"
        found.append(Finding("other-version", f"{said}: write it again if numbers changed."))
    if _digest(sample.x) == then.digest:
        said = "The data are the baseline's own rows: a check needs fresh ones to say anything."
        found.append(Finding("same-rows", said, sample.n))
    if then.report.verdict == "mismatch":
        said = "The baseline is a mismatch itself: the check asks only that it gets no worse."
        found.append(Finding("baseline-mismatch", said))
    return found + list(now.warnings)


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


def _kept(x: NDArray[Any], seed: int) -> NDArray[np.floating[Any]]:
    """Round rows to float32 and thin them to `VALUES` numbers; 2 rows at the least."""
    most = max(2, VALUES // x.shape[1])
    if len(x) > most:
        x = x[np.sort(stream(seed, "baseline/rows").permutation(len(x))[:most])]
    with np.errstate(over="ignore"):
        small = np.asarray(x, dtype=np.float32)
    kept = small if np.isfinite(small).all() else np.asarray(x, dtype=np.float64)
    kept.flags.writeable = False
    return kept


def _digest(x: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(x, dtype="<f8").tobytes()).hexdigest()
