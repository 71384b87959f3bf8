"""The tutorial notebook: runs from top to bottom and shows what is stored in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "notebooks" / "tutorial.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run all cells in a fresh kernel, in an empty folder."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        patch.setenv("PYTHONWARNINGS", "")  # the kernel's own warnings are not ours
        notebook = nbformat.read(TUTORIAL, as_version=4)
        nbclient.NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": str(folder)}}
        ).execute()
    assert sorted(path.name for path in folder.iterdir()) == ["digits.html", "digits.json"]
    return notebook


def shown(notebook: Any) -> list[list[str]]:
    """Return what the cells print or end in, as plain text; pictures only as that."""
    found = []
    for cell in notebook.cells:
        outputs = []
        for output in cell.get("outputs", []):
            if output["output_type"] == "stream":
                outputs.append(f"{output['name']}: {output['text']}")
            elif "image/png" in output["data"]:
                outputs.append("picture")
            else:
                outputs.append(output["data"]["text/plain"])
        found.append(outputs)
    return found


def test_it_shows_what_is_stored(executed: Any) -> None:
    """Whoever reads the notebook without running it sees what running it gives."""
    assert shown(executed) == shown(nbformat.read(TUTORIAL, as_version=4))


def test_it_tells_a_story(executed: Any) -> None:
    """The verdicts that the text speaks of are those that came out; nothing warns."""
    text = "\n".join(line for outputs in shown(executed) for line in outputs)
    for part in ("('mismatch',\n True,", "at least 0.18 nats", "'compatible'", "mismatch\n- "):
        assert part in text
    assert "stderr" not in text
    pages = [
        output["data"]["text/html"]
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]
    assert "Mismatch" in pages[0]
    assert text.count("picture") == 2


def test_it_is_short_and_small() -> None:
    """Nobody reads a long tutorial, and nobody wants to clone a large one."""
    assert TUTORIAL.stat().st_size < 400_000
    assert len(nbformat.read(TUTORIAL, as_version=4).cells) < 30
