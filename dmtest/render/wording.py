"""Texts of verdicts and numbers, shared by page, notebook, terminal and figures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmtest.errors import printable
from dmtest.results.targets import NAMED
from dmtest.words import counted, of_many

if TYPE_CHECKING:
    from dmtest.results.classes import ClassReports
    from dmtest.results.equivalence import Criterion, Equivalence
    from dmtest.results.outcome import Effect, Outcome
    from dmtest.results.report import Report

SMALLEST = 1e-16
TIMES = "\N{MULTIPLICATION SIGN}"

TARGETS = {target.name: target.words for target in NAMED if target.words}
TARGETS["reference(rotation)"] = f"{TARGETS['reference']}, up to a rotation"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict in words.

    Attributes
    ----------
    symbol : str
        One character, so that the verdict does not depend on colour alone.
    headline : str
        Two or three words.
    sentence : str
        Meaning for these data.
    aside : str
        What it does not mean; may be empty.
    """

    symbol: str
    headline: str
    sentence: str
    aside: str = ""


def clean(text: object) -> str:
    """Return text that is safe to show, with control and format characters escaped."""
    return printable(str(text))


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as text, such as 0.0312, 12,345 or 3.1e-7."""
    if value is None or math.isnan(value):
        return "not computed"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    size = abs(value)
    if 0 < size < 1e-4 or size >= 1e7:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if size >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}".rstrip(".") if size else "0"


def count(value: int) -> str:
    """Return a whole number with thousands separators."""
    return f"{value:,}"


plural = counted


def at_floor(value: float, replicates: int | None, floor: float | None = None) -> bool:
    """Whether a p-value is the smallest that its null can give.

    Parameters
    ----------
    value : float
    replicates : int or None
        Replicates behind it, which give at least 1 / (replicates + 1).
    floor : float, optional
        The smallest value, where it is known.
    """
    if floor is None:
        floor = 1.0 / (replicates + 1.0) if replicates else None
    return floor is not None and math.isclose(value, floor, rel_tol=1e-6)


def _least(value: float) -> str:
    """Return the smallest p-value of a null as text."""
    return number(value, 2) if value < 1e-4 else f"{value:.2g}"


def _null_of(replicates: int | None, *outcomes: Outcome) -> str:
    """Return what limits a p-value from below, in words."""
    if any("(shipped)" in outcome.method for outcome in outcomes):
        return "the shipped nulls"
    return f"{count(replicates or 0)} replicates"


def pvalue(value: float | None, replicates: int | None = None, floor: float | None = None) -> str:
    """Return a p-value such as 0.0431, ≤ 0.001 (Monte Carlo floor) or < 1e-16."""
    if value is None or math.isnan(value):
        return "not computed"
    if at_floor(value, replicates, floor):
        return f"≤ {_least(value)}"
    if value < SMALLEST:
        return "< 1e-16"
    if value < 1e-4:
        return number(value, 2)
    return f"{value:.3g}" if value < 0.1 or value == 1 else f"{value:.3f}"


def equals(text: str) -> str:
    """Return "p = 0.04" or "p ≤ 0.001" from the text of `pvalue`."""
    return f"p {text}" if text[:1] in "≤<" else f"p = {text}" if text[:1].isdigit() else f"p {text}"


def evidence(report: Report) -> tuple[str, str]:
    """Return the global p-value as text, and a note on its Monte Carlo floor or error."""
    replicates = fewest(report)
    floor, error = report.provenance.pvalue_floor, report.provenance.pvalue_error
    if at_floor(report.pvalue, replicates, floor) or at_floor(report.pvalue, replicates):
        note = f"the smallest that {_null_of(replicates, *report.outcomes)} can give"
        return equals(f"≤ {_least(report.pvalue)}"), note
    # The floor of a Holm-type global p-value is the smallest adjusted one.
    for raw, outcome in adjusted_floors(report):
        if math.isclose(report.pvalue, raw, rel_tol=1e-9):
            note = (
                f"the smallest that {_null_of(outcome.replicates, outcome)} and "
                f"{plural(len(report.outcomes), 'test')} can give"
            )
            return equals(f"≤ {_least(report.pvalue)}"), note
    # An error larger than the p-value says nothing of it.
    known = error is not None and 0.0 < error <= report.pvalue
    note = f"Monte Carlo standard error {error:.1g}" if known else ""
    return equals(pvalue(report.pvalue)), note


def scope(report: Report) -> str:
    """Return what the global p-value covers."""
    if not report.outcomes and report.classes is not None:
        return f"over {plural(len(report.classes), 'class', 'classes')}"
    if not report.outcomes:
        return "no test was run"
    return f"global, over {plural(len(report.outcomes), 'test')}"


def in_groups(report: Report) -> str:
    """Return " in 500 groups", or an empty text where rows are independent."""
    groups = report.provenance.groups
    return "" if groups is None else f" in {plural(groups, 'group')}"


def size(report: Report) -> str:
    """Return rows times columns, for two samples with the rows of both."""
    other = report.provenance.reference_rows
    rows = count(report.n) + ("" if other is None else f" and {count(other)}")
    return f"{rows} {TIMES} {count(report.d)}{in_groups(report)}"


def adjusted_floors(report: Report) -> list[tuple[float, Outcome]]:
    """Return the adjusted p-values below 1 whose raw p-value is at its floor."""
    pairs = zip(report.adjusted, report.outcomes, strict=True)
    return [(p, o) for p, o in pairs if p < 1 and _floored(o)]


def _floored(outcome: Outcome) -> bool:
    return at_floor(outcome.pvalue, outcome.replicates, outcome.pvalue_floor)


def fewest(report: Report) -> int | None:
    """Return the replicates behind the global p-value; None if the report does not say."""
    if report.provenance.replicates:
        return report.provenance.replicates
    return max((o.replicates for o in report.outcomes if o.replicates), default=None)


def interval(effect: Effect) -> str:
    """Return "0.21 to 0.25", or an empty text without an interval."""
    if effect.low is None and effect.high is None:
        return ""
    if effect.low is None:
        return f"up to {amount(effect, effect.high)}"
    if effect.high is None:
        return f"at least {amount(effect, effect.low)}"
    return f"{amount(effect, effect.low)} to {amount(effect, effect.high)}"


def amount(effect: Effect, value: float | None) -> str:
    """Return a value of an effect as text: rows are whole numbers."""
    whole = effect.unit == "rows" and value is not None and math.isfinite(value)
    return count(round(value)) if whole and value is not None else number(value)


def yardsticks(effect: Effect, unit: bool = True) -> str:
    """Return "for comparison, a dead coordinate 0.04 nats" of an effect that has them, or ""."""
    named = [f"a {name} {number(value)}" for name, value in effect.yardsticks.items()]
    return f"for comparison, {', '.join(named)}{f' {effect.unit}' if unit else ''}" if named else ""


def one_sided(effect: Effect) -> str:
    """Return "> 1,250" or "< 20" of an effect with one limit; empty with none or with two."""
    if effect.low and effect.high is None:
        return f"> {amount(effect, effect.low)}"
    if effect.high is not None and effect.low is None:
        return f"< {amount(effect, effect.high)}"
    return ""


def method(text: str) -> str:
    """Return the text of a method with a capital letter."""
    shown = clean(text).replace("monte carlo", "Monte Carlo")
    return shown[:1].upper() + shown[1:]


def two_samples(report: Report) -> bool:
    """Whether the report compares with a sample instead of a distribution."""
    return report.target == "reference" or report.target.startswith("reference(")


def against_rows(report: Report) -> bool:
    """Whether figures compare with rows: a reference sample, or a draw of the target."""
    return two_samples(report) or report.target == "sampled"


def other(report: Report) -> str:
    """Return what the data are compared with in figures, in a word."""
    return "reference" if against_rows(report) else "target"


def target(name: str) -> str:
    """Return the hypothesis in words."""
    if name.startswith("ranks("):
        draws, _, independent = name[6:-1].partition(", ")
        columns = " in independent columns" if independent else ""
        return f"the uniform distribution on the ranks 0 to {clean(draws)}{columns}"
    return TARGETS.get(name, clean(name))


def verdict(report: Report) -> Verdict:
    """Return the verdict in words; *compatible* is never worded as "is normal"."""
    if report.classes is not None and not report.outcomes:
        return _of_classes(report, report.classes)
    return WORDS[report.verdict](report)


def _of_classes(report: Report, classes: ClassReports) -> Verdict:
    """Return the verdict on a sample whose classes follow the target, each by itself."""
    words = WORDS[report.verdict](report)
    verdicts = list(classes.verdicts.values())
    many, law = plural(len(classes), "class", "classes"), target(report.target)
    if report.verdict == "mismatch":
        bad = verdicts.count("mismatch")
        verb = "does" if bad == 1 else "do"
        sentence, aside = f"{bad} of {many} {verb} not follow {law}.", ""
    elif report.verdict == "equivalent":
        sentence, aside = f"Each of the {many} is certified to be near {law}.", words.aside
    elif report.verdict == "compatible":
        sentence = f"No evidence that a class departs from {law}, at alpha = {report.alpha:g}."
        fewest = plural(min(one.n for one in classes.values()), "row")
        aside = f"This is not proof that they follow it: classes of {fewest} hide small departures."
    else:
        few = [name for name, verdict in classes.verdicts.items() if verdict == "inconclusive"]
        share = of_many(len(few), len(classes), "class", "is", "are", several="classes")
        sentence = f"{share} inconclusive: neither near {law} with confidence, nor a mismatch."
        why = WORDS["inconclusive"](classes[few[0]]).aside
        aside = f"Class {clean(few[0])}: {why}" if why else ""
    return Verdict(words.symbol, words.headline, sentence, aside)


def _mismatch(report: Report) -> Verdict:
    equivalence = report.provenance.equivalence
    sentence = f"These data do not follow {target(report.target)}."
    if equivalence is None:
        return Verdict("✕", "Mismatch", sentence)
    return Verdict("✕", "Mismatch", sentence, f"Not {within(equivalence)}: {reason(equivalence)}.")


def within(equivalence: Equivalence) -> str:
    """Return "equivalent within 0.02 nats after noise of sd 1.37, and on 1,000 rows"."""
    parts = []
    if equivalence.tolerance is not None:
        parts.append(
            f"within {equivalence.tolerance:g} nats after noise of sd {equivalence.noise:.3g}"
        )
    if equivalence.tolerance_rows is not None:
        parts.append(f"on {plural(equivalence.tolerance_rows, 'row')}")
    return f"equivalent {', and '.join(parts)}"


def reason(equivalence: Equivalence) -> str:
    """Return why the first of the criteria does not hold; empty if all hold."""
    one = equivalence.worst
    if one is None:
        return ""
    label = clean(one.label[:1].lower() + one.label[1:] if one.unit == "power" else one.label)
    if one.note.startswith("it is infinite"):
        return f"the {clean(one.label)} is infinite{clean(one.note.removeprefix('it is infinite'))}"
    if one.unit == "power":
        return f"{clean(one.note)}, so the {label} may be {_bound(one.upper)}"
    if one.exceeds:
        return f"the {label} is {number(one.estimate)} nats, at least {number(one.lower)}"
    if one.upper is None:
        return (
            f"the {label} has no upper bound ({clean(one.note) or 'these rows do not resolve it'})"
        )
    return f"the {label} is bounded by {number(one.upper)} nats only"


def _bound(value: float | None) -> str:
    return "anything" if value is None else f"up to {number(value)}"


def held(one: Criterion) -> str:
    """Return a criterion that holds with its upper bound, such as "KL ... ≤ 0.0031"."""
    return f"{clean(one.label)} ≤ {number(one.upper)}"


def _compatible(report: Report) -> Verdict:
    bounded = any(interval(effect) for effect in report.effects.values())
    departures = "the departures inside the intervals below" if bounded else "small departures"
    if two_samples(report):
        turned = ", whatever the rotation between them" if "rotation" in report.target else ""
        return Verdict(
            "○",
            "No evidence of a difference",
            f"At alpha = {report.alpha:g}, the tests found no evidence that the data and the "
            f"reference sample have different distributions{turned}.",
            f"This is not proof that the distributions are the same: samples of this size cannot "
            f"exclude {departures}.",
        )
    return Verdict(
        "○",
        "No evidence against the target",
        f"At alpha = {report.alpha:g}, the tests found no evidence against "
        f"{target(report.target)}.",
        f"This is not proof that the data follow it: {plural(report.n, 'row')} cannot exclude "
        f"{departures}.",
    )


def _equivalent(report: Report) -> Verdict:
    equivalence = report.provenance.equivalence
    if equivalence is None:
        # A report of an earlier version: its bound was of the divergence after noise alone.
        return Verdict("≈", "Equivalent after noise", EARLIER, "")
    stated = within(equivalence)
    shown = [one for one in equivalence.criteria if one.unit == "power" or equivalence.tolerance]
    sentence = (
        f"With confidence {equivalence.confidence:g} these data are {stated} of "
        f"{target(report.target)}: {'; '.join(held(one) for one in shown)}."
    )
    hidden = "; ".join(clean(text) for text in equivalence.hidden)
    aside = f"This does not exclude {hidden}. A test may still reject: a departure can be there "
    return Verdict("≈", stated[:1].upper() + stated[1:], sentence, aside + "without mattering.")


def _inconclusive(report: Report) -> Verdict:
    equivalence = report.provenance.equivalence
    if equivalence is None:
        return Verdict("?", "Inconclusive", EARLIER, "")
    worst = equivalence.worst
    law = target(report.target)
    if worst is not None and worst.exceeds:
        sentence = f"These data are not {within(equivalence)} of {law}, although no test rejects."
    else:
        sentence = (
            f"{plural(report.n, 'row')} are too few to tell whether these data are "
            f"{within(equivalence)} of {law}."
        )
    aside = f"{_capital(reason(equivalence))}."
    if equivalence.rows_needed:
        aside += f" About {count(equivalence.rows_needed)} rows like these would suffice."
    if equivalence.advice:
        aside += f" {_capital(clean(equivalence.advice))}."
    return Verdict("?", "Inconclusive", sentence, aside)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# Of a verdict on a tolerance that was computed before the criteria of equivalence.
EARLIER = (
    "An earlier version of dmtest compared the divergence after noise with the tolerance; write "
    "the report again for a verdict that says what the noise hides."
)
WORDS: dict[str, Callable[[Report], Verdict]] = {
    "mismatch": _mismatch,
    "compatible": _compatible,
    "equivalent": _equivalent,
    "inconclusive": _inconclusive,
}
