"""Augmentations X -> X' of whole batches, on the device of the batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from dmtest.errors import InputError
from dmtest.train.model.draws import Draws
from dmtest.train.model.paper_augment import paper_image, paper_noise

Augmentation = Callable[[Tensor, Draws], Tensor]

# Share of unchanged rows: Lemma 3.3 assumes P(X = X' | X) > 0, which no continuous augmentation
# satisfies.
CLEAN = 0.1
# Standard deviation of the noise: NOISE of the paper (appendix C) for images of at least LARGE
# pixels a side, LITTLE_NOISE for smaller data, which average less of it out.
NOISE, LITTLE_NOISE, LARGE = 0.6, 0.3, 22
# Width over height of crops that keep characters readable.
RATIO = (0.85, 1.18)
GREY = (0.299, 0.587, 0.114)


def identity(x: Tensor, draws: Draws) -> Tensor:
    """Return X itself: X' = X."""
    return x


def normal_noise(x: Tensor, draws: Draws, scale: float = NOISE) -> Tensor:
    """Add normal noise to every value (the paper's MNIST runs); a tenth of rows are unchanged."""
    noisy = x + scale * draws.normal(*x.shape[1:])
    return _keep_some(noisy, x, draws)


def image(x: Tensor, draws: Draws) -> Tensor:
    """Crop and resize, flip, jitter or remove colours (appendix C); a tenth are unchanged."""
    moved = resized_crop(x, draws, flip=True)
    return _keep_some(_jitter_colours(moved, draws), x, draws)


def shift(x: Tensor, draws: Draws) -> Tensor:
    """Crop and resize mildly, blur some, never flip: for digits, whose mirror images differ."""
    moved = resized_crop(x, draws, scale=(0.6, 1.0), ratio=RATIO, flip=False)
    return _keep_some(blur(moved, draws), x, draws)


def handwriting(x: Tensor, draws: Draws, scale: float = NOISE) -> Tensor:
    """Turn, shear, resize, move, thicken or thin strokes, add normal noise; a tenth are unchanged.

    It varies the style of a writer and leaves the character recognisable.
    """
    moved = _vary_strokes(affine(x, draws), draws)
    return _keep_some(moved + scale * draws.normal(*x.shape[1:]), x, draws)


def affine(
    x: Tensor,
    draws: Draws,
    angle: float = 0.3,
    shear: float = 0.2,
    area: tuple[float, float] = (0.6, 1.1),
    ratio: tuple[float, float] = RATIO,
) -> Tensor:
    """Turn, shear, resize and move every image at random, its middle staying visible.

    Parameters
    ----------
    x : Tensor, shape (n, c, h, w)
    draws : Draws
    angle : float
        Largest turn, in radians.
    shear : float
        Largest slant, in columns a row.
    area, ratio : pair of float
        Range of the share of the area that is visible, and of its width over its height.

    Returns
    -------
    Tensor, shape (n, c, h, w)
    """
    turn, slant = draws.uniform(low=-angle, high=angle), draws.uniform(low=-shear, high=shear)
    width, height = _sides(draws, area, ratio)
    left = draws.uniform(low=-1.0) * (1.0 - width).abs()
    top = draws.uniform(low=-1.0) * (1.0 - height).abs()
    c, s = turn.cos(), turn.sin()
    rows = [width * c, height * (slant * c - s), left, width * s, height * (slant * s + c), top]
    grid = functional.affine_grid(
        torch.stack(rows, dim=1).view(-1, 2, 3), list(x.shape), align_corners=False
    )
    return functional.grid_sample(x, grid, padding_mode="zeros", align_corners=False)


def _vary_strokes(x: Tensor, draws: Draws) -> Tensor:
    """Thicken a third of the images and thin another, each by up to a pixel on either side."""
    choice, share = draws.uniform(1, 1, 1), draws.uniform(1, 1, 1)
    thick = torch.lerp(x, largest_beside(x), share)
    thin = torch.lerp(x, -largest_beside(-x), share)
    return torch.where(choice < 1 / 3, thick, torch.where(choice < 2 / 3, thin, x))


def largest_beside(x: Tensor) -> Tensor:
    """Largest value among every pixel and its eight neighbours.

    The same numbers as ``max_pool2d(x, 3, 1, 1)``, in a thirtieth of its time on a CPU.
    """
    wide = functional.pad(x, (1, 1, 1, 1), value=-math.inf)
    rows = torch.maximum(torch.maximum(wide[..., :-2], wide[..., 1:-1]), wide[..., 2:])
    above, here, below = rows[..., :-2, :], rows[..., 1:-1, :], rows[..., 2:, :]
    return torch.maximum(torch.maximum(above, here), below)


def _sides(
    draws: Draws, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Draw width and height of rectangles, as shares of those of the image: two tensors (n,)."""
    part = draws.uniform(low=area[0], high=area[1])
    shape = torch.exp(draws.uniform(low=math.log(ratio[0]), high=math.log(ratio[1])))
    return (part * shape).sqrt(), (part / shape).sqrt()


def resized_crop(
    x: Tensor,
    draws: Draws,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (0.75, 4.0 / 3.0),
    flip: bool = True,
) -> Tensor:
    """Cut a random rectangle out of every image and stretch it to the full size.

    Parameters
    ----------
    x : Tensor, shape (n, c, h, w)
    draws : Draws
    scale : pair of float
        Range of the share of the area.
    ratio : pair of float
        Range of width over height.
    flip : bool
        Whether half of the images are mirrored.

    Returns
    -------
    Tensor, shape (n, c, h, w)
    """
    width, height = (side.clamp(max=1.0) for side in _sides(draws, scale, ratio))
    left = (1.0 - width) * draws.uniform(low=-1.0)
    top = (1.0 - height) * draws.uniform(low=-1.0)
    if flip:
        width = torch.where(draws.uniform() < 0.5, -width, width)
    zero = torch.zeros_like(width)
    rows = torch.stack([width, zero, left, zero, height, top], dim=1)
    grid = functional.affine_grid(rows.view(-1, 2, 3), list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def blur(x: Tensor, draws: Draws, chance: float = 0.5, widest: float = 1.0) -> Tensor:
    """Blur a share `chance` of the images with a normal density of random width in pixels."""
    width = draws.uniform(low=0.1, high=widest)[:, None]
    offsets = torch.arange(-2, 3, device=x.device, dtype=x.dtype)
    taps = torch.exp(-0.5 * (offsets / width).square())
    taps = taps / taps.sum(1, keepdim=True)
    n, c, h, w = x.shape
    taps = taps.repeat_interleave(c, 0)
    flat = functional.pad(x.reshape(1, n * c, h, w), (2, 2, 2, 2), mode="replicate")
    flat = functional.conv2d(flat, taps[:, None, :, None], groups=n * c)
    flat = functional.conv2d(flat, taps[:, None, None, :], groups=n * c)
    blurred = (draws.uniform() < chance).view(-1, 1, 1, 1)
    return torch.where(blurred, flat.view(n, c, h, w), x)


def _jitter_colours(x: Tensor, draws: Draws) -> Tensor:
    """Vary brightness and contrast, and of colour images saturation, hue and greyness."""
    bright = draws.uniform(1, 1, 1, low=0.6, high=1.4)
    contrast = draws.uniform(1, 1, 1, low=0.6, high=1.4)
    x = x * bright
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    x = middle + contrast * (x - middle)
    if x.shape[1] == 3:
        weights = torch.tensor(GREY, device=x.device, dtype=x.dtype).view(1, 3, 1, 1)
        grey = (x * weights).sum(1, keepdim=True)
        x = grey + draws.uniform(1, 1, 1, low=0.8, high=1.2) * (x - grey)
        x = _turn_hue(x, draws.uniform(low=-0.1, high=0.1))
        x = torch.where(draws.uniform(1, 1, 1) < 0.2, grey.expand_as(x), x)
    return x.clamp(0.0, 1.0)


def _turn_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate colours about the grey axis of RGB space, by `turns` of a full circle."""
    angle = 2.0 * math.pi * turns
    cosine, sine = angle.cos(), angle.sin() / math.sqrt(3.0)
    third = (1.0 - cosine) / 3.0
    eye, ones = torch.eye(3, device=x.device), torch.ones(3, 3, device=x.device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=x.device)
    view = (-1, 1, 1)
    turn = cosine.view(view) * eye + third.view(view) * ones + sine.view(view) * cross
    return torch.einsum("nij,njhw->nihw", turn, x)


def _keep_some(changed: Tensor, x: Tensor, draws: Draws) -> Tensor:
    """Return `changed` with a random share of the rows replaced by those of x."""
    keep = (draws.uniform() < CLEAN).view(-1, *[1] * (x.ndim - 1))
    return torch.where(keep, x, changed)


AUGMENTATIONS: dict[str, tuple[bool, Augmentation]] = {
    "none": (False, identity),
    "noise": (False, normal_noise),
    "image": (True, image),
    "shift": (True, shift),
    "handwriting": (True, handwriting),
    "paper-noise": (False, paper_noise),
    "paper-image": (True, paper_image),
}


def build_augmentation(
    name: str | Augmentation, shape: tuple[int, ...], scale: float | None = None
) -> Augmentation:
    """Return the augmentation with a name, or a callable itself.

    Parameters
    ----------
    name : str or callable
        A name in `AUGMENTATIONS`, or a function of a batch and its draws.
    shape : tuple of int
        Shape of a row.
    scale : float, optional
        Standard deviation of the noise, for "noise", "paper-noise" and "handwriting" only.

    Raises
    ------
    InputError
        If there is no augmentation with that name, or it needs images and the data are features.
    """
    if callable(name):
        return name
    if name not in AUGMENTATIONS:
        raise InputError(
            f"augment: got {name!r}; choose one of {', '.join(map(repr, AUGMENTATIONS))}, or pass "
            f"a function of a batch."
        )
    images_only, augmentation = AUGMENTATIONS[name]
    if images_only and len(shape) != 3:
        raise InputError(
            f"augment: {name!r} takes images; these data have {shape[0]} columns; choose "
            f"augment='noise'."
        )
    if augmentation in (normal_noise, handwriting):
        large = len(shape) == 3 and min(shape[1:]) >= LARGE
        return partial(augmentation, scale=scale or (NOISE if large else LITTLE_NOISE))
    if augmentation is paper_noise:
        return partial(paper_noise, scale=scale or NOISE)
    if scale is not None:
        raise InputError(
            f"augment_scale: is for augment='noise', 'paper-noise' and 'handwriting'; got "
            f"augment={name!r}."
        )
    return augmentation
