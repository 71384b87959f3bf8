"""Thousands of damaged files for every reader, each read in a process with limits.

    python -m benchmarks.trust.files --files 1000

``--kind`` chooses a reader, ``--seed`` other damage. What was tried is in
``benchmarks/runs/files.jsonl`` and is not tried again, so a run may be ended at any time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables import RUNS, commit, commits, write

SECONDS = 20.0  # CPU seconds for one file
RATIO, SPARE = 10, 1 << 30  # bytes of memory for one byte of a file, and beside them
ADDRESS = 12 << 30  # bytes of address space of a process
STORE = RUNS / "files.jsonl"


def work() -> None:
    """Try the cases that standard input names, one a line; answer in the same way."""
    from tests.support.corpus import cases, judge, search

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS, ADDRESS))
    folder = Path(tempfile.mkdtemp())
    for line in sys.stdin:
        job = json.loads(line)
        found = cases(job["kind"], np.random.default_rng(job["seed"]), job["count"])
        for number, case in enumerate(found):
            if number < job["first"]:
                continue
            answers.write(json.dumps({"number": number, "label": case.label}) + "\n")
            answers.flush()
            Path("/proc/self/clear_refs").write_text("5")
            before, started = _peak(), time.process_time()
            verdict = judge(case, folder)
            row = {"number": number, "what": verdict.what, "said": verdict.said[:300]}
            row["cpu"] = round(time.process_time() - started, 3)
            row["memory"] = _peak() - before
            row["size"] = (
                len(case.files)
                if isinstance(case.files, bytes)
                else sum(map(len, case.files.values()))
            )
            answers.write(json.dumps(row) + "\n")
            answers.flush()
        for case, verdict in search(
            job["kind"], np.random.default_rng(job["seed"]), job["count"] // 4, folder
        ):
            row = {"number": -1, "label": case.label[:300], "what": verdict.what}
            answers.write(json.dumps(row | {"said": verdict.said[:300]}) + "\n")
        answers.write(json.dumps({"number": None}) + "\n")
        answers.flush()


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    return 0


def run(kind: str, seed: int, count: int) -> None:
    """Try the cases of a kind that were not tried yet."""
    stored = [row for row in _stored() if (row["kind"], row["seed"]) == (kind, seed)]
    if any(row.get("ended") == count for row in stored):
        return
    first = max((row["number"] + 1 for row in stored if row["number"] is not None), default=0)
    of = {"kind": kind, "seed": seed, "commit": commit()}
    while first is not None:
        first = _until_it_ends(of, count, first)


def _until_it_ends(of: dict[str, Any], count: int, first: int) -> int | None:
    """Let a process try cases; return the next one if it died or hung, None at the end."""
    command = [sys.executable, "-m", "benchmarks.trust.files", "--work"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    job = of | {"count": count, "first": first}
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.close()
    now: dict[str, Any] = {"number": first, "label": "start"}
    while True:
        begun, waited = _busy(process.pid), 0
        while not select.select([process.stdout], [], [], 1.0)[0]:
            waited += 1
            if _busy(process.pid) - begun > SECONDS or waited > 15 * SECONDS:
                process.kill()
                process.wait()
                _keep(of, now | {"what": "hung", "said": f"{waited} s"})
                return int(now["number"]) + 1
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            said = signal.Signals(-code).name if code < 0 else f"exit {code}"
            _keep(of, now | {"what": "died", "said": said})
            return int(now["number"]) + 1
        row = json.loads(line)
        if row["number"] is None:
            process.wait()
            _keep(of, {"number": None, "what": "", "ended": count})
            return None
        if "what" not in row:
            now = row
        else:
            _keep(of, now | row if row["number"] >= 0 else row)


def _busy(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _keep(of: dict[str, Any], row: dict[str, Any]) -> None:
    with STORE.open("a") as lines:
        lines.write(json.dumps(of | row) + "\n")
    if row["what"] in ("crashed", "misread", "hung", "died"):
        print(f"{of['kind']}: {row['label']}: {row['what']} {row['said']}", flush=True)


def _stored() -> list[dict[str, Any]]:
    return [json.loads(line) for line in STORE.read_text().splitlines()] if STORE.exists() else []


def page() -> str:
    """Write the table of what came of the files."""
    stored = [row for row in _stored() if row["what"]]
    rows = []
    for kind in dict.fromkeys(row["kind"] for row in stored):
        mine = [row for row in stored if row["kind"] == kind]
        what = Counter(row["what"] for row in mine)
        beyond = [row for row in mine if row.get("memory", 0) > RATIO * row.get("size", 0) + SPARE]
        rows.append(
            {
                "kind": kind,
                "files": len(mine),
                "refused": what["refused"],
                "read": what["same"] + what["other"] + what["read"],
                "misread": what["misread"],
                "crashed": what["crashed"] + what["died"],
                "hung": what["hung"] + sum(row.get("cpu", 0) > SECONDS for row in mine),
                "too much memory": len(beyond),
            }
        )
    total = {"kind": "all"} | {k: sum(row[k] for row in rows) for k in list(rows[0])[1:]}
    notes = (
        "Damaged and hostile files (tests/support/corpus.py), each read in a process with limits. "
        "Misread: read although the format can tell that something is wrong. Hung: more than "
        f"{SECONDS:.0f} CPU seconds. Too much memory: more than {RATIO} times the file and 1 GiB."
        + commits(stored)
    )
    return write("trust", "files", "Damaged files", [*rows, total], notes)


def main() -> None:
    """Try what is missing, and write the page."""
    from dmtest.data.readers.formats import FORMATS
    from tests.support.corpus import JSON

    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1000, help="random damage to each kind")
    parser.add_argument("--kind", default="", help="one kind; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    RUNS.mkdir(exist_ok=True)
    if arguments.work:
        work()
        return
    for kind in [*(row.name for row in FORMATS), *JSON]:
        if arguments.kind in ("", kind):
            run(kind, arguments.seed, arguments.files)
    print(page())


if __name__ == "__main__":
    main()
