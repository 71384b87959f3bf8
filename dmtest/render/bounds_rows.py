"""The bounds of positive pairs as rows of text, for terminal and page."""

from __future__ import annotations

import math
from typing import Any

from dmtest.render.wording import number

HEAD = ("Quantity", "Nats", "What it is")


def title(pairs: Any) -> str:
    """Return one line: theorem, pairs, noise, and the part of the capacity that is used."""
    return (
        f"Theorem {theorem(pairs)} on {count(pairs)} in d = {pairs.d}, {level(pairs)}: "
        f"{used(pairs)}"
    )


def count(pairs: Any) -> str:
    """Return how many pairs were used, of how many."""
    return f"{pairs.n:,} {'' if pairs.total is None else f'of {pairs.total:,} '}pairs"


def theorem(pairs: Any) -> str:
    """Return the number of the theorem of the noise."""
    return "3.4" if pairs.noise == "gaussian" else "3.5"


def level(pairs: Any) -> str:
    """Return the noise level with its name."""
    return f"{'sigma' if pairs.noise == 'gaussian' else 'epsilon'} = {pairs.level:g}"


def used(pairs: Any) -> str:
    """Return the part of the capacity that is certainly used."""
    return f"at least {pairs.capacity_used:.0%} of the capacity is used"


def rows(pairs: Any) -> list[tuple[str, str, str]]:
    """Return quantities, their values in nats, and what they are.

    Parameters
    ----------
    pairs : dmtest.information.pairs.PairBounds
    """
    on_side = f"at {pairs.confidence:g}"
    found: list[tuple[str, float | None, str]] = [
        ("Capacity", pairs.capacity, "upper limit of I(f(X'); f(X)+Z)"),
        ("Moment correction", pairs.correction, "where E|f(X)|^2 is not d"),
    ]
    for one in (pairs.donsker_varadhan, pairs.nwj, pairs.infonce):
        full = ", saturated" if one.saturated else ""
        interval = "" if one.low is None else f", [{one.low:.3g}, {one.high:.3g}] {on_side}"
        note = f"lower bound{interval}{full}"
        found.append((f"I(f(X'); f(X)+Z), {one.method}", float(one), note))
    channel = pairs.channel
    within = f"between {channel.low:.3g} and {channel.high:.3g} {on_side}"
    middle: float | None = 0.5 * (channel.lower + channel.upper)
    if not math.isfinite(channel.upper):
        middle, within = channel.lower, f"at least {channel.low:.3g} {on_side}"
    found += [
        ("I(f(X); f(X)+Z)", middle, within),
        ("Weak-invariance gap", pairs.invariance_gap, f"upper bound {on_side}"),
        ("KL after noise", pairs.smoothed_kl, f"upper bound {on_side}: a certificate"),
        ("I(Z; f(X)+Z)", pairs.noise_information, "estimate (nearest neighbours)"),
        ("KL before noise", pairs.kl, "estimate of the theorem's bound, not a certificate"),
    ]
    return [
        (name, "not estimable" if nats is None else number(nats, 4), note)
        for name, nats, note in found
    ]
