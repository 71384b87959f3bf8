"""What users call: arguments, defaults, records, and how every refusal names argument and cure."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import dmtest
from dmtest.catalogue.registry import ROWS, TESTS, default_battery, find
from dmtest.catalogue.spec import SliceTest
from dmtest.errors import InputError
from dmtest.results.outcome import Outcome
from dmtest.results.report import Report
from tests.support.calls import refused

X = np.random.default_rng(11).standard_normal((60, 3))
ALL = tuple(TESTS)
SMALL: dict[str, Any] = {"replicates": 99, "rng": 0, "slices": 4}


def report(data: Any = X, *args: Any, **options: Any) -> Report:
    """Make a small report."""
    return dmtest.report(data, *args, **(SMALL | options))


def run(data: Any = X, test: Any = "watson", *args: Any, **options: Any) -> Outcome:
    """Run one small test."""
    return dmtest.run_test(data, test, *args, **(SMALL | options))


def run_many(data: Any = X, tests: Any = "watson", *args: Any, **options: Any) -> list[Outcome]:
    """Run several small tests."""
    return dmtest.run_tests(data, tests, *args, **(SMALL | options))


def content(made: Report) -> dict[str, Any]:
    """Return a report's content less the time it took."""
    found = made.to_dict()
    del found["computed"]["seconds"], found["computed"]["created"]
    return found


# Refusals


SHARED: list[tuple[dict[str, Any], str]] = [
    ({"slices": 0}, "slices: got 0; give a whole number of at least 1"),
    ({"slices": 2.0}, "slices: got 2.0; give a whole number"),
    ({"slices": "4"}, "slices: got '4'; give a whole number"),
    ({"slices": True}, "slices: got True; give a whole number"),
    ({"replicates": 18}, "replicates: got 18; give a whole number of at least 19"),
    ({"replicates": 99.0}, "replicates: got 99.0; give a whole number"),
    ({"replicates": None}, "replicates: got None; give a whole number"),
    ({"rng": -3}, "rng: a seed must be >= 0; got -3"),
    ({"rng": 0.5}, "rng: got float; pass None, an int seed or a numpy.random.Generator"),
    ({"directions": np.eye(3)}, "slices: give either slices or directions, not both"),
    ({"directions": np.eye(2), "slices": None}, "pass an array of shape (k, 3)"),
    ({"directions": np.ones((2, 3)), "slices": None}, "row 0 has norm 1.73205; divide every row"),
    ({"directions": np.zeros((0, 3)), "slices": None}, "directions: got shape (0, 3)"),
    ({"directions": np.zeros((1, 1, 3)), "slices": None}, "one unit vector a row"),
    ({"directions": np.full((1, 3), np.nan), "slices": None}, "row 0 has norm nan"),
    ({"directions": [[1.0], [1.0, 2.0]], "slices": None}, "pass one of shape (k, 3)"),
    ({"directions": "x", "slices": None}, "directions: no array of numbers"),
    ({"target": "gauss"}, "target: got 'gauss'; known are 'normal', 'any-normal', 'uniform'"),
    ({"target": 3}, "target: got int; pass a name such as 'normal'"),
    ({"target": dmtest.Normal}, "target: got the class Normal; pass Normal(...)"),
    ({"target": dmtest.Normal([1.0])}, "pass a mean of shape (3,)"),
    ({"nonfinite": "ignore"}, "nonfinite: must be 'error' or 'drop'; got 'ignore'"),
    ({"columns": [7]}, "columns: there is no 7; pass 0-based positions < 3"),
    ({"columns": "a"}, "columns: got the name 'a', but the data has no column names"),
    ({"key": "a"}, "key: only files and tables have keys; leave out key='a'"),
]
DATA: list[tuple[Any, str]] = [
    (X[:7], "pass at least 8 rows"),
    (X[None], "pass x.reshape(len(x), -1)"),
    (X * 1j, "pass both parts side by side"),
    ("nowhere.npy", "there is no such file; check the path"),
    (None, "pass an array of shape (n, d), a data frame or a path"),
    (np.where(X > 2.0, np.nan, X), "pass nonfinite='drop'"),
]


@pytest.mark.parametrize("function", [report, run, run_many])
@pytest.mark.parametrize(("options", "words"), SHARED)
def test_arguments_are_refused_with_the_cure(
    function: Any, options: dict[str, Any], words: str
) -> None:
    refused(re.escape(words), function, X, **options)


@pytest.mark.parametrize("function", [report, run, run_many, dmtest.mean_pvalue])
@pytest.mark.parametrize(("data", "words"), DATA)
def test_data_are_refused_with_the_cure(function: Any, data: Any, words: str) -> None:
    refused(re.escape(words), function, data)


@pytest.mark.parametrize(
    ("alpha", "words"),
    [
        (0.0, "alpha: got 0.0; choose a number between 0 and 1, such as 0.05"),
        (1.0, "alpha: got 1.0; choose"),
        (-0.1, "alpha: got -0.1; choose"),
        (5, "alpha: got 5; choose"),
        (np.nan, "alpha: got nan; choose"),
        ("0.05", "alpha: got '0.05'; choose"),
        (None, "alpha: got None; choose"),
        (0.001, "99 cannot give a p-value as small as alpha = 0.001; take at least 999"),
        (0.003, "take at least 333"),
    ],
)
def test_levels_are_refused_with_the_cure(alpha: Any, words: str) -> None:
    refused(re.escape(words), report, alpha=alpha)


def test_the_replicates_that_are_asked_for_are_enough() -> None:
    assert report(alpha=0.003, replicates=333, tests=["watson"]).alpha == 0.003
    assert report(alpha=np.float32(0.05)).alpha == pytest.approx(0.05)
    assert type(report(alpha=np.float32(0.05)).alpha) is float


NAMES: list[tuple[Any, str]] = [
    ("normaltest", "tests: got 'normaltest'; known are dagostino-pearson, "),
    (["watson", "nope"], "tests: got 'nope'; known are"),
    ([], "tests: got no name; give at least one"),
    (["watson", "watson"], "tests: 'watson' is given 2 times; give it once"),
    ([5], "tests: got 5; known are"),
    ([["watson"]], "tests: got ['watson']; known are"),
    (5, "tests: got int; give names, 'all', or None for the default"),
]


@pytest.mark.parametrize(("tests", "words"), NAMES)
def test_tests_are_refused_with_the_cure(tests: Any, words: str) -> None:
    for function in (run_many, lambda x, tests: report(x, tests=tests)):
        refused(re.escape(words), function, X, tests)


def test_one_test_is_one_name() -> None:
    for wrong in ("all", "watson,kuiper", ["watson"], None):
        refused(r"tests: got .* known are", run, test=wrong)


@pytest.mark.parametrize(
    ("test", "params", "words"),
    [
        ("watson", {"window": 5}, "params: watson has no 'window'; its parameters: none"),
        ("vasicek", {"beta": 5}, "params: vasicek has no 'beta'; its parameters: window"),
        ("vasicek", {"window": "5"}, "params: window of vasicek must be a number; got '5'"),
        ("vasicek", {"window": True}, "params: window of vasicek must be a number; got True"),
        ("vasicek", {"window": -1}, "params: window of vasicek must be positive"),
        ("vasicek", {"window": 0}, "params: window of vasicek must be positive"),
        ("vasicek", {"window": 2.5}, "vasicek takes a whole number, 1 <= window < n/2"),
        ("vasicek", {"window": 30}, "window: got 30 with n = 60"),
        ("henze-zirkler", {"beta": np.nan}, "params: beta of henze-zirkler must be positive"),
        ("henze-zirkler", {"beta": np.inf}, "must be positive and finite; got inf"),
        ("henze-zirkler", {"beta": [1.0]}, "params: beta of henze-zirkler must be a number"),
        ("vasicek", 5, "got 5; pass a dict of parameters, such as {'window': 5}"),
    ],
)
def test_params_are_refused_with_the_cure(test: str, params: Any, words: str) -> None:
    refused(re.escape(words), run, test=test, params=params)


def test_params_are_by_test_name() -> None:
    with pytest.raises(InputError, match=r"params: 'watson' is not among the tests vasicek"):
        run_many(tests=["vasicek"], params={"watson": {}})
    refused(r"params: got 3; pass a dict", run_many, tests=["vasicek"], params=3)


def test_targets_that_a_test_is_not_for_are_refused() -> None:
    refused(r"target: got 'torus'.*tests are listed for any-normal", dmtest.list_tests, "torus")
    with pytest.raises(InputError, match=r"any-normal.*n = 10, d = 12; add rows"):
        run(np.random.default_rng(0).standard_normal((10, 12)))
    with pytest.raises(InputError, match=r"henze-zirkler fits a covariance.*add rows or leave"):
        run(np.random.default_rng(0).standard_normal((10, 12)), "henze-zirkler", "normal")


# Tests and their records


def test_tests_are_listed_by_target() -> None:
    assert dmtest.list_tests() == list(ROWS)
    for target in ("normal", "any-normal", "uniform", "product"):
        rows = dmtest.list_tests(target)
        assert rows
        assert all(target in row.targets for row in rows)
        assert [row.name for row in rows] == [row.name for row in ROWS if target in row.targets]
    for row in dmtest.list_tests():
        kept = json.loads(json.dumps(row.to_dict()))
        assert kept["reference"]
        assert kept["family"] in {"slices", "pairs", "sums", "search"}
        assert kept["cost"]


@pytest.mark.parametrize("calibration", ["auto", "monte-carlo", "asymptotic"])
@pytest.mark.parametrize("target", ["normal", "any-normal"])
@pytest.mark.parametrize("test", ALL)
def test_every_outcome_is_filled(test: str, target: str, calibration: Any) -> None:
    spec = find(test, target)
    if spec is None:
        refused("does not test target", run, X, test, target, calibration=calibration)
        return
    known, exact = spec.published is not None, not isinstance(spec, SliceTest) and spec.exact
    if isinstance(spec, SliceTest):
        known = ("known" if target == "normal" else "fitted") in spec.published
    if calibration == "asymptotic" and not known:
        refused("use calibration='monte-carlo'", run, X, test, target, calibration=calibration)
        return
    made = run(X, test, target, calibration=calibration)
    assert (made.test, made.target, made.n, made.d) == (test, target, 60, 3)
    assert made.family == spec.family
    assert 0.0 <= made.pvalue <= 1.0
    assert np.isfinite(made.statistic)
    assert type(made.pvalue) is type(made.statistic) is float
    assert (made.seed, made.params) == (0, dict(spec.params))
    if calibration == "asymptotic" or (exact and calibration == "auto"):
        assert made.method.startswith("exact" if exact else "asymptotic")
        assert made.replicates is None
        assert made.pvalue_error is None
    else:
        shipped = calibration == "auto" and test in default_battery(target)
        shipped &= spec.family != "slices"  # which here are of 4 directions, not of 64
        method = "replicates at each of" if shipped else "monte carlo, 99 replicates"
        assert method in made.method
        assert made.method.endswith("(shipped)") == shipped
        assert made.replicates is not None
        assert (made.replicates == 99) != shipped
        assert made.pvalue_error is not None
        assert made.pvalue_floor is not None
        assert made.pvalue_floor <= made.pvalue
    if spec.family == "slices":
        assert (made.slices, made.reduction) == (4, "mean")
        assert made.worst_slice in range(4)
        assert made.worst_statistic is not None
        sign = 1.0 if spec.tail == "upper" else -1.0
        assert sign * made.worst_statistic >= sign * made.statistic
        assert 0.0 <= (made.worst_pvalue or -1.0) <= 1.0
    else:
        assert made.slices is made.worst_slice is made.worst_pvalue is made.reduction is None
    again = Outcome(**json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert made.rejects(made.pvalue)
    assert not made.rejects(made.pvalue - 1e-9)


def test_the_tests_own_target_is_the_default() -> None:
    assert run().target == "any-normal"
    assert [o.target for o in run_many(tests=["watson", "kuiper"])] == ["any-normal"] * 2
    assert report().target == "normal"
    assert dmtest.mean_pvalue(X, subsample=20, draws=10).target == "normal"


def test_names_may_come_in_any_form() -> None:
    wanted = run_many(tests=["kuiper", "watson"])
    assert run_many(tests=("kuiper", "watson")) == wanted
    assert run_many(tests="kuiper, watson") == wanted
    assert run_many(tests=(name for name in ["kuiper", "watson"])) == wanted
    assert run_many(tests=np.array(["kuiper", "watson"])) == wanted
    every = [row.name for row in dmtest.list_tests("any-normal") if row.most is None]
    assert [one.test for one in run_many(tests="all", target="any-normal")] == every
    assert [one.test for one in run_many(tests=None)] == list(default_battery("any-normal"))
    assert run_many(tests="kuiper") == wanted[:1]
    generated = report(tests=(name for name in ["kuiper", "watson"]))
    assert content(generated) == content(report(tests="kuiper,watson"))


def test_the_order_asked_for_is_kept() -> None:
    names = ["vasicek", "henze-zirkler", "kuiper", "dagostino-pearson"]
    assert [one.test for one in run_many(tests=names)] == names
    assert [one.test for one in report(X, "any-normal", tests=names).outcomes] == names


def test_one_test_is_the_same_alone_and_among_others() -> None:
    for target in ("normal", "any-normal"):
        together = run_many(X, "all", target)
        for one in together:
            assert run(X, one.test, target) == one


def test_the_default_battery() -> None:
    assert [one.test for one in report().outcomes] == [*default_battery("normal"), "axes"]
    fitted = [one.test for one in report(X, "any-normal").outcomes]
    assert fitted == [*default_battery("any-normal"), "axes"]
    wide = np.random.default_rng(0).standard_normal((30, 20))
    few = [one.test for one in report(wide).outcomes]
    # Two rows a column are the fewest for what looks at whitened rows.
    assert few == [*default_battery("normal")[:4], *default_battery("normal")[-3:], "axes"]
    many = np.random.default_rng(0).standard_normal((400, 3))
    assert report(many).outcomes[-1].test == "worst-direction"
    assert report(many, tests="kuiper").outcomes[-1].test == "kuiper"
    assert report().computed["slices"] == 4
    assert report(slices=None).computed["slices"] == 64
    assert report(X[:, 0], slices=None).computed["slices"] == 1


def test_params_reach_the_statistic_and_the_record() -> None:
    default = run(test="vasicek")
    assert default.params == {"window": None}
    same = run(test="vasicek", params={"window": 8})  # floor(sqrt(60) + 1/2)
    other = run(test="vasicek", params={"window": 3})
    assert (same.statistic, same.pvalue) == (default.statistic, default.pvalue)
    assert other.statistic != default.statistic
    assert other.params == {"window": 3}
    assert run(test="vasicek", params={"window": np.int64(3)}) == other
    assert run(test="vasicek", params={"window": None}) == default
    both = run_many(tests=["vasicek", "henze-zirkler"], params={"henze-zirkler": {"beta": 2}})
    assert (both[0], both[1].params) == (default, {"beta": 2})
    assert both[1].statistic != run(test="henze-zirkler").statistic


# Seeds


@pytest.mark.parametrize("rng", [None, 5, np.int32(5), np.random.default_rng(1), 2**70])
def test_the_seed_of_a_record_repeats_it(rng: Any) -> None:
    first = run(rng=rng)
    assert run(rng=first.seed) == first
    made = report(rng=rng)
    assert content(report(rng=made.seed)) == content(made)
    assert {outcome.seed for outcome in made.outcomes} == {made.seed}
    assert Report.from_json(made.to_json()).seed == made.seed


def test_other_seeds_are_other_runs() -> None:
    assert run(rng=1, slices=9).statistic != run(rng=2, slices=9).statistic  # other directions
    assert run(rng=1, slices=None).statistic == run(rng=2, slices=None).statistic  # the fixed ones
    assert run(rng=None).seed != run(rng=None).seed
    assert run(X[:, 0], rng=1).statistic == run(X[:, 0], rng=2).statistic  # there is one direction
    assert run(X[:, 0], rng=1).pvalue != run(X[:, 0], rng=2).pvalue


# Data


def test_paths_frames_and_lists_are_the_same_data(tmp_path: Path) -> None:
    wanted = run()
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", first=X[:20], second=X)
    pd.DataFrame(X, columns=["a", "b", "c"]).to_parquet(tmp_path / "x.parquet")
    wide = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=0.0)
    assert run(tmp_path / "x.npy") == wanted
    assert run(str(tmp_path / "x.npy")) == wanted
    assert run(tmp_path / "x.npz", key="second") == wanted
    assert run(tmp_path / "x.parquet", columns=["a", "b", "c"]) == wanted
    assert run(X.tolist()) == wanted
    for columns_first in (run(wide, columns=["a", "b", "c"]), run(np.asfortranarray(X))):
        # products of another layout round differently
        assert columns_first.statistic == pytest.approx(wanted.statistic, rel=1e-12)
        assert columns_first.pvalue == wanted.pvalue
    assert report(tmp_path / "x.npy").computed["source"] == str(tmp_path / "x.npy")
    gaps = np.vstack([X, np.full((2, 3), np.nan)])
    assert run(gaps, nonfinite="drop") == wanted
    assert report(gaps, nonfinite="drop").warnings[0].code == "nonfinite-rows"


def test_data_are_never_altered() -> None:
    for target in ("normal", "any-normal"):
        x = X.copy()
        report(x, target)
        run_many(x, "all", target)
        assert_array_equal(x, X)
        assert x.flags.writeable
        x.flags.writeable = False
        assert content(report(x, target)) == content(report(X, target))


def test_one_dimension_is_one_column() -> None:
    y = X[:, 0]
    for target in ("normal", "any-normal"):
        assert content(report(y, target)) == content(report(y[:, None], target))
        made = report(y, target)
        assert made.d == 1
        assert json.loads(made.to_json())
    outcome = run(y, slices=None)
    assert (outcome.d, outcome.slices, outcome.statistic) == (1, 1, outcome.worst_statistic)
    assert outcome.pvalue == outcome.worst_pvalue
    assert run(y, directions=[[1.0]], slices=None) == outcome
    flipped = run(y, directions=[-1.0], slices=None)
    assert flipped.statistic == pytest.approx(outcome.statistic, rel=1e-9)


def test_given_directions_are_used() -> None:
    along = run(X, directions=[[1.0, 0.0, 0.0]], slices=None, target="normal")
    alone = run(X[:, 0], slices=None, target="normal")
    assert (along.statistic, along.slices) == (pytest.approx(alone.statistic, rel=1e-12), 1)
    assert along.pvalue == alone.pvalue
    bad = X.copy()
    bad[:, 2] = np.sign(bad[:, 2])
    found = run(bad, directions=np.eye(3), slices=None, target="normal")
    assert (found.worst_slice, found.worst_pvalue) == (2, 0.01)


def test_column_names_show_in_the_diagnosis() -> None:
    x = np.random.default_rng(0).standard_normal((500, 3))
    x[:, 1] += 2.0
    frame = pd.DataFrame(x, columns=["width", "height", "depth"])
    made = report(frame)
    assert made.verdict == "mismatch"
    sentences = " ".join(found.message for found in made.diagnosis)
    assert "'height' at +2" in sentences
    assert made.pictures["coordinates"][0]["name"] == "height"
    assert "x1 at +2" in " ".join(found.message for found in report(x).diagnosis)
    assert len({found.code for found in made.diagnosis}) == len(made.diagnosis)


# Verdicts


def test_verdicts_follow_the_global_pvalue() -> None:
    made = report(X * 1.25)
    assert 0.012 <= made.pvalue <= 0.5
    for alpha in (0.011, made.pvalue - 1e-6, made.pvalue, made.pvalue + 1e-6, 0.6):
        verdict = report(X * 1.25, alpha=float(alpha)).verdict
        assert verdict == ("mismatch" if made.pvalue <= alpha else "compatible")


def test_adjusted_pvalues_are_holms() -> None:
    from statsmodels.stats.multitest import multipletests

    made = report(X * 1.3, tests="all")
    expected = multipletests([one.pvalue for one in made.outcomes], method="holm")[1]
    assert made.adjusted == pytest.approx(expected)
    assert "min-p" in made.pvalue_method


@pytest.mark.parametrize("target", ["normal", "any-normal", "uniform"])
def test_gross_mismatches_are_found_by_every_test(target: str) -> None:
    x = np.random.default_rng(0).exponential(size=(300, 3)) ** 2
    if target == "uniform":
        x = np.clip(np.random.default_rng(0).beta(0.2, 0.2, size=(300, 3)), 1e-6, 1.0 - 1e-6)
    if target == "uniform":  # symmetric, so that no test of skewness sees it
        names = [row.name for row in dmtest.list_tests(target) if row.space == "lines"]
    else:
        names = [row.name for row in dmtest.list_tests(target) if row.family != "search"]
        names.remove("henze-jimenez-gamero-meintanis")
    for outcome in run_many(x, names, target):
        if outcome.test not in ("manzotti-quiroz-1", "direction"):
            assert outcome.pvalue <= 0.02, outcome.test
    assert report(x, target).verdict == "mismatch"


@pytest.mark.parametrize("value", [1.0, 1.5])
def test_values_that_were_moved_are_warned_of(value: float) -> None:
    x = np.random.default_rng(0).random((100, 2))
    x[3, 1] = value
    with pytest.warns(dmtest.DataWarning, match="outside" if value > 1.0 else "exactly 0 or 1"):
        run_many(x, ["watson"], "uniform")
    with pytest.warns(dmtest.DataWarning):
        dmtest.mean_pvalue(x, target="uniform", subsample=50, draws=10, rng=0)


# Records and names


def test_records_are_frozen() -> None:
    outcome, made = run(), report()
    for record, field in (
        (outcome, "pvalue"),
        (made, "verdict"),
        (made.effects["sliced-wasserstein-2"], "value"),
        (dmtest.Finding("a", "b"), "code"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        TESTS["watson"].name = "x"  # type: ignore[misc]


# Progress


def test_progress_is_reported_to_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMTEST_CACHE_DIR", "off")
    steps: list[tuple[str, int, int]] = []
    run(np.repeat(X, 100, axis=0) + 1e-3, progress=lambda *step: steps.append(step))
    assert list(dict.fromkeys(step[0] for step in steps)) == ["slices", "null replicates"]
    for what, total in (("slices", 4), ("null replicates", 99)):
        done = [step[1] for step in steps if step[0] == what]
        assert (done, done[-1]) == (sorted(done), total)
    run_many(np.repeat(X, 100, axis=0), "henze-zirkler", progress=lambda *step: steps.append(step))
    tiles = [step for step in steps if step[0] == "pairs of rows"]
    assert tiles[-1][1] == tiles[-1][2]


def test_progress_is_never_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    for progress in (None, True, False):
        run(progress=progress)
        report(progress=progress)
    assert capfd.readouterr() == ("", "")  # short: not even a bar
