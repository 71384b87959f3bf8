"""Matching against what classes can be read: all runs on MNIST at one noise, in one picture."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from benchmarks.paper.runs import read
from benchmarks.pictures import save

# Noise of the runs that are comparable, and the score of each dimension.
LEVELS = {2: 0.1, 8: 0.5}
SCORES = {2: ("gnb-auc", "ROC AUC of naive Bayes"), 8: ("knn-accuracy", "accuracy of k-NN")}
MARKERS = {
    "long run": "*",
    "noise-injected DIM": "D",
    "noise-injected DIM + SIGReg": "v",
    "adversarial prior": "^",
    "SIGReg": "o",
    "covariance only": "s",
    "plain DIM": "P",
    "plain DIM, Gaussianised": "X",
}


def frontier() -> int:
    """Draw the worst axis's Kolmogorov-Smirnov distance against the score; return the points."""
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    axes = figure.subplots(1, 2)
    shown = 0
    for axis, (d, (score, label)) in zip(axes, SCORES.items(), strict=True):
        groups: dict[str, list[tuple[float, float]]] = {}
        for name, distance, down in points(d):
            groups.setdefault(name, []).append((distance, down[score]))
        for colour, (name, marker) in enumerate(MARKERS.items()):
            places = groups.pop(name, [])
            x, y = [place[0] for place in places], [place[1] for place in places]
            axis.plot(x, y, marker, color=f"C{colour}", label=name, alpha=0.8, ms=7)
            shown += len(places)
        assert not groups, f"no marker for {sorted(groups)}"
        axis.set(xlabel="Kolmogorov-Smirnov distance of the worst axis, held out", ylabel=label)
        axis.set_title(f"d = {d}, sigma = {LEVELS[d]:g}")
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, "paper-frontier", 256, dpi=110)
    return shown


def points(d: int) -> Iterator[tuple[str, float, dict[str, float]]]:
    """Yield method, distance and downstream scores of the runs that go together."""
    for run in read("best"):
        if run["target"] == "normal" and run["d"] == d:
            yield "long run", max(run["kolmogorov"]), run["downstream"]
    for run in read("headtohead"):
        if run["d"] != d or "downstream" not in run:  # an exact sample has no classes
            continue
        yield run["method"], max(run["common"]["kolmogorov"]), run["downstream"]
        if "gaussianised" in run:
            mapped = run["gaussianised"]
            name = f"{run['method']}, Gaussianised"
            yield name, max(mapped["common"]["kolmogorov"]), mapped["downstream"]
