"""What users call to compare two samples."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Literal

from dmtest import arguments
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import names_of, pool_tests
from dmtest.data.sample import Sample, as_sample
from dmtest.errors import InputError
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of
from dmtest.targets.reference import Reference, is_file


def compare(
    data: Any,
    reference: Any,
    *,
    tests: str | Iterable[str] | None = None,
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
) -> Report:
    """Say whether two samples have the same distribution, how far apart they are, and where.

    Parameters
    ----------
    data, reference : array_like, frame, tensor or path
        Shapes (n, d) and (m, d), one row an observation; see :func:`dmtest.load` for files.
        Rows have to be independent, within and between the samples: of embeddings of the same
        images by two encoders compare those of two disjoint sets of images.
    tests : str or iterable of str, optional
        Of ``mmd``, ``energy``, ``sliced-wasserstein`` and ``classifier``; all by default.
    alpha : float
        Level of the verdict.
    rotation : bool
        Compare up to an orthogonal map. The tests then see what no rotation changes of blocks
        of eight rows: row lengths, singular values, the length of the mean. Nothing is aligned
        and no axes are estimated, so that p-values stay exact; but what only shows along some
        direction of one sample (a skewed direction, say) is out of sight.
    slices : int, optional
        Random directions of ``sliced-wasserstein``, 64 by default (1 for d = 1).
    replicates : int
        Permutations of the labels that p-values come from.
    budget : float, optional
        Multiply-adds that a test and its permutations may take, 4e11 (some fifteen seconds on
        two cores) by default. A test over pairs of rows that would take more is computed in
        its form from random frequencies or slices, which is linear in n; its `method` says so.
    rng : None, int or numpy Generator
        None takes fresh entropy; pass an int to repeat a run.
    progress : bool or callable, optional
        Show a progress bar on stderr; None shows one on a terminal when the run is long.
    key, columns, nonfinite : optional
        As for :func:`dmtest.report`, of both samples; `key` of those that are files. Pass
        ``Reference(sample, key=...)`` as `reference` where they differ.

    Returns
    -------
    Report
        With ``target == "reference"``; verdicts are ``"mismatch"`` and ``"compatible"``.

    Raises
    ------
    InputError
        If an argument or a sample cannot be used, or their columns do not match.

    Notes
    -----
    P-values are ``(1 + b) / (B + 1)`` over permutations of the labels of the pooled rows, the
    same ones for all tests: valid at any n, whatever the distribution. The global one is min-p
    over the tests (Westfall & Young 1993).

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
    goal = reference
    if not isinstance(reference, Reference):
        goal = Reference(
            reference,
            rotation=rotation,
            key=key if is_file(reference) else None,
            columns=columns,
            nonfinite=nonfinite,
        )
    elif rotation and not reference.rotation:
        raise InputError("rotation: the reference is a Reference already; set rotation= there.")
    sample = as_sample(
        data, key=key if is_file(data) else None, columns=columns, nonfinite=nonfinite
    )
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


def compare_with(
    sample: Sample,
    goal: Reference,
    *,
    tests: str | Iterable[str] | None,
    alpha: float,
    slices: int | None,
    replicates: int,
    budget: float | None,
    rng: RngLike,
    progress: bool | Progress | None,
) -> Report:
    """Compare a sample with a reference, both past the gate.

    Parameters
    ----------
    sample : Sample
    goal : Reference
    tests, alpha, slices, replicates, budget, rng, progress
        As for :func:`compare`.

    Returns
    -------
    Report
    """
    from dmtest.reports.two_sample import two_sample_report
    from dmtest.runtime.progress import reporter

    started = time.perf_counter()
    alpha = arguments.level("alpha", alpha, 0.05)
    arguments.check_replicates(replicates, alpha)
    specs = pool_tests(names_of(tests))
    given = {
        "tests": None if tests is None else [spec.name for spec in specs],
        "rotation": goal.rotation or None,
        "slices": slices,
        "replicates": replicates if replicates != 999 else None,
        "budget": budget,
    }
    with reporter(progress) as step, single_threaded_blas():
        plan = Plan(
            target=goal.name,
            seed=entropy_of(rng),
            slices=slices,
            replicates=replicates,
            budget=budget,
            progress=step,
        )
        return two_sample_report(
            sample, goal, plan, specs=specs, alpha=alpha, arguments=given, started=started
        )
