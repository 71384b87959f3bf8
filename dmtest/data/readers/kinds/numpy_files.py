"""NumPy files; the header is read first, and pickled objects are refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from dmtest.data.readers.choice import choose
from dmtest.data.readers.columns import Columns, Loaded, pick, positions
from dmtest.data.readers.guard import DamagedError, admit
from dmtest.data.readers.parts import Parts, PartsError, chunk_rows, fill, stacked
from dmtest.data.readers.zipped import sound_zip
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

VERSIONS = ((1, 0), (2, 0), (3, 0))


class _Header(NamedTuple):
    """Header of an npy file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    size: int  # bytes of the header

    @property
    def bytes(self) -> int:
        """Bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize


def _header(stream: Any) -> _Header:
    """Return the header of an npy stream; a bare pickle counts as an array of objects."""
    if stream.peek(1)[:1] == b"\x80":
        return _Header((), np.dtype(object), False, 0)
    version = npy_format.read_magic(stream)
    if version not in VERSIONS:
        raise DamagedError(f"there is no version {version} of such files")
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(stream.peek(width)[:width], "little")
    size = 8 + width + length
    try:  # the header is a Python literal, so a damaged one is bad syntax
        if version == (1, 0):
            shape, fortran, dtype = npy_format.read_array_header_1_0(stream)
        else:
            shape, fortran, dtype = npy_format.read_array_header_2_0(stream)
    except (SyntaxError, TokenError, ValueError, TypeError) as problem:
        raise DamagedError("its header is no description of an array") from problem
    if any(length < 0 for length in shape):
        raise DamagedError("its header is no description of an array")
    return _Header(tuple(map(int, shape)), dtype, fortran, size)


def _refuse_pickle(dtype: np.dtype[Any], what: str) -> None:
    if dtype.hasobject:
        raise InputError(
            f"{what}: holds pickled Python objects, which are not read because unpickling can run "
            "any code; save the numbers again with np.save and a numeric dtype"
        )


def read_npy(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Map the array of an ``.npy`` file, or read one that was saved column after column."""
    with path.open("rb") as stream:
        header = _header(stream)
    _refuse_pickle(header.dtype, str(path))
    admit(path, said=header.size + header.bytes, there=path.stat().st_size)
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    if not mapped.flags.c_contiguous:
        admit(path, needs=header.bytes)
    return Loaded(pick(mapped, columns), source=str(path))


def npy_parts(path: Path, key: str | None, columns: Columns | None) -> Parts | None:
    """Read the rows of an ``.npy`` file with plain reads: mapped pages count as memory."""
    with path.open("rb") as stream:
        header = _header(stream)
    _refuse_pickle(header.dtype, str(path))
    admit(path, said=header.size + header.bytes, there=path.stat().st_size)
    if header.fortran or not stacked(header.shape) or header.dtype.kind not in "biuf":
        return None

    def chunks() -> Iterator[Loaded]:
        with path.open("rb") as stream:
            stream.seek(header.size)
            yield from _rows(stream, header, columns, (), str(path))

    return _in_parts(header, chunks(), columns)


def stream_parts(stream: Any, columns: Columns | None, where: str) -> Parts:
    """Read the rows of an ``.npy`` file that is open, such as one of a remote store.

    Parameters
    ----------
    stream : binary stream with `peek`
    columns : optional
        Positions.
    where : str
        Name of the file, for messages.
    """
    header = _header(stream)
    _refuse_pickle(header.dtype, where)
    if header.fortran or not stacked(header.shape) or header.dtype.kind not in "biuf":
        raise PartsError(
            f"{where}: holds no rows of numbers in C order, shape (n, d), so it cannot be read "
            "once; save it with np.ascontiguousarray, or pass the array"
        )
    return _in_parts(header, _rows(stream, header, columns, (), where), columns)


def _in_parts(header: _Header, chunks: Iterator[Loaded], columns: Columns | None) -> Parts:
    n, d = header.shape
    width = d if columns is None else len(positions(columns, None, d))
    return Parts(chunks, n, width, header.dtype.itemsize)


def _rows(
    stream: Any,
    header: _Header,
    columns: Columns | None,
    findings: tuple[Finding, ...],
    source: str,
) -> Iterator[Loaded]:
    n, d = header.shape
    size = chunk_rows(d * header.dtype.itemsize)
    # One piece of memory for all chunks: new pages cost as much as the reading.
    space = np.empty((min(size, n), d), header.dtype)
    for start in range(0, n, size):
        rows = space[: min(size, n - start)]
        fill(stream, rows.view(np.uint8))
        yield Loaded(pick(rows, columns), None, findings, source)
    if stream.read(1):  # reads to the end, where an archive compares the checksum
        raise DamagedError("bytes follow the array")


def npz_parts(path: Path, key: str | None, columns: Columns | None) -> Parts | None:
    """Read the rows of one array of an archive as they are unpacked."""
    with sound_zip(path) as archive:
        header, findings, member = _chosen(archive, path, key)
    if header.fortran or not stacked(header.shape) or header.dtype.kind not in "biuf":
        return None

    def chunks() -> Iterator[Loaded]:
        with sound_zip(path) as archive, archive.open(member) as stream:
            stream.read(header.size)
            yield from _rows(stream, header, columns, findings, str(path))

    return _in_parts(header, chunks(), columns)


def read_npz(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read one array of an archive."""
    with sound_zip(path) as archive:
        header, findings, member = _chosen(archive, path, key)
        where = f"{path}[{member.removesuffix('.npy')!r}]"
        admit(path, where=where, needs=header.bytes, packed=True)
        with archive.open(member) as stream:
            stream.read(header.size)
            values = _values(stream, header)
            if stream.read(1):  # reads to the end, where the checksum is compared
                raise DamagedError("bytes follow the array")
    return Loaded(pick(values, columns), None, findings, str(path))


def _chosen(archive: Any, path: Path, key: str | None) -> tuple[_Header, tuple[Finding, ...], str]:
    """Return header, findings and file of the array of an archive that `key` selects."""
    members = archive.namelist()
    admit(path, names=(member.removesuffix(".npy") for member in members))
    headers, files = {}, {}
    for member in members:
        name = member.removesuffix(".npy")
        with archive.open(member) as stream:
            headers[name], files[name] = _header(stream), member
    shapes = {name: header.shape for name, header in headers.items()}
    name, findings = choose(shapes, key, str(path))
    header, where = headers[name], f"{path}[{name!r}]"
    _refuse_pickle(header.dtype, where)
    there = archive.getinfo(files[name]).file_size
    admit(path, where=where, said=header.size + header.bytes, there=there)
    return header, findings, files[name]


def _values(stream: Any, header: _Header) -> NDArray[Any]:
    """Read the values in parts: what unpacking takes beside them is small."""
    raw = np.empty(header.bytes, np.uint8)
    place = 0
    while place < len(raw):
        part = stream.read(min(len(raw) - place, 1 << 22))
        if not part:
            raise DamagedError("its values end early")
        raw[place : place + len(part)] = np.frombuffer(part, np.uint8)
        place += len(part)
    values = raw.view(header.dtype) if len(raw) else np.empty(0, header.dtype)
    return values.reshape(header.shape, order="F" if header.fortran else "C")
