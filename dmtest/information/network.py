"""MINE: Donsker-Varadhan with a trained critic, evaluated on held-out rows. Needs torch."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.arguments import level, positive, whole
from dmtest.errors import InputError, MissingExtraError
from dmtest.information.estimate import Estimate
from dmtest.information.normal import canonical_variates
from dmtest.information.rows import as_pairs
from dmtest.information.scores import FULL, donsker_varadhan
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.runtime.typing import Vector

Indices: TypeAlias = NDArray[np.intp]

# Weight of the past in the moving average of the partition function, which the gradient uses
# (Belghazi et al. 2018, section 3.2).
MEMORY = 0.9
# Rows of a held-out batch, and parts of the rows that are held out in turn.
EVALUATION_BATCH, FOLDS = 512, 4
# Steps between two looks at the validation rows, and looks without progress that end the training.
EVERY, PATIENCE = 25, 6
# Shifts of the validation rows that stand for independent pairs.
SHIFTS = 16
# Shares of the normal critic with which the training may begin.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


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

    Each quarter of the rows is held out in turn. A critic is trained on four fifths of the others,
    by the Donsker-Varadhan objective with a gradient that a moving average debiases; it begins as
    a share of the fitted normal's critic. The last fifth stops the training. Where no critic
    is better there than none by 1 to 2 standard errors, the value is 0, which is a bound, too. The
    held-out rows give the value, in batches of at most 512 rows that are scored against each
    other. Scores are cut off at the logarithm of a batch, so that no rare pair lifts the bound:
    information above that is `saturated`. Belghazi et al. (2018).

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d)
        Row i of x belongs to row i of y; n >= 64.
    hidden : int
        Width of the critic's two hidden layers.
    steps, batch : int
        Most steps of Adam, and rows of each.
    learning_rate : float
        Learning rate of Adam.
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
    confidence = level("confidence", confidence, 0.95)
    rate = positive("learning_rate", learning_rate)
    try:
        import torch
    except ImportError:
        raise MissingExtraError(
            "information.mine needs torch: run `pip install 'dmtest[train]'`, or use ksg"
        ) from None
    hidden, steps = whole("hidden", hidden, 1), whole("steps", steps, 1)
    size, seed = whole("batch", batch, 2), entropy_of(rng)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    order = stream(seed, "mine/split").permutation(n)
    width = min(EVALUATION_BATCH, n // FOLDS)
    stack: list[Vector] = []
    alive = False
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        rest = np.delete(order, np.arange(fold, n, FOLDS))
        check, train = rest[: len(rest) // 5], rest[len(rest) // 5 :]
        a, b = (_standardised(rows, train) for rows in (left, right))
        normal = _normal_critic(a, b, train)
        tensors = tuple(
            torch.as_tensor(one, dtype=torch.float32, device=place) for one in (a, b, *normal)
        )
        critic = _trained(
            torch, tensors, train, check, hidden, steps, min(size, len(train)), rate, seed, fold
        )
        alive = alive or not critic.dead
        for start in range(0, len(held) - width + 1, width):
            stack.append(critic.matrix(held[start : start + width]))
    facts: dict[str, Any] = {"kind": "lower bound", "method": "MINE, held out", "batch": width}
    if not alive:
        note = "no critic is better than none on held-out rows, so no bound above 0 is left"
        return Estimate(0.0, batches=len(stack), note=note, **facts)
    bound = donsker_varadhan(np.stack(stack), confidence=confidence)
    facts = dict(bound.__dict__) | facts
    full = bool(float(bound) > FULL * np.log(width))
    return Estimate(float(bound), **facts | {"saturated": full})


def _standardised(rows: Vector, train: Indices) -> Vector:
    """Return all rows, standardised with the moments of some."""
    spread = rows[train].std(axis=0)
    scaled = (rows - rows[train].mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    return np.asarray(scaled)


def _normal_critic(a: Vector, b: Vector, train: Indices) -> tuple[Vector, Vector, Vector]:
    """Canonical variates of all rows, fitted to some, and their canonical correlations."""
    left, right, r = canonical_variates(a[train], b[train])
    r = np.minimum(r, 0.99999)
    return a @ left, b @ right, r


@dataclass
class _Critic:
    """Scores of pairs: a share of the normal's critic, plus a network; cut off above."""

    torch: Any
    tensors: tuple[Any, ...]
    network: Any
    share: float = 0.0
    offset: float = 0.0
    dead: bool = False

    def scores(self, rows: Indices, others: Indices) -> Any:
        """Scores of x in `rows` with y in `others`, one each."""
        a, b, u, v, r = self.tensors
        out = self.network(self.torch.cat([a[rows], b[others]], dim=1)).squeeze(1)
        if self.share > 0.0:
            out = out + self.share * self._normal(u[rows], v[others], r)
        return out

    @staticmethod
    def _normal(u: Any, v: Any, r: Any) -> Any:
        """Pointwise information of normal variables, up to a constant."""
        return ((r * u * v - 0.5 * r**2 * (u**2 + v**2)) / (1.0 - r**2)).sum(dim=-1)

    def bound(self, rows: Indices) -> tuple[float, float]:
        """Donsker-Varadhan value at rows against shifted ones, and its standard error."""
        m = len(rows)
        shifts = np.unique(np.linspace(1, m - 1, SHIFTS).astype(int))
        with self.torch.no_grad():
            joint = self.scores(rows, rows).double()
            apart = self.torch.stack([self.scores(rows, np.roll(rows, s)) for s in shifts])
            apart = apart.double()
            offset = float(self.torch.logsumexp(apart.flatten(), 0)) - np.log(apart.numel())
            capped = apart.clamp(max=offset + np.log(m)).exp()
            joint = joint.clamp(max=offset + np.log(m))
        value = float(joint.mean()) - float(capped.mean().log())
        influence = joint - capped.mean(dim=0) / capped.mean()
        self.offset = float(capped.mean().log())
        return value, float(influence.std()) / np.sqrt(m)

    def matrix(self, rows: Indices) -> Vector:
        """Scores of all pairs of rows, ``[i, j]`` of x_j and y_i, cut off at log K."""
        k = len(rows)
        if self.dead:
            return np.zeros((k, k))
        with self.torch.no_grad():
            scores = self.scores(np.tile(rows, k), np.repeat(rows, k)).reshape(k, k)
        values = scores.double().cpu().numpy()
        return np.asarray(np.minimum(values - self.offset, np.log(k)))


def _trained(
    torch: Any,
    tensors: tuple[Any, ...],
    train: Indices,
    check: Indices,
    hidden: int,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
    fold: int,
) -> _Critic:
    """Train a critic until the rows of `check` stop it; one that is no better than none is dead."""
    critic = _Critic(torch, tensors, _network(torch, tensors, hidden, seed, fold))
    starts = []
    for critic.share in SHARES:
        starts.append(critic.bound(check)[0])
    critic.share = SHARES[int(np.argmax(starts))]
    best, state, waited = max(starts), copy.deepcopy(critic.network.state_dict()), 0
    optimiser = torch.optim.Adam(critic.network.parameters(), lr=rate)
    rng = stream(seed, f"mine/batches/{fold}")
    memory = None
    for step in range(1, steps + 1):
        rows = rng.choice(train, size=batch)
        others = np.roll(rows, 1 + int(rng.integers(batch - 1)))
        cap = critic.offset + float(np.log(batch))
        joint = critic.scores(rows, rows).clamp(max=cap).mean()
        exponential = critic.scores(rows, others).clamp(max=cap).exp().mean()
        current = exponential.detach()
        memory = current if memory is None else MEMORY * memory + (1.0 - MEMORY) * current
        loss = exponential / memory - joint
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % EVERY == 0 or step == steps:
            value, _ = critic.bound(check)
            waited += 1
            if value > best:
                best, state, waited = value, copy.deepcopy(critic.network.state_dict()), 0
            if waited >= PATIENCE:
                break
    critic.network.load_state_dict(state)
    value, error = critic.bound(check)
    # The standard error of few rows is itself uncertain.
    critic.dead = not value > error * (1.0 + 4.0 / np.sqrt(len(check)))
    return critic


def _network(torch: Any, tensors: tuple[Any, ...], hidden: int, seed: int, fold: int) -> Any:
    """Make a network that returns 0; leave the global generators of torch as they were."""
    first, second = tensors[:2]
    device, nn = first.device, torch.nn
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((seed + fold) % 2**63)
        network = nn.Sequential(
            nn.Linear(first.shape[1] + second.shape[1], hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        ).to(device)
    nn.init.zeros_(network[-1].weight)
    nn.init.zeros_(network[-1].bias)
    return network
