"""Summaries as bytes: a header in JSON, arrays, and a checksum; nothing is run when read.

Layout: 8 bytes of magic and version, 8 bytes with the length of the header, the header, the
compressed counts, the other arrays one after the other, and the SHA-256 of all before it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmtest.errors import InputError
from dmtest.results.outcome import Finding
from dmtest.summaries.totals import TILE
from dmtest.summaries.tree import Moments

if TYPE_CHECKING:
    from dmtest.summaries.summary import Summary

MAGIC, VERSION = b"dmtsum", 1
PREFIX, DIGEST = 16, 32


def to_bytes(summary: Summary, level: int = 1) -> bytes:
    """Return a summary as bytes; `level` is that of the compression of counts, 0 for none."""
    arrays: list[NDArray[Any]] = []
    header: dict[str, Any] = {
        "target": summary.target,
        "seed": summary.seed,
        "rows": summary.rows,
        "next": summary.next,
        "ranges": summary.ranges,
        "names": summary.names,
        "kind": summary.kind,
        "changes": [finding.to_dict() for finding in summary.changes],
    }
    packed = b""
    summary.settle()
    if summary.totals is not None:
        totals = summary.totals
        nodes = sorted(totals.tree.nodes.items())
        header["d"] = totals.d
        header["nodes"] = [[*key, moments.n] for key, moments in nodes]
        for _, moments in nodes:
            arrays += [moments.mean, moments.square, moments.slices]
        header["odd"] = [totals.outside, totals.saturated]
        sample = totals.reservoir.settle()
        header["kept"] = len(sample[0])
        arrays += sample if header["kept"] else ()
        pieces = [
            (tile, place, rows)
            for tile, of_tile in sorted(summary.pending.items())
            for place, rows in sorted(of_tile.items())
        ]
        header["pieces"] = [[tile, place, len(rows)] for tile, place, rows in pieces]
        arrays += [rows for _, _, rows in pieces]
        header["head"] = totals.head is not None
        arrays += [] if totals.head is None else [totals.head]
        together = np.concatenate([totals.tally.counts, totals.lengths.counts])
        small = together.max() < 1 << 32
        header["counts"] = "<u4" if small else "<i8"
        packed = zlib.compress(together.astype(header["counts"]).data, level)
    header["packed"] = len(packed)
    text = json.dumps(header).encode()
    body = [np.ascontiguousarray(array).tobytes() for array in arrays]
    prefix = MAGIC + VERSION.to_bytes(2, "little") + len(text).to_bytes(8, "little")
    data = b"".join([prefix, text, packed, *body])
    return data + hashlib.sha256(data).digest()


def fill(summary: Summary, data: bytes) -> None:
    """Fill an empty summary from bytes.

    Raises
    ------
    InputError
        If the bytes are damaged, or of another kind or version.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)) or bytes(data[:6]) != MAGIC:
        raise InputError("data: holds no summary; pass what Summary.to_bytes returned.")
    data = bytes(data)
    version = int.from_bytes(data[6:8], "little")
    if version != VERSION:
        raise InputError(
            f"data: is a summary of version {version}, and this dmtest reads version {VERSION}; "
            f"write it anew with this one."
        )
    if len(data) < PREFIX + DIGEST or hashlib.sha256(data[:-DIGEST]).digest() != data[-DIGEST:]:
        raise InputError(
            f"data: {len(data):,} bytes of a summary are damaged or incomplete; pass all that "
            f"Summary.to_bytes returned."
        )
    size = int.from_bytes(data[8:PREFIX], "little")
    try:
        header = json.loads(data[PREFIX : PREFIX + size])
        _fill(summary, header, memoryview(data)[PREFIX + size : -DIGEST])
    except (KeyError, TypeError, ValueError, IndexError, zlib.error) as problem:
        raise InputError(
            f"data: holds a summary that does not fit together ({problem}); pass what "
            f"Summary.to_bytes returned."
        ) from None


def _fill(summary: Summary, header: dict[str, Any], body: memoryview) -> None:
    type(summary).__init__(
        summary,
        header["target"],
        rows=header["rows"],
        first=header["next"],
        rng=header["seed"],
    )
    summary.ranges = [(int(a), int(b)) for a, b in header["ranges"]]
    if header["kind"] is None:
        return
    names, (float_name, kind) = header["names"], header["kind"]
    if float_name not in ("float32", "float64"):
        raise ValueError(f"rows of {float_name}")
    d = int(header["d"])
    summary.begin(
        d,
        (float_name, kind),
        None if names is None else tuple(map(str, names)),
        tuple(Finding(**one) for one in header["changes"]),
    )
    totals = summary.totals
    assert totals is not None
    end = header["packed"]
    counts = np.frombuffer(zlib.decompress(body[:end]), header["counts"])
    together = counts.astype(np.int64).reshape(len(totals.directions) + 1, -1, 2)
    totals.tally.merge(together[:-1])
    totals.lengths.merge(together[-1:])
    reader = _Reader(body[end:])
    k = len(totals.directions)
    for level, index, n in header["nodes"]:
        parts = [reader.take("<f8", shape) for shape in ((d,), (d, d), (k, 4))]
        totals.tree.nodes[int(level), int(index)] = Moments(int(n), *parts)
    totals.outside, totals.saturated = map(int, header["odd"])
    if header["kept"]:
        m = int(header["kept"])
        keys, numbers = reader.take("<u8", (m,)), reader.take("<i8", (m,))
        totals.reservoir.put(keys, numbers, reader.take(float_name, (m, d)))
    for tile, place, count in header["pieces"]:
        summary.pending.setdefault(int(tile), {})[int(place)] = reader.take(float_name, (count, d))
    if header["head"]:
        totals.head = reader.take(float_name, (TILE, d))
    reader.finish()


class _Reader:
    """Arrays one after the other."""

    def __init__(self, body: memoryview) -> None:
        self.body, self.at = body, 0

    def take(self, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        count = int(np.prod(shape))
        array = np.frombuffer(self.body, dtype, count, self.at).reshape(shape).copy()
        self.at += array.nbytes
        return array

    def finish(self) -> None:
        if self.at != len(self.body):
            raise ValueError(f"{len(self.body) - self.at} bytes are left over")
