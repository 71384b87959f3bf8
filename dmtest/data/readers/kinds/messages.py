"""Messages of Arrow files and streams: their sizes, read from the headers without unpacking them.

A message is a mark, the length of its header, the header (a flatbuffer) and its body. In a
compressed body every buffer begins with its size when it is unpacked.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from dmtest.data.readers.guard import DamagedError, admit

MARK, FILE = b"\xff\xff\xff\xff", b"ARROW1\0\0"
DICTIONARY, BATCH = 2, 3  # kinds of messages that have a body


class _Table:
    """A table of a flatbuffer."""

    def __init__(self, raw: bytes, place: int) -> None:
        self.raw, self.place = raw, place
        self.fields = place - struct.unpack_from("<i", raw, place)[0]
        self.count = (struct.unpack_from("<H", raw, self.fields)[0] - 4) // 2

    def at(self, field: int) -> int:
        """Return the place of a field; 0 if it has its default."""
        if field >= self.count:
            return 0
        offset = struct.unpack_from("<H", self.raw, self.fields + 4 + 2 * field)[0]
        return self.place + offset if offset else 0

    def number(self, field: int, code: str) -> int:
        """Return a number."""
        place = self.at(field)
        return int(struct.unpack_from(code, self.raw, place)[0]) if place else 0

    def follow(self, field: int) -> int:
        """Return the place that a field points to; 0 if it is not there."""
        place = self.at(field)
        return place + struct.unpack_from("<I", self.raw, place)[0] if place else 0

    def table(self, field: int) -> _Table | None:
        """Return a table."""
        place = self.follow(field)
        return _Table(self.raw, place) if place else None


def account(path: Path, *, file: bool) -> None:
    """Refuse a file whose messages do not fill it, or unpack to more than fits into memory.

    Parameters
    ----------
    path : Path
    file : bool
        Whether it has the random-access format; otherwise it is a stream.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        try:
            _account(path, raw, file)
        except (struct.error, IndexError, OverflowError) as problem:
            raise DamagedError("its messages are damaged") from problem


def _account(path: Path, raw: mmap.mmap, file: bool) -> None:
    place, needs, packed = 8 if file else 0, 0, False
    while raw[place : place + 4] == MARK:
        length = struct.unpack_from("<i", raw, place + 4)[0]
        place += 8
        if length == 0:
            break
        if length < 0 or place + length > len(raw):
            raise DamagedError("its messages are damaged")
        message = _Table(raw[place : place + length], struct.unpack_from("<I", raw, place)[0])
        place += length
        body = message.number(3, "<q")
        if body < 0 or place + body > len(raw):
            raise DamagedError("its last message is cut")
        batch = message.table(2)
        kind = message.number(1, "<B")
        if kind == DICTIONARY and batch is not None:
            batch = batch.table(1)
        if kind in (DICTIONARY, BATCH) and batch is not None:
            unpacked = _unpacked(batch, raw, place, body)
            packed |= unpacked is not None
            needs += 0 if unpacked is None else unpacked
        place += body
    else:
        raise DamagedError("the mark at the end of its messages is not there")
    if file:
        footer = struct.unpack_from("<i", raw, len(raw) - 10)[0]
        place += footer + 10
    admit(path, said=place, there=len(raw))
    admit(path, needs=2 * needs, packed=packed)  # the table, and the array from it


def _unpacked(batch: _Table, raw: mmap.mmap, start: int, body: int) -> int | None:
    """Return the size of a compressed body when it is unpacked; None if it is not compressed."""
    if batch.table(3) is None:
        return None
    return sum(_sizes(batch, raw, start, body))


def _sizes(batch: _Table, raw: mmap.mmap, start: int, body: int) -> Iterator[int]:
    place = batch.follow(2)
    count = struct.unpack_from("<I", batch.raw, place)[0]
    for j in range(count):
        offset, length = struct.unpack_from("<qq", batch.raw, place + 4 + 16 * j)
        if offset < 0 or length < 0 or offset + length > body:
            raise DamagedError("a buffer of it lies outside of its message")
        if length:
            size = struct.unpack_from("<q", raw, start + offset)[0]
            yield length - 8 if size < 0 else size  # -1: stored as it is
