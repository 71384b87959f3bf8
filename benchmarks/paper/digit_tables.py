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
    "injection": "Where, what and when to inject",
}
# The arm that all others are compared with.
PLAIN = "outlet, normal, constant"
# What the runs of the tables of one setting have in common.
SCALED = {
    "grid": "One seed, otherwise as above. The law: from the noise and the invariance error alone.",
    "rows": "As many steps, four fifths of the rows in training, KS on the others.",
    "columns": "60,000 training images; the noise stays 0.3 in every column.",
    "classes": "The first 10,000 images a class, of the first classes.",
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
    rows, gaps = [], []
    for r in sorted(runs, key=lambda r: (r["method"], r["augment_scale"], r["capacity"])):
        gaps.append(r["predicted"] - max(r["information"], r["decoded"]))
        rows.append(
            [
                *(r["method"], f"{r['augment_scale']:g}", f"{r['level']:.3g}"),
                *(f"{r['capacity']:.1f}", f"{r['invariance_error']:.4f}"),
                *(f"{r['predicted']:.2f}", f"{r['information']:.2f}", f"{r['decoded']:.2f}"),
                f"{gaps[-1]:+.2f}",
            ]
        )
    near, worst = np.mean(np.abs(gaps) <= 0.1), np.max(np.abs(gaps))
    notes = (
        f"d = 2, seed 0. {near:.0%} of {len(runs)} runs are within 0.1 nats of the law, the worst "
        f"is off by {worst:.2f}. Two lower bounds on held-out pairs: InfoNCE with the trained "
        f"critic, which is below log 500 (digits) and log 2,048, and a linear decoder with normal "
        f"errors, from the entropy of nearest neighbours. The larger one counts."
    )
    head = ["data", "augmentation", "sigma", "C", "invariance error", "law", "InfoNCE"]
    return section(TITLES["tradeoff"], notes, [*head, "decoder", "law - larger"], rows)


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


def injection(runs: list[Run]) -> str:
    """Return the tables of arms, of augmentation and noise, and of rows, columns and classes."""
    parts = grouped(runs, lambda r: r["name"].split("-")[0])
    by_arm = grouped(parts["arm"], lambda r: r["method"])
    plain = {r["seed"]: r["neighbours"] for r in by_arm[PLAIN]}
    arms = [
        [
            *(name, shown([max(r["kolmogorov"]) for r in of])),
            shown([r["neighbours"] for r in of]),
            "-" if name == PLAIN else shown([r["neighbours"] - plain[r["seed"]] for r in of]),
            shown([r["information"] for r in of], 2),
            shown([r["invariance_error"] for r in of], 4),
        ]
        for name, of in by_arm.items()
    ]
    notes = (
        "MNIST, d = 2, 8 epochs of 1,024 rows, noise of standard deviation 0.3 on one view, no "
        "other loss; means with 99% half widths over seeds, on 10,000 held-out images. KS: the "
        "larger of both columns (an exact sample: 0.010). I: InfoNCE in training, of the noisy "
        "view as it is."
    )
    head = ["noise", "KS", "k-NN", "k-NN less the first", "I, nats", "invariance error"]
    text = section(TITLES["injection"], notes, head, arms)
    for part, column, title in (
        ("grid", "augmentation, sigma", "Augmentation and noise"),
        ("rows", "rows", "Rows"),
        ("columns", "columns", "Columns"),
        ("classes", "classes", "Classes"),
    ):
        rows = [
            [
                ", ".join(f"{value:,}" for value in _setting(part, r)),
                *(f"{max(r['kolmogorov']):.3f}", f"{r['neighbours']:.3f}"),
                *(
                    f"{r['information']:.2f}",
                    f"{r['predicted']:.2f}",
                    f"{r['invariance_error']:.4f}",
                ),
            ]
            for r in sorted(parts.get(part, []), key=lambda r: _setting(part, r))
        ]
        if rows:
            head = [column, "KS", "k-NN", "I, nats", "law", "invariance error"]
            text += section(f"{TITLES['injection']}: {title.lower()}", SCALED[part], head, rows)
    return text


def _setting(part: str, run: Run) -> tuple[float, ...]:
    if part == "grid":
        _, strength, sigma = run["name"].split("-")
        return float(strength), float(sigma)
    return (run["d" if part == "columns" else part],)


def _distances(run: Run) -> str:
    return " ".join(f"{value:.3f}" for value in run["kolmogorov"])
