"""Kills and faults of the machine, and what may come of them.

A task is a command that writes files. It is ended at a random moment, or meets a fault. Then every
output is the old file, whole, or absent as before; all entries of the cache are those of an
undisturbed run; and the same task, run again on what was left, writes the bits that it writes on
an empty cache.

``tests/cli/test_faults.py`` tries some of them, ``benchmarks/trust/faults.py`` hundreds.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import dmtest
from dmtest.runtime import cache
from dmtest.runtime.files import PARTIAL

OLD = b"an old file\n"
# Fields of a report that differ between two runs.
CLOCK = re.compile(r'"(seconds|created|source|command)": ("[^"]*"|[-+.e\d]+|null)')


@dataclass(frozen=True)
class Task:
    """What is run in a folder with ``x.npy`` and ``y.npy``, and the files that it writes."""

    name: str
    words: str
    outputs: tuple[str, ...]
    again: bool = True  # a second run in the folder writes the same

    @property
    def arguments(self) -> list[str]:
        """Arguments of the command line."""
        return shlex.split(self.words)


TASKS = {
    task.name: task
    for task in (
        Task(
            "report",
            "report x.npy --html r.html --json r.json --rows rows.csv --labels z.npy --seed 1",
            ("r.html", "r.json", "rows.csv"),
        ),
        Task("baseline", "check x.npy --write-baseline b.json --seed 1", ("b.json",)),
        Task("compare", "compare x.npy y.npy --html c.html --json c.json --seed 1 --replicates 99",
             ("c.html", "c.json")),
        Task("monitor", "monitor x.npy y.npy --state m.json --batch 20", ("m.json",), again=False),
        Task("outliers", "outliers x.npy --json o.json --rows o.csv --seed 1 --rule holm",
             ("o.json", "o.csv")),
        Task("cache", "report x.npy --tests energy,epps-pulley,henze-zirkler,royston --json t.json "
             "--replicates 299 --seed 1", ("t.json",)),
        Task("dask", "dask", ("d.json",)),
        Task("train", "train --data digits --epochs 2 --dim 2 --seed 1 --out run", (
            "run/embeddings.npz", "run/encoder.pt", "run/history.json", "run/curves.svg",
            "run/verification.json", "run/report.html", "run/report.json",
            "run/checkpoints/last.ckpt",
        )),
    )
}  # fmt: skip


def prepare(folder: Path) -> Path:
    """Fill a folder with the inputs of tasks; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    np.save(folder / "x.npy", rng.standard_normal((80, 2)))
    np.save(folder / "y.npy", rng.standard_normal((60, 2)))
    np.save(folder / "z.npy", np.arange(80) % 2)
    return folder


def run_here(task: Task) -> int:
    """Run a task in this process, in the folder that it is in; return the exit code."""
    from dmtest.__main__ import main

    if task.name == "dask":
        import dask.array

        rows = dask.array.from_array(np.load("x.npy"), chunks=(20, 2))
        dmtest.report(rows, rng=1, progress=False).to_json("d.json")
        return 0
    sys.argv = ["dmtest", *task.arguments]
    return main()


# Whole files


def whole(path: Path) -> bool:
    """Whether a file that a task wrote is complete."""
    raw = path.read_bytes()
    if path.suffix == ".html" or path.suffix == ".svg":
        return raw.rstrip().endswith(b"</html>" if path.suffix == ".html" else b"</svg>")
    if path.suffix == ".csv":
        return raw.endswith(b"\n") and len({line.count(b",") for line in raw.splitlines()}) == 1
    if path.suffix == ".npz":
        with np.load(path) as stored:
            return all(np.isfinite(stored[name]).all() for name in stored.files)
    if path.suffix in (".pt", ".ckpt"):
        import torch

        return bool(torch.load(path, weights_only=True))
    return bool(json.loads(raw)) and raw.endswith(b"\n")


def bits(path: Path) -> bytes:
    """Return the content of an output without what the clock wrote."""
    if path.suffix in (".json", ".csv"):
        return CLOCK.sub("", path.read_text(encoding="utf-8")).encode()
    if path.suffix == ".npz":
        with np.load(path) as stored:
            return b"".join(stored[name].tobytes() for name in sorted(stored.files))
    return b""  # a page holds the time; its numbers are those of the JSON beside it


def state(task: Task, folder: Path) -> dict[str, bytes]:
    """Return the bits of all outputs, and of all entries of the cache."""
    found = {name: bits(folder / name) for name in task.outputs if (folder / name).exists()}
    return found | entries(folder)


def entries(folder: Path) -> dict[str, bytes]:
    """Return the entries of a folder's cache by name."""
    return {path.name: path.read_bytes() for path in (folder / "nulls").glob("*.npy")}


def damage(task: Task, folder: Path, old: bool, right: dict[str, bytes]) -> str:
    """Say what is damaged after a run that was ended; "" if nothing is.

    Parameters
    ----------
    task, folder
    old : bool
        Whether there was an old file in the place of every output.
    right : dict
        The state after an undisturbed run on an empty cache.
    """
    for name in task.outputs:
        path = folder / name
        if not path.exists():
            if old:
                return f"{name} is lost"
        elif path.read_bytes() != OLD:
            if not whole(path):
                return f"{name} is not whole"
            if task.again and bits(path) != right[name] and not name.endswith(".ckpt"):
                return f"{name} has other bits"
    for name, raw in entries(folder).items():
        if right.get(name) != raw and not _shorter(raw, right.get(name)):
            return f"entry {name} of the cache is not that of an undisturbed run"
    return ""


def _shorter(raw: bytes, right: bytes | None) -> bool:
    """Whether an entry holds the first replicates of the right one."""
    if right is None:
        return False
    a, b = (np.frombuffer(one[128 : -cache.SEAL]) for one in (raw, right))
    return len(a) < len(b) and bool((a == b[: len(a)]).all())


# Kills


@dataclass(frozen=True)
class Kill:
    """How a process ends itself: at a moment, an event of the file system or a byte of a file.

    ``time``: SIGKILL after `share` of the CPU time of an undisturbed run. ``event``: SIGKILL at
    one of the openings, renamings and removals of files that are written. ``byte``: the system
    ends it within a write, when a file would be larger.
    """

    how: str
    share: float

    def __str__(self) -> str:
        return f"{self.how} {self.share:.3f}"


def any_kill(seed: int, number: int) -> tuple[Kill, bool]:
    """Draw a kill, and whether there are old files; a third are of each kind."""
    rng = np.random.default_rng([seed, number])
    return Kill(("time", "event", "byte")[number % 3], float(rng.random())), bool(rng.integers(2))


def kill_at(kill: Kill, cpu: float, events: int, largest: int) -> None:
    """Let this process be killed."""
    if kill.how == "time":
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, max(1e-3, kill.share * cpu))
        signal.signal(signal.SIGPROF, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    elif kill.how == "byte":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(kill.share * largest),) * 2)
    else:
        left = [int(kill.share * events)]

        def look(name: str, arguments: Any) -> None:
            if is_event(name, arguments):
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1

        sys.addaudithook(look)


def is_event(name: str, arguments: Any) -> bool:
    """Whether an audited event changes files of the folder or of its cache."""
    return name in ("open", "os.rename", "os.chmod", "os.remove") and PARTIAL in str(arguments[0])


def in_a_fork(task: Task, folder: Path, before: Callable[[], None]) -> tuple[int, float]:
    """Run a task in a fork of this process; return its exit code or -signal, and CPU seconds."""
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = os.fork()
    if not child:
        try:
            os.chdir(folder)
            os.environ["DMTEST_CACHE_DIR"] = str(folder / "nulls")
            sink = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
            before()
            os._exit(run_here(task))
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime
    return os.waitstatus_to_exitcode(status), cpu


@dataclass(frozen=True)
class Sound:
    """An undisturbed run on an empty cache: its state, CPU seconds, events, largest file."""

    state: dict[str, bytes]
    cpu: float
    events: int
    largest: int


def undisturbed(task: Task, folder: Path) -> Sound:
    """Run a task in an empty folder."""
    prepare(folder)

    def count() -> None:
        handle = os.open("events", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        sys.addaudithook(
            lambda name, arguments: os.write(handle, b".") if is_event(name, arguments) else None
        )

    code, cpu = in_a_fork(task, folder, count)
    assert code in (0, 1), f"{task.name}: {(folder / 'said').read_text()}"
    missing = [name for name in task.outputs if not (folder / name).exists()]
    assert not missing, missing
    sizes = [(folder / name).stat().st_size for name in task.outputs]
    sizes += [len(raw) for raw in entries(folder).values()]
    return Sound(state(task, folder), cpu, (folder / "events").stat().st_size, max(sizes))


def killed(task: Task, kill: Kill, folder: Path, sound: Sound, old: bool) -> str:
    """Kill a task, look at what is left, run it again; say what is wrong, "" if nothing is."""
    prepare(folder)
    if old:
        for name in task.outputs:
            if name != "m.json" and not name.endswith(".ckpt"):  # these are read before
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(OLD)
    there = {name for name in task.outputs if (folder / name).exists()}
    in_a_fork(task, folder, lambda: kill_at(kill, sound.cpu, sound.events, sound.largest))
    wrong = damage(task, folder, False, sound.state)
    lost = [name for name in there if not (folder / name).exists()]
    if wrong or lost:
        return wrong or f"{lost[0]} is lost"
    code, _ = in_a_fork(task, folder, lambda: None)
    if code not in (0, 1):
        return f"the next run ends with {code}: {(folder / 'said').read_text()[-200:]}"
    if not task.again:
        return "" if all(whole(folder / name) for name in task.outputs) else "not whole"
    after = state(task, folder)
    for name, value in sound.state.items():
        if after.get(name) != value and not name.endswith(".ckpt"):
            return f"{name} of the next run has other bits"
    return ""


# Faults


@dataclass(frozen=True)
class Fault:
    """A command of a shell in the folder of the inputs, and what it must end with.

    `place` is the folder of outputs in `command`; a disk that is full, or that can only be read.
    """

    name: str
    command: str
    codes: tuple[int, ...]
    said: str = ""  # a pattern that standard error has to match
    quiet: bool = False  # nothing may be on standard error
    lines: int = 1  # of standard error, at most
    limit: int | None = None  # bytes of a file
    more: tuple[tuple[str, str | None], ...] = ()  # variables of the environment
    ends: tuple[tuple[int, float], ...] = ()  # signals, with the seconds after which they come


def meet(fault: Fault, folder: Path, kept: Sequence[Path] = ()) -> str:
    """Run a command that meets a fault; say what is wrong, "" if nothing is."""
    env = dict(os.environ) | {"DMTEST_CACHE_DIR": str(folder / "nulls"), "COLUMNS": "100"}
    env["PYTHONPATH"] = os.pathsep.join([str(Path(dmtest.__file__).parents[1])])
    for name, value in fault.more:
        env.pop(name, None)
        if value is not None:
            env[name] = value.replace("FOLDER", str(folder))
    before = {path: path.read_bytes() for path in kept}

    def limit() -> None:
        if fault.limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.limit,) * 2)

    process = subprocess.Popen(
        ["bash", "-c", fault.command.replace("dmtest ", f"{sys.executable} -m dmtest ")],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=limit,
        start_new_session=True,
    )
    for number, seconds in fault.ends:
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, number)
    try:
        out, err = process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return "it did not end"
    said = err.decode()
    code = process.returncode
    if code not in fault.codes:
        return f"ended with {code}: {said[-300:]}"
    if "Traceback" in said or "Traceback" in out.decode():
        return f"a traceback: {said[-300:]}"
    if fault.quiet and said:
        return f"said {said[-300:]}"
    if code and said.count("\n") > fault.lines:
        return f"{said.count(chr(10))} lines: {said[-300:]}"
    if not re.search(fault.said, said):
        return f"said {said[-300:]!r}"
    for path, raw in before.items():
        if path.read_bytes() != raw:
            return f"{path.name} was changed"
    left = [path.name for path in folder.rglob(f"*{PARTIAL}")]
    return f"left {left}" if left else ""


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory, which takes the rights of root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
