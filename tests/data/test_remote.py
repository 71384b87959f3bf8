"""URLs: copied, read and named without their secrets; failures are one sentence."""

from __future__ import annotations

import gc
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dmtest.cli.main import main
from dmtest.data.load import load, read
from dmtest.data.readers.remote import PACKAGES, is_url, public_url
from tests.data.test_kinds import refusal
from tests.support.file_kinds import X


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Any]:
    """Yield fsspec's file system in memory, with x.npy in it."""
    system = fsspec.filesystem("memory")
    np.save(tmp_path / "x.npy", X)
    system.put(str(tmp_path / "x.npy"), "/remote/x.npy")
    yield system
    system.rm("/remote", recursive=True)


def test_what_is_a_url() -> None:
    assert all(map(is_url, ("s3://b/x.npy", "zip://x.npy::s3://b/a.zip", "simplecache::gs://b/x")))
    assert not any(map(is_url, ("x.npy", "C:/x.npy", r"C:\x.npy", "a:b.npy", Path("s3://b/x.npy"))))


def test_secrets_are_not_shown() -> None:
    assert public_url("https://me:secret@host/x.npy?sign=secret") == "https://host/x.npy"
    assert public_url("ftp://me:secret@host/x.npy") == "ftp://host/x.npy"
    assert public_url("s3://bucket/what?.npy").startswith("s3://bucket/")


def test_the_copy_is_removed_and_the_mapped_array_stays(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    values = load("memory://remote/x.npy")
    assert set(tmp_path.iterdir()) == before
    gc.collect()
    assert isinstance(values, np.memmap)
    assert_array_equal(values, X)


def test_messages_name_the_url(memory: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert refusal("memory://remote/none.npy").startswith("memory://remote/none.npy: ")
    assert "no such file" in refusal("memory://remote/none.npy")
    memory.pipe("/remote/bad.npz", b"PK no")
    sentence = refusal("memory://remote/bad.npz")
    assert sentence.startswith("memory://remote/bad.npz: cannot be read as a NumPy archive")
    assert "dmtest-" not in sentence
    assert "this is a directory" in refusal("memory://remote")
    memory.pipe("/remote/film.mp4", b"long")
    assert "unknown kind" in refusal("memory://remote/film.mp4")
    assert main(["report", "memory://remote/bad.npz"]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_a_report_of_a_url(memory: Any, capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["report", "memory://remote/x.npy", "--tests", "radius", "--replicates", "99"])
    assert code in (0, 1)
    assert "memory://remote/x.npy" in capfd.readouterr().out


def test_pairs_of_a_url(memory: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = np.random.default_rng(0).standard_normal((500, 2))
    np.savez(tmp_path / "pairs.npz", embeddings=rows, augmented=rows, sigma=1.0)
    memory.put(str(tmp_path / "pairs.npz"), "/remote/pairs.npz")
    assert main(["bounds", "memory://remote/pairs.npz"]) == 0
    assert "500 pairs in d = 2, sigma = 1" in capfd.readouterr().out
    assert main(["bounds", "memory://remote/pairs.npz", "--augmented", "g"]) == 2
    assert "'memory://remote/" not in (said := capfd.readouterr().err)
    assert "has no 'g'" in said
    assert "dmtest-" not in said


def test_the_command_in_a_report_keeps_no_secret(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a report shows and stores has neither the password nor the signature of a URL."""
    from dmtest.data.readers import remote

    monkeypatch.setattr(remote, "_resolve", lambda url: (memory, "/remote/x.npy"))
    url, out = "https://me:password@host/x.npy?signature=5ec2e7", tmp_path / "out"
    options = ["--tests", "radius", "--replicates", "99"]
    pages = ["--json", str(out.with_suffix(".json")), "--html", str(out.with_suffix(".html"))]
    assert main(["report", url, *options, *pages]) in (0, 1)
    for suffix in (".json", ".html"):
        text = out.with_suffix(suffix).read_text()
        assert "https://host/x.npy" in text
        assert not any(word in text for word in ("password", "5ec2e7")), text


def test_chained_urls(memory: Any, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(tmp_path / "x.npy", "inner/x.npy")
    memory.put(str(tmp_path / "all.zip"), "/remote/all.zip")
    assert_array_equal(load("zip://inner/x.npy::memory://remote/all.zip"), X)
    assert_array_equal(load("simplecache::memory://remote/x.npy"), X)


def test_folders_whose_names_lead_out_are_refused(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, names = type(memory), ["/remote/a.zarr/zarr.json", "/remote/a.zarr/../../x.npy"]
    # Undone before the file system is emptied, which lists its files.
    with monkeypatch.context() as patch:
        patch.setattr(kind, "isdir", lambda *_: True)
        patch.setattr(kind, "find", lambda *_: names)
        assert "leads out of its folder" in refusal("memory://remote/a.zarr")


@pytest.mark.parametrize("protocol", ["s3", "gs", "abfs", "https", "sftp", "hf"])
def test_a_missing_package_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    from fsspec.registry import _registry, known_implementations

    module = known_implementations[protocol]["class"].rpartition(".")[0]
    for name in (module, PACKAGES[protocol]):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(_registry, protocol, raising=False)
    sentence = refusal(f"{protocol}://place/x.npy")
    assert sentence.endswith(f"; run: pip install {PACKAGES[protocol]}")


def test_fsspec_itself_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    assert "run: pip install 'fsspec>=" in refusal("s3://me@place/x.npy")


def test_unknown_protocols() -> None:
    assert "Protocol not known" in refusal("nosuch://place/x.npy")


class Quiet(SimpleHTTPRequestHandler):
    """Serve files and log nothing."""

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def test_https_names_end_before_the_question_mark(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/x.npy"
        loaded = read(f"{url}?token=secret")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert_array_equal(loaded.array, X)
    assert loaded.source == url
