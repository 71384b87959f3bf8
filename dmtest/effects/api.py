"""How far a sample is from its target, asked for one by one: what reports put together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmtest import arguments
from dmtest.catalogue.registry import as_tests, hypothesis
from dmtest.catalogue.spec import RowTest, SliceTest
from dmtest.data.sample import as_sample
from dmtest.effects.decomposition import decompose
from dmtest.effects.detectability import Detectability, detectability_of
from dmtest.effects.directions import Direction, directions_of
from dmtest.effects.profile import KLProfile, profile_of
from dmtest.errors import InputError
from dmtest.results.effect_table import effects_of
from dmtest.results.outcome import Effect
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
    """Bracket the divergence from the target after noise, over noise levels, in nats.

    KL(f(X) + Z || target + Z) grows from 0 to KL(f(X) || target) as the noise goes down. Unlike
    the latter it can be bounded from a sample on both sides, while the channel's capacity stays
    below the logarithm of the batch: points beyond are marked as not informative. Slices and
    principal subspaces, of fewer dimensions, are informative at lower noise.

    Parameters
    ----------
    data : array_like, frame, tensor or path, shape (n, d)
    target : str or target object
        Uniform targets take uniform noise, others normal noise; any-normal whitens first, and
        the sphere is refused.
    noise : array_like, optional
        Standard deviations (uniform: half widths) of the noise, on normal scale (in units of
        the cube). By default a quarter, half, one and two times the level that the batch
        resolves to 0.02 nats.
    batch : int, optional
        Rows of a batch: an eighth of the rows by default.
    confidence : float
        Of all points of a view together.
    views : bool
        Look at slices and subspaces too.
    rng, progress, key, columns
        As for :func:`dmtest.report`.

    Returns
    -------
    KLProfile

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((4000, 2))
    >>> point = dmtest.kl_profile(x, noise=[1.0], rng=0).points[0]
    >>> point.low, point.high < 0.05
    (0.0, True)
    """
    from dmtest.runtime.progress import reporter

    goal, canonical, seed = _brought(data, target, rng, key, columns)
    if canonical.unit is not None:
        raise InputError(
            "target: noise takes rows off the sphere, so it has no smoothed divergence; choose "
            "another target."
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
            goal,
            noise=levels,
            batch=batch,
            confidence=confidence,
            views=views,
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
) -> dict[str, Effect]:
    """Split KL(f(X) || N(0, I)) into mean, scale, correlation, margins' shape and dependence.

    Nats, with bootstrap intervals and the finite-sample bias removed (reports take the delta
    method for the parts of the fitted normal). The shape takes density estimates:
    what n does not support in d has value None, and its note says which n would do.

    Parameters
    ----------
    data, target, rng, key, columns
        As for :func:`kl_profile`; on normal scale for uniform and product targets. any-normal
        has no mean, scale or correlation part.
    confidence : float

    Returns
    -------
    dict of str to Effect
        ``"kl-fitted-normal"`` with its parts ``"kl-mean"``, ``"kl-scale"`` and
        ``"kl-correlation"``, then ``"kl-margins"`` and ``"kl-dependence"``.
    """
    _, canonical, seed = _brought(data, target, rng, key, columns)
    confidence = arguments.level("confidence", confidence, 0.95)
    with single_threaded_blas():
        return effects_of(decompose(canonical, seed), confidence)


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
    """Find orthogonal directions along which the data depart most, and test them honestly.

    Half of the rows choose the directions, by ascent from many starts; the other half, which had
    no part in it, gives the p-values (Anderson-Darling).

    Parameters
    ----------
    data, target, rng, key, columns
        As for :func:`kl_profile`.
    count : int
        Directions, at most d.
    replicates : int

    Returns
    -------
    tuple of Direction
        In the order they were found; orthogonal after whitening, for any-normal.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((4000, 8))
    >>> x[:, 3] = np.sqrt(12) * (np.random.default_rng(1).random(4000) - 0.5)
    >>> worst = dmtest.worst_directions(x, count=1, rng=0)[0]
    >>> worst.coordinates[0], worst.pvalue <= 0.001
    (3, True)
    """
    _, canonical, seed = _brought(data, target, rng, key, columns)
    count = arguments.whole("count", count, 1)
    replicates = arguments.check_replicates(replicates)
    if len(canonical.rows) < 40:
        raise InputError(
            f"data: a search on one half of the rows takes 40 of them; got {len(canonical.rows)}."
        )
    with single_threaded_blas():
        return tuple(directions_of(canonical, count, replicates, seed))


def detectability(
    data: Any,
    test: str = "anderson-darling",
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
    """Say how many rows it takes a test to notice what is wrong with the data.

    Subsamples of the data are tested: the share that is rejected, and the mean p-value, against
    their size; and the sizes at which half and nine in ten are.

    Parameters
    ----------
    data, target, rng, progress, key, columns
        As for :func:`kl_profile`.
    test : str
    alpha : float
    sizes : array_like of int, optional
        Rows of the subsamples, at most n / 2. By default n / 2 (at most 8,192) and its halves,
        until next to none is rejected.
    draws : int
        Subsamples of every size.
    replicates : int

    Returns
    -------
    Detectability
    """
    from dmtest.runtime.progress import reporter

    goal = as_target(target)
    (spec,) = as_tests([test], hypothesis(goal.name))
    sample = as_sample(data, key=key, columns=columns)
    canonical_with_warnings(goal, sample)
    # A reference, whose tests are of pools, has no normal scale and was refused.
    assert isinstance(spec, SliceTest | RowTest)
    seed = entropy_of(rng)
    alpha = arguments.level("alpha", alpha, 0.05)
    chosen = None
    if sizes is not None:
        chosen = tuple(arguments.whole("sizes", m, 8) for m in np.atleast_1d(sizes).tolist())
        if max(chosen) > sample.n // 2:
            raise InputError(
                f"sizes: got {max(chosen)}, more than half of the {sample.n} rows; subsamples "
                f"have to be at most that to be like fresh ones."
            )
    with reporter(progress) as step, single_threaded_blas():
        return detectability_of(
            sample,
            goal,
            spec,
            alpha=alpha,
            sizes=chosen,
            draws=arguments.whole("draws", draws, 10),
            replicates=arguments.check_replicates(replicates, alpha),
            seed=seed,
            progress=step,
        )


def _brought(
    data: Any, target: TargetLike, rng: RngLike, key: str | None, columns: Any
) -> tuple[str, Canonical, int]:
    """Read, validate, bring to normal scale."""
    goal = as_target(target)
    sample = as_sample(data, key=key, columns=columns)
    return goal.name, canonical_with_warnings(goal, sample), entropy_of(rng)
