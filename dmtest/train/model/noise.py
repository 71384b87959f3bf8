"""Noise Z that is added to embeddings in training, and the capacity of that channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dmtest import bounds
from dmtest.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from dmtest.train.model.draws import Draws

TargetName = Literal["normal", "uniform"]
DEFAULTS = {"normal": 0.3, "uniform": 0.1}


@dataclass(frozen=True, slots=True)
class Noise:
    """Z ~ N(0, level^2 I) for the normal target, U([-level, level]^d) for the uniform one.

    Attributes
    ----------
    target : {"normal", "uniform"}
    level : float
        sigma or epsilon; 0 means no noise, as in plain Deep InfoMax.
    """

    target: TargetName
    level: float

    @property
    def name(self) -> str:
        """Name of the level: sigma or epsilon."""
        return "sigma" if self.target == "normal" else "epsilon"

    @property
    def kind(self) -> Literal["gaussian", "uniform"]:
        """Law of the noise, as certificates name it."""
        return "gaussian" if self.target == "normal" else "uniform"

    def capacity(self, d: int) -> float:
        """Largest I(f(X'); f(X) + Z) for d columns, in nats (Theorems 3.4 and 3.5)."""
        if self.level == 0.0:
            return math.inf
        capacity = bounds.gaussian_capacity if self.target == "normal" else bounds.uniform_capacity
        return float(capacity(d, self.level))

    def matched_information(self, d: int) -> float:
        """I(f(X'); f(X) + Z) of a weakly invariant encoder that follows the target, in nats.

        For the normal target this is the capacity, for the uniform one the value of Remark 3.6,
        which is smaller.
        """
        if self.level == 0.0 or self.target == "normal":
            return self.capacity(d)
        return float(bounds.uniform_information(d, self.level))

    def draw(self, d: int, draws: Draws) -> Tensor:
        """Return noise of d columns for the rows of `draws`."""
        if self.target == "normal":
            return self.level * draws.normal(d)
        return draws.uniform(d, low=-self.level, high=self.level)


def as_noise(
    target: str,
    d: int,
    sigma: float | None = None,
    epsilon: float | None = None,
    capacity: float | None = None,
) -> Noise:
    """Return the noise that the arguments of a user describe.

    Parameters
    ----------
    target : {"normal", "uniform"}
    d : int
        Columns of the embedding.
    sigma, epsilon, capacity : float, optional
        At most one: the standard deviation of normal noise, the half width of uniform noise, or
        the capacity in nats. By default sigma is 0.3 and epsilon 0.1.

    Returns
    -------
    Noise

    Raises
    ------
    InputError
        If more than one is passed, one is negative, or one belongs to the other target.
    """
    if target not in DEFAULTS:
        raise InputError(f"target: got {target!r}; the trainer knows 'normal' and 'uniform'.")
    values = {"sigma": sigma, "epsilon": epsilon, "capacity": capacity}
    values = {name: value for name, value in values.items() if value is not None}
    if len(values) > 1:
        raise InputError(f"{', '.join(values)}: give one of them; each sets the noise.")
    own, other = ("sigma", "epsilon") if target == "normal" else ("epsilon", "sigma")
    if other in values:
        raise InputError(f"{other}: target {target!r} takes {own}=; got {other}={values[other]!r}.")
    if capacity is not None:
        if not (math.isfinite(capacity) and capacity > 0.0):
            raise InputError(f"capacity: must be a positive number of nats; got {capacity!r}.")
        solve = bounds.sigma_for_capacity if target == "normal" else bounds.epsilon_for_capacity
        return Noise(target, float(solve(capacity, d)))  # type: ignore[arg-type]
    level = values.get(own)
    level = DEFAULTS[target] if level is None else level
    if not (math.isfinite(level) and level >= 0.0):
        raise InputError(f"{own}: must be a number >= 0; got {level!r}.")
    return Noise(target, float(level))  # type: ignore[arg-type]
