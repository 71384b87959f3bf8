"""Inequalities of the theorems, evaluated on measured numbers with the slack that they need."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from dmtest.information.estimate import Estimate
from dmtest.information.pairs import PairBounds
from dmtest.train.model.noise import Noise

# Bias of entropies by nearest neighbours, in nats a column.
NEIGHBOUR_BIAS = 0.03


@dataclass(frozen=True, slots=True)
class Inequality:
    """``left <= right + slack``.

    Attributes
    ----------
    source : str
        Theorem or lemma of arXiv 2410.06993.
    says : str
        The inequality in symbols.
    left, right, slack : float
        Nats. `left` is a lower and `right` an upper confidence bound where the quantities have
        them; `slack` is the error allowed for estimates without intervals.
    """

    source: str
    says: str
    left: float
    right: float
    slack: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the inequality holds within its slack."""
        return self.left <= self.right + self.slack

    @property
    def sentence(self) -> str:
        """The inequality in words, with its numbers."""
        verb = "holds" if self.holds else "is broken"
        return (
            f"{self.source}: {self.says} {verb}: {self.left:.4g} against {self.right:.4g} "
            f"(slack {self.slack:.2g}) nats"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        return asdict(self) | {"holds": self.holds}


def inequalities(
    noise: Noise,
    d: int,
    pairs: PairBounds | None,
    critic: dict[str, Estimate],
    ksg: float | None,
    kl: float | None,
    n: int,
) -> tuple[Inequality, ...]:
    """Evaluate Theorems 3.4, 3.5 and 4.1 and Lemma 3.1 on the numbers of an embedding.

    Parameters
    ----------
    noise : Noise
    d : int
        Columns of the embedding.
    pairs : PairBounds or None
        Bounds with the dual critic; without them there are no inequalities.
    critic : dict of str to Estimate
        Lower bounds with the trained critic, by name; may be empty.
    ksg : float or None
        KSG estimate of I(f(X'); f(X) + Z), in nats.
    kl : float or None
        Estimate of KL(f(X) || target), in nats.
    n : int
        Rows of the embedding.

    Returns
    -------
    tuple of Inequality
    """
    if pairs is None:
        return ()
    theorem = "Theorem 3.4" if noise.target == "normal" else "Theorem 3.5"
    capacity = pairs.capacity + pairs.correction
    bounds = {"dual": pairs.infonce} | ({"trained": critic["infonce"]} if critic else {})
    lows = {name: bound.low for name, bound in bounds.items() if bound.low is not None}
    checks = []
    for name, low in lows.items():
        checks.append(Inequality(theorem, f"I(f(X'); f(X)+Z) <= C ({name} critic)", low, capacity))
        checks.append(
            Inequality(
                "Lemma 3.1",
                f"I(f(X'); f(X)+Z) <= I(f(X); f(X)+Z) ({name} critic)",
                low,
                pairs.channel.high,
            )
        )
    neighbour_error = NEIGHBOUR_BIAS * d + 3.0 / math.sqrt(n)
    if pairs.donsker_varadhan.low is not None and math.isfinite(pairs.channel.high):
        # The logarithm of a batch mean is biased upwards, so InfoNCE replaces the dual value.
        checks.append(
            Inequality(
                "Theorem 4.1",
                "dual value with T* <= I(f(X); f(X)+Z)",
                pairs.infonce.low if pairs.infonce.low is not None else float(pairs.infonce),
                pairs.channel.high,
            )
        )
    if ksg is not None and lows:
        # Neighbours underestimate information that is large against log n.
        slack = 0.1 * ksg + neighbour_error
        checks.append(
            Inequality(
                "Lemma 3.1", "best bound <= I(f(X'); f(X)+Z) (KSG)", max(lows.values()), ksg, slack
            )
        )
    if kl is not None and pairs.noise_information is not None and lows:
        from dmtest import bounds as theory

        bound = theory.gaussian_kl_bound if noise.target == "normal" else theory.uniform_kl_bound
        value = float(bound(pairs.noise_information, max(lows.values()), d, noise.level))
        checks.append(
            Inequality(
                theorem,
                "KL(f(X) || target) <= I(Z; f(X)+Z) - I - d log "
                + ("sigma" if noise.target == "normal" else "(2 epsilon)"),
                kl,
                # (E|f|^2 - d) / 2, which is 0 if the theorem's moments hold
                value + pairs.correction * (1.0 + noise.level**2),
                2.0 * neighbour_error,
            )
        )
    return tuple(checks)
