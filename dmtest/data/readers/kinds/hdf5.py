"""HDF5 files, and AnnData's .h5ad, which is one with a fixed layout.

Only datasets that lie in the file itself are read: links to other files, external storage and
virtual datasets are not followed, because what they point at may be absent and would then be
read as zeros.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.choice import choose, only_numbers, take
from dmtest.data.readers.columns import Columns, Loaded, pick, positions
from dmtest.errors import InputError

SPARSE = ("csr_matrix", "csc_matrix")


def read_hdf5(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read one dataset: mapped where it lies in one piece, or else into memory."""
    import h5py

    with h5py.File(path, "r") as file:
        held = _datasets(file)
        name, findings = choose(_shapes(held), key, str(path))
        return Loaded(_values(held[name], path, columns, None), None, findings, str(path))


def read_h5ad(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read X, a layer or an array of obsm; columns of X and of layers are named after genes."""
    import h5py

    with h5py.File(path, "r") as file:
        shapes, refused = {}, {}
        for name, item in _matrices(file).items():
            kind = item.attrs.get("encoding-type", "")
            if isinstance(item, h5py.Dataset):
                shapes[name] = tuple(item.shape or ())
            else:
                shapes[name] = tuple(map(int, item.attrs.get("shape", ())))
                refused[name] = str(kind) or "group"
        name, findings = choose(shapes, key, str(path))
        if name in refused:
            raise InputError(f"{path}[{name!r}]: {_cure(refused[name])}")
        names = None if name.startswith("obsm/") else _genes(file, shapes[name])
        values = _values(file[name], path, columns, names)
        if names is not None and columns is not None:
            names = tuple(names[j] for j in positions(columns, names, len(names)))
        return Loaded(values, names, findings, str(path))


def _datasets(file: Any) -> dict[str, Any]:
    """All datasets that hang on hard links, by name."""
    import h5py

    held: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            held[name] = item

    file.visititems(note)
    return held


def _shapes(held: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(item.shape or ()) for name, item in held.items()}


def _matrices(file: Any) -> dict[str, Any]:
    """Everything in an .h5ad file that has one row an observation and may be dense."""
    import h5py

    found: dict[str, Any] = {}
    for place in ("X", "obsm", "layers"):
        link = file.get(place, getlink=True)
        if not isinstance(link, h5py.HardLink):
            continue
        members = [place]
        if place != "X":
            group = file[place]
            hard = (n for n in group if isinstance(group.get(n, getlink=True), h5py.HardLink))
            members = [f"{place}/{name}" for name in hard]
        found |= {name: file[name] for name in members}
    return found


def _cure(kind: str) -> str:
    if kind in SPARSE:
        # Densified, most of it is zeros, which no continuous target has, and it may not fit.
        return (
            f"is a sparse matrix ({kind}), whose zeros no continuous target has; choose a dense "
            "array of obsm, or save X.toarray()"
        )
    return f"is a {kind}, not an array; save its values as an array of numbers"


def _genes(file: Any, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Names of the columns of X, where the file has one for each."""
    import h5py

    var = file.get("var")
    if not isinstance(var, h5py.Group) or len(shape) != 2:
        return None
    index = var.get(str(var.attrs.get("_index", "_index")))
    if not isinstance(index, h5py.Dataset) or h5py.check_string_dtype(index.dtype) is None:
        return None
    names = tuple(index.asstr()[...].tolist()) if index.shape == shape[1:] else ()
    return names if len(set(names)) == shape[1] else None


def _values(
    dataset: Any, path: Path, columns: Columns | None, names: tuple[str, ...] | None
) -> NDArray[Any]:
    where = f"{path}[{dataset.name.strip('/')!r}]"
    if dataset.shape is None:
        raise InputError(f"{where}: is empty; choose another dataset")
    only_numbers(dataset.dtype, where)
    _stored(dataset, where)
    offset = _offset(dataset)
    if offset is None:
        return take(dataset, columns, names, where)
    mapped = np.memmap(path, dataset.dtype, "r", offset, dataset.shape)
    if columns is not None and mapped.ndim == 2:
        columns = positions(columns, names, mapped.shape[1])
    return pick(mapped, columns)


def _stored(dataset: Any, where: str) -> None:
    """Refuse what HDF5 would answer with fill values, and what it cannot decode."""
    import h5py

    if dataset.external or dataset.is_virtual:
        raise InputError(
            f"{where}: its values lie in other files, which are not followed; copy them into one "
            "dataset"
        )
    plan = dataset.id.get_create_plist()
    for j in range(plan.get_nfilters()):
        code, _, _, label = plan.get_filter(j)
        if not h5py.h5z.filter_avail(code):
            shown = label.decode(errors="replace") or "no name"
            raise InputError(
                f"{where}: is compressed with filter {code} ({shown}), which this h5py lacks; "
                "save it with compression='gzip'"
            )
    if not dataset.size:
        return
    if dataset.chunks:
        pairs = zip(dataset.shape, dataset.chunks, strict=True)
        total = math.prod(-(-length // step) for length, step in pairs)
        stored = dataset.id.get_num_chunks()
    else:
        total, stored = 1, int(dataset.id.get_storage_size() > 0)
    if stored < total:
        raise InputError(
            f"{where}: {total - stored} of {total} chunks were never written and would be read as "
            f"{dataset.fillvalue}; write all rows, or cut the dataset to those that are there"
        )


def _offset(dataset: Any) -> int | None:
    """Where in the file the values lie as NumPy would store them, if they do."""
    import h5py

    offset = dataset.id.get_offset()
    if offset is None or not dataset.size:
        return None
    plain = dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype, logical=True)
    return int(offset) if plain else None
