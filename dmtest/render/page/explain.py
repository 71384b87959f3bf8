"""Sentences for a reader who is not a statistician: how large, who notices, what words mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmtest.render import wording
from dmtest.results.effect_table import SLICED_WASSERSTEIN

if TYPE_CHECKING:
    from dmtest.results.figures import PowerFigure
    from dmtest.results.report import Report

__all__ = ["glossary", "magnitude", "power_sentence"]

GLOSSARY = (
    (
        "p-value",
        "How often data from the target itself would give evidence at least this strong. Small "
        "means that the data do not fit. It says nothing about how large the departure is: with "
        "many rows a tiny one is found too. With “≤” it is the smallest that this many "
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
        "Slice",
        "The data seen along one direction: a weighted sum of the columns.",
        "slices",
    ),
)


# What means something else where a sample is compared with.
TWO_SAMPLES = {
    "p-value": "How often two samples of one distribution would give evidence at least this "
    "strong. Small means that the samples differ. It says nothing about how much: with many rows "
    "a tiny difference is found too. With “≤” it is the smallest that this many permutations can "
    "give.",
    "Sliced Wasserstein-2 distance": "How far values of one sample have to be moved to match the "
    "other, as the root mean square over directions.",
}


def glossary(report: Report) -> list[tuple[str, str]]:
    """Return the words that this report uses, with their meanings."""
    other = TWO_SAMPLES if wording.two_samples(report) else {}
    shown = {
        "profile": report.figures.profile,
        "slices": report.figures.slices,
        "outcomes": report.outcomes,
    }
    return [(word, other.get(word, text)) for word, text, part in GLOSSARY if shown[part]]


def power_sentence(figure: PowerFigure) -> str:
    """Return how many rows it takes the test of a power curve to notice."""
    test, sizes, rates = wording.clean(figure.test), figure.sizes, figure.rates
    parts = [
        f"{100 * one.power:g}% of the time with {wording.count(round(one.n))} rows"
        for one in figure.thresholds
        if one.n is not None
    ]
    if parts:
        return f"Somebody with {test} notices " + ", ".join(parts) + "."
    if rates[0] >= 0.5:
        share = f"{100 * rates[0]:.0f}%"
        return f"Somebody with {test} notices {share} of the time with only {sizes[0]} rows."
    most = wording.count(sizes[-1])
    return f"Somebody with {test} does not notice half of the time with {most} rows or fewer."


def magnitude(report: Report) -> str:
    """Return how large the departure is, in a sentence or two; empty when nothing says so."""
    said = []
    effect = report.effects.get(SLICED_WASSERSTEIN.name)
    if effect is not None and effect.value is not None and wording.interval(effect):
        level = (
            "" if effect.confidence is None else f", with {100 * effect.confidence:g}% confidence"
        )
        said.append(
            f"Averaged over directions the data are {wording.number(effect.value)} "
            f"{wording.clean(effect.unit)} off ({wording.interval(effect)}{level})."
        )
    if report.figures.detectability is not None:
        said.append(power_sentence(report.figures.detectability))
    return " ".join(said)
