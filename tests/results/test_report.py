"""The Report record: JSON there and back, frames, plain text, plots."""

from __future__ import annotations

import builtins
import dataclasses
import io
import json
import math
import os
import re
import sys
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from dmtest.errors import InputError
from dmtest.render import frames, table_rows, wording
from dmtest.render.figures import data_figures, palette, plots
from dmtest.render.page import reproduce
from dmtest.render.text import terminal
from dmtest.results.figures import CoordinateFigure, Figures, numbers
from dmtest.results.outcome import Effect
from dmtest.results.provenance import Provenance
from dmtest.results.report import Report, schema
from tests.support import fake_report
from tests.support.calls import python, refused
from tests.support.fake_report import BUILDERS

every = pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)


def strict(text: str) -> Any:
    """Parse JSON and fail on NaN and Infinity, which it does not have."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} in JSON")

    return json.loads(text, parse_constant=refuse)


@every
def test_json_is_strict_and_follows_the_schema(build: Any) -> None:
    data = strict(build().to_json())
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(data)
    assert (next(iter(data)), data["schema"]) == ("schema", 1)


def test_schema_names_every_field_and_refuses_a_wrong_verdict() -> None:
    properties = schema()["properties"]
    assert set(properties) == set(fake_report.mismatch().to_dict())
    data = fake_report.mismatch().to_dict() | {"verdict": "normal"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema())


@pytest.mark.parametrize("build", [fake_report.mismatch, fake_report.compatible])
def test_report_read_back_equals_the_original(build: Any) -> None:
    report = build()
    assert Report.from_json(report.to_json()) == report


@every
def test_json_read_back_writes_the_same_json(build: Any) -> None:
    text = build().to_json()
    assert Report.from_json(text).to_json() == text


def test_round_trip_through_a_file(tmp_path: Any) -> None:
    report = fake_report.mismatch()
    path = tmp_path / "report.json"
    text = report.to_json(path)
    assert path.read_text(encoding="utf-8") == text
    assert (Report.from_json(path), Report.from_json(str(path))) == (report, report)


def test_numbers_that_are_not_finite_survive() -> None:
    back = Report.from_json(fake_report.odd().to_json())
    broken = back.outcomes[1]
    assert math.isnan(broken.statistic)
    assert math.isnan(back.adjusted[1])
    assert back.effects["kl"].value == math.inf
    assert broken.params["a"] == math.inf
    assert back.computed["ratio"] is None
    assert back.pictures["slices"][0]["low"][0] is None


def test_names_that_look_like_numbers_stay_names() -> None:
    run = Provenance(more={"columns": ["NaN", "Infinity"]})
    report = Report.from_json(fake_report.odd(provenance=run).to_json())
    assert report.computed["columns"] == ["NaN", "Infinity"]
    effect = Effect(name="NaN", label="Infinity", value=None)
    report = Report.from_json(fake_report.bare(effects={"NaN": effect}).to_json())
    assert report.effects["NaN"] == effect


def test_numpy_values_and_tuples_become_plain() -> None:
    more: dict[Any, Any] = {"a": np.float32(0.5), "b": (1, np.int64(2)), 3: np.eye(1)}
    report = fake_report.bare(provenance=Provenance(more=more))
    assert report.computed == {"a": 0.5, "b": [1, 2], "3": [[1.0]]}
    assert Report.from_json(report.to_json()).computed == report.computed


def test_keys_keep_the_order_of_the_schema() -> None:
    """Two samples have other keys, in another order; without figures there are none."""
    figures = fake_report.mismatch().figures
    one = ["slices", "coordinates", "spectrum", "directions", "profile", "detectability"]
    assert list(figures.to_dict()) == one
    two = dataclasses.replace(figures, samples=2).to_dict()
    assert (list(two), list(two["spectrum"])) == (one[:4], ["observed", "reference", "low", "high"])
    assert dataclasses.replace(figures, samples=0).to_dict() == {}
    for reference, place in (("uniform", 2), ("sample", 4)):
        heights = (1.0,) if reference == "sample" else None
        more: dict[str, Any] = {"reference": reference, "reference_density": heights}
        drawn = CoordinateFigure(name="u", edges=(0.0, 1.0), density=(1.0,), **more)
        assert list(drawn.to_dict()).index("reference") == place
        again = Figures.from_dict(Figures(coordinates=(drawn,)).to_dict())
        assert again.coordinates == (drawn,)


def test_a_run_says_what_it_does_not_know() -> None:
    """Null where a run has no value; nothing at all where there was no run."""
    assert Provenance().to_dict() == {}
    run = Provenance(version="1")
    unknown = dict.fromkeys(("source", "pvalue_error", "pvalue_floor"))
    assert run.to_dict() == unknown | {"version": "1"}
    certified = dataclasses.replace(run, tolerance=0.1, certified_under=math.inf)
    assert list(certified.to_dict())[-3:] == ["tolerance", "certified_under", "rows_needed"]
    pair = dataclasses.replace(run, reference_rows=9, command="")
    assert list(pair.to_dict())[:3] == ["source", "reference", "reference_rows"]
    for facts in (run, certified, pair):
        assert Provenance.from_dict(facts.to_dict()) == facts


def test_a_profile_of_an_earlier_version_is_written_again() -> None:
    """Fields that it lacks are null, which the schema allows."""
    data = json.loads(fake_report.mismatch().to_json())
    profile = data["pictures"]["profile"]
    for key in ("target", "n", "d", "resolvable", "seed"):
        del profile[key]
    for point in (*profile["points"], *profile["slices"], *profile["subspaces"]):
        for key in ("d", "resolution", "dead", "two_valued", "collapse", "capacity", "method"):
            del point[key]
    report = Report.from_json(json.dumps(data))
    assert report.figures.profile is not None
    assert report.figures.profile.point.dead is None
    jsonschema.Draft202012Validator(schema()).validate(strict(report.to_json()))
    page = report.to_html()
    assert "not computed nats" not in page
    assert "At noise 2.00 the divergence is between 0.110 and 0.210 nats" in page


def test_fields_of_a_later_minor_version_are_left_out() -> None:
    data = json.loads(fake_report.mismatch().to_json())
    data["later"] = 1
    data["outcomes"][0]["later"] = 1
    assert Report.from_json(json.dumps(data)) == fake_report.mismatch()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ('{"schema": 1, "pvalue": NaN}', "NaN is not JSON"),
        ('{"schema": 2}', "got 2"),
        ("{}", "got None"),
        ('{"schema": 1}', "not a complete dmtest report"),
        ("no such file.json", "cannot be read"),
        ("[1]" * 5000, "cannot be read"),
        ("\0", "cannot be read"),
        ("{" + '"a":[' * 100_000, "not valid JSON"),
    ],
)
def test_unreadable_json_gives_one_sentence(text: str, said: str) -> None:
    sentence = refused(said, Report.from_json, text)
    assert "\n" not in sentence
    assert len(sentence) < 500


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "normal"},
        {"outcomes": 3},
        {"outcomes": [{}]},
        {"adjusted": []},
        {"effects": None},
        {"computed": []},
        {"computed": {"tests": [1]}},
        {"computed": {"described": {"kuiper": "x"}}},
        {"pictures": []},
        {"pictures": {"slices": [{"theoretical": [0.0]}]}},
        {"pictures": {"spectrum": {"observed": ["a"], "low": [], "high": [], "reference": []}}},
        {"pictures": {"coordinates": [{"name": "u", "edges": 1, "density": []}]}},
        {"pvalue": "small"},
        {"adjusted": ["x"] * 11},
        {"n": True},
        {"diagnosis": [{"code": "a"}]},
    ],
)
def test_wrong_content_gives_one_sentence(change: dict[str, Any]) -> None:
    data = json.loads(fake_report.mismatch().to_json()) | change
    refused("JSON text", Report.from_json, json.dumps(data))


def test_writing_where_one_cannot_gives_one_sentence(tmp_path: Any) -> None:
    for write in (fake_report.bare().to_json, fake_report.bare().to_html):
        refused("cannot be written", write, tmp_path / "missing" / "report")


def test_json_keeps_lists_of_numbers_on_one_line() -> None:
    lines = fake_report.mismatch().to_json().splitlines()
    assert len(lines) < 800
    assert '  "n": 4000,' in lines


def test_frame_has_a_row_for_each_test() -> None:
    report = fake_report.mismatch()
    frame = report.to_frame()
    assert list(frame.columns[:4]) == ["test", "statistic", "pvalue", "adjusted"]
    assert list(frame["test"]) == [o.test for o in report.outcomes]
    assert list(frame["adjusted"]) == list(report.adjusted)
    empty = fake_report.bare().to_frame()
    assert (len(empty), list(empty.columns)) == (0, list(frame.columns))


@every
def test_polars_frame_holds_the_same(build: Any) -> None:
    report = build()
    ours, theirs = report.to_frame("polars"), report.to_frame()
    assert ours.columns == list(theirs.columns)
    for name in ("test", "method"):
        assert ours[name].to_list() == list(theirs[name])
    for name in ("statistic", "pvalue", "adjusted"):
        np.testing.assert_array_equal(ours[name].to_numpy(), theirs[name].to_numpy(float))
    assert str(ours.schema["worst_slice"]) == "Int64"


def test_polars_frame_keeps_a_seed_of_128_bits() -> None:
    seed = 2**127 + 1
    outcome = dataclasses.replace(fake_report.outcomes([0.5], 9, 2)[0], seed=seed)
    report = fake_report.bare(outcomes=(outcome,), adjusted=(0.5,))
    assert report.to_frame("polars")["seed"].to_list() == [str(seed)]
    assert list(report.to_frame()["seed"]) == [seed]


@pytest.mark.parametrize("backend", ["pandas", "polars"])
def test_frames_of_texts_that_are_no_unicode(backend: Any) -> None:
    """JSON may hold half of a surrogate pair, and so may the name of a file: it is escaped."""
    outcome = dataclasses.replace(fake_report.outcomes([0.5], 9, 2)[0], method="a\udc80\ud800 b")
    report = Report.from_json(fake_report.bare(outcomes=(outcome,), adjusted=(0.5,)).to_json())
    assert report.outcomes[0].method == "a\udc80\ud800 b"
    assert list(report.to_frame(backend)["method"]) == ["a\\udc80\\ud800 b"]
    made = frames.table({"\ud800": ["\udfff", 1]}, backend)
    assert list(made.columns) == ["\\ud800"]
    assert str(made["\\ud800"][0]) == "\\udfff"


def test_xarray_holds_tests_effects_and_pictures() -> None:
    report = fake_report.mismatch()
    data = report.to_xarray()
    assert data.attrs["verdict"] == "mismatch"
    assert float(data["adjusted"].sel(test="kuiper")) == report.adjusted[6]
    assert float(data["effect_high"].sel(effect="kl-mean")) == 0.42
    assert np.isnan(data["effect_value"].sel(effect="kl-smoothed"))
    figure = report.figures.slices[1]
    np.testing.assert_array_equal(
        data["quantile_observed"].sel(slice=figure.slice), figure.observed
    )
    assert data.sizes["rank"] == 48
    np.testing.assert_array_equal(data["noise"], [0.5, 1, 2, 4])
    np.testing.assert_array_equal(data["power"], [0.1, 0.42, 0.9, 1.0])


@every
def test_every_report_has_a_dataset(build: Any) -> None:
    data = build().to_xarray()
    assert data.sizes["test"] == len(build().outcomes)


@pytest.mark.parametrize("package", ["pandas", "polars", "xarray"])
def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name == package:
            raise ImportError(name)
        return real(name, *args, **more)

    report = fake_report.bare()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=f"pip install {package}"):
        _ = report.to_xarray() if package == "xarray" else report.to_frame(package)


def test_unknown_backend_is_refused() -> None:
    with pytest.raises(InputError, match="backend: must be one of pandas, polars; got 'spark'"):
        fake_report.bare().to_frame("spark")  # type: ignore[call-overload]


def test_repr_is_one_line() -> None:
    text = repr(fake_report.mismatch())
    assert "\n" not in text
    assert "mismatch" in text
    assert len(text) < 120


# Words


@pytest.mark.parametrize(
    ("value", "replicates", "said"),
    [
        (0.001, 999, "≤ 0.001"),
        (0.001, None, "0.001"),
        (0.01, 99, "≤ 0.01"),
        (0.0496, 999, "0.0496"),
        (0.5432, 999, "0.543"),
        (1.0, 999, "1"),
        (3.21e-7, None, "3.2e-7"),
        (0.0, None, "< 1e-16"),
        (math.nan, 999, "not computed"),
        (None, None, "not computed"),
    ],
)
def test_pvalues_in_words(value: float | None, replicates: int | None, said: str) -> None:
    assert wording.pvalue(value, replicates) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (0.03124, "0.0312"),
        (99.97, "100"),
        (123.4, "123"),
        (12345.6, "12,346"),
        (-0.5, "-0.500"),
        (3.1e-7, "3.10e-7"),
        (2.5e9, "2.50e9"),
        (math.inf, "infinite"),
        (-math.inf, "-infinite"),
    ],
)
def test_numbers_in_words(value: float, said: str) -> None:
    assert wording.number(value) == said


def test_evidence_says_when_replicates_are_the_limit() -> None:
    assert wording.evidence(fake_report.mismatch()) == (
        "p ≤ 0.001",
        "the smallest that 999 replicates can give",
    )
    assert wording.evidence(fake_report.compatible()) == ("p = 0.318", "")
    holm = fake_report.mismatch(
        pvalue=0.011, adjusted=(0.011,) * 11, outcomes=fake_report.outcomes([0.001] * 11, 4000, 48)
    )
    said, note = wording.evidence(holm)
    assert said == "p ≤ 0.011"
    assert note == "the smallest that 999 replicates and 11 tests can give"


def test_global_error_is_said_off_the_floor() -> None:
    report = fake_report.compatible(provenance=Provenance(pvalue_error=0.0147, replicates=999))
    assert wording.evidence(report) == ("p = 0.318", "Monte Carlo standard error 0.01")


def test_a_bar_needs_something_to_compare() -> None:
    alone = Effect(name="rank", label="Effective rank", value=9.5, unit="of 16")
    bounded = Effect(name="spread", label="Spread", value=1.5, low=-0.5, high=2.0, unit="times")
    report = fake_report.bare(effects={"rank": alone, "spread": bounded})
    first, second = table_rows.effect_rows(report)
    assert first.mark is None
    assert first.value == "9.50"
    assert (second.zero, second.start, second.mark, second.end) == (20, 0, 80, 100)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("my data.npy", "dmtest report 'my data.npy' --target normal --alpha 0.05 --seed 7"),
        ("/tmp/x.csv.gz", "dmtest report /tmp/x.csv.gz --target normal --alpha 0.05 --seed 7"),
        ("numpy.ndarray", ""),
        ("array", ""),
        (None, ""),
    ],
)
def test_command_only_for_files(source: str | None, line: str) -> None:
    report = fake_report.compatible(provenance=Provenance(source=source))
    assert reproduce.command(report) == line
    assert (f"    {source!r}," in reproduce.call(report)) == bool(line)
    assert "None" not in report.to_html().split("<main")[0]


def test_compatible_is_never_called_normal() -> None:
    text = str(fake_report.compatible())
    assert all(word in text for word in ("No evidence against the target", "not proof")), text
    for claim in ("is normal", "are normal", "is N(0", "follows N"):
        assert claim not in text


def test_hostile_text_cannot_drive_a_terminal() -> None:
    assert wording.clean("a\x1b[31m\u202e\udc80\n") == "a\\x1b[31m\\u202e\\udc80\\n"
    assert wording.clean("日本 \u200d é") == "日本 \u200d é"


# Terminal


@every
def test_text_is_80_columns_without_codes(build: Any) -> None:
    text = str(build())
    assert "\x1b" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert wording.verdict(build()).headline in text


def test_text_holds_everything_a_reader_needs() -> None:
    report = fake_report.mismatch()
    flat = " ".join(terminal.text(terminal.Whole(report)).split())
    parts = ["p ≤ 0.001", "alpha = 0.05", "4,000 \N{MULTIPLICATION SIGN} 48", "Adjusted p"]
    for part in (*parts, "0.401 to 0.424"):
        assert part in flat
    for item in (*report.diagnosis[1:], *report.warnings):
        assert item.message in flat
    assert "copies of other rows. (37)" in flat
    assert all(o.test in flat for o in report.outcomes)
    assert fake_report.METHOD in flat


def test_markup_in_names_is_text() -> None:
    text = str(fake_report.mismatch(diagnosis=(), target="[bold red]x[/] :smile:"))
    assert "[bold red]x[/] :smile:" in text


def test_output_that_holds_only_ascii() -> None:
    class Narrow(io.StringIO):
        encoding = "ascii"

    for build in BUILDERS:
        stream = Narrow()
        terminal.render(build(), Console(file=stream, width=80))
        stream.getvalue().encode("ascii")


def test_colours_only_on_a_terminal() -> None:
    stream = io.StringIO()
    terminal.render(
        fake_report.mismatch(),
        Console(file=stream, width=80, force_terminal=True, color_system="standard"),
    )
    assert "\x1b[" in stream.getvalue()


# Plots


@every
def test_overview_draws_without_pyplot_or_warnings(build: Any) -> None:
    known = "matplotlib.pyplot" in sys.modules
    figure = build().plot()
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) == known


@pytest.mark.parametrize("panel", sorted(plots.PANELS))
def test_panels_draw_on_a_given_axes(panel: str) -> None:
    figure = Figure()
    ax = figure.add_subplot()
    report = fake_report.few() if panel == "scatter" else fake_report.mismatch()
    assert report.plot(panel, ax=ax) is figure
    figure.savefig(io.BytesIO(), format="png")
    assert panel in report.panels
    for name in fake_report.odd().panels:
        assert fake_report.odd().plot(name).axes


@pytest.mark.parametrize("style", ["default", "dark_background", "ggplot", "grayscale"])
def test_text_can_be_read_on_the_ground_of_the_style(style: str) -> None:
    import matplotlib.style

    with matplotlib.style.context(style):
        figure = fake_report.mismatch().plot(["qq", "profile"])
        ground = figure.get_facecolor()
        for ax in figure.axes:
            labels = [ax._left_title, ax.xaxis.label, *ax.get_xticklabels()]
            assert min(palette.contrast(label.get_color(), ground) for label in labels) >= 4.5
        white = ground == (1, 1, 1, 1)
        assert (figure._repr_html_() is not None) == white  # a ground of one's own is kept


def test_a_ground_one_can_see_through_is_judged_by_the_styles_text() -> None:
    from matplotlib import rc_context

    for text, inks in (("white", palette.DARK), ("black", palette.LIGHT)):
        with rc_context({"figure.facecolor": "none", "axes.facecolor": "none", "text.color": text}):
            (ax,) = fake_report.mismatch().plot("qq").axes
            assert ax.xaxis.label.get_color() == inks.muted
    ax = Figure(facecolor="black").add_subplot(facecolor="none")
    fake_report.mismatch().plot("qq", ax=ax)
    assert ax.xaxis.label.get_color() == palette.DARK.muted


def test_contrast_is_that_of_the_standard() -> None:
    """Values from WCAG's own examples: black on white, and #777 that just fails."""
    assert palette.contrast("black", "white") == pytest.approx(21.0)
    assert palette.contrast("#777777", "white") == pytest.approx(4.48, abs=0.005)
    assert palette.contrast("#767676", "white") == pytest.approx(4.54, abs=0.005)


def test_notebooks_get_a_drawing_in_their_own_colours() -> None:
    figure = fake_report.mismatch().plot(["qq", "spectrum"])
    text = figure._repr_html_()
    drawn = text.partition("</style>")[2]
    assert "currentColor" in text
    assert "var(--dm-ink)" in drawn
    assert not re.findall(r"#[0-9a-f]{6}|http|<script", drawn)  # colours are variables
    label = re.findall(r'<svg role="img" aria-label="([^"]+)"', drawn)
    assert label == ["; ".join(ax.get_title(loc="left") for ax in figure.axes)]
    assert text == fake_report.mismatch().plot(["qq", "spectrum"])._repr_html_()
    figure.axes[0].set_title("<mine>", loc="left")
    assert "&lt;mine&gt;" in figure._repr_html_()


def test_panels_are_those_that_can_be_drawn() -> None:
    assert (fake_report.few().panels, fake_report.bare().panels) == (
        tuple(name for name in plots.PANELS if name not in ("decomposition", "classes")),
        (),
    )
    assert set(plots.PANELS) - set(fake_report.mismatch().panels) == {"scatter"}
    assert "decomposition" not in fake_report.compatible().panels


def test_several_panels_go_beside_each_other() -> None:
    figure = fake_report.mismatch().plot(["qq", "profile", "decomposition", "effects"])
    assert len(figure.axes) == 4
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]


def test_decomposition_draws_the_effects() -> None:
    report = fake_report.mismatch()
    (ax,) = report.plot("decomposition").axes
    values = [report.effects[k].value for k in ("kl-mean", "kl-scale", "kl-correlation")]
    assert [bar.get_width() for bar in ax.patches] == values


def test_qq_draws_the_numbers_of_the_report() -> None:
    report = fake_report.mismatch()
    (ax,) = report.plot("qq", which=1).axes
    figure = report.figures.slices[1]
    dots = np.asarray(ax.patches[0].get_path().vertices)
    np.testing.assert_allclose(dots[::2, 1], np.array(figure.observed, dtype=float))
    np.testing.assert_allclose(dots[::2, 0], np.array(figure.theoretical, dtype=float))


def test_uniform_targets_get_a_uniform_density() -> None:
    edges, density = numbers(np.linspace(0, 1, 11)), numbers(np.ones(10))
    figure = CoordinateFigure(name="u", edges=edges, density=density, reference="uniform")
    report = fake_report.bare(figures=Figures(coordinates=(figure,)), target="uniform")
    (ax,) = report.plot("coordinates").axes
    assert np.max(np.asarray(ax.lines[0].get_ydata())) == 1.0
    assert ax.get_xlim()[0] < 0 < 1 < ax.get_xlim()[1]


@pytest.mark.parametrize(("width", "scaled"), [(8.0, False), (0.01, True)])
def test_collapsed_coordinates_get_a_scale_of_their_own(width: float, scaled: bool) -> None:
    edges = (0.0, width, 2 * width, 3 * width)
    figure = CoordinateFigure(name="c", edges=edges, density=(0.0, 1 / width, 0.0))
    report = fake_report.bare(figures=Figures(coordinates=(figure,)))
    assert ("heights on different scales" in report.to_html()) == scaled
    peak = max(data_figures.heights(figure)[0])
    assert peak == pytest.approx(0.3989 if scaled else 1 / width, rel=1e-3)


@pytest.mark.parametrize(
    ("panel", "options", "said"),
    [
        ("pie", {}, "panels: must be among effects, decomposition, profile"),
        ((), {}, "panels: got no name"),
        (["qq", "pie"], {}, "got 'pie'"),
        (["qq", "profile"], {"ax": object()}, "panels: got 2 names"),
        ("qq", {"ax": Figure().add_subplot(), "which": 5}, "figures of 2 slices"),
        ("qq", {"which": 2}, "figures of 2 slices"),
        ("coordinates", {"which": -1}, "got -1"),
    ],
)
def test_panels_that_are_not_there(panel: str, options: dict[str, Any], said: str) -> None:
    refused(said, fake_report.mismatch().plot, panel, **options)
    refused("no numbers for 'spectrum'; it has them for none", fake_report.bare().plot, "spectrum")
    refused("pass at least one", fake_report.mismatch().plot, which=1)


def test_same_json_from_another_process() -> None:
    code = "from tests.support import fake_report; print(fake_report.mismatch().to_json(), end='')"
    paths = os.pathsep.join(p or os.getcwd() for p in sys.path)
    done = python("-c", code, check=True, env={"PYTHONPATH": paths, "PYTHONHASHSEED": "7"})
    assert done.stdout == fake_report.mismatch().to_json()


def test_a_report_is_neither_true_nor_false() -> None:
    """``if report:`` was true for a mismatch, too (field case H2)."""
    report = fake_report.mismatch()
    with pytest.raises(TypeError, match=r"report.verdict, here 'mismatch'"):
        bool(report)


def test_what_was_called_effective_rank_is_read_as_the_participation_ratio() -> None:
    """A stored report keeps its number, and no check compares it with exp(entropy)."""
    old = Effect(
        name="effective-rank",
        label="Effective rank of the covariance",
        value=60.2,
        unit="of 64 directions",
        note="(tr S)^2 / tr S^2, descriptive",
    )
    other = Effect(name="kl-mean", label="of this, from the mean", value=0.1, unit="nats")
    stored = fake_report.bare(effects={"effective-rank": old, "kl-mean": other})
    back = Report.from_json(stored.to_json()).effects
    assert list(back) == ["participation-ratio", "kl-mean"]
    assert back["participation-ratio"].name == "participation-ratio"
    assert back["participation-ratio"].label.startswith("Participation ratio")
    assert back["participation-ratio"].value == 60.2
    new = fake_report.bare(
        effects={"effective-rank": dataclasses.replace(old, note="exp(entropy)")}
    )
    assert list(Report.from_json(new.to_json()).effects) == ["effective-rank"]
