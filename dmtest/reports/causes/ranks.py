"""Sentences about ranks: biased, overconfident and underconfident posteriors, by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dmtest.battery.ranks import RankTests
from dmtest.effects.coordinates import column_name
from dmtest.results.outcome import Finding
from dmtest.statistics.counts import rank_spread
from dmtest.statistics.laws.probit import ProbitFit, probit_fit
from dmtest.targets.ranks import Ranks
from dmtest.words import counted, of_many

# Most columns that are fitted, and that a sentence names; level at which no rank above the largest
# one is no chance.
MOST_FITS, LISTED, UNUSED = 64, 5, 1e-6


def diagnose_ranks(
    tests: RankTests, target: Ranks, names: Sequence[str] | None, alpha: float
) -> tuple[Finding, ...]:
    """Say what is wrong with ranks; called only after a mismatch.

    A column is named if its own p-value, times the number of columns, is at most `alpha`; what is
    said of it is what the likelihood ratios of bias and width reject at alpha over all columns.
    """
    d = len(tests.columns)
    order = np.argsort(tests.columns, kind="stable")[:MOST_FITS]
    bad = [int(j) for j in order if tests.columns[j] * d <= alpha]
    fits = {j: probit_fit(tests.counts[j], tests.cells.edges) for j in bad}
    level = alpha / (2.0 * d)
    biased = [j for j in bad if fits[j].bias_pvalue <= level]
    wide = [j for j in bad if fits[j].ratio_pvalue <= level]
    # Two cells show no width: what the scores cannot tell, the fit may not.
    spreads = rank_spread(tests.counts, tests.cells)
    wide = [j for j in wide if spreads[j] != 0.0]
    widths = [
        *_width("overconfident", [j for j in wide if fits[j].ratio > 1.0], fits, names, d),
        *_width("underconfident", [j for j in wide if fits[j].ratio < 1.0], fits, names, d),
    ]
    shifts = [*_biased(biased, fits, names, d)]
    clearest = min((fits[j].bias_pvalue for j in biased), default=1.0)
    first = clearest <= min((fits[j].ratio_pvalue for j in wide), default=1.0)
    findings = [
        *_unused(tests, target),
        *((*shifts, *widths) if first else (*widths, *shifts)),
        *_other([j for j in bad if j not in {*biased, *wide}], tests, target, names, d),
    ]
    return tuple(findings)


def _listing(
    columns: Sequence[int], names: Sequence[str] | None, d: int, values: Sequence[str]
) -> str:
    if d == 1 and names is None:
        return values[0]
    shown = [f"{column_name(names, j)} ({value})" for j, value in zip(columns, values, strict=True)]
    return ", ".join(shown[:LISTED]) + (", ..." if len(shown) > LISTED else "")


def _who(columns: Sequence[int], d: int) -> str:
    if d == 1:
        return "the posterior is"
    text = of_many(len(columns), d, "posterior", "is", "are")
    return text[:1].lower() + text[1:]


def _width(
    code: str, columns: list[int], fits: dict[int, ProbitFit], names: Sequence[str] | None, d: int
) -> Iterator[Finding]:
    if not columns:
        return
    columns.sort(key=lambda j: -abs(np.log(fits[j].ratio)))
    over = code == "overconfident"
    values = [f"about {1.0 / fits[j].ratio:.2g} times the right one" for j in columns]
    shape = "ranks pile up at both ends" if over else "ranks pile up in the middle"
    cause = (
        "Draws that are autocorrelated look the same: thin them first."
        if over
        else "A tolerance or an approximation that widens it is a common cause."
    )
    text = (
        f"{code.capitalize()}: {_who(columns, d)} too {'narrow' if over else 'wide'} ({shape}); "
        f"standard deviation: {_listing(columns, names, d, values)}. {cause}"
    )
    yield Finding(code, text, len(columns))


def _biased(
    columns: list[int], fits: dict[int, ProbitFit], names: Sequence[str] | None, d: int
) -> Iterator[Finding]:
    if not columns:
        return
    columns.sort(key=lambda j: -abs(fits[j].bias))
    values = [
        f"too {'low' if fits[j].bias > 0 else 'high'} by about {abs(fits[j].bias):.2g} of its "
        f"standard deviations"
        for j in columns
    ]
    text = (
        f"Biased: {_who(columns, d)} off to one side, if a rank counts the draws below the true "
        f"value: {_listing(columns, names, d, values)}."
    )
    yield Finding("biased", text, len(columns))


def _other(
    columns: list[int], tests: RankTests, target: Ranks, names: Sequence[str] | None, d: int
) -> Iterator[Finding]:
    if not columns:
        return
    values = []
    for j in columns:
        counts, expected = tests.counts[j], tests.counts[j].sum() * tests.cells.probability
        worst = int(np.argmax((counts - expected) ** 2 / expected))
        first = int(tests.cells.first[worst])
        last = int(np.append(tests.cells.first, target.draws + 1)[worst + 1]) - 1
        which = f"rank {first}" if first == last else f"ranks {first} to {last}"
        values.append(f"{which}: {counts[worst]} times instead of {expected[worst]:.1f}")
    text = (
        f"Not uniform: ranks of {len(columns)} of {counted(d, 'column')} depart in another "
        f"way than by bias or width, most at {_listing(columns, names, d, values)}."
    )
    yield Finding("rank-histogram", text, len(columns))


def _unused(tests: RankTests, target: Ranks) -> Iterator[Finding]:
    """A largest rank far below `draws` in every column: `draws` is probably not the number."""
    together = tests.counts.mean(axis=0)
    used, n = int(np.flatnonzero(together).max()) + 1, int(tests.counts[0].sum())
    unused = 1.0 - tests.cells.edges[used]
    # Posteriors that are too wide leave out both ends.
    mirrored = together[tests.cells.edges[1:] <= unused + 1e-9].sum() > 0.5 * n * unused
    if mirrored and used < len(tests.cells.first) and tests.cells.edges[used] ** n < UNUSED:
        largest = int(tests.cells.first[used]) - 1
        yield Finding(
            "unused-ranks",
            f"No rank is above {largest}, and draws = {target.draws}: is it the number of draws "
            f"that the true values were ranked among?",
            target.draws - largest,
        )
