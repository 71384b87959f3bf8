"""The HTML page of the bounds of positive pairs."""

from __future__ import annotations

import math
from typing import Any

from dmtest._version import __version__
from dmtest.render import bounds_rows, citations, wording
from dmtest.render.figures import result_figures
from dmtest.render.page.page_figures import PageFigure, drawing
from dmtest.render.page.records import RecordPage, Section, page, sentence
from dmtest.render.tables import Part

HEAD = ("Quantity", "Nats>", "What it is")


def bounds_page(pairs: Any, source: str = "") -> str:
    """Return the page of bounds: what the pairs certify, all bounds, and where they come from.

    Parameters
    ----------
    pairs : dmtest.information.pairs.PairBounds
    source : str
        Name of the data.

    Returns
    -------
    str
        A self-contained file without scripts.
    """
    broken = bool(pairs.violations)
    used = bounds_rows.used(pairs)
    return page(
        RecordPage(
            tone="mismatch" if broken else "",
            symbol="✕" if broken else "",
            headline="An inequality is broken" if broken else f"{used[:1].upper()}{used[1:]}",
            lead=_lead(pairs),
            asides=_asides(pairs),
            evidence=[
                f"KL ≤ {wording.number(pairs.smoothed_kl)} nats",
                f"after the noise, with confidence {pairs.confidence:g}",
                f"{bounds_rows.count(pairs)} \N{MULTIPLICATION SIGN} "
                f"{wording.plural(pairs.d, 'column')}; "
                f"{bounds_rows.level(pairs)}",
                f"Theorem {bounds_rows.theorem(pairs)} of arXiv 2410.06993",
            ],
            first=nats_figure(pairs),
            sections=_sections(pairs),
            source=wording.clean(source),
            version=__version__,
        )
    )


def _lead(pairs: Any) -> str:
    law = f"N(0, {1.0 + pairs.level**2:.4g} I), the target with the noise added"
    if pairs.noise == "uniform":
        law = f"the uniform law on [{-pairs.level:g}, {1.0 + pairs.level:g}]^{pairs.d}"
    if pairs.violations:
        return "The numbers contradict the theory: check that both arrays hold the same items."
    return (
        f"The embeddings with the noise added are within {wording.number(pairs.smoothed_kl)} nats "
        f"of {law}."
    )


def _asides(pairs: Any) -> list[str]:
    lines = [
        f"The capacity is {wording.number(pairs.capacity)} nats, and at least "
        f"{wording.number(pairs.information_low)} nats of information about a view pass.",
    ]
    if not pairs.violations:
        lines.append("No inequality of the theory is broken.")
    if pairs.outside:
        lines.append(
            f"{pairs.outside:.1%} of the pairs are further apart than the noise allows; the critic "
            f"is mixed with a constant of that weight."
        )
    return lines


def nats_figure(pairs: Any, name: str = "b") -> PageFigure:
    """Return the figure of all bounds on one axis."""
    label = (
        f"Bounds in nats with their intervals: information at least "
        f"{wording.number(pairs.information_low)}, capacity {wording.number(pairs.capacity)}, "
        f"KL after noise at most {wording.number(pairs.smoothed_kl)}."
    )
    drawn = drawing(result_figures.nats, pairs, name, label, size=(3.9, 2.9), margins=(0.1, 0.5))
    legend = (("line data", "bound and interval"), ("dashes", "capacity"))
    return PageFigure("Bounds on one axis", "", (drawn,), legend=legend)


def parts(pairs: Any) -> list[Part]:
    """Return the table of all bounds."""
    return [Part("", HEAD, tuple(bounds_rows.rows(pairs)))]


def _sections(pairs: Any) -> list[Section]:
    sections = []
    if pairs.violations:
        broken = [sentence(f"✕ {wording.clean(one)}") for one in pairs.violations]
        sections.append(
            Section(id="broken", title="What is broken", link="Broken", sentences=broken)
        )
    sections.append(
        Section(
            id="bounds",
            title="All bounds",
            link="Bounds",
            intro="f(X) and f(X') are the embeddings of two views of one item, Z is the noise, I "
            "is mutual information and KL the divergence from the target.",
            tables=parts(pairs),
        )
    )
    sections.append(
        Section(id="meaning", title="How to read it", link="Reading", sentences=_reading(pairs))
    )
    facts = [
        ("pairs (n)", bounds_rows.count(pairs)),
        ("columns (d)", wording.count(pairs.d)),
        ("noise", bounds_rows.level(pairs)),
        ("confidence of a bound", f"{pairs.confidence:g}"),
        ("rows of a batch", wording.count(pairs.infonce.batch)),
        ("batches", wording.count(pairs.infonce.batches)),
        ("seed", str(pairs.seed)),
    ]
    references = [entry.text for entry in citations.library().get(citations.PAPER, ())]
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


def _reading(pairs: Any) -> list[tuple[str, list[tuple[str, bool]]]]:
    theorem = bounds_rows.theorem(pairs)
    reached = "The capacity is the largest information that can pass the noise. " + (
        "An encoder reaches it only if it follows the target and is weakly invariant."
        if pairs.noise == "gaussian"
        else "A uniform encoder does not reach it, because noise with sharp ends gives soft edges."
    )
    return [
        sentence(reached),
        sentence(
            "Lower bounds of I(f(X'); f(X)+Z) come from pairs. InfoNCE cannot exceed the logarithm "
            f"of the rows of a batch, {math.log(pairs.infonce.batch):.3g} nats: where it comes "
            "close, larger batches give more."
        ),
        sentence(
            "KL after noise is a certificate: it holds whatever the encoder is. KL before noise is "
            f"an estimate of the right-hand side of Theorem {theorem}, not a bound."
        ),
        sentence(
            "A large weak-invariance gap says that the augmentation removes information which the "
            "embedding keeps: train longer, or use weaker augmentations."
        ),
    ]
