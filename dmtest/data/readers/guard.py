"""The guard of all readers: a file is read only if its bytes are accounted for and it fits.

Readers learn from a header what reading will take, and hand it to :func:`admit`, the only place
that decides. What cannot be known beforehand, such as what a gzip file unpacks to, is counted
while it is unpacked, and handed to the same function.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from dmtest.errors import InputError

# Without memory=, a file may unpack to this many times its size, and this many bytes more.
RATIO, SPARE = 10, 1 << 30
# Names that a container may hold; a file of more is no file of samples.
MOST_NAMES = 100_000

_MEMORY: ContextVar[int | None] = ContextVar("memory", default=None)


class DamagedError(ValueError):
    """What is wrong with a file, in the words of a reader; other errors are not shown to users."""


@contextmanager
def within(memory: int | None) -> Iterator[None]:
    """Allow readers this many bytes of memory; None leaves what is allowed already."""
    if memory is None:
        yield
        return
    token = _MEMORY.set(memory)
    try:
        yield
    finally:
        _MEMORY.reset(token)


def admit(
    path: Path,
    *,
    where: str = "",
    needs: int = 0,
    packed: bool = False,
    growing: bool = False,
    said: int | None = None,
    there: int | None = None,
    what: str = "bytes",
    names: Iterable[str] = (),
) -> None:
    """Refuse a file that does not fit into memory, or whose parts do not add up.

    Parameters
    ----------
    path : Path
        The file or folder.
    where : str
        Name of the part of it, for messages; by default the path.
    needs : int
        Bytes of memory that reading takes.
    packed : bool
        Whether the file is compressed, so that it may hold far more than its size.
    growing : bool
        Whether `needs` is what was counted up to now, and more may follow.
    said, there : int
        What the header says and what the file holds: they have to be equal.
    what : str
        What `said` and `there` count.
    names : iterable of str
        Names of all parts; none may be there twice.

    Raises
    ------
    InputError
        With both numbers.
    """
    where = where or str(path)
    if said is not None and said != there:
        raise InputError(
            f"{where}: its header says {said:,} {what} and {there:,} are there, so it is "
            "truncated, corrupt or two files in one; write it again"
        )
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(
                f"{where}: holds the name {name[:100]!r} twice, so what it means is not known; "
                "write it again"
            )
        if len(seen) == MOST_NAMES:
            raise InputError(f"{where}: holds more than {MOST_NAMES:,} names; save fewer arrays")
        seen.add(name)
    if needs:
        _afford(path, where, needs, packed, growing)


def _afford(path: Path, where: str, needs: int, packed: bool, growing: bool) -> None:
    """Refuse what takes more memory than is allowed, or free."""
    free, allowed = free_memory(), _MEMORY.get()
    if allowed is not None and needs > allowed:
        raise InputError(
            f"{where}: reading takes {size(needs)} of memory and memory= allows {size(allowed)}; "
            "raise it, or save the file as .npy, which is mapped"
        )
    if needs > free:
        raise InputError(
            f"{where}: reading takes {size(needs)} of memory and {size(free)} are free; save a "
            "part of it, or all as .npy, which is mapped"
        )
    if packed and allowed is None:
        stored = stored_size(path)
        if needs > RATIO * stored + SPARE:
            more, cure = ("more than ", "a larger number of bytes") if growing else ("", str(needs))
            raise InputError(
                f"{where}: {size(stored)} unpack to {more}{size(needs)}, as if made to fill the "
                f"memory; if it is sound, read it with dmtest.load(path, memory={cure})"
            )


def size(count: int) -> str:
    """Return a number of bytes for a message."""
    if count < 1 << 10:
        return f"{count} bytes"
    unit = min(6, int(math.log2(count)) // 10)
    return f"{count / 1024**unit:,.1f} {'KMGTPE'[unit - 1]}iB"


def stored_size(path: Path) -> int:
    """Size of a file, or of all files of a folder, in bytes."""
    if path.is_dir():
        files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
        return sum(file.stat().st_size for file in files)
    return path.stat().st_size


def free_memory() -> int:
    """Bytes of memory that this process may still take; a large number where it is not known."""
    found = [1 << 62]
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found += [int(line.split()[1]) << 10 for line in lines if "MemAvailable" in line]
    except (OSError, ValueError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    found += _address_space()
    return min(found)


def _address_space() -> list[int]:
    """What a limit such as that of ``ulimit -v`` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return []
    with open("/proc/self/statm", encoding="ascii") as numbers:
        used = int(numbers.read().split()[0]) * resource.getpagesize()
    return [max(0, limit - used)]


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of a JSON object; pass it as ``object_pairs_hook``."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DamagedError("a name is there twice")
    return found


class Metered:
    """A binary stream that counts what is read from it, for files that say nothing beforehand.

    Parameters
    ----------
    stream : binary stream
    path : Path
    packed : bool
        Whether the stream unpacks a compressed file.
    line : int
        Bytes of memory that a line takes once it is read.
    """

    def __init__(self, stream: Any, path: Path, *, packed: bool, line: int) -> None:
        self.stream, self.path, self.packed, self.line = stream, path, packed, line
        self.allowed = _MEMORY.get()  # Arrow reads in threads of its own
        self.lines = self.bytes = 0
        self.last = b""

    def read(self, count: int = -1) -> bytes:
        """Read at most `count` bytes, and 1 MiB at most where it is not given."""
        chunk: bytes = self.stream.read(1 << 20 if count is None or count < 0 else count)
        self.lines += chunk.count(b"\n")
        self.bytes += len(chunk)
        self.last = chunk[-1:] or self.last
        # Cells of two characters and rows of one cell are the most that a byte can hold.
        needs = min(self.lines * self.line, 8 * self.bytes)
        needs = max(needs, self.bytes if self.packed else 1)
        with within(self.allowed):
            admit(self.path, needs=needs, packed=self.packed, growing=True)
        return chunk

    @property
    def closed(self) -> bool:
        """Whether the stream is closed."""
        return bool(self.stream.closed)

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def close(self) -> None:
        """Close the stream."""
        self.stream.close()
