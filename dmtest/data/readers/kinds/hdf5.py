"""HDF5 files, and AnnData's .h5ad, an HDF5 file with a fixed layout.

Only datasets in the file itself are read. Links to other files, external storage and virtual
datasets are not followed: a missing source would be read as zeros.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.choice import choose, only_numbers, take
from dmtest.data.readers.columns import Columns, Loaded, pick, positions
from dmtest.data.readers.guard import DamagedError, admit
from dmtest.data.readers.parts import Parts, blocks_of, stacked
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

SPARSE = ("csr_matrix", "csc_matrix")


def read_hdf5(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read one dataset: mapped if it is contiguous, otherwise into memory."""
    import h5py

    with h5py.File(path, "r") as file:
        datasets = _datasets(file)
        name, findings = choose(_shapes(datasets), key, str(path))
        return Loaded(_values(datasets[name], path, columns, None), None, findings, str(path))


def hdf5_parts(path: Path, key: str | None, columns: Columns | None) -> Parts | None:
    """Read the rows of one dataset in blocks of its chunks."""
    import h5py

    with h5py.File(path, "r") as file:
        datasets = _datasets(file)
        name, findings = choose(_shapes(datasets), key, str(path))
        return _in_parts(datasets[name], path, columns, None, findings)


def h5ad_parts(path: Path, key: str | None, columns: Columns | None) -> Parts | None:
    """Read the rows of X, a layer or an array of obsm in blocks of its chunks."""
    import h5py

    with h5py.File(path, "r") as file:
        name, names, findings = _matrix(file, path, key)
        return _in_parts(file[name], path, columns, names, findings)


def _in_parts(
    dataset: Any,
    path: Path,
    columns: Columns | None,
    names: tuple[str, ...] | None,
    findings: tuple[Finding, ...],
) -> Parts | None:
    import h5py

    _refuse_unsound(dataset, path)
    place, shape, dtype = dataset.name, dataset.shape, dataset.dtype
    if not stacked(shape) or dtype.kind not in "biuf":
        return None

    def chunks() -> Iterator[Loaded]:
        with h5py.File(path, "r") as file:
            yield from blocks_of(file[place], columns, names, path, findings)

    width = shape[1] if columns is None else len(positions(columns, names, shape[1]))
    return Parts(chunks(), shape[0], width, dtype.itemsize)


def read_h5ad(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read X, a layer or an array of obsm; genes name the columns of X and of layers."""
    import h5py

    with h5py.File(path, "r") as file:
        name, names, findings = _matrix(file, path, key)
        values = _values(file[name], path, columns, names)
        if names is not None and columns is not None:
            names = tuple(names[j] for j in positions(columns, names, len(names)))
        return Loaded(values, names, findings, str(path))


def _matrix(
    file: Any, path: Path, key: str | None
) -> tuple[str, tuple[str, ...] | None, tuple[Finding, ...]]:
    """Return name, genes and findings of the matrix of an .h5ad file that `key` selects."""
    import h5py

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
    return name, names, findings


def _datasets(file: Any) -> dict[str, Any]:
    """Return all datasets that are reached by hard links, by name."""
    import h5py

    datasets: dict[str, Any] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            datasets[name] = item

    file.visititems(collect)
    return datasets


def _shapes(datasets: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(item.shape or ()) for name, item in datasets.items()}


def _matrices(file: Any) -> dict[str, Any]:
    """Return every matrix of an .h5ad file with one row per observation, dense or not."""
    import h5py

    matrices: dict[str, Any] = {}
    for place in ("X", "obsm", "layers"):
        link = file.get(place, getlink=True)
        if not isinstance(link, h5py.HardLink):
            continue
        members = [place]
        if place != "X":
            group = file[place]
            hard = (n for n in group if isinstance(group.get(n, getlink=True), h5py.HardLink))
            members = [f"{place}/{name}" for name in hard]
        matrices |= {name: file[name] for name in members}
    return matrices


def _cure(kind: str) -> str:
    if kind in SPARSE:
        # A dense copy is mostly zeros, which no continuous target has, and may not fit in memory.
        return (
            f"is a sparse matrix ({kind}), whose zeros no continuous target has; choose a dense "
            "array of obsm, or save X.toarray()"
        )
    return f"is a {kind}, not an array; save its values as an array of numbers"


def _genes(file: Any, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return the names of the columns of X, or None where the file lacks one."""
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
    where = _refuse_unsound(dataset, path)
    offset = _offset(dataset)
    if offset is None:
        return take(dataset, columns, names, path, where)
    mapped = np.memmap(path, dataset.dtype, "r", offset, dataset.shape)
    if columns is not None and mapped.ndim == 2:
        columns = positions(columns, names, mapped.shape[1])
    return pick(mapped, columns)


def _refuse_unsound(dataset: Any, path: Path) -> str:
    """Refuse a dataset that holds no numbers or not all of them; return its name."""
    where = f"{path}[{dataset.name.strip('/')!r}]"
    if dataset.shape is None:
        raise InputError(f"{where}: is empty; choose another dataset")
    only_numbers(dataset.dtype, where)
    _refuse_incomplete(dataset, where)
    _account(dataset, path, where)
    return where


def _refuse_incomplete(dataset: Any, where: str) -> None:
    """Refuse datasets that HDF5 would complete with fill values, or cannot decode."""
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
            title = label.decode(errors="replace") or "no name"
            raise InputError(
                f"{where}: is compressed with filter {code} ({title}), which this h5py lacks; "
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


def _account(dataset: Any, path: Path, where: str) -> None:
    """Compare the shape of a dataset with what is stored of it, and the file with its own end."""
    admit(path, said=_end(path), there=path.stat().st_size)
    stored, itemsize = dataset.id.get_storage_size(), dataset.id.get_type().get_size()
    if not dataset.chunks:
        admit(path, where=where, said=dataset.size * itemsize, there=stored)
        return
    chunk = math.prod(dataset.chunks) * itemsize
    admit(path, where=where, needs=chunk, packed=True)
    total = math.prod(
        -(-length // step) for length, step in zip(dataset.shape, dataset.chunks, strict=True)
    )
    admit(path, where=where, said=total, there=dataset.id.get_num_chunks(), what="chunks")
    if not dataset.id.get_create_plist().get_nfilters():
        admit(path, where=where, said=total * chunk, there=stored)


def _end(path: Path) -> int:
    """Return the size of a file as its superblock says."""
    mark, place, size = b"\x89HDF\r\n\x1a\n", 0, path.stat().st_size
    with path.open("rb") as stream:
        while place < size:  # the superblock is at 0, 512, 1024, 2048, ...
            stream.seek(place)
            raw = stream.read(64)
            if raw.startswith(mark):
                break
            place = max(512, 2 * place)
        else:
            raise DamagedError("it has no superblock")
    version = raw[8]
    start = {0: 40, 1: 44, 2: 28, 3: 28}.get(version)
    width = raw[13] if version < 2 else raw[9]
    if start is None or width != 8:
        return size  # h5py reads such files, if at all
    return int.from_bytes(raw[start : start + width], "little")


def _offset(dataset: Any) -> int | None:
    """Return the offset of the values in the file, or None unless NumPy can map them."""
    import h5py

    offset = dataset.id.get_offset()
    if offset is None or not dataset.size:
        return None
    plain = dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype, logical=True)
    return int(offset) if plain else None
