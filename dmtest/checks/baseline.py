"""A baseline: the stored report, departures and rows of an accepted encoder (plain JSON)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.checks.departures import Departure
from dmtest.errors import InputError
from dmtest.results import serial
from dmtest.results.report import Report
from dmtest.results.shown import Shown

KIND, SCHEMA = "dmtest-baseline", 1
# Most numbers of a stored sample: a megabyte before compression.
VALUES = 1 << 18
# Most numbers to read: a larger sample was not written by dmtest.
MOST_VALUES = 1 << 26
DTYPES = ("<f4", "<f8")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Baseline(Shown):
    """A sample of an accepted encoder: its report, its departures and rows.

    Attributes
    ----------
    target : dict
        Name of the target, and the parameters that rebuild or identify it.
    report : Report
        Report on the whole sample, without the numbers behind its figures.
    scores : tuple of Departure
        Departures of the whole sample, with their errors.
    options : dict
        Arguments of the report: tests, alpha, tolerance, slices, replicates.
    columns : tuple of str or None
        Names of the columns.
    sample : ndarray, shape (m, d)
        Rows of the sample: all of them, or a random part of at most `VALUES` numbers.
    digest : str
        SHA-256 of all rows as float64.
    source : str
        Name of the file, for messages.
    """

    target: dict[str, Any]
    report: Report
    scores: tuple[Departure, ...]
    options: dict[str, Any]
    columns: tuple[str, ...] | None
    sample: NDArray[np.floating[Any]] = field(repr=False)
    digest: str = ""
    source: str = "baseline"

    @property
    def n(self) -> int:
        """Rows of the whole sample."""
        return self.report.n

    @property
    def d(self) -> int:
        """Columns."""
        return self.report.d

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects, kind and schema first."""
        return {
            "kind": KIND,
            "schema": SCHEMA,
            "version": self.report.provenance.version,
            "created": self.report.provenance.created,
            "target": serial.plain(self.target),
            "options": serial.plain(self.options),
            "columns": serial.plain(self.columns),
            "digest": self.digest,
            "scores": [serial.encode(one.to_dict()) for one in self.scores],
            "report": self.report.to_dict(),
            "sample": pack(self.sample),
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return strict JSON, and write it to `path` when one is given."""
        return serial.output(serial.dumps(self.to_dict()) + "\n", path)

    @classmethod
    def from_json(cls, path_or_text: str | os.PathLike[str]) -> Baseline:
        """Read a baseline that `to_json` wrote.

        Parameters
        ----------
        path_or_text : path-like or str
            A file, or JSON text (which starts with a brace).

        Raises
        ------
        InputError
            If it cannot be read, has another schema, or was changed after it was written.
        """
        text, name = _read(path_or_text)
        data = _loads(text, name)
        if data.get("kind") != KIND:
            what = "a report" if "verdict" in data else "another kind of file"
            raise InputError(f"baseline: {name} is {what}, not a baseline; {CURE}.")
        if data.get("schema") != SCHEMA:
            raise InputError(
                f"baseline: {name} has schema {data.get('schema')!r} and this dmtest reads "
                f"{SCHEMA}; {CURE}."
            )
        try:
            return cls(source=name, **_parts(data))
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
            reason = (
                f"{type(error).__name__}: {error}" if not isinstance(error, InputError) else error
            )
            raise InputError(
                f"baseline: {name} is incomplete or was changed ({str(reason).rstrip('.')}); "
                f"{CURE}."
            ) from None


CURE = "write it with 'dmtest check FILE --write-baseline' or dmtest.write_baseline"


def pack(sample: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Encode rows for JSON: little-endian numbers, compressed, in base64, with a checksum."""
    dtype = "<f8" if sample.dtype == np.float64 else "<f4"
    raw = np.ascontiguousarray(sample, dtype=dtype).tobytes()
    return {
        "rows": len(sample),
        "columns": sample.shape[1],
        "dtype": dtype,
        "encoding": "zlib, base64",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "data": base64.b64encode(zlib.compress(raw, 9)).decode("ascii"),
    }


def unpack(data: Mapping[str, Any]) -> NDArray[np.floating[Any]]:
    """Decode rows; memory is bounded by their stated shape, and that by `MOST_VALUES`."""
    rows, columns, dtype = data["rows"], data["columns"], data["dtype"]
    if dtype not in DTYPES:
        raise InputError(f"its sample is of type {str(dtype)[:20]!r}")
    whole = all(isinstance(x, int) and not isinstance(x, bool) and x > 0 for x in (rows, columns))
    if not whole or rows * columns > MOST_VALUES:
        raise InputError(f"its sample has the shape ({str(rows)[:20]}, {str(columns)[:20]})")
    size = rows * columns * np.dtype(dtype).itemsize
    try:
        packed = base64.b64decode(data["data"], validate=True)
        engine = zlib.decompressobj()
        raw = engine.decompress(packed, size + 1)
    except (binascii.Error, zlib.error) as error:
        raise InputError(f"its sample cannot be unpacked: {error}") from None
    if len(raw) != size or hashlib.sha256(raw).hexdigest() != data["sha256"]:
        raise InputError("its sample does not have its checksum")
    sample = np.frombuffer(raw, dtype=dtype).reshape(rows, columns)
    if not np.isfinite(sample).all():
        raise InputError("its sample has values that are not finite")
    return sample


def _parts(data: Mapping[str, Any]) -> dict[str, Any]:
    report = Report.from_json(json.dumps(data["report"]))
    sample = unpack(data["sample"])
    for name, kind in (("target", dict), ("options", dict), ("scores", list), ("digest", str)):
        if not isinstance(data[name], kind):
            raise TypeError(f"{name} is {type(data[name]).__name__}, not {kind.__name__}")
    scores = tuple(_departure(item) for item in data["scores"])
    if sample.shape[1] != report.d:
        raise InputError(f"its report has {report.d} columns and its sample {sample.shape[1]}")
    if data["target"].get("name") != report.target:
        raise InputError("its target is not that of its report")
    columns = None if data["columns"] is None else tuple(str(name) for name in data["columns"])
    return {
        "target": data["target"],
        "options": data["options"],
        "report": report,
        "scores": scores,
        "columns": columns,
        "sample": sample,
        "digest": data["digest"],
    }


def _departure(item: Mapping[str, Any]) -> Departure:
    one = serial.record(Departure, item)
    if (one.value is None) != (one.error is None):
        raise ValueError(f"{one.name} has a value or an error without the other")
    if one.error is not None and not one.error >= 0.0:
        raise ValueError(f"{one.name} has the error {one.error}")
    for name, value in (("df", one.df), ("batch", one.batch)):
        if value is not None and not isinstance(value, int):
            raise TypeError(f"{name} of {one.name} is not a whole number")
    return one


def _read(path_or_text: str | os.PathLike[str]) -> tuple[str, str]:
    try:
        return serial.read(path_or_text)
    except InputError:
        exists = os.path.exists(path_or_text)
        reason = "cannot be read as text" if exists else "does not exist"
        raise InputError(f"baseline: {os.fspath(path_or_text)!r} {reason}; {CURE}.") from None


def _loads(text: str, name: str) -> dict[str, Any]:
    try:
        return serial.loads(text, name)
    except InputError as error:
        reason = str(error).removeprefix(f"{name}: ").partition("; pass what")[0]
        raise InputError(f"baseline: {name} is {reason}; {CURE}.") from None
