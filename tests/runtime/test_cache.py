"""The cache of null replicates: never wrong, whatever happens to its files."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import dmtest
from dmtest.calibration import nulls
from dmtest.calibration.nulls import RowNull, SliceNull, replicates_of
from dmtest.catalogue.registry import TESTS
from dmtest.errors import DataWarning
from dmtest.results.outcome import Outcome
from dmtest.runtime import cache, files
from tests.support.file_kinds import Payload

pytestmark = pytest.mark.usefixtures("folder")
X = np.random.default_rng(0).standard_normal((40, 3))
SPEC = TESTS["epps-pulley"]
NULL = SliceNull("known", 30, 2, 3)


def run(**options: Any) -> Outcome:
    """Run a small test."""
    options = {"test": "epps-pulley", "slices": 4, "replicates": 99, "rng": 1} | options
    return dmtest.run_test(X, options.pop("test"), options.pop("target", "normal"), **options)


def draw(count: int = 20) -> np.ndarray:
    """Draw replicates of one statistic."""
    return replicates_of(NULL, [SPEC], {}, count, 3)


def no_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make simulation an error."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("replicates were drawn")

    monkeypatch.setattr(SliceNull, "draw", refuse)
    monkeypatch.setattr(RowNull, "draw", refuse)


def only(folder: Path) -> Path:
    """Return the only file of the cache."""
    (path,) = folder.iterdir()
    return path


def sealed(body: bytes) -> bytes:
    """Seal a content as the cache does."""
    return body + hashlib.sha256(body).digest()


def saved(values: Any, **options: Any) -> bytes:
    """Return what np.save writes."""
    import io

    buffer = io.BytesIO()
    np.save(buffer, values, **options)
    return buffer.getvalue()


# What an entry is named by


def test_every_ingredient_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    bases = [SliceNull("fitted", 50, 3, 3, basis), SliceNull("fitted", 50, 3, 3, -basis)]
    slices = SliceNull("fitted", 50, 3, 4)
    other = {"parameters": "known", "n": 51, "d": 2, "k": 5}
    changed = [dataclasses.replace(slices, **{name: value}) for name, value in other.items()]
    known = {field.name for field in dataclasses.fields(SliceNull)}
    assert known == {*other, "basis"}  # a new field has to change the name too
    assert {field.name for field in dataclasses.fields(RowNull)} == {"space", "n", "d", "factor"}
    vasicek, zirkler = TESTS["vasicek"], TESTS["henze-zirkler"]
    entries: list[tuple[Any, ...]] = [(null, vasicek, {}, 0) for null in (slices, *changed, *bases)]
    entries += [
        (slices, TESTS["watson"], {}, 0),
        (slices, vasicek, {"vasicek": {"window": 3}}, 0),
        (slices, vasicek, {"vasicek": {"window": 4}}, 0),
        (slices, vasicek, {}, 1),
        (slices, vasicek, {}, 2**60),
        (RowNull("residuals", 50, 3), zirkler, {}, 0),
        (RowNull("residuals", 51, 3), zirkler, {}, 0),
        (RowNull("normal", 50, 3), zirkler, {}, 0),
        (RowNull("residuals", 50, 3, np.eye(3)), zirkler, {}, 0),
        (RowNull("residuals", 50, 4), zirkler, {}, 0),
        (RowNull("residuals", 50, 3), zirkler, {"henze-zirkler": {"beta": 1.0}}, 0),
    ]
    names = [cache.entry_name(nulls._entry(*entry)) for entry in entries]
    monkeypatch.setattr(nulls, "REVISION", nulls.REVISION + 1)
    names.append(cache.entry_name(nulls._entry(*entries[0])))
    monkeypatch.setattr(np, "__version__", "0.0.0")
    names.append(cache.entry_name(nulls._entry(*entries[0])))
    assert len(set(names)) == len(names)


def test_what_does_not_matter_leaves_the_name() -> None:
    name = cache.entry_name(nulls._entry(NULL, TESTS["vasicek"], {}, 0))
    written_out = {"vasicek": {"window": None}, "watson": {"other": 1}}
    assert cache.entry_name(nulls._entry(NULL, TESTS["vasicek"], written_out, 0)) == name
    again = SliceNull("known", 30, 2, 3)
    assert cache.entry_name(nulls._entry(again, TESTS["vasicek"], {}, 0)) == name
    assert cache.entry_name({"a": 1, "b": 2}) == cache.entry_name({"b": 2, "a": 1})


# Reading and writing


def test_an_entry_comes_back_as_it_was() -> None:
    values = np.random.default_rng(0).standard_normal((7, 2))
    values[0, 0], values[1, 1] = np.inf, -0.0
    cache.write("a.npy", values)
    assert_array_equal(cache.read("a.npy", 2), values)
    assert (cache.read("b.npy", 2).shape, cache.read("a.npy", 3).shape) == ((0, 2), (0, 3))


def test_an_entry_is_an_npy_file(folder: Path) -> None:
    values = np.random.default_rng(0).standard_normal((7, 2))
    cache.write("a.npy", values)
    assert_array_equal(np.load(folder / "a.npy"), values)


def test_warm_is_cold(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    cold = run()
    assert only(folder).suffix == ".npy"
    no_draws(monkeypatch)
    assert run() == cold
    with pytest.raises(AssertionError, match="were drawn"):
        run(rng=2)


@pytest.mark.parametrize("target", ["normal", "any-normal"])
def test_more_replicates_extend_fewer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    test = "bhep" if target == "any-normal" else "watson"
    monkeypatch.setenv("DMTEST_CACHE_DIR", "off")
    wanted = {count: run(test=test, target=target, replicates=count) for count in (99, 199, 999)}
    assert len({outcome.pvalue for outcome in wanted.values()}) == 3
    monkeypatch.setenv("DMTEST_CACHE_DIR", str(folder))
    for count in (199, 999, 99, 199):  # written, extended, and read in part twice
        assert run(test=test, target=target, replicates=count) == wanted[count]


def test_only_what_is_missing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    long = draw(50)
    cache.write(only(cache.directory()).name, long[:20, 0])  # type: ignore[arg-type]
    seen = []
    original = SliceNull.draw
    monkeypatch.setattr(
        SliceNull, "draw", lambda self, rng: (seen.append(0), original(self, rng))[1]
    )
    assert_array_equal(draw(50), long)
    assert len(seen) == 30
    assert_array_equal(draw(35), long[:35])
    assert len(seen) == 30


def test_a_test_more_changes_no_pvalue() -> None:
    names = ["watson", "epps-pulley", "vasicek", "henze-zirkler", "jarque-bera"]
    options: dict[str, Any] = {"slices": 4, "replicates": 99, "rng": 1}
    alone = [dmtest.run_test(X, name, "any-normal", **options) for name in names]
    for many in (names, names[::-1], names[1:3]):
        together = dmtest.run_tests(X, many, "any-normal", **options)
        assert together == [alone[names.index(name)] for name in many]


# Damage


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "short": lambda content: content[:40],
    "truncated": lambda content: content[:-9],
    "half": lambda content: content[: len(content) // 2],
    "longer": lambda content: content + b"\0",
    "bit": lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
    "noise": lambda content: np.random.default_rng(0).bytes(len(content)),
    "zip": lambda _: b"PK\x03\x04" + b"\0" * 60,
    "text": lambda _: b"statistic,pvalue\n1,2\n",
    "not sealed": lambda content: content[:-32],
    "other values": lambda _: saved(np.full((20, 2), 1e9)),
    "too few columns": lambda _: sealed(saved(np.full((20, 1), 1e9))),
    "one dimension": lambda _: sealed(saved(np.full(40, 1e9))),
    "three dimensions": lambda _: sealed(saved(np.full((20, 2, 2), 1e9))),
    "float32": lambda _: sealed(saved(np.full((20, 2), 1e9, np.float32))),
    "integers": lambda _: sealed(saved(np.full((20, 2), 9))),
    "bad header": lambda _: sealed(b"\x93NUMPY\x01\x00\x10\x00{'shape': ((((,   \n"),
    "huge header": lambda _: sealed(saved(np.zeros((20, 2)))[:60] + b"9" * 60),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_computed_again(folder: Path, kind: str) -> None:
    good = draw()
    path = only(folder)
    content = path.read_bytes()
    assert DAMAGE[kind](content) != content
    path.write_bytes(DAMAGE[kind](content))
    assert_array_equal(draw(), good)
    assert only(folder).read_bytes() == content


@pytest.mark.parametrize("seal", [False, True])
@pytest.mark.parametrize("bare", [False, True])
def test_pickles_are_never_executed(folder: Path, tmp_path: Path, bare: bool, seal: bool) -> None:
    marker = tmp_path / "executed"
    good = draw()
    objects = np.array([[Payload(marker), 1.0]] * 20, dtype=object)
    content = pickle.dumps(objects) if bare else saved(objects, allow_pickle=True)
    only(folder).write_bytes(sealed(content) if seal else content)
    assert_array_equal(draw(), good)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()  # the payload works


@pytest.mark.parametrize("old", [False, True])
def test_a_write_that_fails_leaves_the_old_entry(
    folder: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    if old:
        cache.write("a.npy", np.ones((3, 1)))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(DataWarning, match=r"No space left.*DMTEST_CACHE_DIR"):
        cache.write("a.npy", np.zeros((5, 1)))
    assert_array_equal(cache.read("a.npy", 1), np.ones((3, 1)) if old else np.empty((0, 1)))
    assert [path.name for path in folder.iterdir()] == ["a.npy"] * old


def test_an_interrupt_is_passed_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.write("a.npy", np.zeros((5, 1)))
    assert list(folder.iterdir()) == []


KILLED = """
import os, signal, sys
import numpy as np
from dmtest.runtime import cache, files

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[1], kill)
cache.write("a.npy", np.zeros((100, 1)))
"""


@pytest.mark.parametrize("moment", ["replace", "fsync"])
@pytest.mark.parametrize("old", [False, True])
def test_a_kill_in_the_middle_leaves_the_old_entry(folder: Path, old: bool, moment: str) -> None:
    if old:
        cache.write("a.npy", np.ones((3, 1)))
    done = subprocess.run([sys.executable, "-c", KILLED, moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert any(path.suffix == files.PARTIAL for path in folder.iterdir())
    assert_array_equal(cache.read("a.npy", 1), np.ones((3, 1)) if old else np.empty((0, 1)))
    cache.write("a.npy", np.zeros((4, 1)))
    assert_array_equal(cache.read("a.npy", 1), np.zeros((4, 1)))


WRITER = """
import sys
import numpy as np
from dmtest.runtime import cache, files

me = float(sys.argv[1])
for round in range(60):
    cache.write("a.npy", np.full((200 + 100 * round % 7, 2), me))
    values = cache.read("a.npy", 2)
    assert len(values) >= 200, values.shape
    assert (values == values[0, 0]).all(), values
"""


def test_writers_at_the_same_time_leave_whole_entries(folder: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(i)]) for i in range(4)]
    while any(writer.poll() is None for writer in writers):
        values = cache.read("a.npy", 2)
        assert not len(values) or (values == values[0, 0]).all()
    assert [writer.returncode for writer in writers] == [0] * 4
    assert len(cache.read("a.npy", 2)) >= 200
    assert [path.name for path in folder.iterdir()] == ["a.npy"]


RUNNER = """
import sys
import numpy as np
import dmtest

x = np.random.default_rng(0).standard_normal((40, 3))
for count in (int(sys.argv[1]), 99):
    out = dmtest.run_test(x, "epps-pulley", "normal", slices=4, replicates=count, rng=1)
print(out.pvalue)
"""


def test_runs_at_the_same_time_get_the_same_pvalue(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", RUNNER, count], stdout=subprocess.PIPE, text=True)
        for count in ("99", "199", "299")
    ]
    printed = {float(process.communicate()[0]) for process in runs}
    assert [process.returncode for process in runs] == [0] * 3
    assert len(cache.read(only(folder).name, 2)) in {99, 199, 299}
    monkeypatch.setenv("DMTEST_CACHE_DIR", "off")
    assert printed == {run().pvalue}


# Where


def test_a_folder_that_cannot_be_written_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = run()
    (tmp_path / "file").touch()
    monkeypatch.setenv("DMTEST_CACHE_DIR", str(tmp_path / "file" / "nulls"))
    with pytest.warns(DataWarning, match=r"not kept.*DMTEST_CACHE_DIR.*'off'"):
        assert run() == good


def test_a_folder_in_the_place_of_an_entry(folder: Path) -> None:
    good = draw()
    path = only(folder)
    path.unlink()
    path.mkdir()
    with pytest.warns(DataWarning, match="not kept"):
        assert_array_equal(draw(), good)
    assert [entry.name for entry in folder.iterdir()] == [path.name]


def test_entries_in_memory_last_as_long_as_their_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nulls of many blocks of rows are simulated once, with the cache off too."""
    monkeypatch.setenv("DMTEST_CACHE_DIR", "off")
    with cache.in_memory():
        with cache.in_memory():
            cache.write("entry.npy", np.ones((2, 1)))
        assert_array_equal(cache.read("entry.npy", 1), np.ones((2, 1)))
    assert cache.read("entry.npy", 1).shape == (0, 1)
    drawn = []
    draw = SliceNull.draw
    monkeypatch.setattr(SliceNull, "draw", lambda *args: drawn.append(1) or draw(*args))
    x = np.random.default_rng(0).standard_normal((800, 2))
    power = dmtest.detectability(x, "kuiper", sizes=[20, 40], replicates=99, rng=0)
    assert power.blocks == (40, 20)
    assert len(drawn) == 2 * 99


@pytest.mark.parametrize("word", ["off", "OFF", "none", "0"])
def test_off_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    good = run()
    for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DMTEST_CACHE_DIR", word)
    before = set(tmp_path.rglob("*"))
    assert cache.directory() is None
    assert run() == good
    assert set(tmp_path.rglob("*")) == before


def test_the_users_cache_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("DMTEST_CACHE_DIR")
        else:
            monkeypatch.setenv("DMTEST_CACHE_DIR", value)
        chosen = cache.directory()
        assert chosen is not None
        assert chosen.is_relative_to(tmp_path)
        assert "dmtest" in chosen.parts


def test_names_are_plain_file_names() -> None:
    seeds = itertools.islice(itertools.count(), 200)
    names = [cache.entry_name(nulls._entry(NULL, SPEC, {}, seed)) for seed in seeds]
    assert len(set(names)) == 200
    assert all(Path(name).name == name and name.endswith(".npy") for name in names)
