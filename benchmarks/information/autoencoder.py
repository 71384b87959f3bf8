"""The bound of an autoencoder's information by its error, beside what its channel certifies.

    python -m benchmarks.information.autoencoder [--seeds 3]

X = g(U) has 8 columns, U normal with standard deviations 4 to 1, and g bends every column by those
before it without a change of volume, so h(X) = h(U) is known. The code Z = f(X) + s E has k
columns of mean 0 and variance 1 before noise, and a network reconstructs X from it. On rows that
had no part in training, the error gives a lower bound of I(X; Z), and the known noise a bracket.
The inequality as printed in arXiv 2410.06993 is shown, too.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np

from benchmarks.tables import write
from dmtest.bounds import reconstruction_bound
from dmtest.information import channel_bracket

COLUMNS, WIDTH, STEPS, BATCH, HELD = 8, 128, 3000, 512, 20_000
SCALES = np.linspace(4.0, 1.0, COLUMNS)
ENTROPY = 0.5 * COLUMNS * math.log(2.0 * math.pi * math.e) + float(np.log(SCALES).sum())
CODES, NOISE = (1, 2, 4, 6, 8), 0.1


def source(n: int, rng: np.random.Generator) -> Any:
    """Draw n rows: column j is U_j plus a function of the columns before it, shape (n, 8)."""
    x = rng.standard_normal((n, COLUMNS)) * SCALES
    for j in range(1, COLUMNS):
        x[:, j] += 2.0 * np.sin(0.5 * x[:, j - 1])
    return x.astype(np.float32)


def trained(code: int, seed: int, steps: int = STEPS, held_rows: int = HELD) -> dict[str, Any]:
    """Train one autoencoder; return its bounds on held-out rows."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, code])
    encoder = nn.Sequential(
        nn.Linear(COLUMNS, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(),
        nn.Linear(WIDTH, code), nn.BatchNorm1d(code, affine=False),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(code, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU(),
        nn.Linear(WIDTH, COLUMNS),
    )  # fmt: skip
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        x = torch.from_numpy(source(BATCH, rng))
        z = encoder(x)
        loss = (decoder(z + NOISE * torch.randn_like(z)) - x).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    encoder.eval()
    with torch.no_grad():
        x = torch.from_numpy(source(held_rows, rng))
        z = encoder(x)
        losses = (decoder(z + NOISE * torch.randn_like(z)) - x).square().sum(1).double().numpy()
    # The bound falls with the error: its upper confidence limit gives the lower one of the bound.
    error = float(losses.mean())
    most = error + 1.96 * float(losses.std(ddof=1)) / math.sqrt(held_rows)
    bracket = channel_bracket(z.double().numpy(), sigma=NOISE, rng=seed)
    return {
        "columns of the code": code,
        "seed": seed,
        "squared error": error,
        "bound by the error": float(reconstruction_bound(most, COLUMNS, ENTROPY)),
        "I(X; Z), low": float(bracket.low),
        "I(X; Z), high": float(bracket.high),
        "as printed": ENTROPY
        - 0.5 * COLUMNS * math.log(2.0 * math.pi * math.e)
        - 0.5 * math.log(error),
    }


def main() -> None:
    """Train all autoencoders and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    rows = []
    for code in CODES:
        for seed in range(seeds):
            rows.append(trained(code, seed))
            print(rows[-1], flush=True)
    broken = sum(row["bound by the error"] > row["I(X; Z), high"] for row in rows)
    printed = sum(row["as printed"] > row["I(X; Z), high"] for row in rows)
    print(
        write(
            "information",
            "information/autoencoder",
            "An autoencoder: the bound by its error, and the bracket of its channel",
            rows,
            f"8 columns of entropy {ENTROPY:.3f} nats; the code has noise of sd {NOISE}. Nats, on "
            f"{HELD:,} held-out rows, limits of 95%. Above the bracket: the bound in {broken} of "
            f"{len(rows)} runs, the printed inequality in {printed}.",
        )
    )


if __name__ == "__main__":
    main()
