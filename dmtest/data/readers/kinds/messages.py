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

MARK = b"\xff\xff\xff\xff"
ALIGNED = 64  # bytes that messages begin at multiples of, at most
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


def account(path: Path, *, file: bool, at_once: bool = True) -> None:
    """Refuse a file whose messages do not fill it, or unpack to more than fits into memory.

    Parameters
    ----------
    path : Path
    file : bool
        Whether it has the random-access format; otherwise it is a stream.
    at_once : bool
        Whether all messages are unpacked together; otherwise one after the other.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        try:
            _account(path, raw, file, at_once)
        except (struct.error, IndexError, OverflowError) as problem:
            raise DamagedError("its messages are damaged") from problem


def _account(path: Path, raw: mmap.mmap, file: bool, at_once: bool) -> None:
    blocks = list(_blocks_of_file(raw) if file else _blocks_of_stream(path, raw))
    needs, packed = 0, False
    for head, place, body in blocks:
        message = _Table(head, struct.unpack_from("<I", head, 0)[0])
        if message.number(3, "<q") != body or body < 0 or place + body > len(raw):
            raise DamagedError("a message of it is cut")
        batch = message.table(2)
        kind = message.number(1, "<B")
        if kind == DICTIONARY and batch is not None:
            batch = batch.table(1)
        if kind in (DICTIONARY, BATCH) and batch is not None:
            unpacked = _unpacked(batch, raw, place, body)
            packed |= unpacked is not None
            size = 0 if unpacked is None else unpacked
            needs = needs + size if at_once else max(needs, size)
    admit(path, needs=2 * needs, packed=packed)  # the table, and the array from it


Block = tuple[bytes, int, int]  # header of a message, place of its body, size of its body


def _blocks_of_stream(path: Path, raw: mmap.mmap) -> Iterator[Block]:
    """Yield messages up to the mark at the end, which has to be that of the file."""
    place = 0
    while raw[place : place + 4] == MARK:
        length = struct.unpack_from("<i", raw, place + 4)[0]
        place += 8
        if length == 0:
            admit(path, said=place, there=len(raw))
            return
        if length < 0 or place + length > len(raw):
            raise DamagedError("its messages are damaged")
        head = raw[place : place + length]
        place += length
        body = _Table(head, struct.unpack_from("<I", head, 0)[0]).number(3, "<q")
        if body < 0:
            raise DamagedError("its messages are damaged")
        yield head, place, body
        place += body
    raise DamagedError("the mark at the end of its messages is not there")


def _blocks_of_file(raw: mmap.mmap) -> Iterator[Block]:
    """Yield the messages that the footer lists: they fill what lies between schema and footer."""
    end = len(raw) - 10
    length = struct.unpack_from("<i", raw, end)[0]
    start = end - length
    if length < 8 or start < 8:
        raise DamagedError("its footer is damaged")
    text = raw[start:end]
    footer = _Table(text, struct.unpack_from("<I", text, 0)[0])
    listed = sorted(block for field in (2, 3) for block in _listed(footer, field))
    place = listed[0][0] if listed else start
    for offset, head, body in listed:
        if offset < 8 or head < 8 or not 0 <= offset - place < ALIGNED:
            raise DamagedError("its messages overlap, or leave bytes unused")
        marked = raw[offset : offset + 4] == MARK
        first = offset + (8 if marked else 4)  # before Arrow 0.15 there was no mark
        yield raw[first : offset + head], offset + head, body
        place = offset + head + body
    if not 0 <= start - place <= ALIGNED + len(MARK) + 4:
        raise DamagedError("its messages overlap, or leave bytes unused")


def _listed(footer: _Table, field: int) -> Iterator[tuple[int, int, int]]:
    """Yield offset, size of the header with its length, and size of the body of messages."""
    place = footer.follow(field)
    count = struct.unpack_from("<I", footer.raw, place)[0] if place else 0
    for j in range(count):
        yield struct.unpack_from("<qi4xq", footer.raw, place + 4 + 24 * j)


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
