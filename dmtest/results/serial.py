"""Reading and writing of strict JSON: no NaN, no infinity, readable diffs."""

from __future__ import annotations

import functools
import json
import math
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from dmtest.errors import InputError
from dmtest.runtime import files

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")

# The spelling of protobuf's JSON mapping; `float` and JavaScript's `Number` read it.
LARGEST = 1 << 1000  # float64 holds nothing beyond
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def plain(value: Any, *, keep: bool = False) -> Any:
    """Turn records, arrays, tuples, numpy scalars and paths into plain JSON values.

    Parameters
    ----------
    value : object
        Any object; one without a JSON type becomes its ``str``.
    keep : bool
        Whether to keep numbers that are not finite; otherwise they become None.
    """
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist(), keep=keep)
    if isinstance(value, float):
        return float(value) if keep or math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name), keep=keep) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v, keep=keep) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(v, keep=keep) for v in value]
    return str(value)


def encode(value: Any) -> Any:
    """Turn records into plain JSON values, and numbers that are not finite into strings."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.generic | np.ndarray):
        return encode(value.tolist())
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    return value


def number(value: Any) -> Any:
    """Return a number that `encode` may have written as a string; None stays None."""
    if isinstance(value, str) and value in NOT_FINITE:
        return NOT_FINITE[value]
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(f"expected a number; got {str(value)[:40]!r}")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"{str(value)[:20]}... is too large for a number")
    return value


def record(kind: type[Record], data: Mapping[str, Any]) -> Record:
    """Build a record from a JSON object; unknown keys are ignored.

    Raises
    ------
    TypeError, ValueError
        If a key is missing or a value has the wrong type.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"{kind.__name__} is {type(data).__name__}, not an object")
    hints = _hints(kind)
    return kind(**{name: _read(hints[name], data[name], name) for name in hints if name in data})


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(hint: Any, value: Any, name: str) -> Any:
    """Return a JSON value as the type of a field of a record."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (some,) = (one for one in inside if one is not NoneType)
        return None if value is None else _read(some, value, name)
    if origin is Literal:
        if value not in inside:
            raise ValueError(f"{name} is {str(value)[:40]!r}, not one of {inside}")
        return value
    if origin is tuple:
        expect(list, value, name)
        if inside[1:] == (...,):
            return tuple(_read(inside[0], one, name) for one in value)
        return tuple(_read(one, v, name) for one, v in zip(inside, value, strict=True))
    if origin is dict:
        expect(dict, value, name)
        return {str(k): _read(inside[1], v, name) for k, v in value.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        return record(hint, value)
    if hint is float and value is not None:
        return number(value)
    if hint is Any:
        # Parameters of a test: only the three strings of `encode` are numbers.
        return NOT_FINITE.get(value, value) if isinstance(value, str) else value
    if hint is not object:
        expect(hint, value, name)
    return value


def expect(kind: type, value: Any, name: str) -> None:
    """Raise if a value is not of a type; a bool is no number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} is {type(value).__name__}, not {kind.__name__}")


def dumps(value: Any, indent: str = "") -> str:
    """Return indented JSON with lists of numbers or words on one line.

    With one number per line, files would be ten times as long and diffs unreadable.
    """
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        items = [f"{deeper}{json.dumps(k)}: {dumps(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, dict | list) and v for v in value):
        return "[\n" + ",\n".join(deeper + dumps(v, deeper) for v in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def loads(text: str, name: str) -> dict[str, Any]:
    """Parse a JSON object strictly; errors call it `name`."""

    def refuse(word: str) -> float:
        raise ValueError(f"{word} is not JSON")

    try:
        data = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{name}: not valid JSON ({error}); pass what Report.to_json wrote"
        ) from None
    if not isinstance(data, dict):
        raise InputError(
            f"{name}: expected a JSON object; got {type(data).__name__}; "
            f"pass what Report.to_json wrote"
        )
    return data


def read(path_or_text: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the JSON text and a name for it."""
    if isinstance(path_or_text, str) and path_or_text.lstrip().startswith("{"):
        return path_or_text, "JSON text"
    name = os.fspath(path_or_text)
    try:
        if stat.S_ISCHR(os.stat(name).st_mode):  # such as /dev/zero, which does not end
            raise ValueError("it is a device")
        return Path(name).read_text(encoding="utf-8"), name
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        name = name if len(name) <= 200 else name[:197] + "..."
        raise InputError(
            f"{name!r}: cannot be read as a report ({reason}); pass the path of a file that "
            f"Report.to_json wrote, or its text"
        ) from None


def write(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8; an unpaired surrogate (an odd file name) becomes an escape."""
    files.save({Path(path): text.encode("utf-8", errors="backslashreplace")})


def output(text: str, path: str | os.PathLike[str] | None) -> str:
    """Return a text, and write it if a path is given."""
    if path is not None:
        write(path, text)
    return text
