"""The command ``dmtest report``: a report on one file, or a table of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmtest.cli import options, outputs
from dmtest.cli.console import BAD_INPUT, FINE, MISMATCH, hush
from dmtest.cli.inputs import readable
from dmtest.cli.options import option
from dmtest.errors import InputError

if TYPE_CHECKING:
    from dmtest.results.report import Report

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help=f"{options.FILE_HELP} '-' reads standard input. Of several files a table is printed.",
        show_default=False,
    ),
]

Target = Annotated[
    options.TargetName,
    option(
        options.CHOICE,
        "The law that the rows should follow: N(0, I), some normal N(m, S), the uniform on a "
        "box or on the unit sphere, or ranks 0 to --draws, each equally likely.",
        parser=options._target,
        autocompletion=options._named_like,
    ),
]

Noise = Annotated[
    float | None,
    option(
        "SD",
        "Standard deviation of the noise of --tolerance. By default the largest with which half "
        "of a dead column would cost the tolerance.",
    ),
]

ToleranceRows = Annotated[
    int | None,
    option(
        "INTEGER",
        "Rows on which nobody should notice a departure. The verdict is 'equivalent' if the tests "
        "reject few enough disjoint blocks of so many rows. Takes eight times as many rows.",
    ),
]

Pages = Annotated[
    str | None,
    option(
        "PATH",
        "Also write the report as one self-contained HTML page; of several files a folder with "
        "a page for each.",
    ),
]

Labels = Annotated[
    str | None,
    option(
        "NAME",
        "Column or array of FILE, or another file, with the class of every row: adds a report on "
        "every class, and how much of the variance and divergence lies between classes.",
    ),
]

Replicates = Annotated[
    int,
    option("INTEGER", "Null replicates. The smallest possible p-value is 1 / (replicates + 1)."),
]

EPILOG = """\b
Exit codes:
  0   no evidence against the target at this level
  1   mismatch: the data do not follow the target
      (with a tolerance, 0: equivalent within it, 1: mismatch or inconclusive)
      (of several files: 1 if one of them is a mismatch)
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest report z.npy
  dmtest report z.npy --target any-normal --html z.html
  dmtest report sentences.npy --target sphere --normalise
  dmtest report step1.npy step2.npy step3.npy
  dmtest report z.npz --key embeddings --json - | jq .pvalue
  dmtest report z.csv --columns 0:16 --nonfinite drop
  dmtest report u.parquet --target uniform --low -1 --high 1
  dmtest report ranks.csv --target ranks --draws 100
  dmtest report z.npy --tests epps-pulley,shapiro-wilk --slices 256
  dmtest report z.npy --tolerance 0.02
  dmtest report z.npy --tolerance '1000 rows'
  dmtest report views.npz --groups item
  dmtest report export.csv --delimiter ';' --columns 0:4
  cat z.csv | dmtest report - --brief
  dmtest report z.npz --key embeddings --labels labels --rows rows.csv
  dmtest report iris.csv --target any-normal --by Species
  dmtest report z.npy --quiet || echo 'not N(0, I)'
"""


def report(
    files: Files,
    target: Target = options.NORMAL,
    low: options.Low = None,
    high: options.High = None,
    draws: options.Draws = None,
    normalise: options.Normalise = False,
    alpha: options.Alpha = 0.05,
    tolerance: options.Tolerance = None,
    noise: Noise = None,
    tolerance_rows: ToleranceRows = None,
    seed: options.Seed = 0,
    tests: options.Tests = None,
    html: Pages = None,
    json: options.Json = None,
    key: options.Key = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    labels: Labels = None,
    by: options.By = None,
    groups: options.Groups = None,
    rows: options.RowsFile = None,
    slices: options.Slices = None,
    replicates: Replicates = 999,
    nonfinite: options.Nonfinite = options.OnNonfinite.error,
    memory: options.Memory = None,
    verbose: options.Verbose = False,
    brief: options.Brief = False,
    quiet: options.Quiet = False,
) -> int:
    """Report whether the rows of FILE follow a target distribution.

    Prints the verdict, a diagnosis in plain words, effect sizes with confidence intervals, tests
    with calibrated p-values, and findings about the data. Of several files it prints a table,
    with the reports in the files of --html and --json.

    The null distributions of the default tests come with dmtest, for 20 rows or more and up to
    1,024 columns. Others are simulated, which may take a minute; a later run with the same shape
    and seed finds them on disk.
    """
    from dmtest.cli import several

    many = len(files) > 1
    hush(quiet)
    if many:
        several.check_folder(html)
        if rows is not None:
            raise InputError("--rows: takes one file; give one FILE, or leave the option out.")
    for file in files:
        outputs.check_outputs(file, None if many else html, json, rows=rows)
    law = options.law_of(target, low, high, draws, normalise)
    nats, block = options.tolerances(tolerance, tolerance_rows)
    given: dict[str, Any] = {"target": target, "low": low, "high": high, "draws": draws}
    given |= {"normalise": normalise, "alpha": alpha, "tolerance": nats, "seed": seed}
    given |= {"tests": tests, "key": key, "columns": columns, "delimiter": delimiter}
    given |= {"noise": noise, "tolerance_rows": block}
    given |= {"labels": labels, "by": by, "rows": rows}
    given |= {"groups": groups, "slices": slices, "replicates": replicates, "nonfinite": nonfinite}
    given |= {"memory": memory}

    def one(file: str) -> Report:
        import dmtest

        with readable(file, delimiter) as path:
            result = dmtest.report(
                path,
                law,
                tests=tests,
                alpha=alpha,
                tolerance=nats,
                noise=noise,
                tolerance_rows=block,
                slices=slices,
                replicates=replicates,
                rng=seed,
                progress=False if quiet else None,
                key=key,
                columns=options.columns_of(columns),
                nonfinite=nonfinite.value,
                memory=memory,
                groups=groups,
                labels=labels,
                by=by,
                rows=rows is not None,
                # Without any output the exit code is all that is asked for.
                effects=not quiet or html is not None or json is not None,
            )
        return outputs.with_command(result, ["report", file], given)

    if not many:
        result = one(files[0])
        if result.rows is not None and rows is not None:
            result.rows.to_csv(rows)
        outputs.deliver(result, html, json, quiet, brief, verbose)
        return MISMATCH if result.verdict in ("mismatch", "inconclusive") else FINE
    made = several.reports_of(files, one)
    several.deliver(files, made, html, json, quiet, brief)
    if any(isinstance(result, str) for result in made):
        return BAD_INPUT
    verdicts = {result.verdict for result in made if not isinstance(result, str)}
    return MISMATCH if verdicts & {"mismatch", "inconclusive"} else FINE
