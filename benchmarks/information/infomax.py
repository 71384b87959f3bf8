"""Deep InfoMax on images: what probes read, what a decoder restores, how columns depend.

    python -m benchmarks.information.infomax --data FOLDER [--seeds 3] [--part 0/1]
    python -m benchmarks.information.infomax --tables

The folder has Fashion-MNIST's idx files (Debian: dataset-fashion-mnist), MNIST's, or the binary
version of CIFAR-10. Every method trains the same encoder on the first 6,000 training images for
8 passes in batches of 64, and is judged on the first 4,000 test images, seed by seed: linear SVM
and perceptron on "conv", "fc" and the embedding Y (2,000 labels), MINE between the first 32
principal components of the pixels and Y, the neural dependence measure of Y, and a decoder from Y.
Runs that are in benchmarks/runs/infomax.jsonl are not run again; ``--part 1/3`` runs the second
third of the others, beside other processes. When all are there, the tables are written.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import dmtest
from benchmarks.tables import RUNS, store, write, write_pages
from dmtest import information, train
from dmtest.train.data.images import Images
from dmtest.train.data.load import load_images
from dmtest.train.evaluate.scoring import downstream
from dmtest.train.model.feature_map import LEVELS

STUDY, LINES = "infomax", RUNS / "infomax.jsonl"
TRAINED, JUDGED, LABELLED, INFORMED = 6000, 4000, 2000, 2000
COMPONENTS = 32
SETTINGS: dict[str, Any] = {"dim": 64, "channels": 16, "hidden": 256, "batch": 64, "epochs": 8}
LOCAL: dict[str, Any] = {"local_weight": 1.0, "global_weight": 0.0}
GLOBAL: dict[str, Any] = {"local_weight": 0.0, "global_weight": 1.0}
# The rate of the untrained encoder is no step at all, in one pass that costs little.
UNTRAINED: dict[str, Any] = LOCAL | {"learning_rate": 1e-30, "epochs": 1}
NAMES = {"donsker-varadhan": "DV", "jsd": "JSD", "infonce": "InfoNCE"}
METHODS: dict[str, dict[str, Any]] = {
    "untrained": UNTRAINED,
    **{f"global, {NAMES[one]}": GLOBAL | {"objective": one} for one in NAMES},
    **{f"local, {NAMES[one]}": LOCAL | {"objective": one} for one in NAMES},
    "local InfoNCE, prior": LOCAL | {"prior": {"sigreg": 20.0}},
}
PENALISED = "local InfoNCE, adversarial prior"
# Trained after all others.
OPTIONS: dict[str, dict[str, Any]] = {
    PENALISED: LOCAL | {"prior": {"adversarial": 0.1}},
    "local and global InfoNCE": LOCAL | {"global_weight": 1.0},
    "local InfoNCE, occlusion": LOCAL | {"occlude": 0.5},
    "local InfoNCE, coordinates": LOCAL | {"coordinates": 1.0},
}
# Three times as many steps.
LONG: dict[str, Any] = {"epochs": 24}
LONGER: dict[str, dict[str, Any]] = {
    f"{kind}, {NAMES[one]}, {LONG['epochs']} passes": weights | LONG | {"objective": one}
    for one in ("infonce", "jsd")
    for kind, weights in (("global", GLOBAL), ("local", LOCAL))
}
GROUPS = {"methods": METHODS, "options": OPTIONS, "longer": LONGER}
ALL = METHODS | LONGER | OPTIONS
# Effects of a report on Y.
LAWS = ("kl-fitted-normal", "kl-correlation", "kl-margins", "effective-rank")
SHORT = {"svm-accuracy": "SVM", "mlp-accuracy": "MLP"}


def read(folder: str) -> tuple[Images, Images]:
    """Return the first training and test images of a folder."""
    halves = []
    for split, most in (("train", TRAINED), ("test", JUDGED)):
        part = load_images(folder, split=split)  # type: ignore[arg-type]
        assert part.labels is not None
        rows = slice(0, most)
        halves.append(Images(part.images[rows], part.labels[rows], part.classes, part.name))
    return halves[0], halves[1]


def archive(halves: tuple[Images, Images], path: Path) -> Path:
    """Write both halves to a file that `train.dim` reads with their split."""
    arrays: dict[str, Any] = {}
    for name, half in zip(("train", "test"), halves, strict=True):
        arrays |= {f"x_{name}": half.images.transpose(0, 2, 3, 1), f"y_{name}": half.labels}
    np.savez(path, **arrays)
    return path


def judged(halves: tuple[Images, Images], path: Path, method: str, seed: int) -> dict[str, Any]:
    """Train by a method and score every level of the encoder."""
    options = SETTINGS | ALL[method]
    made = train.dim(str(path), evaluate=False, rng=seed, progress=False, **options)
    levels = [_levels(made.encoder, half) for half in halves]
    classes = [np.asarray(half.labels) for half in halves]
    row: dict[str, Any] = {"method": method, "seed": seed}
    for level in LEVELS:
        scores = downstream(
            levels[0][level][:LABELLED],
            classes[0][:LABELLED],
            levels[1][level],
            classes[1],
            rng=seed,
            scores=SHORT,
        )
        row |= {f"{short}, {_title(level)}": scores[name] for name, short in SHORT.items()}
    y = levels[1]["embedding"]
    rows = slice(0, INFORMED)
    bound = information.mine(_components(halves)[rows], y[rows], batch=256, rng=seed)
    row |= {"MINE": float(bound), "saturated": bool(bound.saturated)}
    row["NDM"] = float(information.neural_dependence(y, steps=1000, batch=256, rng=seed))
    images = [half.images for half in halves]
    back = train.reconstruction(
        levels[0]["embedding"], images[0], y, images[1], steps=600, batch=128, rng=seed
    )
    row |= {"L2": back.squared_error, "MS-SSIM": back.ms_ssim}
    row["L2 of the mean image"] = back.mean_squared_error_of_mean
    row["seconds"] = made.seconds
    return row


def _components(halves: tuple[Images, Images]) -> Any:
    """Return the test images by the principal components of the training images."""
    first, other = (half.images.reshape(len(half), -1) / 255.0 for half in halves)
    middle = first.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(first.T))
    return (other - middle) @ axes[:, -COMPONENTS:]


def _levels(encoder: Any, half: Images) -> dict[str, Any]:
    import torch

    with torch.no_grad():
        parts = [encoder.levels(part) for part in half.tensor().split(1000)]
        return {name: torch.cat([part[name] for part in parts]).numpy() for name in LEVELS}


def _title(level: str) -> str:
    return "Y" if level == "embedding" else level


def stored() -> list[dict[str, Any]]:
    """Return the runs that are there, in the order of methods and seeds."""
    lines = LINES.read_text(encoding="utf-8").splitlines() if LINES.exists() else []
    order = list(ALL)
    runs = [json.loads(line) for line in lines]
    return sorted(runs, key=lambda run: (order.index(run["method"]), run["seed"]))


def missing(seeds: int, groups: Iterable[str] = GROUPS) -> list[tuple[str, int]]:
    """Return what is not there yet, group by group and seed by seed."""
    there = {(run["method"], run["seed"]) for run in stored()}
    plan = [(m, seed) for group in groups for seed in range(seeds) for m in GROUPS[group]]
    return [one for one in plan if one not in there]


def with_interval(values: list[float], name: str) -> str:
    """Return a mean and the half width of its 95% interval over seeds."""
    digits = {"MINE": 2, "NDM": 1, "L2": 4}.get(name, 3)
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.{digits}f} ± {half:.{digits}f}"


def tables() -> None:
    """Write the means of all runs that are there, and the runs."""
    runs = stored()
    source = runs[0]["source"]
    columns = [name for name in runs[0] if name.startswith(("SVM", "MLP"))]
    columns += ["MINE", "NDM", "L2", "MS-SSIM"]
    rows, gains = [], []
    seeds = {method: [run for run in runs if run["method"] == method] for method in ALL}
    plain = {run["seed"]: run for run in seeds["untrained"]}
    for method, own in seeds.items():
        if not own:
            continue
        row: dict[str, Any] = {"method": method, "seeds": len(own)}
        row |= {name: with_interval([run[name] for run in own], name) for name in columns}
        rows.append(row)
        # Differences within a seed: its encoders begin with the same weights.
        gain = {"method": method, "seeds": len(own)}
        for name in columns:
            gain[name] = with_interval([run[name] - plain[run["seed"]][name] for run in own], name)
        if method != "untrained":
            gains.append(gain)
    full = sorted({run["method"] for run in runs if run["saturated"]})
    notes = (
        f"{source}: {TRAINED:,} training and {JUDGED:,} test images, {SETTINGS['epochs']} passes "
        f"in batches of {SETTINGS['batch']}, {SETTINGS['dim']} columns of Y. Means with 95% "
        f"intervals over seeds. SVM and MLP: accuracy of a linear support vector machine and of a "
        f"perceptron with {LABELLED:,} labels. MINE (nats): lower bound of the information between "
        f"{COMPONENTS} principal components of the pixels and Y in {INFORMED:,} images, which is "
        f"infinite for X itself; scores are cut off at log 500 = 6.21, and these are saturated: "
        f"{'; '.join(full) or 'none'}. NDM: total "
        f"correlation of the columns, nats, a lower bound. L2: squared error of a decoder, of a "
        f"pixel from 0 to 1; the mean image has {runs[0]['L2 of the mean image']:.4f}."
    )
    print(write(STUDY, "infomax/table", "Methods", rows, notes))
    title = "Differences from the untrained encoder"
    print(write(STUDY, "infomax/gains", title, gains, "The same runs, seed by seed."))
    differences = []
    for method, own in seeds.items():
        other = {run["seed"]: run for run in seeds.get(method.replace("local", "global"), [])}
        pairs = [(run, other[run["seed"]]) for run in own if run["seed"] in other]
        if pairs and method.startswith("local"):
            row = {"local minus global": method.removeprefix("local, "), "seeds": len(pairs)}
            for name in columns:
                row[name] = with_interval([one[name] - two[name] for one, two in pairs], name)
            differences.append(row)
    title = "Local minus global objectives"
    print(write(STUDY, "infomax/local", title, differences, "The same runs, seed by seed."))
    head = [name for name in runs[0] if name not in ("source", "L2 of the mean image", "seconds")]
    record = {"title": "All runs", "notes": "One row a run.", "head": head}
    store(STUDY, "infomax/runs", record | {"rows": [[run[name] for name in head] for run in runs]})
    write_pages(STUDY)


def laws(folder: str) -> None:
    """Report on Y of the first seed's encoders against N(0, I), and write the table."""
    halves = read(folder)
    rows = []
    chosen = ("untrained", "local, InfoNCE", "local InfoNCE, prior", PENALISED)
    with tempfile.TemporaryDirectory() as place:
        path = archive(halves, Path(place) / "images.npz")
        for method in chosen:
            options = SETTINGS | ALL[method]
            made = train.dim(str(path), evaluate=False, rng=0, progress=False, **options)
            found = dmtest.report(made.embeddings, rng=0, progress=False)
            row = {"method": method, "verdict": found.verdict}
            for name in LAWS:
                one = found.effects[name]
                limits = ["?" if end is None else f"{end:.3g}" for end in (one.low, one.high)]
                value = "?" if one.value is None else f"{one.value:.3g}"
                row[name] = f"{value} ({limits[0]} to {limits[1]})"
            rows.append(row)
    notes = (
        f"Seed 0, {JUDGED:,} test images, 64 columns. Effects of the report with their intervals: "
        "nats, and columns for the effective rank."
    )
    print(write(STUDY, "infomax/laws", "The law of Y beside N(0, I)", rows, notes))


def picture() -> None:
    """Draw the accuracy of linear probes of every level, seed by seed, and its mean."""
    from matplotlib.figure import Figure

    from benchmarks.pictures import save

    runs = stored()
    names = [name for name in ALL if any(run["method"] == name for run in runs)]
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, level in enumerate(LEVELS):
        place = np.arange(len(names)) + 0.22 * (number - 1)
        own = [[r[f"SVM, {_title(level)}"] for r in runs if r["method"] == one] for one in names]
        for x, values in zip(place, own, strict=True):
            axes.plot([x] * len(values), values, "o", ms=3, alpha=0.5, color=f"C{number}")
        means = [float(np.mean(values)) for values in own]
        axes.plot(place, means, "_", ms=12, mew=2, color=f"C{number}", label=_title(level))
    axes.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=8)
    axes.set(ylabel="accuracy of a linear support vector machine", ylim=(None, 0.87))
    axes.grid(axis="y", color="0.9")
    axes.legend(frameon=False, title="level", loc="upper left", ncols=3)
    save(figure, "infomax", 64, dpi=110)


def main() -> None:
    """Run what is missing, and write the tables if nothing is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder with idx files or CIFAR's binaries")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part", default="0/1", help="which of how many processes this is")
    parser.add_argument("--group", choices=GROUPS, help="the runs of one group only")
    parser.add_argument("--laws", action="store_true", help="report on Y of some methods")
    parser.add_argument("--tables", action="store_true", help="run nothing")
    said = parser.parse_args()
    if said.tables:
        tables()
        picture()
        return
    if said.data is None:
        parser.error("--data: name the folder of the images")
    if said.laws:
        laws(said.data)
        return
    groups = GROUPS if said.group is None else (said.group,)
    which, parts = map(int, said.part.split("/"))
    halves = read(said.data)
    LINES.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = archive(halves, Path(folder) / "images.npz")
        for method, seed in missing(said.seeds, groups)[which::parts]:
            row = {"source": halves[0].name} | judged(halves, path, method, seed)
            with LINES.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, default=float) + "\n")
            print(row, flush=True)
    if not missing(said.seeds):
        tables()
        picture()


if __name__ == "__main__":
    main()
