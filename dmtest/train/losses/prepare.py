"""Checks of arguments, and directions, for all differentiable statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from dmtest.errors import InputError

FEWEST_ROWS = 8
DIRECTIONS = 64  # by default


@contextmanager
def no_autocast(z: Tensor) -> Iterator[None]:
    """Switch autocast off, because rounding dominates a statistic in half precision."""
    if not isinstance(z, Tensor):
        raise InputError(f"z: got {type(z).__name__}; pass a torch tensor of shape (n, d).")
    with torch.autocast(z.device.type, enabled=False):
        yield


def check_choice(name: str, value: str, options: Sequence[str]) -> None:
    """Refuse a value that is not one of the options."""
    if value not in options:
        raise InputError(f"{name}: got {value!r}; choose {' or '.join(map(repr, options))}.")


def rows_of(z: Tensor) -> Tensor:
    """Return `z` as rows of shape (n, d), float32 or float64; half precision becomes float32."""
    if z.ndim == 1:
        z = z[:, None]
    if z.ndim != 2 or not z.shape[1]:
        raise InputError(
            f"z: got shape {tuple(z.shape)}; pass (n, d), such as z.flatten(0, -2) of tokens."
        )
    if len(z) < FEWEST_ROWS:
        raise InputError(f"z: got {len(z)} rows; pass at least {FEWEST_ROWS}.")
    if not z.is_floating_point():
        raise InputError(f"z: holds {z.dtype}; convert it with z.float().")
    return z if z.dtype in (torch.float32, torch.float64) else z.float()


def directions_for(
    rows: Tensor, directions: Tensor | int | None, generator: torch.Generator | None = None
) -> Tensor:
    """Return directions (k, d) with the dtype and device of `rows`: those passed, or random ones.

    Raises
    ------
    InputError
        If the shape does not fit, or a row is not a unit vector.
    """
    d = rows.shape[1]
    if directions is None or isinstance(directions, int):
        if directions is not None and (isinstance(directions, bool) or directions < 1):
            raise InputError(f"directions: got {directions!r}; give at least 1, or a tensor.")
        return random_frames(DIRECTIONS if directions is None else directions, rows, generator)
    u = torch.as_tensor(directions, dtype=rows.dtype, device=rows.device)
    u = u[None, :] if u.ndim == 1 else u
    if u.ndim != 2 or u.shape[1] != d or not len(u):
        raise InputError(
            f"directions: got shape {tuple(u.shape)}; pass (k, {d}), one unit vector a row."
        )
    off = (u.detach().norm(dim=1) - 1.0).abs().max()
    if not float(off) <= 1e-3:
        raise InputError(
            f"directions: a row's norm is {float(off):.3g} from 1; divide every row by its norm."
        )
    return u


def random_frames(k: int, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw directions uniform on the sphere, orthonormal within blocks of d: (k, d).

    As :func:`dmtest.engines.directions.random_directions`, but on the device of the tensor. For
    d = 1 there is one direction.
    """
    d = like.shape[1]
    if d == 1:
        return like.new_ones((1, 1))
    width = min(k, d)
    count = -(-k // width)
    device = like.device if generator is None else generator.device
    normal = torch.randn((count, d, width), dtype=like.dtype, device=device, generator=generator)
    q, r = torch.linalg.qr(normal)
    q = q * r.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    frames: Tensor = q.transpose(1, 2).reshape(count * width, d)[:k]
    return frames.to(like.device)
