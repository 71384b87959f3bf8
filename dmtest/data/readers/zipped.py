"""Zip files, in which every byte belongs to one member or to the directory."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dmtest.data.readers.guard import DamagedError, admit

LOCAL = struct.Struct("<4s5H3I2H")  # header in front of a member
DESCRIBED = 8  # flag of a member whose sizes follow it
AFTER = (12, 16, 20, 24)  # bytes of these sizes, without and with a mark, in 32 and 64 bits
END, END_64 = b"PK\x05\x06", b"PK\x06\x06"


@contextmanager
def sound_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file after checking that its members lie side by side and names are unique."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        admit(path, names=(member.filename for member in members))
        with path.open("rb") as stream:
            place = 0
            for member in sorted(members, key=lambda one: one.header_offset):
                _gap(member.header_offset - place, member.filename)
                stream.seek(member.header_offset)
                raw = stream.read(LOCAL.size)
                if len(raw) < LOCAL.size or raw[:4] != b"PK\x03\x04":
                    raise DamagedError(f"its member {member.filename[:100]!r} is not there")
                fields = LOCAL.unpack(raw)
                place = member.header_offset + LOCAL.size + fields[9] + fields[10]
                place += member.compress_size
                if member.flag_bits & DESCRIBED:
                    place = _described(stream, place)
            _gap(archive.start_dir - place, "its directory")
            _whole_directory(stream, archive, path)
        yield archive


def _gap(count: int, before: str) -> None:
    if count:
        problem = f"{count} bytes before {before[:100]!r} belong to no member"
        raise DamagedError(problem if count > 0 else "its members overlap")


def _described(stream: BinaryIO, place: int) -> int:
    """Return the end of the sizes that follow a member."""
    stream.seek(place)
    raw = stream.read(max(AFTER) + 4)
    for count in AFTER:
        if raw[count : count + 2] == b"PK" and (count in (12, 20) or raw[:4] == b"PK\x07\x08"):
            return place + count
    raise DamagedError("the sizes of a member are not there")


def _whole_directory(stream: BinaryIO, archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse bytes behind the directory."""
    stream.seek(archive.start_dir)
    raw = stream.read()
    place = 0
    for _ in archive.infolist():
        if raw[place : place + 4] != b"PK\x01\x02":
            raise DamagedError("its directory is damaged")
        name, extra, comment = struct.unpack("<3H", raw[place + 28 : place + 34])
        place += 46 + name + extra + comment
    if raw[place : place + 4] == END_64:
        place += 12 + int.from_bytes(raw[place + 4 : place + 12], "little") + 20
    if raw[place : place + 4] != END:
        raise DamagedError("its directory has no end")
    place += 22 + int.from_bytes(raw[place + 20 : place + 22], "little")
    admit(path, said=archive.start_dir + place, there=path.stat().st_size)
