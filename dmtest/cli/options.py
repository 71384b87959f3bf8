"""Options of the command line with their help, and examples of the commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from dmtest.cli.console import put
from dmtest.errors import InputError, did_you_mean
from dmtest.results.targets import NAMED, SAID


class TargetName(StrEnum):
    """The targets that a command line can make: by a name, or by a name and one option."""

    _ignore_ = "target"
    for target in NAMED:
        if target.kind or target.takes:
            vars()[target.name] = target.name


def tolerances(text: str | None, rows: int | None = None) -> tuple[float | None, int | None]:
    """Return a tolerance in nats and one in rows, from "0.02", "0.02 nats" or "1000 rows".

    Parameters
    ----------
    text : str or None
        Value of ``--tolerance``.
    rows : int or None
        Value of ``--tolerance-rows``.
    """
    if text is None:
        return None, rows
    number, _, unit = text.strip().partition(" ")
    try:
        if unit.strip() in ("", "nats", "nat"):
            return float(number), rows
        if unit.strip() in ("rows", "row") and rows is None:
            return None, int(number.replace(",", ""))
    except ValueError:
        pass
    raise InputError(
        f"tolerance: got {text!r}; give nats, such as 0.02, or rows, such as '1000 rows'."
    )


def nats(text: str | None) -> float | None:
    """Return a tolerance that has to be in nats."""
    number, rows = tolerances(text)
    if rows is not None:
        raise InputError(f"tolerance: got {text!r}; a baseline takes nats, such as 0.02.")
    return number


NORMAL, UNIFORM = TargetName("normal"), TargetName("uniform")
RANKS, SPHERE = TargetName("ranks"), TargetName("sphere")


def _target(name: str) -> TargetName:
    """Return the target of a name; Typer's own message would not say which name was meant."""
    targets = [target.value for target in TargetName]
    if name in targets:
        return TargetName(name)
    if name == "reference":
        raise InputError("--target: 'reference' is a file; use 'dmtest compare FILE REFERENCE'")
    if name in {target.name for target in NAMED}:
        raise InputError(
            f"--target: {name!r} takes an object of Python; use dmtest.report there, or one of "
            f"{', '.join(targets)}"
        )
    said = {key: tuple(one for one in found if one in targets) for key, found in SAID.items()}
    near = did_you_mean(name, targets, said) or f"choose from {', '.join(targets)}"
    raise InputError(f"--target: got {name!r}; {near}")


class OnNonfinite(StrEnum):
    """Treatment of rows with NaN or infinity."""

    error = "error"
    drop = "drop"


class OnVerdict(StrEnum):
    """What fails a check beside its limits."""

    worse = "worse"
    mismatch = "mismatch"


def _option(metavar: str | None, help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, **more)


def _tests_like(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list."""
    from dmtest.catalogue.registry import TESTS

    done, comma, start = incomplete.rpartition(",")
    names = (*TESTS, "all") if not comma else tuple(TESTS)
    return [f"{done}{comma}{name}" for name in names if name.startswith(start)]


def _named_like(incomplete: str) -> list[str]:
    return [target.value for target in TargetName if target.value.startswith(incomplete)]


def _test_like(incomplete: str) -> list[str]:
    from dmtest.catalogue.registry import TESTS

    return [name for name in TESTS if name.startswith(incomplete)]


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
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help=f"{FILE_HELP} '-' reads standard input. Of several files a table is printed.",
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
CHOICE = f"[{'|'.join(target.value for target in TargetName)}]"
Target = Annotated[
    TargetName,
    _option(
        CHOICE,
        "The law that the rows should follow: N(0, I), some normal N(m, S), the uniform on a "
        "box or on the unit sphere, or ranks 0 to --draws, each equally likely.",
        parser=_target,
        autocompletion=_named_like,
    ),
]
Normalise = Annotated[
    bool,
    _option(
        None,
        "With --target sphere: divide rows by their lengths first, so that their directions are "
        "tested (normalised embeddings).",
        "--normalise",
    ),
]
Delimiter = Annotated[
    str | None,
    _option(
        "CHARACTER",
        "What separates the cells of a text file, such as ';' or 'tab' (default: its first lines "
        "tell, and whether decimals have commas).",
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
    str | None,
    _option(
        "NATS",
        "Largest divergence that is acceptable, such as 0.02, or '1000 rows' (--tolerance-rows). "
        "The verdict is 'equivalent' if upper bounds of the divergence of the fitted normal, of "
        "every column and direction after noise of sd 0.3, and of all columns after --noise are "
        "below it.",
    ),
]
Noise = Annotated[
    float | None,
    _option(
        "SD",
        "Standard deviation of the noise of --tolerance. By default the largest with which half "
        "of a dead column would cost the tolerance.",
    ),
]
ToleranceRows = Annotated[
    int | None,
    _option(
        "INTEGER",
        "Rows on which nobody should notice a departure. The verdict is 'equivalent' if the tests "
        "reject few enough disjoint blocks of so many rows. Takes eight times as many rows.",
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
Pages = Annotated[
    str | None,
    _option(
        "PATH",
        "Also write the report as one self-contained HTML page; of several files a folder with "
        "a page for each.",
    ),
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
Labels = Annotated[
    str | None,
    _option(
        "NAME",
        "Column or array of FILE, or another file, with the class of every row: adds a report on "
        "every class, and how much of the variance and divergence lies between classes.",
    ),
]
By = Annotated[
    str | None,
    _option(
        "NAME",
        "The same, where every class by itself should follow the target: the verdict is over the "
        "classes.",
    ),
]
RowsFile = Annotated[
    str | None,
    _option(
        "PATH",
        "Write a score, a p-value and a mark for every row as CSV; at most a share of --alpha of "
        "the marked rows is clean, on average.",
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
Memory = Annotated[
    int | None,
    _option(
        "BYTES",
        "Memory for a file: of many rows, which are read once, fewer are kept; a file that needs "
        "more is refused.",
    ),
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
Brief = Annotated[
    bool,
    _option(None, "Print one line, for logs, instead of the report.", "--brief", "-b"),
]
Verbose = Annotated[
    bool,
    _option(
        None,
        "Print all effects, how each test was calibrated, and the whole advice; by default what "
        "fits 40 lines.",
        "--verbose",
        "-v",
    ),
]
TestName = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="Describe this test: what it detects, its targets, parameters, null and reference.",
        show_default=False,
        autocompletion=_test_like,
    ),
]
Batches = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Batches of the stream, in their order; '-' reads lines of numbers from standard "
        "input as they arrive.",
        show_default=False,
    ),
]
BatchRows = Annotated[
    int | None,
    _option(
        "ROWS",
        "Rows of a batch (default: a file is one batch, and 256 lines of standard input are).",
    ),
]
State = Annotated[
    str | None,
    _option(
        "PATH",
        "File that keeps the monitor: it is continued if it is there, and written after every "
        "batch.",
    ),
]
MonitorAlpha = Annotated[
    float | None,
    _option(
        "LEVEL",
        "Probability of ever rejecting a stream that follows the target (default: that of "
        "--state, else 0.05).",
        show_default=False,
    ),
]
Stop = Annotated[bool, _option(None, "End with exit code 1 at the batch that rejects.", "--stop")]
Lines = Annotated[
    bool, _option(None, "Print the state after each batch as a line of JSON.", "--json")
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
        CHOICE,
        "The law that the rows should follow (default: the baseline's target, else N(0, I)).",
        parser=_target,
        autocompletion=_named_like,
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
MaxMargin = Annotated[
    float | None,
    _option("NATS", "Fail if the KL divergence of a column or direction after noise is larger."),
]
MaxMean = Annotated[
    float | None, _option("SD", "Fail if the mean of a column is larger in size, on normal scale.")
]
MaxCorrelation = Annotated[
    float | None, _option("NUMBER", "Fail if the correlation of two columns is larger in size.")
]
FailOn = Annotated[
    OnVerdict,
    _option(
        None,
        "What fails beside limits: 'worse' than the baseline, or also a 'mismatch' with the "
        "target, whatever the baseline.",
        "--fail-on",
    ),
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
        "Print GitHub annotations (default: if GITHUB_ACTIONS is true, without --quiet).",
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
  dmtest tests energy            describe one of them

\b
Environment:
  DMTEST_CACHE_DIR   folder for null replicates; 'off' keeps none
  DMTEST_THREADS     number of threads (default: one for each core)
  DMTEST_CONFIG      file with the table [tool.dmtest], whose keys are the
                     defaults of options; 'off' reads none (default: the
                     nearest pyproject.toml)

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
CHECK = """\b
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
  dmtest check new.npy --max-kl 0.1 --min-detectable-n 500
  dmtest check new.npy --baseline z.json --fail-on mismatch
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
MONITOR = """\b
Exit codes:
  0   the stream is still compatible with the target
  1   rejected, by this batch or an earlier one
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest monitor monday.npy --state stream.json
  dmtest monitor tuesday.npy --state stream.json --brief
  dmtest monitor all.npy --batch 500
  producer | dmtest monitor - --batch 100 --stop
  dmtest monitor b1.npy b2.npy --json | jq .e_value
"""
TESTS = """\b
Exit codes:
  0   the tests were listed
  2   bad usage: one line on standard error says what to do

\b
Examples:
  dmtest tests
  dmtest tests henze-zirkler
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
