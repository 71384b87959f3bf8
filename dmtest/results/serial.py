"""Strict JSON in and out: no NaN, no infinity, readable diffs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dmtest.errors import InputError
from dmtest.results.outcome import Effect, Finding, Outcome

__all__ = ["arguments", "dumps", "encode", "loads", "number", "plain", "read", "record", "write"]

Record = TypeVar("Record")

# What the fields of a report are in JSON.
KINDS: dict[type, tuple[str, ...]] = {
    str: ("verdict", "pvalue_method", "target"),
    int: ("n", "d", "seed"),
    dict: ("effects", "computed", "pictures"),
    list: ("outcomes", "adjusted", "diagnosis", "warnings"),
}

# The spelling of protobuf's JSON mapping; `float` and JavaScript's `Number` read it.
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def plain(value: Any, *, keep: bool = False) -> Any:
    """Turn arrays, tuples, numpy scalars and paths into plain JSON values.

    Parameters
    ----------
    value : object
        Anything; what JSON has no word for becomes its ``str``.
    keep : bool
        Keep numbers that are not finite; otherwise they become None.
    """
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist(), keep=keep)
    if isinstance(value, float):
        return float(value) if keep or math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v, keep=keep) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(v, keep=keep) for v in value]
    return str(value)


def encode(value: Any) -> Any:
    """Turn records into plain JSON values, numbers that are not finite into strings."""
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
    """Read back a number that `encode` may have spelled out; None stays None."""
    if isinstance(value, str) and value in NOT_FINITE:
        return NOT_FINITE[value]
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(f"expected a number; got {str(value)[:40]!r}")
    return value


def record(kind: type[Record], data: Mapping[str, Any]) -> Record:
    """Build a record of the given kind, leaving out keys that it does not know.

    Only fields that hold numbers are decoded, so that a column named "NaN"
    stays a name.
    """
    found: dict[str, Any] = {}
    for f in fields(kind):  # type: ignore[arg-type]
        if f.name in data:
            value = data[f.name]
            numeric = "float" in str(f.type)
            if isinstance(value, Mapping):
                value = {k: NOT_FINITE.get(str(v), v) for k, v in value.items()}
            found[f.name] = number(value) if numeric else value
    return kind(**found)


def arguments(data: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Turn a JSON object into the arguments of a report; unknown keys are left out."""
    found = {name: data[name] for name in names}
    for name in ("pvalue", "alpha"):
        found[name] = number(found[name])
    for kind, keys in KINDS.items():
        for name in keys:
            if not isinstance(found[name], kind) or isinstance(found[name], bool):
                raise TypeError(f"{name} is {type(found[name]).__name__}, not {kind.__name__}")
    found["outcomes"] = tuple(record(Outcome, item) for item in found["outcomes"])
    found["adjusted"] = tuple(number(p) for p in found["adjusted"])
    found["effects"] = {k: record(Effect, v) for k, v in found["effects"].items()}
    for name in ("diagnosis", "warnings"):
        found[name] = tuple(record(Finding, item) for item in found[name])
    return found


def dumps(value: Any, indent: str = "") -> str:
    """Return indented JSON with lists of numbers or words on one line.

    One number per line would make the file ten times as long and its diffs
    unreadable.
    """
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        items = [f"{deeper}{json.dumps(k)}: {dumps(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, dict | list) and v for v in value):
        return "[\n" + ",\n".join(deeper + dumps(v, deeper) for v in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def loads(text: str, name: str) -> dict[str, Any]:
    """Parse a JSON object strictly; `name` is what errors call it."""

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
    try:
        Path(path).write_bytes(text.encode("utf-8", errors="backslashreplace"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{os.fspath(path)!r}: cannot be written ({reason}); choose an existing, writable "
            f"folder"
        ) from None
