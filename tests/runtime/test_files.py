"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import stat
import sys
from pathlib import Path

import pytest

from dmtest.runtime import files
from tests.support.calls import python, refused

OLD, NEW = b"old" * 1000, b"new" * 50_000


def names(folder: Path) -> list[str]:
    """Return the names of all files of a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    two.write_bytes(OLD)
    files.replace({one: NEW, two: NEW + b"!"})
    assert (one.read_bytes(), two.read_bytes()) == (NEW, NEW + b"!")
    assert names(tmp_path) == ["one", "two"]


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_permissions_are_those_of_the_old_file_or_of_any_new_one(
    tmp_path: Path, umask: int
) -> None:
    old = tmp_path / "old"
    old.write_bytes(OLD)
    old.chmod(0o640)
    before = os.umask(umask)
    try:
        files.replace({old: NEW, tmp_path / "new": NEW})
    finally:
        os.umask(before)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~umask


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    for content in (OLD, NEW):
        files.replace({link: content})
        assert link.is_symlink()
        assert target.read_bytes() == content


def test_none_is_changed_if_one_cannot_be_written(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        files.replace({one: NEW, tmp_path / "folder": NEW})
    assert caught.value.filename == str(tmp_path / "folder")
    with pytest.raises(FileNotFoundError):
        files.replace({one: NEW, tmp_path / "missing" / "two": NEW})
    assert one.read_bytes() == OLD
    assert names(tmp_path) == ["folder", "one"]


def test_a_stream_takes_the_bytes_as_they_are(tmp_path: Path) -> None:
    code = "from pathlib import Path; from dmtest.runtime import files; print('a', flush=True); "
    code += "files.replace({Path('/dev/stdout'): b'b'})"
    assert python("-c", code).stdout == "a\nb"
    files.replace({Path(os.devnull): NEW})
    assert not Path(os.devnull).is_file()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.replace({pipe: b"short"})
    assert os.read(reader, 99) == b"short"
    os.close(reader)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_full_device_is_one_sentence() -> None:
    said = refused(
        "cannot be written .No space left on device.", files.save, {Path("/dev/full"): NEW}
    )
    assert said.startswith("'/dev/full': ")


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path) -> None:
    path, soft = tmp_path / "one", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_bytes(OLD)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(NEW) // 2, soft[1]))
        refused("'.*one': cannot be written .File too large.", files.save, {path: NEW})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["one"]


KILLED = """
import os, resource, signal, sys
from pathlib import Path
from dmtest.runtime import files

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # a kill in the middle of a write
if sys.argv[1].isdecimal():
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
else:
    setattr(os, sys.argv[1], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
files.replace({Path("one"): b"new" * 50_000})
"""


@pytest.mark.parametrize("moment", ["0", "1", "70000", "149999", "fsync", "replace"])
@pytest.mark.parametrize("old", [False, True])
def test_a_kill_leaves_the_old_file(tmp_path: Path, old: bool, moment: str) -> None:
    path = tmp_path / "one"
    if old:
        path.write_bytes(OLD)
    done = python("-c", KILLED, moment, cwd=tmp_path, env={"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == -(signal.SIGXFSZ if moment.isdecimal() else signal.SIGKILL)
    assert path.read_bytes() == OLD if old else not path.exists()
    files.replace({path: NEW})
    assert path.read_bytes() == NEW


def test_what_killed_writers_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    for name, age in ((".one-aa.partial", 2 * files.STALE), (".one-bb.partial", 0.0)):
        (tmp_path / name).write_bytes(OLD)
        when = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (when, when))
    files.replace({tmp_path / "one": NEW})
    assert names(tmp_path) == [".one-bb.partial", "one"]


@pytest.mark.parametrize("moment", ["open", "replace"])
def test_a_folder_that_takes_no_new_file_keeps_its_old_one_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A file that is a mount of its own, as in a container, cannot be replaced."""
    path = tmp_path / "one"
    path.write_bytes(OLD)

    def refuse(*_: object) -> int:
        raise OSError(30 if moment == "open" else 16, "refused")

    with monkeypatch.context() as patch:
        patch.setattr(os, moment, refuse)
        files.replace({path: NEW})
        with pytest.raises(OSError, match="refused"):
            files.replace({tmp_path / "two": NEW})
    assert path.read_bytes() == NEW
    assert names(tmp_path) == ["one"]
