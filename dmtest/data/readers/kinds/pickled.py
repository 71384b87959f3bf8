"""What a pickle of torch.save says about its storages, read without unpickling it.

The commands of the pickle are followed on a stack of names and numbers. Nothing is imported, made
or called; a command that torch.save does not write is damage.
"""

from __future__ import annotations

import pickletools
from typing import Any, NamedTuple

from dmtest.data.readers.guard import DamagedError

BYTES = {
    **dict.fromkeys(("DoubleStorage", "LongStorage", "ComplexFloatStorage"), 8),
    **dict.fromkeys(("FloatStorage", "IntStorage", "QInt32Storage"), 4),
    **dict.fromkeys(("HalfStorage", "BFloat16Storage", "ShortStorage"), 2),
    **dict.fromkeys(("CharStorage", "ByteStorage", "BoolStorage", "UntypedStorage"), 1),
    **dict.fromkeys(("QInt8Storage", "QUInt8Storage"), 1),
    "ComplexDoubleStorage": 16,
}
MARK = object()
PUSHED = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE", "EMPTY_SET")
VALUES = frozenset(
    {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4"}
    | {"BINFLOAT", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"}
)


class _Name(NamedTuple):
    """Something that a pickle imports."""

    text: str


def storages(raw: bytes) -> dict[str, int | None]:
    """Return the size of every storage in bytes, by its key; None where its type is not known.

    Raises
    ------
    DamagedError
        If the pickle is cut, or gives one storage two sizes.
    """
    found: dict[str, int | None] = {}
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for command, argument, _ in pickletools.genops(raw):
            _follow(command.name, argument, stack, memo, found)
    except DamagedError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as problem:
        raise DamagedError("its pickle is damaged") from problem
    return found


def _follow(
    name: str, argument: Any, stack: list[Any], memo: dict[int, Any], found: dict[str, int | None]
) -> None:
    """Follow one command."""
    if name in PUSHED:
        stack.append(PUSHED[name])
    elif name in EMPTY:
        stack.append(())
    elif name in VALUES:
        stack.append(argument)
    elif name == "MARK":
        stack.append(MARK)
    elif name == "GLOBAL":
        stack.append(_Name(argument.replace(" ", ".")))
    elif name == "TUPLE":
        stack.append(_since_mark(stack))
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        count = int(name[-1])
        stack[-count:] = [tuple(stack[-count:])]
    elif name in ("APPENDS", "SETITEMS"):
        _since_mark(stack)
    elif name in ("APPEND", "BUILD", "REDUCE", "NEWOBJ", "POP"):
        stack.pop()
        if name in ("REDUCE", "NEWOBJ"):
            stack[-1] = None
    elif name == "SETITEM":
        del stack[-2:]
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name == "BINPERSID":
        _note(stack.pop(), found)
        stack.append(None)
    elif name not in ("PROTO", "STOP"):
        raise DamagedError("its pickle has commands that torch.save does not write")


def _since_mark(stack: list[Any]) -> tuple[Any, ...]:
    """Remove what lies above the last mark, and the mark."""
    place = len(stack) - 1
    while stack[place] is not MARK:
        place -= 1
        if place < 0:
            raise DamagedError("its pickle is damaged")
    values = tuple(stack[place + 1 :])
    del stack[place:]
    return values


def _note(about: Any, found: dict[str, int | None]) -> None:
    """Note the size of the storage that a persistent identifier describes."""
    kind, made, key, _, count = about
    if kind != "storage" or not isinstance(count, int) or count < 0:
        raise DamagedError("it describes a storage wrongly")
    itemsize = BYTES.get(made.text.rpartition(".")[2]) if isinstance(made, _Name) else None
    size = None if itemsize is None else count * itemsize
    if found.setdefault(str(key), size) != size:
        raise DamagedError(f"it gives the storage {str(key)[:40]!r} two sizes")
