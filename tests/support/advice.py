"""Advice that is followed: every code in backticks is run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np

import dmtest
from dmtest.cli import main as cli
from dmtest.render.table_rows import code_spans


def follow(advice: str, x: np.ndarray, target: Any, folder: Path) -> list[Any]:
    """Run every code of an advice, each on the sample; return `x` or the value of each.

    An option is given to ``dmtest report`` with the rows in a file: the command has to end with a
    report (exit code 0 or 1), and its exit code is returned. Python changes `x`, or is an
    expression.
    """
    import scipy
    from matplotlib.figure import Figure

    done: list[Any] = []
    for code, is_code in code_spans(advice):
        if not is_code:
            continue
        space: dict[str, Any] = {
            "x": np.array(x, dtype=np.float64),
            "y": np.random.default_rng(5).standard_normal(x.shape),
            "np": np,
            "dmtest": dmtest,
            "scipy": scipy,
            "plt": Figure().add_subplot(),
            "target": target,
        }
        if code.startswith("--"):
            done.append(command(code, space["x"], folder))
            continue
        try:
            parsed = compile(code, "<advice>", "eval")
        except SyntaxError:
            exec(code, space)
            done.append(space["x"])
        else:
            done.append(eval(parsed, space))
    return done


def command(options: str, x: np.ndarray, folder: Path) -> int:
    """Run ``dmtest report`` on the rows with these options."""
    words = shlex.split(options)
    file = folder / ("rows.npz" if "--key" in words else "rows.npy")
    if "--draws" in words:
        x = np.random.default_rng(3).integers(0, int(words[words.index("--draws") + 1]), x.shape)
    if "sphere" in words and "--normalise" not in words:
        x = x / np.linalg.norm(x, axis=1)[:, None]
    if file.suffix == ".npz":
        np.savez(file, embeddings=x, labels=np.arange(len(x)))
    else:
        np.save(file, x)
    if "--groups" in words:
        groups = folder / "groups.npy"
        np.save(groups, np.arange(len(x)) // 2)
        words[words.index("--groups") + 1] = str(groups)
    code = cli.main(["report", str(file), *words, "--replicates", "99", "--quiet"])
    assert code in (0, 1), f"dmtest report {options} ended with {code}"
    return code
