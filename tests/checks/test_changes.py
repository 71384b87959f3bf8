"""What moved between a baseline and a fresh sample: columns, pairs, rows, directions; the level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

import dmtest
from dmtest.checks.changes import moment_changes, repeat_change, shape_change, shapes
from dmtest.checks.columns import lost_columns
from dmtest.checks.family import in_looks, single_step
from dmtest.engines.pool import Labels, Pool
from dmtest.targets.targets import Normal, Product
from tests.support import twins
from tests.support.calls import refused

Matrix = NDArray[np.float64]


def rows_of(result: dmtest.CheckResult) -> dict[str, dmtest.CheckRow]:
    """Return the rows of a check by name."""
    return {row.name: row for row in result.rows}


@pytest.fixture(scope="module")
def good() -> dmtest.Baseline:
    """Describe a large sample of N(0, I)."""
    return dmtest.write_baseline(np.random.default_rng(1).standard_normal((1500, 4)))


# --- statistics under labellings ------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(30, 30), (40, 25)])
def test_moments_equal_their_definitions(n: int, m: int) -> None:
    """Every labelling's largest excess, from the moments of its two parts."""
    rng = np.random.default_rng(n)
    x, y = 1.0 + rng.standard_normal((n, 3)), rng.standard_normal((m, 3)) * [1.0, 2.0, 0.5]
    labels = Labels(n, m, 9, 3)
    z, pairs = np.concatenate([x, y]), np.triu_indices(3, 1)
    found = {one.name: one for one in moment_changes(Pool(x, y, 3), labels, None)}

    def departures(part: Matrix) -> dict[str, Matrix]:
        r = np.corrcoef(part.T)[pairs]
        values = {"mean": part.mean(axis=0), "variance": np.log(part.var(axis=0))}
        return {k: np.abs(v) for k, v in (values | {"correlation": np.arctanh(r)}).items()}

    for b, mark in enumerate(labels.marks(slice(0, 10))):
        ours, theirs = departures(z[mark == 1]), departures(z[mark == 0])
        for name, one in found.items():
            mine, other = (np.sort(part[name] / one.spread) for part in (ours, theirs))
            worst = (mine - other).max()
            whole = np.sqrt(np.mean(ours[name] ** 2)) - np.sqrt(np.mean(theirs[name] ** 2))
            assert_allclose(one.badness[b], [worst, whole], rtol=1e-8, atol=1e-10)
            if b == 0:
                assert_allclose(one.ours, ours[name], rtol=1e-8, atol=1e-12)
    assert found["correlation"].places == ("x0 and x1", "x0 and x2", "x1 and x2")
    assert_allclose(found["variance"].signed[0], x.var(axis=0), rtol=1e-10)


def test_spreads_are_those_of_repeated_samples() -> None:
    """The standard deviation that scales an entry is that of its difference, correlated or not."""
    rng = np.random.default_rng(0)
    factor = np.linalg.cholesky(np.array([[1.0, 0.6, 0.0], [0.6, 1.0, 0.0], [0.0, 0.0, 4.0]]))
    signed: dict[str, list[Matrix]] = {"mean": [], "variance": [], "correlation": []}
    for _ in range(300):
        x, y = (rng.standard_normal((k, 3)) @ factor.T for k in (400, 300))
        found = moment_changes(Pool(x, y, 0), Labels(400, 300, 0, 0), None)
        scale = {"mean": np.asarray, "variance": np.log, "correlation": np.arctanh}
        for one in found:
            ours, theirs = (scale[one.name](part) for part in one.signed)
            signed[one.name].append((ours - theirs) / one.spread)
    for name, values in signed.items():
        assert_allclose(np.std(values, axis=0), 1.0, atol=0.15, err_msg=name)


def test_shapes_equal_their_twins() -> None:
    """sqrt(1 - W) from the correlation with normal means, the distance by quadrature."""
    rng = np.random.default_rng(2)
    x, y = rng.exponential(size=(25, 2)), 3.0 + rng.standard_normal((30, 2))
    labels = Labels(25, 30, 4, 1)
    z = np.concatenate([x, y])
    four = shapes(Pool(x, y, 1), labels, np.eye(2))
    for b, mark in enumerate(labels.marks(slice(0, 5))):
        for k, part in enumerate((z[mark == 1], z[mark == 0])):
            for j in range(2):
                w = twins.francia_of_means(part[:, j])
                assert four[k][b, j] == pytest.approx(np.sqrt(1.0 - w), rel=1e-6)
                squared = twins.squared_wasserstein(part[:, j])
                assert four[2 + k][b, j] == pytest.approx(np.sqrt(squared), rel=1e-6)
    one = shape_change(Pool(x, y, 1), labels, ("a", "b"))
    assert one.places == ("a", "b")
    assert one.ours[0] > one.theirs[0]


def test_repeats_count_what_repeats_within_a_sample() -> None:
    """Three copies are two repeats; copies in the other sample are none."""
    x = np.array([[1.0], [1.0], [1.0], [2.0], [3.0]])
    y = np.array([[2.0], [4.0], [5.0], [5.0]])
    one = repeat_change(Pool(x, y, 0), Labels(5, 4, 0, 0))
    assert one is not None
    assert (one.ours[0], one.theirs[0]) == (2 / 5, 1 / 4)
    assert repeat_change(Pool(x[2:], y[1:3], 0), Labels(3, 2, 0, 0)) is None


def test_adjusted_p_values_are_uniform() -> None:
    """The smallest one over dependent tests, of exchangeable statistics, is exactly uniform."""
    rng = np.random.default_rng(0)
    smallest = []
    for _ in range(2000):
        common = rng.standard_normal((20, 1))
        tests = {k: common + rng.standard_normal((20, 2)) for k in "abc"}
        smallest.append(min(single_step(tests).values()))
    shares = [np.mean(np.array(smallest) <= k / 20) for k in (1, 2, 5, 10)]
    assert_allclose(shares, [0.05, 0.1, 0.25, 0.5], atol=4.0 * np.sqrt(0.25 / 2000))


def test_a_clear_test_stands_out_among_ties() -> None:
    """Ranks tie at the smallest p-value; the distance from the others breaks the tie."""
    rng = np.random.default_rng(1)
    tests = {str(k): rng.standard_normal((100, 1)) for k in range(30)}
    tests["7"][0] = 50.0
    assert single_step(tests)["7"] == 0.01


def test_looks_end_where_nothing_can_reject() -> None:
    """A clear p-value ends with the fewest permutations, a small level goes on to many."""
    asked: list[int] = []

    def run(p: float) -> Callable[[int], float]:
        asked.clear()
        return lambda count: asked.append(count) or p

    assert in_looks(run(0.9), lambda p: p, 0.035) == 0.9
    assert asked == [199]
    in_looks(run(0.01), lambda p: p, 0.035)
    assert asked == [199, 999]
    in_looks(run(0.01), lambda p: p, 0.001)
    assert asked == [199, 999, 9999]
    in_looks(run(0.3), lambda p: p, 0.2)
    assert asked == [199, 999]


# --- what a check says ----------------------------------------------------------------------


def shifted(rng: np.random.Generator) -> Matrix:
    """Draw with one mean off."""
    return rng.standard_normal((1500, 4)) + np.array([0.0, 0.0, 0.2, 0.0])


def spread(rng: np.random.Generator) -> Matrix:
    """Draw with one variance off."""
    return rng.standard_normal((1500, 4)) * [1.0, 1.2, 1.0, 1.0]


def correlated(rng: np.random.Generator) -> Matrix:
    """Draw with one correlation."""
    z = rng.standard_normal((1500, 4))
    z[:, 3] = 0.2 * z[:, 0] + np.sqrt(0.96) * z[:, 3]
    return z


def uniform(rng: np.random.Generator) -> Matrix:
    """Draw with one uniform column."""
    z = rng.standard_normal((1500, 4))
    z[:, 1] = rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), 1500)
    return z


def repeated(rng: np.random.Generator) -> Matrix:
    """Draw with a tenth of the rows repeated."""
    z = rng.standard_normal((1500, 4))
    z[:150] = z[150:300]
    return z


@pytest.mark.parametrize(
    ("draw", "name", "where", "said"),
    [
        (shifted, "mean", "x2", "The mean of x2 moved away from 0"),
        (spread, "variance", "x1", "The variance of x1 moved away from 1"),
        (correlated, "correlation", "x0 and x3", "The correlation of x0 and x3 moved away"),
        (uniform, "shape", "x1", "The shape of x1 moved away from the normal"),
        (repeated, "repeats", "rows", "More rows repeat another row: 0.100 of rows now, 0 in"),
    ],
)
def test_what_moved_is_named(
    good: dmtest.Baseline,
    draw: Callable[[np.random.Generator], Matrix],
    name: str,
    where: str,
    said: str,
) -> None:
    """Each change fails in its own row, which names the column, pair or rows."""
    for seed in (5, 6):
        result = dmtest.check(draw(np.random.default_rng(seed)), good)
        row = rows_of(result)[name]
        assert row.passed is False
        assert row.where == where
        assert said in row.message
        assert row.limit == 0.05
        assert row.pvalue is not None
        assert row.pvalue <= 0.05


@pytest.mark.parametrize("kind", ["uniform", "bimodal"])
def test_one_bad_direction_fails_and_is_named(kind: str) -> None:
    """No column moves; 100 runs of 4,000 x 8 are in benchmarks/decisions."""
    rng = np.random.default_rng(3)
    kept = dmtest.write_baseline(rng.standard_normal((2000, 6)))
    for seed in (0, 1):
        turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((6, 6)))[0]
        z = rng.standard_normal((2000, 6))
        z[:, 0] = rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), 2000)
        if kind == "bimodal":
            z[:, 0] = rng.choice([-0.9, 0.9], 2000) + np.sqrt(0.19) * rng.standard_normal(2000)
        row = rows_of(dmtest.check(z @ turn, kept))["worst-direction"]
        assert row.passed is False
        assert "held-out rows" in row.message
        largest = int(np.abs(turn[0]).argmax())
        assert f"x{largest}" in row.where


def test_better_and_permuted_columns_are_no_worse() -> None:
    """A check is one-sided, and an encoder whose columns are in another order is as good."""
    rng = np.random.default_rng(4)
    scale, shift = np.array([1.0, 1.3, 1.0, 1.0]), np.array([0.3, 0.0, 0.0, 0.0])

    def draw() -> Matrix:
        return rng.standard_normal((1500, 4)) * scale + shift

    kept = dmtest.write_baseline(draw())
    assert dmtest.check(rng.standard_normal((1500, 4)), kept).passed
    permuted = rows_of(dmtest.check(draw()[:, [2, 3, 0, 1]], kept))
    assert {name for name, row in permuted.items() if row.passed is False} == set()
    assert dmtest.check(draw()[:, ::-1], kept, compare=True).failures[0].name == "comparison"


def test_a_worse_verdict_that_passes_is_a_warning() -> None:
    """As good as it was by a comparison of the samples, but a mismatch now: that is said."""
    rng = np.random.default_rng(5)

    def draw() -> Matrix:
        return 1.06 * rng.standard_normal((300, 3))

    kept = dmtest.write_baseline(draw())
    while kept.report.verdict != "compatible":
        kept = dmtest.write_baseline(draw())
    result = dmtest.check(draw(), kept)
    while result.report.verdict == "compatible" or not result.passed:
        result = dmtest.check(draw(), kept)
    (warning,) = (one for one in result.warnings if one.code == "worse-verdict")
    assert "changed from compatible to mismatch" in warning.message
    assert any("worse" in line or "changed" in line for line in result.annotations())


def test_the_level_is_kept_and_used() -> None:
    """The joint p-values of equal samples, without a verdict; 400 whole checks in benchmarks."""
    from dmtest.checks.rows import gather, shares
    from dmtest.data.sample import as_sample

    rng = np.random.default_rng(6)
    share, smallest = shares(False), []
    for seed in range(60):
        x, y = (rng.standard_t(6, (60, 2)) for _ in range(2))
        options: dict[str, Any] = {"alpha": 0.5, "share": share, "seed": seed}
        found = gather(as_sample(x), Normal(), y, **options)
        smallest.append(min(found.family.adjusted.values()))
    rate = np.mean(np.array(smallest) <= 0.35)
    assert abs(rate - 0.35) < 3.0 * np.sqrt(0.35 * 0.65 / 60)


# --- columns --------------------------------------------------------------------------------

DAMAGE = {
    "dead": (lambda z: np.c_[z[:, :3], np.zeros(len(z))], "Column x3 is constant (0)"),
    "constant": (lambda z: np.c_[np.full(len(z), 2.5), z[:, 1:]], "Column x0 is constant (2.50)"),
    "copied": (lambda z: np.c_[z[:, :3], z[:, 1]], "Column x3 equals column x1 in every row"),
    "all": (lambda z: np.full_like(z, 0.5), "Column x0 is constant (0.500)"),
    "one alive": (lambda z: np.c_[z[:, :1], np.full((len(z), 3), 0.5)], "Column x1 is constant"),
}
TARGETS = {
    "normal": ("normal", lambda z: z),
    "any-normal": ("any-normal", lambda z: 3.0 + 2.0 * z),
    "uniform": ("uniform", lambda z: 1.0 / (1.0 + np.exp(-z))),
    "margins": (Normal(np.zeros(4), np.ones(4)), lambda z: z),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("target", TARGETS)
def test_a_lost_column_fails_with_its_name(target: str, damage: str) -> None:
    """Whatever the target: a failure, and never a refusal."""
    law, scale = TARGETS[target]
    change, said = DAMAGE[damage]
    rng = np.random.default_rng(7)
    kept = dmtest.write_baseline(scale(rng.standard_normal((300, 4))), target=law)
    options: dict[str, Any] = {"target": law} if target == "margins" else {}
    result = dmtest.check(change(scale(rng.standard_normal((300, 4)))), kept, **options)
    row = rows_of(result)["columns"]
    assert not result.passed
    assert row.passed is False
    assert said.split(" (")[0] in row.message
    assert row.where.split(", ")[0] == said.split()[1]
    assert str(result).startswith("Check failed")
    assert {row.name for row in result.rows} >= {"columns", "kl-mean"} - (
        {"kl-mean"} if target == "any-normal" else set()
    )


def test_lost_columns_without_a_baseline_and_names() -> None:
    """With limits alone a dead column fails too; a table's name is used."""
    import pandas as pd

    x = np.random.default_rng(8).standard_normal((200, 3))
    x[:, 1] = 4.0
    result = dmtest.check(pd.DataFrame(x, columns=["a", "b", "c"]), max_kl=9.0)
    assert [row.name for row in result.failures] == ["columns", "max-kl"]
    assert result.failures[0].message == "Column b is constant (4.00)."
    assert "not estimable" in result.failures[1].message
    limits: dict[str, Any] = {"max_kl": 9.0, "max_margin": 9.0, "min_detectable_n": 50}
    everything = dmtest.check(np.full((200, 3), 0.5), **limits)
    assert {"columns", "max-kl", "min-detectable-n"} <= {row.name for row in everything.failures}
    assert everything.report.verdict == "mismatch"


def test_what_the_baseline_had_is_no_loss() -> None:
    """A column that was constant before, and copies that were copies before."""
    x = np.random.default_rng(9).standard_normal((20, 4)).astype(np.float32)
    x[:, 1] = 0.0
    x[:, 3] = x[:, 0]
    assert lost_columns(x, x + np.float32(1.0), None) == []
    (one,) = lost_columns(x, np.c_[x[:, :3], x[:, 2] ** 2], None)
    assert one.sentence == "Column x3 equals column x0 in every row; in the baseline it does not."


# --- gates and limits -----------------------------------------------------------------------


def test_a_mismatch_can_fail_whatever_the_baseline() -> None:
    """For teams that require the target itself; with and without a baseline."""
    rng = np.random.default_rng(10)
    bad = 1.5 * rng.standard_normal((400, 3))
    kept = dmtest.write_baseline(1.5 * rng.standard_normal((400, 3)))
    assert dmtest.check(bad, kept).passed
    result = dmtest.check(bad, kept, fail_on="mismatch")
    assert [row.name for row in result.failures] == ["mismatch"]
    assert "Variances differ from 1" in result.failures[0].message
    alone = dmtest.check(bad, fail_on="mismatch")
    assert [(row.name, row.passed) for row in alone.rows] == [("mismatch", False)]
    assert dmtest.check(rng.standard_normal((400, 3)), fail_on="mismatch").passed
    refused(
        "fail_on: must be 'worse' or 'mismatch'; got 'never'", dmtest.check, bad, fail_on="never"
    )


def test_limits_on_moments() -> None:
    """The largest mean and correlation, named; and where there are none."""
    rng = np.random.default_rng(11)
    z = rng.standard_normal((500, 3)) + np.array([0.0, -0.4, 0.0])
    z[:, 2] = 0.6 * z[:, 0] + 0.8 * z[:, 2]
    result = rows_of(dmtest.check(z, max_mean=0.2, max_correlation=0.3))
    assert (result["max-mean"].where, result["max-mean"].passed) == ("x1", False)
    assert result["max-mean"].value == pytest.approx(abs(z[:, 1].mean()))
    assert (result["max-correlation"].where, result["max-correlation"].passed) == (
        "x0 and x2",
        False,
    )
    expected = abs(np.corrcoef(z.T)[0, 2])
    assert result["max-correlation"].value == pytest.approx(expected)
    assert dmtest.check(z, max_mean=0.8, max_correlation=0.9, max_margin=9.0).passed
    (row,) = dmtest.check(z, max_margin=1e-4).rows
    assert row.passed is False
    assert row.unit == "nats"
    refused("no mean of its own", dmtest.check, z, target="any-normal", max_mean=1.0)
    refused("one column", dmtest.check, z[:, :1], max_correlation=1.0)


def test_other_targets_are_compared_on_normal_scale() -> None:
    """Uniform margins, a sphere, any normal, one column: good passes, worse is named."""
    from scipy import stats

    rng = np.random.default_rng(12)
    law = Product(stats.gamma(3.0))
    kept = dmtest.write_baseline(rng.gamma(3.0, size=(800, 2)), target=law)
    assert dmtest.check(rng.gamma(3.0, size=(800, 2)), kept, target=law).passed
    worse = dmtest.check(rng.gamma(3.0, size=(800, 2)) * [1.0, 1.15], kept, target=law)
    assert rows_of(worse)["mean"].where == "x1"
    kept = dmtest.write_baseline(5.0 + rng.standard_normal((800, 2)), target="any-normal")
    assert {"mean", "variance", "correlation"}.isdisjoint(
        rows_of(dmtest.check(rng.standard_normal((800, 2)), kept))
    )
    skewed = np.c_[rng.standard_normal(800), rng.exponential(size=800)]
    assert rows_of(dmtest.check(skewed, kept))["shape"].where == "x1"
    one = dmtest.write_baseline(rng.standard_normal((500, 1)))
    assert dmtest.check(rng.standard_normal((500, 1)), one).passed
    assert rows_of(dmtest.check(rng.standard_normal((500, 1)) + 0.4, one))["mean"].passed is False
