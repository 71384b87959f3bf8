"""Decoders of known embeddings, and structural similarity pixel by pixel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from dmtest.train import ms_ssim, reconstruction
from dmtest.train.data.load import load_images
from tests.support.calls import refused

Image = NDArray[np.float64]
# Wang, Simoncelli & Bovik (2003), section 3.2.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def slow_similarity(x: Image, y: Image) -> float:
    """MS-SSIM of two planes, window by window."""
    taps = np.array(
        [[math.exp(-(i * i + j * j) / 4.5) for i in range(-3, 4)] for j in range(-3, 4)]
    )
    taps /= taps.sum()
    scales = sum(min(x.shape) // 2**k >= 7 for k in range(5))
    product, share = 1.0, sum(WEIGHTS[:scales])
    for scale in range(scales):
        structure, luminance = [], []
        for i in range(x.shape[0] - 6):
            for j in range(x.shape[1] - 6):
                a, b = x[i : i + 7, j : j + 7], y[i : i + 7, j : j + 7]
                ma, mb = float((taps * a).sum()), float((taps * b).sum())
                va, vb = float((taps * (a - ma) ** 2).sum()), float((taps * (b - mb) ** 2).sum())
                both = float((taps * (a - ma) * (b - mb)).sum())
                structure.append((2 * both + 9e-4) / (va + vb + 9e-4))
                luminance.append((2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4))
        parts = np.array(structure)
        if scale == scales - 1:
            parts = parts * np.array(luminance)
        product *= max(float(parts.mean()), 0.0) ** (WEIGHTS[scale] / share)
        h, w = (side // 2 for side in x.shape)
        x, y = (one[: 2 * h, : 2 * w].reshape(h, 2, w, 2).mean(axis=(1, 3)) for one in (x, y))
    return product


@pytest.mark.parametrize("shape", [(8, 8), (29, 30), (14, 17)])
def test_similarity_equals_loops_over_windows(shape: tuple[int, int]) -> None:
    """One, two and three scales; two channels are averaged."""
    rng = np.random.default_rng(0)
    x = rng.random((3, 2, *shape))
    noise = np.array([0.02, 0.2, 1.0])[:, None, None, None]
    y = np.clip(x + noise * rng.standard_normal(x.shape), 0.0, 1.0)
    found = ms_ssim(x.astype(np.float32), y.astype(np.float32))
    expected = [np.mean([slow_similarity(*pair) for pair in zip(*one)]) for one in zip(x, y)]  # noqa: B905
    assert_allclose(found, expected, rtol=2e-4, atol=1e-6)
    assert found[0] > found[1] > found[2]


def test_similarity_at_its_ends() -> None:
    """Equal images have 1, also constant ones; whole numbers are scaled; inverted ones have 0."""
    x = np.random.default_rng(1).random((4, 1, 28, 28)).astype(np.float32)
    assert_allclose(ms_ssim(x, x), 1.0, rtol=1e-12)
    assert_allclose(ms_ssim(np.zeros_like(x), np.zeros_like(x)), 1.0, rtol=1e-12)
    assert_allclose(ms_ssim(x, 1.0 - x), 0.0, atol=1e-12)
    whole = (255 * x).astype(np.uint8)
    assert_allclose(ms_ssim(whole, whole // 2), ms_ssim(whole / 255.0, (whole // 2) / 255.0))
    assert_allclose(ms_ssim(x, 0.5 * x), ms_ssim(0.5 * x, x), rtol=1e-12)


def digits() -> tuple[Any, Any, Any, Any]:
    """Return images, and all their pixels as embeddings."""
    train, test = (load_images("digits", split=split).images for split in ("train", "test"))
    return train.reshape(len(train), -1), train, test.reshape(len(test), -1), test


def test_a_decoder_restores_what_the_embedding_holds() -> None:
    """All pixels give back the image; noise gives the mean image; four components lie between."""
    z, x, other, truth = digits()
    rng = np.random.default_rng(0)
    full = reconstruction(z, x, other, truth, rng=0)
    _, axes = np.linalg.eigh(np.cov(z.T))
    few = reconstruction(z @ axes[:, -4:], x, other @ axes[:, -4:], truth, rng=0)
    nothing = rng.standard_normal((len(z), 4)), rng.standard_normal((len(other), 4))
    none = reconstruction(nothing[0], x, nothing[1], truth, rng=0, steps=50)
    mean = float(np.square(x.mean(axis=0) - truth).mean())
    assert_allclose(full.mean_squared_error_of_mean, mean, rtol=1e-5)
    assert full.squared_error < 0.15 * mean
    assert full.squared_error < few.squared_error < none.squared_error
    # Four components alone, without a network: a decoder may use more than they span.
    middle = z.mean(axis=0)
    linear = middle + (other - middle) @ axes[:, -4:] @ axes[:, -4:].T
    assert few.squared_error < float(np.square(linear - other).mean())
    assert 0.9 * mean < none.squared_error < 1.2 * mean
    assert full.ms_ssim > few.ms_ssim > none.ms_ssim
    assert_allclose(full.ms_ssim, ms_ssim(full.images, truth).mean())
    assert (full.images.shape, full.n, full.d) == (truth.shape, 500, 64)
    assert "500 held-out images restored from 64 columns" in repr(full)


def test_a_decoder_repeats() -> None:
    z, x, other, truth = digits()
    one, again, third = (
        reconstruction(z, x, other, truth, steps=20, rng=seed).images for seed in (3, 3, 4)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, third)


Z, X = np.zeros((10, 2)), np.zeros((10, 1, 8, 8), np.float32)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((Z, X[:9], Z, X), "train_images: got 9 images for 10 rows of train_z"),
        ((Z, X, Z[:, :1], X), "give both of one encoder"),
        ((Z, X, Z, X[:, :, :7]), "give both of one encoder"),
        ((Z, X[:, 0], Z, X), "train_images: got shape"),
        ((Z, X, Z, X + 2.0), "test_images: holds values outside 0 to 1"),
    ],
)
def test_what_is_refused(arguments: Any, words: str) -> None:
    refused(words, reconstruction, *arguments)


def test_small_images_are_refused() -> None:
    refused("at least 7 pixels a side", ms_ssim, X[:, :, :6], X[:, :, :6])
    refused("equally many images of one size", ms_ssim, X, X[:3])
