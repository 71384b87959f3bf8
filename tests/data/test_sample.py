"""The gate: what it accepts, what it refuses and what it says about the data."""

from __future__ import annotations

import dataclasses
import gzip
import pickle
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal

import dmtest
from dmtest.data import inspection as gate
from dmtest.data.sample import Sample, as_sample
from tests.support.calls import refused

RNG = np.random.default_rng(7)
X = RNG.normal(size=(20, 3))
NAMES = ("x", "y", "z")


def codes(sample: Sample) -> list[str]:
    return [finding.code for finding in sample.findings]


def finding(data: Any, code: str, **options: Any) -> Any:
    """Return the one finding with a code; check what every finding has in common."""
    (found,) = [found for found in as_sample(data, **options).findings if found.code == code]
    assert found.message.endswith(".")
    assert "\n" not in found.message
    return found


def refusal(data: Any, **options: Any) -> str:
    """Return the sentence that refuses data; check what every such sentence has in common."""
    sentence = refused(None, as_sample, data, **options)
    assert sentence.startswith(("data: ", "columns: ", "key: ", "nonfinite: "))
    assert "; " in sentence, "no cure"
    assert "\n" not in sentence
    return sentence


class HasArray:
    """An array of another library."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.values, dtype=dtype)


class HasDlpack:
    """A tensor of another library, on the cpu or not."""

    def __init__(self, values: Any, *, device: int = 1) -> None:
        self.values, self.device = values, device

    def __dlpack__(self, **options: Any) -> Any:
        if self.device != 1:
            raise BufferError("it is on a gpu")
        return self.values.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0


# What comes in comes out


ACCEPTED = {
    "array": X,
    "fortran": np.asfortranarray(X),
    "strided": np.repeat(X, 2, axis=0)[::2],
    "reversed": X[::-1].copy()[::-1],
    "read-only": np.frombuffer(X.tobytes()).reshape(X.shape),
    "big-endian": X.astype(">f8"),
    "matrix": X.view(np.matrix),
    "unmasked": np.ma.MaskedArray(X),
    "lists": X.tolist(),
    "tuples": tuple(map(tuple, X.tolist())),
    "list of arrays": list(X),
    "__array__": HasArray(X),
    "__dlpack__": HasDlpack(X),
    "pandas": pd.DataFrame(X),
    "pandas, named": pd.DataFrame(X, columns=NAMES),
    "pandas, index": pd.DataFrame(X, columns=NAMES, index=[f"row {j}" for j in range(20)]),
    "pandas, nullable": pd.DataFrame(X, columns=NAMES).astype("Float64"),
    "pandas, arrow": pd.DataFrame(X, columns=NAMES).astype("double[pyarrow]"),
    "pandas, lists": pd.Series(X.tolist()),
    "pandas, arrays": pd.DataFrame({"label": ["a"] * 20, "embedding": list(X)}),
    "polars": pl.DataFrame(X, schema=list(NAMES)),
    "polars, lists": pl.DataFrame({"e": X.tolist()}),
    "polars, arrays": pl.Series("e", X),
    "arrow": pa.table(dict(zip(NAMES, X.T, strict=True))),
    "arrow batch": pa.RecordBatch.from_arrays([pa.array(x) for x in X.T], names=list(NAMES)),
    "arrow, fixed lists": pa.table({"e": pa.FixedSizeListArray.from_arrays(X.ravel(), 3)}),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_values_survive(kind: str) -> None:
    sample = as_sample(ACCEPTED[kind])
    assert_array_equal(sample.x, X)
    assert type(sample.x) is np.ndarray
    assert sample.x.dtype == np.float64
    assert sample.x.dtype.isnative
    assert not sample.x.flags.writeable
    assert (sample.n, sample.d, sample.source) == (20, 3, None)
    named = any(word in kind for word in ("named", "index", "nullable", "arrow"))
    assert codes(sample) == (["embedding-column"] if kind == "pandas, arrays" else [])
    if named and "lists" not in kind:
        assert sample.names == NAMES


@pytest.mark.parametrize("kind", ACCEPTED)
def test_columns_pick_in_the_order_given(kind: str) -> None:
    assert_array_equal(as_sample(ACCEPTED[kind], columns=[2, 0]).x, X[:, [2, 0]])
    assert_array_equal(as_sample(ACCEPTED[kind], columns=1).x, X[:, [1]])
    assert refusal(ACCEPTED[kind], columns=[3]).startswith("columns: ")
    if as_sample(ACCEPTED[kind]).names == NAMES:
        chosen = as_sample(ACCEPTED[kind], columns=["z", "x"])
        assert_array_equal(chosen.x, X[:, [2, 0]])
        assert chosen.names == ("z", "x")
        assert "'x', 'y', 'z'" in refusal(ACCEPTED[kind], columns=["w"])


VECTORS = {
    "array": X[:, 0],
    "list": X[:, 0].tolist(),
    "pandas": pd.Series(X[:, 0], name="x"),
    "pandas, unnamed": pd.Series(X[:, 0]),
    "pandas index": pd.Index(X[:, 0]),
    "polars": pl.Series("x", X[:, 0]),
    "polars, unnamed": pl.Series(X[:, 0]),
    "arrow": pa.array(X[:, 0]),
    "arrow, chunked": pa.chunked_array([X[:9, 0], X[9:, 0]]),
}


@pytest.mark.parametrize("kind", VECTORS)
def test_a_vector_is_one_column(kind: str) -> None:
    sample = as_sample(VECTORS[kind])
    assert_array_equal(sample.x, X[:, :1])
    assert sample.names == (("x",) if kind in ("pandas", "polars") else None)


@settings(max_examples=60)
@given(
    x=arrays.arrays(
        st.sampled_from([np.float64, np.float32]),
        st.tuples(st.integers(8, 20), st.integers(1, 5)),
        elements=st.floats(-1e3, 1e3, width=32),
    )
)
def test_floats_are_unchanged_and_shared(x: Any) -> None:
    sample = as_sample(x)
    assert_array_equal(sample.x, x)
    assert sample.x.dtype == x.dtype
    assert np.shares_memory(sample.x, x)
    assert as_sample(sample) is sample


@settings(max_examples=60)
@given(
    x=arrays.arrays(
        np.float64,
        st.tuples(st.integers(8, 40), st.integers(1, 3)),
        elements=st.sampled_from([0.0, -0.0, 1.0, 1e9, np.nan, np.inf]),
    )
)
def test_rows_are_counted_right(x: Any) -> None:
    good = x[np.isfinite(x).all(axis=1)]
    if len(good) < 8:
        assert "8" in refusal(x, nonfinite="drop")
        return
    sample = as_sample(x, nonfinite="drop")
    counts = {found.code: found.count for found in sample.findings}
    assert_array_equal(sample.x, good)
    assert counts.get("nonfinite-rows", 0) == len(x) - len(good)
    assert counts.get("duplicate-rows", 0) == len(good) - len(np.unique(good + 0.0, axis=0))
    assert counts.get("constant-columns", 0) == (np.ptp(good, axis=0) == 0).sum()
    assert counts["integer-data"] == len(np.unique(good))


def test_columns_next_to_each_other_share_memory() -> None:
    assert np.shares_memory(as_sample(X, columns=[1, 2]).x, X)


def test_a_frame_is_read_row_after_row() -> None:
    """Frames keep columns, and the bits of sums depend on the order in memory."""
    read = as_sample(pd.DataFrame(X, columns=NAMES)).x
    assert read.flags.c_contiguous
    assert_array_equal(read, X)


def test_the_callers_array_stays_writable() -> None:
    x = X.copy()
    as_sample(x)
    assert x.flags.writeable


def test_a_sample_is_frozen_and_small_in_print() -> None:
    sample = as_sample(X)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.x = X  # type: ignore[misc]
    assert len(repr(sample)) < 200
    assert_array_equal(pickle.loads(pickle.dumps(sample)).x, X)
    assert "Sample already" in refusal(sample, columns=[0])


def test_unaligned_records() -> None:
    packed = np.zeros(20, dtype=[("flag", "i1"), ("value", "f8")])
    packed["value"] = X[:, 0]
    sample = as_sample(packed["value"])
    assert sample.x.flags.aligned
    assert_array_equal(sample.x[:, 0], X[:, 0])


# Files


def test_a_mapped_file_stays_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, RNG.normal(size=(300_000, 32)).astype(np.float32))
    tracemalloc.start()
    sample = as_sample(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * path.stat().st_size
    assert isinstance(sample.x.base, np.memmap)
    assert (sample.source, sample.dtype) == (str(path), "float32")
    mapped = np.load(path, mmap_mode="r")
    assert np.shares_memory(as_sample(mapped).x, mapped)


def test_files_pass_the_same_gate(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    lines = ["x,y,z", *(",".join(map(repr, row)) for row in X.tolist()), "1,,3"]
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    assert "1 of 21 rows is not finite (first: row 20, column 'y')" in refusal(path)
    sample = as_sample(str(path), nonfinite="drop")
    assert_array_equal(sample.x, X)
    assert (sample.names, sample.source, codes(sample)) == (NAMES, str(path), ["nonfinite-rows"])


def test_archive_findings_come_along(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", embeddings=X, sigma=0.1)
    assert codes(as_sample(tmp_path / "a.npz")) == ["archive-key"]
    assert "shape ()" in refusal(tmp_path / "a.npz", key="sigma")


# Types


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64", "uint64", "bool", ">i4"])
def test_integers(dtype: str) -> None:
    values = (np.arange(60).reshape(20, 3) % 7).astype(dtype)
    sample = as_sample(values)
    assert_array_equal(sample.x, values)
    assert (sample.x.dtype, sample.dtype) == (np.float64, np.dtype(dtype).name)
    found = finding(values, "integer-data")
    assert found.count == (2 if dtype == "bool" else 7)
    assert "continuous" in found.message


@pytest.mark.parametrize("step", [1, 3, 100_000])
@pytest.mark.parametrize("distinct", [5, 999, 1000, 5000])
def test_distinct_integers_are_counted_up_to_a_bound(distinct: int, step: int) -> None:
    values = (np.arange(20_000) % distinct) * float(step) - 50.0
    assert finding(values, "integer-data").count == min(distinct, gate.DISTINCT)


def test_one_fraction_makes_no_integers() -> None:
    values = np.arange(60.0).reshape(20, 3)
    values[-1, -1] += 0.5
    assert codes(as_sample(values)) == []


@pytest.mark.parametrize("data", [np.full(9, 2**53), np.full(9, -(2**60)), [2**62] * 9])
def test_integers_that_float64_cannot_hold(data: Any) -> None:
    assert finding(data, "rounded-integers").count == 9


def test_half_precision() -> None:
    sample = as_sample(X.astype(np.float16))
    assert (sample.x.dtype, sample.dtype) == (np.float32, "float16")
    assert_array_equal(sample.x, X.astype(np.float16))
    assert "float16" in finding(X.astype(">f2"), "low-precision").message
    frame = pd.DataFrame({"a": X[:, 0].astype(np.float16), "b": X[:, 1]})
    assert finding(pa.Table.from_pandas(frame), "low-precision")


def test_extended_precision() -> None:
    sample = as_sample(X.astype(np.longdouble))
    assert (sample.x.dtype, codes(sample)) == (np.float64, ["longdouble"])
    assert "not finite" in refusal(np.full(9, np.longdouble("1e400")))


REFUSED = {
    "objects": (X.astype(object), ["objects", "dtype=float"]),
    "ragged": ([[1.0, 2.0]] * 9 + [[1.0]], ["list", "rows differ in length", "equal length"]),
    "None in lists": ([[1.0, None]] * 9, ["objects", "dtype=float"]),
    "complex": (X + 1j, ["complex128", "x.real"]),
    "text": (X.astype(str), ["text", "astype(float)"]),
    "a list of text": (["a"] * 9, ["text"]),
    "bytes": (b"123456789", ["text"]),
    "dates": (np.arange(9).astype("M8[s]"), ["datetime64", "dates"]),
    "durations": (np.arange(9).astype("m8[s]"), ["timedelta64", "unit"]),
    "records": (np.zeros(9, dtype=[("a", float), ("b", float)]), ["structured_to_unstructured"]),
    "masked": (np.ma.masked_less(X, 0), ["masked", "filled"]),
    "a number": (3.0, ["float", "(n, d)"]),
    "a NumPy number": (np.float64(3), ["shape ()", "(n, d)"]),
    "3-D": (np.zeros((9, 2, 2)), ["(9, 2, 2)", "reshape(len(x), -1)"]),
    "no rows": (np.zeros((0, 3)), ["(0, 3)", "8"]),
    "no columns": (np.zeros((9, 0)), ["(9, 0)"]),
    "an empty list": ([], ["(0, 1)"]),
    "seven rows": (X[:7], ["7 rows", "8"]),
    "nothing": (None, ["NoneType"]),
    "a dict": ({"x": [1, 2]}, ["dict", "(n, d)"]),
    "a set": ({1, 2}, ["set"]),
    "a generator": ((row for row in X), ["generator"]),
    "a class": (np.float64, ["objects"]),
    "sparse": (scipy.sparse.csr_array(X), ["csr_array", "toarray()"]),
    "lazy": (pl.DataFrame(X).lazy(), ["LazyFrame", "collect()"]),
    "on a gpu": (HasDlpack(X, device=2), ["HasDlpack", "memory of this computer"]),
    "a pandas scalar": (pd.Timestamp("2020"), ["Timestamp"]),
    "too large": (np.geomspace(1, 1e200, 9), ["1e+200", "divide it by 1e200"]),
    "a frame without rows": (pd.DataFrame({"x": []}), ["8"]),
    "a frame without columns": (pd.DataFrame(index=range(9)), ["column"]),
    "a polars frame without rows": (pl.DataFrame({"x": []}), ["no rows"]),
}
if hasattr(np.dtypes, "StringDType"):  # from NumPy 2 on
    REFUSED["new text"] = (np.array(["a"] * 9, dtype=np.dtypes.StringDType()), ["text"])


@pytest.mark.parametrize("kind", REFUSED)
def test_refusals(kind: str) -> None:
    data, words = REFUSED[kind]
    sentence = refusal(data)
    assert all(word in sentence for word in words), sentence


BAD_COLUMNS: dict[str, tuple[Any, str]] = {
    "text": (["cat"] * 20, "text, first 'cat' in row 0"),
    "objects": ([object()] * 20, "not numbers"),
    "mixed": ([1, "a"] * 10, "not numbers"),
    "categories": (pd.Categorical(["a", "b"] * 10), "categories"),
    "dates": (pd.date_range("2020", periods=20), "dates"),
    "complex": (X[:, 0] + 1j, "not numbers"),
}


@pytest.mark.parametrize("kind", BAD_COLUMNS)
def test_frames_with_other_columns(kind: str) -> None:
    values, words = BAD_COLUMNS[kind]
    frame = pd.DataFrame(X, columns=NAMES).assign(extra=values)
    sentence = refusal(frame)
    assert all(word in sentence for word in ("column 'extra' holds", words)), sentence
    assert "passing columns=['x', 'y', 'z'], the columns that hold numbers" in sentence
    assert_array_equal(as_sample(frame, columns=["x", "y", "z"]).x, X)
    assert_array_equal(as_sample(frame, columns=["y", "x"]).x, X[:, [1, 0]])
    assert_array_equal(as_sample(frame, columns=[0, 2]).x, X[:, [0, 2]])


@pytest.mark.parametrize("kind", ["text", "categories", "dates", "objects"])
def test_polars_frames_with_other_columns(kind: str) -> None:
    extra = {
        "text": pl.Series(["cat"] * 20),
        "categories": pl.Series(["a", "b"] * 10, dtype=pl.Categorical),
        "dates": pl.Series([0] * 20, dtype=pl.Date),
        "objects": pl.Series([object()] * 20, dtype=pl.Object),
    }[kind]
    frame = pl.DataFrame(X, schema=list(NAMES)).with_columns(extra.alias("extra"))
    assert "extra" in refusal(frame)
    assert_array_equal(as_sample(frame, columns=["x", "z"]).x, X[:, [0, 2]])


def test_frames_of_several_types() -> None:
    frame = pd.DataFrame({"a": X[:, 0].astype("f4"), "b": np.arange(20), "c": [True, False] * 10})
    for data in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        sample = as_sample(data)
        assert_array_equal(sample.x, frame.to_numpy(dtype=float))
        assert sample.dtype == "bool, float32, int64"
    singles = frame[["a"]].assign(b=frame["a"])
    for data in (singles, pl.from_pandas(singles), pa.Table.from_pandas(singles)):
        assert as_sample(data).x.dtype == np.float32


def test_decimals() -> None:
    exact = np.arange(24).reshape(12, 2) / 4
    sample = as_sample(pd.DataFrame(exact).astype(object).map(Decimal))
    assert_array_equal(sample.x, exact)
    assert sample.dtype.startswith("decimal")


def test_nulls_are_missing_rows() -> None:
    column = [None, *X[1:, 0].tolist()]
    frames = (
        pd.DataFrame({"x": pd.array(column, dtype="Float64")}),
        pd.DataFrame({"x": pd.array([None, *range(19)], dtype="Int64")}),
        pl.DataFrame({"x": column}),
        pa.table({"x": column}),
    )
    for frame in frames:
        assert "first: row 0, column 'x'" in refusal(frame)
        assert finding(frame, "nonfinite-rows", nonfinite="drop").count == 1


def test_frames_with_repeated_names() -> None:
    for values in (X, X.astype(object)):
        sample = as_sample(pd.DataFrame(values, columns=["a", "a", ""]))
        assert (sample.names, codes(sample)) == (("a", "a_2", "column_2"), ["column-names"])


def test_key_is_for_files_and_tables() -> None:
    assert refusal(X, key="embeddings").startswith("key: ")
    frame = pd.DataFrame({"e": X.tolist(), "f": (X + 1).tolist()})
    assert "'e', 'f'" in refusal(frame)
    assert_array_equal(as_sample(frame, key="f").x, X + 1)


# Torch


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(X.copy())
    assert np.shares_memory(as_sample(tensor).x, tensor.numpy())
    assert as_sample(tensor).dtype == "float64"
    tensors = (
        tensor.clone().requires_grad_(),
        torch.nn.Parameter(tensor),
        tensor.T.contiguous().T,
        torch._neg_view(-tensor),
    )
    for other in tensors:
        assert_array_equal(as_sample(other).x, X)
    assert as_sample(tensor.float()).x.dtype == np.float32
    assert codes(as_sample(torch.arange(20))) == ["integer-data"]


def test_torch_low_precision() -> None:
    torch = pytest.importorskip("torch")
    for dtype in (torch.bfloat16, torch.float16, torch.float8_e4m3fn):
        tensor = torch.from_numpy(X).to(dtype)
        sample = as_sample(tensor)
        assert (sample.x.dtype, sample.dtype) == (np.float32, str(dtype).removeprefix("torch."))
        assert_array_equal(sample.x, tensor.float().numpy())
        assert sample.dtype in finding(tensor, "low-precision").message


def test_torch_refusals() -> None:
    torch = pytest.importorskip("torch")
    assert "to_dense()" in refusal(torch.eye(9).to_sparse())
    assert "meta" in refusal(torch.empty(9, 2, device="meta"))
    assert "complex" in refusal(torch.zeros(9, 2, dtype=torch.complex64))
    assert "(9, 2, 2)" in refusal(torch.zeros(9, 2, 2))


def test_tensors_on_a_device_are_fetched() -> None:
    class Tensor:
        """What the gate uses of a tensor that is on a gpu and requires a gradient."""

        dtype, layout, device = "torch.float32", "torch.strided", "cuda:0"

        def __init__(self) -> None:
            self.calls: list[str] = []

        def __getattr__(self, name: str) -> Any:
            self.calls.append(name)
            return lambda: X.astype(np.float32) if name == "numpy" else self

    Tensor.__module__ = "torch"
    tensor = Tensor()
    assert_array_equal(as_sample(tensor).x, X.astype(np.float32))
    calls = [name for name in tensor.calls if not name.startswith("_")]
    assert (calls[:2], calls[-1]) == (["detach", "cpu"], "numpy")


# What the data looks like


def test_nonfinite_rows_are_an_error_unless_dropped() -> None:
    x = RNG.normal(size=(500, 3))
    x[17, 1], x[20], x[499, 2] = np.nan, np.inf, -np.inf
    frame = pd.DataFrame(x, columns=["x1", "x2", "x3"])
    assert refusal(frame) == (
        "data: 3 of 500 rows are not finite (first: row 17, column 'x2'); "
        "pass nonfinite='drop' to test the others"
    )
    assert "column 1)" in refusal(x)
    sample = as_sample(x, nonfinite="drop")
    assert_array_equal(sample.x, x[np.isfinite(x).all(axis=1)])
    assert finding(x, "nonfinite-rows", nonfinite="drop").count == 3
    assert as_sample(X, nonfinite="drop").findings == ()
    assert np.shares_memory(as_sample(X, nonfinite="drop").x, X)


def test_nonfinite_rows_that_leave_too_few() -> None:
    x = X[:10].copy()
    x[:3, 0] = np.nan
    sentence = refusal(x, nonfinite="drop")
    assert all(word in sentence for word in ("3 of 10 rows", "at least 8")), sentence


@pytest.mark.parametrize("value", ["ignore", None, True])
def test_nonfinite_must_be_known(value: Any) -> None:
    sentence = refusal(X, nonfinite=value)
    assert all(word in sentence for word in (repr(value), "'error' or 'drop'")), sentence


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("rows", [100, 101, 7919])
def test_repeated_rows_are_found_across_chunks(
    monkeypatch: pytest.MonkeyPatch, rows: int, dtype: str, order: Any
) -> None:
    monkeypatch.setattr(gate, "CELLS", 50 * 13)  # 101 rows: the last chunk is a single row
    x = np.asarray(RNG.normal(size=(rows, 13)), dtype=dtype, order=order)
    assert codes(as_sample(x)) == []
    x[-1] = x[3]
    assert finding(x, "duplicate-rows").count == 1
    x[60:80] = x[1]
    assert finding(x, "duplicate-rows").count == 21


def test_rows_that_differ_in_the_last_bit_are_not_repeated() -> None:
    x = np.ones((50, 4)) + RNG.normal(size=(50, 1))
    y = x.copy()
    y[:, 2] = np.nextafter(y[:, 2], 10)
    assert "duplicate-rows" not in codes(as_sample(np.vstack([x, y])))
    wide = np.column_stack([np.full(50, 1e9), RNG.normal(size=50) * 1e-9])
    assert "duplicate-rows" not in codes(as_sample(wide))
    wide[10] = wide[20]
    assert finding(wide, "duplicate-rows").count == 1


def test_constant_columns() -> None:
    x = np.hstack([X, np.zeros((20, 12))])
    found = finding(x, "constant-columns")
    assert found.count == 12
    assert all(word in found.message for word in ("12 of 15", "x3 = 0, x4 = 0"))
    frame = pd.DataFrame(X, columns=NAMES).assign(bias=1.0)
    assert "'bias'" in finding(frame, "constant-columns").message


@pytest.mark.parametrize(("d", "few"), [(19, False), (20, True), (50, True)])
def test_few_rows(d: int, few: bool) -> None:
    x = RNG.normal(size=(20, d))
    assert codes(as_sample(x)) == (["few-rows"] if few else [])
    if few:
        found = finding(x, "few-rows")
        assert found.count == 20
        assert all(word in found.message for word in ("20 rows", f"{d} dimensions"))


def test_large_float32_becomes_float64() -> None:
    x = X.astype(np.float32)
    x[0, 0] = 1e18
    assert np.shares_memory(as_sample(x).x, x)
    x[0, 0] = -3e19
    sample = as_sample(x)
    assert sample.x.dtype == np.float64
    assert_array_equal(sample.x, x)
    assert np.isfinite(np.square(sample.x).sum())
    assert "3e+19" in finding(x, "large-values").message


def test_largest_float64_has_a_finite_sum_of_squares() -> None:
    x = RNG.normal(size=(30, 3)) * 1e30
    x[0, 0] = 0.999e39
    assert np.isfinite(np.square(as_sample(x).x).sum())


def test_findings_come_in_order_and_serialise() -> None:
    x = np.zeros((9, 10), dtype=np.int8)
    sample = as_sample(x)
    expected = ["constant-columns", "duplicate-rows", "few-rows", "integer-data"]
    assert codes(sample) == expected
    assert [found.to_dict()["code"] for found in sample.findings] == expected
    assert sample.findings[1].count == 8


def test_a_clean_sample_has_no_findings() -> None:
    assert as_sample(RNG.normal(size=(1000, 5))).findings == ()


@pytest.mark.parametrize(
    "function",
    [
        dmtest.report,
        dmtest.mean_pvalue,
        dmtest.kl_profile,
        dmtest.kl_decomposition,
        dmtest.worst_directions,
        dmtest.detectability,
        lambda x: dmtest.run_test(x, "energy"),
        lambda x: dmtest.compare(x, X),
        lambda x: dmtest.compare(X, x),
        lambda x: dmtest.report(X, augmented=x),
        lambda x: dmtest.check(x, max_kl=1.0),
        lambda x: dmtest.Monitor("normal").update(x),
    ],
)
def test_masked_cells_are_refused_wherever_rows_are_taken(function: Any) -> None:
    """With their number: numpy.asarray would count what the mask hides (field case G6)."""
    hidden = np.ma.array(X, mask=np.zeros(X.shape, dtype=bool))
    hidden[:3, 0] = np.ma.masked
    refused("3 cells are masked", function, hidden)
