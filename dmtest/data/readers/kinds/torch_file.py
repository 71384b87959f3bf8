"""Files of torch.save, tensors only: they are always read with weights_only=True."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from dmtest.data.readers.choice import choose
from dmtest.data.readers.columns import Columns, Loaded, pick
from dmtest.data.readers.guard import MOST_NAMES, DamagedError, admit
from dmtest.data.readers.kinds.pickled import storages
from dmtest.data.readers.objects import from_torch
from dmtest.data.readers.zipped import sound_zip
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

ZIP, PICKLE = b"PK\x03\x04", b"\x80"


DEEPEST = 64  # levels of lists and dictionaries
LARGEST_PICKLE = 1 << 28  # bytes; numbers of tensors are stored beside it


def read_torch(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Map one tensor of a file; names of nested dictionaries and lists are joined with /."""
    import torch

    with path.open("rb") as stream:
        start = stream.read(4)
    if start == ZIP:
        with sound_zip(path) as archive:
            _account(path, archive)
    elif not start.startswith(PICKLE):  # torch also unpacks tar files, which is not safe
        raise DamagedError("neither a zip file nor a pickle")
    else:
        admit(path, needs=path.stat().st_size)
    try:
        if start == ZIP:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        else:
            with path.open("rb") as stream:
                content = torch.load(stream, map_location="cpu", weights_only=True)
                admit(path, said=stream.tell(), there=path.stat().st_size)
    except pickle.UnpicklingError as problem:
        if "global" not in str(problem).lower():
            raise DamagedError("its pickle is damaged") from problem
        raise _holds_objects(path) from problem
    findings: tuple[Finding, ...] = ()
    if isinstance(content, torch.Tensor):
        if key is not None:
            raise InputError(f"key: {path} holds one tensor without a name; leave out key={key!r}")
        name, tensor = "", content
    else:
        found = list(islice(_tensors(content, "", ()), MOST_NAMES + 1))
        admit(path, names=(name for name, _ in found))
        tensors = dict(found)
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        name, findings = choose(shapes, key, str(path))
        tensor = tensors[name]
    where = f"{path}[{name!r}]" if name else str(path)
    if str(tensor.layout) == "torch.strided" and not tensor.is_meta:
        _no_repeats(tensor, where)
        if str(tensor.dtype) == "torch.bfloat16":
            admit(path, where=where, needs=4 * tensor.numel())
    loaded = from_torch(tensor, where)
    return Loaded(pick(loaded.array, columns), None, findings, str(path), loaded.dtype)


def _holds_objects(path: Path) -> InputError:
    return InputError(
        f"{path}: holds pickled Python objects, which are not read because unpickling can run "
        "any code; save the tensors alone with torch.save"
    )


def _account(path: Path, archive: zipfile.ZipFile) -> None:
    """Compare the sizes that the pickle gives storages with those of their members."""
    sizes = {member.filename: member for member in archive.infolist()}
    if any(name.endswith("/constants.pkl") for name in sizes):
        raise InputError(f"{path}: is a TorchScript program; save the tensors alone")
    pickles = [name for name in sizes if name.endswith("data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise DamagedError("it has no data.pkl, or several")
    if any(member.compress_type != zipfile.ZIP_STORED for member in sizes.values()):
        raise DamagedError("its members are compressed, which torch.save does not do")
    if sizes[pickles[0]].file_size > LARGEST_PICKLE:
        raise DamagedError("its data.pkl is too large for a list of tensors")
    root = pickles[0].removesuffix("data.pkl")
    if sizes.get(f"{root}byteorder") and archive.read(f"{root}byteorder") != b"little":
        raise InputError(f"{path}: was written on a big-endian computer; save it on this one")
    for key, size in storages(archive.read(pickles[0])).items():
        member = sizes.get(f"{root}data/{key}")
        if member is None:
            raise DamagedError(f"its storage {key[:40]!r} is not there")
        where = f"{path}[storage {key[:40]!r}]"
        if size is not None:
            admit(path, where=where, said=size, there=member.file_size)


def _no_repeats(tensor: Any, where: str) -> None:
    """Refuse a tensor with more values than are stored, as ``expand`` makes."""
    stored = tensor.untyped_storage().nbytes()
    taken = tensor.numel() * tensor.element_size()
    if taken > stored:
        raise InputError(
            f"{where}: shape {tuple(tensor.shape)} takes {taken:,} bytes and {stored:,} are "
            "stored, so its values repeat; save x.contiguous()"
        )


def _tensors(content: Any, name: str, inside: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """Yield names and tensors; refuse lists and dictionaries that hold themselves, or are deep."""
    import torch

    if isinstance(content, torch.Tensor):
        yield name, content
    elif isinstance(content, (dict, list, tuple)):
        if id(content) in inside:
            raise DamagedError("a list or dictionary of it holds itself")
        if len(inside) == DEEPEST:
            raise DamagedError(f"its lists and dictionaries have more than {DEEPEST} levels")
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for label, value in items:
            place = f"{name}/{label}" if name else str(label)
            yield from _tensors(value, place, (*inside, id(content)))
