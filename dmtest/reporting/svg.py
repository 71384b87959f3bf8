"""matplotlib's SVG made fit for a page: inherits fonts and colours, small, no links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markupsafe import Markup, escape

from dmtest.reporting.palette import Palette

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

__all__ = ["SENTINELS", "render"]

# Colours no one would choose, one for each variable of the page's style sheet.
SENTINELS = Palette(
    ink="#010203",
    muted="#010204",
    grid="#010205",
    data="#010206",
    fill="#010207",
    band="#010208",
    bad="#010209",
)
VARIABLES = {getattr(SENTINELS, name): f"var(--{name})" for name in SENTINELS.__slots__}

# What a path inherits anyway, or what the page sets.
DROPPED = re.compile(r"(font-family|stroke-linejoin|stroke-miterlimit)\s*:[^;]*;?\s*")
# Before 3.9 matplotlib wrote the shorthand.
SHORTHAND = re.compile(r"font:\s*([\d.]+px)[^;]*")
DECIMALS = re.compile(r"-?\d+\.\d{2,}")
UNTURNED = re.compile(r"rotate\(-?0 [^)]*\)")
XLINK = "{http://www.w3.org/1999/xlink}href"


def render(
    paint: Callable[[Figure], None], *, size: tuple[float, float], name: str, label: str
) -> Markup:
    """Return an inline ``<svg>`` element.

    Parameters
    ----------
    paint : callable
        Draws on the Figure that it is given, with the palette `SENTINELS`.
    size : tuple of float
        Width and height in inches.
    name : str
        Prefix of the ids inside: unique on the page.
    label : str
        What a screen reader says instead of the picture.
    """
    from dmtest.reporting import figure

    root = ET.fromstring(figure.svg(*size, paint))
    width, height = root.attrib["width"], root.attrib["height"]
    view = root.attrib["viewBox"]
    used = set(re.findall(r"#([\w.-]+)", " ".join(_references(root))))
    body = "".join(_markup(child, name, used) for child in root)
    return Markup(
        '<svg role="img" aria-label="{}" viewBox="{}" width="{}" height="{}">{}</svg>'
    ).format(label, view, width, height, Markup(body))


def _references(root: ET.Element) -> list[str]:
    keys = ("clip-path", XLINK)
    return [e.attrib[k] for e in root.iter() for k in keys if k in e.attrib]


def _markup(element: ET.Element, name: str, used: set[str]) -> str:
    """Write one element and its children, without what the page does not need."""
    tag = element.tag.rsplit("}", 1)[-1]
    if tag in ("metadata", "style", "title"):
        return ""
    attributes = "".join(
        f' {key}="{escape(value)}"' for key, value in _attributes(element, name, used)
    )
    inside = "".join(_markup(child, name, used) for child in element)
    text = str(escape((element.text or "").strip()))
    if (tag == "g" and not attributes) or (tag == "defs" and not inside):
        return inside
    if not (inside or text):
        return "" if tag == "g" else f"<{tag}{attributes}/>"
    return f"<{tag}{attributes}>{text}{inside}</{tag}>"


def _attributes(element: ET.Element, name: str, used: set[str]) -> list[tuple[str, str]]:
    found = []
    for key, value in element.attrib.items():
        if key == "id":
            if value not in used:
                continue
            value = f"{name}-{value}"
        elif key in ("clip-path", XLINK):
            key = "href" if key == XLINK else key
            value = value.replace("#", f"#{name}-")
        elif key == "style":
            value = _style(value)
        elif key == "transform":
            value = UNTURNED.sub("", value).strip()
        if key in ("d", "x", "y", "width", "height", "transform"):
            value = " ".join(DECIMALS.sub(_shorter, value).split())
        if value:
            found.append((key, value))
    return found


def _shorter(match: re.Match[str]) -> str:
    """Round to a hundredth of a point."""
    return f"{float(match.group()):.2f}".rstrip("0").rstrip(".")


def _style(value: str) -> str:
    value = DROPPED.sub("", SHORTHAND.sub(r"font-size: \1", value))
    for sentinel, variable in VARIABLES.items():
        value = value.replace(sentinel, variable)
    return value.strip("; ")
