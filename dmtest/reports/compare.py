"""The public function `compare`: judge whether two samples have the same distribution."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from dmtest import arguments
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import checked_params, names_of, pool_tests
from dmtest.data.sample import Sample, as_sample, one_row_each
from dmtest.errors import InputError
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.targets.reference import Reference, is_file

if TYPE_CHECKING:
    from dmtest.summaries.sides import Side


def compare(
    data: Any,
    reference: Any,
    *,
    tests: str | Iterable[str] | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    alpha: float = 0.05,
    rotation: bool = False,
    slices: int | None = None,
    replicates: int = 999,
    budget: float | None = None,
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    key: str | None = None,
    columns: Any = None,
    nonfinite: Literal["error", "drop"] = "error",
    groups: Any = None,
    reference_groups: Any = None,
    memory: int | None = None,
) -> Report:
    """Test whether two samples have the same distribution, and measure how they differ.

    Parameters
    ----------
    data, reference : array_like, frame, tensor, path, Summary or stream
        Shapes (n, d) and (m, d), one observation per row; see :func:`dmtest.load` for files, and
        :func:`dmtest.report` for summaries and streams.
        Rows have to be independent, within and between the samples. To compare two encoders,
        embed two disjoint sets of images.
    tests : str or iterable of str, optional
        Names among ``mmd``, ``energy``, ``sliced-wasserstein`` and ``classifier``; all by default.
    params : mapping of test name to its parameters, optional
        Such as ``{"mmd": {"bandwidth": 1.0}}``; ``dmtest tests`` lists them with their defaults.
    alpha : float
        Level of the verdict.
    rotation : bool
        Whether to compare up to an orthogonal map. The tests then use what no rotation changes
        in blocks of eight rows: row lengths, singular values, the length of the mean. Nothing is
        aligned and no axes are estimated, so p-values stay exact; but a difference that shows
        only along a direction of one sample, such as skewness, is not detected.
    slices : int, optional
        Number of random directions of ``sliced-wasserstein``; 64 by default (1 for d = 1).
    replicates : int
        Permutations of the labels behind the p-values.
    budget : float, optional
        Multiply-adds that a test may cost with its permutations; 4e11 by default (about fifteen
        seconds on two cores). A test over pairs of rows that would cost more is computed from
        random frequencies or slices, in time linear in n; its `method` says so.
    rng : None, int or numpy Generator
        Seed. None draws a new one; an int repeats a run.
    progress : bool or callable, optional
        Whether to show a progress bar on stderr. None shows one on a terminal if the run is long.
    key, columns, nonfinite : optional
        As for :func:`dmtest.report`, for both samples; `key` for those that are files. Where the
        samples need different ones, pass ``Reference(sample, key=...)`` as `reference`.
    groups, reference_groups : array_like or str, optional
        Groups of rows of each sample, as for :func:`dmtest.report`: everything is computed from
        one row of each group, drawn with the seed. No group may be in both samples.
    memory : int, optional
        Bytes that the comparison may take beside the libraries. Samples that take more, by default
        256 MiB together, are read once, in parts: means and covariances are then of all rows,
        and everything else of up to 50,000 rows of each, drawn at random.

    Returns
    -------
    Report
        Its target is ``"reference"``, or ``"reference(rotation)"`` with `rotation`; its verdict
        is ``"mismatch"`` or ``"compatible"``.

    Raises
    ------
    InputError
        If an argument or a sample cannot be used, or their columns do not match.

    Notes
    -----
    P-values are ``(1 + b) / (B + 1)`` over B permutations of the labels of the pooled rows, the
    same permutations for all tests: they are valid at any n for any distribution. The global
    p-value is min-p over the tests (Westfall & Young 1993).

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((300, 4)), rng.standard_normal((200, 4))
    >>> dmtest.compare(x, y, rng=0).verdict
    'compatible'
    >>> dmtest.compare(x * [1, 1, 1, 2], y, rng=0).verdict
    'mismatch'
    """
    from dmtest.summaries.sides import check_at_once, takes_parts

    seed = entropy_of(rng)
    if memory is not None:
        memory = arguments.whole("memory", memory, 1, " (bytes)")
    options = {"groups": groups, "reference_groups": reference_groups}
    options |= {"rotation": rotation or None}
    options |= {"nonfinite": None if nonfinite == "error" else nonfinite}
    if not isinstance(reference, Reference) and takes_parts(
        (data, reference),
        memory,
        keys=[key if is_file(one) else None for one in (data, reference)],
        columns=columns,
    ):
        asked = [name for name, value in options.items() if value is not None]
        if not asked:
            return _compare_parts(
                data,
                reference,
                seed=seed,
                key=key,
                columns=columns,
                memory=memory,
                progress=progress,
                tests=tests,
                params=params,
                alpha=alpha,
                slices=slices,
                replicates=replicates,
                budget=budget,
            )
        _refuse_parts(data, reference, asked[0], memory)
    other = reference
    if not isinstance(reference, Reference):
        other = Reference(
            reference,
            rotation=rotation,
            key=key if is_file(reference) else None,
            columns=columns,
            nonfinite=nonfinite,
            groups=reference_groups,
        )
    elif reference_groups is not None:
        raise InputError(
            "reference_groups: the reference is a Reference already; set groups= there."
        )
    elif rotation and not reference.rotation:
        raise InputError("rotation: the reference is a Reference already; set rotation= there.")
    sample = as_sample(
        data,
        key=key if is_file(data) else None,
        columns=columns,
        nonfinite=nonfinite,
        groups=groups,
    )
    check_at_once(memory, sample, other.sample)
    return compare_with(
        sample,
        other,
        tests=tests,
        params=params,
        alpha=alpha,
        slices=slices,
        replicates=replicates,
        budget=budget,
        rng=seed,
        progress=progress,
    )


def _refuse_parts(data: Any, reference: Any, option: str, memory: int | None) -> None:
    """Refuse an option that needs all rows at once, where these cannot be had or are too many."""
    from dmtest.summaries.sides import read_once

    if read_once(data) or read_once(reference):
        raise InputError(
            f"{option}: does not apply to a summary or a stream, which is read once; leave it out, "
            f"or pass the array."
        )
    if memory is not None:
        raise InputError(
            f"memory: got {memory:,} bytes, and {option}= needs all rows at once, which take more; "
            f"allow more, or leave {option} out."
        )


def _compare_parts(
    data: Any,
    reference: Any,
    *,
    seed: int,
    key: str | None,
    columns: Any,
    memory: int | None,
    progress: bool | Progress | None,
    **options: Any,
) -> Report:
    """Compare samples that are read once, in parts."""
    from dmtest.runtime.progress import reporter
    from dmtest.summaries.sides import side_of

    half = None if memory is None else memory // 2
    with reporter(progress) as step, single_threaded_blas():
        sides = [
            side_of(
                one,
                name,
                seed=seed,
                key=key if is_file(one) else None,
                columns=columns,
                memory=half,
                progress=step,
            )
            for name, one in (("data", data), ("reference", reference))
        ]
    return compare_with(
        sides[0].sample,
        Reference(sides[1].sample),
        rng=seed,
        progress=progress,
        whole=(sides[0], sides[1]),
        **options,
    )


def compare_with(
    sample: Sample,
    reference: Reference,
    *,
    tests: str | Iterable[str] | None,
    alpha: float,
    slices: int | None,
    replicates: int,
    budget: float | None,
    rng: RngLike,
    progress: bool | Progress | None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    whole: tuple[Side, Side] | None = None,
) -> Report:
    """Compare a validated sample with a validated reference.

    Parameters
    ----------
    sample : Sample
    reference : Reference
    tests, alpha, slices, replicates, budget, rng, progress, params
        As for :func:`compare`.
    whole : (Side, Side), optional
        What is known of all rows, where the samples are some of them.

    Returns
    -------
    Report
    """
    from dmtest.reports.two_sample import two_sample_report
    from dmtest.runtime.progress import reporter

    started, seed = time.perf_counter(), entropy_of(rng)
    sample, reference = one_row_each(sample, seed), reference.one_row_each(seed)
    alpha = arguments.level("alpha", alpha, 0.05)
    arguments.check_replicates(replicates, alpha)
    specs = pool_tests(names_of(tests))
    tuning = checked_params(specs, params)
    given = {
        "tests": None if tests is None else [spec.name for spec in specs],
        "params": tuning or None,
        "rotation": reference.rotation or None,
        "slices": slices,
        "replicates": replicates if replicates != 999 else None,
        "budget": budget,
    }
    with reporter(progress) as step, single_threaded_blas():
        plan = Plan(
            target=reference.name,
            seed=seed,
            params=tuning,
            slices=slices,
            replicates=replicates,
            budget=budget,
            progress=step,
        )
        return two_sample_report(
            sample,
            reference,
            plan,
            specs=specs,
            alpha=alpha,
            arguments=given,
            started=started,
            whole=whole,
        )
