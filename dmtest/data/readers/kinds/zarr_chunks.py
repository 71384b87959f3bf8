"""Chunks and shards of Zarr arrays: all are there, none is left over, and they hold enough.

Zarr reads a chunk that is not there, or a hole in a shard, as the fill value.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmtest.data.readers.guard import DamagedError, admit
from dmtest.errors import InputError

CRC = "crc32c"
HOLE = 2**64 - 1  # offset and length of a chunk that a shard lacks
SIZES = {"float64": 8, "int64": 8, "uint64": 8, "complex64": 8, "complex128": 16}
SIZES |= {"float32": 4, "int32": 4, "uint32": 4, "float16": 2, "int16": 2, "uint16": 2}
SIZES |= {"bfloat16": 2, "int8": 1, "uint8": 1, "bool": 1}
DEFLATED = 1032  # largest ratio that deflate reaches
STREAMS: dict[str, Callable[[], Any]] = {"gzip": lambda: zlib.decompressobj(31)}
STREAMS |= {"zlib": zlib.decompressobj}


@dataclass(frozen=True)
class Files:
    """Names and sizes of the files of a store, in a folder or a zip file."""

    path: Path
    sizes: dict[str, int]
    archive: zipfile.ZipFile | None

    @classmethod
    def of(cls, path: Path, archive: zipfile.ZipFile | None) -> Files:
        """List a store."""
        if archive is not None:
            members = (one for one in archive.infolist() if not one.is_dir())
            return cls(path, {one.filename: one.file_size for one in members}, archive)
        found = {}
        for folder, _, names in os.walk(path):
            inner = Path(folder).relative_to(path).as_posix().removeprefix(".")
            for name in names:
                place = f"{inner}/{name}" if inner else name
                found[place] = os.stat(os.path.join(folder, name)).st_size
        return cls(path, found, None)

    def read(self, name: str, start: int = 0, count: int = -1) -> bytes:
        """Read a part of a file."""
        admit(self.path, needs=self.sizes[name], packed=True)
        if self.archive is not None:
            raw = self.archive.read(name)
            return raw[start:] if count < 0 else raw[start : start + count]
        with (self.path / name).open("rb") as stream:
            stream.seek(start)
            return stream.read(count)


@dataclass(frozen=True)
class _Grid:
    """Shape of an array, and how it is cut into files."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    itemsize: int | None
    codecs: list[dict[str, Any]]
    prefix: str
    separator: str

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of chunks along every axis."""
        return tuple(-(-n // step) for n, step in zip(self.shape, self.chunk, strict=True))

    @property
    def size(self) -> int | None:
        """Bytes of a chunk that is not compressed."""
        return None if self.itemsize is None else math.prod(self.chunk) * self.itemsize


def as_shape(value: Any, least: int = 0) -> tuple[int, ...]:
    """Return a list of whole numbers as a shape."""
    if not isinstance(value, list) or not all(type(one) is int and one >= least for one in value):
        raise DamagedError(f"{str(value)[:60]!r} is no shape")
    return tuple(value)


def account(path: Path, where: str, files: Files, name: str, about: dict[str, Any]) -> None:
    """Compare the grid of an array with the files that are there.

    Parameters
    ----------
    path : Path
    where : str
        Name of the array, for messages.
    files : Files
    name : str
        Name of the array in the store.
    about : dict
        Its description.
    """
    grid = _grid(about)
    home = f"{name}/" if name else ""
    home += f"{grid.prefix}{grid.separator}" if grid.prefix else ""
    if grid.itemsize is not None:
        whole = math.prod(grid.shape) * grid.itemsize
        # The largest piece is unpacked at once.
        admit(path, where=where, needs=max(whole, grid.size or 0), packed=True)
    shape = re.escape(grid.separator).join([r"(0|[1-9]\d*)"] * len(grid.shape)) or "(0)"
    pattern = re.compile(re.escape(home) + shape)
    chunks = [file for file in files.sizes if pattern.fullmatch(file)]
    counts = grid.counts
    total = math.prod(counts)
    if total > len(chunks):
        raise InputError(
            f"{where}: {total - len(chunks)} of {total} chunks are not there and would be read as "
            f"{about.get('fill_value')!s:.40}; copy the store again, or write it with "
            "config={'write_empty_chunks': True}"
        )
    admit(path, where=where, said=total, there=len(chunks), what="chunks")
    for place in itertools.product(*map(range, counts)):
        file = home + (grid.separator.join(map(str, place)) or "0")
        if file not in files.sizes:
            raise DamagedError(f"its chunk {file[:100]!r} is not there")
        _account_chunk(path, where, files, file, grid)


def _grid(about: dict[str, Any]) -> _Grid:
    shape = as_shape(about.get("shape"))
    if about.get("zarr_format") == 2:
        chunk = as_shape(about.get("chunks"), 1)
        separator = about.get("dimension_separator", ".")
        filters = about.get("filters") or []
        codecs = [*filters, about["compressor"]] if about.get("compressor") else list(filters)
        found = re.fullmatch(r"[<>|=]?[a-zA-Z](\d{1,3})", str(about.get("dtype")))
        itemsize = int(found[1]) if found else None
        prefix = ""
    else:
        inner = about.get("chunk_grid")
        if not isinstance(inner, dict) or inner.get("name") != "regular":
            raise DamagedError("its chunks form no regular grid")
        chunk = as_shape((inner.get("configuration") or {}).get("chunk_shape"), 1)
        names = about.get("chunk_key_encoding") or {}
        usual = names.get("name", "default") == "default"
        separator = (names.get("configuration") or {}).get("separator", "/" if usual else ".")
        prefix = "c" if usual else ""
        codecs = about.get("codecs") or []
        itemsize = SIZES.get(str(about.get("data_type")))
    if len(chunk) != len(shape) or separator not in ("/", "."):
        raise DamagedError("its chunks do not fit its shape")
    if not isinstance(codecs, list) or not all(isinstance(one, dict) for one in codecs):
        raise DamagedError("its codecs are no list of names")
    return _Grid(shape, chunk, itemsize, codecs, prefix, separator)


def _label(codec: dict[str, Any]) -> str:
    return str(codec.get("name", codec.get("id"))).removeprefix("numcodecs.")


def _account_chunk(path: Path, where: str, files: Files, file: str, grid: _Grid) -> None:
    stored, plain = files.sizes[file], grid.size
    last = _label(grid.codecs[-1]) if grid.codecs else ""
    if not stored:
        raise DamagedError(f"its chunk {file[:100]!r} is empty")
    if last == "sharding_indexed":
        _account_shard(path, where, files, file, grid)
        return
    if plain is None:
        return
    if all(_label(one) in ("bytes", "endian", "transpose") for one in grid.codecs):
        admit(path, where=f"{where}, chunk {file!r}", said=plain, there=stored)
    elif stored > 8 * plain + 4096:
        raise DamagedError(f"its chunk {file[:100]!r} is larger than what it holds")
    else:
        _unpacks_to(files, file, last, plain)


def _unpacks_to(files: Files, file: str, codec: str, most: int) -> None:
    """Refuse a chunk that is cut, or unpacks to more than the grid says, without unpacking it."""
    size, stored = None, files.sizes[file]
    if codec == "blosc":
        head = files.read(file, 0, 16)
        size = int.from_bytes(head[4:8], "little") if len(head) == 16 else None
        if size is None or int.from_bytes(head[12:16], "little") != stored:
            raise DamagedError(f"its chunk {file[:100]!r} is cut, or longer than it says")
    elif codec == "zstd":
        size, length = _zstd_frame(files.read(file))
        if length != stored:
            raise DamagedError(f"its chunk {file[:100]!r} is cut, or longer than it says")
    elif codec in STREAMS:
        size = 0 if stored * DEFLATED <= most + (1 << 26) else _inflated(files, file, codec, most)
    if size is not None and size > 8 * most + 4096:
        raise DamagedError(f"its chunk {file[:100]!r} unpacks to more than it should hold")


def _inflated(files: Files, file: str, codec: str, most: int) -> int:
    """Return what a chunk unpacks to, or a number above `most` if it is more."""
    unpack, size, data = STREAMS[codec](), 0, files.read(file)
    while data and size <= 8 * most + 4096:
        size += len(unpack.decompress(data, 1 << 20))
        data = unpack.unconsumed_tail
    return size


def _zstd_frame(raw: bytes) -> tuple[int | None, int]:
    """Return the size of the content of a zstd frame, if it says one, and that of the frame.

    The frame is a header, blocks that begin with their size, and perhaps a checksum (RFC 8878).
    """
    if len(raw) < 6 or raw[:4] != b"\x28\xb5\x2f\xfd":
        raise DamagedError("a chunk of it is not packed with zstd")
    flag, single = raw[4] >> 6, bool(raw[4] & 32)
    place = 5 + (not single) + (0, 1, 2, 4)[raw[4] & 3]
    width = (1 if single else 0, 2, 4, 8)[flag]
    size = int.from_bytes(raw[place : place + width], "little") + 256 * (width == 2)
    place, last = place + width, False
    while not last and place + 3 <= len(raw):
        head = int.from_bytes(raw[place : place + 3], "little")
        last = bool(head & 1)
        place += 3 + (1 if head >> 1 & 3 == 1 else head >> 3)  # a repeated byte is stored once
    return size if width else None, place + 4 * bool(raw[4] & 4) if last else -1


def _account_shard(path: Path, where: str, files: Files, file: str, grid: _Grid) -> None:
    """Refuse a shard with holes, with overlapping chunks or with bytes between them."""
    about = grid.codecs[-1].get("configuration") or {}
    inner = as_shape(about.get("chunk_shape"), 1)
    index = [_label(one) for one in about.get("index_codecs") or ()]
    if len(inner) != len(grid.chunk) or index not in (["bytes"], ["bytes", CRC]):
        raise DamagedError("the index of its shards has an unknown encoding")
    counts = [-(-n // step) for n, step in zip(grid.chunk, inner, strict=True)]
    count = math.prod(counts)
    size, stored = 16 * count + 4 * (CRC in index), files.sizes[file]
    if size > stored:
        raise DamagedError(f"its shard {file[:100]!r} is cut")
    start = 0 if about.get("index_location") == "start" else stored - size
    raw = files.read(file, start, size)
    pairs = list(struct.iter_unpack("<QQ", raw[: 16 * count]))
    needed = list(_inside(grid, counts, inner, file))
    used = sorted((a, b) for a, b in pairs if (a, b) != (HOLE, HOLE))
    holes = sum(pairs[j] == (HOLE, HOLE) for j in needed)
    label = f"{where}, shard {file!r}"
    admit(path, where=label, said=len(needed), there=len(needed) - holes, what="chunks")
    if sum(b for _, b in used) + size != stored or any(
        a + b > c for (a, b), (c, _) in itertools.pairwise(used)
    ):
        raise DamagedError(f"chunks of its shard {file[:100]!r} overlap, or leave bytes unused")
    plain = [_label(one) for one in about.get("codecs") or ()]
    if grid.itemsize is not None and set(plain) <= {"bytes", "transpose"}:
        piece = math.prod(inner) * grid.itemsize
        admit(path, where=label, said=piece * len(used), there=sum(b for _, b in used))


def _inside(grid: _Grid, counts: list[int], inner: tuple[int, ...], file: str) -> Iterator[int]:
    """Yield the chunks of a shard that lie inside of the array: those beyond may be left out."""
    place = [int(one) for one in re.split(r"[/.]", file)[-len(grid.shape) :]]
    axes = []
    for j, n in enumerate(grid.shape):
        left = n - place[j] * grid.chunk[j]
        axes.append(range(min(counts[j], -(-left // inner[j]))))
    for index in itertools.product(*axes):
        yield int(np.ravel_multi_index(index, counts))
