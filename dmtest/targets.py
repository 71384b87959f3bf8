"""The hypotheses: what a sample is said to follow, and how it is brought to normal scale.

Every target turns a sample into canonical rows: rows that follow N(0, I) under a fully
specified target, or some normal under ``any-normal``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.errors import InputError
from dmtest.outcome import Finding
from dmtest.parallel import blocks
from dmtest.sample import Sample
from dmtest.transforms import (
    independent_columns,
    mean_and_covariance,
    normal_scores,
    whiten,
)

__all__ = [
    "AnyNormal",
    "Canonical",
    "Normal",
    "Product",
    "Target",
    "TargetLike",
    "Uniform",
    "as_target",
]

ROW_TILE = 4096


@dataclass(frozen=True, slots=True)
class Canonical:
    """A sample brought to normal scale.

    Attributes
    ----------
    rows : ndarray, shape (n, r)
        Follow N(0, I) under the null; r < d only where `findings` say so.
    fitted : bool
        Whether location and scale were fitted, so that statistics refit them.
    mean, covariance : ndarray
        Moments (1/n) of the rows on normal scale before any whitening.
    columns : ndarray
        The input's columns that `rows` stand for.
    outside : int
        Rows with a value that the target cannot give.
    findings : tuple of Finding
    """

    rows: NDArray[Any]
    fitted: bool
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    columns: NDArray[np.intp]
    outside: int = 0
    findings: tuple[Finding, ...] = ()


class Target(Protocol):
    """A hypothesis on the distribution of the rows."""

    @property
    def name(self) -> str:
        """How the hypothesis is named in results."""
        ...

    @property
    def fitted(self) -> bool:
        """Whether its parameters are fitted to the sample."""
        ...

    def canonical(self, sample: Sample) -> Canonical:
        """Bring `sample` to normal scale."""
        ...


def known(rows: NDArray[Any], outside: int = 0, findings: tuple[Finding, ...] = ()) -> Canonical:
    """Wrap rows that follow N(0, I) under a fully specified null."""
    mean, covariance = mean_and_covariance(rows)
    columns = np.arange(rows.shape[1], dtype=np.intp)
    return Canonical(rows, False, mean, covariance, columns, outside, findings)


@dataclass(frozen=True)
class AnyNormal:
    """Some N(m, S) with m and S unknown: the shape alone is tested."""

    name: str = "any-normal"
    fitted: bool = True

    def canonical(self, sample: Sample) -> Canonical:
        """Whiten with the Cholesky factor of the 1/n covariance.

        Raises
        ------
        InputError
            If there are not more rows than columns, or nothing varies.
        """
        x = sample.x
        n, d = x.shape
        if n <= d:
            raise InputError(
                f"data: target 'any-normal' fits a covariance, which takes more rows than "
                f"columns; got n = {n}, d = {d}; add rows, reduce the columns to at most "
                f"{max(1, n // 10)} (for instance by PCA) or use target='normal'."
            )
        mean, covariance = mean_and_covariance(x)
        columns = independent_columns(covariance, n)
        findings: tuple[Finding, ...] = ()
        if not len(columns):
            raise InputError("data: every column is constant; there is nothing to test.")
        if len(columns) < d:
            findings = (
                Finding(
                    "rank-deficient",
                    f"The covariance has rank {len(columns)} of {d}: {d - len(columns)} columns "
                    f"are constant or linear combinations of the others; the test is of the "
                    f"{len(columns)} that are not, which determine the rest.",
                    d - len(columns),
                ),
            )
        kept = x if len(columns) == d else np.ascontiguousarray(x[:, columns])
        part = covariance[np.ix_(columns, columns)]
        rows = whiten(kept, mean[columns], part)
        return Canonical(rows, True, mean, covariance, columns, 0, findings)


class Normal:
    """N(mean, cov), fully specified; N(0, I) by default.

    Parameters
    ----------
    mean : array_like, shape (d,), optional
        Default: zero.
    cov : array_like, shape (d, d), (d,) or scalar, optional
        Covariance matrix, variances, or one variance. Default: the identity.
    """

    fitted = False

    def __init__(self, mean: ArrayLike | None = None, cov: ArrayLike | None = None) -> None:
        self.mean = None if mean is None else np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self.cov = None if cov is None else np.asarray(cov, dtype=np.float64)
        if self.mean is not None and (self.mean.ndim != 1 or not np.isfinite(self.mean).all()):
            raise InputError("Normal: mean must be a finite vector of shape (d,).")
        if self.cov is not None and (self.cov.ndim > 2 or not np.isfinite(self.cov).all()):
            raise InputError("Normal: cov must be finite, of shape (d, d), (d,) or a number.")

    @property
    def name(self) -> str:
        """``"normal"`` for N(0, I), else ``"normal(mean, cov)"``."""
        return "normal" if self.mean is None and self.cov is None else "normal(mean, cov)"

    def __repr__(self) -> str:
        return f"Normal(mean={self.mean!r}, cov={self.cov!r})"

    def canonical(self, sample: Sample) -> Canonical:
        """Standardise with the given moments; N(0, I) leaves the rows as they are."""
        x, d = sample.x, sample.d
        if self.mean is None and self.cov is None:
            return known(x)
        mean = np.zeros(d) if self.mean is None else self.mean
        cov = np.ones(d) if self.cov is None else self.cov
        cov = np.diag(np.broadcast_to(cov, (d,))) if cov.ndim == 0 else cov
        cov = np.diag(cov) if cov.ndim == 1 else cov
        if mean.shape != (d,) or cov.shape != (d, d):
            raise InputError(
                f"Normal: mean of shape {mean.shape} and cov of shape {cov.shape} do not fit "
                f"data with d = {d}."
            )
        smallest = np.linalg.eigvalsh(0.5 * (cov + cov.T))[0]
        if not np.allclose(cov, cov.T) or smallest <= 0.0:
            raise InputError(
                f"Normal: cov must be symmetric and positive definite; its smallest "
                f"eigenvalue is {smallest:.3g}."
            )
        return known(whiten(x, mean, cov))


class Uniform:
    """The uniform on a box, reduced to N(0, I) by the probability integral transform.

    Parameters
    ----------
    low, high : float or array_like, shape (d,)
        The box; the unit cube by default.
    """

    fitted = False

    def __init__(self, low: ArrayLike = 0.0, high: ArrayLike = 1.0) -> None:
        self.low = np.asarray(low, dtype=np.float64)
        self.high = np.asarray(high, dtype=np.float64)
        if not (np.isfinite(self.low).all() and np.isfinite(self.high).all()):
            raise InputError("Uniform: low and high must be finite.")
        if not np.all(self.low < self.high):
            raise InputError(f"Uniform: low must be below high; got low={low!r}, high={high!r}.")

    @property
    def name(self) -> str:
        """``"uniform"`` for the unit cube, else with its bounds."""
        if np.all(self.low == 0.0) and np.all(self.high == 1.0):
            return "uniform"
        if self.low.ndim == self.high.ndim == 0:
            return f"uniform({self.low:g}, {self.high:g})"
        return "uniform(low, high)"

    def __repr__(self) -> str:
        return f"Uniform(low={self.low!r}, high={self.high!r})"

    def canonical(self, sample: Sample) -> Canonical:
        """Map to the unit cube, count what is outside or at 0 or 1, and take normal scores.

        The unit cube is rescaled in the input's own precision, so exact zeros and ones of a
        saturated sigmoid are seen as such.
        """
        x, d = sample.x, sample.d
        for bound in (self.low, self.high):
            if bound.ndim and bound.shape != (d,):
                raise InputError(f"Uniform: bounds of shape {bound.shape} do not fit d = {d}.")
        width = self.high - self.low
        unit = np.all(self.low == 0.0) and np.all(self.high == 1.0)
        u = x if unit else ((x - self.low) / width).astype(x.dtype)
        return from_cube(u, saturated="in a saturated sigmoid, say")


class Product:
    """Independent margins, each a frozen scipy.stats distribution, by its cdf.

    Parameters
    ----------
    margins : distribution or sequence of distributions
        Objects with ``cdf`` and ``sf``, one for every column, or one for all.

    Examples
    --------
    >>> from scipy import stats
    >>> Product([stats.gamma(2.0), stats.norm(1.0, 3.0)]).name
    'product'
    """

    fitted = False
    name = "product"

    def __init__(self, margins: Any) -> None:
        self.margins = tuple(margins) if isinstance(margins, Sequence) else margins
        for margin in self.margins if isinstance(self.margins, tuple) else (margins,):
            if not (hasattr(margin, "cdf") and hasattr(margin, "sf")):
                raise InputError(
                    f"Product: got a margin of type {type(margin).__name__}; pass frozen "
                    f"scipy.stats distributions, such as scipy.stats.gamma(2.0)."
                )

    def __repr__(self) -> str:
        return f"Product({self.margins!r})"

    def canonical(self, sample: Sample) -> Canonical:
        """Take normal scores of the margins' cdf, through sf in the upper half."""
        x, d = sample.x, sample.d
        margins = self.margins if isinstance(self.margins, tuple) else (self.margins,) * d
        if len(margins) != d:
            raise InputError(f"Product: got {len(margins)} margins for data with d = {d}.")
        from scipy.special import ndtri

        rows = np.empty((sample.n, d))
        tiny = np.finfo(np.float64).tiny
        edges = outside = 0
        for part in blocks(sample.n, ROW_TILE):
            bad = np.zeros(part.stop - part.start, dtype=bool)
            for j, margin in enumerate(margins):
                column = np.asarray(x[part, j], dtype=np.float64)
                lower, upper = np.asarray(margin.cdf(column)), np.asarray(margin.sf(column))
                score = np.where(
                    lower < upper,
                    ndtri(np.maximum(lower, tiny)),
                    -ndtri(np.maximum(upper, tiny)),
                )
                rows[part, j] = score
                edges += int(np.count_nonzero(np.minimum(lower, upper) <= 0.0))
                low, high = margin.support() if hasattr(margin, "support") else (-np.inf, np.inf)
                bad |= (column < low) | (column > high)
            outside += int(np.count_nonzero(bad))
        findings = outside_finding(outside, "the support of its margin")
        if edges:
            text = f"{edges} values have a cdf of exactly 0 or 1 in float64; they were moved inside."
            findings += (Finding("saturated", text, edges),)
        return known(rows, outside, findings)


def from_cube(u: NDArray[Any], saturated: str) -> Canonical:
    """Take normal scores of rows in the unit cube; count saturation and what is outside."""
    resolution = float(np.finfo(u.dtype).epsneg)
    edges = outside = 0
    for part in blocks(len(u), ROW_TILE):
        tile = np.asarray(u[part])
        # Half an ulp beyond 1 is rounding, not a value outside.
        beyond = (tile < 0.0) | (tile > 1.0 + 2.0 * resolution)
        outside += int(np.count_nonzero(beyond.any(axis=1)))
        edges += int(np.count_nonzero(((tile <= 0.0) | (tile >= 1.0)) & ~beyond))
    findings = outside_finding(outside, "the box")
    if edges:
        text = (
            f"{edges} values are exactly 0 or 1 ({saturated}); they were moved inside by half "
            f"an ulp of {u.dtype}, {0.5 * resolution:.1e}."
        )
        findings += (Finding("saturated", text, edges),)
    return known(normal_scores(u, resolution), outside, findings)


def outside_finding(outside: int, where: str) -> tuple[Finding, ...]:
    """Say how many rows have a value that the target cannot give."""
    if not outside:
        return ()
    text = (
        f"{outside} rows have a value outside {where}, which the target gives with "
        f"probability 0; for the tests these values were moved to its edge."
    )
    return (Finding("outside-support", text, outside),)


TargetLike: TypeAlias = "str | Target"

_NAMED = {"normal": Normal, "any-normal": AnyNormal, "uniform": Uniform}


def as_target(target: TargetLike) -> Target:
    """Resolve a target's name; objects with the targets' methods are returned as they are.

    Raises
    ------
    InputError
        If the name is not one of those known.
    """
    if isinstance(target, str):
        if target not in _NAMED:
            raise InputError(
                f"target: got {target!r}; known are {', '.join(map(repr, _NAMED))}, and the "
                f"objects Normal(mean, cov), Uniform(low, high) and Product(margins)."
            )
        return _NAMED[target]()
    if hasattr(target, "canonical") and hasattr(target, "name"):
        return target
    raise InputError(
        f"target: got {type(target).__name__}; pass a name such as 'normal' or a target object."
    )
