"""Tables of columns, rows and classes as text, for terminal, notebook and page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmtest.render import table_rows, wording
from dmtest.results.effect_table import KL_ALL_MEAN, KL_CLASS_MEANS, KL_CLASS_WITHIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmtest.results.classes import ClassReports
    from dmtest.results.tables import ColumnTests, Outliers, Univariate

# Rows of a table of outliers.
SHOWN = 20
# Shares that are parts of the divergence of the classes.
PARTS = frozenset(row.name for row in (KL_ALL_MEAN, KL_CLASS_MEANS, KL_CLASS_WITHIN))
# Head of a column of sentences, the last one of the table of classes.
SENTENCES = "What is wrong"


@dataclass(frozen=True, slots=True)
class Part:
    """A titled table of texts.

    Attributes
    ----------
    title : str
    head : tuple of str
        Names of the columns; those that end in ``>`` are aligned to the right.
    rows : tuple of tuple of str
    marked : tuple of bool
        Whether a row stands out.
    notes : tuple of str
        Sentences below the table.
    """

    title: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    marked: tuple[bool, ...] = ()
    notes: tuple[str, ...] = ()


def parts_of(table: Univariate | Outliers | ClassReports) -> list[Part]:
    """Return the parts of a table of columns, of rows or of classes."""
    from dmtest.results.classes import ClassReports
    from dmtest.results.tables import Univariate

    if isinstance(table, ClassReports):
        return classes_parts(table)

    if isinstance(table, Univariate):
        return _univariate(table)
    return _outliers(table)


def _univariate(table: Univariate) -> list[Part]:
    rejected, many = table.rejected, len(table.columns)
    count = f"{len(rejected)} of {wording.plural(many, 'column')}"
    classes = len({one.label for one in table.columns})
    if classes > 1:
        count += f" ({table.d} in each of {classes} classes)"
    if many == 1:
        summary = "The column is" if rejected else "No evidence that the column is"
    else:
        summary = f"{count} {'is' if len(rejected) == 1 else 'are'}"
    summary += f" not normal at alpha = {table.alpha:g}."
    marked = tuple(one in rejected for one in table.columns)
    labelled = [(one.label or "", one.column) for one in table.columns]
    return [
        Part(
            summary,
            *_named(
                labelled,
                ("Anderson-Darling p>", "Shapiro-Wilk p>", "Adjusted p>"),
                [
                    (
                        wording.pvalue(one.anderson_darling_pvalue),
                        wording.pvalue(one.shapiro_wilk_pvalue),
                        wording.pvalue(one.adjusted) + (" ✕" if mark else "  "),
                    )
                    for one, mark in zip(table.columns, marked, strict=True)
                ],
            ),
            marked,
            (
                "Adjusted p: Holm over the columns for each test, and twice the smaller of both "
                "tests' p-values.",
            ),
        ),
        *_descriptives(table.columns, labelled),
        *_powers(table, labelled, rejected),
        *_multivariate(table),
        *([Part("Findings", notes=tuple(_findings(table)))] if table.findings else []),
    ]


def _findings(table: Univariate | Outliers) -> list[str]:
    return [wording.clean(item.message) for item in table.findings]


def _named(
    labelled: Sequence[tuple[str, str]],
    head: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Put class and column before every row; the class only where there are classes."""
    classes = any(label for label, _ in labelled)
    names = ("Class", "Column") if classes else ("Column",)
    found = []
    for (label, column), row in zip(labelled, rows, strict=True):
        first = (
            (wording.clean(label), wording.clean(column)) if classes else (wording.clean(column),)
        )
        found.append((*first, *row))
    return (*names, *head), tuple(found)


def _descriptives(rows: Sequence[ColumnTests], labelled: Sequence[tuple[str, str]]) -> list[Part]:
    head = ("n>", "Mean>", "SD>", "Min>", "25%>", "Median>", "75%>", "Max>", "Skew>", "Kurt>")
    texts = [
        (
            wording.count(one.n),
            *(
                wording.number(value)
                for value in (
                    *(one.mean, one.sd, one.minimum, one.lower_quartile),
                    *(one.median, one.upper_quartile, one.maximum),
                )
            ),
            "" if one.skewness is None else f"{one.skewness:+.2f}",
            "" if one.kurtosis is None else f"{one.kurtosis:+.2f}",
        )
        for one in rows
    ]
    note = "Kurt: excess kurtosis (normal: 0)."
    return [Part("Descriptives", *_named(labelled, head, texts), notes=(note,))]


def _powers(
    table: Univariate, labelled: Sequence[tuple[str, str]], rejected: Sequence[ColumnTests]
) -> list[Part]:
    chosen = [i for i, one in enumerate(table.columns) if one.transformation]
    if not chosen:
        if not rejected:
            return []
        return [Part("Power transformations", notes=("None makes these columns more normal.",))]
    texts = []
    for one in (table.columns[i] for i in chosen):
        assert one.power is not None
        assert one.power_low is not None
        assert one.power_high is not None
        texts.append(
            (
                POWERS.get(
                    (one.transformation, one.power),
                    f"{_FAMILIES[one.transformation]} {one.power:.3g}",
                ),
                f"{one.power_low:.2f} to {one.power_high:.2f}",
                wording.pvalue(one.anderson_darling_pvalue),
                wording.pvalue(one.pvalue_after),
            )
        )
    head = ("Suggested", "95% interval", "p before>", "p after>")
    note = (
        "Box-Cox, or Yeo-Johnson where values are not all above 0; p of Anderson-Darling. The "
        "exponent comes from the same rows, so p after is no evidence of normality."
    )
    named = _named([labelled[i] for i in chosen], head, texts)
    return [Part("Power transformations", *named, notes=(note,))]


_FAMILIES = {"box-cox": "Box-Cox", "yeo-johnson": "Yeo-Johnson"}
POWERS = {
    ("box-cox", 0.0): "log(x)",
    ("box-cox", 0.5): "sqrt(x)",
    ("box-cox", -1.0): "1 / x",
    ("box-cox", -0.5): "1 / sqrt(x)",
    ("box-cox", 2.0): "x^2",
    ("box-cox", -2.0): "1 / x^2",
    ("box-cox", 1.0 / 3.0): "x^(1/3)",
    ("box-cox", -1.0 / 3.0): "x^(-1/3)",
}


def _multivariate(table: Univariate) -> list[Part]:
    if not table.multivariate:
        return []
    classes = any(one.label for one in table.multivariate)
    head = (*(("Class",) if classes else ()), "Test", "Statistic>", "p-value>", "Adjusted p>")
    rows, marked = [], []
    for one in table.multivariate:
        rejects = one.adjusted <= table.alpha
        outcome = one.outcome
        cells = (
            outcome.test,
            wording.number(outcome.statistic, 4),
            wording.pvalue(outcome.pvalue, outcome.replicates, outcome.pvalue_floor),
            wording.pvalue(one.adjusted) + (" ✕" if rejects else "  "),
        )
        rows.append((wording.clean(one.label), *cells) if classes else cells)
        marked.append(rejects)
    note = "Adjusted p: Holm over this table."
    return [Part("All columns together", head, tuple(rows), tuple(marked), (note,))]


def _outliers(table: Outliers) -> list[Part]:
    places = table.places
    verb = "stands" if len(places) == 1 else "stand"
    title = (
        f"{len(places)} of {wording.plural(table.n, 'row')} {verb} out."
        if places
        else (f"None of {wording.plural(table.n, 'row')} stands out.")
    )
    head = ["Row>"]
    head += ["Name"] if table.names else []
    head += ["Class"] if table.labels else []
    head += ["Score>", "p-value>"]
    adjusting = table.rule in ADJUSTED
    head += ["Adjusted p>"] if adjusting else []
    rows = []
    for i in places[:SHOWN]:
        cells = [str(table.rows[i])]
        cells += [wording.clean(table.names[i])] if table.names else []
        cells += [wording.clean(table.labels[i])] if table.labels else []
        cells += [wording.number(table.scores[i]), wording.pvalue(table.pvalues[i])]
        cells += [wording.pvalue(table.adjusted[i])] if adjusting else []
        rows.append(tuple(cells))
    more = len(places) - len(rows)
    notes = [f"... and {wording.plural(more, 'more row')}: to_frame(flagged=True)."] if more else []
    notes += [
        f"Rule: {RULES[table.rule].format(alpha=table.alpha)}"
        + ("." if table.cutoff is None else f"; scores above {wording.number(table.cutoff)}."),
        f"Score: {table.score}. P-values: {wording.clean(table.method)}.",
        *_findings(table),
    ]
    return [Part(title, tuple(head) if rows else (), tuple(rows), notes=tuple(notes))]


ADJUSTED = ("holm", "benjamini-hochberg")
RULES = {
    "holm": "Holm over all rows; at most a share of {alpha:g} of clean samples has such a row",
    "benjamini-hochberg": (
        "Benjamini-Hochberg; of the rows that stand out at most a share of {alpha:g} is clean, on "
        "average"
    ),
    "adjusted-quantile": "adjusted quantile of Filzmoser, Garrett & Reimann (2005)",
    "quantile": "quantile of chi-squared; about a share of {alpha:g} of clean rows is beyond it",
}


def classes_parts(classes: ClassReports) -> list[Part]:
    """Return the table of classes, and the shares between and within them."""
    rows, marked = [], []
    for (name, report), adjusted in zip(classes.items(), classes.adjusted, strict=True):
        verdict = classes.verdicts[name]
        wrong = report.diagnosis if verdict == "mismatch" else ()
        raw = wording.evidence(report)[0].removeprefix("p ").removeprefix("= ")
        mark = adjusted <= classes.alpha
        rows.append(
            (
                wording.clean(name),
                wording.count(report.n),
                verdict,
                raw,
                f"{_adjusted(adjusted, raw)} {'✕' if mark else ' '}",
                wording.clean(wrong[0].message) if wrong else "",
            )
        )
        marked.append(mark)
    head: tuple[str, ...] = ("Class", "Rows>", "Verdict", "p>", "Adjusted p>", SENTENCES)
    cells: list[tuple[str, ...]] = [*rows]
    if not any(row[-1] for row in rows):
        head, cells = head[:-1], [row[:-1] for row in rows]
    title = "By class" if classes.name is None else f"By {wording.clean(classes.name)}"
    note = f"p: global p-value of each class; adjusted p: Holm over {len(rows)} classes."
    return [
        Part(title, head, tuple(cells), tuple(marked), (note,)),
        *([_shares(classes)] if classes.effects else []),
    ]


def _adjusted(value: float, raw: str) -> str:
    """Return an adjusted p-value; of one at its floor, a bound."""
    floored = raw.startswith("≤") and value < 1.0
    return f"≤ {value:.2g}" if floored else wording.pvalue(value)


def _shares(classes: ClassReports) -> Part:
    effects = list(classes.effects.values())
    rows, notes = [], []
    for one in effects:
        value = "not estimable" if one.value is None else wording.number(one.value)
        between = wording.interval(one) if one.value is not None else wording.clean(one.note)
        unit = table_rows.UNITS.get(one.unit, one.unit)
        # As in the table of effects, what is a part of the row above is indented.
        indent = "  " if one.name in PARTS else ""
        rows.append((indent + wording.clean(one.label), value, unit, between))
        if one.value is not None and one.note not in notes:
            notes.append(one.note)
    levels = {f"{one.confidence:.0%}" for one in effects if one.confidence}
    head = ("Between and within classes", "Estimate>", "Unit", " ".join([*levels, "interval"]))
    texts = [wording.method(note).rstrip(".") + "." for note in notes[:2]]
    return Part("", head, tuple(rows), notes=tuple(texts))
