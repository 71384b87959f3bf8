"""Augmentations X -> X' of whole batches, on the device that holds them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from dmtest.errors import InputError
from dmtest.train.model.draws import Draws

__all__ = ["AUGMENTATIONS", "Augmentation", "build_augmentation"]

Augmentation = Callable[[Tensor, Draws], Tensor]

# Share of rows that stay as they are: Lemma 3.3 asks for P(X = X' | X) > 0, which no
# continuous augmentation has.
CLEAN = 0.1
# Standard deviation of the noise: appendix C of the paper, and for data of few values, which
# average less of it out.
NOISE, LITTLE_NOISE, LARGE = 0.6, 0.3, 22
# Width over height where characters are to remain readable.
RATIO = (0.85, 1.18)
GREY = (0.299, 0.587, 0.114)


def identity(x: Tensor, draws: Draws) -> Tensor:
    """Leave X as it is: X' = X."""
    return x


def gaussian_noise(x: Tensor, draws: Draws, scale: float = NOISE) -> Tensor:
    """Add normal noise to every value (the paper's MNIST runs); a tenth of the rows stay clean."""
    noisy = x + scale * draws.normal(*x.shape[1:])
    return _mostly(noisy, x, draws)


def image(x: Tensor, draws: Draws) -> Tensor:
    """Crop and resize, flip, jitter colours, drop colour (appendix C); a tenth stay clean."""
    moved = resized_crop(x, draws, flip=True)
    return _mostly(_colours(moved, draws), x, draws)


def shift(x: Tensor, draws: Draws) -> Tensor:
    """Crop and resize mildly without flips, then blur some: for digits, where left is not right."""
    moved = resized_crop(x, draws, scale=(0.6, 1.0), ratio=RATIO, flip=False)
    return _mostly(blur(moved, draws), x, draws)


def handwriting(x: Tensor, draws: Draws, scale: float = NOISE) -> Tensor:
    """Turn, shear, resize and move, thicken or thin strokes, add normal noise; a tenth stay clean.

    What differs between writers goes, and what the characters are stays.
    """
    moved = _strokes(affine(x, draws), draws)
    return _mostly(moved + scale * draws.normal(*x.shape[1:]), x, draws)


def affine(
    x: Tensor,
    draws: Draws,
    angle: float = 0.3,
    shear: float = 0.2,
    area: tuple[float, float] = (0.6, 1.1),
    ratio: tuple[float, float] = RATIO,
) -> Tensor:
    """Turn, shear, resize and move every image by as much as leaves its middle in sight.

    Parameters
    ----------
    angle : float
        Largest turn, in radians.
    shear : float
        Largest slant: columns that a row moves by for every row.
    area, ratio : pair of float
        Share of the area that is seen, and its width over its height.
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


def _strokes(x: Tensor, draws: Draws) -> Tensor:
    """Thicken a third of the images and thin another, each by up to a pixel on either side."""
    chosen, share = draws.uniform(1, 1, 1), draws.uniform(1, 1, 1)
    thick = torch.lerp(x, largest_beside(x), share)
    thin = torch.lerp(x, -largest_beside(-x), share)
    return torch.where(chosen < 1 / 3, thick, torch.where(chosen < 2 / 3, thin, x))


def largest_beside(x: Tensor) -> Tensor:
    """Return the largest of every pixel and its eight neighbours.

    The numbers of ``max_pool2d(x, 3, 1, 1)``, which compares one by one on a CPU, in a thirtieth of
    its time.
    """
    wide = functional.pad(x, (1, 1, 1, 1), value=-math.inf)
    rows = torch.maximum(torch.maximum(wide[..., :-2], wide[..., 1:-1]), wide[..., 2:])
    above, here, below = rows[..., :-2, :], rows[..., 1:-1, :], rows[..., 2:, :]
    return torch.maximum(torch.maximum(above, here), below)


def _sides(
    draws: Draws, area: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Draw width and height of rectangles, as shares of the image's."""
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
    scale : pair of float
        Share of the area.
    ratio : pair of float
        Width over height.
    flip : bool
        Mirror half of the images.
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
    """Convolve some images with a normal density of random width, in pixels."""
    width = draws.uniform(low=0.1, high=widest)[:, None]
    offsets = torch.arange(-2, 3, device=x.device, dtype=x.dtype)
    taps = torch.exp(-0.5 * (offsets / width).square())
    taps = taps / taps.sum(1, keepdim=True)
    n, c, h, w = x.shape
    taps = taps.repeat_interleave(c, 0)
    flat = functional.pad(x.reshape(1, n * c, h, w), (2, 2, 2, 2), mode="replicate")
    flat = functional.conv2d(flat, taps[:, None, :, None], groups=n * c)
    flat = functional.conv2d(flat, taps[:, None, None, :], groups=n * c)
    chosen = (draws.uniform() < chance).view(-1, 1, 1, 1)
    return torch.where(chosen, flat.view(n, c, h, w), x)


def _colours(x: Tensor, draws: Draws) -> Tensor:
    """Brightness and contrast of all images; saturation, hue and grey of those in colour."""
    bright = draws.uniform(1, 1, 1, low=0.6, high=1.4)
    contrast = draws.uniform(1, 1, 1, low=0.6, high=1.4)
    x = x * bright
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    x = middle + contrast * (x - middle)
    if x.shape[1] == 3:
        weights = torch.tensor(GREY, device=x.device, dtype=x.dtype).view(1, 3, 1, 1)
        grey = (x * weights).sum(1, keepdim=True)
        x = grey + draws.uniform(1, 1, 1, low=0.8, high=1.2) * (x - grey)
        x = _turned(x, draws.uniform(low=-0.1, high=0.1))
        x = torch.where(draws.uniform(1, 1, 1) < 0.2, grey.expand_as(x), x)
    return x.clamp(0.0, 1.0)


def _turned(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue: a rotation about the grey axis of RGB space."""
    angle = 2.0 * math.pi * turns
    cosine, sine = angle.cos(), angle.sin() / math.sqrt(3.0)
    third = (1.0 - cosine) / 3.0
    eye, ones = torch.eye(3, device=x.device), torch.ones(3, 3, device=x.device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=x.device)
    view = (-1, 1, 1)
    turn = cosine.view(view) * eye + third.view(view) * ones + sine.view(view) * cross
    return torch.einsum("nij,njhw->nihw", turn, x)


def _mostly(changed: Tensor, x: Tensor, draws: Draws) -> Tensor:
    keep = (draws.uniform() < CLEAN).view(-1, *[1] * (x.ndim - 1))
    return torch.where(keep, x, changed)


AUGMENTATIONS: dict[str, tuple[bool, Augmentation]] = {
    "none": (False, identity),
    "noise": (False, gaussian_noise),
    "image": (True, image),
    "shift": (True, shift),
    "handwriting": (True, handwriting),
}


def build_augmentation(
    name: str | Augmentation, shape: tuple[int, ...], scale: float | None = None
) -> Augmentation:
    """Return an augmentation: "none", "noise", "image", "shift", "handwriting", or a callable.

    Parameters
    ----------
    name : str or callable
    shape : tuple of int
        Of a row.
    scale : float, optional
        Standard deviation of the noise of "noise" and "handwriting".

    Raises
    ------
    InputError
        If there is none of that name, or it takes images and the data are none.
    """
    if callable(name):
        return name
    if name not in AUGMENTATIONS:
        raise InputError(
            f"augment: got {name!r}; choose one of {', '.join(map(repr, AUGMENTATIONS))}, or pass "
            f"a function of a batch."
        )
    images_only, made = AUGMENTATIONS[name]
    if images_only and len(shape) != 3:
        raise InputError(
            f"augment: {name!r} takes images; these data have {shape[0]} columns; choose "
            f"augment='noise'."
        )
    if made in (gaussian_noise, handwriting):
        large = len(shape) == 3 and min(shape[1:]) >= LARGE
        return partial(made, scale=scale or (NOISE if large else LITTLE_NOISE))
    if scale is not None:
        raise InputError(
            f"augment_scale: is for augment='noise' and 'handwriting'; got augment={name!r}."
        )
    return made
