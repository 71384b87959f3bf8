"""Critics T(x, y) of x = f(X') and y = f(X) + Z, on the scale of pointwise information, in nats."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from dmtest.errors import InputError
from dmtest.train.model.noise import Noise

# Most pairs whose hidden layers a learned critic holds in memory.
PAIRS = 1 << 16
# Initial invariance error of the calibrated critic, and its learning rate as a multiple of the
# encoder's.
START, FASTER = 0.5, 10.0
# Scale of the smooth uniform dual, as a share of epsilon; the exact dual has no gradient for
# distant pairs.
SOFTNESS = 0.125


class Critic(nn.Module):
    """A critic: x (m, d) and y (k, d) to scores (k, m) in nats, T[i, j] = T(x_j, y_i)."""

    def __init__(self, dim: int, noise: Noise) -> None:
        super().__init__()
        self.dim, self.noise = dim, noise

    rate = 1.0  # learning rate, as a multiple of the encoder's


class Dual(Critic):
    """The closed form of Theorem 4.1 plus the capacity: the best critic of a perfect encoder.

    ``C + |y|^2 / (2 (1 + sigma^2)) - |y - x|^2 / (2 sigma^2)``.
    """

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score all pairs."""
        s2 = self.noise.level**2
        lengths = y.square().sum(1, keepdim=True)
        gaps = lengths + x.square().sum(1) - 2.0 * (y @ x.T)
        return self.noise.capacity(self.dim) + lengths / (2.0 * (1.0 + s2)) - gaps / (2.0 * s2)


class Calibrated(Critic):
    """The closed form with a learned gain a and width tau in every dimension.

    ``log N(y; a x, diag tau^2) - log N(y; 0, (1 + sigma^2) I)``. The dual assumes that
    f(X') = f(X). This critic learns the departure from that: tau^2 tends to sigma^2 plus the error
    of the best linear prediction of f(X) from f(X').
    """

    rate = FASTER

    def __init__(self, dim: int, noise: Noise) -> None:
        super().__init__(dim, noise)
        width = math.hypot(noise.level, START)
        self.gain = nn.Parameter(torch.ones(dim))
        self.log_width = nn.Parameter(torch.full((dim,), math.log(width)))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score all pairs."""
        width = self.log_width.exp()
        total = 1.0 + self.noise.level**2
        u, v = y / width, self.gain * x / width
        lengths = y.square().sum(1, keepdim=True)
        gaps = u.square().sum(1, keepdim=True) + v.square().sum(1) - 2.0 * (u @ v.T)
        constant = 0.5 * self.dim * math.log(total) - self.log_width.sum()
        return constant + lengths / (2.0 * total) - 0.5 * gaps


class UniformDual(Critic):
    """The dual of the uniform target: log of a box around x over the trapezoid density of y.

    The box is convolved with a logistic law, because the log of the exact one is minus infinity
    where |y - x| > epsilon. Its scale is epsilon / 8. With ``learned=True`` (the calibrated form)
    scale and a gain about the middle of the cube are learned in every dimension.
    """

    def __init__(self, dim: int, noise: Noise, learned: bool = False) -> None:
        super().__init__(dim, noise)
        start = SOFTNESS * noise.level if not learned else 0.25 * math.hypot(noise.level, 0.1)
        scale, gain = torch.full((dim,), math.log(start)), torch.ones(dim)
        if learned:
            self.log_scale, self.gain = nn.Parameter(scale), nn.Parameter(gain)
        else:
            self.register_buffer("log_scale", scale)
            self.register_buffer("gain", gain)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score all pairs."""
        e = self.noise.level
        scores = torch.zeros(len(y), len(x), device=x.device, dtype=x.dtype)
        for i in range(self.dim):
            scale = self.log_scale[i].exp()
            centre = 0.5 + self.gain[i] * (x[:, i] - 0.5)
            gap = (y[:, i, None] - centre) / scale
            half = e / scale
            box = functional.logsigmoid(half + gap) + functional.logsigmoid(half - gap)
            overlap = (y[:, i] + e).clamp(max=1.0) - (y[:, i] - e).clamp(min=0.0)
            # Box and trapezoid both have the factor 1 / (2 epsilon), which cancels.
            scores = scores + box + torch.log(-torch.expm1(-2.0 * half))
            scores = scores - overlap.clamp(min=1e-6 * e).log()[:, None]
        return scores


class CalibratedUniform(UniformDual):
    """The uniform dual with learned scale and gain."""

    rate = FASTER

    def __init__(self, dim: int, noise: Noise) -> None:
        super().__init__(dim, noise, learned=True)


class Learned(Critic):
    """The critic of Table 2: Dense(2 dim, 256), Dense(256, 256), Dense(256, 1) on every pair.

    Pairs are scored in blocks whose hidden layers are recomputed for the gradient, so memory does
    not grow with the number of pairs.
    """

    def __init__(self, dim: int, noise: Noise, hidden: int = 256) -> None:
        super().__init__(dim, noise)
        self.of_x = nn.Linear(dim, hidden)
        self.of_y = nn.Linear(dim, hidden, bias=False)  # both: one layer on (x, y)
        bound = 1.0 / math.sqrt(2 * dim)
        for weight in (self.of_x.weight, self.of_y.weight, self.of_x.bias):
            nn.init.uniform_(weight, -bound, bound)
        self.rest = nn.Sequential(
            nn.LeakyReLU(0.01),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.01),
            nn.Linear(hidden, 1),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score all pairs."""
        left, right = self.of_x(x), self.of_y(y)
        size = max(1, PAIRS // len(x))

        def block(part: Tensor) -> Tensor:
            scores: Tensor = self.rest(part[:, None] + left).squeeze(-1)
            return scores

        parts = right.split(size)
        if len(parts) == 1:
            return block(right)
        return torch.cat([checkpoint(block, part, use_reentrant=False) for part in parts])


class Separable(Critic):
    """Scalar product of two projection heads, divided by a learned temperature."""

    def __init__(self, dim: int, noise: Noise, hidden: int = 256, width: int = 64) -> None:
        super().__init__(dim, noise)

        def head() -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(dim, hidden), nn.LeakyReLU(0.01), nn.Linear(hidden, width)
            )

        self.of_x, self.of_y = head(), head()
        self.of_y_alone = nn.Sequential(
            nn.Linear(dim, hidden), nn.LeakyReLU(0.01), nn.Linear(hidden, 1)
        )
        self.log_temperature = nn.Parameter(torch.tensor(0.5 * math.log(width)))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score all pairs."""
        scaled = self.of_x(x) * torch.exp(-self.log_temperature)
        scores: Tensor = self.of_y(y) @ scaled.T + self.of_y_alone(y)
        return scores


CRITICS: dict[str, dict[str, type[Critic]]] = {
    "calibrated": {"normal": Calibrated, "uniform": CalibratedUniform},
    "dual": {"normal": Dual, "uniform": UniformDual},
    "learned": {"normal": Learned, "uniform": Learned},
    "separable": {"normal": Separable, "uniform": Separable},
}


def build_critic(name: str, dim: int, noise: Noise) -> Critic:
    """Return the critic `name`: "calibrated", "dual", "learned" or "separable".

    Raises
    ------
    InputError
        If there is no such critic, or it needs noise and the level is 0.
    """
    if name not in CRITICS:
        raise InputError(f"critic: got {name!r}; choose one of {', '.join(map(repr, CRITICS))}.")
    needs_noise = name == "dual" or (name == "calibrated" and noise.target == "uniform")
    if noise.level == 0.0 and needs_noise:
        raise InputError(
            f"critic: {name!r} is the density of the noise, and {noise.name} is 0; choose "
            f"critic='separable' or 'learned'"
            + (", or 'calibrated'." if noise.target == "normal" else ".")
        )
    return CRITICS[name][noise.target](dim, noise)
