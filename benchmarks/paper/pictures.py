"""Tables (benchmarks/results) and pictures (docs/pictures) of the runs there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from benchmarks.paper import digit_tables, generated
from benchmarks.paper.frontier import frontier
from benchmarks.paper.means import grouped, interval, shown
from benchmarks.paper.runs import Run, collect, read, read_points
from benchmarks.pictures import save
from benchmarks.tables import section, write_page

TITLES = {
    "figure1": "The paper's Figure 1: capacity, information, matching, scores",
    "best": "Trainer: the long runs on MNIST",
    "cost": "Trainer: seconds an epoch",
    "equal": "Trainer: the time of one epoch of the paper's recipe",
    "headtohead": "Trainer: ways to make an embedding normal",
    "table1": "The paper's Table 1: noise in SimCLR and VICReg",
}
TESTS = {
    "dagostino-pearson": "D'Agostino-Pearson",
    "shapiro-wilk": "Shapiro-Wilk",
    "henze-zirkler": "Henze-Zirkler",
}
PROBES = ("probe-top1", "probe-top5", "knn-accuracy")
CLASSES = 10
UNMEASURED = "*: a dead column would cost less than the bound of an exact sample."


def pictures() -> None:
    """Collect new runs; make everything that has runs."""
    for name in (*TITLES, *digit_tables.TITLES, "generate"):
        collect(name)
    write_tables()
    figure1_drawn(read("figure1"))
    flat = [r for r in read("best") if r["d"] == 2]
    for target in ("normal", "uniform"):
        for run in [r for r in flat if r["target"] == target][:1]:
            _figure2(run)
    print(f"frontier: {frontier()} points")
    if read("generate"):
        generated.figures()


def write_tables() -> None:
    """Write the page of all experiments that have runs."""
    makers = (figure1, best, cost, equal, headtohead, table1)
    experiments = [(make, read(name)) for name, make in zip(TITLES, makers, strict=True)]
    more = (
        digit_tables.defaults,
        digit_tables.targets,
        digit_tables.tradeoff,
        digit_tables.methods,
        digit_tables.injection,
    )
    names = digit_tables.TITLES
    experiments += [(make, read(name)) for name, make in zip(names, more, strict=True)]
    experiments.append((generated.table, read("generate")))
    write_page("paper", [make(runs) for make, runs in experiments if runs])


def _by_capacity(runs: list[Run], target: str) -> dict[Any, list[Run]]:
    return grouped([r for r in runs if r["target"] == target], lambda r: round(r["capacity"], 2))


def figure1_drawn(runs: list[Run]) -> None:
    """Draw capacity against information, mean p-values, scores."""
    figure = Figure(figsize=(11.0, 8.0), layout="constrained")
    axes = figure.subplots(3, 2, sharex=True)
    for column, target in enumerate(("normal", "uniform")):
        points = _by_capacity(runs, target)
        if points:
            _figure1_column(axes[:, column], list(points), points, target)
    save(figure, "paper-figure1", 256, dpi=110)


def figure1(runs: list[Run]) -> str:
    """Return the table of Figure 1's numbers."""
    rows: list[list[str]] = []
    for target in ("normal", "uniform"):
        points = _by_capacity(runs, target)
        rows += [_figure1_row(target, capacity, own) for capacity, own in points.items()]
    head = ["target", "C", "runs", "I", "D'Agostino-Pearson", "Shapiro-Wilk", "Henze-Zirkler"]
    head += ["KS, worst axis", "GNB AUC", "k-NN accuracy", "MLP AUC", "silhouette", "broken"]
    return section(
        TITLES["figure1"],
        "MNIST, d = 2: mean over runs ± half width of the 99% interval, of three runs or more.",
        head,
        rows,
    )


def _figure1_column(axes: Any, x: list[float], points: dict[Any, list[Run]], target: str) -> None:
    def line(axis: Any, of: Callable[[Run], float], label: str) -> None:
        made = [interval([of(run) for run in points[c]]) for c in x]
        half = [0.0 if np.isnan(h) else h for _, h in made]
        bars = axis.errorbar(x, [m for m, _ in made], yerr=half, label=label, capsize=2)
        for c in x:
            places = [of(run) for run in points[c]]
            axis.plot([c] * len(places), places, ".", color=bars[0].get_color(), ms=4)

    top, middle, bottom = axes
    line(top, lambda r: r["information"], "best lower bound of I")
    line(top, lambda r: r["ksg"], "nearest neighbours (KSG)")
    top.plot(x, x, "k--", lw=1, label="capacity")
    matched = [points[c][0]["matched_information"] for c in x]
    if target == "uniform":
        top.plot(x, matched, "k:", lw=1, label="a match (Remark 3.6)")
    top.axhline(np.log(CLASSES), color="0.6", lw=1)
    top.set(ylabel="nats", title=f"{target} target", ylim=(-0.5, 8))
    top.legend(frameon=False, fontsize=8)
    for name, label in TESTS.items():
        line(middle, lambda r, name=name: r["mean_pvalues"][name], label)  # type: ignore[misc]
    middle.axhline(0.5, color="0.6", lw=1)
    middle.set(ylabel="mean p-value", ylim=(0, 0.6))
    middle.legend(frameon=False, fontsize=8)
    for name, label in (("gnb-auc", "GNB, AUC"), ("mlp-auc", "MLP, AUC")):
        line(bottom, lambda r, name=name: r["downstream"][name], label)  # type: ignore[misc]
    line(bottom, lambda r: r["downstream"]["knn-accuracy"], "k-NN, accuracy")
    line(bottom, lambda r: r["downstream"]["silhouette"], "silhouette")
    bottom.set(xlabel="capacity, nats", ylabel="score", ylim=(-0.15, 1.0))
    bottom.legend(frameon=False, fontsize=8)


def _figure1_row(target: str, capacity: float, runs: list[Run]) -> list[str]:
    cells = [target, f"{capacity:g}", str(len(runs)), shown([r["information"] for r in runs], 2)]
    cells += [shown([r["mean_pvalues"][name] for r in runs], 2) for name in TESTS]
    cells.append(shown([max(r["kolmogorov"]) for r in runs]))
    for name in ("gnb-auc", "knn-accuracy", "mlp-auc", "silhouette"):
        cells.append(shown([r["downstream"][name] for r in runs]))
    return [*cells, str(sum(len(r["violations"]) for r in runs))]


def best(runs: list[Run]) -> str:
    """Return the table of the long runs."""
    head = [
        "run",
        "augmentation; weight of SIGReg, of columns",
        "seed",
        "CPU s",
        "I (C)",
        "KS per axis",
        "KS, training rows",
        "KS, blocks",
        "mean p DP SW HZ",
    ]
    head += ["KL after noise", "of an exact sample", "KL before"]
    head += ["GNB AUC", "k-NN", "MLP AUC", "verdict", "broken"]
    rows = []
    for run in sorted(runs, key=lambda r: (r["target"], r["d"], r["seed"])):
        down, p = run["downstream"], run["mean_pvalues"]
        worst = run["kolmogorov"] if run["d"] < 4 else [max(run["kolmogorov"])]
        train_ks = run["kolmogorov_train"] if run["d"] < 4 else [max(run["kolmogorov_train"])]
        rows.append(
            [
                f"{run['target']}, d = {run['d']}, {run['level']:g}",
                _recipe(run["settings"]),
                str(run["seed"]),
                f"{run['cpu_seconds']:.0f}",
                f"{run['information']:.2f} ({run['capacity']:.2f})",
                " ".join(f"{v:.3f}" for v in worst),
                " ".join(f"{v:.3f}" for v in train_ks),
                _range(run.get("kolmogorov_blocks", [])),
                " ".join(f"{p[name]:.2f}" for name in TESTS),
                _bounds(run, "smoothed_kl"),
                _bounds(run, "smoothed_exact"),
                "-" if run["kl"] is None else f"{run['kl']:.3f}",
                f"{down['gnb-auc']:.3f}",
                f"{down['knn-accuracy']:.3f}",
                f"{down['mlp-auc']:.3f}",
                run["verdict"],
                str(len(run["violations"])),
            ]
        )
    notes = (
        "MNIST, 10,000 held-out images; a run uses one core. KS: of every axis in d = 2, of the "
    )
    notes += "worst in d = 8; blocks: the worst axis of each 10,000 consecutive training images. "
    notes += (
        f"KL after noise, and what as many rows of the target get: bounds in nats. {UNMEASURED}"
    )
    return section(TITLES["best"], notes, head, rows)


def _recipe(settings: Mapping[str, Any]) -> str:
    weight = settings["matching_weight"]
    columns = weight * settings.get("matching_axes", 0.0)
    return f"{settings['augment']}; {weight:g}, {columns:g}"


def _bounds(run: Run, name: str) -> str:
    """Return both bounds after noise, marked where they tell nothing.

    Runs without a row for an exact sample had bounds of another kind.
    """
    if not run.get(name) or not run.get("smoothed_exact"):
        return "-"
    low, high = run[name]
    return f"{low:.3f} to {high:.3f}" + ("" if run.get("informative", True) else " *")


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}" if values else "-"


def _figure2(run: Run) -> None:
    """Draw the embedding by class, with its marginals and the target's contours."""
    z, labels = read_points(run["name"])
    normal = run["target"] == "normal"
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(4, 1), height_ratios=(1, 4))
    main = figure.add_subplot(grid[1, 0])
    above, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 1])
    low, high = (-3.6, 3.6) if normal else (-0.03, 1.03)
    for label in np.unique(labels):
        own = labels == label
        main.plot(*z[own].T, ".", ms=2.5, alpha=0.7, label=str(label))
    if normal:
        angle = np.linspace(0, 2 * np.pi, 200)
        for share in (0.5, 0.9, 0.99):
            radius = np.sqrt(stats.chi2.ppf(share, 2))
            main.plot(radius * np.cos(angle), radius * np.sin(angle), "k-", lw=0.7)
    else:
        main.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0], "k-", lw=0.7)
    main.set(xlim=(low, high), ylim=(low, high), xlabel="x0", ylabel="x1")
    corner = figure.add_subplot(grid[0, 1])
    corner.set_axis_off()
    names = main.get_legend_handles_labels()
    corner.legend(*names, frameon=False, fontsize=7, markerscale=3, ncols=2, loc="center")
    t = np.linspace(low, high, 300)
    density = stats.norm.pdf(t) if normal else stats.uniform.pdf(t)
    for axis, column, across in ((above, 0, False), (right, 1, True)):
        axis.hist(
            z[:, column],
            bins=50,
            density=True,
            color="0.75",
            orientation="horizontal" if across else "vertical",
        )
        axis.plot(*((density, t) if across else (t, density)), "k-", lw=0.8)
        (axis.set_ylim if across else axis.set_xlim)(low, high)
        axis.set_axis_off()
    name = "sigma" if normal else "epsilon"
    figure.suptitle(f"MNIST, held-out images: {run['target']} target, {name} = {run['level']:g}")
    save(figure, f"paper-figure2-{run['target']}", 256, dpi=110)


def cost(runs: list[Run]) -> str:
    """Return the table of seconds an epoch, and of shares of the paper's recipe."""
    seconds = runs[0]["cpu_seconds_per_epoch"]
    paper = seconds["paper"]
    rows = [[name, f"{value:.1f}", f"1/{paper / value:.0f}"] for name, value in seconds.items()]
    notes = "CPU seconds of an epoch of 60,000 images of 24 x 24, batch 1,024, one thread."
    return section(TITLES["cost"], notes, ["recipe", "CPU s", "share of the paper's"], rows)


def equal(runs: list[Run]) -> str:
    """Return the table of what recipes reach in the time of one epoch of the paper's."""
    rows = [
        [r["recipe"], str(r["settings"]["epochs"]), f"{r['cpu_seconds']:.0f}"]
        + [f"{r['information']:.2f} ({r['capacity']:.2f})", f"{max(r['kolmogorov']):.3f}"]
        + [f"{r['downstream'][name]:.3f}" for name in ("gnb-auc", "knn-accuracy")]
        for r in sorted(runs, key=lambda r: r["information"])
    ]
    head = ["recipe", "epochs", "CPU s", "I (C)", "KS, worst axis", "GNB AUC", "k-NN"]
    notes = "MNIST, d = 2, sigma = 0.1, seed 0, evaluation included."
    return section(TITLES["equal"], notes, head, rows)


def headtohead(runs: list[Run]) -> str:
    """Return the comparison of ways to match."""
    head = ["d", "method", "runs", "KS, worst axis", "KL after noise, at least", "at most"]
    head += ["at most, exact sample", "KL before"]
    head += ["HZ mean p", "k-NN", "GNB AUC", "MLP AUC", "CPU s", "MiB"]
    rows = []
    for (d, method), own in grouped(runs, lambda r: (r["d"], r["method"])).items():
        rows.append(_method_row(d, method, own, lambda r: r["common"], _downstream))
        if "gaussianised" in own[0]:
            mapped = [r["gaussianised"] for r in own]
            name = "plain DIM, Gaussianised after"
            rows.append(_method_row(d, name, mapped, lambda r: r["common"], _downstream))
        if method == "plain DIM":
            plain = [r["untrained"] | {"cpu_seconds": 0.0} for r in own]
            rows.append(_method_row(d, "untrained", plain, lambda r: r, _downstream))
    notes = "MNIST, the same MLP, data and CPU time; divergences at sigma = 0.1 (d = 2), 0.5 (8)."
    notes += " CPU s: training and evaluation; MiB: of a process that trains one epoch. "
    notes += "Bounds of KL after noise hold with 97.5% each; an exact sample is as many rows of "
    notes += f"N(0, I) as there are held-out images. {UNMEASURED}"
    return section(TITLES["headtohead"], notes, head, rows)


def _downstream(run: Run) -> Run:
    """Return the scores of the classes; an exact sample has none."""
    return dict(run.get("downstream", {}))


def _method_row(
    d: int,
    method: str,
    runs: list[Run],
    of: Callable[[Run], Run],
    down: Callable[[Run], Run],
) -> list[str]:
    scores = [of(run) for run in runs]
    bounds = [
        [s[name][side] for s in scores if s.get(name)]
        for name, side in (("smoothed_kl", 0), ("smoothed_kl", 1), ("smoothed_exact", 1))
    ]
    mark = "" if all(s.get("informative", True) for s in scores) else " *"
    kl = [s["kl"] for s in scores if s["kl"] is not None]
    cells = [str(d), method, str(len(runs)), shown([max(s["kolmogorov"]) for s in scores])]
    cells += [shown(values) + mark if values else "-" for values in bounds]
    cells.append(shown(kl) if kl else "-")
    cells.append(shown([s["mean_pvalues"]["henze-zirkler"] for s in scores], 2))
    scored = [down(r) for r in runs if down(r)]
    for name in ("knn-accuracy", "gnb-auc", "mlp-auc"):
        cells.append(shown([one[name] for one in scored]) if scored else "-")
    cells.append(f"{np.mean([r['cpu_seconds'] for r in runs]):.0f}")
    peaks = [r["peak_mib"] for r in runs if "peak_mib" in r]
    return [*cells, f"{np.mean(peaks):.0f}" if peaks else "-"]


def table1(runs: list[Run]) -> str:
    """Return the table of linear probes by method and noise."""
    rows = []
    for (method, sigma), own in grouped(runs, lambda r: (r["method"], r["sigma"])).items():
        row = [method, f"{sigma:g}", str(len(own))]
        row += [shown([100 * r["probe"][name] for r in own], 2) for name in PROBES]
        row.append(shown([r["outlet"]["sliced-wasserstein-2"] for r in own]))
        row.append(", ".join(sorted({r["outlet"]["verdict"] for r in own})))
        rows.append(row)
    before = [r["untrained"] for r in runs if r["untrained"]]
    scores = [shown([100 * b[name] for b in before], 2) for name in PROBES]
    rows.append(["untrained", "-", str(len(before)), *scores, "-", "-"])
    head = ["method", "sigma", "runs", "top-1", "top-5", "k-NN"]
    head += ["sliced W2 of the outlet from N(0, I)", "verdict"]
    notes = "Fashion-MNIST, per cent, Table 2's ConvNet; mean over runs ± 99% half width."
    return section(TITLES["table1"], notes, head, rows)
