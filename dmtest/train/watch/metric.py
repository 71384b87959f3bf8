"""How far embeddings are from their target, as a torchmetrics metric that merges exactly."""

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
from dmtest.effects.shape import dispersion, effective_rank
from dmtest.engines.directions import random_directions
from dmtest.errors import InputError
from dmtest.results import effect_table as table
from dmtest.runtime.streams import entropy_of, stream
from dmtest.statistics.slices.wasserstein import null_mean
from dmtest.train.losses.charfun import EDGE, characteristic, grid, unbiased_distance
from dmtest.train.losses.lines import LINES, Lines
from dmtest.train.losses.prepare import plain
from dmtest.train.watch.reservoir import empty_reservoir, merged, offered, rows_held

__all__ = ["EFFECTS", "DistributionMatch", "known_effects"]

Vector = NDArray[np.float64]

# Period of the trapezoidal rule: exact while values of a slice lie within REACH of 0.
PERIOD = 64.0
REACH = 0.5 * (PERIOD - 6.8)
STEP = 2.0 * math.pi / PERIOD
NODES = math.ceil(EDGE / STEP)
# Rows that Epps-Pulley is computed from where some lie beyond REACH.
FEW = 1024

# Two that reports do not have.
EPPS_PULLEY, ISOTROPY = "epps-pulley", "isotropy"
EFFECTS = (
    table.KL_FITTED.name,
    table.KL_MEAN.name,
    table.KL_SCALE.name,
    table.KL_CORRELATION.name,
    table.SLICED_WASSERSTEIN.name,
    table.WORST_SLICE.name,
    EPPS_PULLEY,
    table.EFFECTIVE_RANK.name,
    ISOTROPY,
    table.LENGTH_DISPERSION.name,
)


class DistributionMatch(Metric):
    """Effect sizes of the distance from the target, over all batches and processes.

    Sums that add up exactly (in float64) carry the moments and the characteristic functions of
    slices; ``rows`` of the rows are kept, a uniform sample that is the same whatever processes
    and batches they came in, for what sums cannot give. Values are therefore those of one
    process that saw everything. Under DistributedSampler rows that it repeats count twice.

    Parameters
    ----------
    d : int
        Columns of the embeddings.
    target : {"normal", "uniform"}
        N(0, I), or the unit cube (by normal scores).
    effects : iterable of str, optional
        Which of :data:`EFFECTS`; all by default.
    slices : int
        Fixed directions (1 for d = 1).
    rows : int
        Most rows that are kept: memory of 8 (d + 1) bytes each.
    seed : int
        Of the directions and the sample; equal on all processes.
    **kwargs
        As for any ``torchmetrics.Metric``.

    Notes
    -----
    ``compute()`` returns a dict of float64 scalars by name; NaN where there are too few rows, or
    the covariance is singular and the effect is infinite.

    ============================ =========================================================
    ``kl-fitted-normal``         KL(N(m, S) || N(0, I)) in nats, unbiased under normality
    ``kl-mean``                  its part from the mean
    ``kl-scale``                 from the variances
    ``kl-correlation``           from the correlations
    ``sliced-wasserstein-2``     root mean square over slices, sampling's part removed; of
                                 the rows kept
    ``worst-slice``              the largest of a slice, sampling's part included; likewise
    ``epps-pulley``              integral of |phi - exp(-t^2/2)|^2 over N(0, 1), unbiased,
                                 mean over slices: 0 if they are normal, at any n
    ``effective-rank``           (tr S)^2 / tr S^2, d at best
    ``isotropy``                 geometric over arithmetic mean of the eigenvalues of S
    ``length-dispersion``        Var |x|^2 / 2d of rows scaled to unit variance, 1 at best;
                                 of the rows kept
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
    kept: Tensor

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
        self._state("kept", empty_reservoir(self.rows, d), merged)

    def _state(self, name: str, default: Tensor, merge: str | Callable[[Tensor], Tensor]) -> None:
        self.add_state(name, default=default, dist_reduce_fx=merge)

    def update(self, z: Tensor) -> None:
        """Take a batch of embeddings, shape (n, d); no gradients are kept."""
        if not isinstance(z, Tensor) or z.ndim != 2 or z.shape[1] != self.d:
            found = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
            raise InputError(f"z: got {found}; pass a tensor of shape (n, {self.d}).")
        if not len(z):
            return
        with plain(z), torch.no_grad():
            rows = self._normal_scores(z.detach())
            if not bool(torch.isfinite(rows).all()):
                raise InputError(
                    f"z: {int((~torch.isfinite(rows)).any(dim=1).sum())} of {len(z)} rows are not "
                    f"finite; leave them out, or look at the loss."
                )
            lines = (rows @ self.directions.to(rows.device).T).T.contiguous()
            self.count = self.count + len(rows)
            self.total = self.total + rows.sum(dim=0)
            self.second = self.second + rows.T @ rows
            if EPPS_PULLEY in self.effects:
                self.waves = self.waves + len(rows) * characteristic(lines, STEP, NODES)
            self.farthest = torch.maximum(self.farthest, lines.abs().max())
            self.kept = offered(self.kept, rows, self.seed)

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
        """Return the chosen effects by name, of the rows of all processes."""
        n = int(self.count)
        rows = rows_held(self.kept)
        self.sample = rows.cpu().numpy()
        values = dict.fromkeys(EFFECTS, math.nan)
        if n >= 8:
            mean = (self.total / n).cpu().numpy()
            covariance = (self.second / n).cpu().numpy() - np.outer(mean, mean)
            values |= _of_moments(mean, 0.5 * (covariance + covariance.T), n)
            values |= self._of_slices(rows, n)
        device = self.count.device
        return {
            name: torch.tensor(values[name], dtype=torch.float64, device=device)
            for name in self.effects
        }

    def _of_slices(self, rows: Tensor, n: int) -> dict[str, float]:
        lines = (rows @ self.directions.to(rows.device).T).T.contiguous()
        m = len(rows)
        squared = LINES["squared-wasserstein"].function(Lines(lines, "known")).clamp(min=0.0)
        if float(self.farthest) <= REACH:
            distance = unbiased_distance(self.waves / n, STEP, n)
        else:
            # Beyond the period far rows would count as near: take rows at hand.
            few = lines[:, :FEW]
            step, nodes = grid(float(few.min()), float(few.max()))
            distance = unbiased_distance(characteristic(few, step, nodes), step, few.shape[1])
        assert self.sample is not None
        length = dispersion(self.sample, most=m).value
        return {
            table.SLICED_WASSERSTEIN.name: table.SLICED_WASSERSTEIN.shown(
                float(squared.mean()) - null_mean(m)
            ),
            table.WORST_SLICE.name: table.WORST_SLICE.shown(float(squared.max())),
            EPPS_PULLEY: float(distance.mean()),
            table.LENGTH_DISPERSION.name: math.nan if length is None else length,
        }


def _of_moments(mean: Vector, covariance: Vector, n: int) -> dict[str, float]:
    """Effects that mean (d,) and 1/n covariance (d, d) determine; none that is not estimable."""
    rank = effective_rank(covariance)
    found = {} if rank is None else {table.EFFECTIVE_RANK.name: rank}
    parts = estimable_parts(mean, covariance, n)
    if parts is not None:
        found |= {row.name: row.shown(float(part)) for row, part in zip(PARTS, parts, strict=True)}
        sizes = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
        found[ISOTROPY] = math.exp(float(np.log(sizes).mean())) / float(sizes.mean())
    elif n > len(mean) + 1:
        found[ISOTROPY] = 0.0
    return found


def known_effects(effects: Iterable[str] | None) -> tuple[str, ...]:
    """Return the names of effects that are known, all by default."""
    names = EFFECTS if effects is None else (effects,) if isinstance(effects, str) else effects
    names = tuple(names)
    for name in names:
        if name not in EFFECTS:
            raise InputError(f"effects: got {name!r}; choose among {', '.join(EFFECTS)}.")
    return names
