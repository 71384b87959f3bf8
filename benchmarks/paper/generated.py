"""Table and pictures of conditional generation (Figures 3 and 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.paper.means import shown
from benchmarks.paper.runs import IMAGES, Run
from benchmarks.pictures import save
from benchmarks.tables import section

TITLE = "The paper's Figures 3 and 4: generation from the embedding"
SIDE = 8  # pictures in a row, and rows


def table(runs: list[Run]) -> str:
    """Return the measures by weight of the embedding's error and steps, a column a seed."""
    runs = sorted(runs, key=lambda run: (-run["weight"], run["steps"], run["seed"]))
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(f"weight {run['weight']:g}, {run['steps']:,} steps", []).append(run)
    head = ["measure"]
    for name, own in groups.items():
        head += [f"{name}, seed {run['seed']}" for run in own]
        head += [f"{name}, mean"] if len(own) > 1 else []
    rows = []
    for name, digits in MEASURES.items():
        cells = [name]
        for own in groups.values():
            values = [_number(run["generation"][name]) for run in own]
            cells += [f"{value:.{digits}f}" for value in values]
            cells += [shown(values, digits)] if len(own) > 1 else []
        rows.append(cells)
    for name in ("p", "verdict"):
        cells = [f"{name} of the report on f(G(c, n)), c of N(0, I)"]
        for own in groups.values():
            cells += [_text(run["generation"][name]) for run in own]
            cells += ["-"] if len(own) > 1 else []
        rows.append(cells)
    notes = (
        "MNIST, 10,000 held-out images and as many conditions of N(0, I); mean ± half width of the "
        "99% interval over seeds. Errors: mean squared, the worse column; shuffled: against the "
        "conditions of other pictures. Noisy: f of pictures after noise of sd .6 against f before "
        "it; real: of held-out images. Total variation: between the classes of pictures and of "
        "held-out images. Agreement: pictures in the class of the image whose embedding they "
        "have; ceiling: the training image with the nearest embedding. Legible: one class has a "
        "probability above .9. Accuracy: of the classifier, on held-out images."
    )
    return section(TITLE, notes, head, rows)


MEASURES = {
    "error": 3,
    "error, unconditional": 3,
    "shuffled": 2,
    "noisy": 3,
    "noisy, real": 3,
    "sliced W2": 3,
    "sliced W2 of f(x)": 3,
    "total variation": 3,
    "agreement": 3,
    "ceiling": 3,
    "legible": 3,
    "legible, real": 3,
    "accuracy": 3,
    "CPU s, encoder": 0,
    "CPU s, generator": 0,
}


def _number(value: Any) -> float:
    return float(max(value)) if isinstance(value, list) else float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.2g}"


def figures() -> None:
    """Draw encoded images beside those of their embeddings, and those of N(0, I)."""
    with np.load(IMAGES) as file:
        images = {name: file[name] for name in file.files}
    figure = Figure(figsize=(9.2, 4.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    _grid(left, images["encoded"], "Encoded images x")
    _grid(right, images["conditional"], "Generated images G(f(x), n)")
    save(figure, "paper-figure3", 64, dpi=100)
    figure = Figure(figsize=(9.2, 4.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    _grid(left, images["unconditional"], "Generated images G(c, n), c of N(0, I)")
    _grid(right, images["quantiles"], "One n, and c at the quantiles of N(0, I)")
    save(figure, "paper-figure4", 64, dpi=100)


def _grid(axes: Any, images: NDArray[np.uint8], title: str) -> None:
    edge = ((0, 0), (1, 1), (1, 1))
    framed = np.pad(images[: SIDE * SIDE], edge, constant_values=90)
    n, side, _ = framed.shape
    tiles = framed.reshape(n // SIDE, SIDE, side, side).transpose(0, 2, 1, 3)
    axes.imshow(tiles.reshape(-1, SIDE * side), cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)
