"""Statistics that share computations: generators that yield requests and receive the answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
# Yields a request or a tuple of requests, receives the answer or a tuple of answers, returns a T.
Asks: TypeAlias = Generator[Any, Any, T]


def results_of(
    jobs: Iterable[T | Asks[T]],
    answer: Callable[[list[Hashable]], Mapping[Any, Any]],
) -> list[T]:
    """Run several statistics, and answer the pending requests of all of them in one call.

    Parameters
    ----------
    jobs : iterable
        Results, or generators that return results. A generator yields a request (or a tuple of
        requests) and receives its answer (or a tuple of answers), any number of times.
    answer : callable
        From the distinct pending requests of all generators to the answer of each.

    Returns
    -------
    list of results, in the order of `jobs`
    """
    results: dict[int, T] = {}
    pending: dict[int, tuple[Asks[T], Any]] = {}

    def advance(position: int, job: Asks[T], value: Any) -> None:
        try:
            pending[position] = job, job.send(value)
        except StopIteration as stop:
            results[position] = stop.value

    for position, job in enumerate(jobs):
        if isinstance(job, Generator):
            advance(position, job, None)
        else:
            results[position] = job
    while pending:
        current, pending = pending, {}
        requests = [one for _, request in current.values() for one in _several(request)]
        answers = answer(list(dict.fromkeys(requests)))
        for position, (job, request) in current.items():
            values = tuple(answers[one] for one in _several(request))
            advance(position, job, values if isinstance(request, tuple) else values[0])
    return [results[position] for position in range(len(results))]


def _several(request: Any) -> tuple[Any, ...]:
    return request if isinstance(request, tuple) else (request,)
