"""Options that several commands have, with their help, and what their values mean."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmtest.errors import InputError, did_you_mean
from dmtest.results.targets import NAMED, SAID

if TYPE_CHECKING:
    from dmtest.targets.targets import TargetLike

MOST_COLUMNS = 1_000_000  # in one range, so that a typing error does not fill the memory


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


def option(metavar: str | None, help: str, *names: str, **more: Any) -> Any:
    """Return an option of Typer; the name of its parameter names it, unless `names` do."""
    return typer.Option(*names, metavar=metavar, help=help, **more)


def _tests_like(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list."""
    from dmtest.catalogue.registry import TESTS

    done, comma, start = incomplete.rpartition(",")
    names = (*TESTS, "all") if not comma else tuple(TESTS)
    return [f"{done}{comma}{name}" for name in names if name.startswith(start)]


def _named_like(incomplete: str) -> list[str]:
    return [target.value for target in TargetName if target.value.startswith(incomplete)]


FILE_HELP = (
    "Arrays (.npy .npz .h5 .hdf5 .h5ad .zarr .safetensors .pt .pth), tables (.csv .tsv .parquet "
    ".arrow .feather .ipc), vectors (.fvecs .ivecs .bvecs .fbin .ibin .u8bin .i8bin), word vectors "
    "(.vec .txt .bin), a folder of Hugging Face datasets, or a URL of one (s3://...). Text may end "
    "in .gz. A row is an observation. Nothing in a file is ever executed."
)
File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help=FILE_HELP,
        show_default=False,
    ),
]
CHOICE = f"[{'|'.join(target.value for target in TargetName)}]"
Normalise = Annotated[
    bool,
    option(
        None,
        "With --target sphere: divide rows by their lengths first, so that their directions are "
        "tested (normalised embeddings).",
        "--normalise",
    ),
]
Delimiter = Annotated[
    str | None,
    option(
        "CHARACTER",
        "What separates the cells of a text file, such as ';' or 'tab' (default: its first lines "
        "tell, and whether decimals have commas).",
    ),
]
Low = Annotated[
    float | None, option("NUMBER", "Lower end of the uniform box in every column (default 0).")
]
High = Annotated[
    float | None, option("NUMBER", "Upper end of the uniform box in every column (default 1).")
]
Draws = Annotated[
    int | None,
    option(
        "INTEGER",
        "With --target ranks: the number of draws that each true value was ranked among.",
    ),
]
Alpha = Annotated[
    float, option("LEVEL", "Level of the verdict, over all tests and slices together.")
]
Tolerance = Annotated[
    str | None,
    option(
        "NATS",
        "Largest divergence that is acceptable, such as 0.02, or '1000 rows' (--tolerance-rows). "
        "The verdict is 'equivalent' if upper bounds of the divergence of the fitted normal, of "
        "every column and direction after noise of sd 0.3, and of all columns after --noise are "
        "below it.",
    ),
]
Seed = Annotated[
    int,
    option(
        "INTEGER",
        "Seed of the directions and of the null replicates. The default is fixed: a run can be "
        "repeated, and the next run finds its replicates on disk.",
    ),
]
Tests = Annotated[
    str | None,
    option(
        "NAMES",
        "Comma-separated names of tests, or 'all'; 'dmtest tests' lists them. Default: a few "
        "tests that complement one another.",
        autocompletion=_tests_like,
    ),
]
Json = Annotated[
    str | None,
    option("PATH", "Also write the report as JSON; '-' prints the JSON and nothing else."),
]
Key = Annotated[
    str | None,
    option("NAME", "Array of an archive, or column of lists, that holds the rows."),
]
Columns = Annotated[
    str | None,
    option(
        "LIST",
        "Comma-separated columns to keep: names, positions from 0, or ranges (0:16 means the "
        "first sixteen).",
    ),
]
By = Annotated[
    str | None,
    option(
        "NAME",
        "The same, where every class by itself should follow the target: the verdict is over the "
        "classes.",
    ),
]
RowsFile = Annotated[
    str | None,
    option(
        "PATH",
        "Write a score, a p-value and a mark for every row as CSV; at most a share of --alpha of "
        "the marked rows is clean, on average.",
    ),
]
Groups = Annotated[
    str | None,
    option(
        "NAME",
        "Column or array of FILE, or another file, with a label for every row: rows of one label "
        "depend on each other (views of one item). Tests then use one row of each group.",
    ),
]
Slices = Annotated[
    int | None,
    option("INTEGER", "Number of random directions (default: 64 fixed ones)."),
]
Nonfinite = Annotated[
    OnNonfinite,
    option(None, "Rows with NaN or infinity: refuse the file, or drop and count these rows."),
]
Memory = Annotated[
    int | None,
    option(
        "BYTES",
        "Memory for a file: of many rows, which are read once, fewer are kept; a file that needs "
        "more is refused.",
    ),
]
Quiet = Annotated[
    bool,
    option(
        None,
        "Print no report and no progress; the exit code is the result. The files of --html and "
        "--json are still written.",
        "--quiet",
        "-q",
    ),
]
Brief = Annotated[
    bool,
    option(None, "Print one line, for logs, instead of the report.", "--brief", "-b"),
]
Verbose = Annotated[
    bool,
    option(
        None,
        "Print all effects, how each test was calibrated, and the whole advice; by default what "
        "fits 40 lines.",
        "--verbose",
        "-v",
    ),
]
SameTarget = Annotated[
    TargetName | None,
    option(
        CHOICE,
        "The law that the rows should follow (default: the baseline's target, else N(0, I)).",
        parser=_target,
        autocompletion=_named_like,
        show_default=False,
    ),
]
AsJson = Annotated[bool, option(None, "Print JSON instead of a table.", "--json")]


def law_of(
    name: TargetName,
    low: float | None,
    high: float | None,
    draws: int | None,
    normalise: bool = False,
) -> TargetLike:
    """Return the target that the options of a command name."""
    if normalise and name is not SPHERE:
        raise InputError(f"--normalise is for --target sphere; got --target {name}")
    if (draws is None) == (name is RANKS):
        raise InputError(
            f"--draws is for --target ranks, which needs it; got --target {name}"
            + ("" if draws is None else f" --draws {draws}")
        )
    if draws is not None and low is None and high is None:
        from dmtest.targets.ranks import Ranks

        return Ranks(draws)
    if low is None and high is None:
        if normalise:
            from dmtest.targets.targets import Sphere

            return Sphere(normalise=True)
        return name.value
    if name is not UNIFORM:
        raise InputError(f"--low and --high are for --target uniform; got --target {name}")
    from dmtest.targets.targets import Uniform

    return Uniform(0.0 if low is None else low, 1.0 if high is None else high)


def columns_of(text: str | None) -> list[str | int] | None:
    """Parse names and positions; a:b means the positions from a to b - 1."""
    if text is None:
        return None
    columns: list[str | int] = []
    for part in text.split(","):
        if span := re.fullmatch(r"(\d+):(\d+)", part.strip()):
            first, stop = int(span[1]), int(span[2])
            if stop - first > MOST_COLUMNS:
                raise InputError(f"--columns: {part.strip()} are too many; name fewer")
            columns += range(first, stop)
        else:
            columns.append(int(part) if re.fullmatch(r"\s*-?\d+\s*", part) else part.strip())
    return columns
