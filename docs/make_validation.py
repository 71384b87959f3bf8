"""Write docs/validation.md from the results of benchmarks: python docs/make_validation.py.

Every number is one of ``benchmarks/results/*.json``, and every registered test, interval,
certificate and reader has a row. A cell without a number is an error: the study that has it is
named in `STUDIES`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from dmtest.catalogue.registry import ROWS
from dmtest.catalogue.spec import DrawTest, PoolTest, SliceTest, Spec
from dmtest.data.readers.formats import FORMATS
from dmtest.results import effect_table
from dmtest.results.effect_table import EffectRow

Row = dict[str, Any]
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"

# What is shown, and the command that computes it anew.
STUDIES = {
    "trust/precision/error": "python -m benchmarks.trust.precision",
    "trust/precision/cost": "python -m benchmarks.trust.precision",
    "trust/determinism/same": "python -m benchmarks.trust.determinism",
    "trust/determinism/cores": "python -m benchmarks.trust.determinism --cores",
    "trust/files": "python -m benchmarks.trust.files",
    "trust/edges": "python -m benchmarks.trust.edges",
    "trust/faults": "python -m benchmarks.trust.faults",
    "trust/mutation/scores": "python -m benchmarks.trust.mutation",
    "level/level": "python -m benchmarks.level.size",
    "level/level-rows": "python -m benchmarks.level.rows",
    "level/level-shipped": "python -m benchmarks.level.shipped",
    "level/coverage/effects": "python -m benchmarks.level.coverage",
    "level/coverage/sliced": "python -m benchmarks.level.coverage",
    "level/coverage/mean-pvalue": "python -m benchmarks.level.coverage",
    "level/coverage/decomposition": "python -m benchmarks.level.coverage",
    "level/coverage/power": "python -m benchmarks.level.coverage",
    "level/coverage/others": "python -m benchmarks.level.intervals",
    "level/coverage/accuracy": "python -m benchmarks.level.accuracy",
    "level/groups/coverage": "python -m benchmarks.level.groups",
    "level/nearness/coverage": "python -m benchmarks.level.nearness",
    "level/nearness/certificate": "python -m benchmarks.level.certificate",
    "power/power": "python -m benchmarks.power.study, then .table",
    "power/power-spaces": "python -m benchmarks.power.spaces",
    "decisions/two-samples/level": "python -m benchmarks.decisions.two_samples level",
    "decisions/two-samples/power": "python -m benchmarks.decisions.two_samples power",
    "decisions/two-samples/coverage": "python -m benchmarks.decisions.two_samples coverage",
    "decisions/sampled/level": "python -m benchmarks.decisions.sampled",
    "decisions/sampled/power": "python -m benchmarks.decisions.sampled",
    "decisions/monitor/level": "python -m benchmarks.decisions.monitor",
    "decisions/checks/synthetic": "python -m benchmarks.decisions.checks",
    "decisions/check-power/level": "python -m benchmarks.decisions.check_power",
    "equivalence/equivalence/level": "python -m benchmarks.level.equivalence",
    "equivalence/equivalence/never": "python -m benchmarks.level.equivalence",
    "information/information/bracket": "python -m benchmarks.information.estimators",
    "ranks/ranks/correct": "python -m benchmarks.level.ranks correct",
}
HEAD = """# Validation

Written by `python docs/make_validation.py` from the results of `benchmarks`; no number is typed.
Every registered test, every printed interval, every certificate and every reader has its row. The
[last section](#how-to-compute-it-anew) names the command that computes each number anew; the
[measurements](measured.md) are the tables behind this page.
"""
TESTS = """
## Tests: what they were compared with

*values of others*: how many values of other packages the statistic was compared with, and the
farthest relative difference; packages print 7 to 17 digits. *twins*: how many second
implementations there are, which share no code, and the farthest difference. *40 digits*: the
difference, in float64, from the definition computed in that many. *float32*: of the same values in
float32 from float64. *maps*: how many maps should leave the statistic unchanged, and how far they
move it. A search over directions is compared with searches of others: it has to find at least their
maximum.
"""
LEVELS = """
## Tests: size, power, invariances and cost

*size at 5%*: smallest and largest rate of rejections of samples of the null, over so many *cells*
of rows, columns and targets; *largest z* is the farthest of them from its nominal level (of 1, 5
and 10%) in standard errors. *power*: in how many cases of the power study the test is one of the
three best; or, in the cube, on the sphere, for two samples and for drawn laws, its mean power at 5%
over the departures that were tried. *unchanged by*: [maps](tests.md#unchanged-by) of the sample;
*known* are slices of specified targets.
*CPU ms*: of one evaluation, of 1,000 rows of 8 columns and 64 slices where nothing else is said; of
two samples and drawn laws with a p-value from 19 replicates.
"""
INTERVALS = """
## Intervals

*coverage*: smallest and median share of samples whose interval held the true value, over so many
*cells* of laws, rows and columns. It should be 0.95, and 0.99 for `mean_pvalue`; *s.e.* is the
standard error of such a share in the cell with the fewest *runs*.
"""
NO_INTERVAL = """
These effects are printed without an interval: {names}.
"""
CERTIFICATES = """
## Certificates and decisions

*wrong*: largest rate at which a bound, a verdict or an alarm was wrong on samples for which that is
known, over so many cells; *at most*: what it may be, with the standard error of such a rate in the
worst cell; *runs*: fewest of a cell.
"""
READERS = """
## Readers

Damaged and hostile files, each read in a process with limits. *misread*: read although the format
can tell that something is wrong.
"""
EDGES = """
## Inputs at the edges

Denormal and huge numbers, ties, few rows, many columns, other types: {inputs} inputs. *refused*: in
one sentence. *fell*: a number that is not finite, a p-value of 0, a traceback, a warning of numpy.
"""
FAULTS = """
## Kills and faults

*kills*: SIGKILL at a random moment, at a random event of the file system, or within a write.
*faults*: full and read-only disks, missing folders, signals, closed streams, processes at the same
time. *damaged*: an output that is neither the old file nor whole nor absent, an entry of the cache
or a next run with other bits, another exit code, a traceback.
"""
MUTANTS = """
## Tests of the tests

A mutant is one change of a comparison, an operator, a number or an extreme in a function of a
folder; a random sample is tried. *killed*: a test of the folder fails. *equivalent*: no result
changes that a user could see, [with reasons](../benchmarks/results/mutation.md). *score*: killed of
those that are not equivalent.
"""
GATES = """
## Gates that are run by hand

Each fails where it should. The last one needs a network: it sends names and versions of the pinned
dependencies to PyPI, which knows their vulnerabilities. It was not run for this page.

"""
BY_HAND = (
    (
        "lines of `statistics`, `calibration`, `bounds` and `effects` that tests run, without "
        "numba's compiler: at least 95% of each",
        "`.ci/coverage`",
    ),
    ("tests with the lowest versions that `pyproject.toml` promises", "`.ci/lowest`"),
    (
        "known vulnerabilities of dependencies",
        "`python -m pip install pip-audit && pip-audit --no-deps -r constraints.txt`",
    ),
)
BITS = """
## The same bits

{same} of {all} configurations give the bits of the plain call: [which](determinism.md).
"""
DETERMINISM = """# The same bits

Written by `python docs/make_validation.py`. A report repeats to the last bit if its data, its
arguments with the seed, and the versions of dmtest, numpy, scipy and numba are the same, on one
kind of processor. {same} of {all} configurations give the bits of the plain call in all verdicts,
p-values, statistics and effects. Each ran in a process of its own
(`python -m benchmarks.trust.determinism`), without a cache of nulls where nothing else is said.

## What changes no bit
"""
PARTS = {
    "threads": "Threads of dmtest, BLAS, OpenMP and numba",
    "memory": "Order in memory, and kinds of objects",
    "files": "Files and the command line",
    "chunks": "Chunks and parts, beside the summary of all rows",
    "processes": "Processes and pools around reports",
    "caches": "Caches of nulls and of compiled kernels",
    "settings": "Settings of Python and numpy",
}
NOT_PROMISED = """
## What is not promised

- *Another processor or BLAS.* BLAS chooses its kernels by the processor, and sums in another order.
  With the kernels of OpenBLAS for other processors, numbers differ by at most {most} relative,
  here. The largest differences are of float32 data, and of limits near 0, from which a bias was
  removed. A p-value that is a rank among replicates, or a verdict, changes only where that moves a
  value past another one.
- *float32 beside float64.* Rows are not rounded, but slices of float32 are projected in float32:
  the statistics differ by what [validation](validation.md) lists under *float32*.
- *A report in bounded memory* (`Summary`, `memory=`) beside the report of the array: some of its
  numbers are computed from kept rows ([streams](streaming.md)).
- *Another version.* The changelog lists *numerical changes*. Baselines and reports of earlier
  versions are read, and a test holds that a check against a stored one gives its stored numbers.
- `seconds` and `created` in JSON, and identifiers of drawings in pages.
"""
END = """
## How to compute it anew

| numbers | command |
|---|---|
"""


def rows_of(study: str) -> list[Row]:
    """Return the rows of a stored table, such as ``"level/coverage/effects"``."""
    record = record_of(study)
    return [dict(zip(record["head"], row, strict=True)) for row in record["rows"]]


def record_of(study: str) -> dict[str, Any]:
    """Return a stored table with its notes."""
    file, _, name = study.partition("/")
    if study not in STUDIES:
        raise KeyError(f"{study} has no command in STUDIES")
    stored = json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8"))
    if name not in stored:
        raise KeyError(f"{study} was not measured: run {STUDIES[study]}")
    return dict(stored[name])


def number(value: float, digits: int = 2) -> str:
    """Return a number with so many digits."""
    return f"{value:.{digits}g}"


def error(value: float) -> str:
    """Return a relative error with one digit; lines do not break at a minus sign."""
    return number(value, 1).replace("-", "\N{MINUS SIGN}")


def whole(text: str) -> str:
    """Return a text that is not broken over lines."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def share(value: float) -> str:
    """Return a rate with three decimals."""
    return f"{value:.3f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; a cell that is empty is an error."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        empty = [name for name, cell in zip(head, row, strict=True) if not cell.strip()]
        if empty:
            raise ValueError(f"{row[0]}: nothing is known of {', '.join(empty)}")
        lines.append(f"| {' | '.join(row)} |")
    return "\n" + "\n".join(lines) + "\n"


SCALES = {
    "lines": "slices",
    "residuals": "whitened rows",
    "normal": "normal scale",
    "cube": "cube",
    "sphere": "sphere",
    "two-sample": "two samples",
    "draws": "drawn law",
}


def named(row: Spec) -> tuple[str, str]:
    """Return the first cells of a test."""
    return f"`{row.name}`", SCALES[row.space]


def measured(study: str, row: Spec) -> Row:
    """Return the line of a test in a table with columns test and scale."""
    found = [r for r in rows_of(study) if (r["test"], r["scale"]) == (row.name, row.space)]
    if len(found) != 1:
        raise KeyError(f"{row.name} ({row.space}) is not in {study}: run {STUDIES[study]}")
    return found[0]


CALLED = {
    "mnt_prewhitened": "mnt",
    "mnt_1d": "mnt",
    "stats": "R stats",
    "MVN_patched": "MVN (mended)",
}


def packages(text: str) -> str:
    """Return packages and numbers of values, such as ``"mnt 12, MVN 3"``, by their own names."""
    counts: dict[str, int] = {}
    for part in filter("-".__ne__, text.split(", ")):
        name, count = part.rsplit(" ", 1)
        name = CALLED.get(name, name)
        counts[name] = counts.get(name, 0) + int(count)
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "-"


def error_cells(row: Spec) -> tuple[str, ...]:
    """Return what a statistic was compared with, and its numerical error."""
    found = measured("trust/precision/error", row)

    def cell(name: str) -> str:
        return error(found[name]) if isinstance(found[name], float) else "none"

    others, maximum = packages(found["from"]), found["at least a maximum of others"]
    values = "none"
    if maximum != "-":
        values = f"{others}: at least its maximum in {maximum}"
    elif others != "-":
        far = found["farthest value"]
        values = others if far == "-" else f"{others}: {error(far)}"
    if found["p-values of others"]:
        values += f"; {found['p-values of others']} p-values"
    twins = whole(f"{found['twins']}: {cell('farthest twin')}") if found["twins"] else "none"
    maps = whole(f"{found['maps']}: {error(found['moved by maps'])}")
    return (*named(row), values, twins, cell("40 digits"), cell("float32"), maps)


def sizes(row: Spec) -> tuple[int, list[float], float]:
    """Return the number of cells, the sizes at 5%, and the largest deviation in standard errors."""
    if isinstance(row, DrawTest):
        return of_counts(row.name)
    if isinstance(row, PoolTest):
        found = [r for r in rows_of("decisions/two-samples/level") if r["test"] == row.name]
    else:
        targets = {"normal": ("normal",), "cube": ("uniform",)}.get(row.space, row.targets)
        found = [
            r
            for study in ("level/level", "level/level-rows")
            for r in rows_of(study)
            if r["test"] == row.name and r["target"] in targets
        ]
    # The largest z counts above as below, except where ties make a test conservative.
    worst = max((float(r["largest z"]) for r in found), key=abs)
    return len(found), [float(r["size at 0.05"]) for r in found], worst


def of_counts(name: str) -> tuple[int, list[float], float]:
    """Return the same of the study of drawn laws, which counts rejections at 5%."""
    found = rows_of("decisions/sampled/level")
    total = [(int(r[name]), int(r["samples"])) for r in found]
    rejected, samples = (sum(part) for part in zip(*total, strict=True))
    z = (rejected / samples - 0.05) / (0.05 * 0.95 / samples) ** 0.5
    return len(found), [rejected / samples], z


def power(row: Spec) -> str:
    """Return where the test is among the best."""
    if isinstance(row, PoolTest | DrawTest):
        study = "two-samples" if isinstance(row, PoolTest) else "sampled"
        values = [float(r[row.name]) for r in rows_of(f"decisions/{study}/power")]
        mean = share(sum(values) / len(values))
        return f"[{mean}](../benchmarks/results/{study}.md)"
    if row.space in ("cube", "sphere"):
        rows = rows_of("power/power-spaces")
        values = [r["power"] for r in rows if (r["test"], r["scale"]) == (row.name, row.space)]
        return f"[{share(sum(values) / len(values))}](../benchmarks/results/power-spaces.md)"
    targets = ("normal",) if row.space == "normal" else row.targets
    found = [r for r in rows_of("power/power") if r["target"] in targets]
    best = sum(
        any(part.rsplit(" ", 1)[0] == row.name for part in r["best tests"].split(", "))
        for r in found
    )
    return whole(f"[{best} of {len(found)}](power.md)")


def level_cells(row: Spec) -> tuple[str, ...]:
    """Return size, power, invariances and cost of a test."""
    cells, rates, worst = sizes(row)
    low, high = share(min(rates)), share(max(rates))
    size = low if low == high else whole(f"{low} to {high}")
    maps = ", ".join(row.invariances) or "row-order"
    if isinstance(row, SliceTest):
        maps += f"; known: {', '.join(row.known_invariances)}"
    cost = measured("trust/precision/cost", row)
    usual = {
        SliceTest: "1,000 x 8, 64 slices",
        PoolTest: "1,000 x 8, with p-value (19 replicates)",
        DrawTest: "1,000 x 8, with p-value (19 replicates)",
    }.get(type(row), "1,000 x 8")
    time = number(cost["CPU ms"], 3) + ("" if cost["of"] == usual else f" ({cost['of']})")
    return (*named(row), size, str(cells), f"{worst:+.1f}", power(row), maps, time)


EFFECTS = {row.name: row for row in vars(effect_table).values() if isinstance(row, EffectRow)}
# Effects without an interval: descriptions of a sample.
DESCRIPTIVE = (
    *("worst-slice", "alignment", "uniformity"),
    *("spectrum-difference", "mean-lengths"),
)


Cells: TypeAlias = list[tuple[float, int]]  # coverage and runs


def coverages(name: str) -> dict[str, Cells]:
    """Return the coverages of an effect and the runs behind them, by study."""
    found: dict[str, Cells] = {}

    def put(study: str, rows: Iterable[Row], column: str, runs: int = 0) -> None:
        cells = [
            (float(str(row[column]).partition(";")[0]), int(row.get("runs", runs)))
            for row in rows
            if row[column] != "-"
        ]
        if cells:
            found[study] = cells

    for study in ("effects", "sliced", "decomposition", "power"):
        rows = rows_of(f"level/coverage/{study}")
        if name in rows[0]:
            put(f"level/coverage/{study}", rows, name)
    for study in ("level/coverage/others", "level/coverage/accuracy", "level/groups/coverage"):
        put(study, [row for row in rows_of(study) if row["effect"] == name], "coverage")
    if name == "smoothed-kl":
        put("level/nearness/certificate", rows_of("level/nearness/certificate"), "coverage")
    two = "decisions/two-samples/coverage"
    (pairs,) = re.findall(r"(\d+) pairs", record_of(two)["notes"])
    put(two, [row for row in rows_of(two) if row["effect"] == name], "coverage", int(pairs))
    return found


# What stands for the parts of an effect's label that a report fills in.
FILLED = {
    "noise": "",
    "noise:g": "0.3",
    "where": "the worst column or slice",
    "test": "a test",
    "law": "the target",
}


def interval_rows() -> list[tuple[str, ...]]:
    """Return a row for every study of every interval."""
    out = []
    for name, row in EFFECTS.items():
        if name in DESCRIPTIVE:
            continue
        found = coverages(name)
        if not found:
            raise KeyError(f"{name} has no coverage: add it to benchmarks/level/intervals.py")
        label = re.sub(r"\{(.*?)\}", lambda part: FILLED[part[1]], row.label)
        out += [_coverage(name, label, study, cells) for study, cells in found.items()]
    for name, label, study, column in (
        (
            "mean_pvalue",
            "Mean p-value over subsamples",
            "level/coverage/mean-pvalue",
            "mean-pvalue",
        ),
        (
            "channel_bracket",
            "Information of a channel",
            "information/information/bracket",
            "covered",
        ),
    ):
        cells = [
            (float(str(row[column]).partition(";")[0]), int(row["runs"])) for row in rows_of(study)
        ]
        out.append(_coverage(name, label, study, cells))
    return out


def _coverage(name: str, label: str, study: str, cells: Cells) -> tuple[str, ...]:
    values = sorted(value for value, _ in cells)
    runs, nominal = min(count for _, count in cells), 0.99 if name == "mean_pvalue" else 0.95
    error = number((nominal * (1.0 - nominal) / runs) ** 0.5)
    middle = values[len(values) // 2]
    first = (f"`{name}`", label, share(values[0]), share(middle), str(len(values)), str(runs))
    return (*first, error, f"`{study}`")


def certificate_rows() -> list[tuple[str, ...]]:
    """Return a row for every bound and every decision."""
    level = rows_of("equivalence/equivalence/level")
    never = rows_of("equivalence/equivalence/never")
    out = []
    for kind, words in {
        "moments": "bound of the divergence of the fitted normal",
        "margins": "bound of the divergence of a margin after noise",
        "joint": "bound of the joint divergence after noise",
        "rows": "bound of the rows that a test needs",
    }.items():
        mine = [r for r in level if r["claim"].startswith(kind)]
        out.append(
            _wrong(
                f"*equivalent*: {words}", mine, "measured", "0.05", "equivalence/equivalence/level"
            )
        )
    out.append(
        _wrong(
            "*equivalent*, of rows that are far from the target",
            never,
            "measured",
            "0",
            "equivalence/equivalence/never",
        )
    )
    bound = rows_of("level/nearness/certificate")
    for end in ("above the truth", "below the truth"):
        side = "lower" if end.startswith("above") else "upper"
        out.append(
            _wrong(
                f"`smoothed-kl`: {side} end {end}",
                bound,
                end,
                "0.025",
                "level/nearness/certificate",
            )
        )
    bracket = [r for r in rows_of("level/nearness/coverage") if "holds the truth" in r["claim"]]
    missed = [r | {"missed": 1.0 - r["measured"]} for r in bracket]
    out.append(
        _wrong(
            "`kl_profile`: truth outside the bracket",
            missed,
            "missed",
            "0.05",
            "level/nearness/coverage",
        )
    )
    out.append(
        _wrong(
            "monitor: ever an alarm, of streams that follow the target",
            rows_of("decisions/monitor/level"),
            "ever at 0.05",
            "0.05",
            "decisions/monitor/level",
        )
    )
    out.append(
        _wrong(
            "check: failed, of the same encoder (known laws)",
            rows_of("decisions/checks/synthetic"),
            "failed",
            "0.05",
            "decisions/checks/synthetic",
        )
    )
    out.append(
        _wrong(
            "check: failed, of the same encoder (many baselines)",
            rows_of("decisions/check-power/level"),
            "failed",
            "0.05",
            "decisions/check-power/level",
        )
    )
    out.append(
        _wrong(
            "report on ranks: *mismatch* of correct ranks",
            rows_of("ranks/ranks/correct"),
            "size at 0.05",
            "0.05",
            "ranks/ranks/correct",
        )
    )
    every = [r for r in rows_of("level/level-shipped") if r["test"] == "global"]
    out.append(
        _wrong(
            "report: *mismatch* of samples of the target",
            every,
            "at 5%",
            "0.05",
            "level/level-shipped",
        )
    )
    return out


RUNS = ("runs", "streams", "checks", "samples")  # columns that count what a rate is of


def _runs(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the fewest runs of a cell."""
    column = next(name for name in RUNS if name in rows[0])
    return min(int(row[column]) for row in rows)


def _wrong(
    what: str, rows: Sequence[Mapping[str, Any]], column: str, most: str, study: str
) -> tuple[str, ...]:
    worst = max(rows, key=lambda row: float(row[column]))
    nominal, runs = float(most), _runs([worst])
    error = number((nominal * (1.0 - nominal) / runs) ** 0.5) if nominal else "0"
    return what, share(worst[column]), most, error, str(len(rows)), str(_runs(rows)), f"`{study}`"


def reader_rows() -> list[tuple[str, ...]]:
    """Return a row for every kind of file, and for what dmtest itself writes."""
    found = {row["kind"]: row for row in rows_of("trust/files")}
    missing = [row.name for row in FORMATS if row.name not in found]
    if missing:
        raise KeyError(f"{', '.join(missing)}: not tried: run {STUDIES['trust/files']}")
    notes = {row.name: row.note for row in FORMATS}
    columns = ("files", "refused", "read", "misread", "crashed", "hung", "too much memory")
    own = "written by dmtest (JSON)"
    return [
        (
            f"`{kind}`",
            "together" if kind == "all" else notes.get(kind, own),
            *(f"{row[column]:,}" for column in columns),
        )
        for kind, row in found.items()
    ]


def fault_rows() -> list[tuple[str, ...]]:
    """Return a row for the kills of every command, and one for the faults of each kind."""
    out: dict[tuple[str, str], list[int]] = {}
    for row in rows_of("trust/faults"):
        name = "all" if row["of"] == "all" else _kind_of_fault(row["of"])
        label = {"kill": "kills", "fault": "faults"}[row["kind"]]
        of = row["of"] if row["kind"] == "kill" else name
        counts = out.setdefault((label, of), [0, 0])
        counts[0] += row["tried"]
        counts[1] += row["damaged"]
    order = sorted(out, key=lambda key: (key[0] == "faults", key[1] == "all"))
    return [(*key, *(f"{count:,}" for count in out[key])) for key in order]


FAULT_KINDS = {
    "--": "outputs of a command",
    "four ": "processes at the same time",
    "cache": "the cache",
    "HOME": "home folder",
    "standard input": "standard input",
}


def _kind_of_fault(name: str) -> str:
    """Return the kind of a fault: what of the machine fails."""
    for part, kind in FAULT_KINDS.items():
        if part in name and not name.startswith(("report --json -", "report --verbose", "--help")):
            return kind
    return "streams and signals"


def mutant_cells(row: Row, heads: Sequence[str]) -> tuple[str, ...]:
    """Return the cells of a folder, the score in percent."""
    return tuple(
        f"{100.0 * row[head]:.1f}%"
        if head == "score"
        else f"{row[head]:,}"
        if head != "folder"
        else row[head]
        for head in heads
    )


def bits() -> tuple[int, int]:
    """Return how many configurations have the bits of the plain call, and how many there are."""
    rows = rows_of("trust/determinism/same")
    return sum(row["other bits"] == 0 for row in rows), len(rows)


def text() -> str:
    """Return the page."""
    compared = ("test", "of", "values of others", "twins", "40 digits", "float32", "maps")
    levels = ("test", "of", "size at 5%", "cells", "largest z", "power", "unchanged by", "CPU ms")
    intervals = (
        *("interval", "of", "smallest coverage", "median", "cells", "runs", "s.e.", "numbers"),
    )
    readers = (
        "kind",
        "files of",
        "tried",
        "refused",
        "read",
        "misread",
        "crashed",
        "hung",
        "memory",
    )
    edges = rows_of("trust/edges")
    columns = ("function", "inputs", "right", "refused", "fell")
    certificates = ("what", "wrong", "at most", "s.e.", "cells", "runs", "numbers")
    parts = [HEAD, TESTS, table(compared, map(error_cells, ROWS))]
    parts += [LEVELS, table(levels, map(level_cells, ROWS))]
    parts += [INTERVALS, table(intervals, interval_rows())]
    parts.append(NO_INTERVAL.format(names=", ".join(f"`{name}`" for name in DESCRIPTIVE)))
    parts += [
        CERTIFICATES,
        table(certificates, certificate_rows()),
    ]
    parts += [READERS, table(readers, reader_rows())]
    single = [row for row in edges if row["function"] != "all"]
    parts.append(EDGES.format(inputs=max(row["inputs"] for row in single)))
    parts.append(
        table(
            columns,
            [[f"{row[c]:,}" if c != "function" else row[c] for c in columns] for row in edges],
        )
    )
    parts += [FAULTS, table(("what", "of", "tried", "damaged"), fault_rows())]
    scores = rows_of("trust/mutation/scores")
    heads = ("folder", "all mutants", "tried", "killed", "equivalent", "survivors", "score")
    parts += [MUTANTS, table(heads, [mutant_cells(row, heads) for row in scores])]
    parts += [GATES, table(("what", "command"), BY_HAND)]
    parts += [BITS.format(same=bits()[0], all=bits()[1]), END]
    by_command: dict[str, list[str]] = {}
    for study, command in STUDIES.items():
        by_command.setdefault(command, []).append(f"`{study}`")
    parts += [f"| {', '.join(names)} | `{command}` |\n" for command, names in by_command.items()]
    return "".join(parts)


def determinism() -> str:
    """Return the page on what gives the same bits."""
    same, every = bits()
    parts = [DETERMINISM.format(same=same, all=every)]
    for part, words in PARTS.items():
        rows = [r for r in rows_of("trust/determinism/same") if r["part"] == part]
        if not rows:
            raise KeyError(f"no configuration of {part}: run {STUDIES['trust/determinism/same']}")
        lines = [
            (
                r["configuration"],
                str(r["numbers"]),
                str(r["other bits"]),
                number(r["largest difference"]) if r["other bits"] else "0",
            )
            for r in rows
        ]
        head = ("configuration", "numbers", "other bits", "largest difference")
        parts += [f"\n### {words}\n", table(head, lines)]
    cores = rows_of("trust/determinism/cores")
    lines = [
        (
            r["OPENBLAS_CORETYPE"],
            str(r["numbers"]),
            str(r["other bits"]),
            number(r["largest difference"]) if r["other bits"] else "0",
        )
        for r in cores
    ]
    most = max(r["largest difference"] for r in cores)
    parts.append(NOT_PROMISED.format(most=number(most)))
    parts.append(table(("kernels of", "numbers", "other bits", "largest difference"), lines))
    return "".join(parts)


PAGES: dict[str, Callable[[], str]] = {"validation.md": text, "determinism.md": determinism}

if __name__ == "__main__":
    for name, make in PAGES.items():
        Path(__file__).with_name(name).write_text(make(), encoding="utf-8")
