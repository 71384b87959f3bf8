"""What make_screenshots.py photographs besides reports: terminals, and a monitor's evidence."""

from __future__ import annotations

import html
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from first_screens import SCREENS

ROOT = Path(__file__).parents[1]
COLUMNS = 92
# Commands in the order in which they are run: a later one reads what an earlier one wrote.
TERMINALS = (
    ("terminal-report", "dmtest report mnist.npz --key embeddings"),
    ("terminal-compare", "dmtest compare new.npy old.npy"),
    ("", "dmtest check old.npy --write-baseline baseline.json"),
    ("terminal-check", "dmtest check scaled.npy --baseline baseline.json"),
    ("", "dmtest compare new.npy old.npy --html compare.html"),
    ("", "dmtest check scaled.npy --baseline baseline.json --html check.html"),
    ("terminal-train", "dmtest train --data digits --dim 8 --sigma 0.5 --out run --html run.html"),
    ("terminal-bounds", "dmtest bounds run/embeddings.npz --html bounds.html"),
)
PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>{title}</title>
<style>body {{ margin: 0; background: #ffffff; width: max-content; }}
pre {{ margin: 0; padding: 14px 18px; color: #1c2430;
  font: 12px/1.25 "DejaVu Sans Mono", monospace; }}
b.prompt {{ color: #5a6472; font-weight: 400; }}</style>
<pre><b class="prompt">$ </b>{command}
{output}</pre>
"""


def write_data(folder: Path) -> None:
    """Write what the commands read: MNIST's embeddings, one sample without ones, one scaled."""
    held = np.load(ROOT / "docs" / "data" / "mnist.npz")
    z, digits = held["embeddings"].astype(np.float32), held["labels"]
    np.savez(folder / "mnist.npz", embeddings=z)
    np.save(folder / "old.npy", z[:3000])
    np.save(folder / "scaled.npy", 1.1 * z[7000:])
    np.save(folder / "new.npy", z[3000:7000][digits[3000:7000] != 1])


def write_terminals(folder: Path) -> None:
    """Run the commands, and write what each prints as a page."""
    write_data(folder)
    for name, command in TERMINALS:
        write_terminal(folder, name, command)


def write_first_screens(folder: Path, word: str) -> list[str]:
    """Write the first screens with a word in their names as pages; return the names."""
    names = []
    for screen in SCREENS:
        if word in screen.picture:
            screen.made(folder / screen.file)
            write_terminal(folder, screen.picture, screen.command)
            names.append(screen.picture)
    return names


def write_terminal(folder: Path, name: str, command: str) -> None:
    """Run a command in a folder, and write what it prints as a page, if that has a name."""
    from rich.console import Console
    from rich.terminal_theme import DEFAULT_TERMINAL_THEME
    from rich.text import Text

    known = {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "OMP_NUM_THREADS": "1"}
    env = os.environ | known | {"PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(call, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode == 2:
        raise SystemExit(f"{command}: {done.stderr}")
    if name:
        console = Console(record=True, width=COLUMNS, file=io.StringIO())
        console.print(Text.from_ansi(done.stdout.rstrip()), overflow="ignore", no_wrap=True)
        output = console.export_html(
            theme=DEFAULT_TERMINAL_THEME, inline_styles=True, code_format="{code}"
        )
        page = PAGE.format(title=name, command=html.escape(command), output=output)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")


def monitor_picture() -> bytes:
    """Draw the evidence of a monitor over batches: 40 good ones, then a mean that moves."""
    from matplotlib.figure import Figure

    import dmtest

    rng = np.random.default_rng(0)
    monitor = dmtest.Monitor("normal", alpha=0.05)
    shift = 0.2 * (np.arange(16) == 3)
    evidence = []
    for batch in range(50):
        z = rng.standard_normal((256, 16)) + shift * (batch >= 40)
        evidence.append(monitor.update(z).log_e_value / np.log(10.0))
    figure = Figure(figsize=(7.4, 2.9), layout="constrained")
    ax = figure.add_subplot()
    ax.plot(range(1, 51), evidence, "o-", color="#0b5fb0", linewidth=1.2, markersize=3)
    line = -np.log10(0.05)
    ax.axhline(line, color="#b3261e", linewidth=1.0, linestyle="--")
    ax.text(
        1,
        line + 0.3,
        "1 / alpha with alpha = 0.05: rejected once it is above",
        fontsize=8.5,
        color="#b3261e",
    )
    ax.axvline(40.5, color="#5a6472", linewidth=0.9, linestyle=":")
    ax.text(40.2, 6.0, "one mean moves by 0.2 sd", fontsize=8.5, color="#5a6472", ha="right")
    ax.set(xlabel="batches of 256 rows", ylabel="log10 of the e-value")
    ax.grid(visible=True, color="#dfe4ea", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=150)
    return drawn.getvalue()
