"""Check an embedding against the theory: bounds of information, divergences, target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from dmtest.arguments import unmasked
from dmtest.effects.profile import yardsticks
from dmtest.errors import InputError
from dmtest.information.certificate import FEWEST, smoothed_kl_bounds
from dmtest.information.estimate import Estimate
from dmtest.information.neighbours import entropy_knn, ksg
from dmtest.information.pairs import PairBounds, pair_bounds
from dmtest.information.resolution import RESOLUTION, resolvable_noise
from dmtest.information.scores import donsker_varadhan, infonce, nwj
from dmtest.results.outcome import MeanPValue
from dmtest.results.shown import Shown
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.runtime.typing import Vector
from dmtest.train.evaluate.inequalities import Inequality, inequalities
from dmtest.train.model.noise import Noise

# Most columns for which nearest neighbours estimate entropy, and information.
ENTROPY_COLUMNS, KSG_COLUMNS = 12, 4
NEIGHBOUR_ROWS = 20_000
TESTS = ("dagostino-pearson", "shapiro-wilk", "henze-zirkler")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verification(Shown):
    """Bounds and estimates from held-out positive pairs (f(X), f(X')), in nats by default.

    Attributes
    ----------
    target : {"normal", "uniform"}
    level : float
        sigma or epsilon.
    n, d : int
        Number of pairs, and columns.
    capacity : float
        Largest I(f(X'); f(X) + Z).
    matched_information : float
        I(f(X'); f(X) + Z) of a weakly invariant encoder that follows the target.
    invariance_error : float
        E|f(X') - f(X)|^2 / d.
    critic : dict of str to Estimate
        Lower bounds of I(f(X'); f(X) + Z) with the trained critic, by name.
    information : Estimate or None
        The best InfoNCE bound; None without noise or critic.
    ksg : float or None
        Estimate of the same information by nearest neighbours, for d <= 4 only.
    pairs : PairBounds or None
        Bounds with the dual critic and Theorem 3.4 or 3.5; None without noise.
    smoothed_kl : tuple of float or None
        Bounds of KL(f(X) + Z || noisy target) at `smoothed_noise`, which hold together with the
        confidence of `pairs`; the upper one is infinite where the tails are too heavy for any. The
        target of uniform noise is the trapezoid, the law of a perfect match, not the uniform law
        on its support. None for fewer than 200 rows.
    smoothed_noise : float or None
        The noise of training, if n rows in d columns resolve it, else the lowest that they do.
    smoothed_exact : tuple of float or None
        The same bounds of an exact sample from the target of this n and d: what no embedding can be
        told from.
    yardsticks : dict of str to float
        What a dead and a two-valued coordinate, and a collapse, cost at `smoothed_noise`, in nats.
    kl : float or None
        Plug-in estimate of KL(f(X) || target) by nearest neighbours, for d <= 12 only.
    invariance_gap : float or None
        Estimate of I(f(X) + Z; f(X) | f(X')), the information that the augmentation removes.
    kolmogorov : tuple of float
        Kolmogorov-Smirnov distance of every column from the target's margin.
    mean_pvalues : dict of str to MeanPValue
        The paper's score by three tests.
    inequalities : tuple of Inequality
        Inequalities of the theory between these numbers.
    violations : tuple of str
        Sentences on the inequalities that do not hold within their slack.
    """

    target: str
    level: float
    n: int
    d: int
    capacity: float
    matched_information: float
    invariance_error: float
    critic: dict[str, Estimate]
    information: Estimate | None
    ksg: float | None
    pairs: PairBounds | None
    smoothed_kl: tuple[float, float] | None
    smoothed_noise: float | None
    smoothed_exact: tuple[float, float] | None
    yardsticks: dict[str, float]
    kl: float | None
    invariance_gap: float | None
    kolmogorov: tuple[float, ...]
    mean_pvalues: dict[str, MeanPValue]
    inequalities: tuple[Inequality, ...]
    violations: tuple[str, ...]

    @property
    def informative(self) -> bool:
        """Whether an exact sample of this n and d could be told from one with a dead coordinate."""
        if self.smoothed_exact is None:
            return False
        return self.smoothed_exact[1] < self.yardsticks["dead coordinate"]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain["critic"] = {name: _plain(one) for name, one in self.critic.items()}
        plain["information"] = None if self.information is None else _plain(self.information)
        plain["pairs"] = None if self.pairs is None else self.pairs.to_dict()
        plain["mean_pvalues"] = {name: one.to_dict() for name, one in self.mean_pvalues.items()}
        plain["inequalities"] = [one.to_dict() for one in self.inequalities]
        for name in ("smoothed_kl", "smoothed_exact", "kolmogorov", "violations"):
            plain[name] = None if plain[name] is None else list(plain[name])
        plain["informative"] = self.informative
        return plain


def verify(
    embeddings: ArrayLike,
    augmented: ArrayLike,
    noise: Noise,
    *,
    scores: NDArray[np.float64] | None = None,
    confidence: float = 0.95,
    rng: RngLike = None,
) -> Verification:
    """Check held-out embeddings of an encoder against the bounds of arXiv 2410.06993.

    Parameters
    ----------
    embeddings, augmented : array_like, shape (n, d)
        f(X), and f(X') row by row.
    noise : Noise
        Noise of training.
    scores : ndarray, shape (batches, K, K), optional
        Scores T(f(x'_j), f(x_i) + z_i) of the trained critic, on disjoint batches.
    confidence : float
        Confidence of every bound.
    rng : None, int or numpy Generator

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        If the shapes of the two arrays differ.
    """
    x = np.asarray(unmasked("embeddings", embeddings), dtype=np.float64)
    other = np.asarray(unmasked("augmented", augmented), dtype=np.float64)
    if x.shape != other.shape or x.ndim != 2:
        raise InputError(
            f"augmented: got shape {other.shape} for embeddings of shape {x.shape}; give f(X') "
            f"row by row beside f(X)."
        )
    seed = entropy_of(rng)
    n, d = x.shape
    critic = {} if scores is None else _critic_bounds(scores, confidence)
    pairs = None
    if noise.level > 0.0:
        level = {noise.name: noise.level}
        pairs = pair_bounds(x, other, confidence=confidence, rng=seed, **level)  # type: ignore[arg-type]
    information = _best(critic, pairs)
    by_neighbours = _ksg(x, other, noise, seed)
    kl = _kl(x, noise)
    gap = None
    if pairs is not None and information is not None and np.isfinite(pairs.channel.upper):
        channel = 0.5 * (pairs.channel.lower + pairs.channel.upper)
        gap = max(0.0, channel - float(information))
    amount, smoothed, exact = _smoothed(x, noise, confidence, seed)
    costs = {} if amount is None else yardsticks(amount, d, noise.kind)
    checks = inequalities(noise, d, pairs, critic, by_neighbours, kl, n)
    return Verification(
        target=noise.target,
        level=noise.level,
        n=n,
        d=d,
        capacity=noise.capacity(d),
        matched_information=noise.matched_information(d),
        invariance_error=float(np.square(x - other).mean()),
        critic=critic,
        information=information,
        ksg=by_neighbours,
        pairs=pairs,
        smoothed_kl=smoothed,
        smoothed_noise=amount,
        smoothed_exact=exact,
        yardsticks=costs,
        kl=kl,
        invariance_gap=gap,
        kolmogorov=kolmogorov(x, noise),
        mean_pvalues=_mean_pvalues(x, noise, seed),
        inequalities=checks,
        violations=tuple(check.sentence for check in checks if not check.holds),
    )


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"value": float(estimate)} | dict(estimate.__dict__)


def _critic_bounds(scores: Vector, confidence: float) -> dict[str, Estimate]:
    return {
        "donsker-varadhan": donsker_varadhan(scores, confidence=confidence),
        "nwj": nwj(scores + 1.0, confidence=confidence),  # scores are on the scale of information
        "infonce": infonce(scores, confidence=confidence),
    }


def _best(critic: dict[str, Estimate], pairs: PairBounds | None) -> Estimate | None:
    bounds = [critic["infonce"]] if "infonce" in critic else []
    bounds += [] if pairs is None else [pairs.infonce]
    return max(bounds) if bounds else None


def _smoothed(
    x: Vector, noise: Noise, confidence: float, seed: int
) -> tuple[float | None, tuple[float, float] | None, tuple[float, float] | None]:
    """Return a noise that the rows resolve, and the bounds there: of the rows, of exact ones."""
    n, d = x.shape
    if n < FEWEST:
        return None, None, None
    kind = noise.kind
    amount = max(noise.level, resolvable_noise(n, d, kind, RESOLUTION))
    rng = stream(seed, "verify/exact")
    exact = rng.standard_normal((n, d)) if kind == "gaussian" else rng.random((n, d))
    alpha = 0.5 * (1.0 - confidence)
    found = [smoothed_kl_bounds(rows, amount, alpha, kind=kind, seed=seed) for rows in (x, exact)]
    own, other = ((one.lower, one.upper) for one in found)
    return amount, own, other


def _ksg(x: Vector, other: Vector, noise: Noise, seed: int) -> float | None:
    if x.shape[1] > KSG_COLUMNS or noise.level == 0.0:
        return None
    rows = slice(0, NEIGHBOUR_ROWS)
    rng = stream(seed, "verify/ksg")
    unit = (
        rng.standard_normal(x[rows].shape)
        if noise.target == "normal"
        else rng.uniform(-1.0, 1.0, x[rows].shape)
    )
    found = float(ksg(other[rows], x[rows] + noise.level * unit))
    return found if np.isfinite(found) else None


def _kl(x: Vector, noise: Noise) -> float | None:
    """Estimate KL from the entropy by nearest neighbours, on normal scale (where KL is equal)."""
    d = x.shape[1]
    if d > ENTROPY_COLUMNS:
        return None
    if noise.target == "uniform":
        half = 2.0**-25
        x = special.ndtri(np.clip(x, half, 1.0 - half))
    x = x[:NEIGHBOUR_ROWS]
    if len(np.unique(x, axis=0)) < len(x):
        return None
    cross = 0.5 * d * np.log(2.0 * np.pi) + 0.5 * np.square(x).sum(axis=1).mean()
    found = float(cross - float(entropy_knn(x)))
    return found if np.isfinite(found) else None


def kolmogorov(x: Vector, noise: Noise) -> tuple[float, ...]:
    """Kolmogorov-Smirnov distance of each column from the target of the noise."""
    u = np.sort(special.ndtr(x) if noise.target == "normal" else np.clip(x, 0.0, 1.0), axis=0)
    steps = np.arange(len(u))[:, None] / len(u)
    above, below = (steps + 1.0 / len(u) - u).max(axis=0), (u - steps).max(axis=0)
    return tuple(np.maximum(above, below).tolist())


def _mean_pvalues(x: Vector, noise: Noise, seed: int) -> dict[str, MeanPValue]:
    from dmtest.battery.api import mean_pvalue

    if len(x) < 100:
        return {}
    return {
        name: mean_pvalue(np.clip(x, 1e-7, 1.0 - 1e-7), name, "uniform", rng=seed)
        if noise.target == "uniform"
        else mean_pvalue(x, name, rng=seed)
        for name in TESTS
    }
