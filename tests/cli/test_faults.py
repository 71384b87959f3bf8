"""Kills, full disks, signals and closed streams: outputs are whole or absent, errors one line."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from tests.support.calls import python
from tests.support.faults import OLD, Fault, meet, prepare

ROOT = Path(__file__).parents[2]
# In a process of its own, which has one thread: it is forked for every kill.
KILLS = """
import sys
from pathlib import Path
import dmtest.cli.main
from tests.support.faults import TASKS, any_kill, killed, undisturbed

folder, task = Path(sys.argv[1]), TASKS[sys.argv[2]]
sound = undisturbed(task, folder / "sound")
for number in range(int(sys.argv[3])):
    kill, old = any_kill(1, number)
    wrong = killed(task, kill, folder / str(number), sound, old)
    assert not wrong, f"{kill}, old files: {old}: {wrong}"
"""
REPORT = "dmtest report x.npy --quiet --tests energy --replicates 99 --seed 1"
FULL = "standard output cannot be written"
INTERRUPTED = "^dmtest: interrupted$"


@pytest.mark.parametrize(("task", "kills"), [("baseline", 3), ("monitor", 6), ("cache", 3)])
def test_a_kill_damages_nothing(tmp_path: Path, task: str, kills: int) -> None:
    done = python("-c", KILLS, tmp_path, task, str(kills), cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert not done.returncode, done.stderr[-2000:]


FAULTS = (
    Fault("a small disk", f"{REPORT} --html old.html", (2,), "File too large", limit=5000, lines=2),
    Fault("a folder as output", f"{REPORT} --json folder", (2,), "is not the name of a file"),
    Fault("no folder", f"{REPORT} --json missing/o.json", (2,), "there is no folder"),
    Fault("a full device", f"{REPORT} --json /dev/full", (2,), "/dev/full.*No space left"),
    Fault("a long name", f"{REPORT} --json {'n' * 300}", (2,), "too long"),
    Fault("a full pipe", "dmtest tests > /dev/full", (2,), FULL),
    Fault("a closed pipe", "dmtest tests | head -1", (0,), quiet=True),
    Fault("closed streams", "dmtest tests >&- 2>&-", (0,), quiet=True),
    Fault("an endless state", "dmtest monitor x.npy --state /dev/zero", (2,), "it is a device"),
    Fault(
        "no home",
        f"{REPORT} --html o.html",
        (0,),
        quiet=True,
        more=(("HOME", None), ("DMTEST_CACHE_DIR", None), ("XDG_CACHE_HOME", "FOLDER/x.npy")),
    ),
    Fault(
        "a cache that is a file",
        REPORT.replace("--quiet", "--brief --slices 4 --tests royston"),
        (0,),
        "^dmtest: warning: null replicates were not kept in '.*'.*[.]\n$",
        more=(("DMTEST_CACHE_DIR", "FOLDER/x.npy"),),
    ),
    *(
        Fault(
            f"{number.name} after {seconds} s",
            f"exec {REPORT.replace('99', '2000000')} --html o.html",
            (128 + number,),
            INTERRUPTED,
            ends=((number, seconds),),
        )
        for number, seconds in ((signal.SIGINT, 2.0), (signal.SIGTERM, 2.5))
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_one_line_and_damages_nothing(tmp_path: Path, fault: Fault) -> None:
    prepare(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "old.html").write_bytes(OLD)
    wrong = meet(fault, tmp_path, kept=[tmp_path / "old.html", tmp_path / "x.npy"])
    assert not wrong


def test_processes_at_the_same_time_fill_one_cache_with_the_same_numbers(tmp_path: Path) -> None:
    prepare(tmp_path)
    four = f"for k in 1 2 3 4; do {REPORT} --tests royston --json o$k.json & done; wait"
    assert not meet(Fault("four processes", four, (0,), quiet=True), tmp_path)
    lines = [
        [line for line in (tmp_path / f"o{k}.json").read_text().splitlines() if "time" not in line]
        for k in (1, 2, 3, 4)
    ]
    kept = [
        [one for one in text if '"seconds"' not in one and "created" not in one] for text in lines
    ]
    assert kept[0] == kept[1] == kept[2] == kept[3]
    (entry,) = (tmp_path / "nulls").glob("*.npy")
    assert np.frombuffer(entry.read_bytes()[128:-32]).size == 99
