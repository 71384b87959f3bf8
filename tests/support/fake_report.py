"""Reports with realistic numbers, made without any of dmtest's computing parts."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, ndtri

from dmtest.results import figures as shapes
from dmtest.results.classes import ClassReports, ScatterFigure
from dmtest.results.figures import Loadings, SliceFigure, numbers
from dmtest.results.outcome import Effect, Finding, Outcome
from dmtest.results.provenance import Description, Provenance
from dmtest.results.report import Report
from dmtest.results.tables import Outliers

TESTS = (
    *("anderson-darling", "cramer-von-mises", "dagostino-pearson", "epps-pulley", "jarque-bera"),
    *("kolmogorov-smirnov", "kuiper", "shapiro-francia", "shapiro-wilk", "watson"),
    "henze-zirkler",
)
HOSTILE = "<script>alert(1)</script>"
NASTY = ['"><img src=x onerror=alert(2)>', "[bold]red[/bold]", "a\x1b[31mb\u202ec", "$x^2", "日本"]
METHOD = "Monte Carlo: 999 samples of N(0, I) with the same n, d and directions"


def slice_figure(line: NDArray[Any], role: str, index: int, loadings: Loadings) -> SliceFigure:
    """Quantiles of one slice with an equal-precision band for the normal."""
    n = len(line)
    end = float(ndtri(0.5 / n))
    even = ndtr(np.linspace(end, -end, min(n, 201)))
    rank = np.unique(np.clip((n * even + 0.5).round(), 1, n).astype(int))
    level = 0.0008  # pointwise; about 5% simultaneously
    return SliceFigure(
        role=role,
        slice=index,
        title=f"{role.capitalize()} slice ({index})",
        theoretical=numbers(ndtri((rank - 0.5) / n)),
        observed=numbers(np.sort(line)[rank - 1]),
        low=numbers(ndtri(betaincinv(rank, n + 1 - rank, level / 2))),
        high=numbers(ndtri(betaincinv(rank, n + 1 - rank, 1 - level / 2))),
        loadings=loadings,
        pvalue=3.1e-9 if role == "worst" else 0.37,
    )


def coordinate_figure(name: str, column: NDArray[Any]) -> shapes.CoordinateFigure:
    """Histogram of one column, with its Kolmogorov-Smirnov distance."""
    u = ndtr(np.sort(column))
    density, edges = np.histogram(column, bins=40, density=True)
    return shapes.CoordinateFigure(
        name=name,
        edges=numbers(edges),
        density=numbers(density),
        mean=float(column.mean()),
        sd=float(column.std()),
        ks=float(np.max(np.abs(u - (np.arange(len(u)) + 0.5) / len(u)))),
    )


@functools.cache
def spectrum_band(n: int, d: int) -> NDArray[Any]:
    """Ordered eigenvalues of 19 samples from N(0, I)."""
    rng = np.random.default_rng(9)
    null = [np.linalg.eigvalsh(np.cov(rng.standard_normal((n, d)).T)) for _ in range(19)]
    return np.sort(null, axis=0)[:, ::-1]


def spectrum_figure(x: NDArray[Any]) -> shapes.SpectrumFigure:
    """Eigenvalues with a simulated band."""
    low, middle, high = map(numbers, spectrum_band(*x.shape)[[0, 9, 18]])
    observed = numbers(np.linalg.eigvalsh(np.cov(x.T))[::-1])
    return shapes.SpectrumFigure(observed=observed, low=low, high=high, reference=middle)


def point(noise: float, *ends: float | None, label: str = "") -> shapes.NoisePoint:
    """One noise level: low, lower, upper, high; open ends are those a batch does not resolve."""
    names = ("low", "lower", "upper", "high")
    bounds: dict[str, Any] = dict(zip(names, ends, strict=True))
    d = 1 if label else 48
    resolved = None not in ends
    capacity, dead = math.log1p(noise**-2) / 2, (math.log1p(noise**-2) - 1 / (1 + noise**2)) / 2
    return shapes.NoisePoint(
        noise=noise,
        d=d,
        information_lower=d * capacity,
        information_upper=d * capacity,
        capacity=d * capacity,
        resolution=0.01,
        dead=dead,
        two_valued=dead / 2,
        collapse=d * dead,
        informative=resolved,
        method="bracket" if resolved else "",
        why="" if resolved else "a batch does not resolve it",
        label=label,
        **bounds,
    )


# A bracket at four noise levels, the smallest beyond what a batch resolves.
PROFILE = shapes.ProfileFigure(
    target="normal",
    noise="gaussian",
    n=4000,
    d=48,
    resolvable=1.0,
    seed=20241018,
    batch=500,
    batches=8,
    confidence=0.95,
    default=2,
    points=(
        point(0.5, 0.0, 0.0, 9.0, None),
        point(1.0, 0.2, 0.25, 0.9, 0.95),
        point(2.0, 0.11, 0.12, 0.2, 0.21),
        point(4.0, 0.03, 0.04, 0.05, 0.06),
    ),
    slices=(point(0.5, 0.0, 0.01, 0.05, 0.06, label="direction 3"),),
    subspaces=(point(1.0, 0.2, 0.3, 0.4, 0.5, label="1 principal direction"),),
)
POWER = shapes.PowerFigure(
    test="the battery",
    alpha=0.05,
    sizes=(32, 64, 128, 256),
    rates=(0.1, 0.42, 0.9, 1.0),
    low=(0.04, 0.29, 0.79, 0.93),
    high=(0.21, 0.56, 0.96, 1.0),
    mean_pvalues=(0.41, 0.2, 0.03, 0.001),
    blocks=(24, 24, 16, 8),
    rejections=(2, 10, 14, 8),
    thresholds=(
        shapes.PowerPoint(power=0.5, n=70.2, low=58.0, high=88.0),
        shapes.PowerPoint(power=0.9, n=128.0, low=110.0, high=None),
    ),
)


def figures(x: NDArray[Any], names: list[str]) -> shapes.Figures:
    """Everything the plots need."""
    d = x.shape[1]
    worst, typical = x[:, 0], x @ (np.random.default_rng(4).standard_normal(d) / math.sqrt(d))
    ahead = ((names[0], 0.93), *((name, 0.31 - 0.04 * k) for k, name in enumerate(names[1:6])))
    spread = tuple((name, 0.22 - 0.02 * k) for k, name in enumerate(names[:6]))
    columns = [coordinate_figure(name, column) for name, column in zip(names, x.T, strict=True)]
    direction = shapes.DirectionFigure(
        loadings=ahead,
        rows=(17, 4, 3998),
        statistic=41.0,
        pvalue=0.0005,
        adjusted=0.0015,
        mean=0.5,
        variance=1.9,
        skewness=1.1,
        kurtosis=2.0,
    )
    return shapes.Figures(
        slices=(
            slice_figure(worst, "worst", 17, ahead),
            slice_figure(typical, "typical", 203, spread),
        ),
        coordinates=tuple(sorted(columns, key=lambda one: -(one.ks or 0.0))[:12]),
        spectrum=spectrum_figure(x),
        profile=PROFILE,
        directions=(direction,),
        detectability=POWER,
    )


PROVENANCE = Provenance(
    source="embeddings.npy",
    dtype="float32",
    slices=256,
    replicates=999,
    tests=TESTS,
    described={
        "henze-zirkler": Description("most joint shapes", "Henze & Zirkler 1990"),
        "anderson-darling": Description(
            "shape, location and scale", "Anderson & Darling 1954; Stephens 1974"
        ),
    },
    version="0.1.0",
    seconds=6.24,
    created="2025-01-17T10:42:00+00:00",
)


def outcomes(pvalues: list[float], n: int, d: int) -> tuple[Outcome, ...]:
    """One outcome per p-value, slice tests first."""
    found = []
    for test, p in zip(TESTS, pvalues, strict=False):
        facts: dict[str, Any] = {
            "family": "slices",
            "statistic": 14.237 + 3 * math.log(1 / p),
            "method": METHOD,
            "replicates": 999,
            "pvalue_error": math.sqrt(p * (1 - p) / 1000),
            "params": {"beta": 1.0} if test == "epps-pulley" else {},
            "slices": 256,
            "reduction": "mean",
            "worst_slice": 17,
            "worst_statistic": 41.0,
            "worst_pvalue": p,
        }
        if test == "henze-zirkler":
            method = "lognormal approximation (Henze & Zirkler 1990)"
            facts = {"family": "pairs", "statistic": 1.0003, "method": method}
        found.append(
            Outcome(test=test, pvalue=p, target="normal", n=n, d=d, seed=20241018, **facts)
        )
    return tuple(found)


def holm(pvalues: list[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values."""
    order = np.argsort(pvalues)
    steps = np.array(pvalues)[order] * np.arange(len(pvalues), 0, -1)
    found = np.empty(len(pvalues))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return tuple(found.tolist())


def sample(n: int = 4000, d: int = 48) -> NDArray[Any]:
    """Anisotropic, skewed in one coordinate, shifted in another, clustered."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, d))
    x *= np.geomspace(1.9, 0.25, d)
    x[:, 0] = rng.gamma(3.0, size=n) / 1.2 - 2.0
    x[:, 3] += 0.8
    x[:, 5] = np.sign(x[:, 5]) + 0.3 * rng.standard_normal(n)
    return x


def effect(name: str, label: str, *ends: float, unit: str = "nats", note: str = "") -> Effect:
    """Build an effect of its value and the limits of its 95% interval."""
    limits: dict[str, Any] = dict(zip(("value", "low", "high"), ends, strict=True))
    return Effect(name=name, label=label, confidence=0.95, unit=unit, note=note, **limits)


def sliced(*ends: float) -> Effect:
    """Sliced Wasserstein-2 distance."""
    note = "Root mean square over 256 slices; interval by jackknife over rows."
    name, label = "sliced-wasserstein-2", "Sliced Wasserstein-2 distance"
    return effect(name, label, *ends, unit="standard deviations", note=note)


EFFECTS = (
    sliced(0.412, 0.401, 0.424),
    effect(
        "worst-slice",
        "Worst slice's Wasserstein-2",
        *(0.93, 0.88, 0.99),
        unit="standard deviations",
        note="Slice 17; chosen on one half of the rows and measured on the other.",
    ),
    effect(
        "kl-fitted-normal",
        "KL of the fitted normal",
        *(14.92, 14.61, 15.24),
        note="Sum of the three rows that follow; bias of log det S removed.",
    ),
    effect("kl-mean", "from the mean", 0.39, 0.36, 0.42),
    effect("kl-scale", "from the variances", 14.31, 14.0, 14.62),
    effect("kl-correlation", "from the correlations", 0.22, 0.15, 0.29),
    Effect(
        name="kl-smoothed",
        label="Smoothed KL (channel bracket)",
        value=None,
        unit="nats",
        note="Needs batches of more than 10,000 rows at this dimension.",
    ),
)


def report(x: NDArray[Any], names: list[str], pvalues: list[float], **fields: Any) -> Report:
    """Put the fields of a report together, those that are given before the usual ones."""
    n, d = x.shape
    usual: dict[str, Any] = {
        "pvalue_method": "Monte Carlo of the smallest p-value over all tests (999 replicates)",
        "alpha": 0.05,
        "target": "normal",
        "n": n,
        "d": d,
        "seed": 20241018,
        "outcomes": outcomes(pvalues, n, d),
        "adjusted": holm(pvalues),
        "provenance": PROVENANCE,
        "figures": figures(x, names),
    }
    return Report(**(usual | fields))


def classes(x: NDArray[Any], name: str) -> ClassReports:
    """Reports on two classes; the second has the name of a column."""
    codes = np.arange(60) % 2
    return ClassReports(
        reports={"cats": bare(), name: bare(verdict="mismatch", pvalue=0.002)},
        adjusted=(1.0, 0.004),
        alpha=0.05,
        name=name,
        effects={"variance-between-classes": EFFECTS[0]},
        scatter=ScatterFigure(
            axes=("direction 1", "direction 2"),
            classes=("cats", name),
            codes=tuple(codes.tolist()),
            x=numbers(x[:60, 0]),
            y=numbers(x[:60, 1] + codes),
            circle=2.45,
        ),
    )


def rows() -> Outliers:
    """Scores of three rows, of which one stands out."""
    return Outliers(
        scores=(1.0, 9.0, 2.0),
        pvalues=(0.9, 1e-17, 0.4),
        adjusted=(0.9, 3e-17, 0.6),
        outlier=(False, True, False),
        rows=(0, 1, 2),
        score="length on normal scale",
        method="exact: the length of the row, chi-squared",
        rule="benjamini-hochberg",
        alpha=0.05,
        target="normal",
        n=3,
        d=2,
    )


def mismatch(names: list[str] | None = None, **changes: Any) -> Report:
    """Build a report on embeddings that are clearly not N(0, I)."""
    x = sample()
    names = names or []
    names = names + [f"x{k}" for k in range(len(names), x.shape[1])]
    fields: dict[str, Any] = {
        "verdict": "mismatch",
        "pvalue": 0.001,
        "classes": classes(x, names[0]),
        "rows": rows(),
        "effects": {e.name: e for e in EFFECTS},
        "diagnosis": (
            Finding(
                "anisotropy",
                "Variance is unequal across directions: the largest eigenvalue of the covariance "
                "is 4.7 and the smallest 0.06; under the target both would be within 0.79 to 1.24.",
            ),
            Finding("mean", f"The mean is off: {names[3]} is centred at 0.80, not at 0.", 1),
            Finding(
                "non-normal-slice",
                f"Slice 17 is skewed to the right (skewness 1.1); it loads mostly on {names[0]}.",
            ),
            Finding("bimodal", f"Coordinate {names[5]} has two modes.", 1),
        ),
        "warnings": (
            Finding("duplicate-rows", "Some rows are exact copies of other rows.", 37),
            Finding("float16", "Values were stored as float16 and have about 3 digits."),
        ),
    }
    return report(x, names, [0.001] * 9 + [0.017, 1.2e-9], **(fields | changes))


def compatible(**changes: Any) -> Report:
    """Build a report on draws from N(0, I)."""
    x = np.random.default_rng(2).standard_normal((4000, 48))
    pvalues = [0.21, 0.34, 0.043, 0.77, 0.12, 0.52, 0.66, 0.9, 0.41, 0.38, 0.61]
    fitted = effect("kl-fitted-normal", "KL of the fitted normal", 0.006, 0.0, 0.019)
    names = [f"x{k}" for k in range(48)]
    drawn = figures(x, names)
    worst, typical = drawn.slices
    fields: dict[str, Any] = {
        "verdict": "compatible",
        "pvalue": 0.318,
        "seed": 7,
        "effects": {e.name: e for e in (sliced(0.0231, 0.0, 0.0312), fitted)},
        "provenance": replace(PROVENANCE, source="numpy array"),
        "figures": replace(drawn, slices=(replace(worst, pvalue=0.0041), typical)),
    }
    return report(x, names, pvalues, **(fields | changes))


def few(**changes: Any) -> Report:
    """Build a report on some normal in four columns, which shows pairs of them."""
    x = sample()[:300, :4] + [0.0, 10.0, -3.0, 0.0]
    names = ["length", "width", HOSTILE, "$x^2"]
    drawn = figures(x, names)
    spectrum = drawn.spectrum
    assert spectrum is not None
    none = (None,) * 4
    fields: dict[str, Any] = {
        "verdict": "mismatch",
        "pvalue": 0.001,
        "target": "any-normal",
        "effects": {"sliced-wasserstein-2": sliced(0.31, 0.22, 0.4)},
        "figures": replace(
            drawn,
            scatter=shapes.ScatterFigure(
                names=tuple(names),
                points=tuple(map(numbers, x.T.round(4))),
                law="normal",
                mean=numbers(x.mean(axis=0)),
                covariance=tuple(map(numbers, np.cov(x.T))),
            ),
            spectrum=replace(spectrum, low=none, high=none, reference=none),
        ),
    }
    return report(x, names, [0.001] * 11, **(fields | changes))


def bare(**changes: Any) -> Report:
    """Build the least report there can be."""
    fields: dict[str, Any] = {"verdict": "inconclusive", "pvalue": math.nan, "alpha": 0.05}
    fields |= {"pvalue_method": "none", "target": "any-normal", "n": 9, "d": 1, "seed": 0}
    return Report(**(fields | changes))


def odd(**changes: Any) -> Report:
    """Build a report with every awkward value: NaN, infinities, None, hostile names."""
    names = [HOSTILE, *NASTY, "x" * 300]
    broken = Outcome(
        test="covariance-lrt",
        statistic=math.nan,
        pvalue=math.nan,
        target=HOSTILE,
        n=4000,
        d=48,
        family="sums",
        method=f"not computable for {HOSTILE}",
        params={"a": math.inf, "nodes": (1, 2), "name": np.str_("NaN")},
    )
    infinite = effect("kl", f"KL {HOSTILE}", math.inf, 3.0, math.inf, note=HOSTILE)
    nan = Effect(name="nan", label="not a number", value=math.nan, unit="nats")
    drawn = figures(sample(), names + [f"x{k}" for k in range(41)])
    worst, typical = drawn.slices
    low, high = (np.array(ends, dtype=float) for ends in (worst.low, worst.high))
    low[0], high[-1] = -math.inf, math.inf
    worst = replace(worst, title=HOSTILE, low=numbers(low), high=numbers(high))
    more = {"ratio": math.nan, "columns": ("NaN", HOSTILE)}
    fields: dict[str, Any] = {
        "target": HOSTILE,
        "outcomes": (*outcomes([0.5], 4000, 48), broken),
        "adjusted": (1.0, math.nan),
        "effects": {"kl": infinite, "nan": nan},
        "warnings": (Finding("names", f"Column {HOSTILE} is odd.", 1234),),
        "provenance": replace(PROVENANCE, source=f"/tmp/{HOSTILE} \udc80.npy", more=more),
        "figures": replace(drawn, slices=(worst, typical)),
    }
    return mismatch(names, **(fields | changes))


BUILDERS = [mismatch, compatible, few, bare, odd]
