"""A GAN on 25 normals in the plane, with and without a term of information.

    python -m benchmarks.information.gan [--seeds 10] [--first 0] [--rate .004]

Runs that are stored are not made again, and processes with other seeds can run beside it.

As in Belghazi et al. (2018), section 5.1: beside its adversarial loss the generator G maximises
the Donsker-Varadhan bound of I(G(e); e), whose critic is trained with it, and the gradient of that
term is cut to the length of the adversarial one. It is judged on 10,000 samples. One of *high
quality* lies within three standard deviations of its nearest centre; a mode is *found* with 80 of
them, a fifth of its share (uniform points on the square have 42). `dmtest.compare` compares 2,000
samples with as many of the mixture.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import entr

import dmtest
from benchmarks.tables import RESULTS, stored_rows, write
from benchmarks.tables import RUNS as MADE

CENTRES = np.stack(np.meshgrid(*[np.arange(-2.0, 2.5)] * 2), axis=-1).reshape(-1, 2)
SPREAD, SCALE = 0.05, 2.0
COLUMNS, WIDTH, BATCH, RATE, STEPS = 2, 128, 256, 4e-3, 10_000
SAMPLES, FOUND, COMPARED, DRAWN = 10_000, 80, 2000, 1500
POINTS = RESULTS / "gan-points.npz"
FOLDER = MADE / "information" / "gan"
RUNS = "information/gan-runs"
SHOWN = 0  # the seed of the picture
TERMS = ("without", "with")
KINDS = ("modes", "high quality", "KL to uniform")


def draw(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw from the mixture, shape (n, 2)."""
    return CENTRES[rng.integers(len(CENTRES), size=n)] + SPREAD * rng.standard_normal((n, 2))


def generated(
    informed: bool, seed: int, steps: int = STEPS, rate: float = RATE
) -> NDArray[np.float64]:
    """Train a generator; return its samples, shape (10,000, 2)."""
    import torch
    from torch import nn
    from torch.nn.functional import softplus

    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 25])

    def network(inputs: int, outputs: int, leak: float) -> nn.Sequential:
        layers: list[nn.Module] = []
        for width in (WIDTH, WIDTH):
            layers += [nn.Linear(inputs, width), nn.LeakyReLU(leak)]
            inputs = width
        return nn.Sequential(*layers, nn.Linear(inputs, outputs))

    generator, judge = network(COLUMNS, 2, 0.0), network(2, 1, 0.2)
    critic = network(2 + COLUMNS, 1, 0.2)
    nets = (generator, judge, critic) if informed else (generator, judge)
    adam = {n: torch.optim.Adam(n.parameters(), lr=rate, betas=(0.5, 0.999)) for n in nets}
    falls = [torch.optim.lr_scheduler.LinearLR(one, 1.0, 0.05, steps) for one in adam.values()]

    def step(net: nn.Sequential, loss: Any) -> None:
        adam[net].zero_grad()
        loss.backward()
        adam[net].step()

    for _ in range(steps):
        real = torch.tensor(draw(BATCH, rng) / SCALE, dtype=torch.float32)
        noise = torch.randn(BATCH, COLUMNS)
        fake = generator(noise)
        step(judge, softplus(-judge(real)).mean() + softplus(judge(fake.detach())).mean())
        if informed:
            step(critic, -_bound(critic, fake.detach(), noise))
        adversarial = softplus(-judge(fake)).mean()
        (gradient,) = torch.autograd.grad(adversarial, fake, retain_graph=True)
        if informed:
            (other,) = torch.autograd.grad(-_bound(critic, fake, noise), fake)
            gradient = gradient + other * min(1.0, float(gradient.norm() / (other.norm() + 1e-12)))
        adam[generator].zero_grad()
        fake.backward(gradient)
        adam[generator].step()
        for fall in falls:
            fall.step()
    with torch.no_grad():
        made = generator(torch.randn(SAMPLES, COLUMNS))
    return np.asarray(SCALE * made.double().numpy())


def _bound(critic: Any, points: Any, noise: Any) -> Any:
    """Return the Donsker-Varadhan bound of a batch; noise of other rows stands for independence."""
    import torch

    joint = critic(torch.cat([points, noise], dim=1)).mean()
    other = critic(torch.cat([points, noise.roll(1, dims=0)], dim=1)).squeeze(1)
    return joint - torch.logsumexp(other, dim=0) + np.log(len(points))


def judged(x: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """Count modes, and compare with draws of the mixture."""
    distance = np.linalg.norm(x[:, None] - CENTRES, axis=2)
    near = distance.min(axis=1) <= 3.0 * SPREAD
    counts = np.bincount(distance.argmin(axis=1)[near], minlength=len(CENTRES))
    share = counts / max(counts.sum(), 1)
    real = draw(COMPARED, np.random.default_rng([seed, 1]))
    report = dmtest.compare(x[:COMPARED], real, rng=seed)
    return {
        "modes": int(np.sum(counts >= FOUND)),
        "high quality": float(near.mean()),
        "KL to uniform": float(np.log(len(CENTRES)) - entr(share).sum()),
        "p of compare": float(report.pvalue),
        "verdict": report.verdict,
    }


def with_interval(values: Sequence[float]) -> str:
    """Return a mean and the half width of its 95% interval over seeds."""
    if len(values) < 2:
        return f"{np.mean(values):.3g}"
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3g} +- {half:.2g}"


def summary(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return means over seeds without and with the term, and of the differences seed by seed."""
    table = []
    for rate in sorted({one["rate"] for one in rows}):
        own = {(one["term"], one["seed"]): one for one in rows if one["rate"] == rate}
        seeds = [seed for term, seed in own if term == "with" and ("without", seed) in own]
        for term in (*TERMS, "difference"):
            row: dict[str, Any] = {"rate": rate, "term": term, "seeds": len(seeds)}
            for kind in KINDS if seeds else ():
                without, with_it = (np.array([own[one, k][kind] for k in seeds]) for one in TERMS)
                values = dict(zip(TERMS, (without, with_it), strict=True))
                row[kind] = with_interval(list(values.get(term, with_it - without)))
            table += [row] if seeds else []
    return table


def main() -> None:
    """Train with and without the term and write both tables; runs that are stored are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--rate", type=float, default=RATE, help="learning rate of Adam")
    said = parser.parse_args()
    for seed in range(said.first, said.first + said.seeds):
        for term in TERMS:
            _run(term, seed, said.rate)
    collect()


def _run(term: str, seed: int, rate: float) -> None:
    """Leave a file of a run, unless the run is stored or has one: processes can share the work."""
    path = FOLDER / f"{rate:g}-{term}-{seed}.json"
    key = (rate, term, seed)
    if path.exists() or any(_key(one) == key for one in stored_rows("information", RUNS)):
        return
    x = generated(term == "with", seed, rate=rate)
    row = {"rate": rate, "term": term, "seed": seed} | judged(x, seed)
    print(row, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}.half")
    points = np.round(x[:DRAWN], 3).tolist() if seed == SHOWN else None
    half.write_text(json.dumps({"row": row, "points": points}), encoding="utf-8")
    half.replace(path)


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["rate"], row["term"], row["seed"]


def collect() -> None:
    """Store runs that left files, and write both tables."""
    rows = {_key(one): one for one in stored_rows("information", RUNS)}
    points = dict(np.load(POINTS))
    for path in sorted(FOLDER.glob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        rows[_key(run["row"])] = run["row"]
        if run["points"] and run["row"]["rate"] == RATE:
            points[run["row"]["term"]] = np.array(run["points"], dtype=np.float16)
    np.savez_compressed(POINTS, **points)
    order = sorted(rows.values(), key=lambda one: (one["rate"], one["term"] == "with", one["seed"]))
    title = "A GAN with a term of information: all runs"
    write("information", RUNS, title, order, "As above, one row a run.")
    notes = "25 normals of sd .05; a real sample has a high quality of .989. Means over seeds with "
    notes += "95% intervals; the difference is with the term less without, seed by seed."
    title = "A GAN with a term of information"
    print(write("information", "information/gan", title, summary(order), notes))


if __name__ == "__main__":
    main()
