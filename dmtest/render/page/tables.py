"""Tables of columns, rows and classes as HTML for notebooks."""

from __future__ import annotations

import hashlib
from typing import Any

from dmtest.render.tables import parts_of
from dmtest.results import serial


def fragment(table: Any) -> str:
    """Return a table with a style that applies to it alone."""
    from markupsafe import Markup

    from dmtest.render.page import html

    digest = hashlib.sha256(serial.dumps(table.to_dict()).encode()).hexdigest()
    scope = f"dmtest-{digest[:10]}"
    return html.rendered_template(
        "tables.html.j2",
        parts=parts_of(table),
        scope=scope,
        style=Markup(html.fragment_style(scope)),
    )
