"""Product of the moment generating and the characteristic function, for few rows."""

from __future__ import annotations

import numpy as np

from dmtest.engines.rows import RowView, Values
from dmtest.errors import InputError
from dmtest.runtime.parallel import blocks

MOST = 200


def henze_jimenez_gamero_meintanis(view: RowView, a: float = 1.5) -> Values:
    """Integral n (a/pi)^(d/2) int (M_n(t) C_n(t) - 1)^2 exp(-a |t|^2) dt.

    M_n is the mgf, C_n the mean cosine. It is a sum over quadruples of rows: M_n^2 is one over
    s = Y_j + Y_l, C_n^2 over q = Y_k + Y_m and Y_k - Y_m, and the integral of exp(t.s) cos(t.q)
    exp(-a |t|^2) is (pi/a)^(d/2) exp((|s|^2 - |q|^2)/(4a)) cos(s.q/(2a)). Henze, Jimenez-Gamero
    & Meintanis (2019); equals mnt's HJM.

    Raises
    ------
    InputError
        For more than 200 rows.
    """
    n = view.n
    if n > MOST:
        raise InputError(
            f"data: henze-jimenez-gamero-meintanis sums over all quadruples of rows and takes at "
            f"most {MOST}; got n = {n}; use henze-jimenez-gamero, or pass a subsample."
        )
    y = view.rows.astype(np.float64)
    scale = 1.0 / np.sqrt(2.0 * a)
    y = y * scale  # then exponents are |s|^2/2 - |q|^2/2 and angles s.q
    s_weights = np.exp(0.5 * np.square(y[:, None] + y[None]).sum(axis=2))
    upper = np.triu_indices(n)
    twice = np.where(upper[0] == upper[1], 1.0, 2.0)
    q = np.concatenate([y[upper[0]] + y[upper[1]], y[upper[0]] - y[upper[1]]])
    q_weights = 0.5 * np.tile(twice, 2) * np.exp(-0.5 * np.square(q).sum(axis=1))
    four = 0.0
    for part in blocks(len(q), 4096):
        # sum_jl s_weights cos((Y_j + Y_l).q) is the real part of a quadratic form in exp(i Y_j.q).
        angle = y @ q[part].T
        cos, sin = np.cos(angle), np.sin(angle)
        forms = (cos * (s_weights @ cos) - sin * (s_weights @ sin)).sum(axis=0)
        four += float(forms @ q_weights[part])
    r2 = np.square(y).sum(axis=1)
    two = float(np.exp(0.5 * r2) @ (np.cos(y @ y.T) @ np.exp(-0.5 * r2)))
    value = float(n * (four / n**4 - 2.0 * two / n**2 + 1.0))
    return value, value
