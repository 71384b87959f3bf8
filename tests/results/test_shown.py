"""Small results: a few aligned lines in a console, a table in a notebook, look-up by name."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import pickle
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import dmtest
from dmtest.render import cards
from dmtest.results.outcome import Effect, Finding
from dmtest.results.shown import Effects, Records, RecordTuple, Shown
from tests.support import fake_report
from tests.support.fake_report import HOSTILE

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 3)) * [1.4, 1.0, 1.0]
TESTS = ["henze-zirkler", "mardia-skewness", "jarque-bera"]


@functools.cache
def made() -> dict[str, Any]:
    """What public functions return, by the name of the function."""
    monitor = dmtest.Monitor("normal")
    state = monitor.update(X)
    baseline = dmtest.write_baseline(X, replicates=99, slices=8)
    profile = dmtest.kl_profile(X, rng=0)
    power = dmtest.detectability(X, sizes=[40, 80], draws=20, replicates=99, rng=0)
    directions = dmtest.worst_directions(X, replicates=99, rng=0)
    pairs = dmtest.information.pair_bounds(X, X + 0.1, sigma=0.5, rng=0)
    check = dmtest.check(X + 0.01, baseline, max_kl=0.001)
    report = fake_report.mismatch()
    return {
        "run_test": dmtest.run_test(X, "jarque-bera", replicates=99, rng=0),
        "run_tests": dmtest.run_tests(X, TESTS, replicates=99, rng=0),
        "mean_pvalue": dmtest.mean_pvalue(X, draws=20, rng=0),
        "kl_profile": profile,
        "point": profile.point,
        "kl_decomposition": dmtest.kl_decomposition(X, rng=0),
        "worst_directions": directions,
        "direction": directions[0],
        "detectability": power,
        "threshold": power.thresholds[0],
        "list_tests": dmtest.list_tests("sphere"),
        "test": dmtest.list_tests()[0],
        "monitor": monitor,
        "state": state,
        "write_baseline": baseline,
        "check": check,
        "row": check.rows[0],
        "channel_bracket": dmtest.information.channel_bracket(X, sigma=0.5, rng=0),
        "pair_bounds": pairs,
        "outcomes": report.outcomes,
        "effects": report.effects,
        "effect": next(iter(report.effects.values())),
        "finding": report.diagnosis[0],
        "diagnosis": report.diagnosis,
    }


NAMES = (
    *("run_test", "run_tests", "mean_pvalue", "kl_profile", "point", "kl_decomposition"),
    *("worst_directions", "direction", "detectability", "threshold", "list_tests", "test"),
    *("monitor", "state", "write_baseline", "check", "row", "channel_bracket", "pair_bounds"),
    *("outcomes", "effects", "effect", "finding", "diagnosis"),
)


class Reader(HTMLParser):
    """Tags that were opened and closed, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Remember an open tag."""
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last one, which has to be the same."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data


@pytest.mark.parametrize("name", NAMES)
def test_everything_returned_is_short_and_readable(name: str) -> None:
    """No wall of fields: few lines, none of them endless, no names of classes or of fields."""
    text = repr(made()[name])
    lines = text.splitlines()
    assert 1 <= len(lines) <= 20
    assert all(len(line) <= 220 for line in lines), max(lines, key=len)
    assert not re.search(r"\b\w+=(None|\(|\{|')", text.replace("target='", "")), text
    assert "nan" not in text.lower().split()
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_everything_returned_is_a_table_in_a_notebook(name: str) -> None:
    reader = Reader()
    reader.feed(made()[name]._repr_html_())
    assert reader.open == []
    assert len(reader.text) > 5


def test_names_are_of_what_was_made() -> None:
    assert set(made()) == set(NAMES)


def test_columns_are_aligned() -> None:
    head, *lines = repr(made()["run_tests"]).splitlines()
    assert [line.split()[0] for line in lines] == TESTS
    end = head.index("p-value") + len("p-value")
    assert all(line[end - 1] != " " and line[end] == " " for line in lines)


def test_every_card_is_of_a_class_that_shows_itself() -> None:
    """A class without a card would show its name only."""

    def below(kind: type) -> set[type]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    if find_spec("torch") is not None:  # without it there are no results of training
        import dmtest.train.evaluate.verification
        import dmtest.train.fitting.result  # noqa: F401

    for kind in below(Shown) - {Shown}:
        assert any(base.__name__ in cards.CARDS for base in kind.__mro__), kind
        assert "repr" not in vars(kind) or not dataclasses.is_dataclass(kind)


def test_statistic_and_pvalue_unpack_as_with_scipy() -> None:
    one = made()["run_test"]
    statistic, pvalue = one
    assert (statistic, pvalue) == (one.statistic, one.pvalue)
    assert [p for _, p in made()["run_tests"]] == [o.pvalue for o in made()["run_tests"]]


def test_outcomes_are_found_by_name() -> None:
    outcomes = made()["run_tests"]
    assert outcomes["mardia-skewness"] is outcomes[1]
    assert outcomes.names == tuple(TESTS)
    assert isinstance(outcomes, list)
    assert outcomes[:2].names == tuple(TESTS[:2])
    assert made()["outcomes"]["watson"].test == "watson"
    assert made()["outcomes"][-1] is tuple(made()["outcomes"])[-1]
    with pytest.raises(KeyError) as caught:
        outcomes["mardia-skew"]
    assert str(caught.value) == "there is no 'mardia-skew'; did you mean 'mardia-skewness'?"
    with pytest.raises(KeyError, match="names are henze-zirkler, mardia-skewness, jarque-bera"):
        outcomes["x"]


def test_sequences_are_frames() -> None:
    outcomes = made()["run_tests"]
    frame = outcomes.to_frame()
    assert list(frame["test"]) == TESTS
    assert np.allclose(frame["pvalue"], [one.pvalue for one in outcomes])
    polars = pytest.importorskip("polars")
    other = outcomes.to_frame("polars")
    assert isinstance(other, polars.DataFrame)
    assert other["pvalue"].to_list() == list(frame["pvalue"])
    assert made()["effects"].to_frame().shape[0] == len(made()["effects"])
    assert made()["list_tests"].to_frame("polars").height == len(made()["list_tests"])
    assert set(outcomes.to_dict()) == set(TESTS)
    with pytest.raises(dmtest.InputError, match="backend: must be one of pandas, polars"):
        outcomes.to_frame("excel")  # type: ignore[call-overload]


def test_sequences_survive_pickle_copy_and_json() -> None:
    report = fake_report.mismatch()
    for thing in (made()["run_tests"], report.outcomes, report.effects, report.diagnosis):
        for again in (pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing)):
            assert again == thing
            assert type(again) is type(thing)
    again = dmtest.Report.from_json(report.to_json())
    assert isinstance(again.outcomes, RecordTuple)
    assert isinstance(again.effects, Effects)


def test_hostile_text_stays_text() -> None:
    finding = Finding(HOSTILE, f"a\x1b[31m\n{HOSTILE}")
    effect = Effect(name="x", label=HOSTILE, value=math.nan, unit=HOSTILE, note="\u202e")
    for one in (finding, effect, Records([finding]), Effects(x=effect)):
        assert "<script" not in one._repr_html_()
        assert "\x1b" not in repr(one) + one._repr_html_()
        assert "\u202e" not in repr(one) + one._repr_html_()
    assert repr(Records([])) == "(empty)"


def test_metrics_are_flat_and_finite() -> None:
    report = fake_report.mismatch()
    metrics = report.metrics("val")
    assert all(type(value) is float and math.isfinite(value) for value in metrics.values())
    assert all(name.startswith("val/") for name in metrics)
    assert metrics["val/pvalue"] == report.pvalue
    assert metrics["val/mismatch"] == 1.0
    for outcome, adjusted in zip(report.outcomes, report.adjusted, strict=True):
        assert metrics[f"val/p/{outcome.test}"] == adjusted
    for name, effect in report.effects.items():
        assert metrics.get(f"val/{name}") == effect.value
    assert report.metrics("val/").keys() == metrics.keys()
    assert set(report.metrics("val_")) == {f"val_{name}" for name in report.metrics()}
    assert fake_report.compatible().metrics()["mismatch"] == 0.0


def test_pyplot_shows_and_saves_a_figure(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """``r.plot(); plt.savefig(path)`` saves it, and a loop over reports needs no closing."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    report = fake_report.mismatch()
    plt.close("all")
    figure = report.plot("qq")
    assert plt.gcf() is figure
    plt.savefig(tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000
    for _ in range(25):
        report.plot("qq")
    assert len(plt.get_fignums()) == 1
    shown: list[Any] = []
    monkeypatch.setattr(plt, "show", lambda **_: shown.append(plt.gcf()))
    report.plot("qq").show()
    assert len(shown) == 1
    plt.close("all")


def test_notebooks_show_a_figure_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the inline backend the figure that the cell returns is the only one."""
    import matplotlib.pyplot as plt

    plt.close("all")
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    figure: Any = fake_report.mismatch().plot("qq")
    assert plt.get_fignums() == []
    assert figure._repr_html_().startswith("<")
