"""Reports on the classes of one sample: each class, the summary, and the verdict over all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dmtest.calibration.multiplicity import holm
from dmtest.data.sample import Sample, rows_of_class
from dmtest.errors import InputError
from dmtest.reports.diagnosis import VALUES
from dmtest.reports.sections import findings_about, provenance_of
from dmtest.results.classes import ClassReports
from dmtest.results.effect_table import effects_of
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.tables.classes import class_estimates, class_scatter
from dmtest.targets.callables import Sampled
from dmtest.targets.reference import Reference
from dmtest.targets.targets import Target

OneClass = Callable[[Sample], Report]


def reports_by_class(
    sample: Sample, target: Target, one_class: OneClass, *, alpha: float, seed: int, what: str
) -> ClassReports:
    """Report on every class of a sample, and adjust the global p-values by Holm's method.

    Parameters
    ----------
    sample : Sample
        With labels.
    target : Target
    one_class : callable
        Report on the rows of one class.
    alpha : float
        Level over all classes.
    seed : int
        Seed of the rows of the scatter plot.
    what : str
        Argument that gave the labels; errors begin with it.

    Raises
    ------
    InputError
        If there is no report on a class; the message names the class.
    """
    labels = sample.labels
    assert labels is not None
    reports = {}
    for code, name in enumerate(labels.names):
        part = rows_of_class(sample, code)
        try:
            reports[name] = one_class(part)
        except InputError as problem:
            text = str(problem).rstrip(".")
            raise InputError(f"{what}: class {name!r} of {part.n} rows: {text}") from problem
    effects, scatter = {}, None
    if not isinstance(target, Sampled | Reference):
        canonical = target.canonical(sample)
        effects = effects_of(class_estimates(canonical, labels))
        scatter = class_scatter(sample, canonical, labels, seed)
    return ClassReports(
        reports=reports,
        adjusted=tuple(float(p) for p in holm([one.pvalue for one in reports.values()])),
        alpha=alpha,
        name=labels.name,
        effects=effects,
        scatter=scatter,
    )


def report_of_classes(
    sample: Sample, target: Target, classes: ClassReports, *, seed: int, started: float
) -> Report:
    """Return the report that every class follows the target: its verdict is over the classes."""
    verdicts = classes.verdicts
    reports = list(classes.values())
    first = reports[0].provenance
    facts = replace(
        provenance_of(sample, reports[0].outcomes, reports[0].target, started),
        tests=None,
        described=None,
        slices=first.slices,
        replicates=first.replicates,
        tolerance=first.tolerance,
        arguments=first.arguments,
    )
    return Report(
        verdict=classes.verdict,
        pvalue=classes.pvalue,
        pvalue_method=f"Holm's method over {len(classes)} classes",
        alpha=classes.alpha,
        target=reports[0].target,
        n=sample.n,
        d=sample.d,
        seed=seed,
        effects=classes.effects,
        diagnosis=tuple(
            one
            for name, report in classes.items()
            if verdicts[name] == "mismatch"
            for one in _first(name, report)
        ),
        warnings=findings_about(sample, target),
        provenance=facts,
        classes=classes,
    )


def _first(name: str, report: Report) -> tuple[Finding, ...]:
    """Return the first sentence of the diagnosis of a class, with its name.

    After one on rounded values, which may not be all, the sentence that follows, too.
    """
    if not report.diagnosis:
        return (Finding("class", f"Class {name}: its tests reject; see its report.", report.n),)
    many = 2 if report.diagnosis[0].code in VALUES else 1
    return tuple(
        replace(one, message=f"Class {name}: {one.message}") for one in report.diagnosis[:many]
    )
