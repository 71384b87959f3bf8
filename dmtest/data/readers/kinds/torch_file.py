"""Files of torch.save, tensors only: they are always read with weights_only=True."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dmtest.data.readers.choice import choose
from dmtest.data.readers.columns import Columns, Loaded, pick
from dmtest.data.readers.objects import from_torch
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

ZIP, PICKLE = b"PK\x03\x04", b"\x80"


def read_torch(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Map one tensor of a file; names of nested dictionaries and lists are joined with /."""
    import torch

    with path.open("rb") as stream:
        start = stream.read(4)
    if start == ZIP:
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise InputError(f"{path}: is a TorchScript program; save the tensors alone")
    elif not start.startswith(PICKLE):  # torch also unpacks tar files, which is not safe
        raise ValueError("neither a zip file nor a pickle")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=start == ZIP)
    except pickle.UnpicklingError as problem:
        if "global" not in str(problem).lower():
            raise ValueError("its pickle is damaged") from problem
        raise InputError(
            f"{path}: holds pickled Python objects, which are not read because unpickling can run "
            "any code; save the tensors alone with torch.save"
        ) from problem
    findings: tuple[Finding, ...] = ()
    if isinstance(content, torch.Tensor):
        if key is not None:
            raise InputError(f"key: {path} holds one tensor without a name; leave out key={key!r}")
        name, tensor = "", content
    else:
        tensors = dict(_tensors(content, ""))
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        name, findings = choose(shapes, key, str(path))
        tensor = tensors[name]
    loaded = from_torch(tensor, f"{path}[{name!r}]" if name else str(path))
    return Loaded(pick(loaded.array, columns), None, findings, str(path), loaded.dtype)


def _tensors(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    import torch

    if isinstance(content, torch.Tensor):
        yield name, content
    elif isinstance(content, (dict, list, tuple)):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for label, value in items:
            yield from _tensors(value, f"{name}/{label}" if name else str(label))
