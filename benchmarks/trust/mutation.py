"""Mutants of the statistics and the bounds: whether a test fails when a formula is changed.

    python -m benchmarks.trust.mutation --mutants 150

A mutant is one change of a function: another comparison, operator, number or extreme. A random
sample of all mutants of a folder is tried, each in a fork of a process that has collected the
tests; a mutant is tried on the tests that run the changed line, the fast ones first. It is killed
by the first test that fails. What was tried is in ``benchmarks/runs/mutation.jsonl`` and is not
tried again. ``--folder`` chooses a folder, ``--list`` prints the survivors, and ``--again TESTS``
tries the survivors on tests that are new.

Why a survivor changes nothing that a user could see is said in `EQUIVALENT`.
"""

from __future__ import annotations

import argparse
import ast
import copy
import functools
import gc
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np
import pytest

from benchmarks.tables import RUNS, write

ROOT = Path(__file__).parents[2]
STORE = RUNS / "mutation.jsonl"
SECONDS = 120  # CPU seconds for the tests of a mutant; one that takes more is killed as a hang
# Tests of each folder.
FOLDERS = {
    "bounds": ("tests/test_bounds.py",),
    "statistics": ("tests/statistics", "tests/catalogue/test_references.py"),
    "calibration": ("tests/calibration", "tests/runtime/test_cache.py"),
    "checks": ("tests/checks",),
}
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.USub: ast.UAdd,
}
NAMES = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum"}
NAMES |= {"argmax": "argmin", "argmin": "argmax", "sin": "cos", "cos": "sin", "sum": "mean"}
# Survivors that are no defects of the tests: (file, source line) begins, and why.
EQUIVALENT = {
    "bounds/yardsticks.py return plain(np.where(inverse": "The series and the exact terms agree "
    "to 2e-8 where one takes over from the other.",
    "bounds/values.py return text if len(text)": "A text of 60 characters in a message is "
    "shortened to 60, or left.",
    "calibration/nulls.py return self.rows, self.workload.mode": "A key of which only equality "
    "counts.",
    "calibration/nulls.py if isinstance(null, SliceNull) and": "A null of slices comes with a "
    "test of slices, here.",
    "calibration/shipped.py pvalue = min(1.0, len(wanted)": "Bonferroni's bound is below 1 where "
    "fewer than ten replicates are as bad.",
    "bounds/capacity.py inner =": "Another limit of a value that is used below 1/2 only.",
    "bounds/critics.py slack =": "A slack of 4.4 roundings instead of 4.",
    "bounds/critics.py width =": "An interval without length has the integral 0, and the last "
    "line sets its pair to 0.",
    "rows/directions.py return unit_rows(rows[np.square": "Leaves out rows of length 0, of which "
    "none becomes the start of a climb.",
    "rows/directions.py if gain and (turn": "When a climb looks whether it still gains.",
    "rows/directions.py value = float(np.sqrt(view.n) * climb": "The first step of a climb.",
    "rows/directions.py starts = np.concatenate": "Starts of a climb; others reach the maximum.",
    "rows/directions.py top =": "Scales a slope, of which only the direction is used.",
    "rows/distances.py reach =": "A larger domain of an interpolant, which is as exact.",
    "rows/cube.py for part in blocks": "The size of a block of work.",
    "rows/sphere.py value = np.where(tail": "The tail does not underflow at the nodes.",
    "laws/probit.py return -float": "A floor of log-likelihoods that no cell with rows reaches.",
    "laws/probit.py flip = a": "From 0 to 1 is no tail: at most a digit is lost there.",
    "laws/quadratic.py x = np.clip": "The end of the law, at p = 1e-286 instead of 1e-260.",
    "laws/quadratic.py return np.asarray(values[values": "Eigenvalues of 1e-16 of the largest.",
    "laws/quadratic.py return _tail(mgf, statistic, 0.5 /": "Another contour on the same side of "
    "the cut, with the same integral.",
    "laws/quadratic.py return np.where(x <= 1.0": "The largest values of the statistic, where p "
    "is 0 to rounding.",
}


@dataclass(frozen=True)
class Mutant:
    """One change of a function: the path of the module, the place of the node, what is changed."""

    path: str
    line: int
    number: int  # of the node in the walk over the module
    change: str
    source: str

    @property
    def name(self) -> str:
        """Name of the mutant, for the store."""
        return f"{self.path}:{self.line} [{self.number}] {self.change}"


def mutants(path: Path) -> Iterator[Mutant]:
    """Yield all mutants of a module's functions."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    inside = _inside(tree)
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in inside:
            for change in _changes(node):
                line = int(getattr(node, "lineno", 0))
                source = text.splitlines()[line - 1].strip()
                yield Mutant(str(path.relative_to(ROOT)), line, number, change, source)


def _inside(tree: ast.Module) -> set[int]:
    """Return nodes that are computed in functions: no names of types, no messages, no defaults."""
    found: set[int] = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            todo: list[ast.AST] = list(function.body)
            while todo:
                node = todo.pop()
                if isinstance(node, ast.Raise | ast.JoinedStr | ast.FunctionDef | ast.Assert):
                    continue
                found.add(id(node))
                todo += [
                    one
                    for name, field in ast.iter_fields(node)
                    if name != "annotation"
                    for one in (field if isinstance(field, list) else [field])
                    if isinstance(one, ast.AST)
                ]
    return found


def _changes(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield f"{_symbol(node.ops[0])} becomes {_symbol(SWAPS[type(node.ops[0])]())}"
    elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPS:
        yield f"{_symbol(node.op)} becomes {_symbol(SWAPS[type(node.op)]())}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "a minus is left out"
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield f"{node.value!r} becomes {_other(node.value)!r}"
    elif isinstance(node, ast.If | ast.IfExp):
        yield "a condition is negated"
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield f"{node.attr} becomes {NAMES[node.attr]}"
    elif isinstance(node, ast.Name) and node.id in ("max", "min"):
        yield f"{node.id} becomes {NAMES[node.id]}"


def _function(mutant: Mutant) -> set[tuple[str, int]]:
    """Return the lines of the innermost function around a mutant, up to its line."""
    path = ROOT / mutant.path
    starts = [
        node.body[0].lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and node.lineno <= mutant.line <= (node.end_lineno or 0)
    ]
    return {(str(path), line) for line in range(max(starts), mutant.line)}


def _symbol(operator: ast.AST) -> str:
    return type(operator).__name__


def _other(value: float) -> float:
    return value + 1 if isinstance(value, int) or value == 0.0 else value * 1.1


def mutated(mutant: Mutant) -> ast.Module:
    """Return the module with one change."""
    tree = copy.deepcopy(ast.parse((ROOT / mutant.path).read_text(encoding="utf-8")))
    node: Any = next(node for j, node in enumerate(ast.walk(tree)) if j == mutant.number)
    if isinstance(node, ast.Compare):
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        node.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd()
    elif isinstance(node, ast.Constant):
        node.value = _other(node.value)
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif isinstance(node, ast.Attribute):
        node.attr = NAMES[node.attr]
    else:
        node.id = NAMES[node.id]
    return ast.fix_missing_locations(tree)


def apply(mutant: Mutant) -> None:
    """Replace the code of the module's functions, wherever they are held already."""
    name = mutant.path.removesuffix(".py").replace("/", ".")
    module = importlib.import_module(name)
    flags = __import__("__future__").annotations.compiler_flag
    whole = compile(mutated(mutant), str(ROOT / mutant.path), "exec", flags, dont_inherit=True)
    new = {code.co_qualname: code for code in _codes(whole)}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__module__ == module.__name__:
            code = new.get(thing.__code__.co_qualname)
            same = code is not None and code.co_firstlineno == thing.__code__.co_firstlineno
            if same and code is not None and code.co_freevars == thing.__code__.co_freevars:
                thing.__code__ = code
    forget()


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


def forget() -> None:
    """Clear what functions of the package remember."""
    for thing in gc.get_objects():
        if isinstance(thing, functools._lru_cache_wrapper) and str(
            getattr(thing, "__module__", "")
        ).startswith("dmtest"):
            thing.cache_clear()


class Driver:
    """A pytest plugin that runs the collected tests on mutants instead of once."""

    def __init__(self, folder: str, count: int, seed: int, again: bool = False) -> None:
        self.folder, self.count, self.seed, self.again = folder, count, seed, again

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Find the lines that each test runs, then try the mutants."""
        ways = self._ways(session)
        everything = [
            one
            for path in sorted((ROOT / "dmtest" / self.folder).rglob("*.py"))
            for one in mutants(path)
        ]
        rng = np.random.default_rng(self.seed)
        order = rng.permutation(len(everything))[: self.count]
        known = {row["name"]: row for row in _stored()}
        done = {name for name, row in known.items() if not self.again or row["what"] == "killed"}
        for j in order:
            mutant = everything[j]
            if mutant.name in done:
                continue
            place = (str(ROOT / mutant.path), mutant.line)
            items = [item for item, _, lines in ways if place in lines]
            # Numbers of a tuple over several lines are on the line of its start.
            items = items or [item for item, _, lines in ways if lines & _function(mutant)]
            what, by = self._try(session, mutant, items) if items else ("survived", "no test")
            row = {"folder": self.folder, "name": mutant.name, "what": what, "by": by}
            row |= {"all": len(everything), "source": mutant.source, "tests": len(items)}
            if mutant.name in known:
                row["tests"] += known[mutant.name]["tests"]
            with STORE.open("a") as lines:
                lines.write(json.dumps(row) + "\n")
            if what == "survived":
                print(f"\n{mutant.name}\n    {mutant.source}", flush=True)
        return True

    def _ways(
        self, session: pytest.Session
    ) -> list[tuple[pytest.Item, float, set[tuple[str, int]]]]:
        """Return the tests, fast ones first, with the lines of the folder that they run."""
        start = str(ROOT / "dmtest" / self.folder)
        found = []
        for place, item in enumerate(session.items):
            lines: set[tuple[str, int]] = set()

            def trace(
                frame: FrameType, event: str, argument: Any, lines: set[tuple[str, int]] = lines
            ) -> Any:
                if not frame.f_code.co_filename.startswith(start):
                    return None
                lines.add((frame.f_code.co_filename, frame.f_lineno))
                return trace

            forget()
            began = time.process_time()
            following = session.items[place + 1] if place + 1 < len(session.items) else None
            sys.settrace(trace)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            sys.settrace(None)
            if session.testsfailed:
                raise RuntimeError(f"{item.nodeid} fails without any change")
            found.append((item, time.process_time() - began, lines))
        return sorted(found, key=lambda one: one[1])

    def _try(
        self, session: pytest.Session, mutant: Mutant, items: list[pytest.Item]
    ) -> tuple[str, str]:
        """Run tests on a mutant in a fork; return what came of it, and the test that failed."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
            code = 0
            try:
                apply(mutant)
                for item in items:
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                    if session.testsfailed:
                        os.write(writer, item.nodeid.encode())
                        code = 1
                        break
            except BaseException as error:
                os.write(writer, repr(error).encode()[:200])
                code = 1
            os._exit(code)
        os.close(writer)
        _, status = os.waitpid(child, 0)
        by = os.read(reader, 1000).decode(errors="replace")
        os.close(reader)
        return ("killed", by or "hang") if status else ("survived", "")


def _stored() -> list[dict[str, Any]]:
    """Return what was tried, the last try of every mutant."""
    rows = [json.loads(line) for line in STORE.read_text().splitlines()] if STORE.exists() else []
    return list({row["name"]: row for row in rows}.values())


def reason(row: dict[str, Any]) -> str:
    """Say why a survivor is no defect of the tests; "" if nobody has said."""
    place = row["name"].partition("[")[0].rpartition(":")[0]
    for start, why in EQUIVALENT.items():
        file, _, source = start.partition(" ")
        if place.endswith(file) and row["source"].startswith(source):
            return why
    return ""


def page() -> str:
    """Write the scores, and the survivors with reasons."""
    rows, survivors = [], []
    for folder in dict.fromkeys(row["folder"] for row in _stored()):
        mine = [row for row in _stored() if row["folder"] == folder]
        killed = sum(row["what"] == "killed" for row in mine)
        same = sum(row["what"] == "survived" and bool(reason(row)) for row in mine)
        rows.append(
            {
                "folder": folder,
                "all mutants": mine[0]["all"],
                "tried": len(mine),
                "killed": killed,
                "equivalent": same,
                "survivors": len(mine) - killed - same,
                "score": round(killed / max(1, len(mine) - same), 3),
            }
        )
        survivors += [
            {
                "mutant": row["name"].partition(" [")[0].removeprefix("dmtest/"),
                "change": row["name"].partition("] ")[2],
                "line": f"`{row['source']}`",
                "why": reason(row) or "not killed yet",
            }
            for row in mine
            if row["what"] == "survived"
        ]
    notes = (
        "A random sample of all changes of one comparison, operator, number or extreme in a "
        "folder (benchmarks/trust/mutation.py). Killed: a test of the folder fails. Equivalent: "
        "no result changes that a user could see; the reasons are below. Score: killed of those "
        "that are not equivalent."
    )
    text = write("trust", "mutation/scores", "Scores", rows, notes)
    if survivors:
        text += write("trust", "mutation/survivors", "Survivors", survivors, "All of them.")
    return text


def main() -> None:
    """Try what is missing, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", type=int, default=150, help="mutants of each folder")
    parser.add_argument("--folder", default="", choices=("", *FOLDERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--again", nargs="*", default=[], help="tests on which survivors are tried again"
    )
    parser.add_argument("--list", action="store_true", help="print survivors without a reason")
    arguments = parser.parse_args()
    RUNS.mkdir(exist_ok=True)
    if arguments.list:
        for row in _stored():
            if row["what"] == "survived" and not reason(row):
                print(f"{row['name']}  ({row['tests']} tests)\n    {row['source']}")
        return
    os.environ["DMTEST_CACHE_DIR"] = "off"
    for folder, tests in FOLDERS.items():
        if arguments.folder in ("", folder):
            driver = Driver(folder, arguments.mutants, arguments.seed, bool(arguments.again))
            chosen = arguments.again or tests
            options = ["-q", "-x", "-p", "no:cacheprovider", "--no-header", *chosen]
            pytest.main(options, plugins=[driver])
    print(page())


if __name__ == "__main__":
    main()
