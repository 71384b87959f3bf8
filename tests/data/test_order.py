"""The order of rows and columns in memory changes no bit of a result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dmtest
from dmtest.data.sample import as_sample
from tests.support.calls import refused

pytestmark = pytest.mark.usefixtures("no_cache")

X = np.random.default_rng(3).standard_normal((1200, 9)) * 1.02 + 0.01
OTHER = np.random.default_rng(4).standard_normal((900, 9)) * 1.05
U = np.random.default_rng(5).uniform(size=(1200, 9))
Order = Callable[[np.ndarray], Any]
ORDERS: dict[str, Order] = {
    "columns": np.asfortranarray,
    "frame": lambda x: pd.DataFrame(np.asfortranarray(x), columns=[f"x{i}" for i in range(9)]),
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "every second column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "beside others": lambda x: np.hstack([x, x])[:, : x.shape[1]],
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
}
CALLS: dict[str, Callable[[Order], Any]] = {
    "report": lambda order: dmtest.report(order(X), rng=1),
    "report, float32": lambda order: dmtest.report(order(X.astype(np.float32)), rng=1),
    "any-normal": lambda order: dmtest.report(order(X), "any-normal", rng=1),
    "uniform": lambda order: dmtest.report(order(U), "uniform", rng=1),
    "groups": lambda order: dmtest.report(order(X), groups=np.arange(1200) // 4, rng=1),
    "compare": lambda order: dmtest.compare(order(X), order(OTHER), rng=1),
    "outliers": lambda order: dmtest.outliers(order(X), "normal"),
    "univariate": lambda order: dmtest.univariate(order(X)),
    "decomposition": lambda order: dmtest.kl_decomposition(order(X), rng=1),
    "one column": lambda order: dmtest.report(order(X[:, :1]), rng=1),
    "two columns": lambda order: dmtest.report(order(X[:, :2]), "any-normal", rng=1),
    "gaussian": lambda order: dmtest.information.gaussian(order(X)[:, :3], order(X)[:, 3:5]),
    "tests": lambda order: dmtest.run_tests(
        order(X), ["mean", "stein", "direction", "doornik-hansen"], "normal", replicates=19, rng=1
    ),
}


def content(result: Any) -> str:
    """Return all that a result holds, floats with all digits."""
    if isinstance(result, list):
        return json.dumps([content(one) for one in result])
    text = result.to_dict() if hasattr(result, "to_dict") else repr(result)
    if isinstance(text, dict):
        text.get("computed", {}).pop("seconds", None)
        text.get("computed", {}).pop("created", None)
    return json.dumps(text, default=str)


@pytest.mark.parametrize("name", CALLS)
def test_bits_do_not_depend_on_the_order_in_memory(name: str) -> None:
    plain = content(CALLS[name](np.ascontiguousarray))
    for order in ("columns", "every second column", "backwards", "beside others"):
        assert content(CALLS[name](ORDERS[order])) == plain, order


@pytest.mark.parametrize("order", ORDERS)
def test_rows_are_one_after_another(order: str) -> None:
    sample = as_sample(ORDERS[order](X))
    assert sample.x.strides[1] == 8
    assert sample.x.strides[0] >= 72
    assert not sample.x.flags.writeable


def test_files_in_either_order_are_one_sample(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", X)
    np.save(tmp_path / "columns.npy", np.asfortranarray(X))
    rows, columns = (as_sample(tmp_path / f"{name}.npy").x for name in ("rows", "columns"))
    assert isinstance(rows.base, np.memmap), "a file that holds whole rows stays mapped"
    assert columns.flags.c_contiguous
    assert columns.tobytes() == rows.tobytes()
    refused("memory", dmtest.load, tmp_path / "columns.npy", memory=1000)
    dmtest.load(tmp_path / "rows.npy", memory=1000)


def test_the_gap_between_rows_of_a_mapped_file_stays(tmp_path: Path) -> None:
    """Rows of .fvecs have a number in front of each: nothing is copied."""
    head = np.full((1200, 1), 9, dtype="<i4").view("<f4")
    np.hstack([head, X.astype("<f4")]).tofile(tmp_path / "x.fvecs")
    found = as_sample(tmp_path / "x.fvecs").x
    assert found.strides == (40, 4)
