"""The command ``dmtest check``: a baseline, or a check against one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from dmtest.cli import defaults, options, outputs
from dmtest.cli.console import FINE, MISMATCH, hush
from dmtest.cli.inputs import readable, spoken
from dmtest.cli.options import option


class OnVerdict(StrEnum):
    """What fails a check beside its limits."""

    worse = "worse"
    mismatch = "mismatch"


BaselineFile = Annotated[
    str | None, option("PATH", "Baseline to check against: a file that --write-baseline wrote.")
]

WriteBaseline = Annotated[
    str | None,
    option(
        "PATH",
        "Write a baseline of FILE instead of checking it: its report, its departures with their "
        "standard errors, and its rows (a random subset if they have more than 262,144 numbers).",
    ),
]

CheckAlpha = Annotated[
    float | None,
    option(
        "LEVEL",
        "Level of all comparisons with the baseline together; with --write-baseline, of the "
        "verdict that is stored (default: the baseline's level, else 0.05).",
        show_default=False,
    ),
]

MaxKL = Annotated[
    float | None,
    option("NATS", "Fail if the KL divergence of the fitted normal is larger.", "--max-kl"),
]

MaxSmoothedKL = Annotated[
    float | None,
    option("NATS", "Fail if the KL divergence after noise is larger.", "--max-smoothed-kl"),
]

MaxWasserstein = Annotated[
    float | None, option("NUMBER", "Fail if the sliced Wasserstein-2 distance is larger.")
]

MaxMargin = Annotated[
    float | None,
    option("NATS", "Fail if the KL divergence of a column or direction after noise is larger."),
]

MaxMean = Annotated[
    float | None, option("SD", "Fail if the mean of a column is larger in size, on normal scale.")
]

MaxCorrelation = Annotated[
    float | None, option("NUMBER", "Fail if the correlation of two columns is larger in size.")
]

FailOn = Annotated[
    OnVerdict,
    option(
        None,
        "What fails beside limits: 'worse' than the baseline, or also a 'mismatch' with the "
        "target, whatever the baseline.",
        "--fail-on",
    ),
]

MinRank = Annotated[
    float | None,
    option("NUMBER", "Fail if the effective rank of the covariance is smaller."),
]

MinDetectable = Annotated[
    int | None,
    option(
        "ROWS",
        "Fail if a test of ROWS rows has more than 50% power. ROWS is at most half of FILE's rows.",
        "--min-detectable-n",
    ),
]

Compare = Annotated[
    bool,
    option(
        None,
        "Also fail if the two samples have different distributions, for better or worse.",
        "--compare",
    ),
]

CompareRotated = Annotated[
    bool,
    option(None, "Like --compare, up to a rotation or reflection.", "--rotation"),
]

CheckJson = Annotated[
    str | None,
    option("PATH", "Also write the check as JSON; '-' prints the JSON and nothing else."),
]

CheckHtml = Annotated[
    str | None, option("PATH", "Also write the check as one self-contained HTML page.")
]

JUnit = Annotated[str | None, option("PATH", "Also write the check as JUnit XML.")]

GitHub = Annotated[
    bool | None,
    option(
        None,
        "Print GitHub annotations (default: if GITHUB_ACTIONS is true, without --quiet).",
        "--github/--no-github",
        show_default=False,
    ),
]

EPILOG = """\b
Exit codes:
  0   as good as the baseline and within the limits, or a baseline was written
  1   worse than the baseline, or beyond a limit (--fail-on mismatch: or a
      mismatch with the target)
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest check z.npy --write-baseline z.json
  dmtest check new.npy --baseline z.json
  dmtest check new.npy --baseline z.json --max-kl 0.1 --junit dmtest.xml
  dmtest check new.npy --baseline z.json --html check.html
  dmtest check new.npy --max-kl 0.1 --min-detectable-n 500
  dmtest check new.npy --baseline z.json --fail-on mismatch
  dmtest check new.npy --baseline z.json --json - | jq .passed
"""


def check(
    context: typer.Context,
    file: options.File,
    baseline: BaselineFile = None,
    write_baseline: WriteBaseline = None,
    target: options.SameTarget = None,
    low: options.Low = None,
    high: options.High = None,
    draws: options.Draws = None,
    normalise: options.Normalise = False,
    alpha: CheckAlpha = None,
    tolerance: options.Tolerance = None,
    tests: options.Tests = None,
    max_kl: MaxKL = None,
    max_smoothed_kl: MaxSmoothedKL = None,
    max_wasserstein: MaxWasserstein = None,
    max_margin: MaxMargin = None,
    max_mean: MaxMean = None,
    max_correlation: MaxCorrelation = None,
    min_rank: MinRank = None,
    min_detectable_n: MinDetectable = None,
    fail_on: FailOn = OnVerdict.worse,
    compare: Compare = False,
    rotation: CompareRotated = False,
    seed: options.Seed = 0,
    html: CheckHtml = None,
    json: CheckJson = None,
    junit: JUnit = None,
    github: GitHub = None,
    key: options.Key = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    groups: options.Groups = None,
    nonfinite: options.Nonfinite = options.OnNonfinite.error,
    memory: options.Memory = None,
    brief: options.Brief = False,
    quiet: options.Quiet = False,
) -> int:
    """Check that an encoder is no worse than its baseline.

    FILE is a fresh sample of embeddings. The check fails if a column, a pair of columns, a
    direction or the whole is further from the target than in the baseline by more than chance, if
    the verdict is worse and the samples differ, if a column is constant or a copy of another, or if
    a limit is exceeded. A fresh sample of the same encoder fails with a probability of at most
    alpha.
    """
    from dmtest.cli.check import CHECKED, WRITTEN, deliver, run, write

    hush(quiet)
    outputs.check_outputs(file, html, json, junit=junit, baseline=write_baseline)
    if baseline is not None and defaults.from_project(context, "target"):
        target = None  # the project's default is for files without a baseline
    boxed = low is not None or high is not None
    law = target or (options.UNIFORM if boxed else options.RANKS if draws else None)
    law = law or (options.SPHERE if normalise else None)
    data: dict[str, Any] = {
        "key": key,
        "columns": options.columns_of(columns),
        "nonfinite": nonfinite.value,
    }
    data |= {"target": None if law is None else options.law_of(law, low, high, draws, normalise)}
    data |= {"rng": seed}
    data |= {"progress": False if quiet else None, "groups": groups, "memory": memory}
    limits: dict[str, Any] = {"max_kl": max_kl, "max_smoothed_kl": max_smoothed_kl}
    limits |= {"max_wasserstein": max_wasserstein, "min_rank": min_rank}
    limits |= {"max_margin": max_margin, "max_mean": max_mean, "max_correlation": max_correlation}
    limits |= {"min_detectable_n": min_detectable_n}
    requested: dict[str, Any] = {
        "alpha": alpha,
        "tolerance": options.nats(tolerance),
        "tests": tests,
    }
    requested |= limits | {"compare": compare, "rotation": rotation}
    requested["fail_on"] = None if fail_on is OnVerdict.worse else fail_on.value
    apply = CHECKED if write_baseline is None else WRITTEN
    requested = {
        name: value
        for name, value in requested.items()
        if name in apply or not defaults.from_project(context, name)
    }
    with readable(file, delimiter) as path:
        if write_baseline is not None:
            write(path, write_baseline, baseline, requested, data, quiet, spoken(file))
            return FINE
        result = run(path, baseline, requested, data)
    deliver(outputs.spoken_result(result, file), json, junit, github, html, quiet, brief)
    return FINE if result.passed else MISMATCH
