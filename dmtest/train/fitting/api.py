"""Train an encoder whose embeddings follow their target, and say whether they do."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dmtest.errors import InputError
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.train.data.images import Images
from dmtest.train.data.load import load_images
from dmtest.train.evaluate.scoring import Downstream, downstream
from dmtest.train.evaluate.verification import Verification, verify
from dmtest.train.fitting.embed import augmented_embeddings, embeddings, pair_batches
from dmtest.train.fitting.loop import chosen_device, train
from dmtest.train.fitting.module import HISTORY, InfoMax
from dmtest.train.fitting.result import Fit
from dmtest.train.fitting.settings import Settings
from dmtest.train.losses.penalties import build_penalty
from dmtest.train.model.augment import Augmentation, build_augmentation
from dmtest.train.model.critics import build_critic
from dmtest.train.model.encoders import build_encoder, recalibrate
from dmtest.train.model.noise import Noise, as_noise
from dmtest.train.model.objectives import build_objective

if TYPE_CHECKING:
    pass

__all__ = ["fit"]

Vector = NDArray[np.float32]
# Rows of a matrix of scores when the trained critic is evaluated, and pixels of a ConvNet at least.
SCORED = 1024
# Training rows that the running moments of batch normalisation are made from.
MOMENT_ROWS = 60_000


def fit(
    data: Any = "digits",
    target: str = "normal",
    *,
    dim: int = 2,
    sigma: float | None = None,
    epsilon: float | None = None,
    capacity: float | None = None,
    encoder: str | torch.nn.Module = "auto",
    augment: str | Augmentation = "noise",
    labels: ArrayLike | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    evaluate: bool = True,
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    **options: Any,
) -> Fit:
    """Train by noise-injected Deep InfoMax (arXiv 2410.06993) and check the result.

    Maximises I(f(X'); f(X) + Z), whose maximum under the outlet's moments is reached by
    embeddings that follow the target and do not change under augmentation.

    Parameters
    ----------
    data : str, path or array_like
        As `source` of :func:`dmtest.train.data.load.load_images`: "digits", arrays, idx files,
        CIFAR (binary version), folders of images.
    target : {"normal", "uniform"}
    dim : int
        Columns of the embedding.
    sigma, epsilon, capacity : float, optional
        One of them: standard deviation of normal noise, half width of uniform noise, or the nats
        that the noise has to leave. By default sigma is 0.3, epsilon 0.1; 0 is plain Deep InfoMax.
    encoder : str or torch module
        A name (see :class:`Settings`), or a module that maps a batch to (n, dim).
    augment : str or callable
        A name (see :class:`Settings`), or a function of a batch and its :class:`Draws`.
    labels : array_like, optional
        Of arrays: for the downstream scores; training never sees them.
    out : path, optional
        A folder for embeddings, encoder, checkpoints, curves and the report.
    resume : bool
        Go on from the last checkpoint in `out`; the result is that of an uninterrupted run.
    evaluate : bool
        Report on held-out rows, check them against the bounds, score them downstream, and do
        the same for the untrained encoder.
    rng : None, int or numpy Generator
        The same seed gives the same encoder on the same machine and number of threads.
    progress : bool or callable, optional
        As for :func:`dmtest.report`.
    **options
        Further fields of :class:`Settings`: ``epochs=``, ``batch=``, ``critic=``,
        ``objective=``, ...

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        If an argument or the data cannot be used, or parts do not go together.
    TrainingError
        If the loss is no longer finite.

    Examples
    --------
    >>> from dmtest import train
    >>> made = train.fit("digits", sigma=0.5, epochs=2, evaluate=False, rng=0)
    >>> made.embeddings.shape
    (500, 2)
    """
    from dmtest.runtime.progress import reporter

    seed = entropy_of(rng)
    name = encoder if isinstance(encoder, str) else "auto"
    kind = augment if isinstance(augment, str) else "none"
    settings = Settings.of(dim=dim, encoder=name, augment=kind, **options)
    noise = as_noise(target, dim, sigma, epsilon, capacity)
    training, test = (
        _cropped(load_images(data, split=split, size=settings.size, labels=labels), settings.crop)
        for split in ("train", "test")
    )
    shape = training.images.shape[1:]
    if isinstance(encoder, str):
        settings = settings.changed(encoder="mlp" if encoder == "auto" else encoder)
        encoder = settings.encoder
    folder = None if out is None else Path(out)
    chosen_device(settings)
    augmentation = build_augmentation(augment, shape, settings.augment_scale)
    with reporter(progress) as step:
        module = _module(training, encoder, augmentation, noise, settings, seed)
        untrained = None
        if evaluate:
            untrained = _measured(module, training, test, seed)
        started = time.perf_counter()
        module = train(
            module,
            settings,
            folder=None if folder is None else folder / "checkpoints",
            resume=resume,
            progress=step,
        )
        seconds = time.perf_counter() - started
        made = _finished(module, training, test, untrained, evaluate, seconds, seed)
    if folder is not None:
        from dmtest.train.fitting.export import write

        write(made, folder)
    return made


def _cropped(data: Images, crop: int | None) -> Images:
    """Cut the middle out of images."""
    if crop is None:
        return data
    if not data.is_image or min(data.images.shape[2:]) < crop:
        raise InputError(
            f"crop: {crop} pixels cannot be cut out of data of shape {data.images.shape[1:]}; "
            f"leave crop out."
        )
    top, left = ((side - crop) // 2 for side in data.images.shape[2:])
    images = np.ascontiguousarray(data.images[:, :, top : top + crop, left : left + crop])
    return Images(images, data.labels, data.classes, data.name)


def _module(
    training: Images,
    encoder: str | torch.nn.Module,
    augment: Augmentation,
    noise: Noise,
    settings: Settings,
    seed: int,
) -> InfoMax:
    """Put the parts together, their weights drawn from the seed; torch's own state is kept."""
    objective = None if settings.objective == "none" else build_objective(settings.objective)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, "train/weights").integers(2**62)))
        shape = training.images.shape[1:]
        made = build_encoder(encoder, shape, settings.dim, noise.target, settings.head)
        critic = None if objective is None else build_critic(settings.critic, settings.dim, noise)
        penalty = build_penalty(settings, noise.target, seed)
    if len(shape) == 3:
        made = made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pool = torch.from_numpy(np.ascontiguousarray(training.images))
    return InfoMax(pool, made, critic, objective, noise, augment, penalty, settings, seed)


def _measured(
    module: InfoMax, training: Images, test: Images, seed: int
) -> tuple[dict[str, Any], Verification, Downstream | None]:
    """Embed both splits with the encoder as it is, and check the held-out one."""
    arrays = _arrays(module, training, test, seed)
    checked = verify(
        arrays["embeddings"],
        arrays["augmented"],
        module.noise,
        scores=_scores(module, arrays, seed),
        rng=seed,
    )
    scored = None
    if training.labels is not None and test.labels is not None:
        scored = downstream(
            arrays["train_embeddings"], training.labels, arrays["embeddings"], test.labels, rng=seed
        )
    return arrays, checked, scored


def _arrays(module: InfoMax, training: Images, test: Images, seed: int) -> dict[str, Any]:
    pool, held = (torch.from_numpy(np.ascontiguousarray(d.images)) for d in (training, test))
    moments = stream(seed, "train/moments").integers(2**31)
    recalibrate(module.encoder, pair_batches(pool[:MOMENT_ROWS], module.augment, int(moments)))
    module.encoder.eval()
    views = int(stream(seed, "train/views").integers(2**31))
    return {
        "embeddings": embeddings(module.encoder, held),
        "augmented": augmented_embeddings(module.encoder, held, module.augment, views),
        "train_embeddings": embeddings(module.encoder, pool),
    }


@torch.no_grad()
def _scores(module: InfoMax, arrays: Mapping[str, Vector], seed: int) -> NDArray[np.float64] | None:
    """Score held-out pairs with the critic, in disjoint batches."""
    if module.critic is None:
        return None
    x, clean = arrays["augmented"], arrays["embeddings"]
    size = min(SCORED, len(clean) // 2)
    order = stream(seed, "train/scored").permutation(len(clean))
    rng, level = stream(seed, "train/noise"), module.noise.level
    unit = rng.standard_normal if module.noise.target == "normal" else _symmetric(rng)
    y = (clean + level * unit(clean.shape)).astype(np.float32)
    stack = []
    for start in range(0, len(order) // size * size, size):
        part = order[start : start + size]
        scores = module.critic(torch.from_numpy(x[part]), torch.from_numpy(y[part]))
        stack.append(scores.double().numpy())
    return np.stack(stack)


def _symmetric(rng: np.random.Generator) -> Any:
    return lambda shape: rng.uniform(-1.0, 1.0, shape)


def _finished(
    module: InfoMax,
    training: Images,
    test: Images,
    untrained: tuple[dict[str, Any], Verification, Downstream | None] | None,
    evaluate: bool,
    seconds: float,
    seed: int,
) -> Fit:
    checked = scored = report = None
    if evaluate:
        from dmtest.reports.api import report as report_on

        arrays, checked, scored = _measured(module, training, test, seed)
        report = report_on(
            arrays["embeddings"],
            module.noise.target,
            augmented=arrays["augmented"],
            rng=seed,
            progress=False,
        )
    else:
        arrays = _arrays(module, training, test, seed)
    done = torch.isfinite(module.history[:, 0])
    return Fit(
        **arrays,
        labels=test.labels,
        train_labels=training.labels,
        encoder=module.encoder.eval(),
        critic=module.critic,
        noise=module.noise,
        settings=module.settings,
        history={name: module.history[done, i].tolist() for i, name in enumerate(HISTORY)},
        report=report,
        verification=checked,
        baseline=None if untrained is None else untrained[1],
        downstream=scored,
        baseline_downstream=None if untrained is None else untrained[2],
        seconds=seconds,
        seed=seed,
        source=training.name,
    )
