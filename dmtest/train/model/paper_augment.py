"""Augmentations of appendix C of arXiv 2410.06993, for whole batches on their device.

``paper-noise`` adds N(0, 0.6^2) to every value. ``paper-image`` is, in this order: a random resized
crop (bicubic, antialiased), a colour jitter in random order for half of the images, grey for a
fifth, a mirror image for half. The printed blur and solarisation have probability 0. Normalize,
which training and test images share, belongs to the encoder
(:class:`dmtest.train.model.projection.Standardise`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dmtest.train.model.draws import Draws

NOISE = 0.6
AREA, RATIO = (0.08, 1.0), (0.75, 4.0 / 3.0)
BRIGHTNESS = CONTRAST = (0.6, 1.4)
SATURATION, HUE = (0.8, 1.2), (-0.1, 0.1)
# RandomApply is printed without a probability: torchvision's is 1/2.
JITTERED, GREYED, MIRRORED = 0.5, 0.2, 0.5
# Rec. 601 luma, as Pillow and torchvision weigh colours.
LUMA = (0.299, 0.587, 0.114)
# Crops that are tried before the middle of the image is taken.
TRIES = 10
# Sharpness of Keys' cubic kernel, as in Pillow.
KEYS = -0.5


def paper_noise(x: Tensor, draws: Draws, scale: float = NOISE) -> Tensor:
    """Add normal noise to every value; no row stays clean."""
    return x + scale * draws.normal(*x.shape[1:])


def paper_image(x: Tensor, draws: Draws) -> Tensor:
    """Crop, jitter colours, remove colours, mirror: images (n, c, h, w) with values in [0, 1]."""
    boxes = crop_boxes(draws, x.shape[2], x.shape[3])
    x = resized(x, boxes, (x.shape[2], x.shape[3])).clamp(0.0, 1.0)
    x = _some(draws, JITTERED, jittered(x, jitter_of(draws)), x)
    if x.shape[1] == 3:
        x = _some(draws, GREYED, grey(x).expand_as(x), x)
    return _some(draws, MIRRORED, x.flip(3), x)


def _some(draws: Draws, share: float, changed: Tensor, x: Tensor) -> Tensor:
    return torch.where(draws.uniform(1, 1, 1) < share, changed, x)


def crop_boxes(draws: Draws, height: int, width: int) -> Tensor:
    """Draw whole-pixel boxes (n, 4): top, left, height, width.

    Area and logarithm of the ratio are uniform. The first of ten boxes that lies inside the image
    is taken; if there is none, the middle with the nearest ratio that is allowed.
    """
    area = draws.uniform(TRIES, low=AREA[0], high=AREA[1]) * (height * width)
    ratio = draws.uniform(TRIES, low=math.log(RATIO[0]), high=math.log(RATIO[1])).exp()
    wide, high = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (wide > 0) & (wide <= width) & (high > 0) & (high <= height)
    first = fits.float().argmax(1, keepdim=True)
    found = fits.any(1)
    own = width / height
    middle_w = float(width if own <= RATIO[1] else round(height * RATIO[1]))
    middle_h = float(height if own >= RATIO[0] else round(width / RATIO[0]))
    w = torch.where(found, wide.gather(1, first)[:, 0], torch.full_like(wide[:, 0], middle_w))
    h = torch.where(found, high.gather(1, first)[:, 0], torch.full_like(wide[:, 0], middle_h))
    top = (draws.uniform() * (height - h + 1)).floor()
    left = (draws.uniform() * (width - w + 1)).floor()
    top = torch.where(found, top, torch.div(height - h, 2, rounding_mode="floor"))
    left = torch.where(found, left, torch.div(width - w, 2, rounding_mode="floor"))
    return torch.stack([top, left, h, w], dim=1)


def resized(x: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a box of every image by Keys' cubic kernel, widened where the box is larger.

    The same as Pillow's crop and BICUBIC resize of floating-point images.

    Parameters
    ----------
    x : Tensor, shape (n, c, h, w)
    boxes : Tensor, shape (n, 4)
        Top, left, height and width, whole numbers.
    size : pair of int
        Height and width of the result.

    Returns
    -------
    Tensor, shape (n, c, *size)
    """
    down = _weights(boxes[:, 0], boxes[:, 2], x.shape[2], size[0])
    across = _weights(boxes[:, 1], boxes[:, 3], x.shape[3], size[1])
    return torch.einsum("noh,nchw,npw->ncop", down, x, across)


def _weights(start: Tensor, length: Tensor, pixels: int, size: int) -> Tensor:
    """Weights (n, size, pixels) of one axis; a pixel outside of the box has none."""
    step = length / size
    wide = step.clamp(min=1.0)[:, None, None]
    out = torch.arange(size, device=start.device, dtype=start.dtype)
    centre = (start[:, None] + (out + 0.5) * step[:, None])[:, :, None]
    place = torch.arange(pixels, device=start.device, dtype=start.dtype)
    u = ((place + 0.5 - centre) / wide).abs()
    near = ((KEYS + 2.0) * u - (KEYS + 3.0)) * u * u + 1.0
    far = KEYS * (((u - 5.0) * u + 8.0) * u - 4.0)
    kernel = torch.where(u < 1.0, near, torch.where(u < 2.0, far, torch.zeros_like(u)))
    inside = (place >= start[:, None]) & (place < (start + length)[:, None])
    kernel = kernel * inside[:, None, :]
    return kernel / kernel.sum(2, keepdim=True)


def jitter_of(draws: Draws) -> tuple[Tensor, Tensor]:
    """Draw factors (n, 4) of brightness, contrast, saturation and hue, and their order (n, 4)."""
    ranges = (BRIGHTNESS, CONTRAST, SATURATION, HUE)
    factors = [draws.uniform(low=low, high=high) for low, high in ranges]
    return torch.stack(factors, dim=1), draws.uniform(4).argsort(1)


def jittered(x: Tensor, jitter: tuple[Tensor, Tensor]) -> Tensor:
    """Change brightness, contrast, saturation and hue, in the order of every image.

    Each change is clipped to [0, 1]. Without colours only the first two change anything.
    """
    factors, order = jitter
    changes = (brightened, contrasted, saturated, turned)[: 4 if x.shape[1] == 3 else 2]
    for place in range(4):
        now = order[:, place]
        done = x
        for which, change in enumerate(changes):
            mine = (now == which).view(-1, 1, 1, 1)
            done = torch.where(mine, change(x, factors[:, which].view(-1, 1, 1, 1)), done)
        x = done
    return x


def grey(x: Tensor) -> Tensor:
    """Luma (n, 1, h, w) of images; those without colours are returned."""
    if x.shape[1] != 3:
        return x
    weights = torch.tensor(LUMA, device=x.device, dtype=x.dtype).view(1, 3, 1, 1)
    return (x * weights).sum(1, keepdim=True)


def brightened(x: Tensor, factor: Tensor) -> Tensor:
    """Blend with black."""
    return (factor * x).clamp(0.0, 1.0)


def contrasted(x: Tensor, factor: Tensor) -> Tensor:
    """Blend with the mean luma of the image."""
    middle = grey(x).mean(dim=(1, 2, 3), keepdim=True)
    return torch.lerp(middle, x, factor).clamp(0.0, 1.0)


def saturated(x: Tensor, factor: Tensor) -> Tensor:
    """Blend with the grey image."""
    return torch.lerp(grey(x), x, factor).clamp(0.0, 1.0)


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue by a share of the circle, in HSV: saturation and value stay."""
    value, which = x.max(dim=1, keepdim=True)
    span = value - x.min(dim=1, keepdim=True).values
    r, g, b = (x[:, channel : channel + 1] for channel in range(3))
    safe = torch.where(span > 0.0, span, torch.ones_like(span))
    sixth = torch.where(which == 0, (g - b) / safe, (b - r) / safe + 2.0)
    sixth = torch.where(which == 2, (r - g) / safe + 4.0, sixth)
    hue = (sixth / 6.0 + turns) % 1.0
    # Channel n is v - span max(0, min(k, 4 - k, 1)) with k = (n + 6 hue) mod 6.
    offsets = torch.tensor([5.0, 3.0, 1.0], device=x.device, dtype=x.dtype).view(1, 3, 1, 1)
    k = (offsets + 6.0 * hue) % 6.0
    return value - span * torch.minimum(k, 4.0 - k).clamp(0.0, 1.0)
