"""The public functions that measure one departure: reports combine them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmtest import arguments
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import as_tests, hypothesis
from dmtest.catalogue.spec import RowTest
from dmtest.data.sample import as_sample, one_row_each
from dmtest.effects.decomposition import decompose, density_estimates
from dmtest.effects.detectability import Detectability, detectability_of, fewest_rows
from dmtest.effects.directions.one_sample import Direction, directions_of
from dmtest.effects.gaussian import gaussian_estimates
from dmtest.effects.groups import DRAWS, average_estimates
from dmtest.effects.profile import KLProfile, profile_of
from dmtest.engines.chi2 import PAIRS
from dmtest.errors import InputError
from dmtest.results.effect_table import effects_of
from dmtest.results.outcome import Effect
from dmtest.results.shown import RecordTuple
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.targets.canonical import Canonical
from dmtest.targets.targets import TargetLike, as_target, canonical_with_warnings


def kl_profile(
    data: Any,
    target: TargetLike = "normal",
    *,
    noise: ArrayLike | None = None,
    batch: int | None = None,
    confidence: float = 0.95,
    views: bool = True,
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
) -> KLProfile:
    """Bound the divergence from the target after noise from both sides, over noise levels.

    As the noise goes to 0, KL(f(X) + Z || target + Z) grows from 0 to KL(f(X) || target). Unlike
    that limit, it can be bounded from a sample on both sides, from a noise level on that rises
    with the number of columns and falls with that of rows; points below it are marked as not
    informative. Slices and principal subspaces have fewer dimensions, so they need less noise.
    Every point also has what a dead coordinate, a two-valued one and a collapse cost at its noise.

    The upper bound is the chi-square certificate, log(1 + chi2), over pairs of rows, and where a
    batch resolves the noise the bracket of noisy rows; the lower one is the divergence of the
    normal with the same moments, and that bracket's. They assume that squared row lengths have a
    finite variance. Where the tail of the sample does not support this, or n < 200, there is no
    upper bound.

    Parameters
    ----------
    data : array_like, frame, tensor or path, shape (n, d)
    target : str or target object
        The noise is uniform for uniform targets and normal for others. Rows are whitened first
        for any-normal. The sphere is not supported.
    noise : array_like, optional
        Noise levels: standard deviations on normal scale (uniform: half widths in units of the
        cube). By default 1, 1.5, 2 and 4 times the level at which the certificate of a sample from
        the target has a standard deviation of 0.01 nats (at least 0.1): for the normal
        ``(v - 1)^(1/2)``, v = (1 - (0.01 n / sqrt 2)^(-2/d))^(-1/2).
    batch : int, optional
        Rows of a batch of the bracket; 1/8 of the rows by default.
    confidence : float
        Joint confidence of the bounds of all points of a view.
    views : bool
        Whether to add slices and principal subspaces.
    rng, progress, key, columns
        As for :func:`dmtest.report`.

    Returns
    -------
    KLProfile
        Divergences in nats.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((4000, 2))
    >>> point = dmtest.kl_profile(x, noise=[1.0], rng=0).points[0]
    >>> point.low, point.high < 0.05
    (0.0, True)
    """
    from dmtest.runtime.progress import reporter

    name, canonical, seed = _prepare(data, target, rng, key, columns)
    if canonical.unit is not None:
        raise InputError(
            "target: noise moves rows off the sphere, so there is no divergence after noise; "
            "choose another target."
        )
    levels = None
    if noise is not None:
        levels = np.atleast_1d(np.asarray(noise, dtype=np.float64))
        if levels.ndim != 1 or not np.isfinite(levels).all() or not (levels > 0.0).all():
            raise InputError(f"noise: got {noise!r}; give positive numbers.")
    confidence = arguments.level("confidence", confidence, 0.95)
    with reporter(progress) as step, single_threaded_blas():
        return profile_of(
            canonical,
            name,
            noise=levels,
            batch=batch,
            confidence=confidence,
            views=views,
            pairs=PAIRS,
            seed=seed,
            progress=step,
        )


def kl_decomposition(
    data: Any,
    target: TargetLike = "normal",
    *,
    confidence: float = 0.95,
    rng: RngLike = None,
    key: str | None = None,
    columns: Any = None,
    groups: Any = None,
) -> dict[str, Effect]:
    """Split KL(f(X) || N(0, I)) into mean, scale, correlation, shape of columns and dependence.

    The parts are in nats, with bootstrap intervals (reports use the delta method for the parts of
    the fitted normal); the bias of a finite sample is removed. Shape and dependence come from
    density estimates. A part that n rows in d columns cannot support has the value None, and its
    note says how many rows would.

    Parameters
    ----------
    data, target, rng, key, columns
        As for :func:`kl_profile`. Uniform and product targets are taken on normal scale.
        any-normal has no parts for mean, scale and correlation.
    groups : array_like or str, optional
        As for :func:`dmtest.report`. Shape and dependence are means over draws of one row of each
        group; the other parts use all rows, and their intervals the sums over groups.
    confidence : float
        Confidence of each interval.

    Returns
    -------
    dict of str to Effect
        ``"kl-fitted-normal"`` and its parts ``"kl-mean"``, ``"kl-scale"`` and
        ``"kl-correlation"``; then ``"kl-margins"`` and ``"kl-dependence"``.
    """
    target, seed = as_target(target), entropy_of(rng)
    sample = as_sample(data, key=key, columns=columns, groups=groups)
    confidence = arguments.level("confidence", confidence, 0.95)
    with single_threaded_blas():
        canonical = canonical_with_warnings(target, sample)
        if sample.groups is None:
            return effects_of(decompose(canonical, seed), confidence)
        parts = {} if canonical.fitted else gaussian_estimates(canonical, groups=sample.groups)
        draws = range(min(DRAWS, sample.groups.largest))
        rows = [target.canonical(one_row_each(sample, seed, number)) for number in draws]
        parts |= average_estimates([density_estimates(one, seed) for one in rows])
        return effects_of(parts, confidence)


def worst_directions(
    data: Any,
    target: TargetLike = "normal",
    *,
    count: int = 3,
    replicates: int = 999,
    rng: RngLike = None,
    key: str | None = None,
    columns: Any = None,
) -> tuple[Direction, ...]:
    """Find orthogonal directions of largest departure, and test them on rows not used to find them.

    One half of the rows chooses the directions, by ascent from many starts. The other half gives
    the p-values (Anderson-Darling), so the choice does not bias them.

    Parameters
    ----------
    data, target, rng, key, columns
        As for :func:`kl_profile`.
    count : int
        Number of directions; d if that is smaller.
    replicates : int
        Null samples behind the p-values, where the package ships none.

    Returns
    -------
    tuple of Direction
        In the order of the search. For any-normal they are orthogonal after whitening.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((4000, 8))
    >>> x[:, 3] = np.sqrt(12) * (np.random.default_rng(1).random(4000) - 0.5)
    >>> worst = dmtest.worst_directions(x, count=1, rng=0)[0]
    >>> worst.coordinates[0], worst.pvalue <= 0.001
    (3, True)
    """
    _, canonical, seed = _prepare(data, target, rng, key, columns)
    count = arguments.whole("count", count, 1)
    replicates = arguments.check_replicates(replicates)
    if len(canonical.rows) < 40:
        raise InputError(
            f"data: a search on one half of the rows needs 40 rows; got {len(canonical.rows)}."
        )
    with single_threaded_blas():
        return RecordTuple(directions_of(canonical, count, replicates, seed))


def detectability(
    data: Any,
    test: str | None = None,
    target: TargetLike = "normal",
    *,
    alpha: float = 0.05,
    sizes: ArrayLike | None = None,
    draws: int = 200,
    replicates: int = 999,
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
) -> Detectability:
    """Count the rows that it takes to detect the departure of the data from the target.

    The data are cut into disjoint blocks of several sizes, and the default battery (or one test)
    is run on every block. The result has the share that is rejected at each size, with exact
    limits of the power, and the rows for 50% and 90% power.

    Parameters
    ----------
    data, target, rng, progress, key, columns
        As for :func:`kl_profile`.
    test : str, optional
        Name of a test of slices or of whole rows (:func:`dmtest.list_tests`). By default the
        tests of the default battery whose null is shipped, without the search over directions.
    alpha : float
        Level of the test.
    sizes : array_like of int, optional
        Rows of a block, at most n / 2. By default n / 8 (at most 8,192) and its halves.
    draws : int
        Most blocks of each size.
    replicates : int
        Null samples of each size, where the package ships none.

    Returns
    -------
    Detectability

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((4000, 2)) + 0.2
    >>> half = dmtest.detectability(x, rng=0).thresholds[0]
    >>> half.low < half.n < half.high
    True
    """
    from dmtest.runtime.progress import reporter

    target = as_target(target)
    if test is not None:
        (spec,) = as_tests([test], hypothesis(target.name))
        if isinstance(spec, RowTest) and spec.coloured:
            raise InputError(
                f"test: the null of {spec.name!r} depends on each block's covariance, so its power "
                f"cannot be estimated this way; choose another test."
            )
    sample = as_sample(data, key=key, columns=columns)
    canonical_with_warnings(target, sample)
    seed = entropy_of(rng)
    alpha = arguments.level("alpha", alpha, 0.05)
    rows = None
    if sizes is not None:
        rows = sorted(arguments.whole("sizes", m, 8) for m in np.atleast_1d(sizes).tolist())
        if max(rows) > sample.n // 2:
            raise InputError(
                f"sizes: got {max(rows)}, more than half of the {sample.n} rows, which leaves one "
                f"block; choose at most {sample.n // 2}."
            )
    with reporter(progress) as step, single_threaded_blas():
        found = detectability_of(
            sample,
            target,
            Plan(
                target=target.name,
                seed=seed,
                replicates=arguments.check_replicates(replicates, alpha),
                progress=step,
            ),
            tests=None if test is None else [test],
            alpha=alpha,
            sizes=rows,
            most=arguments.whole("draws", draws, 5),
        )
    if found is None and target.name == "sphere" and test is None:
        raise InputError(
            "test: the default battery of the sphere has no shipped nulls; name a test."
        )
    if found is None:
        raise InputError(
            f"data: power on disjoint blocks takes at least {fewest_rows(sample, target)} rows; "
            f"got n = {sample.n}."
        )
    return found


def _prepare(
    data: Any, target: TargetLike, rng: RngLike, key: str | None, columns: Any
) -> tuple[str, Canonical, int]:
    """Read and validate: the name of the target, the rows on its normal scale, the seed."""
    target = as_target(target)
    sample = as_sample(data, key=key, columns=columns)
    return target.name, canonical_with_warnings(target, sample), entropy_of(rng)
