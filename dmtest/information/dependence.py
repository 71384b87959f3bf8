"""Neural dependency measure: total correlation of an embedding, by a trained discriminator."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from dmtest.arguments import level, positive, whole
from dmtest.errors import InputError, MissingExtraError
from dmtest.information.estimate import Estimate, confidence_bounds
from dmtest.information.rows import as_rows
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.runtime.typing import Vector

LEAST_ROWS = 256
# Shares of the rows: half train, a quarter decides when to stop, a quarter gives the value.
TRAIN, VALIDATE = 0.5, 0.25
BATCHES = 8
# Rows of shuffled coordinates for each held-out row.
SHUFFLES = 16
# Steps between two validations, and rows of shuffled coordinates for each validation row.
CHECK, CHECK_SHUFFLES = 50, 4
# The value counts as saturated above this share of the largest one that a mean of exponentials
# allows.
FULL = 0.8


def neural_dependence(
    z: ArrayLike,
    *,
    hidden: int = 64,
    steps: int = 2000,
    batch: int = 512,
    learning_rate: float = 2e-3,
    confidence: float = 0.95,
    rng: RngLike = None,
    device: str | None = None,
) -> Estimate:
    """Estimate the total correlation KL(p(z) || prod_i p(z_i)) by classifying z against shuffled z.

    The neural dependency measure of Deep InfoMax (Hjelm et al. 2019, after Brakel & Bengio 2017):
    a discriminator learns to separate rows from rows whose coordinates are shuffled one by one.
    Its logit estimates the log density ratio and enters the Donsker-Varadhan bound, mean T(z) -
    log mean exp T(shuffled z), on held-out rows. Half of the rows train the discriminator (logistic
    loss, new shuffles in every step). A quarter chooses the step to stop at, 0 included, so that
    independent coordinates give 0 instead of the noise of a fit. A quarter gives the value.

    Parameters
    ----------
    z : array_like, shape (n, d)
        n >= 256, d >= 2.
    hidden : int
        Width of the discriminator's two hidden layers.
    steps, batch : int
        Steps of Adam, and rows of each.
    learning_rate : float
        Learning rate of Adam at the first step; it falls to 0 as a cosine.
    confidence : float
        Confidence of each bound over batches of held-out rows.
    rng : None, int or numpy Generator
    device : str, optional
        A torch device; by default the GPU if there is one.

    Returns
    -------
    Estimate
        A lower bound of the total correlation in nats, in expectation and except for the bias of
        the logarithm of a batch mean; `saturated` if it is near the largest value that a batch
        allows.

    Raises
    ------
    ImportError
        If torch is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from dmtest import information
    >>> r = np.array([[1.0, 0.8], [0.8, 1.0]])  # the truth: -log det(r) / 2 = .51 nats
    >>> z = np.random.default_rng(0).multivariate_normal([0, 0], r, 4000)
    >>> print(f"{information.neural_dependence(z, steps=500, rng=0):.1f}")
    0.5
    """
    rows = as_rows("z", z)
    n, d = rows.shape
    if n < LEAST_ROWS or d < 2:
        raise InputError(
            f"z: got shape {rows.shape}; dependence needs at least {LEAST_ROWS} rows and 2 columns."
        )
    confidence = level("confidence", confidence, 0.95)
    hidden, steps = whole("hidden", hidden, 1), whole("steps", steps, 1)
    batch, rate = whole("batch", batch, 2), positive("learning_rate", learning_rate)
    seed = entropy_of(rng)
    rows = rows[stream(seed, "dependence/split").permutation(n)]
    first, second = round(TRAIN * n), round((TRAIN + VALIDATE) * n)
    spread = rows[:first].std(axis=0)
    rows = (rows - rows[:first].mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    held_out = rows[second:]
    size = len(held_out) // BATCHES
    draw = stream(seed, "dependence/held-out")
    with _one_thread():
        score = _train_score(
            rows[:first], rows[first:second], hidden, steps, batch, rate, seed, device
        )
        batches = (held_out[k * size : (k + 1) * size] for k in range(BATCHES))
        values = np.array([_bound(score, part, draw) for part in batches])
    low, high = confidence_bounds(values, confidence)
    return Estimate(
        float(values.mean()),
        kind="lower bound",
        method="Donsker-Varadhan against shuffled columns, held out",
        low=low,
        high=high,
        confidence=confidence,
        batches=BATCHES,
        batch=size,
        saturated=bool(values.mean() > FULL * math.log(size * SHUFFLES)),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread: the network is small, and results are the same on any machine."""
    torch = _torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _bound(score: Any, rows: Vector, draw: np.random.Generator, shuffles: int = SHUFFLES) -> float:
    """Donsker-Varadhan bound from rows, and from rows with each column shuffled alone."""
    others = np.concatenate([draw.permuted(rows, axis=0) for _ in range(shuffles)])
    return float(score(rows).mean() - logsumexp(score(others)) + math.log(len(others)))


def _train_score(
    train: Vector,
    validation: Vector,
    hidden: int,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int,
    device: str | None,
) -> Callable[[Vector], Vector]:
    """Train the discriminator and return its logit as a function of rows."""
    torch = _torch()
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def tensor(rows: Vector) -> Any:
        return torch.as_tensor(rows, dtype=torch.float32, device=place)

    def score(rows: Vector) -> Vector:
        with torch.no_grad():
            return np.asarray(network(tensor(rows))[:, 0].double().cpu().numpy())

    network = _network(torch, train.shape[1], hidden, seed, place)
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    draw = stream(seed, "dependence/batches")
    size = min(batch, len(train))
    # The last layer starts at zero, so that the bound at step 0 is exactly 0 ("independent").
    best, best_state = 0.0, copy.deepcopy(network.state_dict())
    for step in range(1, steps + 1):
        rows = train[draw.integers(len(train), size=size)]
        # Each column comes from rows of its own: a shuffle of all training rows, not of the batch.
        picks = draw.integers(len(train), size=rows.shape)
        others = np.take_along_axis(train, picks, axis=0)
        soft = torch.nn.functional.softplus
        loss = soft(-network(tensor(rows))).mean() + soft(network(tensor(others))).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % CHECK == 0 or step == steps:
            # The same shuffles at every step, so that steps differ by the network alone.
            same = stream(seed, "dependence/validation")
            bound = _bound(score, validation, same, CHECK_SHUFFLES)
            if bound > best:
                best, best_state = bound, copy.deepcopy(network.state_dict())
    network.load_state_dict(best_state)
    return score


def _network(torch: Any, d: int, hidden: int, seed: int, place: Any) -> Any:
    """Return a network with two hidden layers; torch's global generators are left as they were."""
    nn = torch.nn
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed % 2**63)
        layers = nn.Linear(d, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 1)
    nn.init.zeros_(layers[2].weight)
    nn.init.zeros_(layers[2].bias)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2]).to(place)


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingExtraError(
            "information.neural_dependence needs torch: run `pip install 'dmtest[train]'`"
        ) from None
    return torch
