"""The public function `report`: judge one sample."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from dmtest import arguments
from dmtest.battery.api import Nonfinite
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import names_of
from dmtest.data.readers.guard import within
from dmtest.data.sample import Sample, as_sample
from dmtest.engines.device import on_its_device
from dmtest.errors import InputError
from dmtest.reports.classes import report_of_classes, reports_by_class
from dmtest.reports.compare import compare_with
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.tables.api import check_scorable, outliers_of
from dmtest.targets.callables import Sampled
from dmtest.targets.reference import Reference
from dmtest.targets.targets import Target, TargetLike, as_target

if TYPE_CHECKING:
    from dmtest.summaries.summary import Summary


@on_its_device
def report(
    data: Any,
    target: TargetLike = "normal",
    *,
    tests: str | Iterable[str] | None = None,
    alpha: float = 0.05,
    tolerance: float | None = None,
    noise: float | None = None,
    tolerance_rows: int | None = None,
    labels: Any = None,
    by: Any = None,
    groups: Any = None,
    rows: bool = False,
    augmented: Any = None,
    slices: int | None = None,
    directions: ArrayLike | None = None,
    replicates: int = 999,
    budget: float | None = None,
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
    memory: int | None = None,
    effects: bool = True,
    engine: Any = None,
) -> Report:
    """Test whether a sample follows its target, and measure how far it departs.

    Parameters
    ----------
    data : array_like, frame, tensor, path, Summary or stream
        Shape (n, d), one observation per row; see :func:`dmtest.load` for files. Or a
        :class:`~dmtest.Summary`, or an iterator of chunks of rows, a torch DataLoader, or a dask
        array or data frame, which are read once in bounded memory. Many rows of a torch or CuPy
        array on a GPU are projected and summed there.
    target : str or target object
        ``"normal"`` (N(0, I)), ``"any-normal"``, ``"uniform"`` (the unit cube) or ``"sphere"``
        (the unit sphere); or an object: :class:`~dmtest.Normal`, :class:`~dmtest.Uniform`,
        :class:`~dmtest.Product`, :class:`~dmtest.Sphere`, :class:`~dmtest.Rosenblatt` (a transform
        to the cube), :class:`~dmtest.Sampled` (any law that can be drawn from),
        :class:`~dmtest.Ranks` (ranks of simulation-based calibration), or
        :class:`~dmtest.Reference` (another sample, as in :func:`compare`).
    tests : str or iterable of str, optional
        Names of tests (:func:`list_tests`), or ``"all"`` (except tests limited to few rows:
        `royston` and `henze-jimenez-gamero-meintanis`). Default: Anderson-Darling,
        D'Agostino-Pearson, Epps-Pulley and Kolmogorov-Smirnov over slices; Henze-Zirkler,
        Mardia's skewness and kurtosis and the generalised Shapiro-Wilk of whole rows; radius,
        covariance and energy where mean and covariance are specified (up to 1,024 columns,
        or 2,000 rows; Henze-Zirkler up to 32 columns); every column and principal axis; and a
        search for the worst directions on one half of the rows, which are tested on the other.
    alpha : float
        Level of the verdict.
    tolerance : float, optional
        Divergence from the target, in nats, that is acceptable. The verdict is then
        ``"equivalent"`` where three upper bounds, which hold together with confidence 1 - alpha,
        are at most the tolerance, whatever the p-value: that of the fitted normal in all columns;
        that of every column, slice and leading direction after noise of sd 0.3; and that of all
        columns together after noise. It is ``"inconclusive"`` where they are not and no test
        rejects. Noise and divergences are on normal scale.
    noise : float, optional
        Standard deviation of the noise of the third bound. By default the largest with which half
        of a dead column would cost the tolerance: 1.37 for 0.02 nats, 0.73 for 0.1. A larger one is
        refused.
    tolerance_rows : int, optional
        Number of rows on which nobody should notice a departure: the verdict is ``"equivalent"``
        where the battery, with its search over directions, rejects so few disjoint blocks of that
        many rows that its power is below 1/2, with confidence 1 - alpha. It takes five blocks, and
        better eight. Beside `tolerance`, both have to hold.
    labels : array_like or str, optional
        Class of every row. The verdict is of all rows, as without; ``report.classes`` has a report
        on every class, their p-values adjusted by Holm's method, and how much of the variance and
        of the divergence lies between the classes and within them. Or the name of the column or
        array of `data` that holds the labels, or of another file.
    by : array_like or str, optional
        Class of every row, as for `labels`, where every class by itself should follow the target.
        The verdict is then over the classes, and the report has no tests of all rows together.
    groups : array_like or str, optional
        Label of every row, where rows of one label depend on each other: views of one item,
        sentences of one document, frames of one video. Or the name of the column or array of
        `data` that holds the labels, or of another file. Tests then use one row of each group,
        drawn with the seed, and intervals of effects allow for the groups. Rows of different
        groups have to be independent.
    rows : bool
        Whether ``report.rows`` has a score and a p-value for every row, and the rows that stand
        out: of these at most a share of alpha follows the target, on average (Benjamini &
        Hochberg). See :func:`outliers`.
    augmented : like `data`, optional
        Embeddings f(X') of augmentations; row i is the positive pair of row i of `data`. The
        report then has the alignment and uniformity of the pairs. For bounds of the mutual
        information see :func:`information.pair_bounds`.
    slices : int, optional
        Number of random directions, drawn with `rng`. Default: 64 fixed directions (1 for d = 1),
        which do not depend on it.
    directions : array_like, shape (k, d), optional
        Unit vectors to use instead.
    replicates : int
        Null samples behind the p-values where the package ships none. It ships the laws of the
        default tests for at least 20 rows and up to 1,024 columns; they are used for up to
        9,999 replicates. Simulated nulls are stored on disk: a second report with the same seed
        and shape reuses them.
    budget : float, optional
        Multiply-adds that a test over pairs of rows may cost with its replicates; 2e12 by
        default (about fifteen seconds on two cores). A test that would cost more is computed
        from random frequencies or from a random subsample; its `method` says so.
    rng : None, int or numpy Generator
        Seed. None draws a new one, so nulls on disk cannot be reused; an int repeats a run.
    progress : bool or callable, optional
        Whether to show a progress bar on stderr. None shows one on a terminal if the run is long.
    key, columns : optional
        Array of an archive, and columns of a table, to read.
    nonfinite : {"error", "drop"}
        Whether rows with NaN or infinity are an error or are dropped.
    memory : int, optional
        Bytes that a report of many rows, read once in parts, may take beside the libraries: where
        they are few, fewer rows are kept for what is not computed from all of them. An option that
        needs all rows at once is refused where they take more.
    effects : bool
        Whether to measure effects, and to write diagnosis and figures. False gives the same
        verdict, p-values and findings in less time. A `tolerance`, `augmented`,
        :class:`~dmtest.Sampled` and :class:`~dmtest.Reference` need effects all the same.
    engine : optional
        Who reads many rows: None for the threads of this process; ``"dask"`` for the current client
        of Dask, or else its default scheduler; or the address of a scheduler, a
        ``distributed.Client`` or a cluster. The numbers are the same. See :class:`Summary`.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If an argument or the data cannot be used; the message says how to fix it.

    Notes
    -----
    Algorithm:

    0. More rows than 50,000 (or than take 64 MiB) are read once, in parts, into a `Summary`, unless
       an option needs all of them at once. Moments, slices, lengths and covariance are then of all
       rows, everything else is of rows drawn at random.
    1. Validate the arguments and the sample. Rows with values that are not finite are an error,
       or are dropped on request. Where rows come in groups, draw one of each for all steps but 8.
    2. Look for equal steps and few significant bits. Where the steps matter and are small, draw
       every value anew within its cell, as the target has it there: tests are then of the rounded
       values against the rounded target.
       Bring the sample to normal scale, on which the target is N(0, I): ``"normal"`` as it is,
       ``"any-normal"`` whitened, ``"uniform"`` by normal quantiles.
    3. Compute all tests, those of slices on shared projections.
    4. Calibrate each test by its null: published, shipped, or simulated by the same computation.
    5. Test every column and principal axis by itself. Search for directions of largest departure
       on one half of the rows, and test them on the other half (default tests only).
    6. Combine: min-p over the tests that share replicates, Bonferroni with axes and search (weights
       0.7, 0.15 and 0.15) for the global p-value; Holm's method for the adjusted ones.
    7. Bound the divergence after noise from both sides, and run the battery on disjoint blocks to
       count the rows that it needs.
    8. Measure effects with their intervals (with groups from all rows, or averaged over draws of
       one row of each group), and compare upper bounds with the tolerances.
    9. After a rejection, write the diagnosis: sentences that say what is wrong.
    10. Decide: ``"equivalent"`` where the bounds are within the tolerances, else ``"mismatch"``
        where the global p-value is at most alpha, else ``"compatible"`` (``"inconclusive"`` with
        a tolerance).

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> dmtest.report(x, rng=0, replicates=99).verdict
    'compatible'
    """
    from dmtest.reports.equivalence import Question
    from dmtest.reports.one_sample import one_sample_report
    from dmtest.reports.sampled import sampled_report
    from dmtest.reports.streamed.choice import (
        check_memory,
        needs_all_rows,
        summary_of_data,
        summary_of_sample,
    )
    from dmtest.runtime.progress import reporter
    from dmtest.summaries.sides import mapped_rows, read_once
    from dmtest.summaries.summary import Summary

    started = time.perf_counter()
    alpha = arguments.level("alpha", alpha, 0.05)
    arguments.check_replicates(replicates, alpha)
    if tolerance is not None:
        tolerance = arguments.positive("tolerance", tolerance)
    if noise is not None:
        noise = arguments.positive("noise", noise)
    if tolerance_rows is not None:
        tolerance_rows = arguments.whole("tolerance_rows", tolerance_rows, 20)
    question = Question.of(tolerance, noise, tolerance_rows, alpha)
    if memory is not None:
        memory = arguments.whole("memory", memory, 1, " (bytes)")
    tests = names_of(tests)
    target = data.target if isinstance(data, Summary) and target == "normal" else target
    target, seed = as_target(target), entropy_of(rng)
    plan = Plan(
        target=target.name,
        seed=seed,
        slices=slices,
        directions=directions,
        replicates=replicates,
        budget=budget,
    )
    judged = partial(
        _report_of_summary,
        tests=tests,
        alpha=alpha,
        question=question,
        effects=effects,
        started=started,
        plan=plan,
    )
    if read_once(data) or engine is not None:
        given = {"labels": labels, "by": by, "groups": groups, "augmented": augmented, "key": key}
        given |= {"rows": rows or None, "nonfinite": None if nonfinite == "error" else nonfinite}
        if engine is not None and isinstance(data, (str, os.PathLike)):
            given.pop("key")
        _only_arrays(given, engine)
        with reporter(progress) as step, single_threaded_blas():
            summary = _summary_of(
                data,
                target,
                seed,
                columns,
                blocks=tolerance_rows,
                memory=memory,
                key=key,
                engine=engine,
                progress=step,
            )
            own = summary.seed if rng is None else seed
            return judged(summary, own, step)
    # Many rows are read once, in parts, unless an option needs all of them at once.
    given = {"labels": labels, "by": by, "groups": groups, "augmented": augmented}
    given |= {"slices": slices, "directions": directions, "rows": rows or None}
    at_once = needs_all_rows(target, tests, given)
    if memory is not None and at_once and (mapped := mapped_rows(data)) is not None:
        check_memory(memory, mapped, at_once)
    if not at_once:
        with reporter(progress) as step, single_threaded_blas():
            many = summary_of_data(
                data,
                target.name,
                seed=seed,
                key=key,
                columns=columns,
                blocks=tolerance_rows,
                memory=memory,
                progress=step,
            )
            if many is not None:
                return judged(many, seed, step)
    if labels is not None and by is not None:
        raise InputError("by: give either labels or by, not both; only by leaves all rows out")
    what = "labels" if by is None else "by"
    with within(memory):
        sample = as_sample(
            data,
            key=key,
            columns=columns,
            nonfinite=nonfinite,
            groups=groups,
            labels=labels if by is None else by,
            by=what,
        )
    if at_once or sample.groups is not None:
        check_memory(memory, sample.x, at_once or "groups")
    if by is not None and augmented is not None:
        raise InputError("augmented: does not apply with by=; pass the classes as labels=")
    pairs = None if augmented is None else as_sample(augmented, nonfinite=nonfinite)
    if rows:
        check_scorable(target, "rows")
    if sample.labels is not None:
        # Every class, and all rows, are reported on with the same options.
        again = partial(
            report,
            target=target,
            tests=tests,
            alpha=alpha,
            slices=slices,
            directions=directions,
            replicates=replicates,
            budget=budget,
            rng=seed,
            progress=progress,
            effects=effects,
        )
        one_class = partial(again, tolerance=None if by is None else tolerance)
        classes = reports_by_class(sample, target, one_class, alpha=alpha, seed=seed, what=what)
        if by is None:
            whole = replace(sample, labels=None)
            result = again(whole, tolerance=tolerance, augmented=pairs)
        else:
            result = report_of_classes(sample, target, classes, seed=seed, started=started)
        run = result.provenance
        run = replace(run, arguments=dict(run.arguments or {}) | {what: classes.name})
        result = replace(result, classes=classes, provenance=run)
        return _with_rows(result, sample, target, within=by is not None) if rows else result
    if rows:
        options: dict[str, Any] = {"tests": tests, "alpha": alpha, "tolerance": tolerance}
        options |= {"augmented": pairs, "slices": slices, "directions": directions}
        options |= {"replicates": replicates, "budget": budget, "progress": progress}
        options |= {"effects": effects}
        return _with_rows(report(sample, target, rng=seed, **options), sample, target)
    if isinstance(target, Reference):
        arguments.refuse(
            "Reference",
            tolerance=tolerance,
            tolerance_rows=tolerance_rows,
            augmented=augmented,
            directions=directions,
        )
        return compare_with(
            sample,
            target,
            tests=tests,
            alpha=alpha,
            slices=slices,
            replicates=replicates,
            budget=budget,
            rng=seed,
            progress=progress,
        )
    if isinstance(target, Sampled):
        arguments.refuse(
            "Sampled",
            tolerance=tolerance,
            tolerance_rows=tolerance_rows,
            augmented=augmented,
            directions=directions,
            budget=budget,
        )
    with reporter(progress) as step, single_threaded_blas():
        if not at_once and sample.groups is None:
            many = summary_of_sample(
                sample,
                target.name,
                seed=seed,
                blocks=tolerance_rows,
                memory=memory,
                progress=step,
            )
            if many is not None:
                return judged(many, seed, step)
        check_memory(memory, sample.x, "")
        plan = replace(plan, progress=step)
        if isinstance(target, Sampled):
            return sampled_report(sample, target, plan, tests=tests, alpha=alpha, started=started)
        return one_sample_report(
            sample,
            target,
            plan,
            tests=tests,
            alpha=alpha,
            question=question,
            augmented=pairs,
            effects=effects or pairs is not None,
            started=started,
        )


def _only_arrays(given: dict[str, Any], engine: Any) -> None:
    """Refuse options that need the whole array."""
    where, cure = "to a summary or a stream, which is", "pass the array"
    if engine is not None:
        where, cure = "with engine=, where rows are", "leave engine out"
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name}: does not apply {where} read once; leave it out, or {cure}.")


def _summary_of(
    data: Any,
    target: Target,
    seed: int,
    columns: Any,
    *,
    blocks: int | None,
    memory: int | None,
    key: str | None,
    engine: Any,
    progress: Progress | None,
) -> Summary:
    """Return a summary as it is, or that of a stream or of what an engine reads."""
    from dmtest.reports.streamed.choice import rows_to_keep
    from dmtest.summaries.summary import Summary

    if not isinstance(data, Summary):
        rows = rows_to_keep(blocks)
        return Summary.of(
            data,
            target,
            rows=rows,
            memory=memory,
            rng=seed,
            key=key,
            columns=columns,
            engine=engine,
            progress=progress,
        )
    if engine is not None:
        raise InputError("engine: a summary has read its rows already; leave it out.")
    if columns is not None:
        raise InputError("columns: a summary has its columns already; leave them out.")
    if target.name != data.target:
        raise InputError(
            f"target: the summary is of target {data.target!r}; leave target out, or make the "
            f"summary with another one."
        )
    return data


def _report_of_summary(
    summary: Summary, seed: int, progress: Progress | None, *, plan: Plan, **options: Any
) -> Report:
    from dmtest.reports.streamed.assembly import summary_report

    return summary_report(summary, replace(plan, seed=seed, progress=progress), **options)


def _with_rows(result: Report, sample: Sample, target: Target, within: bool = False) -> Report:
    """Add the scores of all rows, with the false discovery rate at the level of the report."""
    found = outliers_of(
        sample,
        target,
        rule="benjamini-hochberg",
        alpha=result.alpha,
        seed=result.seed,
        within=within,
    )
    run = result.provenance
    run = replace(run, arguments=dict(run.arguments or {}) | {"rows": True})
    return replace(result, rows=found, provenance=run)
