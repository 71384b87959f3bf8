"""Published losses that match a distribution, for comparisons with injected noise.

SIGReg (LeJEPA), VICReg, SimCLR, and the discriminator of adversarial autoencoders and of Deep
InfoMax's prior matching. The post-hoc map is :func:`dmtest.train.evaluate.rbig.gaussianise`.
Losses are pure functions of embeddings (n, d). Their scales differ: each is that of its paper.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from dmtest.arguments import positive, whole
from dmtest.errors import InputError
from dmtest.runtime.streams import stream

Prior: TypeAlias = Literal["normal", "uniform"]

# LeJEPA's quadrature of the characteristic function: 17 knots from -5 to 5.
KNOTS, RANGE = 17, 5.0
# VICReg adds this to a variance, because the square root has no gradient at 0.
FLOOR = 1e-4


def random_directions(d: int, count: int, seed: int, step: int = 0, device: Any = None) -> Tensor:
    """Draw unit vectors, uniform on the sphere: (d, count), always the same for a seed and step."""
    vectors = stream(seed, "matching/directions", step).standard_normal((d, count))
    vectors /= (vectors * vectors).sum(axis=0) ** 0.5
    return torch.as_tensor(vectors, dtype=torch.float32, device=device)


def sigreg(z: Tensor, directions: Tensor) -> Tensor:
    """SIGReg: LeJEPA's sliced Epps-Pulley statistic for N(0, I), averaged over directions.

    It is n times the integral from -5 to 5 of |phi_n(t) - exp(-t^2/2)|^2 exp(-t^2/2) dt by the
    trapezoidal rule on 17 knots. Apart from the error of the rule, that is sqrt(2 pi) times
    dmtest's ``epps-pulley`` with known parameters, whose weight is a density. The value grows with
    n. Balestriero & LeCun (2025), arXiv 2511.08544.

    The knots are 0.625 apart, so the statistic depends on values modulo 16 pi / 5 = 10.05, and its
    gradient points outwards beyond about 5. Embeddings should start with standardised columns.

    To reproduce LeJEPA, call it once for each view and take the mean: the rows of `z` are one view
    of every image, and *all* views count, global and local ones. With weight lam the loss is
    ``(1 - lam) * prediction + lam * mean(sigreg(view) for view in views)``, where the prediction
    error is the mean squared distance of all views from the mean of the global views. Not the same:

    - all views in one `z`: rows of one image are then tested as if they were independent;
    - global views left out of the regulariser;
    - ``prediction + w * sigreg``, where the paper's lam is ``w / (1 + w)``;
    - knots from -3 to 3, as in the authors' minimal example (weight lam = 0.02 there).

    Parameters
    ----------
    z : Tensor, shape (n, d)
    directions : Tensor, shape (d, k)
        Unit vectors, new ones in every step; see :func:`random_directions`.

    Returns
    -------
    Tensor, a scalar
    """
    step = 2.0 * RANGE / (KNOTS - 1)
    angles = step * (z @ directions.to(z))
    # Knots and angles are multiples of the first: powers of one complex number.
    first_real, first_imag = angles.cos(), angles.sin()
    real, imag = first_real, first_imag
    total = z.new_zeros(())
    for k in range(1, KNOTS // 2 + 1):  # symmetric, and zero at zero
        if k > 1:
            real, imag = (
                real * first_real - imag * first_imag,
                imag * first_real + real * first_imag,
            )
        normal = math.exp(-0.5 * (k * step) ** 2)  # its characteristic function is real
        distance = (real.mean(0) - normal).square() + imag.mean(0).square()
        share = 0.5 if k == KNOTS // 2 else 1.0
        total = total + 2.0 * step * share * normal * distance.mean()
    return len(z) * total


def variance_term(z: Tensor) -> Tensor:
    """VICReg's variance term: mean over columns of max(0, 1 - sqrt(variance + 1e-4))."""
    return functional.relu(1.0 - (z.var(0) + FLOOR).sqrt()).mean()


def covariance_term(z: Tensor) -> Tensor:
    """VICReg's covariance term: sum of squared covariances of pairs of columns, divided by d."""
    centred = z - z.mean(0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]


def vicreg(
    z1: Tensor,
    z2: Tensor,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Tensor:
    """VICReg: weighted sum of the invariance, variance and covariance terms of two views.

    Bardes, Ponce & LeCun (2022), algorithm 1. The invariance term is the mean squared difference
    of all entries; the other two terms are summed over both views. (Their code halves the variance
    term; their equation 5 sums squared differences over columns.) A weight of 0 omits a term.

    Parameters
    ----------
    z1, z2 : Tensor, shape (n, d)
        Embeddings of two views, row by row; n >= 2.
    invariance, variance, covariance : float
        Weights of the terms.

    Returns
    -------
    Tensor, a scalar
    """
    check_views(z1, z2)
    loss = z1.new_zeros(())
    if invariance:
        loss = loss + invariance * functional.mse_loss(z1, z2)
    if variance:
        loss = loss + variance * (variance_term(z1) + variance_term(z2))
    if covariance:
        loss = loss + covariance * (covariance_term(z1) + covariance_term(z2))
    return loss


def simclr(z1: Tensor, z2: Tensor, temperature: float = 0.5) -> Tensor:
    """SimCLR: normalised temperature-scaled cross entropy (NT-Xent) of two views.

    Each of the 2n rows is classified to its other view among the 2n - 1 other rows, with cosines
    over the temperature as logits. Chen et al. (2020), equation 1. A row of length 0 counts as
    orthogonal to all others.

    Parameters
    ----------
    z1, z2 : Tensor, shape (n, d)
        Embeddings of two views, row by row; n >= 2.
    temperature : float
    """
    check_views(z1, z2)
    unit = functional.normalize(torch.cat([z1, z2]), dim=1)
    scores = unit @ unit.T / positive("temperature", temperature)
    same = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    others = torch.arange(len(unit), device=unit.device).roll(len(z1))
    return functional.cross_entropy(scores.masked_fill(same, -torch.inf), others)


def check_views(z1: Tensor, z2: Tensor) -> None:
    """Refuse views that are not of the same rows.

    Raises
    ------
    InputError
        If the shapes differ or are not (n, d) with n >= 2.
    """
    if z1.shape != z2.shape or z1.ndim != 2 or len(z1) < 2:
        raise InputError(
            f"z1, z2: got shapes {tuple(z1.shape)} and {tuple(z2.shape)}; give two views (n, d) of "
            f"the same rows, n >= 2."
        )


class AdversarialPrior(nn.Module):
    """A discriminator between draws of the prior and embeddings, with its own optimiser.

    Both losses are the non-saturating ones (Goodfellow et al. 2014). The discriminator D, a logit,
    minimises softplus(-D(prior)) + softplus(D(z)); the encoder minimises softplus(-D(z)). At the
    optimum of the discriminator D = log p/q; if the laws agree, the losses are 2 log 2 and log 2.
    Makhzani et al. (2015), adversarial autoencoders; Hjelm et al. (2019), section 3.4.

    Parameters
    ----------
    d : int
        Columns of the embeddings.
    prior : {"normal", "uniform"}
        N(0, I), or uniform on [0, 1]^d.
    hidden, layers : int
        Width and number of hidden layers (leaky ReLU).
    learning_rate : float
        Learning rate of Adam, with betas (0.5, 0.999).
    seed : int
        Seed of the initial weights and of the draws of the prior.
    """

    def __init__(
        self,
        d: int,
        prior: Prior = "normal",
        *,
        hidden: int = 128,
        layers: int = 2,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if prior not in ("normal", "uniform"):
            raise InputError(f"prior: got {prior!r}; choose 'normal' or 'uniform'.")
        self.d, self.prior, self.seed = whole("d", d, 1), prior, whole("seed", seed, 0)
        widths = [self.d] + [whole("hidden", hidden, 1)] * whole("layers", layers, 1)
        parts: list[nn.Module] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(stream(seed, "matching/discriminator").integers(2**63)))
            for before, after in itertools.pairwise(widths):
                parts += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
            self.network = nn.Sequential(*parts, nn.Linear(widths[-1], 1))
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), positive("learning_rate", learning_rate), betas=(0.5, 0.999)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return logits (n,), which are large for rows that resemble the prior."""
        logits: Tensor = self.network(z)[:, 0]
        return logits

    def draw(self, n: int, step: int, device: Any = None) -> Tensor:
        """Draw n rows of the prior, always the same for a seed and step, on any device."""
        source = stream(self.seed, "matching/prior", step)
        shape = (n, self.d)
        rows = source.standard_normal(shape) if self.prior == "normal" else source.random(shape)
        return torch.as_tensor(rows, dtype=torch.float32, device=device)

    def step(self, z: Tensor, step: int) -> Tensor:
        """Train the discriminator for one step, without a gradient for `z`; return its loss."""
        with torch.enable_grad():
            prior = self(self.draw(len(z), step, z.device))
            loss: Tensor = functional.softplus(-prior).mean()
            loss = loss + functional.softplus(self(z.detach())).mean()
        # Not backward(): a training loop may clip or scale the gradients that it leaves.
        gradients = torch.autograd.grad(loss, list(self.network.parameters()))
        for parameter, gradient in zip(self.network.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.detach()

    def loss(self, z: Tensor) -> Tensor:
        """Return the loss of the encoder, without a gradient for the discriminator."""
        fixed = {name: value.detach() for name, value in self.network.named_parameters()}
        logits = torch.func.functional_call(self.network, fixed, (z,))[:, 0]
        return functional.softplus(-logits).mean()

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the optimiser, for checkpoints."""
        return {"optimiser": self.optimiser.state_dict()}

    def set_extra_state(self, state: Any) -> None:
        """Restore the state of the optimiser."""
        self.optimiser.load_state_dict(state["optimiser"])
