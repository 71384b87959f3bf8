"""For all tests and doctests: a cache of their own, one thread a worker, the same numbers."""

from __future__ import annotations

import importlib.util
import os
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings

# A change is judged by the same examples every time and everywhere, whatever their speed.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")

# Under pytest-xdist the workers are the parallelism.
WORKER = "PYTEST_XDIST_WORKER" in os.environ
if WORKER:
    os.environ.setdefault("DMTEST_THREADS", "1")

# Made once, with packages that the tests do not need.
collect_ignore_glob = ["tests/references/*"]
# Without these the trainer cannot be imported, and its pages cannot run.
if not all(map(importlib.util.find_spec, ("lightning", "torch", "torchmetrics"))):
    collect_ignore_glob += ["dmtest/train/*", "docs/trainer.md", "docs/training.md"]
if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
    collect_ignore_glob += ["docs/huggingface.md"]
if importlib.util.find_spec("sphinx") is None:
    collect_ignore_glob += ["docs/*.py"]


@pytest.fixture(scope="session", autouse=True)
def nulls_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep null replicates in a temporary folder, which the workers share."""
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DMTEST_CACHE_DIR", str((folder.parent if WORKER else folder) / "nulls"))
        yield


@pytest.fixture(autouse=True)
def fresh_entropy() -> Iterator[None]:
    """Replace the system's entropy, which ``rng=None`` takes, by the same numbers in every run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.random.bit_generator, "randbits", random.Random(0).getrandbits)
        yield
