"""Laws given by a caller's function: a transform to the cube, or draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import stats
from scipy.special import ndtr, ndtri

import dmtest
from dmtest.battery import sampled as battery
from dmtest.data.sample import as_sample
from dmtest.render.page import reproduce
from dmtest.results.report import Report
from dmtest.targets.callables import large_draws
from tests.support.calls import refused

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 2))


def report(data: Any, target: Any, **options: Any) -> Report:
    """Make a small report."""
    return dmtest.report(data, target, **({"replicates": 99, "rng": 0, "slices": 8} | options))


def codes(found: Any) -> list[str]:
    """Return the codes of findings."""
    return [item.code for item in found]


# A transform to the cube


class Dlpack:
    """What exports an array by DLPack only."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_everything_of_the_uniform_holds() -> None:
    ours, theirs = report(X, dmtest.Rosenblatt(ndtr)), report(ndtr(X), "uniform")
    assert ours.target == "rosenblatt"
    assert (ours.pvalue, ours.adjusted) == (theirs.pvalue, theirs.adjusted)
    assert ours.figures.profile is not None
    assert ours.figures.detectability is not None
    profile = replace(ours.figures.profile, target="uniform")
    power = replace(ours.figures.detectability, target="uniform")
    assert replace(ours.figures, profile=profile, detectability=power) == theirs.figures
    assert [replace(one, target="uniform") for one in ours.outcomes] == list(theirs.outcomes)
    assert ours.effects == theirs.effects
    names = [row.name for row in dmtest.list_tests("rosenblatt")]
    assert names == [row.name for row in dmtest.list_tests("uniform")]
    assert {"centred-discrepancy", "axis-anderson-darling"} <= set(names)


def copula(u: np.ndarray) -> np.ndarray:
    """Transform a normal copula of correlation 1/2 by conditional cdfs."""
    z = ndtri(u)
    return np.column_stack([u[:, 0], ndtr((z[:, 1] - 0.5 * z[:, 0]) / np.sqrt(0.75))])


def test_a_copula_is_tested_with_its_dependence() -> None:
    rng = np.random.default_rng(1)
    z = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 2000)
    assert report(ndtr(z), dmtest.Rosenblatt(copula)).verdict == "compatible"
    found = report(ndtr(rng.standard_normal((2000, 2))), dmtest.Rosenblatt(copula))
    assert found.verdict == "mismatch"
    outcomes = dmtest.run_tests(ndtr(z), ["energy", "radius"], dmtest.Rosenblatt(copula), rng=0)
    assert [one.target for one in outcomes] == ["rosenblatt"] * 2


@pytest.mark.parametrize(
    "wrapped", [np.float32, Dlpack, np.ndarray.tolist], ids=["float32", "dlpack", "list"]
)
def test_whatever_becomes_an_array_may_be_returned(wrapped: Callable[[Any], Any]) -> None:
    target = dmtest.Rosenblatt(lambda x: wrapped(ndtr(x)))
    assert report(X, target).pvalue == pytest.approx(report(ndtr(X), "uniform").pvalue, abs=0.02)


def test_tensors_may_be_returned() -> None:
    torch = pytest.importorskip("torch")

    def transform(x: np.ndarray) -> Any:
        return torch.special.ndtr(torch.from_numpy(x).requires_grad_())

    rows = dmtest.Rosenblatt(transform).canonical(as_sample(X)).cube
    np.testing.assert_allclose(rows, ndtr(X), rtol=1e-12)


def test_a_transform_may_work_in_place_and_draw_with_a_fixed_seed() -> None:
    def randomised(x: np.ndarray) -> np.ndarray:
        x += np.random.default_rng(0).random(x.shape)
        return x / 6.0

    ranks = np.random.default_rng(5).integers(6, size=(1000, 2)).astype(float)
    before = ranks.copy()
    assert report(ranks, dmtest.Rosenblatt(randomised)).verdict == "compatible"
    assert_array_equal(ranks, before)


def raises(x: np.ndarray) -> Any:
    """Fail as a model does that was not fitted."""
    raise RuntimeError("not fitted yet\nmore")


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (raises, r"transform: raised RuntimeError \(not fitted yet\); it is called as transform"),
        (lambda x: None, r"transform: returned None; return an array of shape \(400, 2\)"),
        (lambda x: ndtr(x[:, 0]), r"transform: returned shape \(400,\); .*shape \(400, 2\)"),
        (lambda x: ndtr(x).T, r"transform: returned shape \(2, 400\)"),
        (lambda x: 0.5, r"transform: .*float"),
        (lambda x: ndtr(x).astype(str), r"transform: returned <U\d+ values; return numbers"),
        (lambda x: ndtr(x) + 1j, "transform: returned complex128 values"),
        (lambda x: np.where(x > 2.0, np.nan, ndtr(x)), r"transform: \d+ of its 400 rows are not"),
        (lambda x: x, r"transform: returned values from -[\d.]+ to [\d.]+; return conditional"),
        (lambda x: stats.rankdata(x, axis=0) / (len(x) + 1), "transform: its values of the first"),
        (lambda x: RNG.random(x.shape), "transform: .*the same way each time.*a fixed seed"),
    ],
)
def test_what_is_no_transform_is_refused(transform: Any, said: str) -> None:
    refused(said, dmtest.report, X, dmtest.Rosenblatt(transform), rng=0)


@pytest.mark.parametrize("kind", [dmtest.Rosenblatt, dmtest.Sampled])
def test_a_function_is_needed(kind: Any) -> None:
    refused(f"^{kind.__name__}: got int; pass a function", kind, 3)
    refused("got the class", dmtest.report, X, kind)
    refused("needs a function", dmtest.report, X, kind.name)


def test_saturated_values_are_counted() -> None:
    target = dmtest.Rosenblatt(lambda x: np.where(x > 2.0, 1.0, ndtr(x)))
    found = target.canonical(as_sample(X))
    assert [(item.code, item.count) for item in found.findings] == [
        ("saturated", int((X > 2.0).sum()))
    ]
    over = dmtest.Rosenblatt(lambda x: ndtr(x) * (1.0 + 1e-9)).canonical(as_sample(X * 10))
    assert np.asarray(over.cube).max() == 1.0


def test_a_report_of_a_transform_is_written_and_repeated() -> None:
    calls = []

    def transform(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        return ndtr(x)

    made = report(1.3 * X, dmtest.Rosenblatt(transform))
    assert (made.verdict, len(calls)) == ("mismatch", 4)  # once for the rows, once for the power
    assert made.figures.detectability is not None
    assert Report.from_json(made.to_json()) == made
    page = made.to_html()
    assert "the law that the given transform takes to the uniform on the unit cube" in page
    assert "    target=dmtest.Rosenblatt(...)," in reproduce.call(made)
    named = replace(made, provenance=replace(made.provenance, source="x.npy"))
    assert reproduce.command(named) == ""
    assert "Rosenblatt" in page


# Draws


def law(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw three clusters with heavy tails."""
    return 3.0 * rng.integers(3, size=(n, 1)) + rng.standard_t(3, (n, 2))


def mixed(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a count, a constant, a Cauchy and a rare column."""
    columns = rng.poisson(2.0, n), np.full(n, 7.0), rng.standard_cauchy(n), rng.random(n) < 0.002
    return np.column_stack(columns)


LAW = dmtest.Sampled(law, reference_rows=1000)
S = law(200, np.random.default_rng(1))
UP = np.array([0.0, 1.0])


def test_a_law_is_compatible_and_departures_are_not() -> None:
    assert report(S, LAW).verdict == "compatible"
    assert report(S + UP, LAW).verdict == "mismatch"
    assert report(S * [1.0, 1.6], LAW).verdict == "mismatch"
    one, other = S[np.random.default_rng(0).permutation(200), 0], S[:, 1]
    assert report(np.column_stack([one, other]), LAW).verdict == "mismatch"  # same margins


@pytest.mark.parametrize("d", [1, 2, 70])
def test_any_number_of_columns(d: int) -> None:
    target = dmtest.Sampled(lambda n, rng: rng.gamma(2.0, size=(n, d)), reference_rows=800)
    x = np.random.default_rng(2).gamma(2.0, size=(60, d))
    found = dmtest.run_tests(x, "all", target, replicates=19, rng=0, slices=5)
    assert [one.test for one in found] == [row.name for row in dmtest.list_tests("sampled")]
    assert all(one.slices in (None, {1: 1, 2: 7, 70: 5}[d]) for one in found)
    assert not any(one.rejects(0.05) for one in found[:4])


def test_a_test_of_one_column_is_of_its_scores() -> None:
    """In one dimension the scores are the normal quantiles of conformal ranks."""
    x = np.random.default_rng(3).normal(size=50)
    target = dmtest.Sampled(lambda n, rng: rng.normal(size=n))
    made = dmtest.run_test(x, "anderson-darling", target, replicates=19, rng=0)
    large = large_draws(target, as_sample(x), 50, 0).scale[:, 0]
    u = ((large < x[:, None]).sum(axis=1) + 0.5) / (len(large) + 1)
    twin = dmtest.run_test(ndtri(u), "anderson-darling", "normal", replicates=19, rng=0)
    assert made.statistic == pytest.approx(twin.statistic, rel=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [8, 40])
def test_ties_tails_and_constants_are_no_obstacle(n: int) -> None:
    target = dmtest.Sampled(mixed, reference_rows=500)
    x = mixed(n, np.random.default_rng(6))
    made = report(x, target)
    assert made.verdict == "compatible"
    assert all(np.isfinite([one.statistic, one.pvalue]).all() for one in made.outcomes)
    assert made.to_html()
    x[:, 1] = 7.5
    assert report(x, target).verdict == "mismatch"


def test_draws_have_the_precision_of_the_data() -> None:
    """A tenth in float32 is no tenth in float64: the ties of both have to be the same."""
    target = dmtest.Sampled(lambda n, rng: rng.integers(5, size=(n, 2)) / 10, reference_rows=800)
    x = (np.random.default_rng(0).integers(5, size=(300, 2)) / 10).astype(np.float32)
    assert report(x, target).verdict == "compatible"
    assert report(x.astype(np.float16), target).verdict == "compatible"


def test_bfloat16_draws_are_rounded_to_nearest() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal((100, 2))
    sample = replace(as_sample(values.astype(np.float32)), dtype="bfloat16")
    rows = dmtest.Sampled(lambda n, rng: values[:n]).fresh(100, sample, RNG)
    exact = torch.from_numpy(values).float().bfloat16().double().numpy()
    assert_array_equal(rows, exact)


def test_runs_repeat_and_tests_do_not_depend_on_each_other() -> None:
    many = dmtest.run_tests(S, "all", LAW, replicates=199, rng=5, slices=4)
    again = dmtest.run_tests(S, "all", LAW, replicates=199, rng=5, slices=4)
    assert many == again
    for one in many:
        alone = dmtest.run_test(S, one.test, LAW, replicates=199, rng=5, slices=4)
        assert alone == one


def test_the_rows_that_are_drawn_are_counted() -> None:
    rows = []

    def counted(n: int, rng: np.random.Generator) -> np.ndarray:
        rows.append(n)
        return law(n, rng)

    steps: list[tuple[str, int, int]] = []
    made = report(
        S + UP,
        dmtest.Sampled(counted),
        replicates=199,
        progress=lambda *step: steps.append(step),
    )
    assert made.computed["rows_drawn"] == sum(rows)
    assert rows[:2] == [made.computed["rows_of_large_draws"]] * 2 == [2000, 2000]
    assert rows[2:] == [200] * 199
    assert ("fresh draws", 199, 199) in steps


def test_few_draws_suffice_where_nothing_departs() -> None:
    found = [report(law(60, np.random.default_rng(i)), LAW, replicates=999) for i in range(3)]
    assert min(one.provenance.replicates or 0 for one in found) == 99
    assert report(S + 1.0, LAW, replicates=199).provenance.replicates == 199


def test_many_rows_are_subsampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(battery, "ROWS", 100)
    monkeypatch.setattr(battery, "BATCH", 1000)
    made = report(S, LAW)
    assert made.n == 200
    assert all("of 100 of 200 rows drawn at random" in one.method for one in made.outcomes)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda n: law(n, RNG), r"draw: raised TypeError .*; it is called as draw\(\d+, rng\)"),
        (lambda n, rng: None, "draw: returned None"),
        (lambda n, rng: law(n, rng)[:, :1], r"draw: returned shape \(2000, 1\)"),
        (lambda n, rng: law(n - 1, rng), r"draw: returned shape \(1999, 2\)"),
        (lambda n, rng: np.full((n, 2), np.inf), "draw: 2000 of its 2000 rows are not finite"),
        (lambda n, rng: law(n, np.random.default_rng(0)), "draw: two calls .* the same rows"),
        (lambda n, rng: law(n, np.random.default_rng(0 * rng.integers(9))), "the same rows"),
        (lambda n, rng: np.zeros((n, 2)), "draw: two calls .* the same rows"),
        (lambda n, rng: 1e300 * law(n, rng), "draw: column x0 has values up to .* divide it by"),
    ],
)
def test_draws_that_cannot_be_used_are_refused(draw: Any, said: str) -> None:
    refused(said, dmtest.report, S, dmtest.Sampled(draw), rng=0, replicates=19)


def test_a_draw_that_ignores_its_generator_is_named() -> None:
    own = np.random.default_rng(0)
    target = dmtest.Sampled(lambda n, rng: law(n, own), reference_rows=500)
    assert "draw-ignores-rng" in codes(report(S, target).warnings)
    with pytest.warns(dmtest.DataWarning, match="did not use its generator"):
        dmtest.run_tests(S, "moments", target, replicates=19)
    children = dmtest.Sampled(lambda n, rng: law(n, rng.spawn(1)[0]), reference_rows=500)
    assert report(S, children).warnings == report(S, LAW).warnings


def test_draws_from_a_table_and_from_the_data_are_named() -> None:
    table = law(1000, np.random.default_rng(7))
    from_table = dmtest.Sampled(lambda n, rng: table[rng.integers(1000, size=n)])
    assert "draw-repeats" in codes(report(S, from_table).warnings)
    leaking = dmtest.Sampled(
        lambda n, rng: np.where(
            rng.random((n, 1)) < 0.02, S[rng.integers(200, size=n)], law(n, rng)
        )
    )
    assert "common-rows" in codes(report(S, leaking).warnings)
    counts = dmtest.Sampled(lambda n, rng: rng.poisson(3.0, (n, 2)))
    x = np.random.default_rng(0).poisson(3.0, (200, 2))
    assert not {"draw-repeats", "common-rows"} & set(codes(report(x, counts).warnings))


def test_buffers_may_be_used_again() -> None:
    buffer = np.empty((2000, 2))

    def draw(n: int, rng: np.random.Generator) -> np.ndarray:
        buffer[:n] = law(n, rng)
        return buffer[:n]

    ours = report(S, dmtest.Sampled(draw))
    assert ours.outcomes == report(S, dmtest.Sampled(law)).outcomes


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: report(S, LAW, tolerance=0.1), "tolerance: does not apply to target Sampled"),
        (lambda: report(S, LAW, augmented=S), "augmented: does not apply"),
        (lambda: report(S, LAW, directions=np.eye(2)), "directions: does not apply"),
        (lambda: report(S, LAW, budget=1e9), "budget: does not apply"),
        (lambda: report(S, LAW, tests="henze-zirkler"), "'henze-zirkler' does not test target"),
        (
            lambda: dmtest.run_test(S, "mmd", LAW, calibration="asymptotic"),
            "calibration: a law that is drawn from",
        ),
        (lambda: dmtest.mean_pvalue(S, target=LAW), "target: got a Sampled, which has no density"),
        (lambda: dmtest.kl_profile(S, LAW), "target: got a Sampled, which has no density"),
        (lambda: dmtest.Sampled(law, reference_rows=10), "reference_rows: got 10; .* at least 200"),
    ],
)
def test_what_does_not_apply_is_refused(call: Callable[[], Any], said: str) -> None:
    refused(said, call)


def test_a_report_of_draws_is_written() -> None:
    made = report(S + UP, LAW, replicates=199)
    assert made.target == "sampled"
    assert {"sliced-wasserstein-2", "classifier-accuracy", "mean-difference"} <= set(made.effects)
    assert {"direction", "classifier"} & set(codes(made.diagnosis))
    assert Report.from_json(made.to_json()) == made
    page, text = made.to_html(), str(made)
    for surface in (page, text):
        assert "do not follow the law that is drawn from" in " ".join(surface.split())
        assert "two samples" not in surface
    assert "A large draw from the target" in page
    assert "density of the" not in page
    assert "Besag" in page
    assert "    target=dmtest.Sampled(...)," in reproduce.call(made)
    assert len(made.to_frame()) == len(made.outcomes) == 6
    assert set(made.panels) >= {"qq", "coordinates"}
    assert made.plot() is not None
