"""Small results as aligned text and as HTML for notebooks: one row here for each class.

A card is a title, facts with their names, and perhaps a table. It is built from the attributes of
a record by the name of its class, so that records need not know how they are shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from dmtest.render import bounds_rows, wording

MOST_ROWS = 60  # of a table; the frame has all


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is shown of a record or of a sequence of records.

    Attributes
    ----------
    title : str
        The first line.
    facts : sequence of (str, str)
        Names and texts below it, aligned; those without text are left out.
    head, rows : sequences
        A table; names that end in > are aligned to the right.
    notes : sequence of str
        Lines at the end.
    """

    title: str
    facts: Sequence[tuple[str, str]] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()


def card(record: Any) -> Card:
    """Return the card of a record, by the name of its class or of a class that it inherits."""
    for kind in type(record).__mro__:
        if kind.__name__ in CARDS:
            return CARDS[kind.__name__](record)
    return Card(title=type(record).__name__)


def table(records: Sequence[Any]) -> Card:
    """Return a table of records of one class, a line each."""
    if not records:
        return Card(title="(empty)")
    head, row = TABLES.get(type(records[0]).__name__) or _table_of_base(records[0])
    shown = [row(one) for one in records[:MOST_ROWS]]
    # Columns without any text are left out.
    kept = [j for j in range(len(head)) if j == 0 or any(cells[j] for cells in shown)]
    more = len(records) - len(shown)
    return Card(
        title="",
        head=[head[j] for j in kept],
        rows=[[cells[j] for j in kept] for cells in shown],
        notes=[f"and {more} more; to_frame() has all"] if more else [],
    )


def _table_of_base(record: Any) -> tuple[Sequence[str], Callable[[Any], Sequence[str]]]:
    for kind in type(record).__mro__:
        if kind.__name__ in TABLES:
            return TABLES[kind.__name__]
    return ("",), lambda one: [repr(one)]


def text(shown: Card) -> str:
    """Return a card as text, aligned and at most as wide as its longest line."""
    lines = [wording.clean(shown.title)] if shown.title else []
    facts = [(name, value) for name, value in shown.facts if value]
    width = max((len(name) for name, _ in facts), default=0)
    lines += [f"  {name:<{width}}  {wording.clean(value)}" for name, value in facts]
    if shown.rows:
        lines += [*([""] if lines and facts else []), *_aligned(shown.head, shown.rows)]
    lines += [wording.clean(note) for note in shown.notes]
    return "\n".join(line.rstrip() for line in lines)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    names = [name.removesuffix(">") for name in head]
    cells = [names, *([wording.clean(cell) for cell in row] for row in rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(len(names))]
    right = [name.endswith(">") for name in head]

    def line(row: Sequence[str]) -> str:
        pairs = zip(row, widths, right, strict=True)
        return "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in pairs)

    return [line(row) for row in cells]


STYLE = "border:0;background:none;padding:1px 14px 1px 0;vertical-align:top;white-space:nowrap;"
WIDE = STYLE.replace("white-space:nowrap;", "white-space:normal;max-width:46em;")


def html(shown: Card) -> str:
    """Return a card as HTML for notebooks, which take their colours from the notebook."""
    parts = [f"<p><b>{_safe(shown.title)}</b></p>"] if shown.title else []
    facts = [(name, value) for name, value in shown.facts if value]
    if facts:
        body = "".join(
            f'<tr style="background:none"><th scope="row" style="{STYLE}text-align:left;'
            f'font-weight:normal;opacity:.7">{_safe(name)}</th>'
            f'<td style="{WIDE}text-align:left">{_safe(value)}</td></tr>'
            for name, value in facts
        )
        parts.append(f'<table style="border:0">{body}</table>')
    if shown.rows:
        parts.append(_html_table(shown))
    parts += [f'<p style="opacity:.7">{_safe(note)}</p>' for note in shown.notes]
    return f'<div class="dmtest-card">{"".join(parts)}</div>'


def _html_table(shown: Card) -> str:
    aligns = ["right" if name.endswith(">") else "left" for name in shown.head]
    line = "border-bottom:1px solid currentColor;"
    head = "".join(
        f'<th scope="col" style="{STYLE}{line}text-align:{align}">'
        f"{_safe(name.removesuffix('>'))}</th>"
        for name, align in zip(shown.head, aligns, strict=True)
    )
    body = "".join(
        '<tr style="background:none">'
        + "".join(
            f'<td style="{STYLE}text-align:{align};font-variant-numeric:tabular-nums">'
            f"{_safe(cell)}</td>"
            for cell, align in zip(row, aligns, strict=True)
        )
        + "</tr>"
        for row in shown.rows
    )
    return (
        f'<div style="overflow-x:auto"><table style="border:0"><thead>'
        f'<tr style="background:none">{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _safe(value: object) -> str:
    return escape(wording.clean(value))


def _number(value: Any, digits: int = 3) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return wording.number(float(value), digits)


def _limits(low: float | None, high: float | None, confidence: float | None = None) -> str:
    """Return "0.1 to 0.3 (95%)"; an empty text without limits."""
    if low is None and high is None:
        return ""
    if low is None:
        words = f"up to {_number(high)}"
    elif high is None or math.isinf(high):
        words = f"at least {_number(low)}"
    else:
        words = f"{_number(low)} to {_number(high)}"
    return words if confidence is None else f"{words} ({100 * confidence:g}%)"


def _pvalue(one: Any) -> str:
    shown = wording.pvalue(
        one.pvalue, getattr(one, "replicates", None), getattr(one, "pvalue_floor", None)
    )
    error = getattr(one, "pvalue_error", None)
    return f"{shown} ±{error:.1g}" if error and not shown.startswith("≤") else shown


def _outcome(one: Any) -> Card:
    worst = ""
    if one.worst_pvalue is not None:
        worst = f"slice {one.worst_slice}: p = {wording.pvalue(one.worst_pvalue)}, family-wise"
    over = f", {one.reduction} over {wording.plural(one.slices, 'slice')}" if one.slices else ""
    used = f", {one.rows:,} rows used" if one.rows is not None and one.rows < one.n else ""
    return Card(
        title=f"{one.test}: {wording.equals(_pvalue(one))}",
        facts=[
            ("statistic", f"{_number(one.statistic, 5)}{over}"),
            ("worst", worst),
            ("sample", f"{one.n:,} x {one.d:,}{used}, target {one.target}"),
            ("method", one.method),
            ("params", ", ".join(f"{name} {value}" for name, value in one.params.items())),
            ("seed", "" if one.seed is None else str(one.seed)),
        ],
    )


def _mean_pvalue(one: Any) -> Card:
    return Card(
        title=f"Mean p-value of {one.test}: {_number(one.mean)} (a perfect match tends to 0.5)",
        facts=[
            ("limits", _limits(one.low, one.high, one.confidence)),
            ("p-value", f"{wording.pvalue(one.pvalue)}, valid: min(1, 2 x mean)"),
            ("draws", f"{one.draws:,} of {one.subsample:,} rows"),
            ("sample", f"{one.n:,} x {one.d:,}, target {one.target}"),
            ("method", one.method),
        ],
    )


def _effect(one: Any) -> Card:
    value = "not estimable" if one.value is None else f"{_number(one.value)} {one.unit}".rstrip()
    limits = _limits(one.low, one.high, one.confidence)
    return Card(title=f"{one.label}: {value}", facts=[("limits", limits), ("note", one.note)])


def _finding(one: Any) -> Card:
    return Card(
        title=f"{one.code}: {one.message}",
        facts=[
            ("count", "" if one.count is None else f"{one.count:,}"),
            ("advice", getattr(one, "advice", "")),
        ],
    )


def _check_row(one: Any) -> Card:
    outcome = {True: "passed", False: "FAILED", None: "not compared"}[one.passed]
    return Card(title=f"{one.name}: {outcome}", facts=[("", one.message)])


def _check(one: Any) -> Card:
    from dmtest.render.text import check

    outcome = {True: "pass", False: "FAIL", None: "-"}
    return Card(
        title=check.headline(one),
        head=("Check", "Now>", "Then>", "Unit", "p-value>", "Limit>", ""),
        rows=[[*check.cells(row), outcome[row.passed]] for row in one.rows],
        notes=[f"{mark} {sentence}" for mark, sentence in check.sentences(one)],
    )


def _monitor_state(one: Any) -> Card:
    return Card(
        title=one.sentence,
        facts=[
            ("e-value", _number(one.e_value)),
            ("largest", _number(one.largest)),
            ("p-value", f"{wording.pvalue(one.pvalue)}, valid at any time"),
            ("rows", f"{one.n:,} in {wording.plural(one.batches, 'batch', 'batches')}"),
            ("leading", one.leading),
            ("findings", "; ".join(item.message for item in one.findings)),
        ],
    )


def _profile(one: Any) -> Card:
    rows = [
        [
            _number(point.noise),
            _limits(point.lower, point.upper),
            _limits(point.low, point.high),
            "yes" if point.informative else "no",
            "default" if place == one.default else "",
        ]
        for place, point in enumerate(one.points)
    ]
    return Card(
        title=f"Divergence after {one.noise} noise from target {one.target}, in nats",
        facts=[
            ("sample", f"{one.n:,} x {one.d:,}, {one.batches} batches of {one.batch:,} rows"),
            ("views", _views(one)),
        ],
        head=("noise>", "bracket>", f"{100 * one.confidence:g}% limits>", "resolved", ""),
        rows=rows,
    )


def _views(one: Any) -> str:
    many = [(len(one.slices), "slice"), (len(one.subspaces), "subspace")]
    return " and ".join(wording.plural(count, name) for count, name in many if count)


def _point(one: Any) -> Card:
    return Card(
        title=f"Divergence after noise {_number(one.noise)}: {_limits(one.lower, one.upper)} nats",
        facts=[
            ("limits", _limits(one.low, one.high)),
            ("resolved", "yes" if one.informative else "no: the noise is too small for a batch"),
        ],
    )


def _detectability(one: Any) -> Card:
    columns = zip(one.sizes, one.rates, one.low, one.high, one.mean_pvalues, strict=True)
    return Card(
        title=f"Power of {one.test} against target {one.target} at level {one.alpha:g}",
        facts=[(f"{100 * at.power:g}% power", _rows_for(at)) for at in one.thresholds],
        head=("rows>", "power>", "limits>", "mean p>"),
        rows=[
            [f"{n:,}", f"{rate:.3f}", f"{low:.3f} to {high:.3f}", f"{mean:.3f}"]
            for n, rate, low, high, mean in columns
        ],
    )


def _rows_for(at: Any) -> str:
    limits = _limits(at.low, at.high)
    if at.n is None:
        return f"not reached at these sizes{f'; {limits} rows' if limits else ''}"
    return f"about {at.n:,.0f} rows{f' ({limits})' if limits else ''}"


def _threshold(one: Any) -> Card:
    return Card(title=f"{100 * one.power:g}% power: {_rows_for(one)}")


def _weights(one: Any) -> str:
    pairs = zip(one.coordinates, one.weights, strict=True)
    return ", ".join(f"{column}: {weight:+.2f}" for column, weight in list(pairs)[:4])


def _direction(one: Any) -> Card:
    return Card(
        title=f"Direction with adjusted p = {wording.pvalue(one.adjusted)} on held-out rows",
        facts=[
            ("weights", f"{_weights(one)} (by column)"),
            ("mean", _number(one.mean)),
            ("variance", _number(one.variance)),
            ("skewness", f"{one.skewness:+.2f}"),
            ("kurtosis", f"{one.kurtosis:+.2f}, excess"),
            ("rows", ", ".join(map(str, one.rows[:8]))),
        ],
    )


def _bracket(one: Any) -> Card:
    return Card(
        title=f"Mutual information: {_limits(one.lower, one.upper)} nats",
        facts=[
            ("limits", _limits(one.low, one.high, one.confidence)),
            ("capacity", f"{_number(one.capacity)} nats"),
            ("batches", f"{one.batches} of {one.batch:,} rows"),
            ("saturated", "yes: it may be much larger" if one.saturated else ""),
        ],
    )


def _pair_bounds(one: Any) -> Card:
    name = "sigma" if one.noise == "gaussian" else "epsilon"
    certified = f"at most {_number(one.smoothed_kl)} nats, with confidence {one.confidence:g}"
    return Card(
        title=f"{bounds_rows.count(one)} in d = {one.d}, {name} = {one.level:g}: at least "
        f"{one.capacity_used:.0%} of the capacity is used",
        facts=[
            ("capacity", f"{_number(one.capacity)} nats"),
            ("information", f"at least {_number(one.information_low)} nats"),
            ("invariance gap", f"at most {_number(one.invariance_gap)} nats"),
            ("KL after noise", certified),
            ("KL before", "" if one.kl is None else f"{_number(one.kl)} nats, an estimate"),
        ],
        notes=[f"! {sentence}" for sentence in one.violations],
    )


def _baseline(one: Any) -> Card:
    kept = f", of which {len(one.sample):,} rows are kept" if len(one.sample) < one.n else ""
    p = wording.pvalue(one.report.pvalue)
    return Card(
        title=f"Baseline {one.source}: {one.report.verdict}, global p = {p}",
        facts=[
            ("sample", f"{one.n:,} x {one.d:,}{kept}, target {one.target['name']}"),
            ("departures", ", ".join(score.name for score in one.scores)),
        ],
    )


def _verification(one: Any) -> Card:
    return Card(
        title=f"{one.n:,} held-out rows in d = {one.d}: "
        + (
            wording.plural(len(one.violations), "inequality is broken", "inequalities are broken")
            if one.violations
            else "no inequality of the theory is broken"
        ),
        facts=[
            ("information", _nats(one.information, ", best lower bound")),
            ("capacity", _nats(one.capacity)),
            ("KL after noise", "" if one.smoothed_kl is None else _limits(*one.smoothed_kl)),
            ("KL before", _nats(one.kl, ", an estimate")),
            *((f"mean p, {name}", f"{p.mean:.3f}") for name, p in one.mean_pvalues.items()),
        ],
        notes=[f"! {sentence}" for sentence in one.violations],
    )


def _nats(value: float | None, more: str = "") -> str:
    return "" if value is None else f"{_number(float(value))} nats{more}"


def _fit(one: Any) -> Card:
    epochs = f"{wording.plural(len(one.history['loss']), 'epoch')}, {one.steps:,} steps"
    last = one.history["information"][-1] if one.history.get("information") else None
    rows, dim = one.embeddings.shape
    result = "" if one.report is None else f"{one.report.verdict}, {_global(one.report)}"
    return Card(
        title=f"Encoder trained on {one.source}: {epochs} in {one.seconds:.1f} s",
        facts=[
            ("target", f"{one.noise.target}, {one.noise.name} = {one.noise.level:.3g}"),
            ("embeddings", f"{rows:,} x {dim:,}, held out"),
            ("information", "" if last is None else f"{_number(float(last))} nats, last epoch"),
            ("report", result),
            ("findings", ", ".join(finding.code for finding in one.findings)),
            ("seed", str(one.seed)),
        ],
    )


def _self_supervised(one: Any) -> Card:
    epochs = f"{wording.plural(len(one.history['loss']), 'epoch')}, {one.steps:,} steps"
    rows, dim = one.embeddings.shape
    result = "" if one.report is None else f"{one.report.verdict}, {_global(one.report)}"
    return Card(
        title=f"{one.method} trained on {one.source}: {epochs} in {one.seconds:.1f} s",
        facts=[
            ("noise", f"sigma = {one.sigma:.3g} at the outlet of one view"),
            ("outlets", f"{rows:,} x {dim:,}, held out"),
            ("features", f"{one.features.shape[1]:,} columns"),
            ("report", result),
            ("findings", ", ".join(finding.code for finding in one.findings)),
            ("seed", str(one.seed)),
        ],
    )


def _deep_infomax(one: Any) -> Card:
    epochs = f"{wording.plural(len(one.history['loss']), 'epoch')}, {one.steps:,} steps"
    rows, dim = one.embeddings.shape
    prior = ", ".join(f"{weight:.3g} x {name}" for name, weight in one.prior.items())
    result = "" if one.report is None else f"{one.report.verdict}, {_global(one.report)}"
    return Card(
        title=f"{one.method} trained on {one.source}: {epochs} in {one.seconds:.1f} s",
        facts=[
            ("embeddings", f"{rows:,} x {dim:,}, held out"),
            ("features", f"{one.features.shape[1]:,} columns"),
            ("prior", prior and f"{one.target}, {prior}"),
            ("dependence", _nats(one.dependence)),
            ("report", result),
            ("findings", ", ".join(finding.code for finding in one.findings)),
            ("seed", str(one.seed)),
        ],
    )


def _reconstruction(one: Any) -> Card:
    blind = f"{one.mean_squared_error_of_mean:.4f} of the mean image"
    return Card(
        title=f"{one.n:,} held-out images restored from {one.d:,} columns",
        facts=[
            ("squared error", f"{one.squared_error:.4f} a pixel, {blind}"),
            ("MS-SSIM", f"{one.ms_ssim:.3f}"),
        ],
    )


def _global(report: Any) -> str:
    return wording.evidence(report)[0]


def _scores(one: Any) -> Card:
    facts = [(name, f"{value:.3f}") for name, value in one.values.items()]
    return Card(title="Downstream scores of held-out rows", facts=facts)


def _spec(one: Any) -> Card:
    return Card(
        title=f"{one.name}: {one.sees}",
        facts=[
            ("family", one.family),
            ("cost", one.cost),
            ("targets", ", ".join(one.targets)),
            ("params", ", ".join(f"{name} = {value}" for name, value in one.params.items())),
            ("reference", one.reference),
        ],
    )


CARDS: dict[str, Callable[[Any], Card]] = {
    "Baseline": _baseline,
    "Bracket": _bracket,
    "CheckResult": _check,
    "CheckRow": _check_row,
    "DeepInfoMaxFit": _deep_infomax,
    "Detectability": _detectability,
    "Direction": _direction,
    "Downstream": _scores,
    "Effect": _effect,
    "Finding": _finding,
    "Fit": _fit,
    "SelfSupervisedFit": _self_supervised,
    "KLProfile": _profile,
    "MeanPValue": _mean_pvalue,
    "MonitorState": _monitor_state,
    "Outcome": _outcome,
    "PairBounds": _pair_bounds,
    "ProfilePoint": _point,
    "Reconstruction": _reconstruction,
    "Spec": _spec,
    "Threshold": _threshold,
    "Verification": _verification,
}

Table = tuple[Sequence[str], Callable[[Any], Sequence[str]]]
TABLES: dict[str, Table] = {
    "Outcome": (
        ("test", "statistic>", "p-value>", "target", "method"),
        lambda o: (o.test, _number(o.statistic, 4), _pvalue(o), o.target, _short(o.method)),
    ),
    "Effect": (
        ("effect", "estimate>", "limits", "unit"),
        lambda e: (
            e.label,
            "not estimable" if e.value is None else _number(e.value),
            _limits(e.low, e.high, e.confidence),
            e.unit,
        ),
    ),
    "Finding": (("code", "finding"), lambda f: (f.code, f.message)),
    "CheckRow": (
        ("row", "", "now>", "then>", "unit"),
        lambda r: (
            r.name,
            {True: "pass", False: "FAIL", None: "-"}[r.passed],
            _number(r.value),
            _number(r.baseline),
            r.unit,
        ),
    ),
    "Direction": (
        ("adjusted p>", "mean>", "variance>", "skewness>", "kurtosis>", "largest weights"),
        lambda d: (
            wording.pvalue(d.adjusted),
            _number(d.mean),
            _number(d.variance),
            f"{d.skewness:+.2f}",
            f"{d.kurtosis:+.2f}",
            _weights(d),
        ),
    ),
    "Spec": (
        ("test", "family", "cost", "detects", "targets"),
        lambda s: (s.name, s.family, s.cost, s.sees, ", ".join(s.targets)),
    ),
}


def _short(method: str) -> str:
    """Return a method up to its first comma or bracket, at most 40 characters."""
    start = method.split(",")[0].split(" (")[0]
    return start if len(start) <= 40 else f"{start[:39]}…"
