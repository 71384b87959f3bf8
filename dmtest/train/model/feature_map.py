"""The encoder of Deep InfoMax: a map of local features, a layer above it, and the embedding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dmtest.errors import InputError
from dmtest.train.model.draws import Draws
from dmtest.train.model.encoders import Shape
from dmtest.train.model.heads import BatchNorm, build_head

# Fewest pixels a side: three convolutions halve it.
LEAST_SIDE = 8
# What probes read, from the pixels upwards.
LEVELS = ("conv", "fc", "embedding")


def halved(inside: int, outside: int) -> list[nn.Module]:
    """Return layers that halve the sides: convolution of 4 x 4, normalisation, ReLU."""
    convolution = nn.Conv2d(inside, outside, 4, stride=2, padding=1, bias=False)
    return [convolution, BatchNorm(outside), nn.ReLU()]


class MapEncoder(nn.Module):
    """Images to a feature map, and from there to an embedding (Hjelm et al. 2019, figure 1).

    Two convolutions give the map C(X), whose entry at a location sees a patch of the image. A third
    convolution, a linear layer and the outlet give the embedding Y.

    Parameters
    ----------
    config : dict
        ``shape`` of an image, ``dim``, ``target`` and ``head`` of the outlet, ``channels`` of the
        first convolution (the map has twice as many) and ``hidden``, the width of the layer below
        the outlet: enough to rebuild it.

    Raises
    ------
    InputError
        If the rows are no images, or images of fewer than 8 pixels a side.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)
        shape: Shape = tuple(config["shape"])
        if len(shape) != 3 or min(shape[1:]) < LEAST_SIDE:
            raise InputError(
                f"data: Deep InfoMax compares an image with its patches and needs images of at "
                f"least {LEAST_SIDE} x {LEAST_SIDE} pixels; got rows of shape {shape}; use "
                f"train.fit for features, and size= for small images."
            )
        channels, hidden = int(config["channels"]), int(config["hidden"])
        self.dim = int(config["dim"])
        self.lower = nn.Sequential(*halved(shape[0], channels), *halved(channels, 2 * channels))
        self.upper = nn.Sequential(*halved(2 * channels, 4 * channels), nn.Flatten())
        height, width = (side // 4 for side in shape[1:])
        self.map_shape = (2 * channels, height, width)
        flat = 4 * channels * (height // 2) * (width // 2)
        self.top = nn.Sequential(nn.Linear(flat, hidden, bias=False), BatchNorm(hidden), nn.ReLU())
        self.last = nn.Linear(hidden, self.dim)
        self.head = build_head(config["head"], config["target"], self.dim)

    def levels(self, x: Tensor) -> dict[str, Tensor]:
        """Return what probes read: "conv", "fc" and "embedding", each of shape (n, columns)."""
        conv = self.upper(self.lower(x))
        fc = self.top(conv)
        return dict(zip(LEVELS, (conv, fc, self._outlet(fc)), strict=True))

    def features(self, x: Tensor) -> Tensor:
        """Return the layer below the outlet: (n, hidden)."""
        return self.levels(x)["fc"]

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedding Y: (n, dim)."""
        return self.levels(x)["embedding"]

    outlet = forward

    def views(self, x: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the map C(X) of every image, and the embedding of `seen` (X by default)."""
        maps = self.lower(x if seen is None else torch.cat([x, seen]))
        own, above = (maps, maps) if seen is None else (maps[: len(x)], maps[len(x) :])
        return own, self._outlet(self.top(self.upper(above)))

    def _outlet(self, fc: Tensor) -> Tensor:
        # Under mixed precision the outlet and all later steps use single precision.
        h = self.last(fc)
        with torch.autocast(h.device.type, enabled=False):
            out: Tensor = self.head(h.float(), None)
        return out


def occluded(x: Tensor, draws: Draws, share: float) -> Tensor:
    """Set a rectangle at a random place of every image to 0.

    Parameters
    ----------
    x : Tensor, shape (n, c, h, w)
    draws : Draws
    share : float
        Sides of the rectangle over those of the image.

    Returns
    -------
    Tensor, shape (n, c, h, w)
    """
    hidden = []
    for size in x.shape[2:]:
        length = max(1, round(share * size))
        first = (draws.uniform(1) * (size - length + 1)).long()
        place = torch.arange(size, device=x.device)
        hidden.append((place >= first) & (place < first + length))
    tall, wide = hidden
    return x.masked_fill((tall[:, :, None] & wide[:, None, :])[:, None], 0.0)
