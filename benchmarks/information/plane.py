"""The information plane of a noisy encoder of digits, certified.

    python -m benchmarks.information.plane --data MNIST_FOLDER [--seeds 3]

An encoder f of MNIST's digits has normal noise of sd 1 at its outlet, Z = f(X) + E, and a
classifier behind it. Training minimises the cross-entropy of the classes plus beta times the rate
E log p(Z | X) / r(Z), r = N(0, diag v) (the variational bottleneck of Alemi et al. 2017). On images
that had no part in training, I(X; Z) is bracketed by the known channel, and I(Z; Y) is at least
H(Y) - cross-entropy, with the error of its mean over rows.
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from benchmarks.tables import write
from dmtest.information import channel_bracket

BETAS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)
COLUMNS, WIDTH, STEPS, BATCH = 4, 128, 1500, 256
# Draws of the noise of every held-out image.
DRAWS = 16


class Split(NamedTuple):
    """Pixels in [0, 1], shape (n, pixels), and classes, shape (n,), of one half of a data set."""

    pixels: Any
    classes: Any


def read(folder: str) -> tuple[Split, Split]:
    """Read the training and the held-out images of a folder with idx files."""
    import torch

    from dmtest.train.data.load import load_images

    halves = []
    for name in ("train", "test"):
        part = load_images(folder, split=name)  # type: ignore[arg-type]
        pixels = np.asarray(part.images, dtype=np.float32).reshape(len(part.images), -1)
        pixels /= pixels.max()
        classes = torch.tensor(np.asarray(part.labels), dtype=torch.long)
        halves.append(Split(torch.tensor(pixels), classes))
    return halves[0], halves[1]


def trained(
    train: Split, held: Split, beta: float, seed: int, steps: int = STEPS
) -> dict[str, Any]:
    """Train one encoder; return its place in the plane."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    encoder = nn.Sequential(
        nn.Linear(train.pixels.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(),
        nn.Linear(WIDTH, COLUMNS),
    )  # fmt: skip
    classifier = nn.Sequential(nn.Linear(COLUMNS, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    log_variance = nn.Parameter(torch.zeros(COLUMNS))
    parameters = [*encoder.parameters(), *classifier.parameters(), log_variance]
    optimiser = torch.optim.Adam(parameters, lr=1e-3)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(train.pixels), (BATCH,), generator=generator)
        mean = encoder(train.pixels[rows])
        z = mean + torch.randn(mean.shape, generator=generator)
        cross = nn.functional.cross_entropy(classifier(z), train.classes[rows])
        rate = 0.5 * ((1.0 + mean**2) / log_variance.exp() - 1.0 + log_variance).sum(1).mean()
        optimiser.zero_grad()
        (cross + beta * rate).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        mean = encoder(held.pixels)
        # One row an image: draws of its noise depend on each other.
        losses, hits = torch.zeros(len(mean)), torch.zeros(len(mean))
        for _ in range(DRAWS):
            scores = classifier(mean + torch.randn(mean.shape, generator=generator))
            losses += nn.functional.cross_entropy(scores, held.classes, reduction="none") / DRAWS
            hits += (scores.argmax(1) == held.classes).float() / DRAWS
    bracket = channel_bracket(mean.double().numpy(), sigma=1.0, rng=seed)
    loss = losses.double().numpy()
    share = np.bincount(held.classes.numpy(), minlength=10) / len(loss)
    entropy = float(stats.entropy(share))
    error = float(stats.t.ppf(0.975, len(loss) - 1) * loss.std(ddof=1) / np.sqrt(len(loss)))
    return {
        "beta": beta,
        "seed": seed,
        "I(X; Z), low": float(bracket.low),
        "I(X; Z), high": float(bracket.high),
        "I(Z; Y), at least": max(0.0, entropy - float(loss.mean()) - error),
        "accuracy": float(hits.mean()),
        "H(Y)": entropy,
    }


def main() -> None:
    """Train all encoders and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", required=True, help="folder with MNIST's idx files")
    said = parser.parse_args()
    halves = read(said.data)
    rows = [trained(*halves, beta, seed) for beta in BETAS for seed in range(said.seeds)]
    widths = [row["I(X; Z), high"] - row["I(X; Z), low"] for row in rows]
    write(
        "information",
        "information/plane",
        "The information plane of a noisy encoder of digits",
        rows,
        "MNIST's 10,000 images that had no part in training. Nats; brackets of 95%, the bound of "
        f"I(Z; Y) of 97.5%. The widest bracket has {max(widths):.2f} nats.",
    )


if __name__ == "__main__":
    main()
