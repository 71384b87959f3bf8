"""Tests of training: left out without torch, and the same numbers on any machine with it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

# Reading data and scoring embeddings need none of them.
LIGHT = ("test_data.py", "test_downstream.py")
TRAINS = all(map(find_spec, ("lightning", "torch", "torchmetrics")))
if not TRAINS:
    modules = Path(__file__).parent.glob("test_*.py")
    collect_ignore = [path.name for path in modules if path.name not in LIGHT]


@pytest.fixture(autouse=True)
def torch_of_one_thread() -> Iterator[None]:
    """Seed torch's own generator; threads of small tensors mostly wait for each other."""
    if not TRAINS:
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)
