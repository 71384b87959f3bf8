"""Registry of the kinds of files, one row each. Code, messages and docs/files.md read it.

To add a kind, write its function in a module beside this one, a row here, and a row in
``tests/support/file_kinds.py``; then run ``python docs/make_files.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from typing import NamedTuple

from dmtest.data.readers.columns import Loaded
from dmtest.data.readers.extras import Extra
from dmtest.data.readers.kinds import arrow_files, zarr_store
from dmtest.data.readers.kinds.arrow import parquet_parts, read_parquet
from dmtest.data.readers.kinds.arrow_files import (
    arrow_parts,
    dataset_parts,
    read_arrow,
    read_dataset,
)
from dmtest.data.readers.kinds.hdf5 import h5ad_parts, hdf5_parts, read_h5ad, read_hdf5
from dmtest.data.readers.kinds.numpy_files import npy_parts, npz_parts, read_npy, read_npz
from dmtest.data.readers.kinds.safetensors_file import read_safetensors
from dmtest.data.readers.kinds.text import read_text, text_parts
from dmtest.data.readers.kinds.torch_file import read_torch
from dmtest.data.readers.kinds.vectors import read_bin, read_vecs
from dmtest.data.readers.kinds.word_vectors import read_word_text, read_words_binary
from dmtest.data.readers.kinds.zarr_store import read_zarr, zarr_parts
from dmtest.data.readers.parts import Parts
from dmtest.errors import InputError

NAMED, PLACED = "names or positions", "positions"
ARRAY = "the name of an array"
COLUMN = "a column of lists, a row in each"
H5PY = Extra("h5py", (3, 10))
# Older versions run code from a file in spite of weights_only=True: CVE-2025-32434, CVE-2026-24747.
TORCH = Extra("torch", (2, 10))


class Format(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    name : str
        Short unique name.
    suffixes : tuple of str
        Endings of the names of such files, in lower case.
    load : callable
        Reader of a path, with a key and columns; one of a table with `columns` by name takes
        `labels=`, the name of a column of any type to read instead.
    note : str
        Noun phrase for messages and the documentation, with its article.
    memory : str
        Part of the file that is read into memory.
    columns : str
        Meaning of `columns`.
    key : str
        Meaning of `key`; empty where there are no keys.
    needs : Extra or None
        Optional library that reads it.
    markers : tuple of str
        Files that identify a folder of this kind.
    delimited : bool
        Whether a character separates the cells; `load` then takes `delimiter=`.
    parts : callable or None
        Reader of the rows in parts, with the arguments of `load`; it returns None for arrays that
        it cannot read so. None for kinds that are read at once.
    """

    name: str
    suffixes: tuple[str, ...]
    load: Callable[..., Loaded]
    note: str
    memory: str
    columns: str = PLACED
    key: str = ""
    needs: Extra | None = None
    markers: tuple[str, ...] = ()
    delimited: bool = False
    parts: Callable[..., Parts | None] | None = None


TABLE = "the columns chosen"
ALL = "all"
MAPPED = "mapped"

FORMATS = (
    Format("npy", (".npy",), read_npy, "a NumPy array", MAPPED, parts=npy_parts),
    Format(
        "npz",
        (".npz",),
        read_npz,
        "a NumPy archive",
        "the array chosen",
        key=ARRAY,
        parts=npz_parts,
    ),
    Format(
        "csv",
        (".csv", ".csv.gz"),
        read_text,
        "delimited text",
        TABLE,
        NAMED,
        delimited=True,
        parts=text_parts,
    ),
    Format(
        "tsv",
        (".tsv", ".tsv.gz"),
        partial(read_text, usual="\t"),
        "tab-separated text",
        TABLE,
        NAMED,
        delimited=True,
        parts=partial(text_parts, usual="\t"),
    ),
    Format(
        "parquet",
        (".parquet",),
        read_parquet,
        "a Parquet table",
        TABLE,
        NAMED,
        COLUMN,
        parts=parquet_parts,
    ),
    Format(
        "arrow",
        (".arrow", ".feather", ".ipc"),
        read_arrow,
        "an Arrow table (also Feather 2)",
        "mapped; tables of columns are put together",
        NAMED,
        COLUMN,
        parts=arrow_parts,
    ),
    Format(
        "dataset",
        (),
        read_dataset,
        "a folder of Hugging Face datasets",
        "mapped; shards are put together",
        NAMED,
        "a column of lists, SPLIT or SPLIT/COLUMN",
        markers=arrow_files.MARKERS,
        parts=dataset_parts,
    ),
    Format(
        "hdf5",
        (".h5", ".hdf5"),
        read_hdf5,
        "an HDF5 file",
        "mapped if contiguous, or else the columns from the first to the last chosen",
        key=ARRAY,
        needs=H5PY,
        parts=hdf5_parts,
    ),
    Format(
        "h5ad",
        (".h5ad",),
        read_h5ad,
        "an AnnData file",
        "as HDF5",
        "positions; genes of X and of layers",
        "X, or an array of obsm or layers",
        H5PY,
        parts=h5ad_parts,
    ),
    Format(
        "zarr",
        (".zarr", ".zarr.zip"),
        read_zarr,
        "a Zarr store",
        "the columns from the first to the last chosen",
        key=ARRAY,
        needs=Extra("zarr", (3, 0, 8)),
        markers=zarr_store.MARKERS,
        parts=zarr_parts,
    ),
    Format(
        "safetensors",
        (".safetensors",),
        read_safetensors,
        "a safetensors file",
        "mapped; bfloat16 becomes float32",
        key="the name of a tensor",
        needs=Extra("safetensors", (0, 4)),
    ),
    Format(
        "torch",
        (".pt", ".pth"),
        read_torch,
        "a file of torch.save with tensors alone",
        "mapped; bfloat16 becomes float32",
        key="the name of a tensor, levels joined by /",
        needs=TORCH,
    ),
    Format("vecs", (".fvecs", ".ivecs", ".bvecs"), read_vecs, "a file of texmex vectors", MAPPED),
    Format(
        "bin",
        (".fbin", ".ibin", ".u8bin", ".i8bin"),
        read_bin,
        "a big-ann file of vectors",
        MAPPED,
    ),
    Format(
        "words",
        (".vec", ".txt", ".vec.gz", ".txt.gz"),
        read_word_text,
        "word vectors as text (word2vec, fastText, GloVe)",
        ALL,
    ),
    Format("word2vec", (".bin",), read_words_binary, "a binary word2vec file", ALL),
)


def identify(name: str, members: Set[str] | None, where: str) -> Format:
    """Return the kind of a file, by its suffix, or of a folder, by its members.

    Parameters
    ----------
    name : str
        Name of the file or folder.
    members : set of str or None
        Names in the folder; None for a file.
    where : str
        Name for the error message if the kind is unknown.
    """
    row = by_suffix(name)
    if members is None and row is None:
        known = ", ".join(suffix for row in FORMATS for suffix in row.suffixes)
        raise InputError(f"{where}: unknown kind of file; save it as one of {known}")
    if members is not None and not (row and row.markers):
        row = next((row for row in FORMATS if not members.isdisjoint(row.markers)), None)
    if row is None:
        raise InputError(
            f"{where}: this is a directory, neither a Zarr store nor one of Hugging Face datasets; "
            "pass one file"
        )
    return row


def by_suffix(name: str) -> Format | None:
    """Return the kind of a file by its suffix, or None."""
    rows = (row for row in FORMATS if row.suffixes and name.lower().endswith(row.suffixes))
    return next(rows, None)
