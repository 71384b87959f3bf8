"""Runs that can be interrupted: one JSON file each while they are made, then a line of one file.

A run leaves all that it measured in ``benchmarks/runs/paper``, which git ignores. `collect` keeps
what tables and pictures need: a line of ``benchmarks/results/paper.json``, and the points of Figure
2 in ``paper-points.npz`` beside it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks import tables
from dmtest import __version__
from dmtest.results.serial import plain

STUDY = "paper"
FOLDER = tables.RUNS / STUDY
POINTS = tables.RESULTS / "paper-points.npz"
IMAGES = tables.RESULTS / "paper-images.npz"
# What is kept of a run, and of the measurements inside of it (PARTS).
KEPT = (
    *("name", "version", "method", "recipe", "target", "d", "level", "sigma", "seed", "verdict"),
    *("capacity", "matched_information", "information", "ksg", "smoothed_kl", "kl", "violations"),
    *("smoothed_noise", "smoothed_exact", "informative"),
    *("kolmogorov", "kolmogorov_train", "kolmogorov_blocks", "probe"),
    *("cpu_seconds", "cpu_seconds_per_epoch", "peak_mib"),
    *("steps", "neighbours", "invariance_error", "predicted", "decoded", "augment_scale", "pvalue"),
    *("rows", "classes", "levels"),
    *("weight", "generation"),
)
PARTS = ("common", "gaussianised")
# Parts of which a few entries are kept.
CHOSEN = {
    "settings": ("augment", "matching_weight", "matching_axes", "epochs"),
    "downstream": ("gnb-auc", "knn-accuracy", "mlp-auc", "silhouette"),
}

__all__ = ["Run", "collect", "fitted", "read", "read_points", "run", "smoothed"]

Run = dict[str, Any]


def run(experiment: str, name: str, work: Callable[[], dict[str, Any]]) -> None:
    """Do a run if it is neither stored nor in a file of its own.

    The file is written whole or not at all, so that an interrupted run is done again.
    """
    path = FOLDER / experiment / f"{name}.json"
    if path.exists() or any(one["name"] == name for one in read(experiment)):
        return
    started = time.process_time()
    result = work() | {"name": name, "version": __version__}
    result["cpu_seconds"] = time.process_time() - started
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}.half")
    half.write_text(json.dumps(plain(result), indent=1) + "\n", encoding="utf-8")
    half.replace(path)
    print(f"{experiment}/{name}: {result['cpu_seconds']:.0f} CPU seconds", flush=True)


def read(experiment: str) -> list[Run]:
    """Return the runs that are stored, in the order of their names."""
    return list(tables.load(STUDY).get(experiment, {}).get("rows", []))


def read_points(name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the embeddings (n, 2) that are stored of a run, and their labels."""
    with np.load(POINTS) as file:
        return file[f"{name}/points"].astype(np.float64), file[f"{name}/labels"]


def collect(experiment: str) -> None:
    """Store what is needed of the runs that have files; those without one stay as they are."""
    runs = {one["name"]: one for one in read(experiment)}
    for path in sorted((FOLDER / experiment).glob("*.json")):
        raw = json.loads(path.read_text(encoding="utf-8"))
        runs[raw["name"]] = _needed(raw)
        if raw.get("points") and raw["d"] == 2 and raw["seed"] == 0:  # what Figure 2 shows
            _store_points(raw)
    if runs:
        tables.store(STUDY, experiment, {"rows": [runs[name] for name in sorted(runs)]})


def _needed(raw: Mapping[str, Any]) -> Run:
    run = {key: raw[key] for key in KEPT if key in raw}
    run |= {part: _needed(raw[part]) for part in PARTS if raw.get(part)}
    if "mean_pvalues" in raw:
        means = raw["mean_pvalues"].items()
        run["mean_pvalues"] = {k: v["mean"] if isinstance(v, dict) else v for k, v in means}
    for part, names in CHOSEN.items():
        if part in raw:
            run[part] = {name: raw[part][name] for name in names if name in raw[part]}
    # The seed alone makes the untrained encoder: one method's runs have it in each table.
    if "probe" in raw:
        run["untrained"] = raw["untrained"]
    elif raw.get("method") == "plain DIM":
        run["untrained"] = _needed(raw["untrained"])
    if "outlet" in raw:
        effect = raw["outlet"]["effects"]["sliced-wasserstein-2"]
        run["outlet"] = {"verdict": raw["outlet"]["verdict"], effect["name"]: effect["value"]}
    return run


def _store_points(raw: Mapping[str, Any]) -> None:
    arrays = dict(np.load(POINTS)) if POINTS.exists() else {}
    arrays[f"{raw['name']}/points"] = np.array(raw["points"], dtype=np.float16)
    arrays[f"{raw['name']}/labels"] = np.array(raw["labels"], dtype=np.uint8)
    np.savez_compressed(POINTS, **arrays)


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
        "training_information": made.history.get("information", [None])[-1],
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
        **smoothed(found),
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


def smoothed(found: Any) -> dict[str, Any]:
    """Take the divergence after noise, and what an exact sample of the same size gets there."""
    names = ("smoothed_kl", "smoothed_noise", "smoothed_exact", "yardsticks", "informative")
    return {name: getattr(found, name) for name in names}


def _kolmogorov(made: Any, rows: Any) -> list[float]:
    from dmtest.train.evaluate.verification import kolmogorov

    return list(kolmogorov(rows.astype(np.float64), made.noise))
