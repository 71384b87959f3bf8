"""The public functions that run single tests: read, validate, transform, compute, calibrate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from numpy.typing import ArrayLike

from dmtest.arguments import refuse
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.battery.sampled import outcomes_of_draws
from dmtest.battery.two_sample import run_comparison
from dmtest.calibration.nulls import Calibration
from dmtest.catalogue.registry import (
    as_tests,
    checked_params,
    draw_tests,
    hypothesis,
    names_of,
    own_target,
    pool_tests,
)
from dmtest.catalogue.spec import RowTest, SliceTest
from dmtest.data.sample import as_sample, one_row_each
from dmtest.engines.gram import Precision
from dmtest.results.outcome import MeanPValue, Outcome
from dmtest.results.shown import Records
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.targets.callables import Sampled
from dmtest.targets.reference import Reference
from dmtest.targets.targets import TargetLike, as_target, canonical_with_warnings

Nonfinite = Literal["error", "drop"]


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
    groups: Any = None,
) -> Outcome:
    """Run one test.

    A slice test of data with d = 1 is the univariate test. With d > 1 the statistic is its
    mean over the slices and the p-value that of the mean; ``worst_*`` describe the slice
    that departs most. Target any-normal whitens first (Cholesky), so `directions` refer to
    the whitened data.

    Parameters
    ----------
    data, directions, slices, rng, progress, key, columns, nonfinite
        As for :func:`report`.
    groups : array_like or str, optional
        As for :func:`report`: the test uses one row of each group, drawn with the seed, and
        ``n`` of the outcome is the number of groups.
    test : str
        A registered name, see :func:`list_tests`.
    target : str or target object, optional
        Default: the test's own.
    params : mapping, optional
        Tuning parameters, such as ``{"window": 5}``.
    calibration : {"auto", "monte-carlo", "asymptotic"}
        ``"auto"``: Monte Carlo, at a cap if n is large and the null has settled.
        ``"monte-carlo"``: at n, whatever it costs. ``"asymptotic"``: the published formula.
    replicates : int
        Null samples of the Monte Carlo p-value.
    budget : float, optional
        As for :func:`report`; ignored for one sample with ``calibration="monte-carlo"``.
    precision : {"auto", "double"}
        Precision of sums over pairs of rows. "auto" uses float32 tiles, summed in float64, if
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
        groups=groups,
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
    groups: Any = None,
) -> Records[Outcome]:
    """Run several tests in one fused computation.

    All slice tests share one projection, one sort and the same null replicates; a test's
    p-value does not depend on the other tests.

    Parameters
    ----------
    tests : str or iterable of str
        Registered names, or ``"all"`` (except tests limited to few rows).
    target : optional
        Default: any-normal, the tests' own.
    params : mapping of test name to its parameters, optional
    data, directions, slices, calibration, replicates, budget, precision, rng, progress, key,
    columns, nonfinite, groups
        As for :func:`run_test`.

    Returns
    -------
    list of Outcome
        In the order of `tests`; ``outcomes["energy"]`` finds one by its name, and
        ``outcomes.to_frame()`` is a table.

    Warns
    -----
    DataWarning
        If values were moved (outside the target's support, or at its edge), or columns that
        others determine were left out. Reports list the same as findings with counts.
    """
    from dmtest.runtime.progress import reporter

    names = names_of(tests)
    target = as_target(own_target(names) if target is None else target)
    if isinstance(target, Reference):
        refuse("Reference", directions=directions)
    if isinstance(target, Sampled):
        refuse("Sampled", directions=directions, budget=budget)
    name = hypothesis(target.name)
    tuning = checked_params(as_tests(names, name), params)
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite, groups=groups)
    seed = entropy_of(rng)
    sample = one_row_each(sample, seed)
    with reporter(progress) as step, single_threaded_blas():
        plan = Plan(
            target=target.name,
            seed=seed,
            params=tuning,
            slices=slices,
            directions=directions,
            calibration=calibration,
            replicates=replicates,
            budget=budget,
            precision=precision,
            progress=step,
        )
        if isinstance(target, Reference):
            target = target.one_row_each(seed)
            return Records(run_comparison(sample, target, pool_tests(names), plan).outcomes)
        if isinstance(target, Sampled):
            return Records(outcomes_of_draws(sample, target, draw_tests(names), plan))
        canonical = canonical_with_warnings(target, sample, collapsed=True)
        specs = chosen_tests(names, name, canonical, plan)
        return Records(run_battery(canonical, specs, plan).outcomes)


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
    groups: Any = None,
) -> MeanPValue:
    """Score a sample by the protocol of noise-injected Deep InfoMax (arXiv 2410.06993).

    The score is the mean over many draws of the p-value of a univariate normality test with
    fitted mean and variance. Each draw projects a small subsample on a direction that is
    uniform on the sphere; Henze-Zirkler is averaged over subsamples without projecting. Under
    a perfect match the mean tends to 1/2. It is a score, not a p-value: the result also has a
    valid p-value, ``min(1, 2 mean)``.

    Parameters
    ----------
    data : array_like, frame, tensor or path, shape (n, d)
    test : str
        Any registered test; the paper uses D'Agostino-Pearson, Shapiro-Wilk and
        Henze-Zirkler.
    target : str or target object
        Uniform and product targets are transformed to normal scores first.
    subsample : int
        Rows of a draw.
    draws : int
        Number of draws.
    confidence : float
        Level of the asymptotic interval, over draws and samples.
    rng, key, columns, nonfinite, groups
        As for :func:`report`; subsamples have at most one row of each group.

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
    target = as_target(target)
    (spec,) = as_tests([test], hypothesis(target.name))
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite, groups=groups)
    from dmtest.battery.mean_pvalue import mean_pvalue_of

    seed = entropy_of(rng)
    sample = one_row_each(sample, seed)
    with single_threaded_blas():
        canonical = canonical_with_warnings(target, sample)
        # A reference has no normal scale and was refused, so the test is no pool test.
        assert isinstance(spec, SliceTest | RowTest)
        return mean_pvalue_of(
            canonical,
            spec,
            target=target.name,
            subsample=subsample,
            draws=draws,
            confidence=confidence,
            seed=seed,
        )
