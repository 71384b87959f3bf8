"""The call that repeats a report, and its description for a methods section."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING

from dmtest.render import citations, wording
from dmtest.results.effect_table import SMOOTHED_KL
from dmtest.results.targets import NAMED

if TYPE_CHECKING:
    from dmtest.results.report import Report

# Targets that a name alone makes, in Python and on the command line.
BY_NAME = frozenset(target.name for target in NAMED if target.kind)
TYPES = ("ndarray", "DataFrame", "Series", "Tensor", "Array")


def _target_object(name: str) -> str:
    """Return the target object of a name, with dots for arguments that are not in the name."""
    family, bracket, arguments = name.partition("(")
    arguments = arguments.replace(", independent", ", independent=True")
    return f"dmtest.{family.capitalize()}({arguments if bracket else '...)'}"


def _is_file(source: str) -> bool:
    """Whether the source looks like a path rather than the name of a type."""
    suffix = source.rpartition(".")[2]
    return suffix.isalnum() and suffix not in TYPES and suffix != source


def call(report: Report) -> list[str]:
    """Return the lines of the Python call that repeats this report."""
    run = report.provenance
    if run.call is not None:
        return [wording.clean(line) for line in run.call.splitlines()]
    source = run.source or "data"
    if run.arguments is not None:
        given = [f"{name}={value!r}," for name, value in run.arguments.items() if value is not None]
        if run.groups is not None and run.arguments.get("groups") is None:
            given.append("groups=groups,")  # an array
        if report.classes is not None and report.classes.name is None:
            given.append("labels=labels," if report.outcomes else "by=labels,")
        return _lines(report, source, [part for text in given for part in _wrapped(text)])
    names = [o.test for o in report.outcomes] if run.tests is None else list(run.tests)
    listed = _wrapped(f"tests={names!r},") if names else []
    counts = {"slices": run.slices, "replicates": run.replicates}
    more = [f"{name}={count}," for name, count in counts.items() if count]
    return _lines(report, source, [*listed, *more])


def _wrapped(argument: str) -> list[str]:
    return textwrap.wrap(argument, 84, subsequent_indent=" " * 7, break_on_hyphens=False)


def _lines(report: Report, source: str, more: list[str]) -> list[str]:
    arguments = [
        f"{source!r}," if _is_file(source) else "data,",
        f"target={report.target!r},"
        if report.target in BY_NAME
        else f"target={_target_object(report.target)},",
        f"alpha={report.alpha!r},",
        *more,
        f"rng={report.seed},",
    ]
    return ["dmtest.report(", *("    " + wording.clean(line) for line in arguments), ")"]


def command(report: Report) -> str:
    """Return the shell command that repeats the report; empty unless words can say it."""
    if report.provenance.command is not None:
        return wording.clean(report.provenance.command)
    source = report.provenance.source or ""
    if not _is_file(source) or report.target not in BY_NAME:
        return ""
    family, _, draws = report.target.partition("(")
    target = shlex.quote(report.target)
    if family == "ranks":
        target = f"ranks --draws {draws.partition(',')[0].rstrip(')')}"
    return wording.clean(
        f"dmtest report {shlex.quote(source)} --target {target} "
        f"--alpha {report.alpha:g} --seed {report.seed}"
    )


def _tests(report: Report) -> str:
    """Return the tests with their references, those of slices first."""
    groups: dict[str, list[str]] = {}
    for outcome in report.outcomes:
        reference = citations.described(report, outcome.test)[1]
        name = f"{outcome.test} ({reference})" if reference else outcome.test
        over = f"Tests of slices, over {outcome.slices} directions" if outcome.slices else ""
        groups.setdefault(over, []).append(name)
    other = groups.pop("", [])
    sentences = [f" {head}: {', '.join(names)}." for head, names in groups.items()]
    if other:
        sentences.append(f" Tests{' of whole rows' if groups else ''}: {', '.join(other)}.")
    return "".join(sentences)


def method(report: Report) -> str:
    """Return a paragraph for a methods section, with the results."""
    version = report.provenance.version
    software = "dmtest" if version is None else f"dmtest {version}"
    ways = "; ".join(dict.fromkeys(wording.method(o.method) for o in report.outcomes))
    other = report.provenance.reference_rows
    rows = (
        wording.plural(report.n, "observation")
        + ("" if other is None else f" and a reference sample of {wording.count(other)}")
        + wording.in_groups(report)
    )
    hypothesis = (
        "have one distribution" + (", up to a rotation," if "rotation" in report.target else "")
        if wording.two_samples(report)
        else f"follow {wording.target(report.target)}"
    )
    text = (
        f"Whether {rows} in {wording.plural(report.d, 'dimension')} {hypothesis} was tested with "
        f"{software} (seed {report.seed})"
        f"{', from one row of each group' if report.provenance.groups else ''}."
        + _tests(report)
        + (f" P-values of single tests: {ways}; adjusted by Holm's method." if ways else "")
    )
    if report.classes is not None:
        many = wording.plural(len(report.classes), "class", "classes")
        text += f" {many} were tested in the same way, with p-values adjusted by Holm's method."
    if report.outcomes or report.classes is not None:
        text += (
            f" Global, family-wise {wording.evidence(report)[0]} at alpha = {report.alpha:g} "
            f"({wording.method(report.pvalue_method)})."
        )
    return wording.clean(text + _distance(report))


def _distance(report: Report) -> str:
    """Return the sentence with the bounds of the divergence after noise; empty without them."""
    effect = report.effects.get(SMOOTHED_KL.name)
    if effect is None or effect.low is None or effect.high is None or effect.confidence is None:
        return ""
    return (
        f" Divergence from the target (Butakov et al. 2024): {effect.label}, "
        f"{wording.interval(effect)} nats at {100 * effect.confidence:g}%."
    )
