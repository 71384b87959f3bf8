"""The HTML page of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest._version import __version__
from dmtest.render import bounds_rows, citations, table_rows, training_rows, wording
from dmtest.render.figures import result_figures
from dmtest.render.page import bounds as bounds_page
from dmtest.render.page import explain
from dmtest.render.page.page_figures import PageFigure, drawing
from dmtest.render.page.records import RecordPage, Section, diagnosis, page, sentence
from dmtest.render.tables import Part
from dmtest.runtime.streams import stream

if TYPE_CHECKING:
    from dmtest.results.report import Report

# Most rows in a scatter plot.
DRAWN = 2000
INEQUALITIES = ("Source", "Inequality", "Left>", "Right>", "Slack>", "Holds")


def training_page(fit: Any) -> str:
    """Return the page of a training run: verdict, bound over epochs, scores, rows, bounds.

    Parameters
    ----------
    fit : dmtest.train.Fit

    Returns
    -------
    str
        A self-contained file without scripts.
    """
    noise, (rows, d), report = fit.noise, fit.embeddings.shape, fit.report
    run = [
        f"{wording.count(rows)} held-out rows \N{MULTIPLICATION SIGN} "
        f"{wording.plural(d, 'column')}; "
        f"target {training_rows.target(fit)}, {noise.name} = {noise.level:.3g}",
        f"trained {training_rows.trained(fit)}, seed {fit.seed}",
    ]
    return page(
        RecordPage(
            **_verdict(fit, report),
            evidence=[*(["not evaluated"] if report is None else _evidence(report)), *run],
            first=information_figure(fit),
            sections=_sections(fit),
            source=wording.clean(fit.source),
            version=__version__,
        )
    )


def _verdict(fit: Any, report: Report | None) -> dict[str, Any]:
    """Return tone, symbol, headline and sentences: those of the report on held-out rows."""
    verification = fit.verification
    theory = ""
    if verification is not None:
        broken = len(verification.violations)
        theory = training_rows.agreement(verification)
        if broken:
            verb = "inequality of the theory is", "inequalities of the theory are"
            theory = f"{wording.plural(broken, *verb)} broken: see Bounds."
    if report is None:
        return {
            "tone": "",
            "symbol": "",
            "headline": "Trained",
            "lead": "The run was not evaluated (evaluate=False).",
            "asides": [],
        }
    verdict = wording.verdict(report)
    lines = [verdict.aside, explain.magnitude(report), theory]
    return {
        "tone": report.verdict,
        "symbol": verdict.symbol,
        "headline": verdict.headline,
        "lead": verdict.sentence.replace("These data", "The held-out embeddings"),
        "asides": [line for line in lines if line],
    }


def _evidence(report: Report) -> list[str]:
    pvalue, note = wording.evidence(report)
    return [pvalue, *([note] if note else [])]


def information_figure(fit: Any) -> PageFigure | None:
    """Return the bound of the information over the epochs; None where training had no such bound.

    The Jensen-Shannon objective is not in nats, so it has no place beside a capacity.
    """
    values = [value for value in fit.history.get("information", ()) if np.isfinite(value)]
    if not values:
        return None
    capacity = fit.noise.capacity(fit.embeddings.shape[1])
    label = (
        f"Bound of the information in training over {len(values)} epochs: "
        f"{wording.number(values[-1])} nats at the end, capacity {wording.number(capacity)}."
    )
    drawn = drawing(result_figures.information, fit, "i", label)
    legend: tuple[tuple[str, str], ...] = (("line data", "bound in training"),)
    if np.isfinite(capacity):
        legend += (("dashes", "capacity"),)
    return PageFigure("Information over the epochs", "", (drawn,), legend=legend)


def _sections(fit: Any) -> list[Section]:
    report = fit.report
    sections = []
    if fit.findings:
        said = [sentence(one.message, one.advice) for one in fit.findings]
        sections.append(Section(id="run", title="The run", link="The run", sentences=said))
    if report is not None:
        title = "What is wrong" if report.verdict == "mismatch" else "What was found"
        sections.append(
            Section(id="wrong", title=title, link="Diagnosis", sentences=diagnosis(report))
        )
    if fit.verification is not None and fit.baseline is not None:
        rows = tuple((name, *cells) for name, cells in training_rows.rows(fit))
        head = (training_rows.HEAD[0], *(f"{name}>" for name in training_rows.HEAD[1:]))
        sections.append(
            Section(
                id="compared",
                title="Trained, untrained and perfect",
                link="Scores",
                intro="Untrained: the same encoder before training; random features are often "
                "nearly normal. Perfect: an encoder that follows the target and is weakly "
                "invariant; for the divergence after noise, an exact sample from the target of "
                "as many rows.",
                tables=[Part("", head, rows)],
            )
        )
    sections.append(_rows_section(fit))
    curves = [figure for name in ("loss", "invariance_error") if (figure := _history(fit, name))]
    if curves:
        sections.append(
            Section(id="curves", title="Curves", link="Curves", figures=curves, layout="plates")
        )
    if fit.verification is not None and fit.verification.pairs is not None:
        sections.append(_bounds_section(fit.verification))
    if report is not None:
        sections.append(
            Section(
                id="effects",
                title=f"How large {'it is' if report.verdict == 'mismatch' else 'it could be'}",
                link="Effects",
                effects=table_rows.effect_rows(report),
            )
        )
        findings = [
            sentence(table_rows.warning_line(one), one.advice) for one in table_rows.unsaid(report)
        ]
        if findings:
            sections.append(
                Section(
                    id="data",
                    title="Findings about the embeddings",
                    link="Findings",
                    sentences=findings,
                )
            )
    facts = [
        (name.replace("_", " "), wording.clean(value))
        for name, value in fit.settings.to_dict().items()
        if value is not None
    ]
    facts += [("target", training_rows.target(fit)), (fit.noise.name, f"{fit.noise.level:.4g}")]
    facts += [("seed", str(fit.seed)), ("time", f"{fit.seconds:.1f} s")]
    references = [one.text for one in citations.library().get(citations.PAPER, ())]
    sections.append(
        Section(
            id="method",
            title="What was computed",
            link="Method",
            facts=facts,
            references=references,
        )
    )
    return sections


def _history(fit: Any, name: str) -> PageFigure | None:
    values = [value for value in fit.history[name] if np.isfinite(value)]
    if not values:
        return None
    title = {"loss": "Loss", "invariance_error": "Invariance error"}[name]
    label = (
        f"{title} over {len(values)} epochs: {wording.number(values[0])} at first, "
        f"{wording.number(values[-1])} at the end."
    )
    drawn = drawing(result_figures.history, fit, f"y{name}", label, series=name, size=(4.4, 2.9))
    return PageFigure(title, "", (drawn,))


def _rows_section(fit: Any) -> Section:
    """Return the scatter plots: trained and untrained encoder, and an exact sample."""
    pair = worst_pair(fit)
    rows, d = fit.embeddings.shape
    kept = np.sort(stream(fit.seed, "page/rows").permutation(rows)[:DRAWN])
    rng = stream(fit.seed, "page/exact")
    law = fit.target if isinstance(fit.target, str) else ""
    exact = _exact(fit, len(kept), rng)
    shown = [("Trained", fit.embeddings[kept]), ("An exact sample", exact)]
    if fit.untrained is not None:
        shown.insert(1, ("Untrained", fit.untrained[kept]))
    columns = sorted(set(pair))
    middle = 0.5 if law == "uniform" else 0.0
    sizes = [np.abs(values[:, columns] - middle).max() for _, values in shown]
    reach = 1.05 * max({"normal": 3.2, "uniform": 0.5}.get(law, 0.0), float(max(sizes)))
    figures = []
    for place, (title, values) in enumerate(shown):
        label = f"{title}: {wording.count(len(values))} rows in columns {pair[0]} and {pair[1]}."
        options = {"rows": values, "pair": pair, "reach": reach, "coloured": values is not exact}
        options["kept"] = kept
        drawn = drawing(
            result_figures.embedded, fit, f"e{place}", label, size=(3.3, 3.1), **options
        )
        figures.append(PageFigure(title, "", (drawn,)))
    intro = f"{'All' if len(kept) == rows else f'{len(kept):,} of {rows:,}'} held-out rows"
    if d > 2:
        intro += f" in the two columns that are furthest from the target, {pair[0]} and {pair[1]}"
    if fit.labels is not None:
        intro += ", coloured by class"
    intro += ", on one scale."
    if law == "normal" and d > 1:
        intro += " The circles contain 50% and 95% of the rows of the target."
    elif law == "uniform" and d > 1:
        intro += " The square is the target's cube."
    return Section(
        id="rows", title="Rows", link="Rows", intro=intro, figures=figures, layout="plates three"
    )


def _exact(fit: Any, n: int, rng: np.random.Generator) -> Any:
    """Draw from the target: what the outlet follows, through the map behind it."""
    d = fit.embeddings.shape[1]
    if fit.noise.target == "uniform":
        return rng.random((n, d))
    import torch

    drawn = torch.tensor(rng.standard_normal((n, d)))
    with torch.no_grad():
        return fit.encoder.margins(drawn).numpy()


def worst_pair(fit: Any) -> tuple[int, int]:
    """Return the two columns that are furthest from the target, by Kolmogorov-Smirnov distance."""
    d = fit.embeddings.shape[1]
    if d <= 2 or fit.verification is None:
        return 0, min(1, d - 1)
    order = np.argsort(fit.verification.kolmogorov)[::-1]
    first, second = sorted((int(order[0]), int(order[1])))
    return first, second


def _bounds_section(verification: Any) -> Section:
    pairs = verification.pairs
    tables = [
        *bounds_page.parts(pairs),
        Part(
            "Inequalities of the theory",
            INEQUALITIES,
            tuple(
                (
                    one.source,
                    one.says,
                    wording.number(one.left),
                    wording.number(one.right),
                    wording.number(one.slack),
                    "yes" if one.holds else "✕ no",
                )
                for one in verification.inequalities
            ),
            tuple(not one.holds for one in verification.inequalities),
            (
                "Left and right are in nats: confidence bounds where the quantities have them. "
                "Slack: the error allowed for estimates without intervals.",
            ),
        ),
    ]
    return Section(
        id="bounds",
        title="Bounds",
        link="Bounds",
        intro="With the dual critic of Theorem 4.1, on the held-out pairs: "
        f"{bounds_rows.used(pairs)}.",
        tables=tables,
        figures=[bounds_page.nats_figure(pairs)],
    )
