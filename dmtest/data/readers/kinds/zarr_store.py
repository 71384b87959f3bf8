"""Zarr stores, version 2 and 3, in a folder or a zip file.

The metadata (JSON) is read first: an array is opened only if all of its codecs are known to
decode only numbers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dmtest.data.readers.choice import choose, only_numbers, take
from dmtest.data.readers.columns import Columns, Loaded, listing, positions
from dmtest.data.readers.guard import DamagedError, admit, once
from dmtest.data.readers.kinds.zarr_chunks import Files, account, as_shape
from dmtest.data.readers.parts import Parts, blocks_of, stacked
from dmtest.data.readers.zipped import sound_zip
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

ARRAYS = ("zarr.json", ".zarray")  # files that describe an array
MARKERS = ("zarr.json", ".zarray", ".zgroup")
LAYOUT = {"bytes", "endian", "sharding_indexed", "transpose"}
CHECKSUMS = {"adler32", "crc32", "crc32c", "fletcher32", "jenkins_lookup3"}
PACKING = {"blosc", "bz2", "gzip", "lz4", "lzma", "packbits", "pcodec", "zfpy", "zlib", "zstd"}
ROUNDING = {"astype", "bitround", "delta", "fixedscaleoffset", "quantize", "shuffle"}
PLAIN = LAYOUT | CHECKSUMS | PACKING | ROUNDING


def read_zarr(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read one array of a store, chunk by chunk."""
    found = _sound(path, key)
    with _opened(path, found) as array:
        values = take(array, columns, None, path, found.where)
    return Loaded(values, None, found.findings, str(path))


def zarr_parts(path: Path, key: str | None, columns: Columns | None) -> Parts | None:
    """Read the rows of one array in blocks of its chunks or shards."""
    found = _sound(path, key)
    with _opened(path, found) as array:
        shape, dtype = tuple(array.shape), np.dtype(array.dtype)
    if not stacked(shape) or dtype.kind not in "biuf":
        return None

    def chunks() -> Iterator[Loaded]:
        with _opened(path, found) as array:
            yield from blocks_of(array, columns, None, path, found.findings)

    width = shape[1] if columns is None else len(positions(columns, None, shape[1]))
    return Parts(chunks(), shape[0], width, dtype.itemsize)


class _Found(NamedTuple):
    """An array whose bytes are accounted for."""

    name: str
    where: str
    version: Any
    findings: tuple[Finding, ...]


def _sound(path: Path, key: str | None) -> _Found:
    """Return the array of a store that `key` selects; refuse what cannot be read."""
    with nullcontext() if path.is_dir() else sound_zip(path) as archive:
        files = Files.of(path, archive)
        arrays = dict(_arrays(files))
        shapes = {name: as_shape(about.get("shape")) for name, about in arrays.items()}
        name, findings = choose(shapes, key, str(path))
        where = f"{path}[{name!r}]" if name else str(path)
        about = arrays[name]
        _refuse_codecs(about, where)
        account(path, where, files, name, about)
    return _Found(name, where, about["zarr_format"], findings)


@contextmanager
def _opened(path: Path, found: _Found) -> Iterator[Any]:
    import zarr

    store: Any = path if path.is_dir() else zarr.storage.ZipStore(path, mode="r")
    try:
        array = zarr.open_array(store, path=found.name, mode="r", zarr_format=found.version)
        only_numbers(np.dtype(array.dtype), found.where)
        yield array
    finally:
        if not isinstance(store, Path):
            store.close()


def _arrays(files: Files) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and metadata of every array; refuse one that is described twice."""
    described = [file for file in files.sizes if file.rpartition("/")[2] in ARRAYS]
    names = [file.rpartition("/")[0] for file in described]
    admit(files.path, names=(os.path.normpath(f"/{name}") for name in names))
    for name, file in sorted(zip(names, described, strict=True)):
        try:
            about = json.loads(files.read(file), object_pairs_hook=once)
        except (UnicodeError, json.JSONDecodeError, RecursionError) as problem:
            raise DamagedError(f"the description of {name[:100]!r} is no JSON") from problem
        if not isinstance(about, dict):
            raise DamagedError(f"the description of {name[:100]!r} is no JSON object")
        if about.get("node_type", "array") == "array":
            yield name, about


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
