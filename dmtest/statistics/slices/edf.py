"""Statistics of the empirical cdf, unmodified: A^2, W^2, D, V and U^2.

u_(i) = Phi(z_(i)); fitted slices have z = (y - mean) / sd with the n - 1 standard
deviation. Stephens (1974) gives the computing formulas; values equal R's goftest and
nortest, scipy.stats and statsmodels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dmtest.runtime.typing import Vector

if TYPE_CHECKING:
    from dmtest.engines.slices import SliceView


def anderson_darling(view: SliceView) -> Vector:
    """A^2 = -n - (1/n) sum (2i-1) [log u_(i) + log(1 - u_(n+1-i))]: (k,)."""
    return np.asarray(-view.n - view.logs[:, 4])


def cramer_von_mises(view: SliceView) -> Vector:
    """W^2 = sum (u_(i) - (2i-1)/(2n))^2 + 1/(12n): (k,)."""
    return np.asarray(view.edf[:, 2] + 1.0 / (12.0 * view.n))


def kolmogorov_smirnov(view: SliceView) -> Vector:
    """D = max(D+, D-), the largest distance of the cdfs; Lilliefors' when fitted: (k,)."""
    return np.asarray(view.edf[:, :2].max(axis=1))


def kuiper(view: SliceView) -> Vector:
    """V = D+ + D- (Kuiper 1960): (k,)."""
    return view.edf[:, 0] + view.edf[:, 1]


def watson(view: SliceView) -> Vector:
    """U^2 = W^2 - n (mean u - 1/2)^2 (Watson 1961): (k,)."""
    return np.asarray(cramer_von_mises(view) - view.edf[:, 3] ** 2 / view.n)
