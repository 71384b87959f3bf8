"""The HTML page: whole, self-contained, escaped, readable by machines and people."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dmtest.render import citations
from dmtest.render.figures.class_figures import COLOURS
from dmtest.render.page import explain, html, reproduce
from dmtest.results.figures import PowerPoint
from dmtest.results.provenance import Description
from dmtest.results.report import Report
from tests.support import fake_report
from tests.support.fake_report import BUILDERS
from tests.support.pages import Page, faults

every = pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {build.__name__: build().to_html() for build in BUILDERS}


@every
def test_pages_are_well_formed_accessible_and_self_contained(
    build: Any, texts: dict[str, str]
) -> None:
    assert faults(texts[build.__name__]) == []


@every
def test_policy_allows_only_our_script(build: Any, texts: dict[str, str]) -> None:
    page = Page(texts[build.__name__])
    assert len(page.scripts) == 1
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    policies = [a["content"] for a in page.all("meta") if "http-equiv" in a]
    assert len(policies) == 1
    assert "default-src 'none'" in policies[0]
    assert f"script-src 'sha256-{digest}'" in policies[0]


def test_first_screen_order(texts: dict[str, str]) -> None:
    said = Page(texts["mismatch"]).text.split("Glossary", 1)[1]
    report = fake_report.mismatch()
    parts = [
        "Mismatch",
        "These data do not follow the standard normal N(0, I).",
        "as root mean square over directions, is 0.412 standard deviations (0.401 to 0.424,",
        "detects this departure 50% of the time with 70 rows, 90% of the time with 128 rows.",
        "p ≤ 0.001",
        "the smallest that 999 replicates can give",
        "alpha = 0.05",
        "4,000 rows \N{MULTIPLICATION SIGN} 48 columns; target normal",
        "2 findings about the data",
        "What is wrong",
        *(item.message for item in report.diagnosis),
        "How large it is",
        "Sliced Wasserstein-2 distance 0.412 sd 0.401 to 0.424",
        "Distance and power",
        "The largest part is that of the variances, 14.3 nats.",
        "Worst directions",
        "Worst slice (17)",
        "Typical slice (203)",
        "Columns",
        "Covariance spectrum",
        "Tests",
        "What it detects",
        "henze-zirkler",
        "most joint shapes",
        "How the p-values were calibrated: a Lognormal approximation",
        "Findings about the data",
        "exact copies of other rows. (37)",
        "What was computed",
        "Reproduce this report",
        "rng=20241018",
        "dmtest report embeddings.npy --target normal --alpha 0.05 --seed 20241018",
        "For a methods section",
        "henze-zirkler (Henze & Zirkler 1990)",
        "Cite",
        "arXiv:2410.06993",
        "Communications in Statistics \N{EN DASH} Theory and Methods 19(10), 3595\N{EN DASH}3617.",
        "@misc{dmtest,",
        "@article{henze1990,",
        "Glossary",
    ]
    places = [said.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)


def test_a_picture_is_beside_the_verdict(texts: dict[str, str]) -> None:
    """Verdict and picture come before everything else, with a legend."""
    for build in ("mismatch", "compatible", "few"):
        top = texts[build].split('class="top', 1)[1].split('id="wrong"', 1)[0]
        assert top.count("<svg role") == 1
        assert 'class="legend"' in top
    assert "<svg role" not in texts["bare"].split('id="wrong"', 1)[0]


def test_pairs_of_few_columns_are_drawn(texts: dict[str, str]) -> None:
    part = texts["few"].split('id="scatter"', 1)[1].split("</section>", 1)[0]
    assert part.count("<svg role") == 6
    assert 'aria-label="width against length: all rows.' in part
    assert 'id="scatter"' not in texts["mismatch"]


def test_a_fitted_normal_has_no_band_of_eigenvalues(texts: dict[str, str]) -> None:
    """Any spectrum is that of a normal: a band over the whole picture would say nothing."""
    part = texts["few"].split('id="spectrum"', 1)[1].split("</section>", 1)[0]
    assert "A normal may have any of them: there is no band." in part
    assert "var(--band)" not in part
    assert "95% band" not in part
    other = texts["mismatch"].split('id="spectrum"', 1)[1].split("</section>", 1)[0]
    assert "var(--band)" in other
    assert "95% band" in other


@pytest.mark.parametrize("build", ["mismatch", "compatible", "few"])
def test_every_figure_has_a_legend(build: str, texts: dict[str, str]) -> None:
    for name in ("distance", "slices", "coordinates", "spectrum"):
        part = texts[build].split(f'id="{name}"', 1)[1].split("</section>", 1)[0]
        assert 'class="legend"' in part, name


@every
def test_page_is_small(build: Any, texts: dict[str, str]) -> None:
    assert len(texts[build.__name__].encode(errors="replace")) < 400_000


def test_compatible_is_never_called_normal(texts: dict[str, str]) -> None:
    said = Page(texts["compatible"]).text
    assert all(word in said for word in ("No evidence against the target", "not proof")), said
    assert not re.search(r"\b(is|are) normal\b", said)


def test_hostile_names_stay_text(texts: dict[str, str]) -> None:
    for text in (texts["odd"], fake_report.odd()._repr_html_()):
        assert not any(word in text for word in ("<script>alert", "<img", "\x1b", "\u202e")), text
        assert fake_report.HOSTILE in Page(text).text
        assert len(Page(text).all("script")) <= 1


def test_odd_file_names_can_be_written(tmp_path: Any) -> None:
    path = tmp_path / "page.html"
    text = fake_report.odd().to_html(path)
    assert path.read_bytes().decode("utf-8") == text


def test_page_rebuilt_from_json_is_the_same(texts: dict[str, str]) -> None:
    for build in BUILDERS:
        assert Report.from_json(build().to_json()).to_html() == texts[build.__name__]


def test_page_ignores_the_users_plot_style(texts: dict[str, str]) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "svg.fonttype": "path"}):
        assert fake_report.mismatch().to_html() == texts["mismatch"]


def test_drawings_take_their_colours_from_the_page(texts: dict[str, str]) -> None:
    drawings = re.findall(r"<svg role.*?</svg>", texts["mismatch"], re.DOTALL)
    # The first picture, classes, distance and power, slices, columns, and the spectrum.
    assert len(drawings) == 1 + 1 + 3 + 4 + 12 + 1
    for drawing in drawings:
        # Classes have colours of their own, which are readable on light and on dark.
        other = set(re.findall(r"#[0-9a-f]{6}\b", drawing))
        assert other <= (set(COLOURS) if "by class" in drawing else set())
        assert "font-family" not in drawing
        assert "var(--" in drawing


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG defines it."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("verdict", ["mismatch", "compatible", "inconclusive"])
def test_contrast_is_aa(texts: dict[str, str], dark: bool, verdict: str) -> None:
    sheet = texts["bare"].split("@media print")[0].split("@media (prefers-color-scheme: dark)")
    rules = sheet[0] + (sheet[1].split("\n* {")[0] if dark else "")
    colours: dict[str, str] = {}
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", rules):
        if ":root" in selector or f".{verdict}" in selector:
            colours |= dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", body))
    pairs = "ink/paper muted/paper link/paper ink/sheet ink/wash tone/wash link/wash"
    for ink, paper in (pair.split("/") for pair in pairs.split()):
        assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
    for ink in ("data", "bad"):
        assert contrast(colours[ink], colours["paper"]) >= 3, ink
        assert contrast(colours[ink], colours["band"]) >= 3, ink


@every
def test_fragment_is_scoped(build: Any) -> None:
    text = build()._repr_html_()
    page = Page(text)
    scope = page.all("div")[0]["class"].split()[0]
    assert re.fullmatch("dmtest-[0-9a-f]{10}", scope)
    style = text.split("<style>")[1].split("</style>")[0]
    style = style.replace(f":is({', '.join(html.DARK)}) ", "")
    for selector in re.findall(r"([^{}]+)\{", style):
        assert all(part.strip().startswith(f".{scope}.{scope}") for part in selector.split(","))
    assert not page.all("script", "img", "link", "iframe")
    assert not re.search(r"https?:|url\(|@import", text)
    assert len(text) < 60_000


def test_fragment_says_what_matters() -> None:
    report = fake_report.mismatch()
    said = Page(report._repr_html_()).text
    assert all(word in said for word in ("Mismatch", "p ≤ 0.001")), said
    assert all(item.message in said for item in report.diagnosis)
    assert all(o.test in said for o in report.outcomes)
    assert all(word in said for word in ("0.401 to 0.424", "(37)")), said


def test_fragments_of_two_reports_do_not_share_a_scope() -> None:
    scopes = {re.search("dmtest-[0-9a-f]{10}", build()._repr_html_())[0] for build in BUILDERS}  # type: ignore[index]
    assert len(scopes) == len(BUILDERS)


def test_call_of_a_target_object_is_python() -> None:
    report = replace(fake_report.mismatch(), target="uniform(-1, 1)")
    assert "    target=dmtest.Uniform(-1, 1)," in reproduce.call(report)


def test_references_are_complete_and_used() -> None:
    """Whatever the catalogue cites is there as BibTeX, and nothing else is."""
    from dmtest.catalogue import unlisted
    from dmtest.catalogue.registry import ROWS

    own = {citations.PAPER, "Phipson & Smyth 2010", "Westfall & Young 1993", "Holm 1979"}
    own |= {"Aldor-Noiman et al. 2013", "Anderson & Darling 1954", "Rosenblatt 1952"}
    own |= {"Besag & Clifford 1989", "Besag & Clifford 1991"}
    assert set(citations.library()) == own | {
        label for row in (*ROWS, *unlisted.ROWS) for label in row.reference.split("; ") if label
    }
    entries = [entry for found in citations.library().values() for entry in found]
    assert len({entry.key for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.bibtex.count("{") == entry.bibtex.count("}")
        fields = dict(citations.FIELD.findall(entry.bibtex))
        where = {"journal", "booktitle", "publisher", "eprint"}
        assert {"author", "title", "year"} <= set(fields)
        assert where & set(fields)
        assert re.search(r"\(\d{4}\)\. .+\.$", entry.text)
        assert not re.search(r"[{}$\\]", entry.text)


def test_identifiers_of_references_are_well_formed() -> None:
    """A DOI is 10.prefix/suffix without a resolver before it, and belongs to one work."""
    entries = [entry for found in citations.library().values() for entry in found]
    fields = {entry.key: dict(citations.FIELD.findall(entry.bibtex)) for entry in entries}
    dois = [found["doi"] for found in fields.values() if "doi" in found]
    assert len(dois) >= 40
    assert len({doi.lower() for doi in dois}) == len(dois)
    for doi in dois:
        assert re.fullmatch(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]+[A-Za-z0-9]", doi), doi
        assert sum(f"doi:{doi}." in entry.text for entry in entries) == 1
    for key, found in fields.items():
        assert re.fullmatch(r"1[89]\d\d|20\d\d", found["year"]), key
        if "eprint" in found:
            assert re.fullmatch(r"\d{4}\.\d{4,5}", found["eprint"]), key
        if "pages" in found:  # from the first to the last, joined as BibTeX wants it
            for first, last in (part.split("--") for part in found["pages"].split(", ")):
                assert int(first) < int(last), key


def test_identifiers_in_documents_are_well_formed() -> None:
    """What the pages and docstrings call a DOI or an arXiv number can be looked up."""
    root = Path(__file__).parents[2]
    files = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("dmtest/**/*.py")]
    found = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        found += re.findall(r"(?:doi:\s*|doi\.org/)(10\S*?)[.,;)]*(?:\s|\]|$)", text)
        for number in re.findall(r"arXiv(?:\.org/abs/|[: ])\s*(\d[\w./]*\w)", text):
            assert re.fullmatch(r"\d{4}\.\d{4,5}", number), (path.name, number)
    for doi in found:
        assert re.fullmatch(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]+", doi), doi


def test_citations_follow_what_was_used() -> None:
    report = fake_report.mismatch()
    keys = [entry.key for entry in citations.cited(report)]
    assert (keys[:2], len(keys)) == (["dmtest", "butakov2024"], len(set(keys)))
    assert {"henze1990", "holm1979", "phipson2010", "aldornoiman2013"} <= set(keys)
    assert "bingham1974" not in keys
    assert [entry.key for entry in citations.cited(fake_report.bare())] == ["dmtest"]
    assert citations.bibtex(report).count("@") == len(keys)


def test_a_reference_that_is_not_known_is_still_named() -> None:
    described = {"kuiper": Description("x", "Nobody 2031")}
    report = fake_report.mismatch(provenance=replace(fake_report.PROVENANCE, described=described))
    assert citations.cited(report)[2].text == "Nobody 2031"
    assert "<li>Nobody 2031</li>" in report.to_html()


def test_page_of_a_report_without_descriptions() -> None:
    provenance = replace(fake_report.PROVENANCE, described=None)
    said = Page(fake_report.mismatch(provenance=provenance).to_html()).text
    assert "henze-zirkler" in said
    assert "What it detects" not in said


def test_page_is_small_at_384_columns_and_64_slices() -> None:
    """Under 1.5 MB at the size that the issue names; pictures hold a bounded number of points."""
    x = fake_report.sample(4000, 384)
    names = [f"embedding_{k}" for k in range(384)]
    report = fake_report.mismatch(d=384, figures=fake_report.figures(x, names))
    assert len(report.to_html().encode()) < 400_000


@pytest.mark.parametrize(
    ("rates", "half", "said"),
    [
        ((0.1, 0.6), 61.0, "50% of the time with 61 rows."),
        ((0.98, 1.0), None, "98% of the time with only 32 rows."),
        ((0.1, 0.3), None, "Kuiper rejects less than half of the blocks of 64 rows or fewer."),
    ],
)
def test_power_in_words(rates: tuple[float, float], half: float | None, said: str) -> None:
    threshold = PowerPoint(power=0.5, n=half, low=None, high=None)
    figure = replace(
        fake_report.POWER, test="kuiper", sizes=(32, 64), rates=rates, thresholds=(threshold,)
    )
    assert said in explain.power_sentence(figure)
