"""The public function `report`: judge one sample."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from numpy.typing import ArrayLike

from dmtest import arguments
from dmtest.battery.api import Nonfinite
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import names_of
from dmtest.data.sample import as_sample
from dmtest.reports.compare import compare_with
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.targets.callables import Sampled
from dmtest.targets.reference import Reference
from dmtest.targets.targets import TargetLike, as_target


def report(
    data: Any,
    target: TargetLike = "normal",
    *,
    tests: str | Iterable[str] | None = None,
    alpha: float = 0.05,
    tolerance: float | None = None,
    groups: Any = None,
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
    """Test whether a sample follows its target, and measure how far it departs.

    Parameters
    ----------
    data : array_like, frame, tensor or path
        Shape (n, d), one observation per row; see :func:`dmtest.load` for files.
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
        Divergence from the target, in nats, that is acceptable: the divergence after noise, at
        the default noise level of :func:`kl_profile`. With a tolerance the verdict is
        ``"equivalent"`` where a confidence bound of level 1 - alpha is below it, whatever the
        p-value; and ``"inconclusive"`` where the bound is not below it and no test rejects.
    groups : array_like or str, optional
        Label of every row, where rows of one label depend on each other: views of one item,
        sentences of one document, frames of one video. Or the name of the column or array of
        `data` that holds the labels, or of another file. Tests then use one row of each group,
        drawn with the seed, and intervals of effects allow for the groups. Rows of different
        groups have to be independent.
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
    7. Bound the divergence after noise from both sides; with `tolerance`, certify it.
    8. Measure effects with their intervals (with groups from all rows, or averaged over draws of
       one row of each group); after a rejection also the number of rows that the test with the
       smallest p-value needs.
    9. After a rejection, write the diagnosis: sentences that say what is wrong.
    10. Decide: ``"equivalent"`` where the tolerance is certified, else ``"mismatch"`` where the
        global p-value is at most alpha, else ``"compatible"`` (``"inconclusive"`` with a
        tolerance).

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> dmtest.report(x, rng=0, replicates=99).verdict
    'compatible'
    """
    from dmtest.reports.one_sample import one_sample_report
    from dmtest.reports.sampled import sampled_report
    from dmtest.runtime.progress import reporter

    started = time.perf_counter()
    alpha = arguments.level("alpha", alpha, 0.05)
    arguments.check_replicates(replicates, alpha)
    if tolerance is not None:
        tolerance = arguments.positive("tolerance", tolerance)
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite, groups=groups)
    pairs = None if augmented is None else as_sample(augmented, nonfinite=nonfinite)
    target, seed = as_target(target), entropy_of(rng)
    if isinstance(target, Reference):
        arguments.refuse(
            "Reference", tolerance=tolerance, augmented=augmented, directions=directions
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
            augmented=augmented,
            directions=directions,
            budget=budget,
        )
    with reporter(progress) as step, single_threaded_blas():
        plan = Plan(
            target=target.name,
            seed=seed,
            slices=slices,
            directions=directions,
            replicates=replicates,
            budget=budget,
            progress=step,
        )
        if isinstance(target, Sampled):
            return sampled_report(
                sample, target, plan, tests=names_of(tests), alpha=alpha, started=started
            )
        return one_sample_report(
            sample,
            target,
            plan,
            tests=names_of(tests),
            alpha=alpha,
            tolerance=tolerance,
            augmented=pairs,
            started=started,
        )
