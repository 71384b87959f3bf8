"""A backbone, a projection head and an outlet: the networks of self-supervised methods."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from dmtest.errors import InputError
from dmtest.train.model.encoders import BACKBONES, Shape
from dmtest.train.model.heads import BatchNorm

# Mean and standard deviation of CIFAR's channels, as appendix C of arXiv 2410.06993 prints them.
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)


class Standardise(nn.Module):
    """(x - mean) / std of every channel, with given numbers: Normalize."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, c, h, w)."""
        return (x - self.mean) / self.std


def features_of(name: str, shape: Shape) -> tuple[nn.Sequential, int]:
    """Return a backbone without its last layer, and the number of its features.

    Raises
    ------
    InputError
        If there is no backbone of that name, or it takes images and the data are features.
    """
    if name not in BACKBONES:
        raise InputError(f"encoder: got {name!r}; choose one of {', '.join(map(repr, BACKBONES))}.")
    images_only, make = BACKBONES[name]
    if images_only and len(shape) != 3:
        raise InputError(
            f"encoder: {name!r} takes images; these data have {shape[0]} columns; choose "
            f"encoder='mlp'."
        )
    layers = list(make(shape, 2))
    last = layers.pop()
    assert isinstance(last, nn.Linear), "every backbone ends in a linear layer"
    return nn.Sequential(*layers), last.in_features


def perceptron(widths: list[int], norm: bool) -> nn.Sequential:
    """Linear layers of these widths, with batch normalisation if asked, and ReLU between them."""
    layers: list[nn.Module] = []
    for inside, outside in itertools.pairwise(widths):
        layers.append(nn.Linear(inside, outside))
        if norm:
            layers.append(BatchNorm(outside))
        layers.append(nn.ReLU())
    del layers[-2 if norm else -1 :]  # the last layer is linear
    return nn.Sequential(*layers)


class Projector(nn.Module):
    """Features, their projection, and an outlet of mean 0 and variance 1 in every column.

    Parameters
    ----------
    config : dict
        ``backbone``, ``shape``, ``widths`` of the projection head, ``norm`` (whether it normalises
        batches), ``mean`` and ``std`` of the channels or None: enough to rebuild it.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)
        self.backbone, self.width = features_of(config["backbone"], tuple(config["shape"]))
        if config.get("mean") is not None:
            mean, std = tuple(config["mean"]), tuple(config["std"])
            self.backbone = nn.Sequential(Standardise(mean, std), self.backbone)
        widths = [self.width, *config["widths"]]
        self.head = perceptron(widths, config["norm"])
        self.norm = BatchNorm(widths[-1], affine=False)
        self.dim = widths[-1]

    def features(self, x: Tensor) -> Tensor:
        """Return what linear probes read: (n, width)."""
        out: Tensor = self.backbone(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Return the outlet, before any noise: (n, dim)."""
        h = self.head(self.features(x))
        with torch.autocast(h.device.type, enabled=False):
            out: Tensor = self.norm(h.float())
        return out

    outlet = forward

    def pair(self, clean: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Encode two views in one pass, normalised by their joint moments."""
        both = self(torch.cat([clean, other]))
        return both[: len(clean)], both[len(clean) :]
