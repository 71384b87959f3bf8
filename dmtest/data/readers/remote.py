"""URLs: fsspec fetches the file to a temporary folder, from which it is read.

The whole file is fetched whatever its format: most formats are mapped, or have their table of
contents at the end. The folder is removed afterwards; a mapped file keeps its space on disk until
the array is deleted.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from dmtest.data.readers.extras import Extra, require
from dmtest.data.readers.formats import by_suffix, identify
from dmtest.errors import InputError

FSSPEC = Extra("fsspec", (2023, 6))
PACKAGES = {  # package that fsspec needs for a protocol
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("ssh", "sftp"), "paramiko"),
    "hf": "huggingface_hub",
}
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::|://)")


def is_url(path: object) -> bool:
    """Whether a path is a URL such as s3://bucket/file.npy, or a chain such as zip://a::b."""
    return isinstance(path, str) and URL.match(path) is not None


def public_url(url: str) -> str:
    """Return the URL without passwords and without the query, which may hold a signature."""
    bare = re.sub(r"(?<=://)[^/@]*@", "", url)
    return bare.partition("?")[0] if re.match(r"\w+s?://", bare) else bare


@contextmanager
def local_path(url: str) -> Iterator[Path]:
    """Yield a local path: the file itself if the URL is local, otherwise a temporary copy."""
    require(FSSPEC, public_url(url))
    system, place = _resolve(url)
    from fsspec.implementations.local import LocalFileSystem

    if isinstance(system, LocalFileSystem):
        yield Path(place)
        return
    # On Windows a mapped file cannot be removed; the system clears temporary folders later.
    with tempfile.TemporaryDirectory(prefix="dmtest-", ignore_cleanup_errors=True) as folder:
        name = PurePosixPath(urlsplit(url).path if "http" in url[:5] else place).name
        target = Path(folder, name or "data")
        with _failures(url):
            _copy(system, place, target, public_url(url))
        yield target


@contextmanager
def remote_file(url: str) -> Iterator[io.BufferedReader]:
    """Yield a remote file that is read as it arrives, from its first byte to its last."""
    require(FSSPEC, public_url(url))
    system, place = _resolve(url)
    with _failures(url):
        raw = system.open(place, "rb")
    with raw, io.BufferedReader(raw) as stream:
        yield stream


def _resolve(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    protocol = re.split("::|://", url)[0].lower()
    with _failures(url):
        try:
            system, place = url_to_fs(url)
            return system, str(place)
        except ImportError as problem:
            package = next((PACKAGES[p] for p in PACKAGES if f"{p}:" in f"{url}:"), "")
            cure = f"run: pip install {package}" if package else str(problem).rstrip(".")
            raise InputError(
                f"{public_url(url)}: {protocol}:// needs a package that is not installed; {cure}"
            ) from problem


@contextmanager
def _failures(url: str) -> Iterator[None]:
    """Convert any exception of a remote store to an `InputError` of one sentence."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as problem:
        raise InputError(f"{public_url(url)}: there is no such file; check the URL") from problem
    except Exception as problem:
        reason = str(problem).strip().partition("\n")[0].replace(url, public_url(url))[:200]
        raise InputError(
            f"{public_url(url)}: cannot be fetched ({type(problem).__name__}: {reason}); check the "
            "URL, the network and the credentials"
        ) from problem


def _copy(system: Any, place: str, target: Path, where: str) -> None:
    """Copy a file or a folder after checking its kind, so that nothing is fetched in vain."""
    row = by_suffix(target.name)
    # isdir on a file makes some stores read all of it to see whether it lists others.
    if (row and not row.markers) or not system.isdir(place):
        identify(target.name, None, where)
        system.get_file(place, str(target))
        return
    root = place.rstrip("/") + "/"
    inner = {file: PurePosixPath(file.removeprefix(root)) for file in system.find(place)}
    identify(target.name, {path.parts[0] for path in inner.values()}, where)
    target.mkdir()
    for file, path in inner.items():
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{file!r} leads out of its folder")
        local = target.joinpath(*path.parts)
        local.parent.mkdir(parents=True, exist_ok=True)
        system.get_file(file, str(local))
