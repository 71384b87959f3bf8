"""Statistics of spacings: Vasicek's entropy test; smaller is worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dmtest.errors import InputError

if TYPE_CHECKING:
    from dmtest.engines.slices import SliceView


def vasicek(view: SliceView, window: int | None = None) -> NDArray[np.float64]:
    """K = exp(H) / s, with H Vasicek's (1976) entropy estimate and s the standard deviation.

    H is the mean of log( n/(2m) (y_(i+m) - y_(i-m)) ), as
    ``scipy.stats.differential_entropy(method="vasicek")``; s has the n - 1 divisor, as all
    fitted slices do here (Vasicek: n). Under any normal K tends to sqrt(2 pi e) = 4.13; it
    is smaller under every other law of the same variance. Known parameters: s is replaced
    by exp((mean z^2 - 1)/2), which makes K = sqrt(2 pi e) exp(-KL) with the estimated
    divergence from N(0, 1) (Arizono & Ohta 1989). Tied values over a whole window give 0.

    Parameters
    ----------
    view : SliceView
    window : int, optional
        m, at least 1 and below n/2. Default: floor(sqrt(n) + 1/2), as scipy's.

    Returns
    -------
    ndarray, shape (k,)
    """
    from dmtest.kernels.slices import spacing_sums

    n = view.n
    m = int(np.floor(np.sqrt(n) + 0.5)) if window is None else window
    if not (isinstance(m, int) and 1 <= m < n / 2):
        raise InputError(
            f"window: got {m} with n = {n}; vasicek takes a whole number, 1 <= window < n/2."
        )
    y, entropy = view.sorted, np.empty(view.k)
    view.spread(lambda rows: spacing_sums(y[rows], m, entropy[rows]))
    entropy += np.log(n / (2.0 * m))
    if view.known:
        square = view.central[:, 1] + view.central[:, 0] ** 2
        return np.exp(entropy - 0.5 * (square - 1.0))
    return np.exp(entropy) / view.scale
