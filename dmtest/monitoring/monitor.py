"""Sequential test of a stream of batches: evidence against the target that is valid at any time."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from dmtest import arguments
from dmtest.data.sample import CURE_OF_FEW, MINIMUM_ROWS, Sample, as_sample
from dmtest.errors import InputError
from dmtest.monitoring.betting import Bets, bet_in_words
from dmtest.results.outcome import Finding
from dmtest.results.shown import Shown
from dmtest.runtime.typing import Vector
from dmtest.targets.ranks import Ranks
from dmtest.targets.targets import Target, TargetLike, as_target

# Share of the capital that is not bet, so the bets can lose no more than the rest (before the
# redistribution below).
CASH = 0.5
# After batch t a share 1 / (t + DELAY) of all capital is redistributed.
DELAY = 20.0
# Rows of the first batch that identify the target's transform in a file.
PROBE_ROWS = 4


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MonitorState(Shown):
    """Evidence against the target so far.

    Attributes
    ----------
    e_value : float
        Present evidence: the capital of a bettor who began with 1 and whose bets are fair under
        the target. Large values are evidence against the target; infinite after a row that is
        impossible under it.
    log_e_value : float
        Natural logarithm of `e_value`, which does not overflow.
    largest : float
        Largest `e_value` so far.
    pvalue : float
        min(1, 1 / largest): valid at any time, however often it is read and whenever the stream
        is stopped.
    n, batches : int
        Rows and batches so far.
    alpha : float
    rejected : bool
        Whether `largest` has reached 1 / alpha; never reverts to False.
    rejected_at : int or None
        Rows up to the end of the batch in which that happened.
    leading : str
        What the bets test that have gained most so far.
    sentence : str
        The state in words.
    findings : tuple of Finding
        Findings in the values of the last batch.
    """

    e_value: float
    log_e_value: float
    largest: float
    pvalue: float
    n: int
    batches: int
    alpha: float
    rejected: bool
    rejected_at: int | None
    leading: str
    sentence: str
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


class Monitor:
    """Test a stream batch by batch, with an error probability that holds at all times jointly.

    The evidence is an e-process: if rows are independent and follow the target, the probability
    that it ever reaches 1 / alpha is at most alpha (Ville 1939). The state may therefore be read
    after every batch, without limit, and the stream may be stopped at any time. The evidence is the
    capital of many bets that are exactly fair (:mod:`dmtest.monitoring.betting`): on the mean,
    variance and shape of every column and of random slices, of all columns jointly, on the whole
    covariance and on the lengths of the rows, for small and large departures and for short and
    long memories. Half of the capital is not bet. After batch t a share 1 / (t + 20) of all capital
    is redistributed (fixed share: Herbster & Warmuth 1998; Vovk 2021), so that a drift that begins
    late is detected as well.

    Parameters
    ----------
    target : str or target object
        A fully specified target: ``"normal"``, ``"uniform"``, or Normal, Uniform, Product. For
        any-normal, pass Normal(mean, cov) with moments measured on other rows.
    d : int, optional
        Number of columns; by default that of the first batch.
    alpha : float
        Probability of ever rejecting a stream that follows the target.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> rng = np.random.default_rng(0)
    >>> monitor = dmtest.Monitor("normal")
    >>> for _ in range(20):
    ...     state = monitor.update(rng.standard_normal((256, 8)))
    >>> state.rejected
    False
    >>> for _ in range(20):
    ...     state = monitor.update(rng.standard_normal((256, 8)) + 0.1 * (np.arange(8) == 3))
    >>> state.rejected, state.leading
    (True, 'the mean or variance of column 3')
    """

    def __init__(
        self, target: TargetLike = "normal", d: int | None = None, *, alpha: float = 0.05
    ) -> None:
        self.target: Target = as_target(target)
        if self.target.fitted or self.target.name == "sphere":
            raise InputError(
                f"target: a monitor bets against a fully specified law, and {self.target.name!r} "
                f"is none; use 'normal', 'uniform', Normal(mean, cov), Uniform(low, high) or "
                f"Product(margins)."
            )
        self.alpha = arguments.level("alpha", alpha, 0.05)
        self.n = self.batches = 0
        self.names: tuple[str, ...] | None = None
        self.probe: Vector | None = None
        self.outside = 0
        self.log_largest = 0.0
        self.rejected_at: int | None = None
        self.findings: tuple[Finding, ...] = ()
        self.bets: Bets | None = None if d is None else Bets(arguments.whole("d", d, 1))
        self.cash = math.log(CASH)
        self.capital: dict[str, Vector] = {}
        self.gains: dict[str, Vector] = {}

    def __repr__(self) -> str:
        """Return one line; `state` has the evidence."""
        width = "any d" if self.d is None else f"d={self.d}"
        now = self.state
        outcome = (
            "compatible" if now.rejected_at is None else f"rejected at row {now.rejected_at:,}"
        )
        return (
            f"<Monitor of target {self.target.name!r}, {width}: {outcome}, {now.n:,} rows, "
            f"p={now.pvalue:.2g}, alpha={now.alpha:g}>"
        )

    def _repr_html_(self) -> str:
        """Return the state for notebooks."""
        return self.state._repr_html_()

    @property
    def d(self) -> int | None:
        """Number of columns; None before the first batch unless it was passed."""
        return None if self.bets is None else self.bets.d

    def update(self, batch: Any, *, key: str | None = None, columns: Any = None) -> MonitorState:
        """Bet on the next batch and return the state.

        Parameters
        ----------
        batch : array_like, frame, tensor or path, shape (n, d)
            At least 8 rows, independent of each other and of earlier ones; join smaller batches.
            Sizes may differ and depend on earlier batches, but not on the rows themselves.
        key, columns
            As for :func:`dmtest.report`.

        Raises
        ------
        InputError
            If the batch cannot be used; the state is then unchanged.
        """
        sample = self._read(batch, key, columns)
        if self.d not in (None, sample.d):
            raise InputError(
                f"batch: has {sample.d} columns; this monitor watches d = {self.d}; choose the "
                f"same with columns=..., or begin another."
            )
        target = self.target
        if isinstance(target, Ranks):
            if sample.d > 1 and not target.independent:
                raise InputError(
                    f"target: a monitor bets on columns jointly, and the ranks of {sample.d} "
                    f"quantities may depend on each other; watch each with a monitor of its own, "
                    f"or pass Ranks({target.draws}, independent=True)."
                )
            # The next batch may not reuse steps that earlier ones have made known.
            target = target.randomised(self.batches)
        canonical = target.canonical(sample)
        if self.bets is None:
            self.bets = Bets(sample.d)
        if self.probe is None:
            self.probe, self.names = np.array(sample.x[:PROBE_ROWS], dtype=np.float64), sample.names
        self._settle(self.bets.place(canonical.rows))
        self.n, self.batches = self.n + sample.n, self.batches + 1
        self.outside += canonical.outside
        self.findings = sample.findings + canonical.findings
        self.log_largest = max(self.log_largest, self._log_total)
        if self.rejected_at is None and self.log_largest >= -math.log(self.alpha):
            self.rejected_at = self.n
        self._redistribute()
        return self.state

    def _read(self, batch: Any, key: str | None, columns: Any) -> Sample:
        """Validate a batch, which messages call by that name."""
        try:
            sample = as_sample(batch, key=key, columns=columns)
        except InputError as error:
            text = str(error).replace(
                CURE_OF_FEW, f"join batches until there are at least {MINIMUM_ROWS} rows"
            )
            raise InputError(f"batch:{text[5:]}" if text.startswith("data:") else text) from None
        if sample.d == 1 and sample.n == self.d:
            raise InputError(
                f"batch: has {sample.n} rows of 1 value, as one row of the {self.d} columns of "
                f"this monitor is read; join such rows to shape (n, {self.d}), n >= {MINIMUM_ROWS}."
            )
        return sample

    def _settle(self, values: dict[str, Vector]) -> None:
        if not self.capital:
            share = math.log((1.0 - CASH) / len(values))
            self.capital = {
                g: np.full(v.shape, share - math.log(v.size)) for g, v in values.items()
            }
            self.gains = {group: np.zeros(v.shape) for group, v in values.items()}
        for group, value in values.items():
            self.capital[group] = self.capital[group] + value
            # Largest gain over any run of batches up to now; only `leading` uses it.
            self.gains[group] = np.maximum(self.gains[group], 0.0) + value

    @property
    def _log_total(self) -> float:
        if self.outside:
            return math.inf
        bets = [float(logsumexp(value)) for value in self.capital.values()]
        return float(logsumexp([self.cash, *bets]))

    def _redistribute(self) -> None:
        if self.outside:
            return
        share = 1.0 / (self.batches + DELAY)
        keep, pool = math.log1p(-share), math.log(share) + self._log_total
        self.cash = float(np.logaddexp(self.cash + keep, pool + math.log(CASH)))
        each = pool + math.log((1.0 - CASH) / len(self.capital))
        for group, value in self.capital.items():
            self.capital[group] = np.logaddexp(value + keep, each - math.log(value.size))

    @property
    def state(self) -> MonitorState:
        """The state after the last batch."""
        log = self._log_total if self.batches else 0.0
        largest = math.inf if self.log_largest > 709.0 else math.exp(self.log_largest)
        pvalue = min(1.0, math.exp(-self.log_largest))
        if not math.isinf(self.log_largest):  # 0 is left to rows that are impossible
            pvalue = max(pvalue, sys.float_info.min)
        leading = self._leading()
        return MonitorState(
            e_value=math.inf if log > 709.0 else math.exp(log),
            log_e_value=log,
            largest=largest,
            pvalue=pvalue,
            n=self.n,
            batches=self.batches,
            alpha=self.alpha,
            rejected=self.rejected_at is not None,
            rejected_at=self.rejected_at,
            leading=leading,
            sentence=self._sentence(pvalue, leading),
            findings=self.findings,
        )

    def _leading(self) -> str:
        if self.outside:
            rows = "row" if self.outside == 1 else "rows"
            return f"{self.outside} {rows} that the target cannot give"
        if not self.gains or self.bets is None:
            return ""
        # Weighted by the prior: among thousands of bets some gain by chance.
        scores = {g: v - math.log(v.size) for g, v in self.gains.items()}
        group = max(scores, key=lambda name: float(scores[name].max()))
        member = int(np.unravel_index(scores[group].argmax(), scores[group].shape)[0])
        return bet_in_words(group, member, self.names)

    def _sentence(self, pvalue: float, leading: str) -> str:
        batches = "1 batch" if self.batches == 1 else f"{self.batches:,} batches"
        count = f"{self.n:,} rows in {batches}"
        name = self.target.name
        if self.rejected_at is not None:
            return (
                f"These rows do not follow target {name!r}: by row {self.rejected_at:,} the "
                f"evidence had passed 1 / alpha = {1.0 / self.alpha:g} (p = {pvalue:.2g}, valid at "
                f"any time, after {count}); strongest evidence: {leading}."
            )
        return (
            f"Still compatible with target {name!r} after {count} (p = {pvalue:.2g}, valid at any "
            f"time; rejected at {self.alpha:g})."
        )

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the monitor as strict JSON, to resume from; write it if a path is given."""
        from dmtest.monitoring.saved import to_json

        return to_json(self, path)

    @classmethod
    def from_json(
        cls, path_or_text: str | os.PathLike[str], target: TargetLike | None = None
    ) -> Monitor:
        """Resume the monitor that `to_json` wrote: its numbers are those of an uninterrupted one.

        Parameters
        ----------
        path_or_text : path-like or str
            A file, or the JSON text itself, recognised by its opening brace.
        target : optional
            Required for targets that a file cannot hold (Normal(mean, cov), Product); refused if
            it differs from the stored one.

        Raises
        ------
        InputError
            If the file cannot be read, holds no monitor, or is incomplete.
        """
        from dmtest.monitoring.saved import from_json

        return from_json(cls, path_or_text, target)
