"""NumPy files, text and Parquet: what is particular to each; paths."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal
from pyarrow import parquet

from dmtest.data.load import load, read
from dmtest.data.readers.columns import EXACT
from dmtest.data.readers.formats import FORMATS
from dmtest.data.sample import as_sample
from dmtest.errors import InputError
from tests.data.test_kinds import refusal
from tests.support.file_kinds import KINDS, Payload

X = np.random.default_rng(5).normal(size=(12, 3))
# What needs no optional library, by suffix: test_kinds.py has what all kinds have in common.
CORE = {
    suffix: KINDS[row.name].save
    for row in FORMATS
    if row.name in ("npy", "npz", "csv", "tsv", "parquet")
    for suffix in row.suffixes
}
BINARY = [suffix for suffix in CORE if suffix not in (".csv", ".tsv")]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def codes(loaded: Any) -> list[str]:
    return [finding.code for finding in loaded.findings]


# Damage and wrong columns


@pytest.mark.parametrize("suffix", BINARY)
@pytest.mark.parametrize("keep", [0.01, 0.3, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, keep: float) -> None:
    path = tmp_path / f"data{suffix}"
    CORE[suffix](path, {"embeddings": X})
    raw = path.read_bytes()
    path.write_bytes(raw[: int(keep * len(raw)) + 1])
    assert re.search(r": cannot be read as | are there, so it is truncated", refusal(path))


@pytest.mark.parametrize("suffix", BINARY)
def test_other_content_is_refused(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"data{suffix}", b"hello, this is no such thing\n" * 20)
    assert "corrupt or misnamed" in refusal(path)


@pytest.mark.parametrize("suffix", CORE)
@pytest.mark.parametrize("columns", [3, -1, True, 1.5, [], [0, 0], ["nope"], [None], [7, 0]])
def test_wrong_columns_are_named(tmp_path: Path, suffix: str, columns: Any) -> None:
    path = tmp_path / f"data{suffix}"
    CORE[suffix](path, {"embeddings": X})
    sentence = refusal(path, columns=columns)
    assert sentence.startswith("columns: ")
    if columns == ["nope"]:
        assert "'nope'" in sentence
        assert ("no column names" if suffix in (".npy", ".npz") else "'x', 'y', 'z'") in sentence


# Paths


def test_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.npy")


def test_directory(tmp_path: Path) -> None:
    assert "directory" in refusal(tmp_path)


def test_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    sentence = refusal(write(tmp_path / "data.xyz", "1"))
    assert all(suffix in sentence for suffix in CORE)


@pytest.mark.parametrize("text", ["1,2\n3,4\n" * 2000, "~nobody-of-this-name/a.npy", "a\0.npy"])
def test_strings_that_are_no_paths(text: str) -> None:
    sentence = refusal(text)
    assert "no such file" in sentence
    assert len(sentence) < 500


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    np.save(tmp_path / "a.npy", X)
    monkeypatch.setattr(Path, "open", denied)
    assert "may not be read" in refusal(tmp_path / "a.npy")


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "a.npy", X)
    assert_array_equal(load("~/a.npy"), X)


# NumPy files


def test_npy_is_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    values = load(tmp_path / "a.npy")
    assert isinstance(values, np.memmap)
    assert not values.flags.writeable
    assert isinstance(load(tmp_path / "a.npy", columns=[0, 1]).base, np.memmap)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8", "?", "<f2"])
def test_npy_dtypes_and_orders(tmp_path: Path, order: Any, dtype: str) -> None:
    values = np.asarray(X > 0, dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", values)
    assert_array_equal(load(tmp_path / "a.npy"), values)
    assert load(tmp_path / "a.npy").dtype == np.dtype(dtype)


def test_npy_other_header_versions(tmp_path: Path) -> None:
    for version in ((1, 0), (2, 0), (3, 0)):
        with (tmp_path / "a.npy").open("wb") as stream:
            np.lib.format.write_array(stream, X, version=version)
        assert_array_equal(load(tmp_path / "a.npy"), X)


@pytest.mark.parametrize("name", ["objects.npy", "bare.npy", "objects.npz", "bare.npz"])
def test_pickles_are_refused_and_not_run(tmp_path: Path, name: str) -> None:
    trap, path = tmp_path / "executed", tmp_path / name
    objects = np.array([Payload(trap)] * 9, dtype=object)
    if name == "objects.npy":
        np.save(path, objects)
    elif name == "objects.npz":
        np.savez(path, a=objects)
    elif name == "bare.npy":
        write(path, pickle.dumps(Payload(trap)))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", pickle.dumps(Payload(trap)))
    sentence = refusal(path)
    assert all(word in sentence for word in ("run any code", "np.save", "numeric dtype")), sentence
    assert not trap.exists()
    with pytest.raises(InputError):
        as_sample(path)
    assert not trap.exists()


def test_a_text_pickle_is_not_run_either(tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    for suffix in (".npy", ".npz", ".parquet", ".csv"):
        with pytest.raises(InputError):
            as_sample(write(tmp_path / f"a{suffix}", pickle.dumps(Payload(trap), protocol=0)))
    assert not trap.exists()


def test_archive_with_one_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", only=X)
    assert read(tmp_path / "a.npz").findings == ()
    assert_array_equal(load(tmp_path / "a.npz", key="only"), X)


def test_archive_prefers_embeddings_and_says_so(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=np.arange(12), embeddings=X, augmented=X + 1)
    loaded = read(tmp_path / "a.npz")
    assert_array_equal(loaded.array, X)
    assert codes(loaded) == ["archive-key"]
    assert "'embeddings' was read" in loaded.findings[0].message
    assert "'labels' (12,)" in loaded.findings[0].message
    chosen = read(tmp_path / "a.npz", key="augmented")
    assert_array_equal(chosen.array, X + 1)
    assert chosen.findings == ()


def test_archive_without_a_choice_lists_shapes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=X, second=X[:4])
    sentence = refusal(tmp_path / "a.npz")
    assert all(word in sentence for word in ("'first' (12, 3)", "'second' (4, 3)", "key="))
    wrong = refusal(tmp_path / "a.npz", key="third")
    assert wrong.startswith("key: ")
    assert all(word in wrong for word in ("'third'", "'first'")), wrong


def test_archive_pickles_beside_the_chosen_array_do_no_harm(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", embeddings=X, words=np.array(["a", None], dtype=object))
    assert_array_equal(load(tmp_path / "a.npz"), X)
    assert "run any code" in refusal(tmp_path / "a.npz", key="words")


def test_archive_of_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz")
    assert "none" in refusal(tmp_path / "a.npz")


def test_archive_with_a_damaged_byte(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=X)
    raw = bytearray((tmp_path / "a.npz").read_bytes())
    raw[250] ^= 255
    assert "corrupt" in refusal(write(tmp_path / "a.npz", bytes(raw)))


def test_columns_of_a_vector(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(9.0))
    assert "shape (9,)" in refusal(tmp_path / "a.npy", columns=[0])


# Text


@pytest.mark.parametrize(
    ("text", "values", "names"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]], None),
        ("a,b\n1,2\n3,4", [[1, 2], [3, 4]], ("a", "b")),
        ("\ufeffa,b\r\n1,2\r\n3,4\r\n", [[1, 2], [3, 4]], ("a", "b")),
        ("\n\na,b\n1,2\n\n3,4\n", [[1, 2], [3, 4]], ("a", "b")),
        ('"a, or so","b\nc"\n1,2\n3,4\n', [[1, 2], [3, 4]], ("a, or so", "b\nc")),
        ("a,b\n1,\nNA,4\n", [[1, np.nan], [np.nan, 4]], ("a", "b")),
        ("1,\n3,4\n", [[1, np.nan], [3, 4]], None),
        ("x,y\n1, NA\n ,4\n", [[1, np.nan], [np.nan, 4]], ("x", "y")),
        ("1e5, 2\n-inf,NaN\n", [[1e5, 2], [-np.inf, np.nan]], None),
        ("+1,2\n3,+4e0\n", [[1, 2], [3, 4]], None),
        ('"a\nb",c\n+1,2\n\n3,+4e0\n', [[1, 2], [3, 4]], ("a\nb", "c")),
        ('"1","2"\n"3","4"\n', [[1, 2], [3, 4]], None),
        ("a\n1\n2\n", [[1], [2]], ("a",)),
        ("0,1\n0.5,1\n", [[0.5, 1]], ("0", "1")),
        ("0,1\n1,0\n", [[0, 1], [1, 0]], None),
    ],
)
def test_csv(tmp_path: Path, text: str, values: Any, names: Any) -> None:
    loaded = read(write(tmp_path / "a.csv", text))
    assert_array_equal(loaded.array, values)
    assert (loaded.array.dtype, loaded.names) == (np.float64, names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y,z\n", ["no rows below the header"]),
        ("x,y\n1,2\n3,cat\n4,dog\n", ["column 'y'", "'cat'", "line 3", "columns="]),
        ("1,2\n3,cat\n", ["column 1", "'cat'", "line 2", "columns="]),
        ("x,y\n1,True\n", ["column 'y'", "'True'", "line 2"]),
        ("x,y\n1,2\n1_0,2\n", ["column 'x'", "'1_0'", "line 3"]),
        ("x,y\n1,2\n3\n", ["line 3 has 1 cells", "first line has 2"]),
        ("x,y\n\n1,2\n3,4,5\n", ["line 4 has 3 cells"]),
        ("x;y\n1;2\n3,5;4.5\n", ["'4.5'", "line 3", "decimal commas", "one way"]),
        ("x  y\n1  2\n3 4\n", ["' '", "save them"]),
        ("1\t2;3\n4\t5;6\n", ["line 2"]),
        ("x;y\n1;a\n3;b\n", ["'y'", "'a'", "columns=[0]"]),
        ("x,y\na,b\n", ["'x'", "'a'", "pass a file with a column of numbers"]),
    ],
)
def test_csv_refusals(tmp_path: Path, text: str, words: list[str]) -> None:
    sentence = refusal(write(tmp_path / "a.csv", text))
    assert all(word in sentence for word in words), sentence
    assert str(tmp_path / "a.csv") in sentence


STYLES = [
    ("x;y\n1,5;2\n-3,25;4e1\n", [[1.5, 2], [-3.25, 40]], "semicolons, and commas are"),
    ("1,5;2,5\n3;4\n", [[1.5, 2.5], [3, 4]], "semicolons, and commas are"),
    ("x;y\n1.5;2\n3;NA\n", [[1.5, 2], [3, np.nan]], "semicolons."),
    ("x;y\n1.234,5;2,0\n1;,5\n", [[1234.5, 2], [1, 0.5]], "semicolons, and commas are"),
    ("x|y\n1|2\n", [[1, 2]], "bars"),
    ("x y\n1 2\n", [[1, 2]], "spaces"),
    ("1\t2,5\n", [[1, 2.5]], "tabs, and commas are"),
    # A comma separates cells wherever both readings give numbers.
    ("1,5\n2,5\n", [[1, 5], [2, 5]], ""),
    ("a,b;c\n1,2\n", [[1, 2]], ""),
]


@pytest.mark.parametrize(("text", "values", "said"), STYLES)
def test_first_lines_tell_how_a_table_is_written(
    tmp_path: Path, text: str, values: Any, said: str
) -> None:
    loaded = read(write(tmp_path / "a.csv", text))
    assert_array_equal(loaded.array, values)
    assert [one.code for one in loaded.findings] == (["delimiter"] if said else [])
    assert all(said in one.message for one in loaded.findings)


def test_a_decimal_comma_below_the_first_lines(tmp_path: Path) -> None:
    text = "x;y\n" + "1;2\n" * 500 + "3,5;4\n"
    assert load(write(tmp_path / "a.csv", text))[-1].tolist() == [3.5, 4.0]
    assert load(write(tmp_path / "a.tsv", text.replace(";", "\t")))[-1].tolist() == [3.5, 4.0]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_pandas_tables_of_every_style(tmp_path: Path, delimiter: str, decimal: str) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    path = tmp_path / "a.csv"
    frame.to_csv(path, sep=delimiter, decimal=decimal, index=False)
    loaded = read(path)
    assert loaded.names == ("a", "b", "c")
    assert np.allclose(loaded.array, X, rtol=1e-12)
    frame.to_csv(path, sep=delimiter, decimal=decimal)  # with its index
    assert np.allclose(load(path), X, rtol=1e-12)


def test_a_given_delimiter_decides(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "1:2\n3:4,5\n")
    assert_array_equal(load(path, delimiter=":"), [[1, 2], [3, 4.5]])
    assert_array_equal(load(write(tmp_path / "b.csv", "1\t2\n"), delimiter="tab"), [[1, 2]])
    for bad in ("", ";;", "a", "5", "."):
        with pytest.raises(InputError, match=r"delimiter: got .* such as ';', or 'tab'"):
            load(path, delimiter=bad)
    np.save(tmp_path / "a.npy", X)
    with pytest.raises(InputError, match=r"delimiter: .*a NumPy array and has none; leave it out"):
        load(tmp_path / "a.npy", delimiter=";")


def test_the_cure_of_a_text_column_works(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(name="x", d=1.0, note="y")
    path = tmp_path / "a.csv"
    frame.to_csv(path, index=False)
    assert "columns=[0, 1, 2, 4]," in refusal(path)
    assert load(path, columns=[0, 1, 2, 4]).shape == (12, 4)
    frame.drop(columns="d").to_csv(path, index=False)
    assert "columns=range(0, 3)," in refusal(path)
    assert load(path, columns=range(0, 3)).shape == (12, 3)
    with pytest.raises(InputError, match=r"passing columns=\['a', 'b', 'c', 'd'\], the"):
        as_sample(frame)


def test_csv_text_column_can_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'x,label,y\n1,"cat,\nor dog",2\n3,dog,4\n')
    assert_array_equal(load(path, columns=["x", "y"]), [[1, 2], [3, 4]])
    assert_array_equal(load(path, columns=[2]), [[2], [4]])


def test_csv_fault_far_down(tmp_path: Path) -> None:
    lines = ["1.5,2.5"] * 200_000
    lines[150_000] = "1.5,oops"
    assert "'oops' in line 150002" in refusal(write(tmp_path / "a.csv", "\n".join(["x,y", *lines])))


def test_csv_names_missing_and_repeated(tmp_path: Path) -> None:
    loaded = read(write(tmp_path / "a.csv", "x,,x\n1,2,3\n4,5,6\n"))
    assert (loaded.names, codes(loaded)) == (("x", "column_1", "x_2"), ["column-names"])
    assert loaded.findings[0].count == 2
    assert "column_1, x_2" in loaded.findings[0].message


def test_csv_saved_by_pandas(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=["x", "y", "z"])
    frame.to_csv(tmp_path / "a.csv")
    loaded = read(tmp_path / "a.csv")
    assert loaded.names == ("x", "y", "z")
    assert_array_equal(loaded.array, X)
    assert codes(loaded) == ["index-column"]
    pd.DataFrame(X).to_csv(tmp_path / "b.csv", index=False)
    assert_array_equal(load(tmp_path / "b.csv"), X)
    pd.DataFrame(X).to_csv(tmp_path / "c.csv")
    assert_array_equal(load(tmp_path / "c.csv"), X)
    assert_array_equal(load(tmp_path / "c.csv", columns=["0", "2"]), X[:, [0, 2]])


def test_csv_unnamed_column_that_is_no_index_stays(tmp_path: Path) -> None:
    loaded = read(write(tmp_path / "a.csv", ",x\n5,1\n6,2\n"))
    assert_array_equal(loaded.array, [[5, 1], [6, 2]])
    assert codes(loaded) == ["column-names"]


def test_long_lists_of_names_are_cut(tmp_path: Path) -> None:
    names = [f"feature{j}" for j in range(500)]
    path = write(tmp_path / "a.csv", ",".join(names) + "\n" + ",".join(["1.5"] * 500) + "\n")
    sentence = refusal(path, columns=["nope"])
    assert "(500 in all)" in sentence
    assert len(sentence) < 250


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=arrays.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4))))
def test_csv_round_trip(tmp_path: Path, x: Any) -> None:
    lines = [",".join(f"c{j}" for j in range(x.shape[1]))]
    lines += [",".join(map(repr, row)) for row in x.tolist()]
    assert_array_equal(load(write(tmp_path / "a.csv", "\n".join(lines))), x)


# Parquet


def save(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_parquet_types(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.parquet",
        f=pa.array([0.5, None], pa.float32()),
        i=pa.array([1, None], pa.int8()),
        b=pa.array([True, None]),
        d=pa.array([2, None], pa.decimal128(5, 2)),
        n=pa.nulls(2),
    )
    loaded = read(path)
    assert_array_equal(loaded.array, [[0.5, 1, 1, 2, np.nan], [np.nan] * 5])
    assert (loaded.array.dtype, loaded.names) == (np.float64, ("f", "i", "b", "d", "n"))
    assert all(word in loaded.dtype for word in ("float32", "int8"))


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("float32", "float32"), np.float32),
        (("float32", "float64"), np.float64),
        (("float32", "int8"), np.float64),
        (("float16", "float16"), np.float16),
        (("bool", "bool"), np.float64),
    ],
)
def test_parquet_dtype(tmp_path: Path, kinds: tuple[str, str], expected: Any) -> None:
    path = save(tmp_path / "a.parquet", a=np.zeros(9, kinds[0]), b=np.zeros(9, kinds[1]))
    assert load(path).dtype == expected


def test_parquet_half_precision_nulls(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", a=pa.array([np.float16(1), None], pa.float16()))
    assert_array_equal(load(path), [[1], [np.nan]])


def test_parquet_many_row_groups(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(10_000, 70)).astype(np.float32)
    frame = pd.DataFrame(x, columns=[f"c{j}" for j in range(70)])
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=999)
    assert_array_equal(load(tmp_path / "a.parquet"), x)


@pytest.mark.parametrize("size", [EXACT, -EXACT, 2**60 + 1])
def test_parquet_large_integers(tmp_path: Path, size: int) -> None:
    loaded = read(save(tmp_path / "a.parquet", a=[size, 1, None], b=[1.0, 2.0, 3.0]))
    assert (codes(loaded), loaded.findings[0].count) == (["rounded-integers"], 1)
    assert "'a'" in loaded.findings[0].message


@pytest.mark.parametrize(
    ("column", "word"),
    [
        (pa.array(["cat", "dog"]), "holds text, first 'cat' in row 0"),
        (pa.array([None, "dog"]), "holds text, first 'dog' in row 1"),
        (pa.array(["a", "b"]).dictionary_encode(), "holds categories"),
        (pa.array([1, 2], pa.timestamp("s")), "holds dates or times"),
        (pa.array([b"a", b"b"]), "holds values that are not numbers"),
        (pa.array([{"a": 1}, {"a": 2}]), "holds values that are not numbers"),
    ],
)
def test_parquet_without_numbers(tmp_path: Path, column: Any, word: str) -> None:
    path = save(tmp_path / "a.parquet", x=[1.0, 2.0], label=column)
    sentence = refusal(path)
    assert all(part in sentence for part in ("'label'", word, "columns=['x'],")), sentence
    assert_array_equal(load(path, columns=["x"]), [[1], [2]])


LISTS = [
    pa.list_(pa.float32()),
    pa.large_list(pa.float64()),
    pa.list_(pa.float32(), 3),
    pa.list_(pa.int16()),
]


@pytest.mark.parametrize("kind", LISTS, ids=str)
def test_parquet_embedding_column(tmp_path: Path, kind: Any) -> None:
    x = np.arange(36.0).reshape(12, 3)
    cells = pa.array(x.astype(int).tolist(), kind)
    path = save(tmp_path / "a.parquet", word=["w"] * 12, embedding=cells, size=np.arange(12.0))
    loaded = read(path)
    assert_array_equal(loaded.array, x)
    assert loaded.array.dtype == (np.float32 if kind.value_type == pa.float32() else np.float64)
    assert loaded.names is None
    assert codes(loaded) == ["embedding-column"]
    assert "'embedding'" in loaded.findings[0].message
    assert_array_equal(load(path, key="embedding"), x)
    assert_array_equal(load(path, columns=["embedding"]), x)
    assert_array_equal(load(path, columns=[2, 1]), x[:, [2, 1]])
    assert_array_equal(load(path, columns=["size"]), np.arange(12.0)[:, None])
    assert refusal(path, columns=["size", "embedding"]).startswith("columns: ")


@pytest.mark.parametrize("kind", LISTS, ids=str)
def test_parquet_missing_embedding_is_a_row_of_nan(tmp_path: Path, kind: Any) -> None:
    path = save(tmp_path / "a.parquet", e=pa.array([[1, 2, 3], None, [4, None, 6]], kind))
    assert_array_equal(load(path), [[1, 2, 3], [np.nan] * 3, [4, np.nan, 6]])


def test_parquet_ragged_embeddings(tmp_path: Path) -> None:
    sentence = refusal(save(tmp_path / "a.parquet", e=[None, [1.0, 2.0], [3.0]]))
    assert all(word in sentence for word in ("row 2", "1 values", "row 1 has 2")), sentence
    assert "empty" in refusal(save(tmp_path / "b.parquet", e=pa.array([[]], LISTS[0])))
    assert "text" in refusal(save(tmp_path / "c.parquet", e=[["a"], ["b"]]))


def test_parquet_several_embeddings(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", e=[[1.0], [2.0]], f=[[3.0], [4.0]])
    sentence = refusal(path)
    assert "'e', 'f'" in sentence
    assert_array_equal(load(path, key="f"), [[3], [4]])
    wrong = refusal(path, key="g")
    assert wrong.startswith("key: ")
    assert "'e', 'f'" in wrong


def test_parquet_index_is_not_data(tmp_path: Path) -> None:
    for name in (None, "id"):
        index = pd.Index([f"r{j}" for j in range(12)], name=name)
        frame = pd.DataFrame(X, columns=["x", "y", "z"], index=index)
        frame.to_parquet(tmp_path / "a.parquet")
        loaded = read(tmp_path / "a.parquet")
        assert_array_equal(loaded.array, X)
        assert codes(loaded) == ["index-column"]


def test_parquet_repeated_names(tmp_path: Path) -> None:
    table = pa.table([pa.array([1.0, 2.0]), pa.array([3.0, 4.0])], names=["a", "a"])
    parquet.write_table(table, tmp_path / "a.parquet")
    loaded = read(tmp_path / "a.parquet")
    assert loaded.names == ("a", "a_2")
    assert_array_equal(loaded.array, [[1, 3], [2, 4]])


def test_parquet_dotted_names(tmp_path: Path) -> None:
    path = save(tmp_path / "a.parquet", **{"a.b": [1.0, 2.0], "a": [3.0, 4.0]})
    assert_array_equal(load(path, columns=["a.b"]), [[1], [2]])
    assert_array_equal(load(path, columns=["a"]), [[3], [4]])


def test_parquet_without_rows_or_columns(tmp_path: Path) -> None:
    assert "no rows" in refusal(save(tmp_path / "a.parquet", a=pa.array([], pa.float64())))
    assert "no columns" in refusal(save(tmp_path / "b.parquet"))


def test_registry_rows_say_what_they_read() -> None:
    assert all(re.fullmatch(r"(an? |delimited|tab|word)[\w .,()-]+", row.note) for row in FORMATS)
