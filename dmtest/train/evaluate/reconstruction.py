"""How much of an image an embedding keeps: the error of a decoder, in pixels and in structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.arguments import positive, whole
from dmtest.errors import InputError
from dmtest.information.rows import as_rows
from dmtest.results.shown import Shown
from dmtest.runtime.streams import RngLike, entropy_of, stream

# Weights of the scales, the finest first, and constants of stability: Wang, Simoncelli & Bovik
# (2003).
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
STABLE = (0.01**2, 0.03**2)
# Side of the window in pixels, and standard deviation of its weights. The authors take 11 pixels;
# five scales then need images of 176 pixels a side.
WINDOW, SPREAD = 7, 1.5


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reconstruction(Shown):
    """How well a decoder restores held-out images from their embeddings.

    Attributes
    ----------
    squared_error : float
        Mean squared error of a pixel, pixels from 0 to 1.
    ms_ssim : float
        Mean multi-scale structural similarity, at most 1.
    mean_squared_error_of_mean : float
        The squared error of the mean training image, which needs no embedding.
    images : ndarray, shape (n, c, h, w)
        The restored held-out images.
    n, d : int
        Held-out images, and columns of the embeddings.
    """

    squared_error: float
    ms_ssim: float
    mean_squared_error_of_mean: float
    images: NDArray[np.float32]
    n: int
    d: int


def reconstruction(
    train_z: ArrayLike,
    train_images: ArrayLike,
    test_z: ArrayLike,
    test_images: ArrayLike,
    *,
    hidden: int = 256,
    steps: int = 2000,
    batch: int = 256,
    learning_rate: float = 2e-3,
    rng: RngLike = None,
) -> Reconstruction:
    """Train a decoder from fixed embeddings to images by squared error, and score it held out.

    The decoder has two hidden layers. Its error is an upper bound of the conditional variance of a
    pixel given the embedding: a better decoder may find more.

    Parameters
    ----------
    train_z, test_z : array_like, shape (n, d)
        Embeddings; columns are standardised by the training rows.
    train_images, test_images : array_like, shape (n, c, h, w)
        Whole numbers from 0 to 255, or floats from 0 to 1.
    hidden : int
        Width of the two hidden layers.
    steps, batch : int
        Steps of Adam, and rows of each.
    learning_rate : float
        Learning rate at the first step; it falls to 0 as a cosine.
    rng : None, int or numpy Generator

    Returns
    -------
    Reconstruction

    Raises
    ------
    InputError
        If embeddings and images do not belong together.
    """
    import torch

    hidden, steps = whole("hidden", hidden, 1), whole("steps", steps, 1)
    batch, rate = whole("batch", batch, 1), positive("learning_rate", learning_rate)
    seed = entropy_of(rng)
    z, other = as_rows("train_z", train_z), as_rows("test_z", test_z)
    x = _pixels("train_images", train_images, "train_z", z)
    truth = _pixels("test_images", test_images, "test_z", other)
    if x.shape[1:] != truth.shape[1:] or z.shape[1] != other.shape[1]:
        raise InputError(
            f"test_z, test_images: got rows of shape {other.shape[1:]} and {truth.shape[1:]} "
            f"beside training rows of shape {z.shape[1:]} and {x.shape[1:]}; give both of one "
            f"encoder."
        )
    spread = z.std(axis=0)
    scale = np.where(spread > 0.0, spread, 1.0)
    inputs, held = (
        torch.tensor((part - z.mean(axis=0)) / scale, dtype=torch.float32) for part in (z, other)
    )
    outputs = torch.tensor(x.reshape(len(x), -1))
    middle = outputs.mean(0)
    nn = torch.nn
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, "reconstruction/weights").integers(2**62)))
        decoder = nn.Sequential(
            *(nn.Linear(z.shape[1], hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.ReLU()),
            nn.Linear(hidden, outputs.shape[1]),
        )
    optimiser = torch.optim.Adam(decoder.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    draw = stream(seed, "reconstruction/batches")
    for _ in range(steps):
        rows = torch.from_numpy(draw.integers(len(inputs), size=batch))
        loss = (middle + decoder(inputs[rows]) - outputs[rows]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        restored = (middle + decoder(held)).clamp(0.0, 1.0).reshape(truth.shape).numpy()
    blind = middle.reshape(truth.shape[1:]).numpy()
    return Reconstruction(
        squared_error=float(np.square(restored - truth, dtype=np.float64).mean()),
        ms_ssim=float(ms_ssim(restored, truth).mean()),
        mean_squared_error_of_mean=float(np.square(blind - truth, dtype=np.float64).mean()),
        images=np.asarray(restored, dtype=np.float32),
        n=len(truth),
        d=z.shape[1],
    )


def ms_ssim(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """Multi-scale structural similarity of pairs of images: 1 for equal ones.

    Means of the local correspondence of contrast and structure on every scale, and of luminance on
    the coarsest, enter a product of powers (Wang, Simoncelli & Bovik 2003). The window has 7 x 7
    pixels with normal weights of standard deviation 1.5. Of the five scales as many are used as
    leave a window's side, with their weights divided by their sum: three for images of 28 pixels,
    one for 8. Negative means count as 0.

    Parameters
    ----------
    one, other : array_like, shape (n, c, h, w)
        Floats from 0 to 1, or whole numbers from 0 to 255; at least 7 pixels a side.

    Returns
    -------
    ndarray, shape (n,)
        Means over channels.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).random((2, 1, 28, 28))
    >>> ms_ssim(x, x).tolist(), bool((ms_ssim(x, 0.5 * x) < 0.9).all())
    ([1.0, 1.0], True)
    """
    x, y = (
        _pixels(name, part).astype(np.float64) for name, part in (("one", one), ("other", other))
    )
    if x.shape != y.shape or min(x.shape[2:]) < WINDOW:
        raise InputError(
            f"one, other: got shapes {x.shape} and {y.shape}; give equally many images of one "
            f"size, at least {WINDOW} pixels a side."
        )
    scales = 1
    while scales < len(WEIGHTS) and min(x.shape[2:]) >> scales >= WINDOW:
        scales += 1
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    product = np.ones(x.shape[:2])
    for scale, weight in enumerate(weights):
        structure, whole_index = _similarity(x, y)
        part = whole_index if scale == scales - 1 else structure
        product *= np.maximum(part, 0.0) ** weight
        x, y = _halved(x), _halved(y)
    return np.asarray(product.mean(axis=1))


def _similarity(x: Any, y: Any) -> tuple[Any, Any]:
    """Means over windows of contrast times structure, and of that times luminance: (n, c) each."""
    c1, c2 = STABLE
    mx, my = _smooth(x), _smooth(y)
    vx, vy = _smooth(x * x) - mx * mx, _smooth(y * y) - my * my
    covariance = _smooth(x * y) - mx * my
    structure = (2.0 * covariance + c2) / (vx + vy + c2)
    luminance = (2.0 * mx * my + c1) / (mx * mx + my * my + c1)
    return structure.mean(axis=(2, 3)), (luminance * structure).mean(axis=(2, 3))


def _smooth(x: Any) -> Any:
    """Weighted means over all windows that lie within the image."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-0.5 * (offsets / SPREAD) ** 2)
    taps /= taps.sum()
    for axis in (2, 3):
        length = x.shape[axis] - WINDOW + 1
        parts = [np.take(x, range(i, i + length), axis=axis) for i in range(WINDOW)]
        x = sum(tap * part for tap, part in zip(taps, parts, strict=True))
    return x


def _halved(x: Any) -> Any:
    """Means of blocks of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in x.shape[2:])
    x = x[:, :, :height, :width]
    return 0.25 * (
        x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]
    )


def _pixels(name: str, images: ArrayLike, owner: str = "", rows: Any = None) -> Any:
    """Return images as floats from 0 to 1, as many as there are rows of embeddings."""
    found = np.asarray(images)
    if found.ndim != 4 or found.dtype.kind not in "uif":
        raise InputError(
            f"{name}: got shape {found.shape} of {found.dtype}; give images (n, c, h, w)."
        )
    if rows is not None and len(found) != len(rows):
        raise InputError(f"{name}: got {len(found)} images for {len(rows)} rows of {owner}.")
    pixels = found.astype(np.float32)
    if found.dtype.kind in "ui":
        pixels /= 255.0
    if not (np.isfinite(pixels).all() and pixels.min() >= 0.0 and pixels.max() <= 1.0):
        raise InputError(
            f"{name}: holds values outside 0 to 1 (floats) or 0 to 255 (whole numbers), or NaN; "
            f"scale the pixels first."
        )
    return pixels
