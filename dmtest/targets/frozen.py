"""Frozen distributions of scipy.stats and torch as targets, without importing either library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.errors import InputError

if TYPE_CHECKING:
    from dmtest.targets.targets import Target


def from_library(law: Any) -> Target | None:
    """Return the target of a frozen distribution; None for any other object.

    Raises
    ------
    InputError
        If the distribution has no target that is made of numbers; the message says which object
        to pass.
    """
    roots = {base.__module__.partition(".")[0] for base in type(law).__mro__}
    if "scipy" in roots:
        return _of_scipy(law)
    if "torch" in roots and hasattr(law, "log_prob"):
        return _of_torch(law)
    return None


def _of_scipy(law: Any) -> Target | None:
    from dmtest.targets.targets import Product, Uniform

    if hasattr(law, "mean") and hasattr(law, "cov") and not callable(law.cov):
        return _normal(law.mean, law.cov)
    kind = getattr(getattr(law, "dist", None), "name", "")
    if hasattr(law, "pmf"):
        raise InputError(
            f"target: scipy.stats.{kind} is discrete; pass dmtest.Sampled(draw), or "
            f"dmtest.Ranks(draws) for ranks."
        )
    if not (hasattr(law, "cdf") and hasattr(law, "sf") and kind):
        return None
    low, high = law.support()
    if kind == "norm":
        return _normal(law.mean(), law.var())
    if kind == "uniform":
        return Uniform(low, high)
    return Product(law)


def _of_torch(law: Any) -> Target:
    from dmtest.targets.targets import Uniform

    base, name = law, type(law).__name__
    while type(base).__name__ == "Independent":
        base = base.base_dist
    if hasattr(base, "covariance_matrix"):
        return _normal(_array(base.loc), _array(base.covariance_matrix))
    kind = type(base).__name__
    if kind == "Normal" and base.loc.ndim < 2:
        return _normal(_array(base.loc), _array(base.scale) ** 2)
    if kind == "Uniform" and base.low.ndim < 2:
        return Uniform(_array(base.low), _array(base.high))
    raise InputError(
        f"target: torch's {name} has no such target; pass dmtest.Sampled(lambda n, rng: ...) with "
        f"a function that draws n rows of it."
    )


def _array(tensor: Any) -> Any:
    return np.asarray(tensor.detach().cpu(), dtype=np.float64)


def _normal(mean: Any, cov: Any) -> Target:
    """Return N(mean, cov); numbers hold for all columns."""
    from dmtest.targets.targets import Normal

    mean, cov = np.asarray(mean, dtype=np.float64), np.asarray(cov, dtype=np.float64)
    # Vectors say the number of columns, which the named target would not check.
    standard = mean.ndim == cov.ndim == 0 and mean == 0.0 and cov == 1.0
    return Normal() if standard else Normal(mean, cov)
