"""Targets: the laws that a sample should follow.

Every target transforms a sample to normal scale: its rows then follow N(0, I) under a fully
specified target, and some normal law under ``any-normal``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from dmtest.data.sample import Sample
from dmtest.data.structure import live_columns
from dmtest.errors import DataWarning, InputError, did_you_mean
from dmtest.results.outcome import Finding
from dmtest.results.targets import NAMED, SAID
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.runtime.streams import stream
from dmtest.targets.canonical import (
    Canonical,
    from_cube,
    known,
    margin_scores,
    outside_finding,
    saturated_finding,
)
from dmtest.targets.transforms import mean_and_covariance, whiten, whiten_independent
from dmtest.words import of_many


class Target(Protocol):
    """A law that the rows of a sample should follow."""

    @property
    def name(self) -> str:
        """Name of the target in results."""
        ...

    @property
    def fitted(self) -> bool:
        """Whether the parameters of the target are fitted to the sample."""
        ...

    def canonical(self, sample: Sample) -> Canonical:
        """Transform `sample` to normal scale."""
        ...


@dataclass(frozen=True)
class AnyNormal:
    """N(m, S) with m and S unknown: only the shape is tested."""

    name: str = "any-normal"
    fitted: bool = True

    def canonical(self, sample: Sample) -> Canonical:
        """Whiten with the Cholesky factor of the 1/n covariance.

        Raises
        ------
        InputError
            If n <= d.
        """
        x = sample.x
        n, d = x.shape
        if not len(live_columns(x)):
            # Nothing is left to whiten: `Canonical.collapsed`.
            mean = np.asarray(x[0], dtype=np.float64)
            rows = np.zeros((n, 1), dtype=x.dtype)
            moments = mean, np.zeros((d, d))
            return Canonical(rows, True, np.zeros(1, dtype=np.intp), whitened=moments)
        if n <= d:
            raise InputError(
                f"data: target 'any-normal' fits a covariance, which takes more rows than "
                f"columns; got n = {n}, d = {d}; add rows, reduce the columns to at most "
                f"{max(1, n // 10)} (for instance by PCA) or use target='normal'."
            )
        mean, covariance = mean_and_covariance(x)
        rows, columns = whiten_independent(x, mean, covariance)
        findings: tuple[Finding, ...] = ()
        if len(columns) < d:
            findings = (
                Finding(
                    "rank-deficient",
                    f"The covariance has rank {len(columns)} of {d}: {d - len(columns)} "
                    f"{'column is' if d - len(columns) == 1 else 'columns are'} constant or linear "
                    f"combinations of the others; the test is of the "
                    f"{len(columns)} that are not, which determine the rest.",
                    d - len(columns),
                ),
            )
        return Canonical(rows, True, columns, 0, findings, (mean, covariance))


class Normal:
    """N(mean, cov), fully specified; N(0, I) by default.

    Parameters
    ----------
    mean : array_like, shape (d,), or a number, optional
        Default: zero.
    cov : array_like, shape (d, d), (d,) or scalar, optional
        Covariance matrix, variances, or one variance. Default: the identity.
    """

    fitted = False

    def __init__(self, mean: ArrayLike | None = None, cov: ArrayLike | None = None) -> None:
        self.mean = None if mean is None else np.asarray(mean, dtype=np.float64)
        self.cov = None if cov is None else np.asarray(cov, dtype=np.float64)
        if self.mean is not None and (self.mean.ndim > 1 or not np.isfinite(self.mean).all()):
            raise InputError("Normal: mean must be a finite vector of shape (d,), or a number.")
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
        mean = np.full(d, mean) if mean.ndim == 0 else mean
        cov = np.ones(d) if self.cov is None else self.cov
        cov = np.diag(np.broadcast_to(cov, (d,))) if cov.ndim == 0 else cov
        cov = np.diag(cov) if cov.ndim == 1 else cov
        if mean.shape != (d,) or cov.shape != (d, d):
            raise InputError(
                f"Normal: mean of shape {mean.shape} and cov of shape {cov.shape} do not fit "
                f"data with d = {d}; pass a mean of shape ({d},) and a cov of shape ({d}, {d}), "
                f"({d},) or one number."
            )
        eigenvalues = np.linalg.eigvalsh(0.5 * (cov + cov.T))
        tolerance = d * np.finfo(np.float64).eps * abs(eigenvalues[-1])
        if not np.allclose(cov, cov.T) or eigenvalues[0] <= tolerance:
            raise InputError(
                f"Normal: cov must be symmetric and positive definite; its smallest "
                f"eigenvalue is {eigenvalues[0]:.3g}; leave out columns that are combinations "
                f"of others."
            )
        return known(whiten(x, mean, cov))


class Uniform:
    """The uniform law on a box; the probability integral transform takes it to N(0, I).

    Parameters
    ----------
    low, high : float or array_like, shape (d,)
        Bounds of the box. Default: the unit cube.
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
        """Map to the unit cube, count values outside or at 0 or 1, and return normal scores.

        The bounds are rounded to the precision of the sample, and the cube has this precision.
        Values at a bound, for instance of a saturated sigmoid, are therefore recognised.
        """
        x, d = sample.x, sample.d
        for bound in (self.low, self.high):
            if bound.ndim and bound.shape != (d,):
                raise InputError(
                    f"Uniform: bounds of shape {bound.shape} do not fit data with d = {d}; pass "
                    f"numbers or bounds of shape ({d},)."
                )
        low, high = (
            np.broadcast_to(bound.astype(x.dtype), (d,)).astype(np.float64)
            for bound in (self.low, self.high)
        )
        if not np.all(low < high):
            raise InputError(
                f"Uniform: low and high are equal in {x.dtype}; pass float64 data or a wider box."
            )
        unit = np.all(low == 0.0) and np.all(high == 1.0)
        u = x if unit else ((x - low) / (high - low)).astype(x.dtype)
        return from_cube(u)


class Sphere:
    """The uniform law on the unit sphere.

    Its own tests use the rows as they are. For slices and figures every row is multiplied by an
    independent length, distributed as the length of a row of N(0, I) and drawn from a fixed
    stream: the product follows N(0, I) if and only if the rows are uniform.

    Parameters
    ----------
    normalise : bool
        Divide rows by their lengths first, with a finding. By default rows must have
        length 1.
    """

    fitted = False
    name = "sphere"

    def __init__(self, normalise: bool = False) -> None:
        self.normalise = normalise

    def __repr__(self) -> str:
        return f"Sphere(normalise={self.normalise!r})"

    def canonical(self, sample: Sample) -> Canonical:
        """Check or normalise the lengths of the rows, and multiply by lengths of normal rows.

        Raises
        ------
        InputError
            If d = 1, or if rows are not of length 1 without `normalise`. Rows of zeros have no
            direction; they count as outside the support, and get a random one.
        """
        n, d = sample.n, sample.d
        if d < 2:
            raise InputError("data: target 'sphere' needs at least two columns; got d = 1.")
        x = np.asarray(sample.x)
        length = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
        zero = length == 0.0
        findings: tuple[Finding, ...] = ()
        if zero.any():
            # A direction from a fixed stream, as values outside a box are moved to its edge.
            x, length = np.array(x, dtype=np.float64), np.where(zero, 1.0, length)
            drawn = stream(0, "sphere/zeros").standard_normal((int(zero.sum()), d))
            x[zero] = drawn / np.sqrt(np.square(drawn).sum(axis=1))[:, None]
            verb = of_many(len(drawn), n, "row", "is", "are")
            text = (
                f"{verb} zero and without a direction, which the target gives with probability "
                f"0; for the tests each of them got a random direction."
            )
            findings = (Finding("zero-rows", text, len(drawn)),)
        off = np.abs(length - 1.0) > 8.0 * np.sqrt(d) * float(np.finfo(x.dtype).eps) + 1e-6
        if off.any() and not self.normalise:
            raise InputError(
                f"data: {int(off.sum())} of {n} rows are not of length 1 (from "
                f"{length.min():.4g} to {length.max():.4g}); pass target=Sphere(normalise=True) "
                f"to test their directions."
            )
        # Always float64: in float32, 1 - cos^2 of two near rows would be rounding.
        unit = x / length[:, None]
        lengths = np.sqrt(stream(0, "sphere/lengths").chisquare(d, n))
        if off.any():
            verb = of_many(int(off.sum()), n, "row", "was divided", "were divided")
            text = f"{verb} by {'its length' if off.sum() == 1 else 'their lengths'}, not tested."
            findings += (Finding("normalised", text, int(off.sum())),)
        rows = (unit * lengths[:, None]).astype(sample.x.dtype)
        return replace(known(rows, int(zero.sum()), findings), unit=unit)


class Product:
    """The law of independent columns, each with a frozen scipy.stats distribution as margin.

    .. warning::
        The margins have to be fixed before the rows are seen, as for ``scipy.stats.kstest``. With
        parameters that were *fitted to the same rows* every p-value is too large, often near 1,
        and a real departure is missed; dmtest cannot know where the numbers come from. Fit on one
        half of the rows and test the other, or use ``"any-normal"``, which refits in every
        replicate.

    Parameters
    ----------
    margins : distribution or sequence of distributions
        Objects with ``cdf`` and ``sf``: one for each column, or one for all.

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
        """Return normal scores by the cdf of the margins, and by their sf in the upper half."""
        x, d = sample.x, sample.d
        margins = self.margins if isinstance(self.margins, tuple) else (self.margins,) * d
        if len(margins) != d:
            raise InputError(
                f"Product: got {len(margins)} margins for data with d = {d}; pass one for every "
                f"column, or a single distribution for all of them."
            )
        rows = np.empty((sample.n, d))
        edges = outside = 0
        for part in blocks(sample.n, ROW_TILE):
            bad = np.zeros(part.stop - part.start, dtype=bool)
            for j, margin in enumerate(margins):
                rows[part, j], beyond, edge = margin_scores(np.asarray(x[part, j]), margin)
                edges += int(np.count_nonzero(edge))
                bad |= beyond
            outside += int(np.count_nonzero(bad))
        findings = outside_finding(outside, "the support of its margin")
        findings += saturated_finding(edges, what="a cdf")
        return known(rows, outside, findings)


# A name, a target object, or a frozen distribution of scipy.stats or torch.
TargetLike: TypeAlias = "str | Target | Any"

# The class in this module that a name stands for.
CLASSES = {target.name: target.kind for target in NAMED if target.kind}


def as_target(target: TargetLike) -> Target:
    """Return the target of a name, or of a frozen distribution of scipy.stats or torch.

    An object with the methods of a target is returned as it is.

    Raises
    ------
    InputError
        If the name is unknown, or the object is no target.
    """
    if isinstance(target, str):
        if target == "reference":
            raise InputError(
                "target: 'reference' is a sample to compare with; pass Reference(sample), or use "
                "dmtest.compare(data, sample)."
            )
        if target == "ranks":
            raise InputError(
                "target: 'ranks' takes the number of draws that a value is ranked among; pass "
                "dmtest.Ranks(draws), or --draws on the command line."
            )
        if target in ("rosenblatt", "sampled"):
            raise InputError(
                f"target: {target!r} needs a function, so it has no name in calls or on the "
                f"command line; pass Rosenblatt(transform) or Sampled(draw) in Python."
            )
        if target not in CLASSES:
            if near := did_you_mean(target, [t.name for t in NAMED], SAID):
                raise InputError(f"target: got {target!r}; {near}")
            raise InputError(
                f"target: got {target!r}; known are {', '.join(map(repr, CLASSES))}, and the "
                f"objects Normal(mean, cov), Uniform(low, high), Sphere(normalise), "
                f"Product(margins), Rosenblatt(transform), Ranks(draws), Sampled(draw) and "
                f"Reference(sample)."
            )
        return cast(Target, globals()[CLASSES[target]]())
    if isinstance(target, type):
        raise InputError(f"target: got the class {target.__name__}; pass {target.__name__}(...).")
    if hasattr(target, "canonical") and hasattr(target, "name"):
        return target
    from dmtest.targets.frozen import from_library

    if (law := from_library(target)) is not None:
        return law
    raise InputError(
        f"target: got {type(target).__name__}; pass a name such as 'normal', a target object, or "
        f"a frozen distribution of scipy.stats or torch."
    )


def canonical_with_warnings(
    target: Target, sample: Sample, *, collapsed: bool = False
) -> Canonical:
    """Transform `sample` to normal scale, and warn of values moved or columns left out.

    For results that carry no findings; a report carries its own.

    Parameters
    ----------
    target : Target
    sample : Sample
    collapsed : bool
        Whether equal rows are allowed; otherwise they are refused.
    """
    canonical = target.canonical(sample)
    if canonical.collapsed and not collapsed:
        raise InputError(
            "data: every column is constant, so there is nothing to measure; pass columns that "
            "vary, or use dmtest.report, which says so."
        )
    for finding in canonical.findings:
        warnings.warn(finding.message, DataWarning, stacklevel=3)
    if canonical.degenerate and not canonical.collapsed:
        verb = of_many(canonical.degenerate, sample.d, "column", "is", "are")
        text = (
            f"{verb} constant or equal to another one, which the target gives with probability 0; "
            f"tests are of what is left."
        )
        warnings.warn(text, DataWarning, stacklevel=3)
    return canonical
