"""Statistics that ask for what they share: generators that yield requests and are sent answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
# Yields a request or a tuple of them, is sent the answer or a tuple of answers, returns a T.
Asks: TypeAlias = Generator[Any, Any, T]


def results_of(
    jobs: Iterable[T | Asks[T]],
    answer: Callable[[list[Hashable]], Mapping[Any, Any]],
) -> list[T]:
    """Run several statistics, and answer all that they ask for at a time together.

    Parameters
    ----------
    jobs : iterable
        Results, or generators that return them: each yields a request (or a tuple of them) and
        is sent its answer (or a tuple of answers), as often as it likes.
    answer : callable
        From the different requests of all generators to the answer of each.

    Returns
    -------
    list of results, in the order of `jobs`
    """
    results: dict[int, T] = {}
    waiting: dict[int, tuple[Asks[T], Any]] = {}

    def advance(position: int, job: Asks[T], value: Any) -> None:
        try:
            waiting[position] = job, job.send(value)
        except StopIteration as stop:
            results[position] = stop.value

    for position, job in enumerate(jobs):
        if isinstance(job, Generator):
            advance(position, job, None)
        else:
            results[position] = job
    while waiting:
        asked, waiting = waiting, {}
        requests = [one for _, wanted in asked.values() for one in _several(wanted)]
        answers = answer(list(dict.fromkeys(requests)))
        for position, (job, wanted) in asked.items():
            values = tuple(answers[one] for one in _several(wanted))
            advance(position, job, values if isinstance(wanted, tuple) else values[0])
    return [results[position] for position in range(len(results))]


def _several(wanted: Any) -> tuple[Any, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)
