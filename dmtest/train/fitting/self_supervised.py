"""Self-supervised methods with noise at the outlet: the question of the paper's Table 1."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dmtest.arguments import positive, whole
from dmtest.errors import InputError
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.train.data.images import Images
from dmtest.train.data.load import load_images
from dmtest.train.evaluate.scoring import Downstream, downstream
from dmtest.train.evaluate.signatures import basic_signatures
from dmtest.train.fitting.embed import ROWS, augmented_embeddings, embeddings, fetch
from dmtest.train.fitting.loop import device_name, train
from dmtest.train.fitting.module import Training, as_float
from dmtest.train.fitting.result import SelfSupervisedFit
from dmtest.train.fitting.settings import Settings
from dmtest.train.losses.distributed import mean_over_processes
from dmtest.train.losses.gather import gather_rows
from dmtest.train.model.augment import Augmentation, build_augmentation
from dmtest.train.model.encoders import AUTO, recalibrate
from dmtest.train.model.methods import TEMPERATURE, Method, build_method
from dmtest.train.model.projection import CIFAR_MEAN, CIFAR_STD, Projector

WATCHED = ("loss", "invariance_error")
WIDTHS = (256, 64)
PROBES = ("knn-accuracy", "probe-top1", "probe-top5")


class SelfSupervised(Training):
    """Two augmented views of every row, noise on the outlet of the second, and a method's loss.

    Parameters
    ----------
    pool : Tensor, shape (n, ...)
    encoder : Projector
    method : Method
    sigma : float
        Standard deviation of the noise; 0 is the plain method.
    augment : callable
    settings : Settings
        Resolved for the rows of `pool`.
    seed : int
    """

    encoder: Projector

    def __init__(
        self,
        pool: Tensor,
        encoder: Projector,
        method: Method,
        sigma: float,
        augment: Augmentation,
        settings: Settings,
        seed: int,
    ) -> None:
        super().__init__(pool, encoder, augment, settings, seed, WATCHED)
        self.method, self.sigma = method, sigma

    def training_step(self, index: Tensor, batch: int) -> Tensor:
        """Return the loss of one batch."""
        rows, draws = self.share(index)
        clean = as_float(self.pool[rows])
        one, other = self.augment(clean, draws), self.augment(clean, draws)
        z1, z2 = self.encoder.pair(one, other)
        error = (z1.detach() - z2.detach()).square().mean()
        with torch.autocast(self.device.type, enabled=False):
            t1, t2 = self.method.targets(z1, z2, one, other)
            if self.sigma:
                noise = self.sigma * draws.normal(z2.shape[1])
                z2, t2 = z2 + noise, t2 + noise
            # Every process has the loss of all rows: the mean over processes has its gradient.
            parts = [gather_rows(part) for part in (z1, z2, t1, t2)]
            loss: Tensor = self.method(*parts)
        self.measure(mean_over_processes(loss), mean_over_processes(error))
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Let the method move what it keeps besides the encoder."""
        steps = self.epochs * len(self.train_dataloader())
        self.method.after_step(self.encoder, self.global_step / steps)

    def groups(self) -> list[dict[str, Any]]:
        """Return the parameters of encoder and predictor."""
        groups = super().groups()
        if weights := [weight for weight in self.method.parameters() if weight.requires_grad]:
            groups.append(groups[0] | {"params": weights})
        return groups


def ssl(
    data: Any = "digits",
    method: str = "simclr",
    *,
    sigma: float = 0.0,
    widths: Sequence[int] = WIDTHS,
    temperature: float = TEMPERATURE,
    encoder: str = "auto",
    augment: str | Augmentation = "auto",
    labels: ArrayLike | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    evaluate: bool = True,
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    **options: Any,
) -> SelfSupervisedFit:
    """Train by a self-supervised method, with noise at the outlet of one of its two views.

    The outlet is the projection head's output with mean 0 and variance 1 in every column. The
    report says how far it is from N(0, I); the scores are of the features before the head.

    Parameters
    ----------
    data : str, path or array_like
        As for :func:`fit`.
    method : {"simclr", "vicreg", "barlow-twins", "simsiam", "byol"}
    sigma : float
        Standard deviation of the normal noise; 0 is the plain method.
    widths : sequence of int
        Widths of the projection head's layers; the last one is that of the outlet.
    temperature : float
        Temperature of "simclr".
    encoder : str
        A backbone (see :class:`Settings`); "auto" is "mlp-wide".
    augment : str or callable
        As for :func:`fit`; "auto" is "paper-image" for images in colour, "shift" for others, and
        "noise" for features.
    labels : array_like, optional
        Labels of an array, for the scores; training never uses them.
    out : path, optional
        A folder for embeddings, encoder, checkpoints and the report.
    resume : bool
        Continue from the last checkpoint in `out`.
    evaluate : bool
        Report on the held-out outlets, and score the features before and after training.
    rng : None, int or numpy Generator
        The same seed gives the same encoder on the same machine and number of threads.
    progress : bool or callable, optional
        As for :func:`dmtest.report`.
    **options
        Further fields of :class:`Settings`: ``epochs=``, ``batch=``, ``optimiser=``, ...

    Returns
    -------
    SelfSupervisedFit

    Raises
    ------
    InputError
        If an argument or the data cannot be used.
    TrainingError
        If the loss is not finite.

    Examples
    --------
    >>> from dmtest import train
    >>> made = train.ssl("digits", "vicreg", sigma=0.3, epochs=2, evaluate=False, rng=0)
    >>> made.embeddings.shape, made.features.shape
    ((500, 64), (500, 512))
    """
    from dmtest.runtime.progress import reporter

    seed = entropy_of(rng)
    widths = [whole("widths", width, 1) for width in widths]
    if not widths:
        raise InputError("widths: name the width of one layer or more.")
    if sigma != 0.0:
        positive("sigma", sigma)
    positive("temperature", temperature)
    encoder = AUTO if encoder == "auto" else encoder
    settings = Settings.of(dim=widths[-1], encoder=encoder, **options)
    _check(settings)
    training, test = (
        load_images(data, split=split, size=settings.size, labels=labels)
        for split in ("train", "test")
    )
    shape = training.images.shape[1:]
    settings = settings.resolved(len(training))
    if augment == "auto":
        colour = training.is_image and shape[0] == 3
        augment = "paper-image" if colour else "shift" if training.is_image else "noise"
    settings = settings.changed(augment=augment if isinstance(augment, str) else "none")
    device = device_name(settings)
    augmentation = build_augmentation(augment, shape, settings.augment_scale)
    with reporter(progress) as step:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(stream(seed, "train/weights").integers(2**62)))
            network = Projector(_config(settings.encoder, shape, widths, method))
            objective = build_method(method, network, temperature)
        if len(shape) == 3:
            network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        pool = torch.from_numpy(np.ascontiguousarray(training.images)).to(device)
        held_out = torch.from_numpy(np.ascontiguousarray(test.images)).to(device)
        module = SelfSupervised(pool, network, objective, sigma, augmentation, settings, seed)
        module.to(device)
        before = None
        if evaluate:
            before = _scores(_embedded(module, held_out, seed), training, test, seed)
        began = time.perf_counter()
        folder = None if out is None else Path(out)
        train(
            module,
            settings,
            folder=None if folder is None else folder / "checkpoints",
            resume=resume,
            progress=step,
        )
        seconds = time.perf_counter() - began
        arrays = _embedded(module, held_out, seed)
        after = report = None
        if evaluate:
            from dmtest.reports.api import report as report_on

            after = _scores(arrays, training, test, seed)
            report = report_on(arrays["embeddings"], rng=seed, progress=False)
    curves = module.curves()
    steps = len(curves["loss"]) * settings.steps_an_epoch(len(training))
    result = SelfSupervisedFit(
        **arrays,
        labels=test.labels,
        train_labels=training.labels,
        encoder=module.encoder.to("cpu").eval(),
        method=method,
        sigma=sigma,
        settings=settings,
        steps=steps,
        history=curves,
        findings=basic_signatures(arrays["embeddings"], steps, (after, before)),
        report=report,
        downstream=after,
        baseline_downstream=before,
        seconds=seconds,
        seed=seed,
        source=training.name,
    )
    if folder is not None:
        from dmtest.train.fitting.export import write_self_supervised

        write_self_supervised(result, folder)
    return result


def _check(settings: Settings) -> None:
    """Refuse settings of the information objective, which these methods replace."""
    plain = Settings()
    for name in ("critic", "objective", "matching", "head", "crop"):
        if getattr(settings, name) != getattr(plain, name):
            raise InputError(f"{name}: is for train.fit; leave it out of train.ssl.")


def _config(name: str, shape: tuple[int, ...], widths: list[int], method: str) -> dict[str, Any]:
    colour = len(shape) == 3 and shape[0] == 3
    return {
        "backbone": name,
        "shape": list(shape),
        "widths": widths,
        # SimCLR's head is two plain layers; the other methods normalise between layers.
        "norm": method != "simclr",
        "mean": CIFAR_MEAN if colour else None,
        "std": CIFAR_STD if colour else None,
    }


def _clean_batches(images: Tensor) -> Iterator[tuple[Tensor]]:
    for part in torch.split(images, ROWS):
        if len(part) > 1:
            yield (as_float(part),)


@torch.no_grad()
def _embedded(module: SelfSupervised, held_out: Tensor, seed: int) -> dict[str, Any]:
    """Return outlets and features with moments of the clean training rows."""
    encoder = module.encoder
    recalibrate(encoder, _clean_batches(module.pool))
    encoder.eval()

    views = int(stream(seed, "train/views").integers(2**31))
    arrays = {
        "embeddings": embeddings(encoder, held_out),
        "augmented": augmented_embeddings(encoder, held_out, module.augment, views),
        "features": embeddings(encoder.features, held_out),
        "train_features": embeddings(encoder.features, module.pool),
    }
    return {name: fetch(rows) for name, rows in arrays.items()}


def _scores(arrays: dict[str, Any], training: Images, test: Images, seed: int) -> Downstream | None:
    if training.labels is None or test.labels is None:
        return None
    names = PROBES if len(training.classes) > 5 else PROBES[:2]
    return downstream(
        arrays["train_features"],
        training.labels,
        arrays["features"],
        test.labels,
        rng=seed,
        scores=names,
    )
