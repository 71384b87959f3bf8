"""Arrow files, Feather, and the folders that Hugging Face's `datasets` saves.

Files are mapped; columns that are not requested are not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dmtest.data.readers.columns import Columns, Loaded, listing
from dmtest.data.readers.guard import DamagedError, admit, once
from dmtest.data.readers.kinds.arrow import from_arrow
from dmtest.data.readers.kinds.messages import account
from dmtest.data.readers.parts import Parts
from dmtest.errors import InputError

MARKERS = ("state.json", "dataset_dict.json")
FILE, OLD_FEATHER = b"ARROW1", b"FEA1"
END = b"\xff\xff\xff\xff\0\0\0\0"  # end of a stream, since Arrow 0.15


def read_arrow(
    path: Path, key: str | None, columns: Columns | None, labels: str | None = None
) -> Loaded:
    """Read an Arrow file in random-access format, which Feather 2 is, or in stream format."""
    with path.open("rb") as stream:
        start = stream.read(6)
    if start[:4] == OLD_FEATHER:
        raise InputError(f"{path}: is Feather version 1; save it again as version 2")
    if start == FILE:
        account(path, file=True)
        schema = _file(path, None).schema

        def fetch(indices: list[int]) -> Any:
            order = sorted(set(indices))
            table = _validate(_file(path, order).read_all())
            return table.select([order.index(j) for j in indices])

        return from_arrow(schema, fetch, key, columns, str(path), labels)
    table = _stream(path)
    return _from_table(table, key, columns, path, labels)


def arrow_parts(path: Path, key: str | None, columns: Columns | None) -> Parts | None:
    """Read the rows of an Arrow file or stream batch by batch, without mapping them."""
    with path.open("rb") as stream:
        start = stream.read(6)
    if start[:4] == OLD_FEATHER:
        return None
    if start == FILE:
        account(path, file=True, at_once=False)
    else:
        _require_end(path)
        account(path, file=False, at_once=False)
    return Parts(_batches([path], start == FILE, key, columns, path), 0, guess=_rows_in([path]))


def dataset_parts(path: Path, key: str | None, columns: Columns | None) -> Parts:
    """Read the rows of a folder of datasets shard by shard, batch by batch."""
    folder, key = _split(path, key)
    shards = _sound_shards(folder, _names(folder))
    for shard in shards:
        _require_end(shard)
        account(shard, file=False, at_once=False)
    return Parts(_batches(shards, False, key, columns, path), 0, guess=_rows_in(shards))


def _batches(
    paths: list[Path], file: bool, key: str | None, columns: Columns | None, source: Path
) -> Iterator[Loaded]:
    import pyarrow as pa
    from pyarrow import ipc

    for path in paths:
        with pa.OSFile(str(path)) as raw:
            batches = (ipc.open_file if file else ipc.open_stream)(raw)
            count = batches.num_record_batches if file else 0
            for batch in map(batches.get_batch, range(count)) if file else batches:
                if batch.num_rows:
                    yield _from_table(pa.Table.from_batches([batch]), key, columns, source, None)


def _rows_in(paths: list[Path]) -> int:
    """Guess how many rows files have, at most: columns of numbers take a byte a value."""
    return sum(path.stat().st_size for path in paths)


def _from_table(
    table: Any, key: str | None, columns: Columns | None, path: Path, labels: str | None
) -> Loaded:
    def fetch(indices: list[int]) -> Any:
        return _validate(table.select(indices))

    return from_arrow(table.schema, fetch, key, columns, str(path), labels)


def _file(path: Path, fields: list[int] | None) -> Any:
    import pyarrow as pa
    from pyarrow import ipc

    options = ipc.IpcReadOptions(included_fields=fields)
    return ipc.open_file(pa.memory_map(str(path)), options=options)


def _require_end(path: Path) -> None:
    with path.open("rb") as raw:
        raw.seek(-min(8, path.stat().st_size), 2)
        if raw.read() != END:
            raise DamagedError("the mark at the end of the stream is not there")


def _stream(path: Path) -> Any:
    _require_end(path)
    account(path, file=False)
    return _read_stream(path)


def _read_stream(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import ipc

    return ipc.open_stream(pa.memory_map(str(path))).read_all()


def _validate(table: Any) -> Any:
    """Check lengths and offsets, which Arrow trusts: wrong ones point outside the file."""
    table.validate(full=True)
    return table


def read_dataset(
    path: Path, key: str | None, columns: Columns | None, labels: str | None = None
) -> Loaded:
    """Read a folder of ``save_to_disk``; the key is a column, SPLIT or SPLIT/COLUMN."""
    import pyarrow as pa

    folder, key = _split(path, key)
    table = pa.concat_tables([_stream(one) for one in _sound_shards(folder, _names(folder))])
    return _from_table(table, key, columns, path, labels)


def _split(path: Path, key: str | None) -> tuple[Path, str | None]:
    """Return the folder of a split, and the column that a key names."""
    folder = path
    if (path / "dataset_dict.json").is_file():
        splits = _strings(_json(path / "dataset_dict.json"), "splits")
        split, _, rest = (key or "").partition("/")
        if split not in splits and len(splits) == 1:
            split, rest = splits[0], key or ""
        if split not in splits:
            known = listing(map(repr, splits))
            raise InputError(f"key: {path} has the splits {known}; name one, as in key='train'")
        if Path(split).name != split:
            raise DamagedError(f"the split {split!r} is no name of a folder")
        folder, key = path / split, rest or None
    return folder, key


def _names(folder: Path) -> list[str]:
    """Return the names of the shards of a folder."""
    state = _json(folder / "state.json")
    if not isinstance(state, dict) or not isinstance(state.get("_data_files"), list):
        raise DamagedError("its state.json names no files")
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise InputError(
            f"{folder}: keeps its choice of rows apart; save it again after flatten_indices()"
        )
    names = [_strings(file, "filename") for file in state["_data_files"]]
    return [name for one in names for name in one]


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes(), object_pairs_hook=once)


def _strings(about: Any, name: str) -> list[str]:
    if not isinstance(about, dict) or name not in about:
        raise DamagedError(f"{name!r} holds no names")
    texts = about[name] if isinstance(about[name], list) else [about[name]]
    if not all(isinstance(text, str) for text in texts):
        raise DamagedError(f"{name!r} holds no names")
    return texts


def _sound_shards(folder: Path, names: list[str]) -> list[Path]:
    """Return the paths of shards after checking that they are all there."""
    if not names:
        raise DamagedError("it lists no files")
    admit(folder, names=names)
    _no_hole(folder, names)
    for name in names:
        if Path(name).name != name:  # a path could lead out of the folder
            raise DamagedError(f"{name!r} is no name of a file in this folder")
        if not (folder / name).is_file():
            raise InputError(f"{folder}: its file {name!r} is not there; copy the folder again")
    return [folder / name for name in names]


def _no_hole(folder: Path, names: list[str]) -> None:
    """Refuse a list that lacks a shard which the names of the others count."""
    counts = {int(found[1]) for name in names if (found := re.search(r"-of-(\d{1,9})\.", name))}
    if len(counts) == 1 and all("-of-" in name for name in names):
        admit(folder, said=counts.pop(), there=len(names), what="shards")
