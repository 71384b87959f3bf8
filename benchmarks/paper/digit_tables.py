"""Tables of the defaults, of other targets, of the trade-off and of self-supervised methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.paper.means import grouped, shown
from benchmarks.paper.runs import Run
from benchmarks.tables import section

TITLES = {
    "defaults": "Trainer: the defaults on the digits",
    "targets": "Trainer: other targets on the digits",
    "tradeoff": "Trainer: the law of the trade-off beside runs",
    "methods": "Self-supervised methods with noise at the outlet",
}


def defaults(runs: list[Run]) -> str:
    """Return the table of the default command, by seed."""
    rows = [
        [
            *(str(r["seed"]), f"{r['steps']:,}", f"{r['neighbours']:.3f}", _distances(r)),
            *(r["verdict"], f"{r['cpu_seconds']:.0f}", str(len(r["violations"]))),
        ]
        for r in sorted(runs, key=lambda r: r["seed"])
    ]
    mean = float(np.mean([r["neighbours"] for r in runs]))
    notes = (
        "`dmtest train --data digits --target normal --sigma 0.3`, d = 2, 500 held-out images: "
        f"5-fold cross-validated accuracy of 5 nearest neighbours (mean {mean:.3f}), "
        "Kolmogorov-Smirnov distance of each column."
    )
    head = ["seed", "steps", "k-NN", "KS", "verdict", "CPU s", "broken"]
    return section(TITLES["defaults"], notes, head, rows)


def targets(runs: list[Run]) -> str:
    """Return the table of other targets, by seed."""
    rows = [
        [
            *(r["method"], str(r["d"]), str(r["seed"]), _distances(r), f"{r['neighbours']:.3f}"),
            *(f"{r['pvalue']:.2g}", r["verdict"]),
        ]
        for r in sorted(runs, key=lambda r: (r["method"], r["seed"]))
    ]
    notes = (
        "sigma = 0.3 at the outlet, defaults otherwise. KS: of each written column from the margin "
        "of the target. p: of dmtest's report against that target, of 500 held-out images."
    )
    head = ["target", "d", "seed", "KS", "k-NN", "p", "verdict"]
    return section(TITLES["targets"], notes, head, rows)


def tradeoff(runs: list[Run]) -> str:
    """Return the table of predicted and measured information."""
    rows = []
    for r in sorted(runs, key=lambda r: (r["method"], r["augment_scale"], r["capacity"])):
        gap = r["predicted"] - r["information"]
        rows.append(
            [
                *(r["method"], f"{r['augment_scale']:g}", f"{r['level']:.3g}"),
                *(f"{r['capacity']:.1f}", f"{r['invariance_error']:.4f}"),
                *(f"{r['predicted']:.2f}", f"{r['information']:.2f}", f"{gap:+.2f}"),
            ]
        )
    near = np.mean([abs(r["predicted"] - r["information"]) <= 0.1 for r in runs])
    worst = max(abs(r["predicted"] - r["information"]) for r in runs)
    notes = (
        f"d = 2, seed 0. {near:.0%} of {len(runs)} runs are within 0.1 nats of the law, the worst "
        f"is off by {worst:.2f}. I: the best InfoNCE bound on held-out pairs."
    )
    head = ["data", "augmentation", "sigma", "C", "invariance error", "law", "I", "law - I"]
    return section(TITLES["tradeoff"], notes, head, rows)


def methods(runs: list[Run]) -> str:
    """Return the table of probes by method and noise, with paired differences."""
    rows = []
    plain = {(r["method"], r["seed"]): r for r in runs if r["sigma"] == 0.0}
    for (method, sigma), own in grouped(runs, lambda r: (r["method"], r["sigma"])).items():
        pairs = [(r, plain[method, r["seed"]]) for r in own if (method, r["seed"]) in plain]
        change = [100 * (r["probe"]["probe-top1"] - p["probe"]["probe-top1"]) for r, p in pairs]
        rows.append(
            [
                *(method, f"{sigma:g}", str(len(own))),
                shown([100 * r["probe"]["probe-top1"] for r in own], 2),
                shown(change, 2) if change and sigma else "-",
                shown([100 * r["probe"]["knn-accuracy"] for r in own], 2),
                shown([r["outlet"]["sliced-wasserstein-2"] for r in own]),
            ]
        )
    before: list[Any] = [r["untrained"] for r in runs if r.get("untrained")]
    rows.append(["untrained", "-", "-", shown([100 * b["probe-top1"] for b in before], 2), "-"])
    rows[-1] += [shown([100 * b["knn-accuracy"] for b in before], 2), "-"]
    head = ["method", "sigma", "runs", "probe, %", "change from sigma 0", "k-NN, %", "sliced W2"]
    notes = (
        "Fashion-MNIST, a narrow strided ResNet-18, two epochs of 256 rows a step. Sliced W2: of "
        "the held-out outlet from N(0, I)."
    )
    return section(TITLES["methods"], notes, head, rows)


def _distances(run: Run) -> str:
    return " ".join(f"{value:.3f}" for value in run["kolmogorov"])
