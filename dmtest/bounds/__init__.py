"""Capacities, Kullback-Leibler bounds and dual critics of noise-injected Deep InfoMax, in nats.

Theorems 3.4, 3.5 and 4.1 of arXiv 2410.06993 and the lemmas behind them. f(X) is the
embedding, Z independent noise, f(X') the embedding of an augmented view, and ``information``
is I = I(f(X'); f(X) + Z) or a bound of it. All arguments except points are numbers or arrays
that broadcast. ``docs/theory.md`` derives each formula and lists the errata of the paper.

Imports only `errors`.
"""

from __future__ import annotations

from dmtest.bounds.capacity import (
    epsilon_for_capacity,
    gaussian_capacity,
    sigma_for_capacity,
    uniform_capacity,
    uniform_information,
)
from dmtest.bounds.critics import (
    gaussian_chi2_kernel,
    gaussian_dual_critic,
    uniform_chi2_kernel,
    uniform_dual_critic,
)
from dmtest.bounds.divergence import (
    gaussian_kl_bound,
    gaussian_moment_correction,
    gaussian_smoothed_kl_bound,
    uniform_kl_bound,
    uniform_smoothed_kl_bound,
)
from dmtest.bounds.tradeoff import gaussian_tradeoff, reconstruction_bound
from dmtest.bounds.yardsticks import (
    collapse,
    dead_coordinate,
    two_valued_coordinate,
)

__all__ = [
    "collapse",
    "dead_coordinate",
    "epsilon_for_capacity",
    "gaussian_capacity",
    "gaussian_chi2_kernel",
    "gaussian_dual_critic",
    "gaussian_kl_bound",
    "gaussian_moment_correction",
    "gaussian_smoothed_kl_bound",
    "gaussian_tradeoff",
    "reconstruction_bound",
    "sigma_for_capacity",
    "two_valued_coordinate",
    "uniform_capacity",
    "uniform_chi2_kernel",
    "uniform_dual_critic",
    "uniform_information",
    "uniform_kl_bound",
    "uniform_smoothed_kl_bound",
]
