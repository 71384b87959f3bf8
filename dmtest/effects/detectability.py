"""Power of the battery on disjoint blocks of the data: the rows at which it notices a departure.

The sample is cut into n / m blocks of m rows that share none, and every block is tested by
itself. The number of blocks that are rejected is binomial, whatever the law of the rows and
however many columns they have, so Clopper and Pearson's limits (1934) of the power at m rows are
exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from scipy.special import betaincinv

from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.battery.ranks import joined, merged_battery, run_ranks
from dmtest.calibration.nulls import RowNull, workload_of
from dmtest.catalogue.registry import hypothesis
from dmtest.catalogue.spec import OneSampleTest, SliceTest
from dmtest.data.sample import Sample
from dmtest.results.effect_table import DETECTABLE_ROWS
from dmtest.results.outcome import Effect
from dmtest.results.shown import Shown
from dmtest.runtime import cache
from dmtest.runtime.parallel import Progress, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.callables import Rosenblatt
from dmtest.targets.canonical import Canonical
from dmtest.targets.ranks import Ranks
from dmtest.targets.targets import Target, Uniform

# Rows of the smallest block and, by default, of the largest; blocks of the largest and, at most,
# of a smaller size. With 8 blocks a sample of the target has at most one rejection, which bounds
# the power below 1/2, with probability 0.94.
SMALLEST, LARGEST, FEWEST_BLOCKS, MOST_BLOCKS = 20, 8192, 8, 24
CONFIDENCE = 0.95
# Name of the default battery in results.
BATTERY = "the battery"

# P-value of a block of rows, given the seed of its random choices.
Judge: TypeAlias = Callable[[Sample, int], float]


@dataclass(frozen=True, slots=True, repr=False)
class Threshold(Shown):
    """The rows at which a battery reaches a power.

    Attributes
    ----------
    power : float
        Share of blocks that are rejected.
    n : float or None
        Rows, interpolated; None if all sizes that were tried have less power, or all have more.
    low, high : float or None
        With confidence 0.95 each, the power is below `power` at `low` rows and above it at `high`
        rows; None where no size that was tried shows that.
    """

    power: float
    n: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Detectability(Shown):
    """Power of a battery against the rows of disjoint blocks.

    Attributes
    ----------
    test : str
        ``"the battery"``, or the names of the tests.
    target : str
    alpha : float
        Level of the battery.
    sizes : tuple of int
        Rows of a block.
    blocks, rejections : tuple of int
        Blocks of each size, which share no rows, and how many of them are rejected.
    rates, low, high : tuple of float
        Share that is rejected, with exact limits of the power, each of confidence 0.95.
    mean_pvalues : tuple of float
        Mean p-value of the blocks.
    thresholds : tuple of Threshold
        Rows for 50% and for 90% power.
    seed : int
    """

    test: str
    target: str
    alpha: float
    sizes: tuple[int, ...]
    blocks: tuple[int, ...]
    rejections: tuple[int, ...]
    rates: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean_pvalues: tuple[float, ...]
    thresholds: tuple[Threshold, ...]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects."""
        return asdict(self)


def detectability_of(
    sample: Sample,
    target: Target,
    plan: Plan,
    *,
    tests: Sequence[str] | None = None,
    alpha: float,
    sizes: Sequence[int] | None = None,
    most: int = MOST_BLOCKS,
    largest: int = LARGEST,
) -> Detectability | None:
    """Test disjoint blocks of n/8, n/16, ... rows.

    Parameters
    ----------
    sample : Sample
        Rows before any transform, shape (n, d).
    target : Target
        Each block is brought to its normal scale by itself.
    plan : Plan
        Seed and replicates; blocks are tested along the default number of random directions.
    tests : sequence of str, optional
        Names. By default the tests of the default battery whose nulls are shipped or exact for a
        block, without the search over directions.
    alpha : float
        Level of the battery.
    sizes : sequence of int, optional
        Rows of a block. By default an eighth of the rows, at most LARGEST, and its halves.
    most : int
        Most blocks of a size.
    largest : int
        Most rows of a block, by default.

    Returns
    -------
    Detectability or None
        None where there are too few rows for any block, and for the default battery on a sphere,
        whose nulls are not shipped.
    """
    sample, target = _mapped(sample, target)
    ladder = _halving(sample, target, largest) if sizes is None else sorted(sizes)
    progress, plan = plan.progress, replace(plan, slices=None, directions=None, progress=None)
    if not ladder or (tests is None and target.name == "sphere"):
        return None

    # Named tests may have nulls that are simulated: one for all blocks of a size, not one for each.
    def judge(block: Sample, seed: int) -> float:
        own = plan if tests is not None else replace(plan, seed=seed)
        return block_pvalue(block, target.canonical(block), target, own, tests)

    pvalues = {m: block_pvalues(sample, m, judge, plan.seed, most, progress) for m in ladder}
    return _summary(
        pvalues,
        test=BATTERY if tests is None else ", ".join(tests),
        target=plan.target,
        alpha=alpha,
        seed=plan.seed,
    )


def block_pvalues(
    sample: Sample,
    m: int,
    judge: Judge,
    seed: int,
    most: int,
    progress: Progress | None = None,
) -> Vector:
    """Return the p-values of disjoint blocks of m rows, at most `most` of them.

    The rows are drawn without replacement: a file may be in some order.
    """
    order = stream(seed, "detectability/blocks").permutation(sample.n)
    count = min(most, sample.n // m)

    def task(b: int) -> float:
        rows = np.sort(order[b * m : (b + 1) * m])
        block = replace(sample, x=np.asarray(sample.x[rows]), groups=None)
        return judge(block, int(stream(seed, "detectability/seed", m, b).integers(1 << 53)))

    out = np.empty(count)
    with cache.in_memory():
        # The first block by itself: it simulates the nulls of the others on all threads.
        for b, pvalue in enumerate(
            chain(run_tasks(task, range(1)), run_tasks(task, range(1, count)))
        ):
            out[b] = pvalue
            if progress is not None:
                progress("blocks", b + 1, count)
    return out


def block_pvalue(
    block: Sample,
    canonical: Canonical,
    target: Target,
    plan: Plan,
    tests: Sequence[str] | None,
) -> float:
    """Return the global p-value of the battery on one block.

    The p-value is 0 where the target gives such a block with probability 0: for values outside its
    support, dead columns, and rows that are all equal.
    """
    if canonical.impossible:
        return 0.0
    if isinstance(target, Ranks) and tests is None:
        ranked = run_ranks(block, target, plan)
        if not target.independent or block.d == 1:
            return ranked.pvalue
        specs = battery_of(target, canonical, plan)
        return joined(ranked, merged_battery(block, target, specs, plan, {})).pvalue
    if tests is None:
        return run_battery(canonical, battery_of(target, canonical, plan), plan).pvalue
    specs = chosen_tests(list(tests), hypothesis(target.name), canonical, plan)
    return run_battery(canonical, specs, plan).pvalue


def battery_of(target: Target, canonical: Canonical, plan: Plan) -> tuple[OneSampleTest, ...]:
    """Return the tests of the default battery whose null needs no simulation at this n and d."""
    n, d = canonical.rows.shape

    def ready(spec: OneSampleTest) -> bool:
        if isinstance(spec, SliceTest):
            return True
        return (
            bool(spec.exact)
            or workload_of(RowNull(spec.space, n, d), spec, plan, shipped=True).shipped
        )

    specs = chosen_tests(None, hypothesis(target.name), canonical, plan)
    return tuple(spec for spec in specs if ready(spec))


def power_limits(rejections: int, blocks: int, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's (1934) limits of a power, each of this confidence by itself."""
    tail = 1.0 - confidence
    low = betaincinv(rejections, blocks - rejections + 1, tail) if rejections else 0.0
    high = (
        betaincinv(rejections + 1, blocks - rejections, 1.0 - tail) if rejections < blocks else 1.0
    )
    return float(low), float(high)


def detectability_effect(power: Detectability) -> Effect:
    """Return the rows at which the battery has 50% power, as an effect."""
    half = power.thresholds[0]
    row = DETECTABLE_ROWS.filled(test=power.test, alpha=power.alpha, most=power.sizes[-1])
    return row.within_limits(half.n, half.low, half.high, CONFIDENCE)


def _mapped(sample: Sample, target: Target) -> tuple[Sample, Target]:
    """Return the sample with its target; rows of a callable's transform are mapped once, here."""
    if isinstance(target, Rosenblatt):
        return replace(sample, x=np.asarray(target.canonical(sample).cube)), Uniform()
    return sample, target


def fewest_rows(sample: Sample, target: Target) -> int:
    """Return the fewest rows of a sample for a default ladder."""
    return FEWEST_BLOCKS * _smallest(sample, target)


def _smallest(sample: Sample, target: Target) -> int:
    """Return the rows of the smallest block: a fitted covariance needs two rows a column."""
    return max(SMALLEST, 2 * sample.d) if target.fitted else SMALLEST


def _halving(sample: Sample, target: Target, largest: int) -> list[int]:
    least = _smallest(sample, target)
    top = min(sample.n // FEWEST_BLOCKS, max(largest, least))
    if top < least:
        return []
    return [top >> j for j in range(int(np.log2(top / least)), -1, -1)]


def _summary(
    pvalues: dict[int, Vector], *, test: str, target: str, alpha: float, seed: int
) -> Detectability:
    sizes = tuple(sorted(pvalues))
    blocks = [len(pvalues[m]) for m in sizes]
    rejections = [int(np.count_nonzero(pvalues[m] <= alpha)) for m in sizes]
    limits = [power_limits(r, k, CONFIDENCE) for r, k in zip(rejections, blocks, strict=True)]
    low, high = zip(*limits, strict=True)
    return Detectability(
        test=test,
        target=target,
        alpha=alpha,
        sizes=sizes,
        blocks=tuple(blocks),
        rejections=tuple(rejections),
        rates=tuple(r / k for r, k in zip(rejections, blocks, strict=True)),
        low=low,
        high=high,
        mean_pvalues=tuple(float(pvalues[m].mean()) for m in sizes),
        thresholds=tuple(threshold(power, sizes, blocks, rejections) for power in (0.5, 0.9)),
        seed=seed,
    )


def threshold(
    power: float, sizes: Sequence[int], blocks: Sequence[int], rejections: Sequence[int]
) -> Threshold:
    """Return the rows for a power, from the rejections at ascending sizes.

    The lower limit ascends from the smallest size as long as the power is shown to be below, the
    upper one descends from the largest as long as it is shown to be above. In a fixed sequence
    each step may have the full level: the chance of a wrong step at all is that of the first
    wrong one. The estimate interpolates the isotonic fit of the rates in log n.
    """
    from scipy.optimize import isotonic_regression

    counts = list(zip(sizes, blocks, rejections, strict=True))
    low = high = None
    for m, k, r in counts:
        if power_limits(r, k, CONFIDENCE)[1] >= power:
            break
        low = float(m)
    for m, k, r in reversed(counts):
        if power_limits(r, k, CONFIDENCE)[0] <= power:
            break
        high = float(m)
    rates = np.array([r / k for _, k, r in counts])
    fit = np.asarray(isotonic_regression(rates, weights=np.array(blocks, dtype=float)).x)
    return Threshold(power, _crossing(power, np.log(sizes), fit), low, high)


def _crossing(power: float, logs: Vector, fit: Vector) -> float | None:
    """Rows where the fit reaches a power; None if all sizes are below it, or all above."""
    if fit[-1] < power or fit[0] >= power:
        return None
    right = int(np.argmax(fit >= power))
    share = (power - fit[right - 1]) / (fit[right] - fit[right - 1])
    return float(np.exp(logs[right - 1] + share * (logs[right] - logs[right - 1])))
