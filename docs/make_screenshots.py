"""Remake the pictures of all surfaces in docs/pictures, and the outputs of the tutorial notebook.

Run ``python docs/make_screenshots.py`` from the repository, with the ``test`` group, the extra
``train`` and Chromium installed. ``--notebook`` runs the notebook anew first; ``--only WORD`` takes
the pictures whose names have the word in them.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from make_surfaces import TERMINALS, monitor_picture, write_first_screens, write_terminals

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for the module of the tests that drives the browser
PICTURES = ROOT / "docs" / "pictures"
TUTORIAL = ROOT / "docs" / "notebooks" / "tutorial.ipynb"
LARGEST = 300_000  # bytes of a picture in the repository
COLOURS = 128
TERMINAL = {"width": 900, "height": 400, "fit": "pre"}
# Colours of a terminal: from paper to ink, to grey, and to red and green at full strength.
INKS = {"#1c2430": 4, "#7f7f7f": 2, "#800000": 2, "#008000": 1}
# Name, page, and how it is seen: `height` cuts, `top` is an element to begin at, `fit` one that is
# shown whole.
SHOTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("report-light", "report", {"width": 1280, "height": 1560}),
    ("report-dark", "report", {"width": 1280, "height": 1560, "dark": True}),
    ("report-tests", "report", {"width": 1280, "height": 760, "top": "#tests"}),
    ("report-phone", "report", {"width": 390, "height": 1700}),
    ("notebook-light", "notebook-light", {"width": 1080, "height": 1700}),
    ("notebook-dark", "notebook-dark", {"width": 1080, "height": 1700}),
    ("compare-page", "compare", {"width": 1280, "height": 1240}),
    ("check-page", "check", {"width": 1280, "height": 900}),
    ("train-page", "run", {"width": 1280, "height": 1560}),
    ("bounds-page", "bounds", {"width": 1280, "height": 640}),
    *((name, name, TERMINAL) for name, _ in TERMINALS if name),
)


def run_notebook() -> None:
    """Execute the tutorial and store its outputs: small, without what changes from run to run."""
    import nbclient
    import nbformat

    notebook = nbformat.read(TUTORIAL, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(notebook, resources={"metadata": {"path": folder}}).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", []):
            picture = output.get("data", {}).get("image/png")
            if picture is not None:
                small = optimised(base64.b64decode(picture))
                output.data["image/png"] = base64.b64encode(small).decode()
    nbformat.write(notebook, TUTORIAL)


def write_pages(folder: Path) -> None:
    """Write the demo's report, and the notebook as JupyterLab shows it in both themes."""
    from nbconvert import HTMLExporter

    from dmtest.cli.demo import digits_report

    digits_report().to_html(folder / "report.html")
    write_terminals(folder)
    for theme in ("light", "dark"):
        # Scripts and mathematics would be fetched from elsewhere, and nothing here needs them.
        exporter = HTMLExporter(template_name="lab", theme=theme)
        text, _ = exporter.from_filename(str(TUTORIAL))
        (folder / f"notebook-{theme}.html").write_text(text, encoding="utf-8")


def palette() -> Any:
    """Return a picture whose palette has white and steps to every colour of `INKS`."""
    from PIL import Image, ImageColor

    colours = [(255, 255, 255)]
    for ink, steps in INKS.items():
        end = np.array(ImageColor.getrgb(ink))
        for step in range(1, steps + 1):
            colours.append(tuple((255 + (end - 255) * step / steps).astype(int)))
    made = Image.new("P", (1, 1))
    made.putpalette([value for colour in colours for value in colour])
    return made


def optimised(png: bytes, terminal: bool = False) -> bytes:
    """Return a PNG of few colours, which is a third of the size and looks the same."""
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    inks = {"palette": palette()} if terminal else {"colors": COLOURS}
    picture.quantize(**inks, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def taken(running: Any, page: Path, how: dict[str, Any]) -> bytes:
    """Return the picture of a page."""
    top, fit = how.pop("top", None), how.pop("fit", None)
    suffix = ".svg" if fit == "svg" else ".html"
    tab = running.open(page.with_suffix(suffix).as_uri(), script=False, **how)
    if top:
        tab.evaluate(f"document.querySelector('{top}').scrollIntoView(); 1")
    if fit:
        box = f"document.querySelector('{fit}').getBoundingClientRect()"
        ends = (tab.evaluate(f"Math.ceil({box}.{end})") for end in ("right", "bottom"))
        tab.view(**dict(zip(("width", "height"), ends, strict=True)))
    png: bytes = tab.screenshot()
    tab.close()
    return png


def store(name: str, png: bytes) -> None:
    """Write a picture, unless it is too large for a repository."""
    small = optimised(png, terminal=name.startswith(("terminal-", "first-")))
    if len(small) > LARGEST:
        raise SystemExit(f"{name}: {len(small):,} bytes, more than {LARGEST:,}")
    (PICTURES / f"{name}.png").write_bytes(small)
    print(f"{name}.png {len(small):,} bytes")


def main() -> None:
    """Take all pictures."""
    from tests.support import browser

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebook", action="store_true", help="run the notebook anew")
    parser.add_argument("--only", default="", help="a word in the names of the pictures to take")
    asked = parser.parse_args()
    if asked.notebook:
        run_notebook()
    if asked.only in "monitor":
        store("monitor", monitor_picture())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shots = [shot for shot in SHOTS if asked.only in shot[0]]
        if shots:
            write_pages(folder)
        shots += [(name, name, TERMINAL) for name in write_first_screens(folder, asked.only)]
        with browser.opened(browser.needed(), folder / "profile") as running:
            for shot, page, how in shots:
                store(shot, taken(running, folder / page, dict(how)))


if __name__ == "__main__":
    main()
