"""The numbers behind the figures of a report: frozen records, stored as plain JSON.

Lists of numbers are tuples of floats; None stands for a number that is not finite (strict JSON
has none), such as an open end of a band.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.results import serial

Numbers = tuple[float | None, ...]
Loadings = tuple[tuple[str, float], ...]


def numbers(values: ArrayLike) -> Numbers:
    """Return numbers for storage: None for those that are not finite."""
    return tuple(serial.plain(np.asarray(values, dtype=np.float64)))


def array(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Return stored numbers as an array, with NaN for None."""
    return np.array(values, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceFigure:
    """Observed and expected quantiles of one slice, with a simultaneous 95% band.

    Attributes
    ----------
    role : str
        ``"worst"`` or ``"typical"``.
    slice : int
        Index of its direction.
    title : str
    theoretical, observed : tuple of float
        Quantiles of the target (for two samples, of the reference) and of the data.
    low, high : tuple of float or None
        Limits of the band; None where it is open.
    loadings : tuple of (str, float)
        Columns with the largest weights of the direction, and these weights.
    pvalue : float or None
        P-value of this slice alone.
    """

    role: str = "typical"
    slice: int = 0
    title: str = "Q-Q plot"
    theoretical: Numbers
    observed: Numbers
    low: Numbers
    high: Numbers
    loadings: Loadings = ()
    pvalue: float | None = None

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Whether each quantile lies outside the band."""
        observed = array(self.observed)
        # Comparisons with NaN, an open end, are false.
        return (observed < array(self.low)) | (observed > array(self.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinateFigure:
    """Histogram of one column against the target.

    Attributes
    ----------
    name : str
        Name of the column.
    ks : float or None
        Kolmogorov-Smirnov distance from the target.
    edges, density : tuple of float
        Edges of the bins, and their heights.
    mean, sd : float or None
    reference : {"uniform", "sample"} or None
        Curve of the target: uniform on [0, 1], or the histogram of the reference sample; None
        for N(0, 1).
    reference_density : tuple of float or None
        Heights of the reference sample's histogram, on the same bins.
    """

    name: str
    ks: float | None = None
    edges: Numbers
    density: Numbers
    mean: float | None = None
    sd: float | None = None
    reference: Literal["uniform", "sample"] | None = None
    reference_density: Numbers | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, without ``"reference"`` for N(0, 1)."""
        shown: dict[str, Any] = {"name": self.name, "ks": self.ks}
        if self.reference == "uniform":
            shown["reference"] = self.reference
        shown |= {"edges": self.edges, "density": self.density}
        if self.reference == "sample":
            shown["reference"] = self.reference
            shown["reference_density"] = self.reference_density
        return shown | {"mean": self.mean, "sd": self.sd}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumFigure:
    """Eigenvalues of the covariance, largest first, with a band.

    Attributes
    ----------
    observed : tuple of float
    low, high : tuple of float or None
        Simultaneous 95% limits; None where there is no band.
    reference : tuple of float or None
        Mean eigenvalues under N(0, I); for two samples, the eigenvalues of the reference.
    """

    observed: Numbers
    low: Numbers
    high: Numbers
    reference: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterFigure:
    """Rows of few columns, with the law that they should follow.

    Attributes
    ----------
    names : tuple of str
        Names of the columns.
    points : tuple of tuple of float
        Values of each column: all rows, or a random part of them.
    law : {"normal", "cube", "sphere"}
        What is drawn of the target: ellipses that contain 50% and 95% of a normal's rows, the
        unit cube, or the unit circle.
    mean : tuple of float
        Mean of the normal; empty for another law.
    covariance : tuple of tuple of float
        Its covariance.
    """

    names: tuple[str, ...]
    points: tuple[Numbers, ...]
    law: Literal["normal", "cube", "sphere"] = "normal"
    mean: Numbers = ()
    covariance: tuple[Numbers, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionFigure:
    """A direction chosen on one half of the rows, described by the other half.

    Attributes
    ----------
    loadings : tuple of (str, float)
        Columns with the largest weights, and these weights.
    rows : tuple of int
        Indices of the rows that stand out most along it.
    statistic : float
    pvalue, adjusted : float
        P-value alone, and adjusted for the number of directions (Holm).
    mean, variance, skewness, kurtosis : float
        Moments along it; kurtosis is the excess.
    """

    loadings: Loadings
    rows: tuple[int, ...]
    statistic: float
    pvalue: float
    adjusted: float
    mean: float
    variance: float
    skewness: float
    kurtosis: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisePoint:
    """The divergence after noise at one noise level; fields as in :func:`dmtest.kl_profile`.

    Infinite ends of the bracket or of the interval are None.
    """

    noise: float
    d: int | None = None
    lower: float | None
    upper: float | None
    low: float | None
    high: float | None
    information_lower: float | None = None
    information_upper: float | None = None
    capacity: float | None = None
    resolution: float | None = None
    informative: bool
    dead: float | None = None
    two_valued: float | None = None
    collapse: float | None = None
    method: str = ""
    why: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFigure:
    """The divergence after noise, over noise levels, as :func:`dmtest.kl_profile` returns it."""

    target: str | None = None
    noise: str
    n: int | None = None
    d: int | None = None
    batch: int
    batches: int
    confidence: float
    points: tuple[NoisePoint, ...]
    default: int
    resolvable: float | None = None
    slices: tuple[NoisePoint, ...] = ()
    subspaces: tuple[NoisePoint, ...] = ()
    seed: int | None = None

    @property
    def point(self) -> NoisePoint:
        """The point at the default noise."""
        return self.points[self.default]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPoint:
    """The rows at which a power is reached, with limits of 95% each; None where unknown."""

    power: float
    n: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFigure:
    """Power on disjoint blocks, as :func:`dmtest.detectability` returns it."""

    test: str
    target: str | None = None
    alpha: float
    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean_pvalues: tuple[float, ...]
    blocks: tuple[int, ...] = ()
    rejections: tuple[int, ...] = ()
    thresholds: tuple[PowerPoint, ...]
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The numbers behind all figures of a report.

    Attributes
    ----------
    samples : {1, 2, 0}
        Number of samples of the report; 0 if the numbers were not stored.
    slices : tuple of SliceFigure
        The worst slice and a typical one.
    coordinates : tuple of CoordinateFigure
        The columns farthest from the target, worst first.
    spectrum : SpectrumFigure or None
    scatter : ScatterFigure or None
        One sample of 2 to 6 columns only.
    directions : tuple of DirectionFigure
    profile : ProfileFigure or None
        One sample only.
    detectability : PowerFigure or None
        One sample only.
    """

    samples: Literal[0, 1, 2] = 1
    slices: tuple[SliceFigure, ...] = ()
    coordinates: tuple[CoordinateFigure, ...] = ()
    spectrum: SpectrumFigure | None = None
    scatter: ScatterFigure | None = None
    directions: tuple[DirectionFigure, ...] = ()
    profile: ProfileFigure | None = None
    detectability: PowerFigure | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the object ``"pictures"`` of a report's JSON; empty if nothing was stored."""
        if self.samples == 0:
            return {}
        shown: dict[str, Any] = {
            "slices": self.slices,
            "coordinates": [one.to_dict() for one in self.coordinates],
            "spectrum": self.spectrum,
            "directions": self.directions,
        }
        if self.scatter is not None:
            shown["scatter"] = self.scatter
        if self.samples == 1:
            shown |= {"profile": self.profile, "detectability": self.detectability}
        elif self.spectrum is not None:
            # Schema 1 has another order of keys for two samples.
            order = ("observed", "reference", "low", "high")
            shown["spectrum"] = {key: getattr(self.spectrum, key) for key in order}
        return dict(serial.plain(shown))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Figures:
        """Build the figures from the object ``"pictures"`` of a report's JSON."""
        serial.expect(dict, data, "pictures")
        if not data:
            return NO_FIGURES
        one_sample = "profile" in data or "detectability" in data
        figures = serial.record(cls, {**data, "samples": 1 if one_sample else 2})
        for lengths in figures._lengths():
            if len(set(lengths)) > 1:
                raise ValueError("lists of numbers in a figure differ in length")
        for column in figures.coordinates:
            edges = array(column.edges)
            if not (np.isfinite(edges).all() and (np.diff(edges) > 0.0).all()):
                raise ValueError("the edges of a histogram do not rise")
        if figures.profile is not None and not (
            0 <= figures.profile.default < len(figures.profile.points)
        ):
            raise ValueError("the profile has no such point")
        return figures

    def _lengths(self) -> Iterator[tuple[int, ...]]:
        """Yield lengths that have to be equal."""
        for one in self.slices:
            yield len(one.theoretical), len(one.observed), len(one.low), len(one.high)
        for column in self.coordinates:
            bins = len(column.edges) - 1
            other = column.reference_density
            yield bins, len(column.density), bins if other is None else len(other)
        if (band := self.spectrum) is not None:
            yield len(band.observed), len(band.low), len(band.high), len(band.reference)
        if (scatter := self.scatter) is not None:
            yield len(scatter.names), len(scatter.points)
            yield tuple(map(len, scatter.points))
            if scatter.law == "normal":
                d = len(scatter.names)
                yield d, len(scatter.mean), len(scatter.covariance), *map(len, scatter.covariance)
        if (power := self.detectability) is not None:
            yield tuple(map(len, (power.sizes, power.rates, power.low, power.high)))


NO_FIGURES = Figures(samples=0)
