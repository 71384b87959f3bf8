"""Smooth simulated nulls over shapes, and write the table that the package ships.

    python -m benchmarks.nulls.build FOLDER

FOLDER has the files of ``benchmarks.nulls.simulate``. For every statistic, the mean, the
logarithm of the standard deviation and the standardised quantiles are regressed on the shape
(``benchmarks.nulls.smooth``); limit laws enter as further shapes. The table holds the
regressions on a grid of n and d, each with its error, and the law of the smallest p-value of
every set of tests that a report joins.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter
from scipy.special import chdtri, ndtr, ndtri

from benchmarks.nulls.simulate import (
    COLUMNS,
    DS,
    KINDS,
    ROW_TESTS,
    SLICE_TESTS,
    Part,
    design,
    path_of,
)
from benchmarks.nulls.smooth import Smoother, fit
from dmtest.calibration.nulls import REVISION
from dmtest.calibration.shipped import (
    ERROR_UNIT,
    JOINT_SCORES,
    PATH,
    QUANTILE_UNIT,
    SCORE_UNIT,
    SCORES,
    SETTLED_ROWS,
    SLICES,
    columns_of,
    effective_columns,
    place_of,
    two_sided,
)
from dmtest.catalogue.registry import default_battery, find
from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest
from dmtest.catalogue.unlisted import SQUARED_WASSERSTEIN
from dmtest.engines.directions import random_directions
from dmtest.engines.slices import Parameters
from dmtest.runtime.streams import stream

Vector = NDArray[np.float64]
# Replicates beyond a quantile that it takes; farther out, quantiles are extrapolated by
# a parabola through those of these scores.
BEYOND, TAIL = 12, (1.3, 3.0)
# Window, in quantiles, and degree of the polynomials that smooth a law.
SMOOTH = (11, 3)
# Share of the shapes that have a quantile, from which on it is regressed.
SUPPORTED = 0.6
SLICE_NS = (20, 26, 35, 50, 80, 130, 200, 320, 500, 800, 1300, 2000, 5000, 20_000, 100_000, 10**6)
ROW_NS = (*SLICE_NS[:12], 3200, 5000, 10_000, 30_000, 100_000, 10**6)
# Divisors of SLICES, whose effective columns are their number, and points between them.
SLICE_DS = (1, 2, 3, 4, 5, 8, 11, 16, 22, 32, 45, 64)
# Levels that choose the smoothness of the quantiles of the lower tail, the middle, the upper tail.
SHAPE_LEVELS = ((8, 17, 4), (20, 37, 8), (40, 49, 4))
# Shapes of the common replicates, and how many are kept.
COMMON = ((200, 1), (200, 2), (200, 4), (200, 8), (200, 20), (200, 64), (320, 100))
COMMON_KEPT = 4000
# Replicates of limit laws, and the sets of directions that they share.
LIMIT_REPLICATES, LIMIT_FRAMES = 40_000, 500


@dataclass
class Column:
    """A statistic: its test, the shapes at which it was simulated, and its regressions."""

    name: str
    spec: OneSampleTest
    kind: Parameters
    shapes: list[tuple[float, int]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    places: list[tuple[float, float]] = field(default_factory=list)
    scales: list[tuple[float, float]] = field(default_factory=list)
    standard: list[tuple[Vector, Vector]] = field(default_factory=list)

    @property
    def of_slices(self) -> bool:
        """Whether it is a statistic of slices."""
        return isinstance(self.spec, SliceTest)

    @property
    def form(self) -> str:
        """How the place is interpolated: exact, or its ratio to the scale, or a logarithm."""
        if self.exact_place:
            return "exact"
        if self.spec.name == "henze-zirkler":
            return "ratio"
        return "below one" if self.spec.name == "generalised-shapiro-wilk" else "log"

    @property
    def exact_place(self) -> bool:
        """Whether the mean is known."""
        return isinstance(self.spec, RowTest) and self.spec.null_mean is not None

    def unit(self, n: float, d: int) -> float:
        """Return the known part of the scale."""
        if isinstance(self.spec, RowTest) and self.spec.null_scale is not None:
            return self.spec.null_scale(n, d)
        return 1.0

    def add(self, n: float, d: int, values: Vector) -> None:
        """Add the replicates of a shape."""
        if isinstance(self.spec, SliceTest) and np.isfinite(n):
            values = self.spec.at_rows(values, int(n), SETTLED_ROWS, self.kind == "known")
        count, mean, deviation = len(values), float(values.mean()), float(values.std())
        if self.exact_place:
            mean = self.spec.null_mean(n, d)
            deviation = float(np.sqrt(np.square(values - mean).mean()))
        z = (values - mean) / deviation
        ratio = mean / deviation
        share = 1.0 / np.sqrt(count)
        if self.form == "ratio":
            self.places.append((ratio, share))
        elif self.form == "below one":
            self.places.append((float(np.log1p(-mean)), share * deviation / (1.0 - mean)))
        elif self.form == "log":
            self.places.append((float(np.log(mean)), share / ratio))
        else:
            self.places.append((0.0, np.inf))
        kurtosis = float(np.mean(z**4))
        self.scales.append(
            (
                float(np.log(deviation / self.unit(n, d))),
                0.5 * share * np.sqrt(max(kurtosis - 1.0, 0.5)),
            )
        )
        quantiles = np.quantile(z, ndtr(SCORES))
        density = np.gradient(ndtr(SCORES)) / np.maximum(np.gradient(quantiles), 1e-9)
        tails = np.sqrt(ndtr(SCORES) * ndtr(-SCORES))
        errors = share * tails / np.maximum(density, 1e-12)
        errors[count * np.minimum(ndtr(SCORES), ndtr(-SCORES)) < BEYOND] = np.inf
        self.shapes.append((n, d))
        self.counts.append(count)
        self.standard.append((quantiles, errors))

    def add_law(self, d: int, quantiles: Vector) -> None:
        """Add the standardised limit law of a statistic with a known scale."""
        self.shapes.append((np.inf, d))
        self.counts.append(0)
        self.places.append((0.0, np.inf))
        self.scales.append((0.0, 1e-3))
        self.standard.append((quantiles, np.full(len(SCORES), 1e-3)))

    def coordinates(self, shapes: Sequence[tuple[float, int]]) -> tuple[Vector, Vector]:
        """Return coordinates of shapes, and the terms of the trend."""
        n, d = (np.array(part, dtype=np.float64) for part in zip(*shapes, strict=True))
        first = np.log([effective_columns(int(e)) for e in d]) if self.of_slices else np.log(d)
        second = np.sqrt(d / n) if self.spec.space == "residuals" else 1.0 / np.sqrt(n)
        if self.spec.name == "radius":
            first = np.zeros_like(first)
        u, v, w = first / 3.5, second / 0.15, 1.0 / np.sqrt(n) / 0.15
        terms = [np.ones_like(u), u, u * u, v, v * v, u * v]
        if self.form in ("ratio", "below one") or self.spec.name == SQUARED_WASSERSTEIN.name:
            terms += [np.log(n / 300.0) / 2.0, u * np.log(n / 300.0) / 2.0]
        # Whitened rows depend on the rows a column, and their statistic on the rows.
        at = [u, v, w] if self.spec.space == "residuals" else [u, v]
        return np.column_stack(at), np.nan_to_num(np.column_stack(terms), posinf=5.0)


@dataclass
class Regression:
    """The regressions of a column, and its laws at any shapes."""

    column: Column
    place: Smoother | None
    scale: Smoother
    shapes: tuple[Smoother, ...]

    @classmethod
    def of(cls, column: Column) -> Regression:
        """Fit the regressions of a column."""
        at, trend = column.coordinates(column.shapes)

        def smoother(pairs: list[tuple[Any, Any]], every: slice = slice(None)) -> Smoother:
            values, errors = (np.array(part, dtype=np.float64) for part in zip(*pairs, strict=True))
            values, errors = values.reshape(len(pairs), -1), errors.reshape(len(pairs), -1)
            return fit(at, trend, values[:, every], errors[:, every])

        place = None if column.exact_place else smoother(column.places)
        shapes = [smoother(column.standard, slice(*part)) for part in SHAPE_LEVELS]
        return cls(column, place, smoother(column.scales), tuple(shapes))

    def laws(self, shapes: Sequence[tuple[float, int]]) -> tuple[Vector, Vector, Vector, Vector]:
        """Return place, log scale, standardised quantiles and relative errors at shapes."""
        column = self.column
        at, trend = column.coordinates(shapes)

        def predict(
            smoother: Smoother, pairs: list[tuple[Any, Any]], level: int | None = None
        ) -> tuple[Vector, Vector]:
            values, errors = (np.array(part, dtype=np.float64) for part in zip(*pairs, strict=True))
            if level is not None:
                values, errors = values[:, level], errors[:, level]
            return smoother.predict(values, errors, at, trend)

        m = len(shapes)
        scale, scale_error = predict(self.scale, column.scales)
        place, place_error = np.zeros(m), np.zeros(m)
        if self.place is not None:
            place, place_error = predict(self.place, column.places)
        # The error of the place in units of the scale.
        unit = np.array([column.unit(n, d) for n, d in shapes])
        deviation = np.exp(scale) * unit
        if column.form in ("log", "below one"):
            place_error = place_error * np.exp(place) / deviation
        quantiles, errors = np.full((m, len(SCORES)), np.nan), np.full((m, len(SCORES)), np.nan)
        finite = np.array([np.isfinite(e) for _, e in column.standard]).sum(axis=0)
        supported = np.flatnonzero(finite >= SUPPORTED * len(column.standard))
        for level in supported:
            quantiles[:, level], errors[:, level] = predict(
                self.shapes[_third(level)], column.standard, level
            )
        # Quantiles of one law are a smooth function of their score, too.
        quantiles[:, supported] = savgol_filter(quantiles[:, supported], *SMOOTH, axis=1)
        _extrapolate(quantiles, errors, supported)
        quantiles = np.maximum.accumulate(quantiles, axis=1)
        total = np.sqrt(
            errors**2 + place_error[:, None] ** 2 + (quantiles * scale_error[:, None]) ** 2
        )
        density = np.gradient(ndtr(SCORES)) / np.maximum(np.gradient(quantiles, axis=1), 1e-9)
        relative = total * density / np.sqrt(ndtr(SCORES) * ndtr(-SCORES))
        return place, scale, quantiles, relative


def _third(level: int) -> int:
    """Return the part of SHAPE_LEVELS that a quantile belongs to."""
    return sum(level >= start - 1 for start, _, _ in SHAPE_LEVELS[1:])


def _extrapolate(quantiles: Vector, errors: Vector, supported: NDArray[np.intp]) -> None:
    """Fill the tails with parabolas in the score, fitted to the nearest supported quantiles."""
    for side in (-1.0, 1.0):
        inner = [j for j in supported if TAIL[0] <= side * SCORES[j] <= TAIL[1]]
        outer = [
            j
            for j in range(len(SCORES))
            if side * SCORES[j] > side * SCORES[inner[-1 if side > 0 else 0]]
        ]
        for row, error in zip(quantiles, errors, strict=True):
            row[outer] = np.polyval(np.polyfit(SCORES[inner], row[inner], 2), SCORES[outer])
            edge = error[inner[-1] if side > 0 else inner[0]]
            # An error that grows with the distance from the last quantile.
            reach = np.abs(SCORES[outer]) - np.abs(SCORES[inner[-1] if side > 0 else inner[0]])
            error[outer] = edge * (1.0 + 2.0 * reach)


def sets_of() -> dict[frozenset[str], tuple[OneSampleTest, ...]]:
    """Return the sets of tests that reports join: the columns of each, and its tests.

    For every target the default battery, with and without tests of few columns, and without
    tests of whitened rows; and its two parts for data with more rows than a subsample.
    """
    sets: dict[frozenset[str], tuple[OneSampleTest, ...]] = {}
    for target, kind in (("normal", "known"), ("uniform", "known"), ("any-normal", "fitted")):
        specs = [spec for name in default_battery(target) if (spec := find(name, target))]
        for few in (True, False):
            kept = [
                s for s in specs if isinstance(s, SliceTest) or few or s.default_columns is None
            ]
            whole = [s for s in kept if s.space != "residuals"]
            full = [s for s in kept if isinstance(s, SliceTest) or s.settles]
            for members in (kept, whole, full, [s for s in kept if s not in full]):
                names = [name for spec in members for name in columns_of(spec, kind)]
                if len(members) > 1:
                    sets[frozenset(names)] = tuple(members)
    return sets


Columns = dict[str, Column]
Tables = dict[str, dict[str, Regression]]


def kind_of(spec: OneSampleTest, d: int) -> str:
    """Return the part of the file that has the law of a test for data with `d` columns."""
    if isinstance(spec, SliceTest):
        # In one column all slices are one slice, whose law is not near that of two columns.
        return "slices" if d > 1 else "single"
    return "rows"


def read(folder: Path) -> tuple[dict[tuple[int, int, Part], Vector], dict[str, Columns]]:
    """Read the replicates, and collect them by part of the file and column."""
    files = {
        shape: np.load(path_of(folder, *shape))
        for shape in design()
        if path_of(folder, *shape).exists()
    }
    parts: dict[str, Columns] = {"slices": {}, "single": {}, "rows": {}}
    for part in ("slices", "single"):
        for kind in KINDS:
            for spec in SLICE_TESTS:
                parts[part] |= {name: Column(name, spec, kind) for name in columns_of(spec, kind)}
    for test in ROW_TESTS:
        parts["rows"] |= {name: Column(name, test, "known") for name in columns_of(test, "known")}
    for (n, d, _), values in files.items():
        for j, name in enumerate(COLUMNS):
            if not np.isnan(values[0, j]):
                spec = parts["slices" if name in parts["slices"] else "rows"][name].spec
                column = parts[kind_of(spec, d)][name]
                if isinstance(spec, RowTest) and not spec.suits(d):
                    continue
                column.add(n, min(d, SLICES) if column.of_slices else d, values[:, j])
    return files, parts


def add_limits(parts: dict[str, Columns]) -> None:
    """Add limit laws: chi-squared slices of moments, and sums of many squares."""
    for kind in KINDS:
        names = [f"{kind}/dagostino-pearson/{view}" for view in ("slices", "worst")]
        for d in SLICE_DS:
            values = limit_moments(kind, d)
            for name, draws in zip(names, values.T, strict=True):
                parts["slices" if d > 1 else "single"][name].add(np.inf, d, draws)
    for d in DS:
        squares = {
            "residuals/mardia-skewness": d * (d + 1.0) * (d + 2.0) / 6.0,
            "normal/covariance-ledoit-wolf": 0.5 * d * (d + 1.0),
        }
        for name, degrees in squares.items():
            quantiles = chdtri(degrees, ndtr(-SCORES))
            parts["rows"][name].add_law(d, (quantiles - degrees) / np.sqrt(2.0 * degrees))
        parts["rows"]["residuals/mardia-kurtosis"].add_law(d, SCORES.copy())


def limit_moments(kind: Parameters, d: int) -> Vector:
    """Draw mean and worst K^2 of slices of infinitely many rows: shape (replicates, 2).

    The scores of skewness and kurtosis of slices u and v are normal, with correlations that are
    powers of u . v (fitted) or, with known parameters, sums of powers from Hermite expansions.
    """
    rng = stream(0, f"limit/{kind}/{d}")
    parts = []
    for _ in range(LIMIT_FRAMES):
        u = random_directions(SLICES, d, rng)
        r = np.clip(u @ u.T, -1.0, 1.0)
        third, fourth = r**3, r**4
        if kind == "known":
            third, fourth = (9.0 * r + 6.0 * r**3) / 15.0, (72.0 * r**2 + 24.0 * r**4) / 96.0
        total = np.zeros((LIMIT_REPLICATES // LIMIT_FRAMES, SLICES))
        for matrix in (third, fourth):
            values, vectors = np.linalg.eigh(matrix)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            total += np.square(rng.standard_normal(total.shape) @ root.T)
        parts.append(np.column_stack([total.mean(axis=1), total.max(axis=1)]))
    return np.concatenate(parts)


def _lay_out(
    regressions: dict[str, Regression], ns: Sequence[int], ds: Sequence[int], kind: str
) -> dict[str, Any]:
    """Evaluate regressions on a grid, in the units of the file."""
    shapes = [(n, d) for n in ns for d in ds]
    grid, m, levels = (len(ns), len(ds)), len(regressions), len(SCORES)
    place, scale = np.empty((*grid, m)), np.empty((*grid, m))
    quantiles = np.empty((*grid, m, levels), dtype=np.int16)
    errors = np.empty((*grid, m, levels), dtype=np.uint8)
    for j, regression in enumerate(regressions.values()):
        a, b, q, e = regression.laws(shapes)
        place[:, :, j], scale[:, :, j] = a.reshape(grid), b.reshape(grid)
        quantiles[:, :, j] = np.clip(np.round(q / QUANTILE_UNIT), -32767, 32767).reshape(*grid, -1)
        errors[:, :, j] = np.clip(np.round(e / ERROR_UNIT), 1, 255).reshape(*grid, -1)
    return {
        f"{kind}/n": np.array(ns),
        f"{kind}/d": np.array([effective_columns(d) if kind == "slices" else d for d in ds]),
        f"{kind}/columns": np.array(list(regressions)),
        f"{kind}/form": np.array([r.column.form for r in regressions.values()]),
        f"{kind}/place": place,
        f"{kind}/scale": scale,
        f"{kind}/quantiles": quantiles,
        f"{kind}/errors": errors,
    }


def joint_laws(
    files: dict[tuple[int, int, Part], Vector], tables: Tables
) -> tuple[dict[str, Any], dict[tuple[int, int], Vector]]:
    """Return the laws of the smallest p-values of all sets, and the scores of every shape.

    A score is the normal score of a p-value: larger is worse; two-sided p-values are twice the
    smaller of two.
    """
    shapes = [(n, d) for n, d, part in files if part == "all"]
    scores = {shape: np.full(files[*shape, "all"].shape, np.nan) for shape in shapes}
    for part, regressions in tables.items():
        for name, regression in regressions.items():
            j, column, spec = COLUMNS.index(name), regression.column, regression.column.spec
            own = [s for s in shapes if kind_of(spec, s[1]) == part]
            own = [s for s in own if not np.isnan(files[*s, "all"][0, j])]
            clamped = [(n, min(d, SLICES)) if column.of_slices else (n, d) for n, d in own]
            place, scale, quantiles, _ = regression.laws(clamped)
            for i, (n, d) in enumerate(own):
                values = files[n, d, "all"][:, j]
                if isinstance(spec, SliceTest):
                    values = spec.at_rows(values, n, SETTLED_ROWS, column.kind == "known")
                deviation = np.exp(scale[i]) * column.unit(n, d)
                middle = _place(column, place[i], deviation, n, d)
                score = np.interp((values - middle) / deviation, quantiles[i], SCORES)
                signed = np.max([sign * score for sign in spec.signs], axis=0)
                if len(spec.signs) > 1:
                    signed = two_sided(signed)
                scores[n, d][:, j] = signed
    arrays: dict[str, Any] = {"joint/n": np.array(ROW_NS), "joint/d": np.array(DS)}
    sets = sets_of()
    grid = [(n, d) for n in ROW_NS for d in DS]
    gaps = np.empty((len(sets), len(ROW_NS), len(DS), len(JOINT_SCORES)), dtype=np.float32)
    errors = np.empty_like(gaps)
    for k, names in enumerate(sets):
        at = [COLUMNS.index(name) for name in sorted(names)]
        kept, values, deviations = [], [], []
        for shape in shapes:
            worst = scores[shape][:, at].max(axis=1)
            if np.isnan(worst).any():
                continue
            count = len(worst)
            share = np.array([(worst >= z).mean() for z in JOINT_SCORES])
            share = np.clip(share, 0.5 / count, 1.0 - 0.5 / count)
            score = -ndtri(share)
            density = np.exp(-0.5 * score**2) / np.sqrt(2.0 * np.pi)
            deviation = np.sqrt(share * (1.0 - share) / count) / density
            deviation[count * share < BEYOND] = np.inf
            kept.append(shape)
            values.append(score - JOINT_SCORES)
            deviations.append(deviation)
        n, d = (np.array(part, dtype=np.float64) for part in zip(*kept, strict=True))
        m, e = (np.array(part, dtype=np.float64) for part in zip(*grid, strict=True))
        u, v = np.log(d) / 3.5, 1.0 / np.sqrt(n) / 0.15
        p, q = np.log(e) / 3.5, 1.0 / np.sqrt(m) / 0.15
        terms = np.column_stack([np.ones_like(u), u, u * u, v, v * v])
        there = np.column_stack([np.ones_like(p), p, p * p, q, q * q])
        y, sd = np.array(values), np.array(deviations)
        smoother = fit(np.column_stack([u, v]), terms, y[:, 4:22:5], sd[:, 4:22:5])
        gap = error = np.zeros(len(grid))
        for level in range(len(JOINT_SCORES)):
            if np.isfinite(sd[:, level]).sum() < 10:
                # Far out, p-values of a set are a multiple of the smallest one.
                last = -ndtri(np.clip(ndtr(-(JOINT_SCORES[level - 1] + gap)), 1e-300, 1.0))
                ratio = ndtr(-last) / ndtr(-JOINT_SCORES[level - 1])
                gap = (
                    -ndtri(np.minimum(ratio * ndtr(-JOINT_SCORES[level]), 0.99))
                    - JOINT_SCORES[level]
                )
                error = 1.2 * error
            else:
                gap, error = smoother.predict(
                    y[:, level], sd[:, level], np.column_stack([p, q]), there
                )
            gaps[k, :, :, level] = gap.reshape(len(ROW_NS), len(DS))
            errors[k, :, :, level] = error.reshape(len(ROW_NS), len(DS))
    arrays |= {
        "joint/sets": np.array([" ".join(sorted(names)) for names in sets]),
        "joint/gaps": gaps.astype(np.float16),
        "joint/errors": errors.astype(np.float16),
    }
    return arrays, scores


def _place(column: Column, place: float, deviation: float, n: int, d: int) -> float:
    """Return the mean of a law from what was regressed."""
    if isinstance(column.spec, RowTest) and column.spec.null_mean is not None:
        return column.spec.null_mean(n, d)
    return place_of(column.form, place, deviation)


def build(folder: Path) -> dict[str, Any]:
    """Smooth the simulated nulls, and lay them out as the arrays of the file."""
    files, parts = read(folder)
    add_limits(parts)
    tables: Tables = {}
    for part, columns in parts.items():
        tables[part] = {name: Regression.of(column) for name, column in columns.items()}
        for name, column in columns.items():
            print(part, name, len(column.shapes), "shapes", sum(column.counts), "replicates")
    joint, scores = joint_laws(files, tables)
    return {
        **_lay_out(tables["slices"], SLICE_NS, SLICE_DS[1:], "slices"),
        **_lay_out(tables["single"], SLICE_NS, SLICE_DS[:1], "single"),
        **_lay_out(tables["rows"], ROW_NS, DS, "rows"),
        **joint,
        "revision": REVISION,
        "simulated": np.array([max(map(len, files.values())), len({shape[:2] for shape in files})]),
        "common/d": np.array([d for _, d in COMMON]),
        "common/scores": np.stack([_common(scores[shape]) for shape in COMMON]),
    }


def _common(scores: Vector) -> NDArray[np.int8]:
    """Return the scores of common replicates in the units of the file; -128 where absent."""
    units = np.clip(np.round(scores[:COMMON_KEPT] / SCORE_UNIT), -127, 127)
    return np.where(np.isnan(units), -128, units).astype(np.int8)


def main() -> None:
    """Write the file that the package ships."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    arrays = build(parser.parse_args().folder)
    np.savez_compressed(PATH, **arrays)
    print(f"{PATH}: {PATH.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
