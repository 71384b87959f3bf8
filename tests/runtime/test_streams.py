"""Named random streams: the same name gives the same numbers, and nothing else matters."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from dmtest.catalogue.registry import TESTS
from dmtest.runtime.streams import entropy_of, stream
from tests.support.calls import refused

ENTROPIES = st.integers(0, 2**64)
NAMES = st.text(max_size=20)
INDICES = st.lists(st.integers(0, 2**20), max_size=2)


def first(entropy: int, name: str, *index: int, count: int = 8) -> np.ndarray:
    """Draw the first normals of a stream."""
    return stream(entropy, name, *index).standard_normal(count)


@settings(max_examples=50)
@given(ENTROPIES, NAMES, INDICES)
def test_same_entropy_name_and_index_give_the_same_numbers(
    entropy: int, name: str, index: list[int]
) -> None:
    assert_array_equal(first(entropy, name, *index), first(entropy, name, *index))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "a"), (1, "a")),
        ((0, "a"), (0, "b")),
        ((0, "a", 0), (0, "a", 1)),
        ((0, "a"), (0, "a", 0)),
        ((0, "a", 1, 2), (0, "a", 12)),
        ((0, "a", 1, 2), (0, "a", 2, 1)),
        ((2**53, "a"), (0, "a")),
        ((2**53, "a"), (2**53 + 1, "a")),
    ],
)
def test_any_difference_gives_other_numbers(one: Any, other: Any) -> None:
    assert not np.isin(first(*one), first(*other)).any()


def test_streams_are_uncorrelated() -> None:
    n = 20_000
    rows = [first(0, name, count=n) for name in TESTS]
    rows += [first(0, "null", index, count=n) for index in range(20)]
    rows += [first(entropy, "null", 0, count=n) for entropy in range(1, 20)]
    correlation = np.corrcoef(rows)
    pairs = np.abs(correlation[np.triu_indices_from(correlation, 1)])
    # Largest of that many normal correlations: below this but for one seed in 10,000.
    assert pairs.max() < 5.3 / np.sqrt(n)
    lagged = [abs(np.corrcoef(a[1:], b[:-1])[0, 1]) for a, b in itertools.permutations(rows, 2)]
    assert max(lagged) < 5.5 / np.sqrt(n)


def test_a_stream_does_not_move_another() -> None:
    alone = first(5, "b", 3)
    stream(5, "a", 3).standard_normal(10_000)
    assert_array_equal(first(5, "b", 3), alone)


def test_streams_leave_the_global_generator_alone() -> None:
    before = np.random.get_bit_generator().state["state"]["key"].copy()
    first(0, "a")
    entropy_of(None)
    assert_array_equal(np.random.get_bit_generator().state["state"]["key"], before)


@pytest.mark.parametrize("rng", [0, 7, 2**53 - 1, 2**60, np.int64(7), np.uint8(7)])
def test_a_seed_is_its_own_entropy(rng: int) -> None:
    entropy = entropy_of(rng)
    assert entropy == int(rng)
    assert type(entropy) is int


def test_none_is_fresh_every_time() -> None:
    drawn = {entropy_of(None) for _ in range(50)}
    assert len(drawn) == 50
    assert all(type(value) is int and 0 <= value < 2**53 for value in drawn)
    assert max(drawn) > 2**45


def test_a_generator_is_advanced_and_can_be_repeated() -> None:
    rng = np.random.default_rng(3)
    one, two = entropy_of(rng), entropy_of(rng)
    assert one != two
    again = np.random.default_rng(3)
    assert [entropy_of(again), entropy_of(again)] == [one, two]
    assert 0 <= min(one, two) <= max(one, two) < 2**53
    assert entropy_of(one) == one


@pytest.mark.parametrize("rng", [-1, np.int64(-5)])
def test_negative_seeds_are_refused(rng: int) -> None:
    refused(rf"rng: a seed must be >= 0; got {rng}", entropy_of, rng)


@pytest.mark.parametrize(
    "rng", [1.0, "1", True, np.True_, [1], np.random.RandomState(0), np.random.PCG64(0)]
)
def test_other_types_are_refused(rng: Any) -> None:
    refused(r"rng: got \w+; pass None, an int seed or a numpy", entropy_of, rng)
