"""MINE: Donsker-Varadhan with a trained critic, evaluated on held-out rows. Needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dmtest.arguments import whole
from dmtest.errors import InputError, MissingExtraError
from dmtest.information.estimate import Estimate
from dmtest.information.neighbours import as_pairs
from dmtest.information.scores import donsker_varadhan
from dmtest.runtime.streams import RngLike, entropy_of, stream

# Weight of the past in the moving average of the partition function, which the gradient uses
# (Belghazi et al. 2018, section 3.2).
MEMORY = 0.99
# Rows of a held-out batch.
EVALUATION_BATCH = 512


def mine(
    x: ArrayLike,
    y: ArrayLike,
    *,
    hidden: int = 128,
    steps: int = 2000,
    batch: int = 512,
    learning_rate: float = 1e-3,
    confidence: float = 0.95,
    rng: RngLike = None,
    device: str | None = None,
) -> Estimate:
    """Bound I(x; y) from below with a neural critic.

    Half of the rows train the critic, by the Donsker-Varadhan objective with a gradient that a
    moving average debiases. The other half gives the value, in batches of 512 rows that are
    scored against each other. Belghazi et al. (2018).

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d)
        Row i of x belongs to row i of y; n >= 64.
    hidden : int
        Width of the critic's two hidden layers.
    steps, batch : int
        Steps of Adam, and rows of each.
    learning_rate : float
        Learning rate of Adam at the first step; it falls to 0 as a cosine.
    confidence : float
        Confidence of each bound over held-out batches.
    rng : None, int or numpy Generator
    device : str, optional
        A torch device; by default the GPU if there is one.

    Returns
    -------
    Estimate
        Nats. A lower bound in expectation, except for the bias of the logarithm of a batch mean.

    Raises
    ------
    ImportError
        If torch is not installed.
    """
    left, right = as_pairs(x, y)
    n = len(left)
    if n < 64:
        raise InputError(f"x, y: a critic needs at least 64 rows to train and test; got n = {n}.")
    try:
        import torch
    except ImportError:
        raise MissingExtraError(
            "information.mine needs torch: run `pip install 'dmtest[train]'`, or use ksg"
        ) from None
    hidden, steps = whole("hidden", hidden, 1), whole("steps", steps, 1)
    seed = entropy_of(rng)
    order = stream(seed, "mine/split").permutation(n)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    first, second = (_tensor(torch, rows[order], n // 2, place) for rows in (left, right))
    size = min(whole("batch", batch, 2), n // 2)
    critic = _train_critic(torch, first, second, n // 2, hidden, steps, size, learning_rate, seed)
    width = min(EVALUATION_BATCH, n - n // 2)
    stack = []
    with torch.no_grad():
        for start in range(n // 2, n - width + 1, width):
            a, b = first[start : start + width], second[start : start + width]
            pairs = torch.cat([a.repeat(width, 1), b.repeat_interleave(width, 0)], dim=1)
            stack.append(critic(pairs).reshape(width, width).double().cpu().numpy())
    bound = donsker_varadhan(np.stack(stack), confidence=confidence)
    facts = dict(bound.__dict__) | {"method": "MINE, held out"}
    return Estimate(float(bound), **facts)


def _tensor(torch: Any, rows: Any, train: int, device: str) -> Any:
    """Return all rows as a tensor, standardised with the moments of the first `train` rows."""
    spread = rows[:train].std(axis=0)
    scaled = (rows - rows[:train].mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    return torch.as_tensor(scaled, dtype=torch.float32, device=device)


def _train_critic(
    torch: Any,
    first: Any,
    second: Any,
    train: int,
    hidden: int,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> Any:
    """Train the critic and leave the global generators of torch as they were."""
    device = first.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed % 2**63)
        nn = torch.nn
        critic = nn.Sequential(
            nn.Linear(first.shape[1] + second.shape[1], hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        ).to(device)
    optimiser = torch.optim.Adam(critic.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    rng = stream(seed, "mine/batches")
    memory = None
    for _ in range(steps):
        rows = rng.integers(train, size=batch)
        others = np.roll(rows, 1 + int(rng.integers(batch - 1)))
        joint = critic(torch.cat([first[rows], second[rows]], dim=1)).mean()
        exponential = critic(torch.cat([first[rows], second[others]], dim=1)).exp().mean()
        current = exponential.detach()
        memory = current if memory is None else MEMORY * memory + (1.0 - MEMORY) * current
        loss = exponential / memory - joint
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return critic.eval()
