"""Remake docs/pictures/report-*.png, notebook-*.png and the outputs of the tutorial notebook.

Run ``python docs/make_screenshots.py`` from the repository, with the ``test`` group and Chromium
installed. ``--notebook`` runs the notebook anew first.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
TUTORIAL = ROOT / "docs" / "notebooks" / "tutorial.ipynb"
LARGEST = 300_000  # bytes of a picture in the repository
COLOURS = 256
# Name, page, and how it is seen: `height` cuts, `top` is an element to begin at.
SHOTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("report-light", "report", {"width": 1280, "height": 1560}),
    ("report-dark", "report", {"width": 1280, "height": 1560, "dark": True}),
    ("report-tests", "report", {"width": 1280, "height": 760, "top": "#tests"}),
    ("report-phone", "report", {"width": 390, "height": 1700}),
    ("notebook-light", "notebook-light", {"width": 1080, "height": 1700}),
    ("notebook-dark", "notebook-dark", {"width": 1080, "height": 1700}),
)

sys.path.insert(0, str(ROOT / "tests"))  # for the module that drives the browser


def run_notebook() -> None:
    """Execute the tutorial and store its outputs, without what changes from run to run."""
    import nbclient
    import nbformat

    notebook = nbformat.read(TUTORIAL, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(notebook, resources={"metadata": {"path": folder}}).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata = {}
    nbformat.write(notebook, TUTORIAL)


def write_pages(folder: Path) -> None:
    """Write the demo's report, and the notebook as JupyterLab shows it in both themes."""
    from nbconvert import HTMLExporter

    from dmtest.demo import digits_report

    digits_report().to_html(folder / "report.html")
    for theme in ("light", "dark"):
        # Scripts and mathematics would be fetched from elsewhere, and nothing here needs them.
        exporter = HTMLExporter(template_name="lab", theme=theme)
        text, _ = exporter.from_filename(str(TUTORIAL))
        (folder / f"notebook-{theme}.html").write_text(text, encoding="utf-8")


def optimised(png: bytes) -> bytes:
    """Return a PNG of few colours, which is a third of the size and looks the same."""
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> None:
    """Take all pictures."""
    import browser

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notebook", action="store_true", help="run the notebook anew")
    if parser.parse_args().notebook:
        run_notebook()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pages(folder)
        with browser.opened(browser.needed(), folder / "profile") as running:
            for shot, page, how in SHOTS:
                top = how.pop("top", None)
                tab = running.open((folder / f"{page}.html").as_uri(), script=False, **how)
                if top:
                    tab.evaluate(f"document.querySelector('{top}').scrollIntoView(); 1")
                png = optimised(tab.screenshot())
                tab.close()
                if len(png) > LARGEST:
                    raise SystemExit(f"{shot}: {len(png):,} bytes, more than {LARGEST:,}")
                (PICTURES / f"{shot}.png").write_bytes(png)
                print(f"{shot}.png {len(png):,} bytes")


if __name__ == "__main__":
    main()
