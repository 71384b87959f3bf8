"""Zarr stores, version 2 and 3, in a folder or a zip file.

The metadata (JSON) is read first: an array is opened only if all of its codecs are known to
decode only numbers.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dmtest.data.readers.choice import choose, only_numbers, take
from dmtest.data.readers.columns import Columns, Loaded, listing
from dmtest.errors import InputError

MARKERS = ("zarr.json", ".zarray", ".zgroup")
LAYOUT = {"bytes", "endian", "sharding_indexed", "transpose"}
CHECKSUMS = {"adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3"}
PACKING = {"blosc", "bz2", "gzip", "lz4", "lzma", "packbits", "pcodec", "zfpy", "zlib", "zstd"}
ROUNDING = {"astype", "bitround", "delta", "fixedscaleoffset", "quantize", "shuffle"}
PLAIN = LAYOUT | CHECKSUMS | PACKING | ROUNDING


def read_zarr(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read one array of a store, chunk by chunk."""
    import zarr

    arrays = dict(_arrays(path))
    shapes = {name: tuple(map(int, about["shape"])) for name, about in arrays.items()}
    name, findings = choose(shapes, key, str(path))
    where = f"{path}[{name!r}]" if name else str(path)
    about = arrays[name]
    _refuse_codecs(about, where)
    store: Any = path if path.is_dir() else zarr.storage.ZipStore(path, mode="r")
    try:
        array = zarr.open_array(store, path=name, mode="r", zarr_format=about["zarr_format"])
        only_numbers(np.dtype(array.dtype), where)
        missing = array.nchunks - array.nchunks_initialized
        if missing:
            raise InputError(
                f"{where}: {missing} of {array.nchunks} chunks are not there and would be read as "
                f"{array.fill_value}; copy the store again, or write it with "
                "config={'write_empty_chunks': True}"
            )
        return Loaded(take(array, columns, None, where), None, findings, str(path))
    finally:
        if not isinstance(store, Path):
            store.close()


def _arrays(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and metadata of every array."""
    for name, raw in _metadata(path):
        about = json.loads(raw)
        if not isinstance(about, dict):
            raise ValueError(f"the metadata of {name!r} are no JSON object")
        if about.get("node_type", "array") == "array":
            yield name, about


def _metadata(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of files that may describe an array; skip folders of chunks."""
    if path.is_dir():
        for folder, inner, files in os.walk(path):
            inner.sort()
            for file in {"zarr.json", ".zarray"} & set(files):
                name = Path(folder).relative_to(path).as_posix().removeprefix(".")
                raw = Path(folder, file).read_bytes()
                if b'"array"' in raw or file == ".zarray":
                    inner.clear()
                yield name, raw
        return
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.namelist()):
            name, _, file = member.rpartition("/")
            if file in ("zarr.json", ".zarray"):
                yield name, archive.read(member)


def _codecs(about: dict[str, Any]) -> Iterator[Any]:
    """Yield all codecs of an array, those inside shards included."""
    for place in ("codecs", "index_codecs", "filters"):
        for codec in about.get(place) or ():
            yield codec
            if isinstance(codec, dict) and isinstance(codec.get("configuration"), dict):
                yield from _codecs(codec["configuration"])
    if about.get("compressor"):
        yield about["compressor"]


def _refuse_codecs(about: dict[str, Any], where: str) -> None:
    names = []
    for codec in _codecs(about):
        label = codec.get("name", codec.get("id")) if isinstance(codec, dict) else codec
        names.append(str(label).removeprefix("numcodecs."))
    if strange := [name for name in names if name not in PLAIN]:
        raise InputError(
            f"{where}: holds pickled objects, text or an unknown encoding (codec "
            f"{listing(map(repr, strange))}), which are not read because decoding them may run "
            "any code; save the numbers with a numeric dtype"
        )
