"""Critics of Deep InfoMax: an embedding against a whole feature map, and against its locations.

Both are scalar products of two small heads ("encode and dot" in Hjelm et al. 2019), so that all
pairs of a batch cost one matrix product. Scores are on the scale of pointwise information.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dmtest.train.model.objectives import build_objective

HIDDEN, WIDTH = 128, 64
SLOPE = 0.01

MapShape = tuple[int, int, int]


def embedding_head(dim: int) -> nn.Sequential:
    """Return the head of an embedding: (k, dim) to (k, 64)."""
    return nn.Sequential(nn.Linear(dim, HIDDEN), nn.LeakyReLU(SLOPE), nn.Linear(HIDDEN, WIDTH))


class GlobalCritic(nn.Module):
    """Scores of embeddings and whole feature maps.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of the map.
    dim : int
        Columns of the embedding.
    """

    def __init__(self, shape: MapShape, dim: int) -> None:
        super().__init__()
        self.of_map = nn.Sequential(nn.Flatten(), embedding_head(math.prod(shape)))
        self.of_y = embedding_head(dim)

    def forward(self, maps: Tensor, y: Tensor) -> Tensor:
        """Score maps (m, c, h, w) and embeddings (k, dim): (k, m), T[i, j] = T(map_j, y_i)."""
        scores: Tensor = self.of_y(y) @ self.of_map(maps).T
        return scores / math.sqrt(WIDTH)


class LocalCritic(nn.Module):
    """Scores of embeddings and the features at every location of a map, by one critic for all.

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of the map.
    dim : int
        Columns of the embedding.
    """

    def __init__(self, shape: MapShape, dim: int) -> None:
        super().__init__()
        self.of_map = nn.Sequential(
            nn.Conv2d(shape[0], HIDDEN, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(HIDDEN, WIDTH, 1)
        )
        self.of_y = embedding_head(dim)

    def forward(self, maps: Tensor, y: Tensor) -> Tensor:
        """Score maps (m, c, h, w) and embeddings (k, dim): (h * w, k, m), a block a location."""
        local = self.of_map(maps).flatten(2).permute(2, 1, 0)
        scores: Tensor = self.of_y(y) @ local
        return scores / math.sqrt(WIDTH)


class LocalObjective(nn.Module):
    """Mean over locations of an objective: of bounds of I(C(X) at a location; Y).

    At every location the negatives of an image are the features of other images *there*, so a
    location that all images share adds nothing.

    Parameters
    ----------
    name : str
        A name in :data:`dmtest.train.model.objectives.OBJECTIVES`.
    locations : int
    """

    def __init__(self, name: str, locations: int) -> None:
        super().__init__()
        # One each, because Donsker-Varadhan's moving average belongs to a location.
        self.parts = nn.ModuleList(build_objective(name) for _ in range(locations))

    def forward(self, scores: Tensor, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Map scores (locations, k, K) to loss and value."""
        pairs = [part(one, offset) for part, one in zip(self.parts, scores, strict=True)]
        losses, values = zip(*pairs, strict=True)
        return torch.stack(losses).mean(), torch.stack(values).mean()


class Coordinates(nn.Module):
    """Cross-entropy of the location of a feature, told from it and the embedding, in nats.

    A network that tells nothing has log(h * w). It rewards a map and an embedding that know where
    things are (Hjelm et al. 2019, the absolute task).

    Parameters
    ----------
    shape : (int, int, int)
        Channels, height and width of the map.
    dim : int
        Columns of the embedding.
    """

    def __init__(self, shape: MapShape, dim: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.of_map, self.of_y = nn.Conv2d(channels, HIDDEN, 1), nn.Linear(dim, HIDDEN, bias=False)
        self.rest = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv2d(HIDDEN, height * width, 1))

    def forward(self, maps: Tensor, y: Tensor) -> Tensor:
        """Return the mean over maps (k, c, h, w), row by row with y (k, dim), and locations."""
        logits = self.rest(self.of_map(maps) + self.of_y(y)[:, :, None, None]).flatten(2)
        truth = torch.arange(logits.shape[2], device=maps.device).expand(len(maps), -1)
        return functional.cross_entropy(logits, truth)
