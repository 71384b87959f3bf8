"""Fixed tasks over threads: the same order and the same bits with one thread and with many."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

import dmtest
from dmtest.runtime.attributes import cached_property
from dmtest.runtime.parallel import (
    blocks,
    in_one_thread,
    run_tasks,
    single_threaded_blas,
    workers,
)
from tests.support.calls import python, refused

REPORTS = """
import json, sys
import numpy as np
import dmtest

x = np.random.default_rng(0).standard_normal((3000, 20)).astype(np.float32)
u = np.random.default_rng(1).uniform(size=(3000, 20)).astype(np.float32)
for data, target in ((x, "normal"), (x * 3 + 1, "any-normal"), (u, "uniform")):
    content = json.loads(dmtest.report(data, target, tests="all", replicates=19, rng=5).to_json())
    del content["computed"]["seconds"], content["computed"]["created"]
    print(json.dumps(content))
"""


def reports(threads: str, blas: str) -> list[str]:
    """Make reports in a process of its own, without the cache."""
    env = {"DMTEST_CACHE_DIR": "off", "DMTEST_THREADS": threads}
    env |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), blas)
    done = python("-c", REPORTS, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def blas_threads() -> list[int]:
    """Threads that each BLAS at hand would use."""
    return [row["num_threads"] for row in threadpool_info() if row["user_api"] == "blas"]


def test_reports_are_the_same_bits_whatever_the_threads() -> None:
    one = reports("1", "1")
    assert len(one) == 3
    assert {json.loads(text)["target"] for text in one} == {"normal", "any-normal", "uniform"}
    assert all(json.loads(text)["pictures"]["slices"] for text in one)
    assert reports("2", "2") == one
    assert reports("2", "1") == one


@pytest.mark.parametrize("threads", ["1", "2", "7"])
def test_order_is_kept(monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("DMTEST_THREADS", threads)

    def late(index: int) -> int:
        time.sleep(0.02 if index % 3 == 0 else 0.0)
        return index * index

    assert list(run_tasks(late, range(20))) == [index * index for index in range(20)]


def test_as_many_threads_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMTEST_THREADS", "3")
    together = threading.Barrier(3, timeout=30)

    def name(_: int) -> str:
        together.wait()
        return threading.current_thread().name

    names = list(run_tasks(name, range(3)))
    assert len(set(names)) == 3
    monkeypatch.setenv("DMTEST_THREADS", "1")
    here = list(run_tasks(lambda _: threading.current_thread(), range(3)))
    assert set(here) == {threading.current_thread()}


@pytest.mark.parametrize("threads", ["1", "2"])
def test_blas_has_one_thread_inside_and_its_own_again_outside(
    monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    monkeypatch.setenv("DMTEST_THREADS", threads)
    with threadpool_limits(2, user_api="blas"):
        outside = blas_threads()
        assert outside
        for inside in run_tasks(lambda _: blas_threads(), range(4)):
            assert set(inside) == {1}
        with single_threaded_blas():
            assert set(blas_threads()) == {1}
        assert blas_threads() == outside


@pytest.mark.parametrize("threads", ["1", "2"])
def test_errors_come_through(monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("DMTEST_THREADS", threads)

    def fail(index: int) -> int:
        if index == 3:
            raise KeyError("task 3")
        return index

    with pytest.raises(KeyError, match="task 3"):
        list(run_tasks(fail, range(6)))


def test_no_tasks_no_results() -> None:
    assert list(run_tasks(str, [])) == []


@given(st.integers(0, 500), st.integers(-2, 600))
def test_blocks_cover_everything_once(total: int, size: int) -> None:
    parts = blocks(total, size)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(total))
    assert all(1 <= part.stop - part.start <= max(1, size) for part in parts)


def test_workers_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMTEST_THREADS", "5")
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert workers() == 5
    monkeypatch.delenv("DMTEST_THREADS")
    assert workers() == 3
    monkeypatch.setenv("DMTEST_THREADS", " ")
    assert workers() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert workers() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "²", "1 2"])
def test_threads_that_are_no_number_are_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("DMTEST_THREADS", value)
    refused(r"DMTEST_THREADS: got '.+'; set it to a whole number", workers)


def test_tasks_of_tasks_end() -> None:
    # Waiting on the pool from inside it would be for ever: in a process that can be killed.
    code = (
        "from dmtest.runtime.parallel import run_tasks\n"
        "inner = lambda i: sum(run_tasks(lambda j: i * j, range(4)))\n"
        "print(list(run_tasks(inner, range(6))))"
    )
    done = python("-c", code, env={"DMTEST_THREADS": "2"}, timeout=60)
    assert done.stdout.strip() == str([6 * i for i in range(6)]), done.stderr


def test_in_one_thread_no_pool_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMTEST_THREADS", "3")
    with in_one_thread():
        names = set(run_tasks(lambda _: threading.current_thread().name, range(9)))
    assert names == {threading.current_thread().name}
    assert len(set(run_tasks(lambda i: (time.sleep(0.05), threading.get_ident())[1], range(9)))) > 1


class Lazy:
    """Something whose attribute needs another thread."""

    def __init__(self, together: threading.Barrier) -> None:
        self.together = together
        self.times = 0

    @cached_property
    def value(self) -> int:
        """Return 1 when two threads are here."""
        self.times += 1
        self.together.wait()
        return self.times


def test_attributes_of_two_instances_do_not_wait_for_each_other() -> None:
    """A task that waits for an attribute of its own must not wait for that of another report."""
    together = threading.Barrier(2, timeout=30)
    lazy = [Lazy(together), Lazy(together)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda one: one.value, lazy)) == [1, 1]
    assert [one.value for one in lazy] == [1, 1]  # computed once
    assert Lazy.value.__doc__ == "Return 1 when two threads are here."


def test_no_attribute_has_the_lock_of_functools() -> None:
    for path in Path(dmtest.__file__).parent.rglob("*.py"):
        assert "from functools import cached_property" not in path.read_text(encoding="utf-8"), path


def test_blas_stays_limited_until_the_last_thread_leaves() -> None:
    entered, left = threading.Event(), threading.Event()

    def first() -> None:
        with single_threaded_blas():
            entered.set()
            assert left.wait(30)

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as pool:
        with single_threaded_blas():
            running = pool.submit(first)
            assert entered.wait(30)
        assert set(blas_threads()) == {1}, "the other thread is inside"
        left.set()
        running.result()
        assert set(blas_threads()) == {2}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_inside_of_a_limit_leaves_it() -> None:
    code = """
import os, threading
from dmtest.runtime.parallel import single_threaded_blas
held = threading.Event()
def hold():
    with single_threaded_blas():
        held.set()
        threading.Event().wait(60)
threading.Thread(target=hold, daemon=True).start()
held.wait()
with single_threaded_blas():
    if not (child := os.fork()):
        with single_threaded_blas():
            pass
        os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0)
"""
    done = python("-W", "ignore", "-u", "-c", code, timeout=60)
    assert done.stdout.strip() == "0", done.stderr


FOUR = """
from concurrent.futures import ThreadPoolExecutor
import json
import numpy as np
import dmtest

x = np.random.default_rng(0).standard_normal((1500, 6))

def text(data):
    content = json.loads(dmtest.report(data, replicates=19, rng=5).to_json())
    del content["computed"]["seconds"], content["computed"]["created"]
    return json.dumps(content)

with ThreadPoolExecutor(4) as pool:
    found = set(pool.map(text, [x] * 4))
print(len(found), found == {text(x)})
"""


def test_four_reports_at_once_are_the_report_alone() -> None:
    env = {"DMTEST_CACHE_DIR": "off", "DMTEST_THREADS": "2"}
    done = python("-c", FOUR, env=env, timeout=300)
    assert done.stdout.split() == ["1", "True"], done.stderr
