"""Reports with realistic numbers, made without any of dmtest's computing parts."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr, ndtri

from dmtest.results.outcome import Effect, Finding, Outcome
from dmtest.results.report import Report

TESTS = (
    "anderson-darling",
    "cramer-von-mises",
    "dagostino-pearson",
    "epps-pulley",
    "jarque-bera",
    "kolmogorov-smirnov",
    "kuiper",
    "shapiro-francia",
    "shapiro-wilk",
    "watson",
    "henze-zirkler",
)
HOSTILE = "<script>alert(1)</script>"
NASTY = ['"><img src=x onerror=alert(2)>', "[bold]red[/bold]", "a\x1b[31mb\u202ec", "$x^2", "日本"]
METHOD = "Monte Carlo: 999 samples of N(0, I) with the same n, d and directions"


def slice_picture(
    line: NDArray[Any], role: str, index: int, loadings: list[list[Any]]
) -> dict[str, Any]:
    """Quantiles of one slice with an equal-precision band for the normal."""
    n = len(line)
    end = float(ndtri(0.5 / n))
    even = ndtr(np.linspace(end, -end, min(n, 201)))
    rank = np.unique(np.clip((n * even + 0.5).round(), 1, n).astype(int))
    level = 0.0008  # pointwise; about 5% simultaneously
    return {
        "role": role,
        "slice": index,
        "title": f"{role.capitalize()} slice ({index})",
        "theoretical": ndtri((rank - 0.5) / n),
        "observed": np.sort(line)[rank - 1],
        "low": ndtri(betaincinv(rank, n + 1 - rank, level / 2)),
        "high": ndtri(betaincinv(rank, n + 1 - rank, 1 - level / 2)),
        "loadings": loadings,
        "pvalue": 3.1e-9 if role == "worst" else 0.37,
    }


def coordinate_pictures(x: NDArray[Any], names: list[str]) -> list[dict[str, Any]]:
    """Histograms, the worst by Kolmogorov-Smirnov distance first."""
    found: list[dict[str, Any]] = []
    for name, column in zip(names, x.T, strict=True):
        u = ndtr(np.sort(column))
        ks = float(np.max(np.abs(u - (np.arange(len(u)) + 0.5) / len(u))))
        density, edges = np.histogram(column, bins=40, density=True)
        found.append(
            {
                "name": name,
                "edges": edges,
                "density": density,
                "mean": float(column.mean()),
                "sd": float(column.std()),
                "ks": ks,
            }
        )
    return sorted(found, key=lambda item: -item["ks"])[:12]


@functools.cache
def spectrum_band(n: int, d: int) -> NDArray[Any]:
    """Ordered eigenvalues of 19 samples from N(0, I)."""
    rng = np.random.default_rng(9)
    null = [np.linalg.eigvalsh(np.cov(rng.standard_normal((n, d)).T)) for _ in range(19)]
    return np.sort(null, axis=0)[:, ::-1]


def spectrum_picture(x: NDArray[Any]) -> dict[str, Any]:
    """Eigenvalues with a simulated band."""
    low, middle, high = spectrum_band(*x.shape)[[0, 9, 18]]
    observed = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    return {"observed": observed, "low": low, "high": high, "reference": middle}


def outcomes(pvalues: list[float], n: int, d: int) -> tuple[Outcome, ...]:
    """One outcome per p-value, slice tests first."""
    found = []
    for test, p in zip(TESTS, pvalues, strict=False):
        pairs = test == "henze-zirkler"
        found.append(
            Outcome(
                test=test,
                statistic=1.0003 if pairs else 14.237 + 3 * math.log(1 / p),
                pvalue=p,
                target="normal",
                n=n,
                d=d,
                family="pairs" if pairs else "slices",
                method=METHOD if not pairs else "lognormal approximation (Henze & Zirkler 1990)",
                replicates=None if pairs else 999,
                pvalue_error=None if pairs else math.sqrt(p * (1 - p) / 1000),
                params={"beta": 1.0} if test == "epps-pulley" else {},
                seed=20241018,
                slices=None if pairs else 256,
                reduction=None if pairs else "mean",
                worst_slice=None if pairs else 17,
                worst_statistic=None if pairs else 41.0,
                worst_pvalue=None if pairs else p,
            )
        )
    return tuple(found)


def holm(pvalues: list[float]) -> tuple[float, ...]:
    """Holm's adjusted p-values."""
    order = np.argsort(pvalues)
    steps = np.array(pvalues)[order] * np.arange(len(pvalues), 0, -1)
    found = np.empty(len(pvalues))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return tuple(found.tolist())


def computed(**more: Any) -> dict[str, Any]:
    """Return what a run says about itself."""
    return {
        "source": "embeddings.npy",
        "dtype": "float32",
        "slices": 256,
        "replicates": 999,
        "tests": list(TESTS),
        "described": {
            "henze-zirkler": {"sees": "most joint shapes", "reference": "Henze & Zirkler 1990"},
            "anderson-darling": {
                "sees": "shape, location and scale",
                "reference": "Anderson & Darling 1954; Stephens 1974",
            },
        },
        "version": "0.1.0",
        "threads": 2,
        "seconds": 6.24,
        "created": "2025-01-17T10:42:00+00:00",
    } | more


def pictures(x: NDArray[Any], names: list[str]) -> dict[str, Any]:
    """Everything the plots need."""
    rng = np.random.default_rng(4)
    d = x.shape[1]
    worst, typical = x[:, 0], x @ (rng.standard_normal(d) / math.sqrt(d))
    ahead = [[names[0], 0.93], *([name, 0.31 - 0.04 * k] for k, name in enumerate(names[1:6]))]
    spread = [[name, 0.22 - 0.02 * k] for k, name in enumerate(names[:6])]
    return {
        "slices": [
            slice_picture(worst, "worst", 17, ahead),
            slice_picture(typical, "typical", 203, spread),
        ],
        "coordinates": coordinate_pictures(x, names),
        "spectrum": spectrum_picture(x),
        "profile": profile_picture(),
        "directions": [
            {
                "loadings": ahead,
                "rows": [17, 4, 3998],
                "statistic": 41.0,
                "pvalue": 0.0005,
                "adjusted": 0.0015,
                "mean": 0.5,
                "variance": 1.9,
                "skewness": 1.1,
                "kurtosis": 2.0,
            }
        ],
        "detectability": {
            "test": "anderson-darling",
            "alpha": 0.05,
            "sizes": [32, 64, 128, 256],
            "rates": [0.1, 0.42, 0.9, 1.0],
            "low": [0.04, 0.29, 0.79, 0.93],
            "high": [0.21, 0.56, 0.96, 1.0],
            "mean_pvalues": [0.41, 0.2, 0.03, 0.001],
            "draws": 50,
            "thresholds": [
                {"power": 0.5, "n": 70.2, "low": 58.0, "high": 88.0},
                {"power": 0.9, "n": 128.0, "low": 110.0, "high": None},
            ],
        },
    }


def profile_picture() -> dict[str, Any]:
    """Give a bracket at four noise levels, the smallest beyond what a batch resolves."""

    def point(noise: float, ends: tuple[float, float, float, float], **more: Any) -> Any:
        names = ("low", "lower", "upper", "high")
        made: dict[str, Any] = {"noise": noise, "informative": True, "label": ""}
        return made | dict(zip(names, ends, strict=True)) | more

    return {
        "noise": "gaussian",
        "batch": 500,
        "batches": 8,
        "confidence": 0.95,
        "default": 2,
        "points": [
            point(0.5, (0.0, 0.0, 9.0, math.inf), informative=False),
            point(1.0, (0.2, 0.25, 0.9, 0.95)),
            point(2.0, (0.11, 0.12, 0.2, 0.21)),
            point(4.0, (0.03, 0.04, 0.05, 0.06)),
        ],
        "slices": [point(0.5, (0.0, 0.01, 0.05, 0.06), label="direction 3")],
        "subspaces": [point(1.0, (0.2, 0.3, 0.4, 0.5), label="1 principal direction")],
    }


def sample(n: int = 4000, d: int = 48) -> NDArray[Any]:
    """Anisotropic, skewed in one coordinate, shifted in another, clustered."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, d))
    x *= np.geomspace(1.9, 0.25, d)
    x[:, 0] = rng.gamma(3.0, size=n) / 1.2 - 2.0
    x[:, 3] += 0.8
    x[:, 5] = np.sign(x[:, 5]) + 0.3 * rng.standard_normal(n)
    return x


def mismatch(names: list[str] | None = None, **changes: Any) -> Report:
    """Build a report on embeddings that are clearly not N(0, I)."""
    x = sample()
    n, d = x.shape
    names = names or [f"x{k}" for k in range(d)]
    names = names + [f"x{k}" for k in range(len(names), d)]
    pvalues = [0.001] * 9 + [0.017, 1.2e-9]
    fields: dict[str, Any] = {
        "verdict": "mismatch",
        "pvalue": 0.001,
        "pvalue_method": "Monte Carlo of the smallest p-value over all tests (999 replicates)",
        "alpha": 0.05,
        "target": "normal",
        "n": n,
        "d": d,
        "seed": 20241018,
        "outcomes": outcomes(pvalues, n, d),
        "adjusted": holm(pvalues),
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
        "computed": computed(),
        "pictures": pictures(x, names),
    }
    return Report(**(fields | changes))


EFFECTS = (
    Effect(
        name="sliced-wasserstein-2",
        label="Sliced Wasserstein-2 distance",
        value=0.412,
        low=0.401,
        high=0.424,
        confidence=0.95,
        unit="standard deviations",
        note="Root mean square over 256 slices; interval by jackknife over rows.",
    ),
    Effect(
        name="worst-slice",
        label="Worst slice's Wasserstein-2",
        value=0.93,
        low=0.88,
        high=0.99,
        confidence=0.95,
        unit="standard deviations",
        note="Slice 17; chosen on one half of the rows and measured on the other.",
    ),
    Effect(
        name="kl-fitted-normal",
        label="KL of the fitted normal",
        value=14.92,
        low=14.61,
        high=15.24,
        confidence=0.95,
        unit="nats",
        note="Sum of the three rows that follow; bias of log det S removed.",
    ),
    Effect(
        name="kl-mean",
        label="from the mean",
        value=0.39,
        low=0.36,
        high=0.42,
        confidence=0.95,
        unit="nats",
    ),
    Effect(
        name="kl-scale",
        label="from the variances",
        value=14.31,
        low=14.0,
        high=14.62,
        confidence=0.95,
        unit="nats",
    ),
    Effect(
        name="kl-correlation",
        label="from the correlations",
        value=0.22,
        low=0.15,
        high=0.29,
        confidence=0.95,
        unit="nats",
    ),
    Effect(
        name="kl-smoothed",
        label="Smoothed KL (channel bracket)",
        value=None,
        unit="nats",
        note="Needs batches of more than 10,000 rows at this dimension.",
    ),
)


def compatible(**changes: Any) -> Report:
    """Build a report on draws from N(0, I)."""
    x = np.random.default_rng(2).standard_normal((4000, 48))
    n, d = x.shape
    pvalues = [0.21, 0.34, 0.043, 0.77, 0.12, 0.52, 0.66, 0.9, 0.41, 0.38, 0.61]
    fields: dict[str, Any] = {
        "verdict": "compatible",
        "pvalue": 0.318,
        "pvalue_method": "Monte Carlo of the smallest p-value over all tests (999 replicates)",
        "alpha": 0.05,
        "target": "normal",
        "n": n,
        "d": d,
        "seed": 7,
        "outcomes": outcomes(pvalues, n, d),
        "adjusted": holm(pvalues),
        "effects": {
            "sliced-wasserstein-2": Effect(
                name="sliced-wasserstein-2",
                label="Sliced Wasserstein-2 distance",
                value=0.0231,
                low=0.0,
                high=0.0312,
                confidence=0.95,
                unit="standard deviations",
                note="Root mean square over 256 slices; interval by jackknife over rows.",
            ),
            "kl-fitted-normal": Effect(
                name="kl-fitted-normal",
                label="KL of the fitted normal",
                value=0.006,
                low=0.0,
                high=0.019,
                confidence=0.95,
                unit="nats",
            ),
        },
        "computed": computed(source="numpy array"),
        "pictures": pictures(x, [f"x{k}" for k in range(d)]),
    }
    fields["pictures"]["slices"][0]["pvalue"] = 0.0041
    return Report(**(fields | changes))


def bare(**changes: Any) -> Report:
    """Build the least report there can be."""
    fields: dict[str, Any] = {
        "verdict": "inconclusive",
        "pvalue": math.nan,
        "pvalue_method": "none",
        "alpha": 0.05,
        "target": "any-normal",
        "n": 9,
        "d": 1,
        "seed": 0,
    }
    return Report(**(fields | changes))


def odd(**changes: Any) -> Report:
    """Build a report with every awkward value: NaN, infinities, None, hostile names."""
    names = [HOSTILE, *NASTY, "x" * 300]
    p = 0.5
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
    base = outcomes([p], 4000, 48)
    slices = pictures(sample(), names + [f"x{k}" for k in range(41)])
    slices["slices"][0]["low"][0] = -math.inf
    slices["slices"][0]["high"][-1] = math.inf
    slices["slices"][0]["title"] = HOSTILE
    fields: dict[str, Any] = {
        "target": HOSTILE,
        "outcomes": (*base, broken),
        "adjusted": (1.0, math.nan),
        "effects": {
            "kl": Effect(
                name="kl",
                label=f"KL {HOSTILE}",
                value=math.inf,
                low=3.0,
                high=math.inf,
                confidence=0.95,
                unit="nats",
                note=HOSTILE,
            ),
            "nan": Effect(name="nan", label="not a number", value=math.nan, unit="nats"),
        },
        "warnings": (Finding("names", f"Column {HOSTILE} is odd.", 1234),),
        "computed": computed(
            source=f"/tmp/{HOSTILE} \udc80.npy",
            seconds=np.float32(0.25),
            ratio=math.nan,
            columns=("NaN", HOSTILE),
        ),
        "pictures": slices,
    }
    return mismatch(names, **(fields | changes))
