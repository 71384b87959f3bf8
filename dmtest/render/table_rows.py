"""Rows of tables as text, for page, notebook and terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dmtest.render import citations, wording
from dmtest.results.effect_table import DIVERGENCE_PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmtest.results.outcome import Effect, Finding, Outcome
    from dmtest.results.report import Report

NAMES = {
    "seconds": "time",
    "pvalue_error": "standard error of global p",
    "pvalue_floor": "smallest possible global p",
    "rows_in_pictures": "rows in figures",
    "reference_rows": "rows of the reference",
    "rows_drawn": "rows drawn in all",
    "rows_of_large_draws": "rows of either large draw",
}
UNITS = {"standard deviations": "sd"}  # short forms for narrow columns
NEUTRAL = {"times the normal's": 1.0}  # values under the target, if not 0
BARELESS = frozenset({"rows"})  # units without a bar, since 0 is no reference
# Effects that are parts of the effect above them.
PARTS = frozenset(row.name for row in DIVERGENCE_PARTS if row.within)
# The test of the worst directions.
SEARCH = "worst-direction"
UNLISTED = frozenset({"equivalence", "tests", "arguments", "call", "command", "described"})


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One effect as text, with its interval on a common scale.

    `zero`, `start`, `end` and `mark` are positions from 0 to 100, on one scale for all effects of
    a unit; None without a bar. `part` marks a part of the effect above. `beside` is what to compare
    it with.
    """

    label: str
    estimable: bool
    value: str
    unit: str
    interval: str
    confidence: str
    note: str
    zero: float
    start: float | None
    end: float | None
    mark: float | None
    part: bool = False
    beside: str = ""


@dataclass(frozen=True, slots=True)
class TestRow:
    """One test as text."""

    __test__ = False  # not for pytest to collect

    test: str
    statistic: str
    reduction: str
    pvalue: str
    error: str
    adjusted: str
    worst_slice: str
    worst_pvalue: str
    method: str
    letter: str
    rejects: bool
    params: str
    sees: str
    reference: str
    rows: str
    keys: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class DirectionRow:
    """One worst direction as text."""

    weights: str
    variance: str
    skewness: str
    kurtosis: str
    pvalue: str
    adjusted: str
    rows: str
    rejects: bool


def direction_rows(report: Report) -> list[DirectionRow]:
    """Return the worst directions: searched on one half of the rows, tested on the other.

    A direction rejects if the search does in the table of tests, where it has a part of alpha.
    """
    table = zip(report.outcomes, report.adjusted, strict=True)
    search = max((p for o, p in table if o.test == SEARCH), default=report.pvalue)
    return [
        DirectionRow(
            weights=", ".join(
                f"{wording.clean(name)}\N{NO-BREAK SPACE}{weight:+.2f}"
                for name, weight in one.loadings[:4]
            ),
            variance=wording.number(one.variance),
            skewness=f"{one.skewness:+.2f}",
            kurtosis=f"{one.kurtosis:+.2f}",
            pvalue=wording.pvalue(one.pvalue),
            adjusted=wording.pvalue(one.adjusted),
            rows=", ".join(map(str, one.rows[:5])),
            rejects=max(one.adjusted, search) <= report.alpha,
        )
        for one in report.figures.directions
    ]


def effect_rows(report: Report) -> list[EffectRow]:
    """Return the effects in order, with positions on the scale of their unit."""
    effects = list(report.effects.values())
    scales = {e.unit: _scale([o for o in effects if o.unit == e.unit]) for e in effects}
    return [_effect_row(effect, scales[effect.unit]) for effect in effects]


def first_effect(report: Report) -> EffectRow | None:
    """Return the first effect that could be estimated."""
    return next((row for row in effect_rows(report) if row.estimable), None)


def headline(report: Report) -> str:
    """Return the first effect in a line, such as "KL after noise: 0.22 nats (0.16 to 0.28)"."""
    row = first_effect(report)
    if row is None:
        return ""
    limits = f" ({row.interval})" if row.interval else ""
    return f"{row.label}: {row.value} {row.unit}".rstrip() + limits


def yardsticks(report: Report) -> list[str]:
    """Return a sentence for each effect with yardsticks: what named departures come to."""
    return [f"{row.label}: {row.beside}." for row in effect_rows(report) if row.beside]


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """One condition of equivalence as text."""

    label: str
    estimate: str
    bound: str
    limit: str
    holds: bool
    note: str


def criterion_rows(report: Report) -> list[CriterionRow]:
    """Return the conditions of equivalence, in order; none without a tolerance."""
    equivalence = report.provenance.equivalence
    if equivalence is None:
        return []
    alone = equivalence.tolerance is None
    return [
        CriterionRow(
            label=wording.clean(one.label),
            estimate="none" if one.estimate is None else wording.number(one.estimate),
            # Beside a tolerance in rows, a divergence only has to be possible.
            bound=f"≥ {wording.number(one.lower)}"
            if one.unit == "nats" and alone and one.lower is not None
            else "none"
            if one.upper is None
            else f"≤ {wording.number(one.upper)}",
            limit=f"{wording.number(one.limit)} {one.unit}",
            holds=one.holds,
            note=wording.clean(one.note),
        )
        for one in equivalence.criteria
    ]


def notes(report: Report) -> list[tuple[str, str]]:
    """Return the labels of effects and the note on their method, one pair a note."""
    labels_of: dict[str, list[str]] = {}
    for row in effect_rows(report):
        if row.note:
            labels_of.setdefault(row.note, []).append(row.label)
    return [("; ".join(labels), note) for note, labels in labels_of.items()]


def _scale(effects: Sequence[Effect]) -> tuple[float, float] | None:
    """Return the range of the effects of one unit, the value under the target included.

    None for a single number without an interval: it needs no bar.
    """
    unit = effects[0].unit
    alone = len(effects) == 1 and effects[0].low is None and effects[0].high is None
    if alone or unit in BARELESS:
        return None
    ends = [v for e in effects for v in (e.value, e.low, e.high) if v is not None]
    ends = [NEUTRAL.get(unit, 0.0), *(v for v in ends if math.isfinite(v))]
    return min(ends), max(ends)


def _effect_row(effect: Effect, scale: tuple[float, float] | None) -> EffectRow:
    low, high = scale or (0.0, 0.0)
    span = (high - low) or 1.0

    def place(value: float | None) -> float | None:
        if value is None or math.isnan(value) or scale is None:
            return None
        return round(100 * (min(max(value, low), high) - low) / span, 2)

    start, end = place(effect.low), place(effect.high)
    if effect.low is None and end is not None:
        start = place(low)
    if effect.high is None and start is not None:
        end = place(high)
    estimated = effect.value is not None and not math.isnan(effect.value)
    value = wording.amount(effect, effect.value) if estimated else wording.one_sided(effect)
    estimable = estimated or bool(value)
    return EffectRow(
        label=wording.clean(effect.label),
        estimable=estimable,
        value=value or "not estimable",
        unit=wording.clean(UNITS.get(effect.unit, effect.unit)) if estimable else "",
        interval=wording.interval(effect),
        confidence="" if effect.confidence is None else f"{100 * effect.confidence:g}%",
        # The value column already says so.
        note=wording.clean(effect.note).removeprefix("not estimable: "),
        zero=place(NEUTRAL.get(effect.unit, 0.0)) or 0.0,
        start=start,
        end=end,
        mark=place(effect.value),
        part=effect.name in PARTS,
        beside=wording.clean(wording.yardsticks(effect)),
    )


def test_rows(report: Report) -> list[TestRow]:
    """Return the tests, the strongest evidence first."""
    pairs = list(zip(report.outcomes, report.adjusted, strict=True))
    pairs.sort(key=lambda pair: (_last(pair[1]), _last(pair[0].pvalue)))
    letters = {m: _letter(k) for k, m in enumerate(dict.fromkeys(o.method for o, _ in pairs))}
    return [_test_row(report, o, adjusted, letters[o.method]) for o, adjusted in pairs]


test_rows.__test__ = False  # type: ignore[attr-defined]


def _letter(place: int) -> str:
    """Return the letter of a calibration: a, b, ..., z, a1, b1, ..."""
    return chr(97 + place % 26) + (str(place // 26) if place >= 26 else "")


def calibrations(rows: Sequence[TestRow]) -> list[tuple[str, str]]:
    """Return the letters of the rows and the calibrations that they stand for."""
    return list({row.letter: row.method for row in rows}.items())


def _last(value: float) -> float:
    """Return a sort key: NaN comes last."""
    return math.inf if math.isnan(value) else value


def _worst(pvalue: float, outcome: Outcome) -> str:
    """Return the p-value of the worst slice as text."""
    return wording.pvalue(pvalue, outcome.replicates, outcome.pvalue_floor)


def _test_row(report: Report, outcome: Outcome, adjusted: float, letter: str) -> TestRow:
    floored = wording.at_floor(outcome.pvalue, outcome.replicates, outcome.pvalue_floor)
    error = outcome.pvalue_error
    has_error = error is not None and math.isfinite(error) and error > 0 and not floored
    corrected = wording.pvalue(adjusted)
    worst = outcome.worst_pvalue
    sees, reference = citations.described(report, outcome.test)
    return TestRow(
        test=wording.clean(outcome.test),
        statistic=wording.number(outcome.statistic, 4),
        reduction="" if outcome.reduction is None else wording.clean(outcome.reduction),
        pvalue=wording.pvalue(outcome.pvalue, outcome.replicates, outcome.pvalue_floor),
        error=_error(error) if error is not None and has_error else "",
        adjusted=f"≤ {adjusted:.2g}" if floored and adjusted < 1 else corrected,
        worst_slice="" if outcome.worst_slice is None else str(outcome.worst_slice),
        worst_pvalue="" if worst is None else _worst(worst, outcome),
        method=wording.clean(outcome.method),
        letter=letter,
        rejects=adjusted <= report.alpha,
        params=", ".join(f"{k} {_param(v)}" for k, v in outcome.params.items() if v is not None),
        sees=sees,
        reference=reference,
        rows=_rows(report, outcome),
        keys=(outcome.test, outcome.statistic, outcome.pvalue, adjusted, worst),
    )


def _rows(report: Report, outcome: Outcome) -> str:
    """Return the rows that a test used; an empty text if it used all."""
    every = report.n + (report.provenance.reference_rows or 0)
    return "" if outcome.rows in (None, every) else wording.count(outcome.rows)


def _param(value: Any) -> str:
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else wording.number(value)
    return wording.clean(value)


def _error(value: float) -> str:
    """Return an error with one digit, in the shorter notation: 0.02, 7e-4."""
    return f"{value:.1g}" if value >= 0.00095 else f"{value:.0e}".replace("e-0", "e-")


def diagnosis(report: Report) -> list[str]:
    """Return the diagnosis; without one, a sentence on the tests that reject."""
    if report.diagnosis:
        return [wording.clean(item.message) for item in report.diagnosis]
    many = len(report.outcomes)
    if not many and report.classes is not None:
        return [f"No class stands out at alpha = {report.alpha:g}; see the table of classes."]
    if not many:
        return ["No test was run."]
    level = f"at alpha = {report.alpha:g} after adjustment for {wording.plural(many, 'test')}"
    rejecting = sum(p <= report.alpha for p in report.adjusted)
    if rejecting:
        return [f"{rejecting} of {many} reject {level}; see the table of tests."]
    smallest = min((p for p in report.adjusted if not math.isnan(p)), default=math.nan)
    return [f"No test rejects {level}; the smallest adjusted p is {wording.pvalue(smallest)}."]


def advice(report: Report) -> list[str]:
    """Return the advice on each sentence of the diagnosis; empty texts where there is none."""
    if report.diagnosis:
        return [wording.clean(item.advice) for item in report.diagnosis]
    return ["" for _ in diagnosis(report)]


def unsaid(report: Report) -> list[Finding]:
    """Return the findings about the data that the diagnosis does not repeat."""
    said = {(item.code, item.message) for item in report.diagnosis}

    def repeated(item: Finding) -> bool:
        # The diagnosis may add to a finding what it means for the tests.
        return any(item.code == code and text.startswith(item.message) for code, text in said)

    return [item for item in report.warnings if not repeated(item)]


def code_spans(text: str) -> list[tuple[str, bool]]:
    """Split advice into texts and code, which is between backticks."""
    parts = wording.clean(text).split("`")
    return [(part, place % 2 == 1) for place, part in enumerate(parts) if part]


def warning_line(item: Finding) -> str:
    """Return a finding as one line, with its count unless the message has it."""
    text = wording.clean(item.message)
    if item.count is None or str(item.count) in text.replace(",", ""):
        return text
    return f"{text} ({wording.count(item.count)})"


def facts(report: Report) -> list[tuple[str, str]]:
    """Return the facts of the run as labels and texts."""
    texts = {
        "rows (n)": wording.count(report.n),
        "columns (d)": wording.count(report.d),
        "compared with" if wording.two_samples(report) else "target": report.target,
        "alpha": f"{report.alpha:g}",
        "seed": str(report.seed),
    }
    texts |= texts_of({k: v for k, v in report.computed.items() if k not in UNLISTED})
    return [(wording.clean(key), wording.clean(value)) for key, value in texts.items()]


def texts_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return facts that are known as texts, by their names for readers."""
    return {
        NAMES.get(key, key).replace("_", " "): wording.clean(_fact(key, value))
        for key, value in facts.items()
        if value is not None
    }


def _fact(key: str, value: Any) -> str:
    if key == "seconds" and isinstance(value, int | float):
        return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_fact('', v)}" for k, v in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool) and key != "seed":
        return wording.count(value)
    return str(value)
