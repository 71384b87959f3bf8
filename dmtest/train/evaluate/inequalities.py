"""What the theorems say of measured numbers, each with the slack that its intervals allow."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from dmtest.information.estimate import Estimate
from dmtest.information.pairs import PairBounds
from dmtest.train.model.noise import Noise

__all__ = ["Inequality", "inequalities"]

# What nearest neighbours are off beyond any interval: bias in nats a column.
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
        Nats. `left` is a lower confidence bound and `right` an upper one where the quantities have
        them; `slack` is what estimates without intervals may be off.
    """

    source: str
    says: str
    left: float
    right: float
    slack: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether it holds."""
        return self.left <= self.right + self.slack

    @property
    def sentence(self) -> str:
        """Say it in words, with the numbers."""
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
    """Evaluate Theorems 3.4, 3.5 and 4.1 and Lemma 3.1 on the numbers of an embedding."""
    if pairs is None:
        return ()
    theorem = "Theorem 3.4" if noise.target == "normal" else "Theorem 3.5"
    capacity = pairs.capacity + pairs.correction
    bounds = {"dual": pairs.infonce} | ({"trained": critic["infonce"]} if critic else {})
    lows = {name: one.low for name, one in bounds.items() if one.low is not None}
    found = []
    for name, low in lows.items():
        found.append(Inequality(theorem, f"I(f(X'); f(X)+Z) <= C ({name} critic)", low, capacity))
        found.append(
            Inequality(
                "Lemma 3.1",
                f"I(f(X'); f(X)+Z) <= I(f(X); f(X)+Z) ({name} critic)",
                low,
                pairs.channel.high,
            )
        )
    off = NEIGHBOUR_BIAS * d + 3.0 / math.sqrt(n)
    if pairs.donsker_varadhan.low is not None and math.isfinite(pairs.channel.high):
        # In batches the logarithm of a mean is biased upwards: InfoNCE stands for the dual value.
        found.append(
            Inequality(
                "Theorem 4.1",
                "dual value with T* <= I(f(X); f(X)+Z)",
                pairs.infonce.low if pairs.infonce.low is not None else float(pairs.infonce),
                pairs.channel.high,
            )
        )
    if ksg is not None and lows:
        # Neighbours underestimate information that is large against log n.
        short = 0.1 * ksg + off
        found.append(
            Inequality(
                "Lemma 3.1", "best bound <= I(f(X'); f(X)+Z) (KSG)", max(lows.values()), ksg, short
            )
        )
    if kl is not None and pairs.noise_information is not None and lows:
        from dmtest import bounds as theory

        of = theory.gaussian_kl_bound if noise.target == "normal" else theory.uniform_kl_bound
        value = float(of(pairs.noise_information, max(lows.values()), d, noise.level))
        found.append(
            Inequality(
                theorem,
                "KL(f(X) || target) <= I(Z; f(X)+Z) - I - d log "
                + ("sigma" if noise.target == "normal" else "(2 epsilon)"),
                kl,
                # (E|f|^2 - d) / 2, which is 0 where the theorem's moments hold
                value + pairs.correction * (1.0 + noise.level**2),
                2.0 * off,
            )
        )
    return tuple(found)
