"""A GAN on 25 Gaussians, with and without a term of information: modes, quality, two-sample report.

    python -m benchmarks.information.gan [--seeds 5] [--weight 1]

Belghazi et al. (2018), section 5.1: the generator maps noise and a code to the plane, and beside
its adversarial loss it maximises the Donsker-Varadhan bound of I(G(e, c); c), whose critic is
trained with it. The gradient of that term is scaled down to the length of the adversarial one where
it is longer. A mode counts as found where at least a fifth of its fair share of samples lie within
three standard deviations of its centre.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

import dmtest

CENTRES = np.stack(np.meshgrid(*[np.arange(-2.0, 2.5)] * 2), axis=-1).reshape(-1, 2)
SPREAD, CODE, NOISE, WIDTH = 0.05, 2, 3, 128
STEPS, BATCH, SAMPLES = 6000, 256, 10_000
RATE = 5e-4


def draw(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw from the mixture."""
    return CENTRES[rng.integers(len(CENTRES), size=n)] + SPREAD * rng.standard_normal((n, 2))


def generated(weight: float, seed: int, steps: int = STEPS) -> NDArray[np.float64]:
    """Train a generator; return its samples."""
    import torch
    from torch import nn
    from torch.nn.functional import softplus

    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 25])

    def network(inputs: int, outputs: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for width in (WIDTH, WIDTH, WIDTH):
            layers += [nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        return nn.Sequential(*layers, nn.Linear(inputs, outputs))

    generator, judge = network(NOISE + CODE, 2), network(2, 1)
    critic = network(2 + CODE, 1)
    adam = {
        net: torch.optim.Adam(net.parameters(), lr=RATE, betas=(0.5, 0.999))
        for net in (generator, judge, critic)
    }
    for _ in range(steps):
        real = torch.tensor(draw(BATCH, rng), dtype=torch.float32)
        latent = torch.randn(BATCH, NOISE + CODE)
        fake = generator(latent)
        loss = softplus(-judge(real)).mean() + softplus(judge(fake.detach())).mean()
        _step(adam[judge], loss)
        code = latent[:, NOISE:]
        if weight:
            _step(adam[critic], -_bound(critic, fake.detach(), code))
        fake.retain_grad()
        adversarial = softplus(-judge(fake)).mean()
        (first,) = torch.autograd.grad(adversarial, fake, retain_graph=True)
        gradient = first
        if weight:
            (second,) = torch.autograd.grad(-weight * _bound(critic, fake, code), fake)
            gradient = first + second * min(1.0, float(first.norm() / (second.norm() + 1e-12)))
        adam[generator].zero_grad()
        fake.backward(gradient)  # type: ignore[no-untyped-call]
        adam[generator].step()
    with torch.no_grad():
        return np.asarray(generator(torch.randn(SAMPLES, NOISE + CODE)).double().numpy())


def _step(optimiser: Any, loss: Any) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _bound(critic: Any, points: Any, code: Any) -> Any:
    """Return the Donsker-Varadhan bound of a batch; codes of other rows stand for independence."""
    import torch

    joint = critic(torch.cat([points, code], dim=1)).mean()
    other = critic(torch.cat([points, code.roll(1, dims=0)], dim=1)).squeeze(1)
    return joint - torch.logsumexp(other, dim=0) + np.log(len(points))


def judged(x: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """Count modes, and compare with draws of the mixture."""
    distance = np.linalg.norm(x[:, None] - CENTRES, axis=2)
    nearest, near = distance.argmin(axis=1), distance.min(axis=1) <= 3.0 * SPREAD
    counts = np.bincount(nearest[near], minlength=len(CENTRES))
    share = counts / max(counts.sum(), 1)
    real = draw(len(x), np.random.default_rng([seed, 1]))
    report = dmtest.compare(x, real, rng=seed)
    return {
        "modes": int(np.sum(counts >= 0.2 * len(x) / len(CENTRES))),
        "high quality": float(near.mean()),
        "KL to uniform": float(np.log(len(CENTRES)) - entr(share).sum()),
        "energy distance": float(report.effects["energy-distance"].value)
        if "energy-distance" in report.effects
        else float("nan"),
        "verdict": report.verdict,
    }


def main() -> None:
    """Train with and without the term and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--weight", type=float, default=1.0)
    said = parser.parse_args()
    rows = []
    for weight in (0.0, said.weight):
        for seed in range(said.seeds):
            began = time.process_time()
            found = judged(generated(weight, seed), seed)
            rows.append({"weight": weight, "seed": seed} | found)
            print(rows[-1], f"{time.process_time() - began:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
