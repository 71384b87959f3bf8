"""Generation from the embedding: what judges pictures, and a short run of the GAN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.datasets import load_digits  # noqa: E402

from benchmarks.paper import generate  # noqa: E402
from dmtest import train  # noqa: E402

HELD = 500


class Setting:
    """Digits of 24 x 24 pixels, an encoder and a classifier of them."""

    def __init__(self) -> None:
        small, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(small))
        large = np.kron(small[order].reshape(-1, 8, 8) / 16.0, np.ones((3, 3)))
        pictures = torch.tensor(large[:, None], dtype=torch.float32)
        known = torch.tensor(labels[order])
        self.held = pictures[:HELD], known[:HELD]
        self.training = pictures[HELD:], known[HELD:]
        options: dict[str, Any] = {"encoder": "mlp", "epochs": 40, "batch": 128}
        rows = self.training[0][:, 0].numpy()
        made = train.fit(rows, sigma=0.1, evaluate=False, rng=3, **options)
        self.encoder = made.encoder.eval()
        self.named = generate.classifier(*self.training, seed=3, epochs=8)
        self.codes = generate.in_parts(self.encoder, self.training[0])

    def judged(self, net: Any) -> dict[str, Any]:
        """Judge pictures of a function of conditions and noise."""
        return generate.judged(net, self.encoder, self.named, self.held, self.training, seed=3)


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting()


def test_images_in_place_of_pictures_get_what_is_possible(setting: Setting) -> None:
    """The training image with the nearest embedding has its error, its class and the ceiling."""
    found = setting.judged(lambda c, n: setting.training[0][generate._nearest(setting.codes, c)])
    assert max(found["error"]) < 0.05
    assert min(found["shuffled"]) > 1.0
    # The classifier may name an image otherwise than its label does.
    assert abs(found["agreement"] - found["ceiling"]) <= 0.05
    assert found["accuracy"] > 0.9


def test_pictures_that_ignore_their_condition_are_found_out(setting: Setting) -> None:
    pictures = setting.training[0]
    found = setting.judged(lambda c, n: pictures[(n[:, 0].abs() * 1e4).long() % len(pictures)])
    # Variances 1 and 1 of independent columns; the agreement of two images at random is 0.1.
    assert min(found["error"]) > 1.0
    assert found["agreement"] < 0.2
    assert found["total variation"] < 0.12


def test_a_short_run_keeps_its_condition(setting: Setting) -> None:
    net = generate.generator(setting.encoder, setting.training[0], setting.codes, 3, steps=250)
    found = setting.judged(net)
    again = generate.generator(setting.encoder, setting.training[0], setting.codes, 3, steps=2)
    assert max(found["error"]) < 0.5 * min(found["shuffled"])
    assert max(setting.judged(again)["error"]) > 0.5
    assert len(found["images"]) == 4
    assert all(one.shape == (64, 24, 24) for one in found["images"])
