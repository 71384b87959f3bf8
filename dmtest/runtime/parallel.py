"""Tasks on a pool of threads, each with BLAS on one thread.

Work is divided in the same way for any number of threads, and BLAS runs on one thread in every
task, so results are the same bits with one thread and with many.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from dmtest.errors import InputError

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# Called with (name of the work, steps done, steps in total).
Progress: TypeAlias = Callable[[str, int, int], None]

# Rows in a tile of work: a few megabytes at the widths of embeddings.
ROW_TILE = 4096

T = TypeVar("T")
R = TypeVar("R")

_blas_limit = ContextVar("blas_limit", default=False)
_worker = threading.local()


class _Limited:
    """The libraries that are limited to one thread, for all threads that are inside.

    A library has one limit for the whole process: whoever leaves last takes it off.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.limits: dict[ThreadpoolController, Any] = {}

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            found = _libraries(len(sys.modules))
            if found not in self.limits:
                _let_any_thread_set(found)
                self.limits[found] = found.limit(limits=1, user_api="blas")
                _let_any_thread_set(found)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            while not self.inside and self.limits:
                found, limit = self.limits.popitem()
                _let_any_thread_set(found)
                limit.restore_original_limits()
                _let_any_thread_set(found)


def _let_any_thread_set(found: ThreadpoolController) -> None:
    """Lift the rule of threadpoolctl 3.7 that one thread alone may limit OpenBLAS.

    Its limit holds for the process, and the last report to end may be one of another thread.
    """
    for library in found.lib_controllers:
        lift = getattr(library, "clear_controlling_thread", None)
        if lift is not None:
            lift(force=True)


_limited = _Limited()


def workers() -> int:
    """Return the number of threads: ``DMTEST_THREADS``, ``OMP_NUM_THREADS`` or the cores."""
    for name in ("DMTEST_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "").split(",")[0].strip()
        if value:
            if not value.isdecimal() or int(value) < 1:
                raise InputError(f"{name}: got {value!r}; set it to a whole number of threads.")
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit BLAS and LAPACK to one thread: their bits may depend on the number of threads.

    Nested uses cost nothing; the look-up of the libraries takes milliseconds.
    """
    if _blas_limit.get():
        yield
        return
    token = _blas_limit.set(True)
    _limited.enter()
    try:
        yield
    finally:
        _limited.leave()
        _blas_limit.reset(token)


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Run what is inside in the thread of the caller, as a task of another scheduler does."""
    busy = getattr(_worker, "busy", False)
    _worker.busy = True
    try:
        with single_threaded_blas():
            yield
    finally:
        _worker.busy = busy


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """Look up the BLAS libraries of this process, again if the number of `modules` changes."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def blocks(total: int, size: int) -> list[slice]:
    """Divide ``range(total)`` into slices of at most `size`."""
    size = max(1, size)
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def run_tasks(function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """Yield ``function(task)`` in the order of `tasks`, computed by :func:`workers` threads.

    A nested call runs in the thread of its caller: waiting for the pool from inside it could
    deadlock.
    """
    todo = list(tasks)
    alone = len(todo) < 2 or getattr(_worker, "busy", False)
    count = 1 if alone else min(workers(), len(todo))
    with single_threaded_blas():
        if count <= 1:
            yield from map(function, todo)
            return
        yield from _pool(workers()).map(partial(_as_worker, function), todo)


def _as_worker(function: Callable[[T], R], task: T) -> R:
    _worker.busy = True
    # The caller of run_tasks limits BLAS to one thread until all tasks are done.
    _blas_limit.set(True)
    try:
        return function(task)
    finally:
        _worker.busy = False


@lru_cache(maxsize=4)
def _pool(count: int) -> ThreadPoolExecutor:
    """Return the pool, kept between calls: starting threads costs more than a small task."""
    return ThreadPoolExecutor(count, thread_name_prefix="dmtest")


def _after_fork() -> None:
    """Forget the pool, whose threads a forked process lacks, and the other threads' limits."""
    _pool.cache_clear()
    _limited.lock = threading.Lock()
    _limited.inside = int(_blas_limit.get())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
