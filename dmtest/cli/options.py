"""Options of the command line with their help, and examples of the commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from dmtest.cli.console import put
from dmtest.results.targets import NAMED


class TargetName(StrEnum):
    """The targets that a command line can make: by a name, or by a name and one option."""

    _ignore_ = "target"
    for target in NAMED:
        if target.kind or target.takes:
            vars()[target.name] = target.name


NORMAL, UNIFORM = TargetName("normal"), TargetName("uniform")
RANKS = TargetName("ranks")


class OnNonfinite(StrEnum):
    """Treatment of rows with NaN or infinity."""

    error = "error"
    drop = "drop"


def _option(metavar: str | None, help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, **more)


def _tests_like(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list."""
    from dmtest.catalogue.registry import TESTS

    done, comma, start = incomplete.rpartition(",")
    names = (*TESTS, "all") if not comma else tuple(TESTS)
    return [f"{done}{comma}{name}" for name in names if name.startswith(start)]


def _targets_like(incomplete: str) -> list[str]:
    from dmtest.catalogue.registry import TARGETS

    return [name for name in TARGETS if name.startswith(incomplete)]


def _version(wanted: bool) -> None:
    if wanted:
        from dmtest import __version__

        put(f"dmtest {__version__}\n")
        raise typer.Exit


FILE_HELP = (
    "Arrays (.npy .npz .h5 .hdf5 .h5ad .zarr .safetensors .pt .pth), tables (.csv .tsv .parquet "
    ".arrow .feather .ipc), vectors (.fvecs .ivecs .bvecs .fbin .ibin .u8bin .i8bin), word vectors "
    "(.vec .txt .bin), a folder of Hugging Face datasets, or a URL of one (s3://...). Text may end "
    "in .gz. A row is an observation. Nothing in a file is ever executed."
)
Version = Annotated[
    bool,
    _option(None, "Print the version and exit.", "--version", callback=_version, is_eager=True),
]
File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help=FILE_HELP,
        show_default=False,
    ),
]
ReferenceFile = Annotated[
    str,
    typer.Argument(metavar="REFERENCE", help="The file to compare with.", show_default=False),
]
Rotation = Annotated[
    bool,
    _option(
        None,
        "Compare up to a rotation or reflection. Only row lengths and the singular values of "
        "blocks of rows are compared, which no rotation changes.",
        "--rotation",
    ),
]
ReferenceKey = Annotated[
    str | None, _option("NAME", "Array or column of REFERENCE, if it differs from --key.")
]
Permutations = Annotated[
    int, _option("INTEGER", "Permutations. The smallest possible p-value is 1 / (replicates + 1).")
]
Target = Annotated[
    TargetName,
    _option(
        None,
        "The law that the rows should follow: N(0, I), some normal N(m, S), the uniform on a "
        "box or on the unit sphere, or ranks 0 to --draws, each equally likely.",
    ),
]
Low = Annotated[
    float | None, _option("NUMBER", "Lower end of the uniform box in every column (default 0).")
]
High = Annotated[
    float | None, _option("NUMBER", "Upper end of the uniform box in every column (default 1).")
]
Draws = Annotated[
    int | None,
    _option(
        "INTEGER",
        "With --target ranks: the number of draws that each true value was ranked among.",
    ),
]
Alpha = Annotated[
    float, _option("LEVEL", "Level of the verdict, over all tests and slices together.")
]
Tolerance = Annotated[
    float | None,
    _option(
        "NATS",
        "Largest divergence after noise that is acceptable. The verdict is 'equivalent' if a "
        "confidence bound certifies that the divergence is smaller.",
    ),
]
Sigma = Annotated[
    float | None,
    _option("NUMBER", "Standard deviation of the normal noise (default: stored in FILE)."),
]
Epsilon = Annotated[
    float | None, _option("NUMBER", "Half-width of the uniform noise (default: stored in FILE).")
]
Augmented = Annotated[
    str,
    _option("NAME", "Array of FILE, or another file, that holds f(X') row by row."),
]
Confidence = Annotated[float, _option("LEVEL", "Confidence of every bound.")]
Batch = Annotated[
    int | None, _option("INTEGER", "Rows of a batch (default: an eighth of all, at most 2048).")
]
Seed = Annotated[
    int,
    _option(
        "INTEGER",
        "Seed of the directions and of the null replicates. The default is fixed: a run can be "
        "repeated, and the next run finds its replicates on disk.",
    ),
]
Tests = Annotated[
    str | None,
    _option(
        "NAMES",
        "Comma-separated names of tests, or 'all'; 'dmtest tests' lists them. Default: a few "
        "tests that complement one another.",
        autocompletion=_tests_like,
    ),
]
Html = Annotated[
    str | None, _option("PATH", "Also write the report as one self-contained HTML page.")
]
Json = Annotated[
    str | None,
    _option("PATH", "Also write the report as JSON; '-' prints the JSON and nothing else."),
]
Key = Annotated[
    str | None,
    _option("NAME", "Array of an archive, or column of lists, that holds the rows."),
]
Columns = Annotated[
    str | None,
    _option(
        "LIST",
        "Comma-separated columns to keep: names, positions from 0, or ranges (0:16 means the "
        "first sixteen).",
    ),
]
Groups = Annotated[
    str | None,
    _option(
        "NAME",
        "Column or array of FILE, or another file, with a label for every row: rows of one label "
        "depend on each other (views of one item). Tests then use one row of each group.",
    ),
]
ReferenceGroups = Annotated[str | None, _option("NAME", "The same for REFERENCE.")]
Slices = Annotated[
    int | None,
    _option("INTEGER", "Number of random directions (default: 64 fixed ones)."),
]
Replicates = Annotated[
    int,
    _option("INTEGER", "Null replicates. The smallest possible p-value is 1 / (replicates + 1)."),
]
Nonfinite = Annotated[
    OnNonfinite,
    _option(None, "Rows with NaN or infinity: refuse the file, or drop and count these rows."),
]
Quiet = Annotated[
    bool,
    _option(
        None,
        "Print no report and no progress; the exit code is the result. The files of --html and "
        "--json are still written.",
        "--quiet",
        "-q",
    ),
]
Listed = Annotated[
    str | None,
    _option(
        "NAME",
        f"List only the tests of this target: {', '.join(target.name for target in NAMED[:-1])} or "
        f"{NAMED[-1].name} (two samples).",
        autocompletion=_targets_like,
    ),
]
BaselineFile = Annotated[
    str | None, _option("PATH", "Baseline to check against: a file that --write-baseline wrote.")
]
WriteBaseline = Annotated[
    str | None,
    _option(
        "PATH",
        "Write a baseline of FILE instead of checking it: its report, its departures with their "
        "standard errors, and its rows (a random subset if they have more than 262,144 numbers).",
    ),
]
SameTarget = Annotated[
    TargetName | None,
    _option(
        None,
        "The law that the rows should follow (default: the baseline's target, else N(0, I)).",
        show_default=False,
    ),
]
CheckAlpha = Annotated[
    float | None,
    _option(
        "LEVEL",
        "Level of all comparisons with the baseline together; with --write-baseline, of the "
        "verdict that is stored (default: the baseline's level, else 0.05).",
        show_default=False,
    ),
]
MaxKL = Annotated[
    float | None,
    _option("NATS", "Fail if the KL divergence of the fitted normal is larger.", "--max-kl"),
]
MaxSmoothedKL = Annotated[
    float | None,
    _option("NATS", "Fail if the KL divergence after noise is larger.", "--max-smoothed-kl"),
]
MaxWasserstein = Annotated[
    float | None, _option("NUMBER", "Fail if the sliced Wasserstein-2 distance is larger.")
]
MinRank = Annotated[
    float | None,
    _option("NUMBER", "Fail if the effective rank of the covariance is smaller."),
]
MinDetectable = Annotated[
    int | None,
    _option(
        "ROWS",
        "Fail if a test of ROWS rows has more than 50% power. ROWS is at most half of FILE's rows.",
        "--min-detectable-n",
    ),
]
Compare = Annotated[
    bool,
    _option(
        None,
        "Also fail if the two samples have different distributions, for better or worse.",
        "--compare",
    ),
]
CompareRotated = Annotated[
    bool,
    _option(None, "Like --compare, up to a rotation or reflection.", "--rotation"),
]
CheckJson = Annotated[
    str | None,
    _option("PATH", "Also write the check as JSON; '-' prints the JSON and nothing else."),
]
JUnit = Annotated[str | None, _option("PATH", "Also write the check as JUnit XML.")]
GitHub = Annotated[
    bool | None,
    _option(
        None,
        "Print GitHub annotations (default: if GITHUB_ACTIONS is true).",
        "--github/--no-github",
        show_default=False,
    ),
]
AsJson = Annotated[bool, _option(None, "Print JSON instead of a table.", "--json")]
DemoPage = Annotated[str, _option("PATH", "Path of the HTML page.")]

# A line that holds \b alone keeps the lines of the paragraph below it as they are.
START = """\b
Start here:
  dmtest demo                    a first look, on data that come with dmtest
  dmtest report embeddings.npy   is this N(0, I)? exit code 1 if not
  dmtest compare a.npy b.npy     do both have the same distribution?
  dmtest tests                   list the tests

\b
Environment:
  DMTEST_CACHE_DIR   folder for null replicates; 'off' keeps none
  DMTEST_THREADS     number of threads (default: one for each core)

\b
Completion of commands, options and names of tests:
  dmtest --install-completion    for bash, zsh, fish or PowerShell

Results go to standard output; progress, on a terminal only, and errors to standard error. An
error is one line, with exit code 2.
"""
REPORT = """\b
Exit codes:
  0   no evidence against the target at this level
  1   mismatch: the data do not follow the target
      (with --tolerance, 0: certified to be near the target, 1: not certified)
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest report z.npy
  dmtest report z.npy --target any-normal --html z.html
  dmtest report z.npz --key embeddings --json - | jq .pvalue
  dmtest report z.csv --columns 0:16 --nonfinite drop
  dmtest report u.parquet --target uniform --low -1 --high 1
  dmtest report ranks.csv --target ranks --draws 100
  dmtest report z.npy --tests epps-pulley,shapiro-wilk --slices 256
  dmtest report z.npy --tolerance 0.05
  dmtest report views.npz --groups item
  dmtest report z.npy --quiet || echo 'not N(0, I)'
"""
CHECK = """\b
Exit codes:
  0   as good as the baseline and within the limits, or a baseline was written
  1   worse than the baseline, or beyond a limit
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest check z.npy --write-baseline z.json
  dmtest check new.npy --baseline z.json
  dmtest check new.npy --baseline z.json --max-kl 0.1 --junit dmtest.xml
  dmtest check new.npy --max-kl 0.1 --min-detectable-n 500
  dmtest check new.npy --baseline z.json --json - | jq .passed
"""
COMPARE = """\b
Exit codes:
  0   no evidence of a difference at this level
  1   mismatch: the samples have different distributions
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest compare new.npy old.npy
  dmtest compare new.npz old.npz --key embeddings --html comparison.html
  dmtest compare ours.npy theirs.npy --rotation
  dmtest compare a.csv b.csv --columns 0:16 --tests energy,classifier
  dmtest compare a.npy b.npy --quiet || echo 'different'
"""
BOUNDS = """\b
Exit codes:
  0   the bounds were computed
  1   the numbers break an inequality of the theory
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest bounds run/embeddings.npz
  dmtest bounds z.npz --key f --augmented g --sigma 0.3
  dmtest bounds f.npy --augmented g.npy --epsilon 0.1 --json
"""
TESTS = """\b
Exit codes:
  0   the tests were listed
  2   bad usage: one line on standard error says what to do

\b
Examples:
  dmtest tests
  dmtest tests --target any-normal
  dmtest tests --json | jq -r '.[].name'
"""
DEMO = """\b
Exit codes:
  0   the report was printed and the page written, whatever the verdict
  2   bad usage, or a page that cannot be written

\b
Examples:
  dmtest demo
  dmtest demo --html /tmp/digits.html
"""
