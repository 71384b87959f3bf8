"""Effect sizes of embeddings as a torchmetrics metric that merges exactly over processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from dmtest.arguments import whole
from dmtest.effects.gaussian import PARTS, estimable_parts
from dmtest.effects.shape import dispersion
from dmtest.effects.spectrum import thinned_ranks
from dmtest.engines.directions import random_directions
from dmtest.errors import InputError
from dmtest.results import effect_table as table
from dmtest.runtime.streams import entropy_of, stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.slices.wasserstein import null_mean
from dmtest.train.losses.charfun import EDGE, characteristic, grid, unbiased_distance
from dmtest.train.losses.prepare import no_autocast
from dmtest.train.losses.slices import SLICE_STATISTICS, Slices
from dmtest.train.watch.reservoir import add_rows, empty_reservoir, merge_reservoirs, reservoir_rows

# Period of the trapezoidal rule, which is exact while values of a slice lie within REACH of 0.
PERIOD = 64.0
REACH = 0.5 * (PERIOD - 6.8)
STEP = 2.0 * math.pi / PERIOD
NODES = math.ceil(EDGE / STEP)
# Most rows for Epps-Pulley where some lie beyond REACH.
FEW = 1024

# Effects that reports do not have.
EPPS_PULLEY, ISOTROPY, RANKME = "epps-pulley", "isotropy", "rankme"
EFFECTS = (
    table.KL_FITTED.name,
    table.KL_MEAN.name,
    table.KL_SCALE.name,
    table.KL_CORRELATION.name,
    table.SLICED_WASSERSTEIN.name,
    table.WORST_SLICE.name,
    EPPS_PULLEY,
    table.EFFECTIVE_RANK.name,
    table.PARTICIPATION_RATIO.name,
    RANKME,
    ISOTROPY,
    table.LENGTH_DISPERSION.name,
)


class DistributionMatch(Metric):
    """Effect sizes of the departure from the target, over all batches and processes.

    Moments and characteristic functions of slices are float64 sums, which add up exactly. Effects
    that sums cannot give use a uniform sample of at most ``rows`` rows, which does not depend on
    the order of batches and processes. Values are therefore those of one process with all rows.
    Rows that DistributedSampler repeats count twice.

    Parameters
    ----------
    d : int
        Columns of the embeddings.
    target : {"normal", "uniform"}
        N(0, I), or uniform on the unit cube (by normal scores).
    effects : iterable of str, optional
        Some of :data:`EFFECTS`; all by default.
    slices : int
        Number of fixed directions (1 for d = 1).
    rows : int
        Most rows of the sample: 8 (d + 1) bytes of memory each.
    seed : int
        Seed of directions and sample; has to be equal on all processes.
    **kwargs
        As for any ``torchmetrics.Metric``.

    Notes
    -----
    ``compute()`` returns a dict of float64 scalars by name. A value is NaN if there are too few
    rows, or if the covariance is singular and the effect infinite.

    ============================ =========================================================
    ``kl-fitted-normal``         KL(N(m, S) || N(0, I)) in nats, unbiased under normality
    ``kl-mean``                  its part from the mean
    ``kl-scale``                 from the variances
    ``kl-correlation``           from the correlations
    ``sliced-wasserstein-2``     root mean square over slices, sampling's part removed; from
                                 the row sample
    ``worst-slice``              largest over slices, sampling's part included; likewise
    ``epps-pulley``              integral of |phi - exp(-t^2/2)|^2 over N(0, 1), unbiased,
                                 mean over slices: 0 if they are normal, at any n
    ``effective-rank``           exp(entropy of the eigenvalues of the covariance), d at best
                                 (Roy & Vetterli 2007); bias of finite n removed; from the
                                 row sample
    ``participation-ratio``      (tr S)^2 / tr S^2 of the eigenvalues; likewise
    ``rankme``                   exp(entropy of the singular values of the rows), neither
                                 centred nor corrected (Garrido et al. 2023)
    ``isotropy``                 geometric over arithmetic mean of the eigenvalues of S, not
                                 corrected: low for n near d
    ``length-dispersion``        Var |x|^2 / 2d of rows scaled to unit variance, 1 at best;
                                 from the row sample
    ============================ =========================================================

    Examples
    --------
    >>> import torch
    >>> metric = DistributionMatch(d=4, effects=["kl-scale", "sliced-wasserstein-2"])
    >>> z = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
    >>> metric.update(z)
    >>> metric.update(1.5 * z)
    >>> {name: round(float(value), 2) for name, value in metric.compute().items()}
    {'kl-scale': 0.29, 'sliced-wasserstein-2': 0.29}
    """

    is_differentiable: bool | None = False
    higher_is_better: bool | None = None
    full_state_update: bool | None = False

    count: Tensor
    total: Tensor
    second: Tensor
    waves: Tensor
    farthest: Tensor
    reservoir: Tensor

    def __init__(
        self,
        d: int,
        target: Literal["normal", "uniform"] = "normal",
        effects: Iterable[str] | None = None,
        *,
        slices: int = 64,
        rows: int = 4096,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.d = whole("d", d, 1)
        if target not in ("normal", "uniform"):
            raise InputError(f"target: got {target!r}; choose 'normal' or 'uniform'.")
        self.target = target
        self.effects = known_effects(effects)
        self.rows = whole("rows", rows, 8)
        self.seed = entropy_of(seed)
        k = whole("slices", slices, 1) if d > 1 else 1
        u = random_directions(k, d, stream(self.seed, "train/directions"))
        self.directions = torch.from_numpy(u)
        self.sample: NDArray[np.float64] | None = None
        zeros = (("count", ()), ("total", (d,)), ("second", (d, d)), ("waves", (2, k, NODES)))
        for name, shape in zeros:
            self._state(name, torch.zeros(shape, dtype=torch.float64), "sum")
        self._state("farthest", torch.zeros((), dtype=torch.float64), "max")
        self._state("reservoir", empty_reservoir(self.rows, d), merge_reservoirs)

    def _state(self, name: str, default: Tensor, merge: str | Callable[[Tensor], Tensor]) -> None:
        self.add_state(name, default=default, dist_reduce_fx=merge)

    def update(self, z: Tensor) -> None:
        """Add a batch of embeddings, shape (n, d), without gradients."""
        if not isinstance(z, Tensor) or z.ndim != 2 or z.shape[1] != self.d:
            kind = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
            raise InputError(f"z: got {kind}; pass a tensor of shape (n, {self.d}).")
        if not len(z):
            return
        with no_autocast(z), torch.no_grad():
            rows = self._normal_scores(z.detach())
            if not bool(torch.isfinite(rows).all()):
                raise InputError(
                    f"z: {int((~torch.isfinite(rows)).any(dim=1).sum())} of {len(z)} rows are not "
                    f"finite; leave them out, or look at the loss."
                )
            slices = (rows @ self.directions.to(rows.device).T).T.contiguous()
            self.count = self.count + len(rows)
            self.total = self.total + rows.sum(dim=0)
            self.second = self.second + rows.T @ rows
            if EPPS_PULLEY in self.effects:
                self.waves = self.waves + len(rows) * characteristic(slices, STEP, NODES)
            self.farthest = torch.maximum(self.farthest, slices.abs().max())
            self.reservoir = add_rows(self.reservoir, rows, self.seed)

    def _normal_scores(self, z: Tensor) -> Tensor:
        rows = z.to(torch.float64)
        if self.target == "normal":
            return rows
        if bool(((rows < 0.0) | (rows > 1.0)).any()):
            raise InputError(
                "z: has values outside [0, 1], which target 'uniform' cannot give; end the encoder "
                "in a sigmoid, or choose target='normal'."
            )
        edge = 0.5 * torch.finfo(z.dtype if z.is_floating_point() else rows.dtype).eps / 2.0
        scores: Tensor = torch.special.ndtri(rows.clamp(edge, 1.0 - edge))
        return scores

    def compute(self) -> dict[str, Tensor]:
        """Return the effects by name, of the rows of all processes."""
        n = int(self.count)
        rows = reservoir_rows(self.reservoir)
        self.sample = rows.cpu().numpy()
        values = dict.fromkeys(EFFECTS, math.nan)
        if n >= 8:
            mean = (self.total / n).cpu().numpy()
            covariance = (self.second / n).cpu().numpy() - np.outer(mean, mean)
            values |= _moment_effects(mean, 0.5 * (covariance + covariance.T), n)
            values |= self._sampled_effects(rows, n)
        device = self.count.device
        return {
            name: torch.tensor(values[name], dtype=torch.float64, device=device)
            for name in self.effects
        }

    def _sampled_effects(self, rows: Tensor, n: int) -> dict[str, float]:
        slices = (rows @ self.directions.to(rows.device).T).T.contiguous()
        m = len(rows)
        statistic = SLICE_STATISTICS["squared-wasserstein"].function
        squared = statistic(Slices(slices, "known")).clamp(min=0.0)
        if float(self.farthest) <= REACH:
            distance = unbiased_distance(self.waves / n, STEP, n)
        else:
            # Beyond the period far values would count as near: use rows of the sample.
            few = slices[:, :FEW]
            step, nodes = grid(float(few.min()), float(few.max()))
            distance = unbiased_distance(characteristic(few, step, nodes), step, few.shape[1])
        assert self.sample is not None
        length = dispersion(self.sample, most=m).value
        ranks = thinned_ranks(self.sample)
        return {
            table.SLICED_WASSERSTEIN.name: table.SLICED_WASSERSTEIN.on_scale(
                float(squared.mean()) - null_mean(m)
            ),
            table.WORST_SLICE.name: table.WORST_SLICE.on_scale(float(squared.max())),
            EPPS_PULLEY: float(distance.mean()),
            table.EFFECTIVE_RANK.name: math.nan if ranks[0] is None else ranks[0][0],
            table.PARTICIPATION_RATIO.name: math.nan if ranks[1] is None else ranks[1][0],
            table.LENGTH_DISPERSION.name: math.nan if length is None else length,
        }


def _moment_effects(mean: Vector, covariance: Vector, n: int) -> dict[str, float]:
    """Return the effects that mean (d,) and 1/n covariance (d, d) determine and n rows estimate."""
    values: dict[str, float] = {}
    second = np.linalg.eigvalsh(covariance + np.outer(mean, mean))
    singular = np.sqrt(np.maximum(second, 0.0))
    if singular.any():
        shares = singular[singular > 0.0] / singular.sum()
        values[RANKME] = math.exp(-float(shares @ np.log(shares)))
    parts = estimable_parts(mean, covariance, n)
    if parts is not None:
        values |= {
            row.name: row.on_scale(float(part)) for row, part in zip(PARTS, parts, strict=True)
        }
        eigenvalues = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
        values[ISOTROPY] = math.exp(float(np.log(eigenvalues).mean())) / float(eigenvalues.mean())
    elif n > len(mean) + 1:
        values[ISOTROPY] = 0.0
    return values


def known_effects(effects: Iterable[str] | None) -> tuple[str, ...]:
    """Return the names of effects, all by default; refuse unknown ones."""
    names = EFFECTS if effects is None else (effects,) if isinstance(effects, str) else effects
    names = tuple(names)
    for name in names:
        if name not in EFFECTS:
            raise InputError(f"effects: got {name!r}; choose among {', '.join(EFFECTS)}.")
    return names
