"""Train an encoder whose embeddings follow a target, and check them on held-out rows."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dmtest.errors import InputError
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.targets.targets import TargetLike
from dmtest.train.data.images import Images
from dmtest.train.data.load import load_images
from dmtest.train.evaluate.scoring import Downstream, downstream
from dmtest.train.evaluate.signatures import signatures
from dmtest.train.evaluate.verification import Verification, verify
from dmtest.train.fitting.embed import augmented_embeddings, embeddings, fetch, pair_batches
from dmtest.train.fitting.loop import device_name, train
from dmtest.train.fitting.module import InfoMax
from dmtest.train.fitting.outlet import outlet_of
from dmtest.train.fitting.result import Fit
from dmtest.train.fitting.settings import Settings
from dmtest.train.losses.penalties import build_penalty
from dmtest.train.model.augment import Augmentation, build_augmentation
from dmtest.train.model.critics import build_critic
from dmtest.train.model.encoders import AUTO, build_encoder, recalibrate
from dmtest.train.model.noise import Noise, as_noise
from dmtest.train.model.objectives import build_objective

Vector = NDArray[np.float32]
# Rows of a matrix of scores when the trained critic is evaluated.
SCORE_ROWS = 1024
# Training rows behind the running moments of batch normalisation.
MOMENT_ROWS = 60_000


def fit(
    data: Any = "digits",
    target: TargetLike = "normal",
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

    Training maximises I(f(X'); f(X) + Z). With the moments that the head fixes, embeddings that
    follow the target and do not change under augmentation reach the maximum.

    Parameters
    ----------
    data : str, path or array_like
        "digits", an array, idx files, CIFAR (binary version) or a folder of images, as `source`
        of :func:`dmtest.train.data.load.load_images`.
    target : str or target
        "normal", N(0, I); "uniform", on the unit cube; "sphere", on the unit sphere; or
        :class:`dmtest.Product`, independent columns with given margins. The last two are trained
        as N(0, I) and then mapped, by unit norm or by F^-1(Phi(.)) in every column: the divergence
        from the target is that from N(0, I), or less.
    dim : int
        Columns of the embedding.
    sigma, epsilon, capacity : float, optional
        At most one of them: the standard deviation of normal noise, the half width of uniform
        noise, or the capacity in nats. By default sigma is 0.3 and epsilon 0.1; 0 is plain Deep
        InfoMax.
    encoder : str or torch module
        A name (see :class:`Settings`), or a module that maps a batch to (n, dim).
    augment : str or callable
        A name (see :class:`Settings`), or a function of a batch and its :class:`Draws`.
    labels : array_like, optional
        Labels of an array, for the downstream scores; training never uses them.
    out : path, optional
        A folder for embeddings, encoder, checkpoints, curves and the report.
    resume : bool
        Continue from the last checkpoint in `out`; the result is that of an uninterrupted run.
    evaluate : bool
        Report on held-out rows, check them against the bounds and score them downstream; the
        untrained encoder is checked and scored too.
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
        If an argument or the data cannot be used, or arguments contradict each other.
    TrainingError
        If the loss is not finite.

    Examples
    --------
    >>> from dmtest import train
    >>> result = train.fit("digits", sigma=0.5, epochs=2, evaluate=False, rng=0)
    >>> result.embeddings.shape
    (500, 2)
    """
    from dmtest.runtime.progress import reporter

    seed = entropy_of(rng)
    name = encoder if isinstance(encoder, str) else "auto"
    kind = augment if isinstance(augment, str) else "none"
    settings = Settings.of(dim=dim, encoder=name, augment=kind, **options)
    law, margins = outlet_of(target, dim)
    noise = as_noise(law, dim, sigma, epsilon, capacity)
    training, test = (
        _crop(load_images(data, split=split, size=settings.size, labels=labels), settings.crop)
        for split in ("train", "test")
    )
    shape = training.images.shape[1:]
    settings = settings.resolved(len(training))
    if isinstance(encoder, str):
        settings = settings.changed(encoder=AUTO if encoder == "auto" else encoder)
        encoder = settings.encoder
    folder = None if out is None else Path(out)
    device = device_name(settings)  # refuses a missing device before training
    augmentation = build_augmentation(augment, shape, settings.augment_scale)
    with reporter(progress) as step:
        module = _build_module(training, encoder, augmentation, noise, settings, seed, margins)
        module.pool = module.pool.to(device)
        held_out = torch.from_numpy(np.ascontiguousarray(test.images)).to(device)
        untrained = None
        if evaluate:
            untrained = _evaluate(module.to(device), held_out, training, test, seed)
        start = time.perf_counter()
        module = train(
            module,
            settings,
            folder=None if folder is None else folder / "checkpoints",
            resume=resume,
            progress=step,
        )
        seconds = time.perf_counter() - start
        result = _result(module, held_out, training, test, untrained, target, seconds, seed)
    if folder is not None:
        from dmtest.train.fitting.export import write

        write(result, folder)
    return result


def _crop(data: Images, crop: int | None) -> Images:
    """Return the middle `crop` x `crop` pixels of every image."""
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


def _build_module(
    training: Images,
    encoder: str | torch.nn.Module,
    augment: Augmentation,
    noise: Noise,
    settings: Settings,
    seed: int,
    margins: dict[str, Any] | None,
) -> InfoMax:
    """Build the module with weights drawn from the seed; torch's global state is unchanged."""
    objective = None if settings.objective == "none" else build_objective(settings.objective)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, "train/weights").integers(2**62)))
        shape = training.images.shape[1:]
        network = build_encoder(encoder, shape, settings.dim, noise.target, settings.head, margins)
        critic = None if objective is None else build_critic(settings.critic, settings.dim, noise)
        penalty = build_penalty(settings, noise.target, seed)
    if len(shape) == 3:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pool = torch.from_numpy(np.ascontiguousarray(training.images))
    return InfoMax(pool, network, critic, objective, noise, augment, penalty, settings, seed)


def _evaluate(
    module: InfoMax, held_out: torch.Tensor, training: Images, test: Images, seed: int
) -> tuple[dict[str, Any], Verification, Downstream | None]:
    """Embed both splits with the present weights; check and score the held-out one."""
    outlets = _outlets(module, held_out, seed)
    verification = verify(
        fetch(outlets["embeddings"]),
        fetch(outlets["augmented"]),
        module.noise,
        scores=_scores(module, outlets, seed),
        rng=seed,
    )
    arrays = _mapped(module, outlets)
    scores = None
    if training.labels is not None and test.labels is not None:
        scores = downstream(
            arrays["train_embeddings"], training.labels, arrays["embeddings"], test.labels, rng=seed
        )
    return arrays, verification, scores


def _outlets(module: InfoMax, held_out: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    """Return f(X) and f(X') at the outlet, on the device of the module."""
    moments = stream(seed, "train/moments").integers(2**31)
    rows = module.pool[:MOMENT_ROWS]
    recalibrate(module.encoder, pair_batches(rows, module.augment, int(moments)))
    module.encoder.eval()
    views = int(stream(seed, "train/views").integers(2**31))
    outlet = module.encoder.outlet
    return {
        "embeddings": embeddings(outlet, held_out),
        "augmented": augmented_embeddings(outlet, held_out, module.augment, views),
        "train_embeddings": embeddings(outlet, module.pool),
    }


def _mapped(module: InfoMax, outlets: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return the arrays that users get: the outlets brought to the target."""
    with torch.no_grad():
        return {name: fetch(module.encoder.margins(rows)) for name, rows in outlets.items()}


@torch.no_grad()
def _scores(
    module: InfoMax, outlets: Mapping[str, torch.Tensor], seed: int
) -> NDArray[np.float64] | None:
    """Return the critic's scores of held-out pairs, in disjoint batches: (batches, K, K)."""
    if module.critic is None:
        return None
    x, clean = outlets["augmented"], outlets["embeddings"]
    size = min(SCORE_ROWS, len(clean) // 2)
    order = torch.from_numpy(stream(seed, "train/scored").permutation(len(clean))).to(x.device)
    rng, level = stream(seed, "train/noise"), module.noise.level
    draw = rng.standard_normal if module.noise.target == "normal" else _symmetric(rng)
    unit = torch.from_numpy(np.asarray(draw(tuple(clean.shape)))).to(x.device)
    y = (clean.double() + level * unit).float()
    stack = []
    for start in range(0, len(order) // size * size, size):
        part = order[start : start + size]
        stack.append(module.critic(x[part], y[part]))
    return fetch(torch.stack(stack)).astype(np.float64)


def _symmetric(rng: np.random.Generator) -> Any:
    return lambda shape: rng.uniform(-1.0, 1.0, shape)


def _result(
    module: InfoMax,
    held_out: torch.Tensor,
    training: Images,
    test: Images,
    untrained: tuple[dict[str, Any], Verification, Downstream | None] | None,
    target: TargetLike,
    seconds: float,
    seed: int,
) -> Fit:
    verification = scores = report = baseline = baseline_scores = None
    if untrained is not None:
        from dmtest.reports.api import report as report_on

        _, baseline, baseline_scores = untrained
        arrays, verification, scores = _evaluate(module, held_out, training, test, seed)
        report = report_on(
            arrays["embeddings"],
            target,
            # Directions of rows take two columns.
            augmented=arrays["augmented"] if module.settings.dim > 1 else None,
            rng=seed,
            progress=False,
        )
    else:
        arrays = _mapped(module, _outlets(module, held_out, seed))
    curves = module.curves()
    steps = len(curves["loss"]) * module.settings.steps_an_epoch(len(training))
    found = signatures(
        arrays["embeddings"],
        steps=steps,
        batch=min(module.batch, len(training)),
        history=curves,
        noise=module.noise,
        verification=verification,
        scores=(scores, baseline_scores),
    )
    return Fit(
        **arrays,
        labels=test.labels,
        train_labels=training.labels,
        encoder=module.encoder.to("cpu").eval(),
        critic=None if module.critic is None else module.critic.to("cpu"),
        noise=module.noise,
        target=target,
        settings=module.settings,
        steps=steps,
        history=curves,
        findings=found,
        report=report,
        verification=verification,
        baseline=baseline,
        downstream=scores,
        baseline_downstream=baseline_scores,
        seconds=seconds,
        seed=seed,
        source=training.name,
        untrained=None if untrained is None else untrained[0]["embeddings"],
    )
