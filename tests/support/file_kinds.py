"""How to write a sound, a damaged and a hostile file of every kind that dmtest reads.

One row a kind; ``tests/data/test_kinds.py`` runs all of them through the same tests.
"""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import feather, ipc, parquet

X = np.random.default_rng(5).normal(size=(40, 3)).astype(np.float32)
NAMES = ("x", "y", "z")


class Payload:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def pickled(trap: Path) -> bytes:
    """Return a pickle that creates a folder when it is read."""
    return pickle.dumps(Payload(trap))


@dataclass(frozen=True)
class Kind:
    """Files of one kind.

    Attributes
    ----------
    save : callable
        Write arrays under their names; kinds that hold one array get one.
    hostile : callable
        Write a file that holds a pickle, whose code creates the folder that is given.
    words : str
        What the refusal of the hostile file says.
    cut : callable
        Shorten a file, as an interrupted copy does.
    break_ : callable
        Damage a file where it can be noticed.
    """

    save: Callable[[Path, dict[str, np.ndarray]], None]
    hostile: Callable[[Path, Path], None]
    words: str
    cut: Callable[[Path], None]
    break_: Callable[[Path], None]


def keep(share: float) -> Callable[[Path], None]:
    """Return what keeps the first part of a file."""

    def cut(path: Path) -> None:
        raw = path.read_bytes()
        path.write_bytes(raw[: int(share * len(raw))])

    return cut


def drop(count: int) -> Callable[[Path], None]:
    """Return what leaves out the last bytes of a file."""

    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-count])

    return cut


def overwrite(start: int, new: bytes) -> Callable[[Path], None]:
    """Return what puts other bytes at a place."""

    def damage(path: Path) -> None:
        raw = bytearray(path.read_bytes())
        place = start % len(raw)
        raw[place : place + len(new)] = new
        path.write_bytes(raw)

    return damage


def bare(path: Path, trap: Path) -> None:
    """Write a pickle and nothing else."""
    path.write_bytes(pickled(trap))


def zipped(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what damages the text inside of a .gz file, or a text file."""

    def both(path: Path) -> None:
        if path.suffix.lower() != ".gz":
            damage(path)
            return
        path.write_bytes(gzip.decompress(path.read_bytes()))
        damage(path)
        path.write_bytes(gzip.compress(path.read_bytes()))

    return both


def put(path: Path, raw: bytes) -> None:
    """Write bytes, compressed where the name says so."""
    path.write_bytes(gzip.compress(raw) if path.name.lower().endswith(".gz") else raw)


def one(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return the only array."""
    (values,) = arrays.values()
    return values


def save_npy(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """NumPy array."""
    with path.open("wb") as stream:  # a name would get a suffix
        np.save(stream, one(arrays))


def hostile_npy(path: Path, trap: Path) -> None:
    """NumPy array of objects."""
    with path.open("wb") as stream:  # a name would get a suffix
        np.save(stream, np.array([Payload(trap)] * 9, dtype=object))


def save_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """NumPy archive."""
    with path.open("wb") as stream:  # a name would get a suffix
        np.savez(stream, **arrays)


def hostile_npz(path: Path, trap: Path) -> None:
    """NumPy archive of objects."""
    with path.open("wb") as stream:  # a name would get a suffix
        np.savez(stream, embeddings=np.array([Payload(trap)] * 9, dtype=object))


def save_text(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Delimited text."""
    tab = "\t" if ".tsv" in path.name.lower() else ","
    frame = pd.DataFrame(one(arrays), columns=NAMES[: one(arrays).shape[1]])
    put(path, frame.to_csv(sep=tab, index=False).encode())


def table(arrays: dict[str, np.ndarray]) -> pa.Table:
    """Columns of an array, or a column of lists for each of several."""
    if len(arrays) == 1:
        return pa.table({name: one(arrays)[:, j] for j, name in enumerate(NAMES)})
    return pa.table({name: list(values) for name, values in arrays.items()})


def save_parquet(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Parquet table."""
    parquet.write_table(table(arrays), path)


class Registered(pa.ExtensionType):
    """Marked as the extension type whose metadata old pyarrow unpickled."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        super().__init__(pa.float32(), "arrow.py_extension_type")

    def __arrow_ext_serialize__(self) -> bytes:
        return self.raw


def objects(trap: Path) -> pa.Table:
    """Put a pickle into the metadata of an extension type, and pickles into a column."""
    values = pa.ExtensionArray.from_storage(Registered(pickled(trap)), pa.array([1.0] * 9, "f4"))
    return pa.table({"a": values, "b": [pickled(trap)] * 9})


def hostile_parquet(path: Path, trap: Path) -> None:
    """Parquet table with pickles."""
    parquet.write_table(objects(trap), path)


def save_arrow(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrow file, random access or stream."""
    if path.suffix.lower() == ".feather":
        feather.write_feather(table(arrays), path)
        return
    opened = ipc.new_stream if path.suffix.lower() == ".ipc" else ipc.new_file
    with path.open("wb") as raw, opened(raw, table(arrays).schema) as writer:
        writer.write_table(table(arrays))


def hostile_arrow(path: Path, trap: Path) -> None:
    """Arrow file with pickles."""
    with path.open("wb") as raw, ipc.new_stream(raw, objects(trap).schema) as writer:
        writer.write_table(objects(trap))


def break_schema(path: Path) -> None:
    """Damage the schema that counts: the one at the end, or at the start of a stream."""
    overwrite(8 if path.suffix.lower() == ".ipc" else -40, b"\xff" * 34)(path)


def save_dataset(path: Path, arrays: dict[str, np.ndarray], shards: int = 2) -> None:
    """Write what `datasets` does; its own files are in tests/references/files."""
    path.mkdir()
    whole, names = table(arrays), []
    for j in range(shards):
        names.append(f"data-{j:05}-of-{shards:05}.arrow")
        part = whole.slice(j * len(whole) // shards, (j + 1) * len(whole) // shards)
        part = part.slice(0, (j + 1) * len(whole) // shards - j * len(whole) // shards)
        with ipc.new_stream(path / names[-1], whole.schema) as writer:
            writer.write_table(part)
    state = {"_data_files": [{"filename": name} for name in names], "_format_columns": None}
    (path / "state.json").write_text(json.dumps(state))


def hostile_dataset(path: Path, trap: Path) -> None:
    """Hugging Face dataset with pickles."""
    save_dataset(path, {"x": X})
    hostile_arrow(path / "data-00000-of-00002.arrow", trap)
    (path / "data-00000-of-00002.arrow").rename(path / "data.arrow")
    (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))


def inside(name: str, damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what damages one file of a folder, or of a zip file."""

    def apply(path: Path) -> None:
        folder = path
        if path.is_file():
            folder = path.with_name("unzipped")
            zipfile.ZipFile(path).extractall(folder)
        (first, *_) = sorted(folder.glob(name))
        damage(first)
        if path.is_file():
            pack(folder, path)

    return apply


def pack(folder: Path, path: Path) -> None:
    """Put the files of a folder into a zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    shutil.rmtree(folder)


def save_hdf5(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """HDF5 file; the first array lies in one piece, the others in chunks."""
    import h5py

    with h5py.File(path, "w") as file:
        for j, (name, values) in enumerate(arrays.items()):
            file.create_dataset(name, data=values, **({"compression": "gzip"} if j else {}))


def hostile_hdf5(path: Path, trap: Path) -> None:
    """HDF5 dataset of pickled objects."""
    import h5py

    with h5py.File(path, "w") as file:
        kind = h5py.vlen_dtype(np.uint8)
        values = file.create_dataset("obsm/embeddings", (9,), dtype=kind)
        for j in range(9):
            values[j] = np.frombuffer(pickled(trap), np.uint8)


def save_h5ad(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """AnnData file; anndata's own are in tests/references/files."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["encoding-type"] = "anndata"
        for name, values in arrays.items():
            file.create_dataset(f"obsm/{name}", data=values)


def save_zarr(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Zarr store, in a folder or a zip file; the first array in shards."""
    import zarr

    folder = path.with_name("unpacked.zarr") if path.suffix.lower() == ".zip" else path
    group = zarr.open_group(folder, mode="w")
    for j, (name, values) in enumerate(arrays.items()):
        # zarr 3.0.8 takes no data here.
        shape, shards = np.shape(values), None if j else (20, 3)
        made = group.create_array(
            name, shape=shape, dtype=values.dtype, chunks=(10, 3), shards=shards
        )
        made[:] = values
    if folder != path:
        pack(folder, path)


def hostile_zarr(path: Path, trap: Path) -> None:
    """Zarr 2 array whose codec unpickles."""
    folder = path.with_name("unpacked.zarr") if path.suffix.lower() == ".zip" else path
    place = folder / "embeddings"
    place.mkdir(parents=True)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    about = {"zarr_format": 2, "shape": [9, 3], "chunks": [9, 3], "dtype": "<f4"}
    about |= {"order": "C", "fill_value": 0, "compressor": None}
    about |= {"filters": [{"id": "pickle", "protocol": 5}]}
    (place / ".zarray").write_text(json.dumps(about))
    (place / "0.0").write_bytes(pickled(trap))
    if folder != path:
        pack(folder, path)


def save_safetensors(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Safetensors."""
    from safetensors.numpy import save_file

    save_file(arrays, path)


def save_torch(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Tensors of torch."""
    import torch

    torch.save({name: torch.from_numpy(values) for name, values in arrays.items()}, path)


def hostile_torch(path: Path, trap: Path) -> None:
    """Object beside a tensor."""
    import torch

    torch.save({"embeddings": torch.zeros(9, 3), "extra": Payload(trap)}, path)


KINDS_OF_VECS = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "u1"}
KINDS_OF_BIN = {".fbin": "<f4", ".ibin": "<i4", ".u8bin": "u1", ".i8bin": "i1"}


def save_vecs(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Rows behind their lengths."""
    kind = KINDS_OF_VECS[path.suffix.lower()]
    d = np.int32(one(arrays).shape[1]).tobytes()
    path.write_bytes(b"".join(d + row.astype(kind).tobytes() for row in one(arrays)))


def save_bin(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Rows behind a header."""
    values = one(arrays).astype(KINDS_OF_BIN[path.suffix.lower()])
    path.write_bytes(np.array(values.shape, "<u4").tobytes() + values.tobytes())


def save_words(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Words and numbers as text; .vec has a header, .txt has none."""
    values = one(arrays)
    lines = [f"w{j} " + " ".join(map(repr, row)) for j, row in enumerate(values.tolist())]
    if ".vec" in path.name.lower():
        lines.insert(0, f"{len(values)} {values.shape[1]}")
    put(path, ("\n".join(lines) + "\n").encode())


def save_word2vec(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Words and numbers, binary."""
    n, d = one(arrays).shape
    rows = (f"w{j} ".encode() + row.tobytes() for j, row in enumerate(one(arrays)))
    path.write_bytes(f"{n} {d}\n".encode() + b"".join(rows))


TEXT = Kind(save_text, bare, "", zipped(drop(14)), zipped(overwrite(60, b"?!")))
ANY_CODE = "run any code"
KINDS = {
    "npy": Kind(save_npy, hostile_npy, ANY_CODE, keep(0.9), overwrite(0, b"\x92")),
    "npz": Kind(save_npz, hostile_npz, ANY_CODE, keep(0.9), overwrite(250, b"\x55\xaa" * 8)),
    "csv": TEXT,
    "tsv": TEXT,
    "parquet": Kind(
        save_parquet, hostile_parquet, "not numbers", keep(0.9), overwrite(-30, b"\xff" * 20)
    ),
    "arrow": Kind(save_arrow, hostile_arrow, "not numbers", keep(0.7), break_schema),
    "dataset": Kind(
        save_dataset,
        hostile_dataset,
        "not numbers",
        inside("*.arrow", drop(8)),
        inside("state.json", overwrite(3, b"\x00\x00\x00")),
    ),
    "hdf5": Kind(save_hdf5, hostile_hdf5, ANY_CODE, keep(0.9), overwrite(0, b"\x00" * 90)),
    "h5ad": Kind(save_h5ad, hostile_hdf5, ANY_CODE, keep(0.9), overwrite(0, b"\x00" * 90)),
    "zarr": Kind(
        save_zarr,
        hostile_zarr,
        ANY_CODE,
        inside("embeddings/c/0/0", keep(0.9)),
        inside("embeddings/zarr.json", overwrite(5, b"\x00\x00\x00")),
    ),
    "safetensors": Kind(save_safetensors, bare, "", drop(5), overwrite(8, b"\xff" * 12)),
    "torch": Kind(save_torch, hostile_torch, ANY_CODE, keep(0.9), overwrite(0, b"\x00" * 8)),
    "vecs": Kind(save_vecs, bare, "", drop(2), overwrite(-15, b"\xff" * 15)),
    "bin": Kind(save_bin, bare, "", drop(2), overwrite(0, b"\xff" * 3)),
    "words": Kind(save_words, bare, "", zipped(drop(25)), zipped(overwrite(60, b"?!?!"))),
    "word2vec": Kind(save_word2vec, bare, "", drop(5), overwrite(0, b"9999 3\n")),
}
