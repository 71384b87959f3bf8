"""Memory that threads keep: never lent twice, never more than said."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import numpy as np
import pytest

from dmtest.runtime import memory
from dmtest.runtime.memory import scratch

DOUBLE = np.dtype(np.float64)


@pytest.fixture(autouse=True)
def nothing_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with threads that keep nothing, whatever other tests left to them."""
    monkeypatch.setattr(memory, "_spare", threading.local())


def test_borrowers_within_each_other_share_nothing() -> None:
    """What is borrowed is nobody else's until it is given back, then it is lent again."""
    with scratch(100, DOUBLE) as outer, scratch(50, np.dtype(np.float32)) as inner:
        outer[:], inner[:] = 1.0, 2.0
        assert not np.shares_memory(outer, inner)
        assert (outer == 1.0).all()
        assert (outer.dtype, outer.size, inner.dtype, inner.size) == (DOUBLE, 100, "float32", 50)
    with scratch(100, DOUBLE) as again:
        assert np.shares_memory(again, outer)


def test_given_back_after_an_error() -> None:
    """An error within the block loses nothing."""
    lent = []

    def fail() -> None:
        with scratch(200, DOUBLE) as space:
            lent.append(space)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with scratch(200, DOUBLE) as again:
        assert np.shares_memory(again, lent[0])


def test_threads_have_their_own() -> None:
    """A thread is never lent what another has."""
    shared = []

    def other(mine: np.ndarray) -> None:
        with scratch(100, DOUBLE) as space:
            shared.append(np.shares_memory(space, mine))

    with scratch(100, DOUBLE) as space:
        mine = space
    thread = threading.Thread(target=other, args=(mine,))
    thread.start()
    thread.join()
    assert shared == [False]


def test_little_is_kept() -> None:
    """A few pieces, none of them large."""
    with scratch(memory.BYTES // 8 + 1, DOUBLE):
        pass
    for depth in range(6):
        with ExitStack() as stack:
            for count in range(5):
                stack.enter_context(scratch(10 * count + depth, DOUBLE))
    pieces = memory._spare.pieces
    assert 1 <= len(pieces) <= memory.PIECES
    assert all(piece.nbytes <= memory.BYTES for piece in pieces)
