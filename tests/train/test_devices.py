"""Where evaluation computes: no row of the data leaves its device, and no step waits for it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from dmtest.train.data.load import load_images
from dmtest.train.fitting import api, embed, self_supervised
from dmtest.train.fitting.module import InfoMax
from dmtest.train.fitting.settings import Settings
from dmtest.train.model.augment import build_augmentation
from dmtest.train.model.critics import build_critic
from dmtest.train.model.encoders import build_encoder
from dmtest.train.model.methods import build_method
from dmtest.train.model.noise import Noise
from dmtest.train.model.objectives import build_objective
from dmtest.train.model.projection import Projector

# A device without a memory: whatever is copied from it to the host raises.
META = torch.device("meta")
NOISE = Noise("normal", 0.5)


class MetaDraws:
    """Draws of a device that has no generator."""

    def __init__(self, seed: int, step: int, total: int, rows: slice, device: torch.device) -> None:
        assert device == META
        self.count = total

    def normal(self, *shape: int) -> torch.Tensor:
        """Return no numbers, in the right shape."""
        return torch.empty(self.count, *shape, device=META)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Return no numbers, in the right shape."""
        return torch.empty(self.count, *shape, device=META)


@pytest.fixture
def crossings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of what evaluation copies to the host."""
    seen: list[tuple[int, ...]] = []

    def counted(rows: torch.Tensor) -> Any:
        assert rows.device == META
        seen.append(tuple(rows.shape))
        return np.zeros(tuple(rows.shape), dtype=np.float32)

    # This device has no number format to cast to.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    for place in (api, self_supervised):
        monkeypatch.setattr(place, "fetch", counted)
    monkeypatch.setattr(embed, "Draws", MetaDraws)
    return seen


def test_a_copy_from_this_device_raises() -> None:
    with pytest.raises(NotImplementedError):
        embed.fetch(torch.empty(2, device=META))


@pytest.mark.parametrize("encoder", ["mlp", "convnet"])
def test_evaluation_copies_embeddings_and_scores_only(
    encoder: str, crossings: list[tuple[int, ...]]
) -> None:
    """Recalibration, both views of the test, the training rows, and the critic's scores."""
    side = 24 if encoder == "convnet" else 8
    training = load_images("digits", size=side)
    held_out = load_images("digits", split="test", size=side)
    shape = training.images.shape[1:]
    settings = Settings(encoder=encoder, epochs=1).resolved(len(training))
    module = InfoMax(
        torch.from_numpy(training.images).to(META),
        build_encoder(encoder, shape, 2),
        build_critic("separable", 2, NOISE),
        build_objective("infonce"),
        NOISE,
        build_augmentation("noise", shape),
        None,
        settings,
        0,
    ).to(META)
    outlets = api._outlets(module, torch.from_numpy(held_out.images).to(META), 0)
    assert crossings == []
    api._scores(module, outlets, 0)
    api._mapped(module, outlets)
    assert crossings == [(2, 250, 250), (500, 2), (500, 2), (1297, 2)]


def test_self_supervised_evaluation_stays_too(crossings: list[tuple[int, ...]]) -> None:
    training, test = (load_images("digits", split=split) for split in ("train", "test"))
    shape = tuple(training.images.shape[1:])
    config = {"backbone": "mlp", "shape": list(shape), "widths": [16, 4], "norm": True}
    encoder = Projector(config)
    module = self_supervised.SelfSupervised(
        torch.from_numpy(training.images).to(META),
        encoder,
        build_method("simclr", encoder),
        0.3,
        build_augmentation("shift", shape),
        Settings(epochs=1).resolved(len(training)),
        0,
    ).to(META)
    self_supervised._embedded(module, torch.from_numpy(test.images).to(META), 0)
    assert crossings == [(500, 4), (500, 4), (500, 128), (1297, 128)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_cpus_embeddings() -> None:
    from dmtest import train

    options: dict[str, Any] = {"sigma": 0.5, "epochs": 1, "augment": "none", "rng": 0}
    found = [train.fit(**options, device=device, evaluate=False) for device in ("cpu", "cuda")]
    assert np.abs(found[0].embeddings - found[1].embeddings).max() < 0.05
