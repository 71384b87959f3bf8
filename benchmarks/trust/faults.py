"""Kills and faults: what is left of outputs and caches when a machine fails.

    python -m benchmarks.trust.faults

Kills (``--kills``, of all tasks together) end commands with SIGKILL at random moments, at random
events of the file system, or in the middle of a write. Faults are full and read-only disks, missing
folders, signals, closed pipes and processes at the same time; disks are mounted in memory, which
takes the rights of root. What was tried is in ``benchmarks/runs/faults.jsonl`` and is not tried
again, so a run may be ended at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables import RUNS, write
from tests.support.faults import OLD, TASKS, Fault, any_kill, killed, meet, mounted, prepare
from tests.support.faults import undisturbed as undisturbed_run

STORE = RUNS / "faults.jsonl"
# Share of the kills for each task: training takes as long as ten of the others.
SHARES = {"train": 0.5, "dask": 0.5}
REPORT = "dmtest report x.npy --seed 1 --quiet"


def kills(count: int, seed: int) -> None:
    """Kill every task at moments that were not tried yet."""
    import dmtest.cli.main  # a fork of this process has it  # noqa: F401

    total = sum(SHARES.get(name, 1.0) for name in TASKS)
    for name, task in TASKS.items():
        wanted = int(np.ceil(count * SHARES.get(name, 1.0) / total))
        done = sum(row["kind"] == "kill" and row["task"] == name for row in _stored())
        if done >= wanted:
            continue
        folder = Path(tempfile.mkdtemp(prefix="faults-"))
        sound = undisturbed_run(task, folder / "sound")
        for number in range(done, wanted):
            kill, old = any_kill(seed, number)
            place = folder / str(number)
            wrong = killed(task, kill, place, sound, old)
            _keep({"kind": "kill", "task": name, "what": str(kill), "old": old, "wrong": wrong})
            shutil.rmtree(place)
        shutil.rmtree(folder)


# Commands with one output, and what it is called.
OUTPUTS = {
    "report --html": (REPORT + " --html {}", "o.html"),
    "report --json": (REPORT + " --json {}", "o.json"),
    "check --write-baseline": ("dmtest check x.npy --quiet --write-baseline {}", "b.json"),
    "monitor --state": ("dmtest monitor x.npy --quiet --batch 40 --state {}", "m.json"),
    "outliers --rows": ("dmtest outliers x.npy --quiet --seed 1 --rows {}", "o.csv"),
    "univariate --json": ("dmtest univariate x.npy --quiet --json {}", "u.json"),
    "compare --html": ("dmtest compare x.npy y.npy --quiet --replicates 99 --html {}", "c.html"),
    "train --out": ("dmtest train --epochs 1 --quiet --seed 1 --out {}", "run"),
}


def faults() -> Iterator[Fault]:
    """Yield all faults. ``full`` and ``locked`` are folders on disks of their own."""
    wrong = r"^dmtest: error: .*cannot be written"
    for name, (command, file) in OUTPUTS.items():
        train = name == "train --out"
        slow = command.format
        space = r"(No space left on device|File too large)"
        yield Fault(f"{name}: disk full", slow(f"full/{file}"), (2,), f"^dmtest: error: .*{space}")
        yield Fault(
            f"{name}: file too large",
            slow(file),
            (2,),
            f"dmtest: error: .*{space}",
            limit=1500,
            lines=2,
        )
        yield Fault(f"{name}: read-only disk", slow(f"locked/{file}"), (2,), r"^dmtest: error: ")
        yield Fault(f"{name}: no folder", slow(f"missing/{file}"), (2,), "there is no folder")
        if train:
            yield Fault(f"{name}: a file as folder", slow("x.npy"), (2,), "is a file")
        else:
            yield Fault(f"{name}: a folder as output", slow("folder"), (2,), "not the name of a")
            device = "it is a device" if name == "monitor --state" else wrong
            yield Fault(f"{name}: /dev/full", slow("/dev/full"), (2,), device)
            yield Fault(f"{name}: an empty name", slow("''"), (2,), "not the name of a file")
        yield Fault(f"{name}: a name that is too long", slow("n" * 300), (2,), "^dmtest: error: ")
    yield from _caches()
    yield from _streams()
    yield from _signals()
    four = f"for k in 1 2 3 4; do {REPORT} --tests energy,royston --replicates 299 --json o$k.json"
    four += " & done; wait; sed -i '/seconds\\|created\\|command/d' o?.json; "
    four += "cmp o1.json o2.json && cmp o1.json o3.json && cmp o1.json o4.json"
    for number in range(3):
        yield Fault(f"four processes on an empty cache, {number + 1}", four, (0,), quiet=True)
    for number in range(2):
        both = "for k in 1 2 3 4; do dmtest monitor x.npy --quiet --state m.json & done; wait; "
        both += f"{sys.executable} -c 'import dmtest; dmtest.Monitor.from_json(\"m.json\")'"
        yield Fault(f"four monitors on one state, {number + 1}", both, (0,), quiet=True)


def _caches() -> Iterator[Fault]:
    simulated = f"{REPORT} --tests energy,royston --replicates 299"
    kept = "null replicates were not kept"
    for name, value in (
        ("read-only", "FOLDER/locked/nulls"),
        ("full", "FOLDER/full/nulls"),
        ("a file", "FOLDER/x.npy"),
        ("within a file", "FOLDER/x.npy/nulls"),
        ("of zeros", "FOLDER/zeros"),
        ("of text", "FOLDER/text"),
        ("a link to nothing", "FOLDER/nothing"),
    ):
        place = (("DMTEST_CACHE_DIR", value),)
        loud = simulated.replace(" --quiet", " --brief")
        warned = kept if name in ("read-only", "full", "a file", "within a file") else ""
        yield Fault(f"cache {name}", loud, (0, 1), warned, more=place)
        yield Fault(f"cache {name}, quiet", simulated, (0, 1), quiet=True, more=place)
    own = (("DMTEST_CACHE_DIR", None), ("XDG_CACHE_HOME", None), ("XDG_CONFIG_HOME", None))
    for name, home in (
        ("no HOME", None),
        ("empty HOME", ""),
        ("HOME that is not there", "/nowhere/at/all"),
        ("HOME that is read-only", "FOLDER/locked"),
        ("HOME that is a file", "FOLDER/x.npy"),
    ):
        for command in (simulated, f"{REPORT} --html o.html"):
            kind = "page" if "html" in command else "nulls"
            yield Fault(f"{name}: {kind}", command, (0, 1), quiet=True, more=(*own, ("HOME", home)))
    nobody = "setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps -all,+dac_read_search "
    nobody += "--ambient-caps -all,+dac_read_search "
    for command in (simulated, f"{REPORT} --html open/o.html"):
        kind = "page" if "html" in command else "nulls"
        yield Fault(
            f"a user without a name and a HOME: {kind}",
            command.replace("dmtest ", nobody + "dmtest "),
            (0, 1),
            quiet=True,
            more=(*own, ("HOME", None), ("PYTHONDONTWRITEBYTECODE", "1")),
        )


def _streams() -> Iterator[Fault]:
    full = "standard output cannot be written"
    for name, words in (
        ("report", "report x.npy --seed 1"),
        ("report --json -", "report x.npy --seed 1 --json -"),
        ("report --verbose", "report x.npy --seed 1 --verbose"),
        ("tests", "tests"),
        ("--help", "--help"),
        ("outliers", "outliers x.npy --seed 1"),
        ("monitor", "monitor x.npy --batch 10"),
    ):
        run = f"dmtest {words}"
        yield Fault(f"{name}: pipe closed after a line", f"{run} | head -1", (0,), quiet=True)
        yield Fault(f"{name}: pipe closed at once", f"{run} | true", (0,), quiet=True)
        if name != "--help":
            yield Fault(f"{name}: standard output full", f"{run} > /dev/full", (2,), full)
        yield Fault(f"{name}: standard output closed", f"{run} >&-", (0, 1), quiet=True)
        yield Fault(f"{name}: standard error closed", f"{run} 2>&- >/dev/null", (0, 1), quiet=True)
    for name, words in (("an error", "report nowhere.npy"), ("a bad option", "report --nonsense")):
        yield Fault(f"{name}: standard error full", f"dmtest {words} 2>/dev/full", (2,), quiet=True)
        yield Fault(f"{name}: both closed", f"dmtest {words} >&- 2>&-", (2,), quiet=True)
    yield Fault("standard input closed", "dmtest report - <&-", (2,), "standard input")
    yield Fault("standard input empty", "dmtest report - </dev/null", (2,), "is empty")
    yield Fault("standard input cut", "head -c 700 x.npy | dmtest report -", (2,), "error: ")


def _signals() -> Iterator[Fault]:
    commands = {
        "report": f"exec {REPORT} --html o.html --json o.json --replicates 20000 --tests energy",
        "check": "exec dmtest check x.npy --quiet --write-baseline b.json",
        "train": "exec dmtest train --epochs 300 --quiet --seed 1 --out run",
    }
    for name, command in commands.items():
        for seconds in (0.4, 1.0, 2.0) if name == "check" else (0.4, 1.0, 2.0, 4.0, 8.0):
            for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
                said = "^dmtest: interrupted$|^$"
                yield Fault(
                    f"{name}: {number.name} after {seconds} s",
                    command,
                    (code, 0),
                    said,
                    ends=((number, seconds),),
                )


def run_faults() -> None:
    """Meet the faults that were not met yet, each in a folder of its own."""
    done = {row["what"] for row in _stored() if row["kind"] == "fault"}
    for fault in faults():
        if fault.name in done:
            continue
        folder = prepare(Path(tempfile.mkdtemp(prefix="faults-")))
        folder.chmod(0o755)
        with ExitStack() as stack:
            full = stack.enter_context(mounted(folder / "full", "size=128k"))
            kept = [full / OUTPUTS[name][1] for name in OUTPUTS if name != "train --out"]
            for path in kept:
                path.write_bytes(OLD)
            stack.enter_context(mounted(folder / "locked", "ro,size=64k"))
            (folder / "folder").mkdir()
            (folder / "open").mkdir()
            (folder / "open").chmod(0o777)
            (folder / "nothing").symlink_to("nowhere")
            _poison(folder)
            state = full / "m.json"
            if "monitor" in fault.name:  # a state that is there is read before
                kept.remove(state)
                state.unlink()
            _fill(full)
            wrong = meet(fault, folder, kept)
        _keep({"kind": "fault", "task": fault.name.split(":")[0].split(",")[0],
               "what": fault.name, "wrong": wrong})  # fmt: skip
        shutil.rmtree(folder)


def _fill(folder: Path) -> None:
    """Fill a disk."""
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(512)):
            pass


def _poison(folder: Path) -> None:
    """Fill folders with entries of the right names that hold zeros, and text."""
    for name, raw in (("zeros", bytes(9000)), ("text", b"not an entry\n")):
        place = folder / name
        place.mkdir()
        for path in _entries():
            (place / path).write_bytes(raw)


_known: list[str] = []


def _entries() -> list[str]:
    """Return the names of the entries that the reports of `_caches` keep."""
    if not _known:
        folder = prepare(Path(tempfile.mkdtemp(prefix="faults-")))
        meet(Fault("", f"{REPORT} --tests energy,royston --replicates 299", (0, 1)), folder)
        _known.extend(path.name for path in (folder / "nulls").iterdir())
        shutil.rmtree(folder)
    return _known


def _keep(row: dict[str, Any]) -> None:
    with STORE.open("a") as lines:
        lines.write(json.dumps(row) + "\n")
    if row["wrong"]:
        print(f"{row['task']}: {row['what']}: {row['wrong']}", flush=True)


def _stored() -> list[dict[str, Any]]:
    return [json.loads(line) for line in STORE.read_text().splitlines()] if STORE.exists() else []


def page() -> str:
    """Write the table of kills and faults."""
    stored = _stored()
    rows = []
    for kind, task in dict.fromkeys((row["kind"], row["task"]) for row in stored):
        mine = [row for row in stored if (row["kind"], row["task"]) == (kind, task)]
        wrong = sum(bool(row["wrong"]) for row in mine)
        rows.append({"kind": kind, "of": task, "tried": len(mine), "damaged": wrong})
    for kind in ("kill", "fault"):
        mine = [row for row in rows if row["kind"] == kind]
        total = {key: sum(int(row[key]) for row in mine) for key in ("tried", "damaged")}
        rows.append({"kind": kind, "of": "all"} | total)
    notes = (
        "Kills: SIGKILL at a random moment of the run, at a random event of the file system, or "
        "the end of a process within a write, a third each; half of them over old files. Faults: "
        "full disks (a mounted disk of 128 kB, and a limit on the size of files), read-only disks, "
        "signals, closed streams and the like. Damaged: an output is neither the old file nor "
        "whole nor absent; an entry of the cache or a file of the next run has other bits than on "
        "an empty cache; another exit code; a traceback, or more than one line on standard error."
    )
    return write("trust", "faults", "Kills and faults", rows, notes)


def main() -> None:
    """Try what is missing, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    RUNS.mkdir(exist_ok=True)
    os.environ.setdefault("MPLBACKEND", "agg")
    kills(arguments.kills, arguments.seed)
    if os.geteuid():
        print("faults take the rights of root, for the disks that they mount", file=sys.stderr)
    else:
        run_faults()
    print(page())


if __name__ == "__main__":
    main()
