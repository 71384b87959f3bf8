"""Encoders: the ConvNet of Table 2, perceptrons for CPUs, and a ResNet-18 for small images."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from dmtest.arguments import whole
from dmtest.errors import InputError
from dmtest.train.model.heads import BatchNorm, build_head
from dmtest.train.model.margins import build_margins

Shape = tuple[int, ...]
SLOPE = 0.01


def mlp(shape: Shape, dim: int, width: int = 256) -> nn.Sequential:
    """Perceptron with two hidden layers, of `width` and `width` / 2."""
    half = max(width // 2, 1)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(prod(shape), width),
        BatchNorm(width),
        nn.LeakyReLU(SLOPE),
        nn.Linear(width, half),
        BatchNorm(half),
        nn.LeakyReLU(SLOPE),
        nn.Linear(half, dim),
    )


def convnet(shape: Shape, dim: int, width: int = 32) -> nn.Sequential:
    """ConvNet: that of Table 2 of arXiv 2410.06993 at ``width=32`` and images of 24 x 24."""
    channels, layers = shape[0], []
    side = list(shape[1:])
    for size in (width, 2 * width, 4 * width):
        layers += [nn.Conv2d(channels, size, 3), nn.MaxPool2d(2)]
        layers += [BatchNorm(size), nn.LeakyReLU(SLOPE)]
        channels, side = size, [(length - 2) // 2 for length in side]
    if min(side) < 1:
        raise InputError(
            f"encoder: the ConvNet needs images of at least 22 x 22 pixels; got {shape[1:]}; "
            f"choose encoder='mlp'."
        )
    flat = channels * prod(side)
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(flat, 4 * width),
        nn.LeakyReLU(SLOPE),
        nn.Linear(4 * width, dim),
    )


class Residual(nn.Module):
    """Two 3 x 3 convolutions with a shortcut (He et al. 2016)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.first_norm = BatchNorm(outside)
        self.second = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.second_norm = BatchNorm(outside)
        same = stride == 1 and inside == outside
        self.short = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), BatchNorm(outside)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inside, h, w) to (n, outside, h / stride, w / stride)."""
        h = torch.relu(self.first_norm(self.first(x)))
        return torch.relu(self.second_norm(self.second(h)) + self.short(x))


def resnet18(shape: Shape, dim: int, width: int = 64, stride: int = 1) -> nn.Sequential:
    """ResNet-18 with the stem for small images: a 3 x 3 convolution and no pooling."""
    layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, stride, 1, bias=False)]
    layers += [BatchNorm(width), nn.ReLU()]
    inside = width
    for stage in range(4):
        outside = width << stage
        layers += [Residual(inside, outside, 1 if stage == 0 else 2), Residual(outside, outside, 1)]
        inside = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, dim))


# What "auto" is: on few rows it matches more closely than a smaller one in as many steps.
AUTO = "mlp-wide"
# By name: whether it takes images only, and the function that builds it.
BACKBONES: dict[str, tuple[bool, Callable[[Shape, int], nn.Sequential]]] = {
    "mlp": (False, mlp),
    "mlp-wide": (False, lambda shape, dim: mlp(shape, dim, 1024)),
    "convnet": (True, convnet),
    "convnet-half": (True, lambda shape, dim: convnet(shape, dim, 16)),
    "resnet18": (True, resnet18),
    "resnet18-narrow": (True, lambda shape, dim: resnet18(shape, dim, 16)),
    "resnet18-strided": (True, lambda shape, dim: resnet18(shape, dim, 16, 2)),
}


class Encoder(nn.Module):
    """A backbone and a head: f(X) of shape (n, dim).

    Parameters
    ----------
    config : dict
        ``backbone``, ``shape``, ``dim``, ``target``, ``head``, ``margins``: enough to rebuild the
        encoder.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)
        name, shape, dim = config["backbone"], tuple(config["shape"]), int(config["dim"])
        if name not in BACKBONES:
            raise InputError(
                f"encoder: got {name!r}; choose one of {', '.join(map(repr, BACKBONES))}, or pass "
                f"a torch module."
            )
        images_only, make = BACKBONES[name]
        if images_only and len(shape) != 3:
            raise InputError(
                f"encoder: {name!r} takes images; these data have {shape[0]} columns; choose "
                f"encoder='mlp'."
            )
        self.backbone: nn.Module = make(shape, dim)
        self.head = build_head(config["head"], config["target"], dim)
        self.margins = build_margins(config.get("margins"), dim)

    def forward(self, x: Tensor) -> Tensor:
        """Encode rows: embeddings that follow the target."""
        out: Tensor = self.margins(self.outlet(x))
        return out

    def outlet(self, x: Tensor, reference: int | None = None) -> Tensor:
        """Encode rows up to the outlet, to which noise is added in training.

        In training the head uses the moments of the first `reference` rows.
        """
        # Under mixed precision the head and all later steps use single precision.
        h = self.backbone(x)
        with torch.autocast(h.device.type, enabled=False):
            out: Tensor = self.head(h.float(), reference)
        return out

    def pair(self, clean: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Encode both views in one pass; the head uses the moments of the clean view."""
        both = self.outlet(torch.cat([clean, other]), reference=len(clean))
        return both[: len(clean)], both[len(clean) :]


class CustomEncoder(Encoder):
    """An encoder with a user's module as backbone."""

    def __init__(self, module: nn.Module, config: dict[str, Any]) -> None:
        nn.Module.__init__(self)
        self.config = dict(config) | {"backbone": type(module).__name__}
        self.backbone = module
        self.head = build_head(config["head"], config["target"], int(config["dim"]))
        self.margins = build_margins(config.get("margins"), int(config["dim"]))


def build_encoder(
    name: str | nn.Module,
    shape: Shape,
    dim: int,
    target: str = "normal",
    head: str | None = None,
    margins: dict[str, Any] | None = None,
) -> Encoder:
    """Build an encoder.

    Parameters
    ----------
    name : str or torch module
        "mlp", "mlp-wide", "convnet" (Table 2), "convnet-half", "resnet18", "resnet18-narrow",
        "resnet18-strided", or a module that maps ``(n, *shape)`` to (n, dim).
    shape : tuple of int
        (channels, height, width) of images, (columns,) of features.
    dim : int
        Columns of the embedding.
    target : {"normal", "uniform"}
    head : {"normal", "sigmoid", "cube", "free"}, optional
        By default "normal" for the normal target and "cube" for the uniform one.
    margins : dict, optional
        A map of the outlet to another target; see
        :func:`dmtest.train.model.margins.build_margins`.

    Returns
    -------
    Encoder
    """
    dim = whole("dim", dim, 1)
    config: dict[str, Any] = {"backbone": name, "shape": list(shape), "dim": dim, "target": target}
    config |= {"head": head, "margins": margins}
    if isinstance(name, nn.Module):
        return CustomEncoder(name, config)
    return Encoder(config)


@torch.no_grad()
def recalibrate(encoder: Any, batches: Any) -> None:
    """Set the running moments to means over all batches, at the present weights.

    Parameters
    ----------
    encoder : Encoder or Projector
    batches : iterable of tuple
        Batches (X, X'), or (X,).
    """
    norms = [module for module in encoder.modules() if isinstance(module, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    was_training = encoder.training
    for norm in norms:
        norm.reset()
        norm.momentum = None
    encoder.train()
    for views in batches:
        encoder.pair(*views) if len(views) == 2 else encoder.outlet(*views)
    encoder.train(was_training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
