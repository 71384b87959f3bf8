"""Pictures of the studies of information: python -m benchmarks.information.pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.information.estimators import BATCH, discrete
from benchmarks.information.gan import DRAWN, POINTS, draw
from benchmarks.pictures import save
from benchmarks.tables import stored_rows


def estimators() -> None:
    """Draw estimates against the truth, and the Jensen-Shannon divergence against information."""
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = stored_rows("information", "information/estimators")
    truths = sorted({row["I"] for row in rows})
    left.plot([0.0, truths[-1]], [0.0, truths[-1]], "k-", lw=0.8, label="truth")
    left.axhline(np.log(BATCH), color="0.6", ls=":", lw=1.0)
    left.annotate(f"log {BATCH}", (truths[0], np.log(BATCH)), va="bottom", color="0.4", fontsize=8)
    for number, name in enumerate(dict.fromkeys(row["estimator"] for row in rows)):
        own = [row for row in rows if row["estimator"] == name]
        left.errorbar(
            [row["I"] for row in own],
            [row["mean"] for row in own],
            yerr=[row["sd"] for row in own],
            fmt="o-",
            ms=3.5,
            lw=1.0,
            color=f"C{number}",
            label=name,
        )
    brackets = stored_rows("information", "information/bracket")
    left.fill_between(
        [row["I"] for row in brackets],
        [row["low"] for row in brackets],
        [row["high"] for row in brackets],
        color="0.85",
        label="known channel, 95%",
    )
    left.set(xlabel="information, nats", ylabel="estimate, nats", ylim=(-0.5, 13.0))
    left.set_title("Mean and standard deviation over samples")
    left.legend(frameon=False, fontsize=8)
    for row in discrete():
        points = np.array(row["points"])
        right.plot(*points.T, ".", ms=4, label=f"{row['letters']} x {row['letters']} letters")
    right.axhline(np.log(2.0), color="0.6", ls=":", lw=1.0)
    right.annotate("log 2", (0.0, np.log(2.0)), va="bottom", color="0.4", fontsize=8)
    right.set(xlabel="information, nats", ylabel="Jensen-Shannon divergence, nats")
    right.set_title("Random joint laws")
    right.legend(frameon=False, fontsize=8)
    save(figure, "information-estimators", 256, dpi=110)


def plane() -> None:
    """Draw the information plane with its brackets, and the accuracy beside it."""
    rows = stored_rows("information", "information/plane")
    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for row in rows:
        _place(left, row, row["I(Z; Y), at least"])
        _place(right, row, row["accuracy"])
    entropy = rows[0]["H(Y)"]
    left.plot([0.0, entropy, 4.0], [0.0, entropy, entropy], "k-", lw=0.8)
    left.annotate("I(X; Z) and H(Y) limit I(Z; Y)", (entropy, entropy), va="bottom", fontsize=8)
    left.set(xlabel="I(X; Z), certified bracket, nats", ylabel="I(Z; Y), at least, nats")
    right.set(xlabel="I(X; Z), certified bracket, nats", ylabel="accuracy of the classifier")
    figure.suptitle("Noisy encoders of MNIST, one point a weight of the bottleneck and seed")
    save(figure, "information-plane", 256, dpi=110)


def _place(axes: Any, row: dict[str, Any], height: float) -> None:
    low, high = row["I(X; Z), low"], row["I(X; Z), high"]
    axes.plot([low, high], [height, height], "-", color="C0", lw=2.0)
    axes.plot([0.5 * (low + high)], [height], "o", color="C0", ms=3)


def gan() -> None:
    """Draw samples of the first seed's generators beside the mixture."""
    figure = Figure(figsize=(11.0, 3.9), layout="constrained")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    with np.load(POINTS) as file:
        drawn = {f"{term} the term": file[term] for term in ("without", "with")}
    drawn["the mixture"] = draw(DRAWN, np.random.default_rng(0))
    for axes, (title, points) in zip(panels, drawn.items(), strict=True):
        axes.plot(*np.asarray(points, dtype=np.float64).T, ".", ms=2.0, alpha=0.5)
        axes.set(title=title, xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
    save(figure, "information-gan", 256, dpi=110)


if __name__ == "__main__":
    estimators()
    plane()
    gan()
