"""Ranks 0..draws as a target: simulation-based calibration, rank histograms of ensembles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.arguments import whole
from dmtest.data.sample import Sample
from dmtest.errors import InputError
from dmtest.runtime.streams import stream
from dmtest.targets.canonical import Canonical, from_cube


class Ranks:
    """Ranks 0, 1, ..., draws, each equally likely, as in simulation-based calibration.

    Column j holds the ranks of one quantity: how many of its `draws` posterior draws (or ensemble
    members) are below the true value. Under a right posterior every rank is equally likely in every
    column. Columns may depend on each other, because parameters that are correlated in the
    posterior have correlated ranks. A report therefore tests the columns one by one, with exact
    tests of the counts, in which nothing is random but the Monte Carlo null; its p-value is valid
    whatever the dependence between columns.

    Tests of the cube need continuous values. They are applied to (rank + U) / (draws + 1) with U
    uniform from a fixed stream, which is exactly uniform where the ranks are.

    Parameters
    ----------
    draws : int
        Number of draws that a true value is ranked among: ranks are 0 to `draws`.
    independent : bool
        Whether the columns should also be independent of each other. A report then adds the tests
        of the cube, merged over several randomisations.
    randomisation : int
        Number of the randomisation; another number draws U anew.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> ranks = np.random.default_rng(0).integers(0, 21, size=(500, 2))
    >>> dmtest.report(ranks, dmtest.Ranks(20), rng=0).verdict
    'compatible'
    """

    fitted = False

    def __init__(self, draws: int, *, independent: bool = False, randomisation: int = 0) -> None:
        self.draws = whole("draws", draws, 1)
        if not isinstance(independent, bool):
            raise InputError(f"independent: got {independent!r}; pass True or False.")
        self.independent = independent
        self.randomisation = whole("randomisation", randomisation, 0)

    @property
    def name(self) -> str:
        """``"ranks(20)"``, or ``"ranks(20, independent)"``."""
        return f"ranks({self.draws}{', independent' if self.independent else ''})"

    def __repr__(self) -> str:
        more = ", independent=True" if self.independent else ""
        more += f", randomisation={self.randomisation}" if self.randomisation else ""
        return f"Ranks({self.draws}{more})"

    def randomised(self, randomisation: int) -> Ranks:
        """Return the same target with another randomisation."""
        return Ranks(self.draws, independent=self.independent, randomisation=randomisation)

    def ranks(self, sample: Sample) -> NDArray[np.intp]:
        """Return the ranks as integers, shape (n, d).

        Raises
        ------
        InputError
            If a value is no rank; the message says which, and the cure.
        """
        x = np.asarray(sample.x)
        bad = (x != np.floor(x)) | (x < 0) | (x > self.draws)
        if bad.any():
            raise InputError(self._refusal(x, bad, sample.names))
        return x.astype(np.intp)

    def _refusal(
        self, x: NDArray[Any], bad: NDArray[np.bool_], names: tuple[str, ...] | None
    ) -> str:
        row, column = (int(i) for i in np.argwhere(bad)[0])
        label = repr(names[column]) if names else column
        rows = int(bad.any(axis=1).sum())
        start = (
            f"data: target Ranks({self.draws}) takes the ranks 0, 1, ..., {self.draws}; {rows} "
            f"rows have another value (first: {x[row, column]:g} in row {row}, column {label})"
        )
        whole_numbers = bool((x == np.floor(x)).all())
        if not whole_numbers:
            cure = "pass counts of draws below the true value, or target='uniform' for PIT values"
        elif x.min() == 1 and x.max() == self.draws + 1:
            cure = "these ranks begin at 1: subtract 1"
        elif x.min() < 0:
            cure = "pass counts of draws below the true value"
        else:
            cure = f"pass the number of draws as Ranks(draws), here at least {x.max():.0f}"
        return f"{start}; {cure}."

    def canonical(self, sample: Sample) -> Canonical:
        """Return normal scores of (rank + U) / (draws + 1), with U from a fixed stream."""
        ranks = self.ranks(sample)
        steps = stream(0, "ranks/steps", self.randomisation).random(ranks.shape)
        canonical = from_cube((ranks + steps) / (self.draws + 1.0))
        return replace(canonical, findings=())
