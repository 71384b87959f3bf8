"""The order of rooms: a room imports only from rooms before it, and says which."""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path

import pytest

from tests.support.calls import python

ROOT = Path(__file__).parents[1]
HOUSE = runpy.run_path(str(ROOT / "docs" / "make_architecture.py"))
ROOMS, CIRCLE = HOUSE["ROOMS"], HOUSE["CIRCLE"]
PACKAGE = ROOT / "dmtest"
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


def test_every_module_and_folder_is_a_room() -> None:
    there = {path.stem for path in PACKAGE.glob("*.py")}
    there |= {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert there == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_no_import_runs_up(room: str) -> None:
    lower = ROOMS[: ROOMS.index(room) + 1]
    for path in HOUSE["sources"](room):
        for module, line, at_import in HOUSE["imports"](path):
            other = HOUSE["room_of"](module)
            where = f"{path.relative_to(ROOT)}:{line} imports {module}"
            if (room, other) == CIRCLE:
                assert not at_import, f"{where} when it is imported; move it into the function"
            else:
                assert other in lower, f"{where}, but {other} comes after {room}"


def rule(folder: Path) -> str:
    """Return the sentence that says which rooms, or folders beside it, a folder imports."""
    inside = folder.relative_to(PACKAGE).parts
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for module, _, _ in HOUSE["imports"](path):
            room = HOUSE["room_of"](module)
            beside = module.split(".")[2] if module.count(".") > 1 else ""
            if room != inside[0]:
                found.add(room)
            elif len(inside) > 1 and beside != inside[1]:
                found.add(f"{room}.{beside}")
    order = {name: (ROOMS.index(name.split(".")[0]), name) for name in found}
    names = ", ".join(f"`{name}`" for name in sorted(found, key=order.__getitem__))
    return f"Imports only {names}." if found else "Imports nothing else of dmtest."


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_folder_says_its_purpose_and_what_it_imports(folder: Path) -> None:
    text = HOUSE["docstring"](folder / "__init__.py")
    assert len(text.splitlines()[0]) > 20, "the first line says what the folder is for"
    assert rule(folder) in " ".join(text.split()), f"write: {rule(folder)}"


def test_folders_are_small() -> None:
    for folder in (PACKAGE, *FOLDERS):
        modules = [p for p in folder.glob("*.py") if p.stem not in ("__init__", "__main__")]
        assert len(modules) <= (8 if folder == PACKAGE else 14), folder


@pytest.mark.parametrize("package", ["dmtest", "dmtest.train", "dmtest.information"])
def test_no_submodule_shadows_a_public_name(package: str) -> None:
    folder = ROOT.joinpath(*package.split("."))
    modules = {path.stem for path in folder.glob("*.py")}
    modules |= {path.parent.name for path in folder.glob("*/__init__.py")}
    public = set(importlib.import_module(package).__all__)
    # These names are the modules themselves.
    assert modules & public <= {"bounds", "information", "train"}


def test_arguments_load_errors_only() -> None:
    code = "import sys, dmtest.arguments; print(*sorted(m for m in sys.modules if 'dmtest' in m))"
    done = python("-c", code, check=True, cwd=ROOT)
    assert done.stdout.split() == ["dmtest", "dmtest._version", "dmtest.arguments", "dmtest.errors"]


def test_the_picture_is_current() -> None:
    assert HOUSE["PICTURE"].read_text(encoding="utf-8") == HOUSE["picture"](), (
        "run: python docs/make_architecture.py"
    )
