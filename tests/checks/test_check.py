"""Checks against a baseline: their level, what they catch, what is in the file, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import dmtest
from dmtest.battery.plan import Plan
from dmtest.checks.baseline import VALUES, pack, unpack
from dmtest.checks.departures import Departure, departures_of, excess_pvalue
from dmtest.checks.rows import effect_rows, verdict_row
from dmtest.cli import main as cli
from dmtest.data.sample import as_sample
from dmtest.targets.targets import Product, Uniform, as_target
from tests.support.calls import refused

Matrix = NDArray[np.float64]


def departure(value: float | None, error: float | None = 1.0, **more: Any) -> Departure:
    """Make a departure with its error."""
    return Departure(name="x", label="X", unit="nats", value=value, error=error, **more)


def departures(x: Matrix, target: str = "normal") -> dict[str, Departure]:
    """Estimate the departures of a sample, by name."""
    canonical = as_target(target).canonical(as_sample(x))
    found = departures_of(canonical, Plan(target=target, seed=0))
    return {one.name: one for one in found}


@pytest.fixture(scope="module")
def good() -> dmtest.Baseline:
    """Describe a sample of N(0, I)."""
    return dmtest.write_baseline(np.random.default_rng(3).standard_normal((400, 3)))


@pytest.fixture
def stored(good: dmtest.Baseline, tmp_path: Path) -> Path:
    """Write that baseline to a file."""
    good.to_json(tmp_path / "good.json")
    return tmp_path / "good.json"


# --- the test of a difference ---------------------------------------------------------------


def test_the_p_value_is_the_larger_of_two() -> None:
    """Both are had from scipy: the joint one, and the one beside the baseline's upper limit."""
    now, then = departure(5.0, 1.0), departure(1.0, 1.0)
    joint = stats.norm.sf(4.0 / np.sqrt(2.0))
    kept = stats.norm.sf(4.0 - stats.norm.ppf(0.95))
    assert kept > joint
    assert excess_pvalue(now, then) == pytest.approx(kept, rel=1e-3)
    then = departure(1.0, 4.0)  # a baseline of few rows: the joint error decides
    assert excess_pvalue(now, then) == pytest.approx(
        max(stats.norm.sf(4.0 / np.sqrt(17.0)), stats.norm.sf(4.0 - 4.0 * stats.norm.ppf(0.95))),
        rel=1e-3,
    )


@pytest.mark.parametrize("skewness", [-1.2, -0.3, 0.4, 2.0])
def test_skewed_errors_have_pearson_s_tails(skewness: float) -> None:
    """Upwards and downwards, as scipy's Pearson type III has them."""
    one = departure(0.0, skewness=skewness)
    assert one.tail(1.5) == pytest.approx(stats.pearson3.sf(1.5, skewness), rel=1e-9)
    assert one.tail(1.5, below=True) == pytest.approx(stats.pearson3.cdf(-1.5, skewness), rel=1e-9)


def test_few_degrees_of_freedom_and_folded_departures() -> None:
    """Student's tail, and twice the tail where departures to both sides count."""
    assert departure(0.0, df=7).tail(2.0) == pytest.approx(stats.t.sf(2.0, 7))
    assert departure(0.0, folded=True).tail(2.0) == pytest.approx(2.0 * stats.norm.sf(2.0))


def test_what_is_not_larger_has_p_one_and_infinity_has_none() -> None:
    """Equal, smaller and infinite estimates."""
    assert excess_pvalue(departure(1.0), departure(1.0)) == 1.0
    assert excess_pvalue(departure(0.0), departure(1.0)) == 1.0
    assert excess_pvalue(departure(np.inf, 0.0), departure(1.0)) == 0.0
    assert excess_pvalue(departure(np.inf, 0.0), departure(np.inf, 0.0)) == 1.0


@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_errors_are_those_of_repeated_samples(scale: float) -> None:
    """Over 60 samples of a normal, the spread of every departure is near the error it claims."""
    rng = np.random.default_rng(4)
    drawn = [
        departures(0.2 * (scale - 1.0) + scale * rng.standard_normal((300, 3))) for _ in range(60)
    ]
    for name in drawn[0]:
        values = np.array([one[name].value for one in drawn], dtype=np.float64)
        claimed = float(np.mean([one[name].error for one in drawn]))
        # Too large is allowed where an estimator's own error is joined with the bootstrap's.
        assert values.std(ddof=1) < 1.35 * claimed, name
        if scale == 1.0 and not drawn[0][name].folded:
            assert abs(values.mean()) < 5.0 * claimed / np.sqrt(60) + 0.25 * claimed, name


def test_departures_of_fewer_dimensions_are_infinite() -> None:
    """A column that died: its share of the divergence has no bound."""
    x = np.random.default_rng(0).standard_normal((200, 3))
    x[:, 2] = x[:, 1]
    found = departures(x)
    assert found["kl-correlation"].value == np.inf
    assert found["kl-mean"].value is None
    rows = {
        r.name: r
        for r in effect_rows(list(found.values()), list(departures(x[::-1] + 0).values()), 0.05)
    }
    assert rows["kl-correlation"].passed is True
    whole = departures(np.random.default_rng(1).standard_normal((200, 3)))
    rows = {r.name: r for r in effect_rows(list(found.values()), list(whole.values()), 0.05)}
    assert rows["kl-correlation"].passed is False
    assert "infinite" in rows["kl-correlation"].message
    assert rows["kl-mean"].passed is None


# --- the check ------------------------------------------------------------------------------


def draw_good(rng: np.random.Generator) -> Matrix:
    """Draw from the target."""
    return rng.standard_normal((300, 3))


def draw_borderline(rng: np.random.Generator) -> Matrix:
    """Draw what the verdict finds out in about half of the samples."""
    return 1.06 * rng.standard_normal((300, 3))


def draw_heavy(rng: np.random.Generator) -> Matrix:
    """Draw what is far from the target, with errors that few rows dominate."""
    return rng.standard_t(5, (300, 3))


@pytest.mark.parametrize("draw", [draw_good, draw_borderline, draw_heavy])
def test_the_same_encoder_fails_at_most_at_alpha(
    draw: Callable[[np.random.Generator], Matrix],
) -> None:
    """The level holds on average over baselines; 400 of each in benchmarks/decisions."""
    rng = np.random.default_rng(6)
    failed = flips = 0
    for _ in range(10):
        kept = dmtest.write_baseline(draw(rng))
        while draw is draw_borderline and kept.report.verdict != "compatible":
            kept = dmtest.write_baseline(draw(rng))
        results = [dmtest.check(draw(rng), kept) for _ in range(3)]
        failed += sum(not one.passed for one in results)
        flips += sum(one.report.verdict != kept.report.verdict for one in results)
    assert failed <= 30 * 0.05 + 3.0 * np.sqrt(30 * 0.05 * 0.95)
    if draw is draw_borderline:
        assert flips >= 8  # the verdict alone would fail all the time


def encoder(images: Matrix, few: int | None) -> Callable[[np.random.Generator], Matrix]:
    """Make an encoder: whitened principal components, learnt from all digits or from few.

    Its inputs are images at random, with pixels that are off by a random half.
    """
    learnt = images if few is None else images[:few]
    centre = learnt.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((learnt - centre).T))
    axes = vectors[:, -6:] / np.sqrt(values[-6:] + 0.25)

    def draw(rng: np.random.Generator) -> Matrix:
        chosen = images[rng.integers(len(images), size=800)]
        return (chosen + 0.5 * rng.standard_normal(chosen.shape) - centre) @ axes

    return draw


def test_a_real_regression_is_caught() -> None:
    """Digits, whitened by what 60 of the 1,797 images teach: worse in scale and correlation."""
    from sklearn.datasets import load_digits

    images = np.asarray(load_digits().data, dtype=np.float64)
    order = np.random.default_rng(0).permutation(len(images))
    trained, hardly = encoder(images[order], None), encoder(images[order], 60)
    rng = np.random.default_rng(1)
    kept = dmtest.write_baseline(trained(rng))
    assert all(dmtest.check(trained(rng), kept).passed for _ in range(3))
    caught = [dmtest.check(hardly(rng), kept) for _ in range(3)]
    assert not any(one.passed for one in caught)
    assert all({"kl-correlation"} <= {row.name for row in one.failures} for one in caught)


def test_better_is_fine_and_other_is_a_question_of_compare(good: dmtest.Baseline) -> None:
    """A check is one-sided; the comparison of the samples, where it is asked for, is not."""
    rng = np.random.default_rng(2)
    worse = dmtest.write_baseline(1.5 * rng.standard_normal((400, 3)))
    fresh = rng.standard_normal((400, 3))
    assert dmtest.check(fresh, worse).passed
    assert {one.code for one in dmtest.check(fresh, worse).warnings} == {"baseline-mismatch"}
    asked = dmtest.check(fresh, worse, compare=True)
    assert [row.name for row in asked.failures] == ["comparison"]
    assert dmtest.check(fresh, good, compare=True).passed


def test_a_rotated_encoder_is_the_same_up_to_a_rotation() -> None:
    """Turned embeddings of unequal variances are other numbers, and no other encoder."""
    rng = np.random.default_rng(3)
    scales = np.array([1.0, 0.6, 1.4])
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    kept = dmtest.write_baseline(rng.standard_normal((500, 3)) * scales)
    turned = (rng.standard_normal((500, 3)) * scales) @ turn
    rows = {row.name: row for row in dmtest.check(turned, kept, compare=True).rows}
    assert rows["comparison"].passed is False
    rows = {row.name: row for row in dmtest.check(turned, kept, rotation=True).rows}
    assert rows["comparison"].passed is True
    assert "up to a rotation" in rows["comparison"].message


def test_a_worse_verdict_counts_only_where_the_samples_differ(good: dmtest.Baseline) -> None:
    """The rule of the verdict, from its parts."""
    bad = dmtest.report(1.5 * np.random.default_rng(0).standard_normal((400, 3)), rng=0)
    chance = verdict_row(bad, good.report, (0.4, "energy"), 0.05)
    assert chance.passed is True
    assert "may be chance" in chance.message
    real = verdict_row(bad, good.report, (0.01, "energy"), 0.05)
    assert real.passed is False
    assert "most in energy" in real.message
    assert "Variances differ from 1" in real.message


def test_a_check_with_the_baseline_s_own_rows_says_so(good: dmtest.Baseline) -> None:
    """Nothing can differ, so passing says nothing."""
    result = dmtest.check(np.random.default_rng(3).standard_normal((400, 3)), good)
    assert result.passed
    assert [one.code for one in result.warnings] == ["same-rows"]


def test_fewer_rows_leave_out_what_they_cannot_tell(good: dmtest.Baseline) -> None:
    """What is not compared is a row of its own with the reason, and no failure."""
    result = dmtest.check(np.random.default_rng(7).standard_normal((150, 3)), good)
    (row,) = (row for row in result.rows if row.name == "smoothed-kl")
    assert row.passed is None
    assert "it takes" in row.message
    assert result.passed


def test_results_repeat(stored: Path) -> None:
    """The same data and file give the same rows."""
    x = 1.1 * np.random.default_rng(8).standard_normal((400, 3))
    first, second = (dmtest.check(x, stored, compare=True) for _ in range(2))
    assert first.rows == second.rows


# --- limits ---------------------------------------------------------------------------------


def test_limits_without_a_baseline() -> None:
    """Each is compared with the report's estimate."""
    x = 1.2 * np.random.default_rng(0).standard_normal((600, 3))
    kl = dmtest.report(x, rng=0).effects["kl-fitted-normal"].value
    assert kl is not None
    assert dmtest.check(x, max_kl=kl + 1e-6).passed
    assert not dmtest.check(x, max_kl=kl - 1e-6)
    result = dmtest.check(x, max_wasserstein=0.01, min_rank=2.5, max_smoothed_kl=9.0)
    assert {row.name: row.passed for row in result.rows} == {
        "max-wasserstein": False,
        "min-rank": True,
        "max-smoothed-kl": True,
    }


def test_detectable_n_is_a_power() -> None:
    """A shift of half a standard deviation is noticed at 200 rows and not at 20."""
    x = np.random.default_rng(0).standard_normal((600, 2))
    assert dmtest.check(x, min_detectable_n=200).passed
    shifted = dmtest.check(x + 0.5, min_detectable_n=200)
    assert [row.name for row in shifted.failures] == ["min-detectable-n"]
    assert shifted.rows[0].value == pytest.approx(1.0, abs=0.1)
    with pytest.raises(dmtest.InputError, match=r"min_detectable_n: 400 rows need .* 800; .* 600"):
        dmtest.check(x, min_detectable_n=400)


def test_an_effect_has_one_unit_in_reports_and_checks() -> None:
    """The sliced distance is in standard deviations in both, although squares are compared."""
    x = np.random.default_rng(0).standard_normal((800, 3))
    baseline = dmtest.write_baseline(x[:400])
    result = dmtest.check(1.3 * x[400:], baseline)
    row = next(one for one in result.rows if one.name == "sliced-wasserstein-2")
    effect = dmtest.report(1.3 * x[400:], rng=0).effects["sliced-wasserstein-2"]
    assert (row.unit, row.passed) == (effect.unit, False)
    assert row.value == pytest.approx(effect.value, rel=0.02)
    assert row.difference == pytest.approx(row.value - row.baseline)
    assert "standard deviations, before" in row.message


# --- the file -------------------------------------------------------------------------------


def test_a_baseline_survives_its_file(good: dmtest.Baseline, stored: Path) -> None:
    """Everything comes back, and the text is strict JSON."""
    back = dmtest.Baseline.from_json(stored)
    assert (back.report, back.scores) == (good.report, good.scores)
    np.testing.assert_array_equal(back.sample, good.sample)
    assert back.to_json() == stored.read_text(encoding="utf-8")
    assert json.loads(back.to_json())["schema"] == 1


def test_large_samples_are_thinned_and_odd_ones_kept_in_double() -> None:
    """A million numbers are a quarter of them in the file; 1e200 has no float32."""
    x = np.random.default_rng(0).standard_normal((VALUES, 2))
    made = dmtest.write_baseline(x, tests="kolmogorov-smirnov")
    assert (made.sample.shape, made.n) == ((VALUES // 2, 2), VALUES)
    assert len(made.to_json()) < 2_000_000
    huge = np.full((3, 2), 1e100)
    np.testing.assert_array_equal(unpack(pack(huge)), huge)


def changed(path: Path, **values: Any) -> Path:
    """Set values in a JSON file; a__b is b within a."""
    data = json.loads(path.read_text(encoding="utf-8"))
    for name, value in values.items():
        place, _, last = name.rpartition("__")
        (data[place] if place else data)[last] = value
    path.write_text(json.dumps(data))
    return path


BAD = {
    "other kind": ({"kind": "x"}, "another kind of file"),
    "other schema": ({"schema": 2}, "schema 2 and this dmtest reads 1"),
    "fewer rows": ({"sample__rows": 399}, "does not have its checksum"),
    "absurd shape": ({"sample__rows": 10**12}, "shape"),
    "objects": ({"sample__dtype": "|O"}, "of type"),
    "not base64": ({"sample__data": "%%%"}, "cannot be unpacked"),
    "not zlib": ({"sample__data": "AAAA"}, "cannot be unpacked"),
    "checksum": ({"sample__sha256": "0"}, "does not have its checksum"),
    "no sample": ({"sample": None}, "incomplete"),
    "other target": ({"target__name": "uniform"}, "its target is not that of its report"),
    "scores": ({"scores": [{"name": "x"}]}, "incomplete"),
    "options": ({"options": []}, "options is list"),
    "report": ({"report": {"schema": 1}}, "not a complete dmtest report"),
}


@pytest.mark.parametrize(("values", "said"), BAD.values(), ids=list(BAD))
def test_what_was_changed_is_refused(stored: Path, values: dict[str, Any], said: str) -> None:
    """In one sentence that names the file and the cure."""
    text = refused(said, dmtest.Baseline.from_json, changed(stored, **values))
    assert text.startswith("baseline: ")
    assert "--write-baseline" in text
    assert "\n" not in text


def test_what_is_no_baseline_is_refused(good: dmtest.Baseline, tmp_path: Path) -> None:
    """Broken JSON, a report, a file that is not there, a file that is no text."""
    (tmp_path / "broken.json").write_text('{"kind": ')
    good.report.to_json(tmp_path / "report.json")
    (tmp_path / "x.bin").write_bytes(b"\xff\xfe\x00")
    said = {"broken": "not valid JSON", "report": "is a report", "none": "does not exist"}
    for name, words in said.items():
        refused(words, dmtest.Baseline.from_json, tmp_path / f"{name}.json")
    refused("cannot be read as text", dmtest.Baseline.from_json, tmp_path / "x.bin")


def test_data_that_do_not_belong_to_it_are_refused(good: dmtest.Baseline) -> None:
    """Another number of columns, columns in another order, another target."""
    import pandas as pd

    x = np.random.default_rng(0).standard_normal((200, 3))
    refused(r"d = 2 columns and the baseline .* d = 3", dmtest.check, x[:, :2], good)
    refused("for 'normal'; got Uniform", dmtest.check, x, good, target="uniform")
    named = dmtest.write_baseline(pd.DataFrame(x, columns=["a", "b", "c"]))
    with pytest.raises(dmtest.InputError, match="column 0 is 'b' and in the baseline"):
        dmtest.check(pd.DataFrame(x, columns=["b", "a", "c"]), named)
    refused("pass one", dmtest.check, x)
    refused("max_kl: got -1", dmtest.check, x, good, max_kl=-1)
    with pytest.raises(dmtest.InputError, match=r"max_kl: target 'any-normal' .* choose a limit"):
        dmtest.check(x, target="any-normal", max_kl=1.0)


@pytest.mark.parametrize("target", ["any-normal", "sphere", Uniform(-1.0, 1.0), "uniform"])
def test_targets_come_back_from_the_file(target: Any, tmp_path: Path) -> None:
    """A fresh sample of the target itself passes, one of another shape does not."""
    rng = np.random.default_rng(9)
    low = -1.0 if isinstance(target, Uniform) else 0.0

    def draw(power: float) -> Matrix:
        if target in ("any-normal", "sphere"):
            z = rng.standard_normal((400, 3))
            z = np.sign(z) * np.abs(z) ** power + [0.4 * (power - 1.0), 0.0, 0.0]
            return z / np.linalg.norm(z, axis=1)[:, None] if target == "sphere" else 5.0 + z
        return low + (1.0 - low) * rng.random((400, 3)) ** power

    dmtest.write_baseline(draw(1.0), tmp_path / "b.json", target)
    assert dmtest.check(draw(1.0), tmp_path / "b.json").passed
    worse = dmtest.check(draw(3.0), tmp_path / "b.json")
    assert not worse.passed
    assert worse.report.target == as_target(target).name


def test_targets_that_no_file_holds_are_given_again(tmp_path: Path) -> None:
    """And recognised by where they take some of the rows."""
    x = np.random.default_rng(0).gamma(2.0, size=(300, 2))
    dmtest.write_baseline(x, tmp_path / "b.json", Product(stats.gamma(2.0)))
    fresh = np.random.default_rng(1).gamma(2.0, size=(300, 2))
    refused("a file cannot hold", dmtest.check, fresh, tmp_path / "b.json")
    assert dmtest.check(fresh, tmp_path / "b.json", target=Product(stats.gamma(2.0))).passed
    with pytest.raises(dmtest.InputError, match="leave the target out"):
        dmtest.check(fresh, tmp_path / "b.json", target=Product(stats.gamma(3.0)))


# --- results and the command line -----------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write samples, and go to them."""
    rng = np.random.default_rng(11)
    for name, scale in (("first", 1.0), ("same", 1.0), ("worse", 1.3)):
        np.save(tmp_path / f"{name}.npy", scale * rng.standard_normal((400, 3)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


def test_the_command_line_s_exit_codes(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 for a baseline and for what is as good, 1 for what is worse, 2 with one line."""
    assert cli.main(["check", "first.npy", "--write-baseline", "b.json"]) == 0
    assert "it holds all 400 rows" in capsys.readouterr().out
    assert cli.main(["check", "same.npy", "--baseline", "b.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Check passed (400")
    assert "3 same.npy against the baseline b.json" in out
    assert cli.main(["check", "worse.npy", "--baseline", "b.json"]) == 1
    out = capsys.readouterr().out
    assert "KL from the variances is larger than in the baseline" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert cli.main(["check", "worse.npy", "--baseline", "b.json", "--quiet"]) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--baseline: pass one"),
        (["--baseline", "no.json"], "does not exist"),
        (["--baseline", "b.json", "--tolerance", "0.1"], "--tolerance: it is the baseline's"),
        (["--baseline", "b.json", "--write-baseline", "c.json"], "not both"),
        (["--write-baseline", "c.json", "--max-kl", "1"], "--max-kl: a baseline is being written"),
        (["--write-baseline", "none/c.json"], "there is no folder"),
        (["--baseline", "b.json", "--min-detectable-n", "300"], "--min-detectable-n: 300 rows"),
        (["--baseline", "b.json", "--alpha", "2"], "--alpha: got 2.0"),
        (["--max-kl", "1", "--compare"], "--compare: compares with the sample of a baseline"),
        (["--baseline", "b.json", "--target", "sphere"], "--target: the baseline b.json is for"),
    ],
)
def test_the_command_line_refuses_in_one_line(
    files: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Naming the option and the cure."""
    dmtest.write_baseline("first.npy", "b.json")
    assert cli.main(["check", "same.npy", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert out == ""


def test_outputs_for_machines(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pure JSON, JUnit XML with a case for each row, and annotations on one line each."""
    dmtest.write_baseline("first.npy", "b.json")
    command = ["check", "worse.npy", "--baseline", "b.json", "--junit", "j.xml", "--json", "-"]
    assert cli.main([*command, "--github", "--max-kl", "9"]) == 1
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert data["kind"] == "dmtest-check"
    assert data["passed"] is False
    failed = [row["name"] for row in data["rows"] if row["passed"] is False]
    assert "kl-scale" in failed
    assert [line.split("::")[1] for line in err.splitlines()] == [
        f"error title=dmtest%3A {name}" for name in failed
    ]
    suite = ET.parse("j.xml").getroot()[0]
    assert suite.attrib["failures"] == str(len(failed))
    assert [case.attrib["name"] for case in suite] == [row["name"] for row in data["rows"]]
    assert [case.attrib["name"] for case in suite if case.find("failure") is not None] == failed


def test_annotations_where_github_runs(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """GITHUB_ACTIONS switches them on, --no-github and --quiet off; odd characters are escaped."""
    dmtest.write_baseline("first.npy", "b.json")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert cli.main(["check", "worse.npy", "--baseline", "b.json", "-q"]) == 1
    assert capsys.readouterr().out == ""
    assert cli.main(["check", "worse.npy", "--baseline", "b.json", "--brief"]) == 1
    assert "\n::error title=dmtest%3A kl-scale::" in f"\n{capsys.readouterr().out}"
    assert cli.main(["check", "worse.npy", "--baseline", "b.json", "-q", "--no-github"]) == 1
    assert capsys.readouterr().out == ""
    power = dmtest.check(np.load("worse.npy"), min_detectable_n=200)
    assert "it rejects 100%25 of" in power.annotations()[0]
    page = power._repr_html_()
    assert page.startswith("<div")
    assert "<table" in page
    assert "min-detectable-n" in page


def test_uniform_boxes_on_the_command_line(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--low and --high make the target a box, and the check takes it over."""
    rng = np.random.default_rng(0)
    for name in ("u", "v"):
        np.save(files / f"{name}.npy", rng.uniform(-2, 2, (300, 2)))
    command = ["check", "u.npy", "--write-baseline", "u.json", "--low", "-2", "--high", "2"]
    assert cli.main(command) == 0
    assert "target uniform(-2, 2)" in capsys.readouterr().out
    assert cli.main(["check", "v.npy", "--baseline", "u.json"]) == 0
