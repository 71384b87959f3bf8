"""SVG of matplotlib adapted to the page: small, with inherited fonts and colours, no links."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markupsafe import Markup, escape

from dmtest.render.figures.palette import DARK, LIGHT, Palette

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

# Placeholder colours, one for each variable of the page's style sheet.
SENTINELS = Palette(
    ink="#010203",
    muted="#010204",
    grid="#010205",
    data="#010206",
    fill="#010207",
    band="#010208",
    bad="#010209",
)

# Properties that a path inherits or that the page sets.
INHERITED = re.compile(r"(font-family|stroke-linejoin|stroke-miterlimit)\s*:[^;]*;?\s*")
# Before 3.9, matplotlib wrote this shorthand.
SHORTHAND = re.compile(r"font:\s*([\d.]+px)[^;]*")
DECIMALS = re.compile(r"-?\d+\.\d{2,}")
NO_ROTATION = re.compile(r"rotate\(-?0 [^)]*\)")
XLINK = "{http://www.w3.org/1999/xlink}href"
# Colours of a figure in a notebook: text has the notebook's colour in every theme.
DRAWING = """
SCOPE svg { display: block; max-width: 100%; height: auto; overflow: visible; fill: currentColor;
  stroke-linejoin: round; font-family: inherit; }
SCOPE { --dm-ink: currentColor; --dm-muted: color-mix(in srgb, currentColor 75%, transparent);
  --dm-grid: rgba(127, 127, 127, .3); --dm-band: rgba(127, 127, 127, .22); }
"""


def variables(palette: Palette, prefix: str = "") -> dict[str, str]:
    """Return the style sheet variable of each colour of a palette."""
    return {getattr(palette, name): f"var(--{prefix}{name})" for name in Palette.__slots__}


def render(
    paint: Callable[[Figure], None], *, size: tuple[float, float], name: str, label: str
) -> Markup:
    """Return an inline ``<svg>`` element.

    Parameters
    ----------
    paint : callable
        Function that draws on the Figure, with the palette `SENTINELS`.
    size : tuple of float
        Width and height in inches.
    name : str
        Prefix of the ids inside; unique on the page.
    label : str
        Description for screen readers.
    """
    from dmtest.render.figures import canvas

    return _element(canvas.svg(*size, paint), _Writer(name, variables(SENTINELS)), label)


def notebook(figure: Figure) -> str:
    """Return a figure in the palette `LIGHT` as HTML that follows a notebook's theme.

    Parameters
    ----------
    figure : matplotlib Figure
        Its lines and text in colours of the palette, or black, get the notebook's colours.
    """
    from dmtest.render.figures import canvas
    from dmtest.render.page import html

    source = canvas.svg_of(figure)
    scope = f"dmtest-{hashlib.sha256(source.encode()).hexdigest()[:10]}"
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    label = "; ".join(title for title in titles if title) or "figure"
    writer = _Writer(scope, variables(LIGHT, "dm-"))
    style = DRAWING + _themed("SCOPE", LIGHT) + _themed("DARK", DARK)
    element = _element(source, writer, label)
    return f'<div class="{scope}"><style>{html.scoped(style, "." + scope)}</style>{element}</div>'


def _themed(selector: str, palette: Palette) -> str:
    colours = {name: getattr(palette, name) for name in ("data", "fill", "bad")}
    return f"{selector} {{ " + "".join(f"--dm-{k}: {v}; " for k, v in colours.items()) + "}\n"


def _element(source: str, writer: _Writer, label: str) -> Markup:
    """Return the inline element of an SVG file."""
    root = ET.fromstring(source)
    width, height = root.attrib["width"], root.attrib["height"]
    view = root.attrib["viewBox"]
    used = set(re.findall(r"#([\w.-]+)", " ".join(_references(root))))
    body = "".join(writer.markup(child, used) for child in root)
    return Markup(
        '<svg role="img" aria-label="{}" viewBox="{}" width="{}" height="{}">{}</svg>'
    ).format(label, view, width, height, Markup(body))


def _references(root: ET.Element) -> list[str]:
    keys = ("clip-path", XLINK)
    return [e.attrib[k] for e in root.iter() for k in keys if k in e.attrib]


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes elements, with a prefix for ids and a replacement for each colour."""

    name: str
    colours: Mapping[str, str]

    def markup(self, element: ET.Element, used: set[str]) -> str:
        """Return one element and its children, without the parts that the page does not need."""
        tag = element.tag.rsplit("}", 1)[-1]
        if tag in ("metadata", "style", "title"):
            return ""
        attributes = "".join(
            f' {key}="{escape(value)}"' for key, value in self.attributes(element, used)
        )
        inside = "".join(self.markup(child, used) for child in element)
        text = str(escape((element.text or "").strip()))
        if (tag == "g" and not attributes) or (tag == "defs" and not inside):
            return inside
        if not (inside or text):
            return "" if tag == "g" else f"<{tag}{attributes}/>"
        return f"<{tag}{attributes}>{text}{inside}</{tag}>"

    def attributes(self, element: ET.Element, used: set[str]) -> list[tuple[str, str]]:
        """Return the attributes that the page needs, with rounded numbers."""
        needed = []
        for key, value in element.attrib.items():
            if key == "id":
                if value not in used:
                    continue
                value = f"{self.name}-{value}"
            elif key in ("clip-path", XLINK):
                key = "href" if key == XLINK else key
                value = value.replace("#", f"#{self.name}-")
            elif key == "style":
                value = self.style(value)
            elif key == "transform":
                value = NO_ROTATION.sub("", value).strip()
            if key in ("d", "x", "y", "width", "height", "transform"):
                value = " ".join(DECIMALS.sub(_shorter, value).split())
            if value:
                needed.append((key, value))
        return needed

    def style(self, value: str) -> str:
        """Return a style without inherited properties, in the page's colours."""
        value = INHERITED.sub("", SHORTHAND.sub(r"font-size: \1", value))
        for colour, variable in self.colours.items():
            value = value.replace(colour, variable)
        return value.strip("; ")


def _shorter(match: re.Match[str]) -> str:
    """Round to a hundredth of a point."""
    return f"{float(match.group()):.2f}".rstrip("0").rstrip(".")
