"""CPU seconds and peak memory of a pass over the rows and of the report that follows.

    python -m benchmarks.scaling.curves [rows] [columns] [peers]

Every case is a process of its own with one thread. Its rows come as an iterator of chunks: one
chunk of normal rows whose columns get other signs each time, so that no row repeats and drawing
costs nothing that is counted. The exponent is the slope of the logarithm of the seconds of the
pass. Cases that are stored are not run again; ``--again`` runs them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.tables import stored_rows, write

CHUNK = 65_536
# Rows at 64 columns, and columns at 100,000 rows.
ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
COLUMNS = (2, 8, 32, 64, 128, 256, 512, 1024, 2048)
FIXED_ROWS, FIXED_COLUMNS = 100_000, 64
# Rows of Henze and Zirkler's test by pingouin, which holds all pairs, in at most so many bytes.
PEER_ROWS, PEER_BYTES = (1_000, 3_000, 10_000, 30_000), 4 << 30

# The peak of this process alone, in KiB: ru_maxrss may still hold its parent's.
TOP = """
import re
def top():
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""
CASE = """
import itertools, json, sys, time
import numpy as np
import dmtest
n, d = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
rows = rng.standard_normal((min(n, {chunk}), d), dtype=np.float32)
dmtest.report(dmtest.Summary.of(iter([rows[:9000]]), rows=100), effects=False)  # kernels are loaded
summary, spent, left = dmtest.Summary(), 0.0, n
while left:
    part = rows[: min(left, len(rows))] * rng.choice(np.float32([-1, 1]), d)
    start = time.process_time()
    summary.update(part)
    spent += time.process_time() - start
    left -= len(part)
peak = top()
start = time.process_time()
dmtest.report(summary, effects=False)
quiet = time.process_time() - start
whole = top()
print(json.dumps([spent, quiet, peak / 1024, whole / 1024, len(summary.to_bytes()) / 2**20]))
"""
PEER = """
import json, resource, sys, time
import numpy as np, pingouin
resource.setrlimit(resource.RLIMIT_AS, ({most}, {most}))
x = np.random.default_rng(0).standard_normal((int(sys.argv[1]), int(sys.argv[2])))
start = time.process_time()
pingouin.multivariate_normality(x)
spent = time.process_time() - start
print(json.dumps([spent, top() / 1024]))
"""


def run(code: str, *arguments: int) -> list[float] | str:
    """Run code in a process of one thread; return its numbers, or the kind of its error."""
    one = dict.fromkeys(("DMTEST_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    command = [sys.executable, "-c", TOP + code, *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | one, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["killed"])[-1].partition(":")[0]
    return list(map(float, json.loads(done.stdout.splitlines()[-1])))


def case(n: int, d: int) -> dict[str, Any]:
    """Measure one shape."""
    found = run(CASE.format(chunk=CHUNK), n, d)
    if isinstance(found, str):
        raise RuntimeError(f"{n} x {d}: {found}")
    spent, quiet, peak, whole, size = found
    return {
        "rows": n,
        "columns": d,
        "pass, CPU s": round(spent, 3),
        "report without effects, CPU s": round(quiet, 3),
        "peak of the pass, MiB": round(peak),
        "peak, MiB": round(whole),
        "summary, MiB": round(size, 1),
    }


def curve(name: str, title: str, shapes: list[tuple[int, int]], notes: str, again: bool) -> None:
    """Measure shapes that are not stored yet, and write the table."""
    known = {} if again else {(r["rows"], r["columns"]): r for r in stored_rows("scaling", name)}
    for shape in shapes:
        if shape not in known:
            known[shape] = case(*shape)
            print(known[shape], flush=True)
            write("scaling", name, title, [known[s] for s in shapes if s in known], notes)


def slope(rows: list[dict[str, Any]], over: str, least: float) -> float:
    """Exponent of the seconds of the pass in rows or columns, from so many on."""
    used = [row for row in rows if row[over] >= least]
    x, y = ([float(np.log(row[name])) for row in used] for name in (over, "pass, CPU s"))
    return float(np.polyfit(x, y, 1)[0])


def model(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Fit the seconds of the pass, divided by the rows, by a + b d + c d^2 for d columns.

    The relative errors count, and no coefficient is negative (Lawson & Hanson 1974).
    """
    from scipy.optimize import nnls

    d = np.array([float(row["columns"]) for row in rows])
    each = np.array([row["pass, CPU s"] / row["rows"] for row in rows])
    terms = np.stack([np.ones(len(d)), d, d**2], axis=1)
    found = nnls(terms / each[:, None], np.ones(len(d)))[0]
    return {
        "ns a row": 1e9 * float(found[0]),
        "ns a value": 1e9 * float(found[1]),
        "ns a product": 1e9 * float(found[2]),
        "largest relative error": float(np.abs(terms @ found / each - 1.0).max()),
    }


def peers() -> None:
    """Time a peer that needs all rows and all pairs at once, until its memory ends."""
    rows = []
    for n in PEER_ROWS:
        found = run(PEER.format(most=PEER_BYTES), n, 16)
        ended = isinstance(found, str)
        ours = run(CASE.format(chunk=CHUNK), n, 16)
        assert not isinstance(ours, str)
        rows.append(
            {
                "rows": n,
                "pingouin, CPU s": found if isinstance(found, str) else round(found[0], 2),
                "its peak, MiB": "" if isinstance(found, str) else round(found[1]),
                "dmtest, CPU s": round(ours[0] + ours[1], 2),
                "peak, MiB": round(ours[3]),
            }
        )
        if ended:
            break
    notes = (
        f"Henze and Zirkler's test by pingouin beside a whole report without effects, 16 columns; "
        f"each process may have {PEER_BYTES >> 30} GiB."
    )
    print(write("scaling", "scaling/peers", "A peer until its memory ends", rows, notes))


def main(chosen: list[str]) -> None:
    """Run the curves that are named, all by default."""
    again = "--again" in chosen
    names = [one for one in chosen if one != "--again"] or ["rows", "columns", "peers"]
    if "rows" in names:
        notes = (
            "float32, 64 columns, one thread. The pass keeps what a report needs; the report is of "
            "that. Up to 50,000 rows all are kept, and the report is that of the array."
        )
        shapes = [(n, FIXED_COLUMNS) for n in ROWS]
        curve("scaling/rows", "Rows", shapes, notes, again)
    if "columns" in names:
        notes = "float32, 100,000 rows, one thread."
        curve("scaling/columns", "Columns", [(FIXED_ROWS, d) for d in COLUMNS], notes, again)
    if "peers" in names:
        peers()
    exponents()


def exponents() -> None:
    """Store the exponents and the model of the curves that there are."""
    rows = []
    for name, over, leasts in (
        ("scaling/rows", "rows", (100_000,)),
        ("scaling/columns", "columns", (128, 512)),
    ):
        found = stored_rows("scaling", name)
        for least in leasts:
            if len([row for row in found if row[over] >= least]) > 1:
                value = round(slope(found, over, least), 3)
                rows.append({"of the pass in": over, "from": least, "exponent": value})
    if rows:
        notes = "Slopes of straight lines through logarithms of CPU seconds and of size."
        write("scaling", "scaling/exponents", "Exponents", rows, notes)
    columns = stored_rows("scaling", "scaling/columns")
    if len(columns) > 3:
        notes = (
            "Seconds of the pass: rows times (a + b columns + c columns^2), fitted to the columns."
        )
        fitted = {name: round(value, 4) for name, value in model(columns).items()}
        write("scaling", "scaling/model", "Model", [fitted], notes)


if __name__ == "__main__":
    main(sys.argv[1:])
