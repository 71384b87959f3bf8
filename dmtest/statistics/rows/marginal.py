"""Univariate statistics of the columns, combined: rotations change them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtri

from dmtest.engines.rows import RowView, Values
from dmtest.engines.slices import SliceView
from dmtest.errors import InputError
from dmtest.runtime.typing import Vector
from dmtest.statistics.laws import slice_laws
from dmtest.statistics.slices.moments import skewness_score
from dmtest.statistics.slices.regression import shapiro_wilk
from dmtest.targets.transforms import unit_rows

SINGULAR = 1e-12  # ratio of eigenvalues below which roots are lost to rounding


def _factor(view: RowView) -> Vector:
    return np.eye(view.d) if view.factor is None else view.factor


def _turn(factor: Vector) -> Vector:
    """L' S^(-1/2) for S = L L': the rotation by which the symmetric root differs from L.

    With L = U D V' it is V U', which takes no division: the way for a matrix near singular.
    """
    values, vectors = np.linalg.eigh(factor @ factor.T)
    if values[0] > SINGULAR * values[-1]:
        return np.asarray(factor.T @ ((vectors / np.sqrt(values)) @ vectors.T))
    left, _, right = np.linalg.svd(factor)
    return np.asarray(right.T @ left.T)


def doornik_hansen(view: RowView) -> Values:
    """Sum over columns of squared normal scores of skewness and kurtosis.

    The columns are standardised and multiplied by the symmetric inverse root of their
    correlation matrix, so the statistic is not invariant under rotation. Doornik & Hansen (2008).
    Equals MVN if its wrong centring is corrected.
    """
    n = view.n
    if n < 8:
        raise InputError(f"data: doornik-hansen takes at least 8 rows; got n = {n}; add rows.")
    factor = _factor(view)
    unit = unit_rows(factor)
    y = view.rows.astype(np.float64) @ _turn(unit)
    y -= y.mean(axis=0)
    m2 = np.square(y).mean(axis=0)
    skewness = (y**3).mean(axis=0) / m2**1.5
    kurtosis = (y**4).mean(axis=0) / m2**2
    value = float(np.square(skewness_score(skewness, n)).sum())
    value += float(np.square(_kurtosis_score(skewness**2, kurtosis, n)).sum())
    return value, value


def _kurtosis_score(b1: Vector, b2: Vector, n: float) -> Vector:
    """Normal score of the kurtosis given the skewness, by Shenton & Bowman's gamma law."""
    delta = (n - 3.0) * (n + 1.0) * (n**2 + 15.0 * n - 4.0)
    common = (n + 5.0) * (n + 7.0) / delta
    a = (n - 2.0) * common * (n**2 + 27.0 * n - 70.0) / 6.0
    c = (n - 7.0) * common * (n**2 + 2.0 * n - 5.0) / 6.0
    k = common * (n**3 + 37.0 * n**2 + 11.0 * n - 313.0) / 12.0
    alpha = a + b1 * c
    chi = 2.0 * k * (b2 - 1.0 - b1)
    root = np.cbrt(chi / (2.0 * alpha))
    return np.asarray((root - 1.0 + 1.0 / (9.0 * alpha)) * np.sqrt(9.0 * alpha))


def doornik_hansen_law(statistic: float, view: RowView) -> float:
    """Chi-squared with 2d degrees of freedom, approximately at small n."""
    return float(chdtrc(2.0 * view.d, statistic))


def _as_slices(columns: NDArray[np.floating]) -> SliceView:
    return SliceView(np.ascontiguousarray(columns.T), "fitted")


def generalised_shapiro_wilk(view: RowView) -> Values:
    """Mean Shapiro-Wilk W of the columns of S^(-1/2) (x - m), the symmetric root.

    Villasenor & Gonzalez-Estrada (2009); small values are bad. In one dimension W itself.
    """
    factor = _factor(view)
    y = view.rows.astype(np.float64) @ _turn(factor)
    value = float(np.asarray(shapiro_wilk(_as_slices(y))).mean())
    return value, value


def royston(view: RowView) -> Values:
    """H = (e/d) sum of squared half-normal scores of the columns' Shapiro-Wilk p-values.

    e = d / (1 + (d-1) c), with c the mean of r^5 (1 - (.715/v) (1-r)^.715) over pairs of
    columns, r = |correlation|, v = .21364 + .015124 log(n)^2 - .0018034 log(n)^3. Royston
    (1983, 1992). Shapiro-Wilk throughout and without the sign of r: MVN takes
    Shapiro-Francia's W for long tails and r with its sign, so that there H changes when a
    column is negated.
    """
    n = view.n
    if not 4 <= n <= 5000:
        raise InputError(
            f"data: royston's normalisation of W is for 4 to 5000 rows; got n = {n}; use "
            f"generalised-shapiro-wilk."
        )
    factor = _factor(view)
    w = np.asarray(shapiro_wilk(_as_slices(view.rows.astype(np.float64) @ factor.T)))
    pvalues = np.maximum(np.asarray(slice_laws.shapiro_wilk(w, n)), np.finfo(np.float64).tiny)
    scores = np.square(ndtri(0.5 * pvalues))
    value = float(_equivalent(factor, n) * scores.mean())
    return value, value


def _equivalent(factor: Vector, n: int) -> float:
    d = len(factor)
    if d == 1:
        return 1.0
    unit = unit_rows(factor)
    r = np.minimum(np.abs(unit @ unit.T), 1.0)
    log = np.log(n)
    v = 0.21364 + 0.015124 * log**2 - 0.0018034 * log**3
    c = r**5 * (1.0 - 0.715 / v * (1.0 - r) ** 0.715)
    mean = (c.sum() - np.trace(c)) / (d * (d - 1.0))
    return float(d / (1.0 + (d - 1.0) * mean))


def royston_law(statistic: float, view: RowView) -> float:
    """Chi-squared with the equivalent degrees of freedom e. Royston (1983)."""
    return float(chdtrc(_equivalent(_factor(view), view.n), statistic))
