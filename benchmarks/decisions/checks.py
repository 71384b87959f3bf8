"""Checks against a baseline: how often the same encoder fails, and which regressions are caught.

    python -m benchmarks.decisions.checks --mnist FOLDER [--part PART] [--quick]

PART is synthetic, level, regressions or trainer. FOLDER holds MNIST (`train-images-idx3-ubyte`,
...). In trainer the encoder is that of `dmtest.train`; in the others it is a small network (torch)
trained so that embeddings of an image and of its noisy copy agree and that slices of the embeddings
are normal (Epps-Pulley). A sample is 1,000 or 5,000 images at random, so that baseline and check
are independent but for the few images that both happen to draw.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dmtest
from benchmarks.tables import write

Matrix = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Matrix]

ROWS, COLUMNS, STEPS = 1000, 8, 1500
BASELINES, RERUNS = 4, 50
EPOCHS, MANY = 12, 5000  # of the trainer's encoders
FLIPS = "N(0, 1.05^2 I), baselines that are compatible"


def images(folder: Path) -> NDArray[np.float32]:
    """Read MNIST's training images: (60000, 784) between 0 and 1."""
    raw = np.fromfile(folder / "train-images-idx3-ubyte", dtype=np.uint8, offset=16)
    return raw.reshape(-1, 784).astype(np.float32) / 255.0


def embeddings(x: NDArray[np.float32], steps: int, seed: int, target_weight: float = 5.0) -> Matrix:
    """Train an encoder for so many steps and embed all images."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    net = torch.nn.Sequential(
        torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, COLUMNS)
    )
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    points = torch.linspace(-3.0, 3.0, 17)
    wanted, weight = torch.exp(-0.5 * points**2), torch.exp(-0.5 * points**2)
    pixels = torch.from_numpy(x)
    for _ in range(steps):
        batch = pixels[torch.randint(len(pixels), (512,))]
        z = net(batch)
        other = net(batch + 0.3 * torch.randn_like(batch))
        directions = torch.nn.functional.normalize(torch.randn(COLUMNS, 32), dim=0)
        angles = (z @ directions)[..., None] * points
        real, imaginary = angles.cos().mean(0) - wanted, angles.sin().mean(0)
        normal = ((real**2 + imaginary**2) * weight).mean()
        loss = (z - other).square().mean() + target_weight * 10.0 * normal
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return net(pixels).numpy().astype(np.float64)


def sampler(rows: Matrix, n: int = ROWS) -> Draw:
    """Draw rows at random."""
    return lambda rng: rows[rng.choice(len(rows), n, replace=False)]


def digits(few: int | None = None, n: int = 800, d: int = 6) -> Draw:
    """Encode scikit-learn's digits by whitened principal components, learnt from all or `few`.

    A sample is of images at random, with pixels that are off by a random half.
    """
    from sklearn.datasets import load_digits

    pixels = np.asarray(load_digits().data, dtype=np.float64)
    learnt = pixels if few is None else pixels[np.random.default_rng(0).permutation(few)]
    centre = learnt.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((learnt - centre).T))
    axes = vectors[:, -d:] / np.sqrt(values[-d:] + 0.25)

    def draw(rng: np.random.Generator) -> Matrix:
        chosen = pixels[rng.integers(len(pixels), size=n)]
        return (chosen + 0.5 * rng.standard_normal(chosen.shape) - centre) @ axes

    return draw


def failures(
    good: Draw, later: Draw, baselines: int, reruns: int, seed: int, lucky: bool = False
) -> dict[str, Any]:
    """Check fresh samples of one encoder against baselines of another, or of the same.

    With `lucky` only baselines that are compatible are kept, so that verdicts can get worse.
    """
    rng = np.random.default_rng(seed)
    shares, which, verdicts, worse = [], Counter[str](), Counter[str](), 0
    for _ in range(baselines):
        kept = dmtest.write_baseline(good(rng))
        while lucky and kept.report.verdict != "compatible":
            kept = dmtest.write_baseline(good(rng))
        failed = 0
        for _ in range(reruns):
            result = dmtest.check(later(rng), kept)
            failed += not result.passed
            which.update(row.name for row in result.failures)
            verdicts[result.report.verdict] += 1
            worse += result.report.verdict != kept.report.verdict == "compatible"
        shares.append(failed / reruns)
    runs = baselines * reruns
    share = float(np.mean(shares))
    return {
        "checks": runs,
        "failed": share,
        "standard error": float(np.sqrt(max(share * (1.0 - share), 1.0 / runs**2) / runs)),
        "worst baseline": max(shares),
        "mismatches": verdicts["mismatch"] / runs,
        "worse verdicts": worse / runs,
        "failed in": ", ".join(f"{k} {v / runs:.2f}" for k, v in which.most_common(4)) or "none",
    }


def synthetic(n: int = 500, d: int = 4) -> dict[str, Draw]:
    """Make encoders whose law is known: good, bad, and one found out half of the time."""
    factor = np.linalg.cholesky(0.7 * np.eye(d) + 0.3)

    def radial(rng: np.random.Generator) -> Matrix:
        return rng.standard_normal((n, d)) * np.sqrt(4.0 / rng.chisquare(6, (n, 1)))

    def mixture(rng: np.random.Generator) -> Matrix:
        sides = np.where(rng.random((n, 1)) < 0.5, 0.5, -0.5)
        return sides + 0.9 * rng.standard_normal((n, d))

    return {
        "N(0, I)": lambda rng: rng.standard_normal((n, d)),
        FLIPS: lambda rng: 1.05 * rng.standard_normal((n, d)),
        "N(0.1, 1.1^2 I)": lambda rng: 0.1 + 1.1 * rng.standard_normal((n, d)),
        "correlated 0.3": lambda rng: rng.standard_normal((n, d)) @ factor.T,
        "t, 5 df, each column": lambda rng: rng.standard_t(5, (n, d)) * np.sqrt(0.6),
        "t, 6 df, whole rows": radial,
        "two clusters": mixture,
    }


def level(folder: Path, baselines: int, reruns: int) -> list[dict[str, Any]]:
    """Measure re-runs of real encoders: good, hardly trained, and one that was never trained."""
    x = images(folder)
    rows = []
    for steps in (STEPS, 100, 0):
        z = embeddings(x, steps, 0)
        found = failures(sampler(z), sampler(z), baselines, reruns, steps)
        rows.append({"encoder": f"MNIST, {steps:,} steps, n = 1,000, d = 8"} | found)
        print(rows[-1], flush=True)
    return rows


def regressions(folder: Path, baselines: int, reruns: int) -> list[dict[str, Any]]:
    """Measure the share of regressions that are caught, against the encoder of all steps."""
    x = images(folder)
    good = embeddings(x, STEPS, 0)
    later = {f"{steps} of {STEPS:,} steps": embeddings(x, steps, 0) for steps in (750, 300, 100)}
    later["target's weight in the loss halved"] = embeddings(x, STEPS, 0, 2.5)
    later["target's weight in the loss a tenth"] = embeddings(x, STEPS, 0, 0.5)
    later["trained anew, another seed"] = embeddings(x, STEPS, 1)
    later["embeddings times 1.1"] = 1.1 * good
    later["one column of eight dead"] = good * np.r_[np.full(COLUMNS - 1, 1.0), 1e-3]
    rows = []
    for name, z in later.items():
        found = failures(sampler(good), sampler(z), baselines, reruns, 7)
        rows.append({"regression": name} | found)
        print(rows[-1], flush=True)
    return rows


def trainer(folder: Path, reruns: int) -> list[dict[str, Any]]:
    """Measure what is caught of an encoder by noise-injected Deep InfoMax, and fresh samples of it.

    "Noise off" has sigma 0 and the separable critic, which needs none.
    """
    from dmtest import train

    common: dict[str, Any] = {"dim": COLUMNS, "crop": 24, "encoder": "mlp", "evaluate": False}
    common |= {"batch": 1024}
    good: dict[str, Any] = {"sigma": 0.5, "epochs": EPOCHS, "rng": 0, "critic": "calibrated"}
    later = {
        "the same encoder, fresh samples": good,
        f"{EPOCHS // 2} of {EPOCHS} epochs": good | {"epochs": EPOCHS // 2},
        f"{EPOCHS // 6} of {EPOCHS} epochs": good | {"epochs": EPOCHS // 6},
        "noise off": good | {"sigma": 0.0, "critic": "separable"},
        "augmentation off": good | {"augment": "none"},
        "trained anew, another seed": good | {"rng": 1},
    }
    rows = []
    first = None
    for name, options in later.items():
        z = train.fit(folder, **common | options).train_embeddings.astype(np.float64)
        first = z if first is None else first
        same = options is good
        found = failures(
            sampler(first, MANY), sampler(z, MANY), 4 if same else 1, 50 if same else reruns, 9
        )
        rows.append({"later encoder": name} | found)
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Run and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--part", choices=("synthetic", "level", "regressions", "trainer"))
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    baselines, reruns = (1, 10) if asked.quick else (BASELINES, RERUNS)
    start = time.perf_counter()
    notes = "alpha = 0.05; `failed` should be at most alpha plus three standard errors."
    if asked.part in (None, "synthetic"):
        rows = [
            {"encoder": f"{name}, n = 500, d = 4"}
            | failures(draw, draw, baselines, reruns, j, lucky=name == FLIPS)
            for j, (name, draw) in enumerate(synthetic().items())
        ]
        print(
            write(
                "decisions",
                "checks/synthetic",
                "The same encoder, fresh samples: known laws",
                rows,
                notes,
            )
        )
    if asked.part in (None, "level"):
        rows = level(asked.mnist, baselines, reruns)
        print(
            write(
                "decisions", "checks/level", "The same encoder, fresh samples: MNIST", rows, notes
            )
        )
    if asked.part in (None, "regressions"):
        rows = regressions(asked.mnist, 2, 5 if asked.quick else 20)
        told = f"Baseline: {STEPS:,} steps, n = 1,000, d = 8; alpha = 0.05."
        print(
            write(
                "decisions", "checks/regressions", "Regressions that are caught: MNIST", rows, told
            )
        )
    if asked.part in (None, "trainer"):
        rows = trainer(asked.mnist, 5 if asked.quick else 20)
        told = f"Baseline: sigma = 0.5, {EPOCHS} epochs, n = 5,000, d = 8; alpha = 0.05."
        print(
            write(
                "decisions",
                "checks/trainer",
                "Checks of encoders by dmtest.train: MNIST",
                rows,
                told,
            )
        )
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
