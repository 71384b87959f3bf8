"""Is a stream of batches still compatible with its target? Evidence valid at any time."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from dmtest import arguments
from dmtest.data.sample import as_sample
from dmtest.errors import InputError
from dmtest.monitoring.betting import Bets, said
from dmtest.results.outcome import Finding
from dmtest.targets.targets import Target, TargetLike, as_target

__all__ = ["Monitor", "MonitorState"]

Vector = NDArray[np.float64]

# Capital that is not bet: what bets may lose at most, but for the sharing below.
CASH = 0.5
# After batch t a share 1 / (t + DELAY) of all capital is dealt out anew.
DELAY = 20.0
PROBED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorState:
    """What a stream has come to.

    Attributes
    ----------
    e_value : float
        Evidence now: the capital of a bettor who began with 1 and whose bets are fair under the
        target. Large values speak against the target; infinite after a row that it cannot give.
    log_e_value : float
        Its natural logarithm, which does not overflow.
    largest : float
        The largest it has been.
    pvalue : float
        min(1, 1 / largest): valid at any time, however often one looks and whenever one stops.
    n, batches : int
        Rows and batches so far.
    alpha : float
    rejected : bool
        Whether `largest` has reached 1 / alpha; stays so.
    rejected_at : int or None
        Rows after the batch in which that happened.
    leading : str
        What the bets look at that gained most so far.
    sentence : str
        All of this for a reader.
    findings : tuple of Finding
        What the last batch's values say about themselves.
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
    """Watch a stream of batches, with an error probability that holds at every time at once.

    The evidence is an e-process: under the target, batches of independent rows, the probability
    that it ever reaches 1 / alpha is at most alpha (Ville 1939), so one may look after every
    batch, for ever, and stop when one likes. It is the capital of many bets whose fairness is
    exact (:mod:`dmtest.monitoring.betting`): on the mean, variance and shape of every column and of
    random slices, of all columns together, on the whole covariance and on the rows' lengths, for
    small and large departures and for short and long memories. Half of the capital is kept in hand,
    and after batch t a share 1 / (t + 20) of all is dealt out anew (fixed share: Herbster &
    Warmuth 1998; Vovk 2021), so that drift which begins late is seen as well.

    Parameters
    ----------
    target : str or target object
        ``"normal"``, ``"uniform"``, or Normal, Uniform, Product: fully specified. For
        any-normal give the Normal(mean, cov) that was measured on other rows.
    d : int, optional
        Columns; by default those of the first batch.
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

    @property
    def d(self) -> int | None:
        """Columns; None before the first batch, if they were not given."""
        return None if self.bets is None else self.bets.d

    def update(self, batch: Any, *, key: str | None = None, columns: Any = None) -> MonitorState:
        """Take the next batch and return the state.

        Parameters
        ----------
        batch : array_like, frame, tensor or path, shape (n, d)
            At least 8 rows, independent of each other and of those before; put smaller batches
            together. Sizes may differ and depend on earlier batches, not on the rows themselves.
        key, columns
            As for :func:`dmtest.report`.

        Raises
        ------
        InputError
            If the batch cannot be used; the state is then as it was.
        """
        sample = as_sample(batch, key=key, columns=columns)
        if self.d not in (None, sample.d):
            raise InputError(
                f"batch: has {sample.d} columns; this monitor watches d = {self.d}; choose the "
                f"same with columns=..., or begin another."
            )
        canonical = self.target.canonical(sample)
        if self.bets is None:
            self.bets = Bets(sample.d)
        if self.probe is None:
            self.probe, self.names = np.array(sample.x[:PROBED], dtype=np.float64), sample.names
        self._settle(self.bets.place(canonical.rows))
        self.n, self.batches = self.n + sample.n, self.batches + 1
        self.outside += canonical.outside
        self.findings = sample.findings + canonical.findings
        self.log_largest = max(self.log_largest, self._log_total)
        if self.rejected_at is None and self.log_largest >= -math.log(self.alpha):
            self.rejected_at = self.n
        self._deal()
        return self.state

    def _settle(self, values: dict[str, Vector]) -> None:
        if not self.capital:
            share = math.log((1.0 - CASH) / len(values))
            self.capital = {
                g: np.full(v.shape, share - math.log(v.size)) for g, v in values.items()
            }
            self.gains = {group: np.zeros(v.shape) for group, v in values.items()}
        for group, value in values.items():
            self.capital[group] = self.capital[group] + value
            # A bet's best run until now, from whenever it began: only to name what leads.
            self.gains[group] = np.maximum(self.gains[group], 0.0) + value

    @property
    def _log_total(self) -> float:
        if self.outside:
            return math.inf
        held = [float(logsumexp(value)) for value in self.capital.values()]
        return float(logsumexp([self.cash, *held]))

    def _deal(self) -> None:
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
        # Prior weights count: of thousands of bets some gain by chance.
        scores = {g: v - math.log(v.size) for g, v in self.gains.items()}
        group = max(scores, key=lambda name: float(scores[name].max()))
        member = int(np.unravel_index(scores[group].argmax(), scores[group].shape)[0])
        return said(group, member, self.names)

    def _sentence(self, pvalue: float, leading: str) -> str:
        count = f"{self.n:,} rows in {self.batches:,} batches"
        name = self.target.name
        if self.rejected_at is not None:
            return (
                f"These rows do not follow target {name!r}: by row {self.rejected_at:,} the "
                f"evidence had passed 1 / alpha = {1.0 / self.alpha:g} (p = {pvalue:.2g}, valid at "
                f"any time, after {count}); what shows it most: {leading}."
            )
        return (
            f"Still compatible with target {name!r} after {count} (p = {pvalue:.2g}, valid at any "
            f"time; rejected at {self.alpha:g})."
        )

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the monitor as strict JSON, to go on from later; write it if a path is given."""
        from dmtest.monitoring.saved import written

        return written(self, path)

    @classmethod
    def from_json(
        cls, path_or_text: str | os.PathLike[str], target: TargetLike | None = None
    ) -> Monitor:
        """Go on from what `to_json` wrote: the same numbers as if it had never stopped.

        Parameters
        ----------
        path_or_text : path-like or str
            A file, or the JSON text itself (told by its opening brace).
        target : optional
            Needed for targets that a file cannot hold (Normal(mean, cov), Product); refused if
            it is another.

        Raises
        ------
        InputError
            If it cannot be read, is no monitor's, or is incomplete.
        """
        from dmtest.monitoring.saved import restored

        return restored(cls, path_or_text, target)
