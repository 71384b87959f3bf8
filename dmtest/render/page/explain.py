"""Sentences for readers who are not statisticians: size, power, and a glossary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmtest.render import wording
from dmtest.results.effect_table import SLICED_WASSERSTEIN

if TYPE_CHECKING:
    from dmtest.results.figures import PowerFigure
    from dmtest.results.report import Report

GLOSSARY = (
    (
        "p-value",
        "How often data from the target itself would give evidence at least this strong. Small "
        "means that the data do not fit. It says nothing about how large the departure is: with "
        "many rows a tiny departure is detected, too. With “≤” it is the smallest that this many "
        "simulations can give.",
        "outcomes",
    ),
    (
        "Global and adjusted",
        "The global p-value covers all tests and slices together, so there is nothing left to "
        "correct for. An adjusted p-value belongs to one test and is corrected for their number.",
        "outcomes",
    ),
    (
        "Statistic",
        "The number that a test computes. Its scale differs from test to test, so two of them "
        "cannot be compared; their p-values can.",
        "outcomes",
    ),
    (
        "Divergence (KL), nats",
        "How much worse the target predicts a row than the true distribution does, as a mean "
        "difference of log-likelihoods; 0 means that they are the same. A nat is 1.44 bits.",
        "profile",
    ),
    (
        "After noise",
        "Both distributions are blurred by the same noise first. Little noise shows fine "
        "structure and takes many rows. Without noise no sample bounds the divergence from above.",
        "profile",
    ),
    (
        "Sliced Wasserstein-2 distance",
        "How far values have to be moved to match the target, as the root mean square over "
        "directions.",
        "slices",
    ),
    (
        "Reference",
        "A large draw from the target. Effects and figures compare the data with it; p-values "
        "compare them with many fresh draws of as many rows as the data have.",
        "drawn",
    ),
    (
        "Slice",
        "The data seen along one direction: a weighted sum of the columns.",
        "slices",
    ),
)


# Terms with another meaning in a comparison of two samples.
TWO_SAMPLES = {
    "p-value": "How often two samples of one distribution would give evidence at least this "
    "strong. Small means that the samples differ. It says nothing about how much: with many rows "
    "a tiny difference is detected, too. With “≤” it is the smallest that this many permutations "
    "can give.",
    "Sliced Wasserstein-2 distance": "How far values of one sample have to be moved to match the "
    "other, as the root mean square over directions.",
}


def glossary(report: Report) -> list[tuple[str, str]]:
    """Return the terms that this report uses, with their meanings."""
    other = TWO_SAMPLES if wording.two_samples(report) else {}
    parts = {
        "profile": report.figures.profile,
        "slices": report.figures.slices,
        "outcomes": report.outcomes,
        "drawn": report.target == "sampled",
    }
    return [(word, other.get(word, text)) for word, text, part in GLOSSARY if parts[part]]


def power_sentence(figure: PowerFigure) -> str:
    """Return the rows that the battery needs to detect the departure."""
    test, sizes, rates = wording.clean(figure.test), figure.sizes, figure.rates
    test = test[:1].upper() + test[1:]
    parts = [
        f"{100 * one.power:g}% of the time with {wording.count(round(one.n))} rows"
        for one in figure.thresholds
        if one.n is not None
    ]
    if parts:
        return f"{test} detects this departure " + ", ".join(parts) + "."
    if rates[0] >= 0.5:
        share = f"{100 * rates[0]:.0f}%"
        return f"{test} detects this departure {share} of the time with only {sizes[0]} rows."
    most = wording.count(sizes[-1])
    shown = figure.thresholds[0].low if figure.thresholds else None
    sure = "" if shown is None else f" (with 95% confidence for {wording.count(round(shown))} rows)"
    return f"{test} rejects less than half of the blocks of {most} rows or fewer{sure}."


def magnitude(report: Report) -> str:
    """Return the size of the departure in a sentence or two; empty without an estimate."""
    sentences = []
    effect = report.effects.get(SLICED_WASSERSTEIN.name)
    if effect is not None and effect.value is not None and wording.interval(effect):
        level = (
            "" if effect.confidence is None else f", with {100 * effect.confidence:g}% confidence"
        )
        apart = "of the two samples" if wording.two_samples(report) else "from the target"
        limits = f"{wording.interval(effect)}{level}"
        if effect.high is None and not effect.low:
            limits = "without an upper limit"
        beside = wording.yardsticks(effect, unit=False)
        sentences.append(
            f"The distance {apart}, as root mean square over directions, is "
            f"{wording.number(effect.value)} {wording.clean(effect.unit)} "
            f"({limits}){f'; {beside}' if beside else ''}."
        )
    if report.figures.detectability is not None:
        sentences.append(power_sentence(report.figures.detectability))
    return " ".join(sentences)
