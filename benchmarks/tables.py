"""Write results as JSON and as a Markdown table, side by side."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Describe where the numbers come from."""
    from importlib.metadata import version

    import dmtest
    from dmtest.runtime.parallel import workers

    packages = ("numpy", "scipy", "numba")
    return {
        "dmtest": dmtest.__version__,
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "threads": workers(),
    } | {name: version(name) for name in packages}


def write(name: str, title: str, rows: Sequence[dict[str, Any]], notes: str) -> str:
    """Write ``results/<name>.json`` and ``.md``; return the table."""
    RESULTS.mkdir(exist_ok=True)
    columns = list(rows[0])
    lines = [f"# {title}", "", notes, "", "| " + " | ".join(columns) + " |"]
    lines.append("|" + "---|" * len(columns))
    lines += ["| " + " | ".join(_cell(row[c]) for c in columns) + " |" for row in rows]
    facts = machine()
    lines += ["", ", ".join(f"{key} {value}" for key, value in facts.items()), ""]
    text = "\n".join(lines)
    (RESULTS / f"{name}.md").write_text(text)
    (RESULTS / f"{name}.json").write_text(
        json.dumps({"title": title, "machine": facts, "rows": list(rows)}, indent=1) + "\n"
    )
    return text


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", r"\|")
