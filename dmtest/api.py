"""What users call: read, validate, bring to normal scale, compute, calibrate, combine, present."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from numpy.typing import ArrayLike

from dmtest import arguments
from dmtest.battery import Plan, chosen_tests, run_battery
from dmtest.calibration import Calibration
from dmtest.comparing import compare_with, outcomes_against
from dmtest.engines.pairs import Precision
from dmtest.errors import InputError
from dmtest.outcome import MeanPValue, Outcome
from dmtest.parallel import Progress, single_threaded_blas
from dmtest.reference import Reference
from dmtest.registry import as_tests, list_tests
from dmtest.reporting.model import Report
from dmtest.sample import as_sample
from dmtest.streams import RngLike, entropy_of
from dmtest.targets import TargetLike, announced, as_target

__all__ = ["list_tests", "mean_pvalue", "report", "run_test", "run_tests"]

Nonfinite = Literal["error", "drop"]


def report(
    data: Any,
    target: TargetLike = "normal",
    *,
    tests: str | Iterable[str] | None = None,
    alpha: float = 0.05,
    tolerance: float | None = None,
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
) -> Report:
    """Say whether a sample follows its target, with the evidence and the size of departures.

    Parameters
    ----------
    data : array_like, frame, tensor or path
        Shape (n, d), one row an observation; see :func:`dmtest.load` for files.
    target : str or target object
        ``"normal"`` (N(0, I)), ``"any-normal"``, ``"uniform"`` (the unit cube), or
        :class:`~dmtest.Normal`, :class:`~dmtest.Uniform`, :class:`~dmtest.Product`;
        ``"sphere"`` (the unit sphere), or :class:`~dmtest.Sphere`;
        :class:`~dmtest.Reference` (another sample), which is :func:`compare`.
    tests : str or iterable of str, optional
        Names of tests (:func:`list_tests`) or ``"all"`` (but those for few rows only,
        `royston` and `henze-jimenez-gamero-meintanis`). Default: Anderson-Darling,
        D'Agostino-Pearson, Epps-Pulley and Kolmogorov-Smirnov over slices; Henze-Zirkler,
        Mardia's skewness and kurtosis and the generalised Shapiro-Wilk of whole rows; radius,
        covariance and energy where mean and covariance are specified (up to 256 columns, or
        2,000 rows); and a search over directions, on one half of the rows for the other.
    alpha : float
        Level of the verdict.
    tolerance : float, optional
        Nats that the data may be from the target: the divergence after noise at the level that
        :func:`kl_profile` takes by default. With it the verdict is ``"equivalent"`` where a
        confidence bound of level 1 - alpha is below it, whatever the p-value;
        ``"inconclusive"`` where neither that holds nor a test rejects.
    augmented : like `data`, optional
        Embeddings f(X') of augmentations, row by row beside `data`: the report then describes
        the pairs by alignment and uniformity. What they certify: :func:`information.pair_bounds`.
    slices : int, optional
        Random directions, 64 by default (1 for d = 1).
    directions : array_like, shape (k, d), optional
        Unit vectors to project on instead.
    replicates : int
        Null samples behind the p-values where the package ships none (2,000, for the default
        tests of 20 to 10,000 rows and up to 256 columns, and of more rows). They are kept on
        disk: a second report with the same seed and shape does not simulate again.
    budget : float, optional
        Multiply-adds that a test over pairs of rows and its replicates may take, 2e12 (some
        fifteen seconds on two cores) by default. A test that would take more is computed from
        random frequencies or from a random subsample; its `method` says so.
    rng : None, int or numpy Generator
        None takes fresh entropy, so nothing is found on disk; pass an int to repeat a run.
    progress : bool or callable, optional
        Show a progress bar on stderr; None shows one on a terminal when the run is long.
    key, columns : optional
        Which array of an archive, which columns of a table.
    nonfinite : {"error", "drop"}
        What to do with rows that hold NaN or infinity.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If an argument or the data cannot be used; the message names the cure.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> dmtest.report(x, rng=0, replicates=99).verdict
    'compatible'
    """
    from dmtest.assemble import assemble
    from dmtest.progress import reporter

    started = time.perf_counter()
    alpha = arguments.level("alpha", alpha, 0.05)
    arguments.check_replicates(replicates, alpha)
    if tolerance is not None:
        tolerance = arguments.positive("tolerance", tolerance)
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite)
    pairs = None if augmented is None else as_sample(augmented, nonfinite=nonfinite)
    goal = as_target(target)
    if isinstance(goal, Reference):
        _refuse(tolerance=tolerance, augmented=augmented, directions=directions)
        return compare_with(
            sample,
            goal,
            tests=tests,
            alpha=alpha,
            slices=slices,
            replicates=replicates,
            budget=budget,
            rng=rng,
            progress=progress,
        )
    with reporter(progress) as step, single_threaded_blas():
        plan = Plan(
            target=goal.name,
            seed=entropy_of(rng),
            slices=slices,
            directions=directions,
            replicates=replicates,
            budget=budget,
            progress=step,
        )
        return assemble(
            sample, goal, arguments.names_of(tests), alpha, tolerance, pairs, plan, started
        )


def run_test(
    data: Any,
    test: str,
    target: TargetLike | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    directions: ArrayLike | None = None,
    slices: int | None = None,
    calibration: Calibration = "auto",
    replicates: int = 999,
    budget: float | None = None,
    precision: Precision = "auto",
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
) -> Outcome:
    """Run one test.

    A slice test of data with d = 1 is the univariate test. With d > 1 the statistic is its
    mean over the slices and the p-value that of the mean; ``worst_*`` are about the slice
    that departs most. Target any-normal whitens first (Cholesky), so `directions` are
    directions of the whitened data.

    Parameters
    ----------
    data, directions, slices, rng, progress, key, columns, nonfinite
        As for :func:`report`.
    test : str
        A registered name, see :func:`list_tests`.
    target : str or target object, optional
        Default: the test's own.
    params : mapping, optional
        Tuning parameters, such as ``{"window": 5}``.
    calibration : {"auto", "monte-carlo", "asymptotic"}
        ``"auto"``: Monte Carlo, at a cap where n is large and the null has settled.
        ``"monte-carlo"``: at n whatever it costs. ``"asymptotic"``: the published formula.
    replicates : int
        Null samples of the Monte Carlo p-value.
    budget : float, optional
        As for :func:`report`; with ``calibration="monte-carlo"`` nothing is saved.
    precision : {"auto", "double"}
        Of sums over pairs of rows. "auto" takes float32 tiles, added up in float64, where
        n and d are large; their error is far below the null's standard deviation.

    Returns
    -------
    Outcome

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal(200)
    >>> out = dmtest.run_test(x, "jarque-bera", calibration="asymptotic")
    >>> round(out.statistic, 4), out.method
    (2.4499, 'asymptotic (published formula)')
    """
    return run_tests(
        data,
        [test],
        target,
        params=None if params is None else {test: params},
        directions=directions,
        slices=slices,
        calibration=calibration,
        replicates=replicates,
        budget=budget,
        precision=precision,
        rng=rng,
        progress=progress,
        key=key,
        columns=columns,
        nonfinite=nonfinite,
    )[0]


def run_tests(
    data: Any,
    tests: str | Iterable[str],
    target: TargetLike | None = None,
    *,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    directions: ArrayLike | None = None,
    slices: int | None = None,
    calibration: Calibration = "auto",
    replicates: int = 999,
    budget: float | None = None,
    precision: Precision = "auto",
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
) -> list[Outcome]:
    """Run several tests in one fused computation.

    All slice tests share one projection, one sort and the same null replicates; a test's
    p-value does not depend on which others are asked for.

    Parameters
    ----------
    tests : str or iterable of str
        Registered names, or ``"all"`` (but those for few rows only).
    target : optional
        Default: any-normal, the tests' own.
    params : mapping of test name to its parameters, optional
    data, directions, slices, calibration, replicates, budget, precision, rng, progress, key,
    columns, nonfinite
        As for :func:`run_test`.

    Returns
    -------
    list of Outcome
        In the order of `tests`.

    Warns
    -----
    DataWarning
        If values were moved (outside the target's support, or at its edge) or columns that
        others determine were left out. Reports hold the same as warnings with counts.
    """
    from dmtest.progress import reporter

    names = arguments.names_of(tests)
    goal = as_target(arguments.own_target(names) if target is None else target)
    if isinstance(goal, Reference):
        _refuse(directions=directions)
        return outcomes_against(
            goal,
            as_sample(data, key=key, columns=columns, nonfinite=nonfinite),
            names,
            params=params,
            slices=slices,
            calibration=calibration,
            replicates=replicates,
            budget=budget,
            rng=rng,
            progress=progress,
        )
    hypothesis = arguments.hypothesis(goal.name)
    chosen = arguments.checked_params(as_tests(names, hypothesis), params)
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite)
    with reporter(progress) as step, single_threaded_blas():
        plan = Plan(
            target=goal.name,
            seed=entropy_of(rng),
            params=chosen,
            slices=slices,
            directions=directions,
            calibration=calibration,
            replicates=replicates,
            budget=budget,
            precision=precision,
            progress=step,
        )
        canonical = announced(goal, sample)
        specs = chosen_tests(names, hypothesis, canonical, plan)
        return run_battery(canonical, specs, plan).outcomes


def _refuse(**given: Any) -> None:
    """Refuse arguments that mean nothing where two samples are compared."""
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name}: does not apply to target Reference(...); leave it out.")


def mean_pvalue(
    data: Any,
    test: str = "dagostino-pearson",
    target: TargetLike = "normal",
    *,
    subsample: int = 100,
    draws: int = 1000,
    confidence: float = 0.99,
    rng: RngLike = None,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Nonfinite = "error",
) -> MeanPValue:
    """Score a sample by the protocol of noise-injected Deep InfoMax (arXiv 2410.06993).

    Draw a direction uniformly on the sphere and a small subsample, project, take the p-value
    of a univariate normality test with fitted mean and variance; repeat, and average.
    Henze-Zirkler is averaged over subsamples without projecting. Under a perfect match the
    mean tends to 1/2. It is a score, not a p-value: a valid p-value is ``min(1, 2 mean)``,
    given beside it.

    Parameters
    ----------
    data : array_like, frame, tensor or path, shape (n, d)
    test : str
        Any registered test; the paper uses D'Agostino-Pearson, Shapiro-Wilk and
        Henze-Zirkler.
    target : str or target object
        Uniform and product targets are taken to normal scores first.
    subsample : int
        Rows of a draw.
    draws : int
    confidence : float
        Of the asymptotic interval over the draws.
    rng, key, columns, nonfinite
        As for :func:`report`.

    Returns
    -------
    MeanPValue

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((2000, 3))
    >>> score = dmtest.mean_pvalue(x, rng=0)
    >>> score.low < 0.5 < score.high
    True
    """
    goal = as_target(target)
    (spec,) = as_tests([test], arguments.hypothesis(goal.name))
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite)
    from dmtest.protocol import mean_pvalue_of

    with single_threaded_blas():
        return mean_pvalue_of(
            announced(goal, sample),
            spec,
            target=goal.name,
            subsample=subsample,
            draws=draws,
            confidence=confidence,
            seed=entropy_of(rng),
        )
