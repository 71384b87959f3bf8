"""Inputs at the edges of numbers and types through every public function and registered test.

    python -m benchmarks.trust.edges

Every input runs in a process of its own with limits on memory; inputs that are in
``benchmarks/runs/edges.jsonl`` already are not run again. ``--input`` and ``--call`` choose.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time

from benchmarks.tables import RUNS, commit, commits, write

ADDRESS = 8 << 30  # bytes of address space of a process


def _cells(name: str, calls: list[str]) -> None:
    """Run the calls on one input; append a line for each."""
    from tests.support.edges import CALLS, INPUTS, run

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS, ADDRESS))
    of = commit()
    for call in calls:
        started = time.process_time()
        cell = run(CALLS[call], INPUTS[name])
        row = {"input": name, "call": call, "what": cell.what, "said": cell.said, "commit": of}
        row["cpu"] = round(time.process_time() - started, 2)
        with (RUNS / "edges.jsonl").open("a") as lines:
            lines.write(json.dumps(row) + "\n")
        if cell.what == "fell":
            print(f"[{name}] {call}: {cell.said}", flush=True)


def _stored() -> list[dict[str, object]]:
    path = RUNS / "edges.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Run what is missing, and write the page."""
    from tests.support.edges import CALLS, FAST, INPUTS, VERY_WIDE

    parser = argparse.ArgumentParser()
    parser.add_argument("--input", default="", help="part of the names of inputs")
    parser.add_argument("--call", default="", help="part of the names of calls")
    arguments = parser.parse_args()
    os.environ.setdefault("DMTEST_CACHE_DIR", tempfile.mkdtemp(prefix="edges-"))
    RUNS.mkdir(exist_ok=True)
    for name in INPUTS:
        if arguments.input not in name:
            continue
        done = {row["call"] for row in _stored() if row["input"] == name}
        calls = FAST if name == VERY_WIDE else CALLS
        left = [call for call in calls if arguments.call in call and call not in done]
        if not left:
            continue
        child = os.fork()
        if not child:
            try:
                _cells(name, left)
            finally:
                sys.stdout.flush()
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(f"[{name}] the process died ({status})", flush=True)
    _page()


def _page() -> None:
    stored = _stored()
    rows = []
    for call in dict.fromkeys(str(row["call"]) for row in stored):
        mine = [row for row in stored if row["call"] == call]
        count = {
            what: sum(r["what"] == what for r in mine) for what in ("right", "refused", "fell")
        }
        rows.append({"function": call, "inputs": len(mine)} | count)
    total = {"function": "all", "inputs": sum(row["inputs"] for row in rows)}
    rows.append(total | {w: sum(row[w] for row in rows) for w in ("right", "refused", "fell")})
    inputs = len({row["input"] for row in stored})
    notes = (
        f"{inputs} inputs at the edges of numbers and types (tests/support/edges.py). Right: all "
        "numbers are finite, p-values lie in (0, 1], numpy does not warn. Refused: one sentence."
        + commits(stored)
    )
    print(write("trust", "edges", "Inputs at the edges", rows, notes))


if __name__ == "__main__":
    main()
