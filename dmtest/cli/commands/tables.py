"""The commands ``dmtest univariate`` and ``dmtest outliers``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dmtest.cli import options
from dmtest.cli.console import put, rendered
from dmtest.cli.options import OnNonfinite

if TYPE_CHECKING:
    from dmtest.results.tables import Outliers, Univariate

FINE, FOUND = 0, 1

UNIVARIATE = """\b
Exit codes:
  0   no column departs from a normal at this level
  1   a column is not normal
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest univariate z.csv
  dmtest univariate iris.csv --by Species
  dmtest univariate z.npy --columns 0:16 --json - | jq '.columns[].power'
"""
OUTLIERS = """\b
Exit codes:
  0   no row stands out
  1   a row stands out
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest outliers z.csv
  dmtest outliers iris.csv --by Species --rule adjusted-quantile
  dmtest outliers z.npy --target normal --rows rows.csv
"""


class RuleName(StrEnum):
    """How rows are chosen."""

    holm = "holm"
    benjamini_hochberg = "benjamini-hochberg"
    adjusted_quantile = "adjusted-quantile"
    quantile = "quantile"


HOLM, ANY_NORMAL = RuleName.holm, options.TargetName("any-normal")
Level = Annotated[
    float, typer.Option(metavar="LEVEL", help="Level, over all columns and classes together.")
]
RowLevel = Annotated[
    float,
    typer.Option(
        metavar="LEVEL",
        help="Level of the rule: of a wrong row at all (holm), of the share of wrong rows "
        "(benjamini-hochberg), or of each row (quantile).",
    ),
]
RuleOption = Annotated[
    RuleName,
    typer.Option(
        help="How rows are chosen. 'adjusted-quantile' is the rule of R's MVN: it marks rows of "
        "most clean samples too, if these are small."
    ),
]
RowTarget = Annotated[
    options.TargetName,
    typer.Option(
        help="The law of the rows: distances are robust for 'any-normal', and exact for a target "
        "without unknown parameters."
    ),
]


def univariate(
    file: options.File,
    by: options.By = None,
    alpha: Level = 0.05,
    seed: options.Seed = 0,
    json: options.Json = None,
    key: options.Key = None,
    columns: options.Columns = None,
    nonfinite: options.Nonfinite = OnNonfinite.error,
    quiet: options.Quiet = False,
) -> int:
    """Test every column of FILE for normality.

    Prints Anderson-Darling and Shapiro-Wilk with p-values adjusted over the columns, descriptives,
    a power transformation where one makes a column more normal, and tests of all columns together.
    With 'dmtest outliers' it prints what mvn() of R's package MVN does.
    """
    import dmtest
    from dmtest.cli.outputs import check_outputs

    check_outputs(file, None, json)
    table = dmtest.univariate(
        file,
        by=by,
        alpha=alpha,
        rng=seed,
        key=key,
        columns=options.columns_of(columns),
        nonfinite=nonfinite.value,
    )
    _deliver(table, json, quiet)
    return FOUND if table.rejected else FINE


def outliers(
    file: options.File,
    target: RowTarget = ANY_NORMAL,
    low: options.Low = None,
    high: options.High = None,
    draws: options.Draws = None,
    by: options.By = None,
    rule: RuleOption = HOLM,
    alpha: RowLevel = 0.05,
    seed: options.Seed = 0,
    rows: options.RowsFile = None,
    json: options.Json = None,
    key: options.Key = None,
    columns: options.Columns = None,
    nonfinite: options.Nonfinite = OnNonfinite.error,
    quiet: options.Quiet = False,
) -> int:
    """List the rows of FILE that are too far out.

    Scores are robust Mahalanobis distances (minimum covariance determinant), within classes with
    --by, and have calibrated p-values. Rows are numbered from 0.
    """
    import dmtest
    from dmtest.cli.outputs import check_outputs

    check_outputs(file, None, json, rows=rows)
    table = dmtest.outliers(
        file,
        options.law_of(target, low, high, draws),
        by=by,
        rule=rule.value,
        alpha=alpha,
        rng=seed,
        key=key,
        columns=options.columns_of(columns),
        nonfinite=nonfinite.value,
    )
    _deliver(table, json, quiet)
    if rows is not None:
        table.to_csv(rows)
    return FOUND if table.flagged else FINE


def _deliver(table: Univariate | Outliers, json: str | None, quiet: bool) -> None:
    if json == "-":
        put(table.to_json())
    elif not quiet:
        put(rendered(table))
    if json not in (None, "-"):
        table.to_json(json)
