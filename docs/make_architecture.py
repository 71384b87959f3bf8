"""Draw the rooms of dmtest and their imports: python docs/make_architecture.py.

`ROOMS` is the order that tests/test_layers.py holds: a room imports only from rooms above it in
this list. Purposes are the first lines of the rooms' docstrings.
"""

from __future__ import annotations

import ast
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "pictures" / "architecture.svg"

ROOMS = (
    "errors",
    "words",
    "_version",
    "arguments",
    "runtime",
    "results",
    "render",
    "kernels",
    "data",
    "targets",
    "engines",
    "summaries",
    "statistics",
    "catalogue",
    "calibration",
    "battery",
    "bounds",
    "information",
    "effects",
    "tables",
    "reports",
    "checks",
    "monitoring",
    "train",
    "__init__",
    "cli",
    "pytest_plugin",
    "__main__",
)
# Records draw and print themselves: the imports are inside the methods that do it.
CIRCLE = ("results", "render")


def sources(room: str) -> list[Path]:
    """Return the files of a room."""
    place = ROOT / "dmtest" / room
    return sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


@cache
def imports(path: Path) -> list[tuple[str, int, bool]]:
    """Return (module of dmtest, line, whether it is imported with the file) for each import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        names += [
            (module, node.lineno, id(node) not in inner)
            for module in modules
            if module.partition(".")[0] == "dmtest"
        ]
    return names


def room_of(module: str) -> str:
    """Return the room of a full name, such as dmtest.data.load.load."""
    first = module.split(".")[1] if "." in module else "__init__"
    if first == "__version__":
        return "_version"
    return first if first in ROOMS else "__init__"


def uses(room: str) -> set[str]:
    """Return the other rooms that a room imports from."""
    found = {room_of(name) for path in sources(room) for name, _, _ in imports(path)}
    return found - {room}


def docstring(path: Path) -> str:
    """Return the docstring of a module."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def purpose(room: str) -> str:
    """Return the first line of a room's docstring."""
    place = ROOT / "dmtest" / room
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return docstring(path).splitlines()[0].replace("`", "")


STEP, LEFT, TOP = 22, 128, 112
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .room { font-weight: 600 } .why { fill: #57606a }
  rect.self { fill: #0969da } rect.uses { fill: #54aeff } rect.circle { fill: #d4a72c }
  line { stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .why { fill: #9198a1 } line { stroke: #30363d }
  }
"""


def picture() -> str:
    """Return the matrix of imports as SVG: a row for each room, a mark where it imports."""
    size = STEP * len(ROOMS)
    width, height = LEFT + size + 640, TOP + size + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        "<title>Rooms of dmtest: each imports only from rooms above it</title>",
        f"<style>{STYLE}</style>",
    ]
    for j, room in enumerate(ROOMS):
        x, y = LEFT + STEP * (j + 0.5), TOP + STEP * (j + 0.5)
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + size}" y2="{y}"/>')
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{TOP + size}"/>')
        parts.append(
            f'<text x="{x + 4}" y="{TOP - 6}" transform="rotate(-60 {x + 4} {TOP - 6})">'
            f"{room}</text>"
        )
        parts.append(
            f'<text class="room" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{room}</text>'
        )
        parts.append(
            f'<text class="why" x="{LEFT + size + 12}" y="{y + 4}">{escape(purpose(room))}</text>'
        )
    for i, room in enumerate(ROOMS):
        for other in sorted({room, *uses(room)}, key=ROOMS.index):
            kind = "self" if other == room else "circle" if (room, other) == CIRCLE else "uses"
            x, y = LEFT + STEP * ROOMS.index(other) + 4, TOP + STEP * i + 4
            parts.append(
                f'<rect class="{kind}" x="{x}" y="{y}" width="{STEP - 8}" height="{STEP - 8}" '
                'rx="3"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
