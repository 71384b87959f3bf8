"""Runs that can be interrupted: one JSON file each, made once, read ever after."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dmtest import __version__
from dmtest.results.serial import plain

RESULTS = Path(__file__).parents[1] / "results" / "paper"

__all__ = ["RESULTS", "Run", "fitted", "read", "run"]

Run = dict[str, Any]


def run(experiment: str, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a run; do it if no file has it yet.

    The file is written whole or not at all, so that an interrupted run is done again.
    """
    path = RESULTS / experiment / f"{name}.json"
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    started = time.process_time()
    result = work() | {"name": name, "version": __version__}
    result["cpu_seconds"] = time.process_time() - started
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}.half")
    half.write_text(json.dumps(plain(result), indent=1) + "\n", encoding="utf-8")
    half.replace(path)
    print(f"{experiment}/{name}: {result['cpu_seconds']:.0f} CPU seconds", flush=True)
    return result


def read(experiment: str) -> Iterator[dict[str, Any]]:
    """Yield the results there are."""
    for path in sorted((RESULTS / experiment).glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def fitted(made: Any, points: int = 0) -> dict[str, Any]:
    """Take from a fit what tables and figures need.

    Parameters
    ----------
    made : dmtest.train.Fit
    points : int
        Held-out embeddings to keep, rounded to three digits.
    """
    found = made.verification
    assert found is not None
    assert made.report is not None
    kept: dict[str, Any] = {
        "settings": made.settings.to_dict(),
        "target": made.noise.target,
        "level": made.noise.level,
        "seed": made.seed,
        "seconds": made.seconds,
        "training_information": made.history["information"][-1],
        **_verified(found),
        "verdict": made.report.verdict,
        "pvalue": made.report.pvalue,
        "effects": {name: one.to_dict() for name, one in made.report.effects.items()},
        "diagnosis": [one.message for one in made.report.diagnosis],
        "downstream": dict(made.downstream.values) if made.downstream is not None else {},
        "kolmogorov_train": _kolmogorov(made, made.train_embeddings),
        # Neighbours in MNIST are by the same writers: so far apart are sets of other writers.
        "kolmogorov_blocks": [
            max(_kolmogorov(made, block))
            for block in np.array_split(
                made.train_embeddings, max(1, len(made.train_embeddings) // len(made.embeddings))
            )
        ],
    }
    if made.baseline is not None and made.baseline_downstream is not None:
        kept["untrained"] = _verified(made.baseline) | {
            "downstream": dict(made.baseline_downstream.values)
        }
    if points:
        # MNIST's first 5,000 test images are by other writers than the rest.
        rows = np.random.default_rng(0).permutation(len(made.embeddings))[:points]
        kept["points"] = np.round(made.embeddings[rows].astype(float), 3).tolist()
        kept["labels"] = None if made.labels is None else made.labels[rows].tolist()
    return kept


def _verified(found: Any) -> dict[str, Any]:
    return {
        "d": found.d,
        "n": found.n,
        "capacity": found.capacity,
        "matched_information": found.matched_information,
        "information": None if found.information is None else float(found.information),
        "information_low": None if found.information is None else found.information.low,
        "information_high": None if found.information is None else found.information.high,
        "ksg": found.ksg,
        "smoothed_kl": found.smoothed_kl,
        "kl": found.kl,
        "invariance_gap": found.invariance_gap,
        "invariance_error": found.invariance_error,
        "kolmogorov": found.kolmogorov,
        "mean_pvalues": {
            name: {"mean": one.mean, "low": one.low, "high": one.high}
            for name, one in found.mean_pvalues.items()
        },
        "inequalities": [one.to_dict() | {"holds": one.holds} for one in found.inequalities],
        "violations": found.violations,
    }


def _kolmogorov(made: Any, rows: Any) -> list[float]:
    from dmtest.train.evaluate.verification import kolmogorov

    return list(kolmogorov(rows.astype(np.float64), made.noise))
