"""Deep InfoMax, global and local, with prior matching (Hjelm et al. 2019, arXiv 1808.06670)."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from dmtest.arguments import positive, whole
from dmtest.errors import InputError
from dmtest.information.dependence import LEAST_ROWS, neural_dependence
from dmtest.information.estimate import Estimate
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.train.data.images import Images
from dmtest.train.data.load import load_images
from dmtest.train.evaluate.scoring import Downstream, downstream
from dmtest.train.evaluate.signatures import basic_signatures
from dmtest.train.fitting.embed import ROWS, embeddings, fetch
from dmtest.train.fitting.loop import device_name, train
from dmtest.train.fitting.module import Training, as_float
from dmtest.train.fitting.result import DeepInfoMaxFit
from dmtest.train.fitting.settings import MATCHING, Settings
from dmtest.train.losses.distributed import mean_over_processes
from dmtest.train.losses.gather import gather_rows
from dmtest.train.losses.penalties import build_penalty
from dmtest.train.model.augment import Augmentation, build_augmentation
from dmtest.train.model.encoders import recalibrate
from dmtest.train.model.feature_map import MapEncoder, occluded
from dmtest.train.model.map_critics import Coordinates, GlobalCritic, LocalCritic, LocalObjective
from dmtest.train.model.objectives import build_objective

Law: TypeAlias = Literal["normal", "uniform"]

# Terms of the loss, in the order in which they are measured.
TERMS = ("global", "local", "coordinates", "prior")
# Scores of the embedding and of the layer below it.
SCORES = ("knn-accuracy", "svm-accuracy", "mlp-accuracy")


class DeepInfoMax(Training):
    """Bounds of the information between a feature map and the embedding, and what matches a prior.

    Parameters
    ----------
    pool : Tensor, shape (n, c, h, w)
    encoder : MapEncoder
    weights : mapping of str to float
        Weights of "global", "local" and "coordinates"; a term of weight 0 is left out.
    prior : mapping of str to float
        Weights of the terms that match the target, by their names in
        :data:`dmtest.train.losses.penalties.PENALTIES`.
    occlude : float
        Sides of the rectangle that the embedding does not see, over those of the image.
    augment : callable
    settings : Settings
        Resolved for the rows of `pool`.
    seed : int
    """

    encoder: MapEncoder

    def __init__(
        self,
        pool: Tensor,
        encoder: MapEncoder,
        weights: Mapping[str, float],
        prior: Mapping[str, float],
        occlude: float,
        augment: Augmentation,
        settings: Settings,
        seed: int,
    ) -> None:
        self.weights = {name: weight for name, weight in weights.items() if weight}
        used = [name for name in TERMS if name in self.weights or (name == "prior" and prior)]
        super().__init__(pool, encoder, augment, settings, seed, ("loss", *used))
        self.occlude = occlude
        shape, dim = encoder.map_shape, encoder.dim
        parts: dict[str, tuple[nn.Module, ...]] = {}
        if "global" in self.weights:
            parts["global"] = GlobalCritic(shape, dim), build_objective(settings.objective)
        if "local" in self.weights:
            objective = LocalObjective(settings.objective, math.prod(shape[1:]))
            parts["local"] = LocalCritic(shape, dim), objective
        # Modules may not be called "global": attributes of that name cannot be reached.
        self.critics = nn.ModuleDict({f"{name}-critic": part[0] for name, part in parts.items()})
        self.objectives = nn.ModuleDict({f"{name}-part": part[1] for name, part in parts.items()})
        self.coordinates = Coordinates(shape, dim) if "coordinates" in self.weights else None
        target = encoder.config["target"]
        self.penalties = nn.ModuleList()
        for name, weight in prior.items():
            one = settings.changed(matching=name, matching_weight=weight)
            penalty = build_penalty(one, target, seed)
            assert penalty is not None, "a term with a name is built or refused"
            self.penalties.append(penalty)
        self.other_cures = ", or take objective='infonce' or 'jsd'"

    def training_step(self, index: Tensor, batch: int) -> Tensor:
        """Return the loss of one batch."""
        rows, draws = self.share(index)
        x = self.augment(as_float(self.pool[rows]), draws)
        seen = occluded(x, draws, self.occlude) if self.occlude else None
        maps, y = self.encoder.views(x, seen)
        with torch.autocast(self.device.type, enabled=False):
            loss, values = self.losses(maps.float(), y, draws.rows.start)
        self.measure(mean_over_processes(loss), *values)
        return loss

    def losses(self, maps: Tensor, y: Tensor, offset: int) -> tuple[Tensor, list[Tensor]]:
        """Return the loss, and the value of every term.

        Parameters
        ----------
        maps : Tensor, shape (rows of this process, c, h, w)
        y : Tensor, shape (rows of this process, dim)
        offset : int
            Number of the first of these rows in the whole batch.
        """
        loss, values = y.new_zeros(()), []
        every = gather_rows(maps.flatten(1)).view(-1, *maps.shape[1:])
        for name in ("global", "local"):
            if name in self.weights:
                scores = self.critics[f"{name}-critic"](every, y)
                term, value = self.objectives[f"{name}-part"](scores, offset)
                loss = loss + self.weights[name] * term
                values.append(value)
        if self.coordinates is not None:
            term = self.coordinates(maps, y)
            loss = loss + self.weights["coordinates"] * term
            values.append(mean_over_processes(term))
        if len(self.penalties):
            rows = gather_rows(y)
            parts = [one(rows, rows, self.seed, self.global_step) for one in self.penalties]
            term = torch.stack(parts).sum()
            loss = loss + term
            values.append(term)
        return loss, values

    def groups(self) -> list[dict[str, Any]]:
        """Return the parameters of the encoder, and those of the critics without decay."""
        groups = super().groups()
        weights = list(self.critics.parameters())
        if self.coordinates is not None:
            weights += list(self.coordinates.parameters())
        groups.append(groups[0] | {"params": weights, "weight_decay": 0.0})
        return groups


def dim(
    data: Any = "digits",
    target: Law = "normal",
    *,
    dim: int = 64,
    local_weight: float = 1.0,
    global_weight: float = 0.0,
    prior: str | Mapping[str, float] | None = None,
    occlude: float = 0.0,
    coordinates: float = 0.0,
    channels: int = 32,
    hidden: int = 256,
    augment: str | Augmentation = "none",
    labels: ArrayLike | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    evaluate: bool = True,
    rng: RngLike = None,
    progress: bool | Progress | None = None,
    **options: Any,
) -> DeepInfoMaxFit:
    """Train by Deep InfoMax: an embedding that is informative of an image, or of its patches.

    Training maximises ``global_weight`` times a bound of the information between the embedding Y
    and the whole feature map C(X), plus ``local_weight`` times the mean of such bounds over the
    locations of the map, minus what matches Y to the target. There is no noise at the outlet, so
    the information itself has no limit and nothing but the prior shapes the law of Y beyond its
    moments; :func:`fit` is the method that does it by noise. Hjelm et al. (2019), arXiv 1808.06670.

    Parameters
    ----------
    data : str, path or array_like
        Images of at least 8 x 8 pixels, as for :func:`fit`.
    target : {"normal", "uniform"}
        The law that `prior` and the report compare Y with. The outlet has mean 0 and variance 1 in
        every column, or values in the unit cube; ``head="free"`` removes the constraint.
    dim : int
        Columns of the embedding.
    local_weight, global_weight : float
        Weights of the two objectives; 0 leaves one out.
    prior : str or mapping of str to float, optional
        Terms that match the target, with their weights: "sigreg", "adversarial" (a discriminator,
        as in the paper) or "covariance". A name alone has weight 1. All are on the outlet.
    occlude : float
        Sides of a rectangle over those of the image: Y is then computed from images in which it is
        0, at a random place, and the map from whole images.
    coordinates : float
        Weight of predicting the location of a feature from it and Y.
    channels : int
        Channels of the first convolution; the map has twice as many.
    hidden : int
        Width of the layer below the outlet.
    augment : str or callable
        What is done to images before they are encoded, as for :func:`fit`.
    labels : array_like, optional
        Labels of an array, for the scores; training never uses them.
    out : path, optional
        A folder for embeddings, encoder, checkpoints and the report.
    resume : bool
        Continue from the last checkpoint in `out`.
    evaluate : bool
        Report on the held-out embeddings, and score embeddings and features before and after
        training.
    rng : None, int or numpy Generator
        The same seed gives the same encoder on the same machine and number of threads.
    progress : bool or callable, optional
        As for :func:`dmtest.report`.
    **options
        Further fields of :class:`Settings`: ``objective="infonce"``, "donsker-varadhan", "jsd" or
        "nwj", ``epochs=``, ``batch=``, ``head=``, ...

    Returns
    -------
    DeepInfoMaxFit

    Raises
    ------
    InputError
        If an argument or the data cannot be used.
    TrainingError
        If the loss is not finite.

    Examples
    --------
    >>> from dmtest import train
    >>> made = train.dim("digits", epochs=2, evaluate=False, rng=0)
    >>> made.embeddings.shape, made.features.shape, sorted(made.history)
    ((500, 64), (500, 256), ['local', 'loss'])
    """
    from dmtest.runtime.progress import reporter

    seed = entropy_of(rng)
    _check_options(target, options)
    weights = _weights(local_weight, global_weight, coordinates)
    terms = _prior(prior)
    if not (math.isfinite(occlude) and 0.0 <= occlude < 1.0):
        raise InputError(f"occlude: must be a share from 0 to below 1; got {occlude!r}.")
    settings = Settings.of(dim=dim, **options)
    training, test = (
        load_images(data, split=split, size=settings.size, labels=labels)
        for split in ("train", "test")
    )
    shape = training.images.shape[1:]
    settings = settings.resolved(len(training))
    settings = settings.changed(augment=augment if isinstance(augment, str) else "none")
    device = device_name(settings)
    config = {
        "shape": list(shape),
        "dim": settings.dim,
        "target": target,
        "head": settings.head,
        "channels": whole("channels", channels, 1),
        "hidden": whole("hidden", hidden, 1),
    }
    augmentation = build_augmentation(augment, shape, settings.augment_scale)
    with reporter(progress) as step:
        pool = torch.from_numpy(np.ascontiguousarray(training.images)).to(device)
        held_out = torch.from_numpy(np.ascontiguousarray(test.images)).to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(stream(seed, "train/weights").integers(2**62)))
            network = MapEncoder(config)
            module = DeepInfoMax(
                pool, network, weights, terms, occlude, augmentation, settings, seed
            )
        module.to(device)
        before = dependence_before = None
        if evaluate:
            arrays = _embedded(module, held_out)
            before = _scores(arrays, "embeddings", training, test, seed)
            dependence_before = _dependence(arrays, seed)
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
        arrays = _embedded(module, held_out)
        after = below = dependence = report = None
        if evaluate:
            from dmtest.reports.api import report as report_on

            after = _scores(arrays, "embeddings", training, test, seed)
            below = _scores(arrays, "features", training, test, seed)
            dependence = _dependence(arrays, seed)
            report = report_on(arrays["embeddings"], target, rng=seed, progress=False)
    curves = module.curves()
    steps = len(curves["loss"]) * settings.steps_an_epoch(len(training))
    result = DeepInfoMaxFit(
        **arrays,
        labels=test.labels,
        train_labels=training.labels,
        encoder=network.to("cpu").eval(),
        target=target,
        weights=weights,
        prior=terms,
        occlude=occlude,
        settings=settings,
        steps=steps,
        history=curves,
        findings=basic_signatures(arrays["embeddings"], steps, (after, before)),
        report=report,
        downstream=after,
        baseline_downstream=before,
        feature_downstream=below,
        dependence=dependence,
        baseline_dependence=dependence_before,
        seconds=seconds,
        seed=seed,
        source=training.name,
    )
    if folder is not None:
        from dmtest.train.fitting.export import write_self_supervised

        write_self_supervised(result, folder)
    return result


def _check_options(target: str, options: Mapping[str, Any]) -> None:
    """Refuse other targets, and settings of noise-injected training that have no place here."""
    if target not in ("normal", "uniform"):
        raise InputError(
            f"target: got {target!r}; Deep InfoMax matches 'normal' or 'uniform', and train.fit "
            f"other targets."
        )
    for name in ("matching", "matching_weight", "matching_axes"):
        if name in options:
            raise InputError(f"{name}: is for train.fit; name terms and weights in prior=.")
    for name in ("encoder", "critic", "crop"):
        if name in options:
            raise InputError(f"{name}: is for train.fit; leave it out of train.dim.")
    if options.get("objective") == "none":
        raise InputError("objective: 'none' is for train.fit; train.dim maximises information.")


def _weights(local_weight: float, global_weight: float, coordinates: float) -> dict[str, float]:
    given = {
        "local_weight": local_weight,
        "global_weight": global_weight,
        "coordinates": coordinates,
    }
    for name, weight in given.items():
        if weight != 0.0:
            positive(name, weight)
    if local_weight == 0.0 == global_weight:
        raise InputError(
            "local_weight, global_weight: both are 0, so that no information is maximised; give "
            "one of them a positive weight."
        )
    return {"global": global_weight, "local": local_weight, "coordinates": coordinates}


def _prior(prior: str | Mapping[str, float] | None) -> dict[str, float]:
    """Return the weights of the terms that match the target."""
    if prior is None:
        return {}
    terms = {prior: 1.0} if isinstance(prior, str) else dict(prior)
    for name, weight in terms.items():
        if name not in MATCHING:
            raise InputError(
                f"prior: got {name!r}; choose from {', '.join(map(repr, MATCHING))}, one or more "
                f"with a weight each."
            )
        positive("prior", weight)
    return terms


def _clean_batches(images: Tensor) -> Iterator[tuple[Tensor]]:
    for part in torch.split(images, ROWS):
        if len(part) > 1:
            yield (as_float(part),)


@torch.no_grad()
def _embedded(module: DeepInfoMax, held_out: Tensor) -> dict[str, Any]:
    """Return embeddings and features with moments of the clean training rows."""
    encoder = module.encoder
    recalibrate(encoder, _clean_batches(module.pool))
    encoder.eval()
    found: dict[str, Any] = {}
    for prefix, images in (("", held_out), ("train_", module.pool)):
        both = embeddings(lambda x: torch.cat([encoder.features(x), encoder(x)], 1), images)
        found[f"{prefix}features"] = fetch(both[:, : -encoder.dim])
        found[f"{prefix}embeddings"] = fetch(both[:, -encoder.dim :])
    return found


def _scores(
    arrays: dict[str, Any], level: str, training: Images, test: Images, seed: int
) -> Downstream | None:
    if training.labels is None or test.labels is None:
        return None
    return downstream(
        arrays[f"train_{level}"],
        training.labels,
        arrays[level],
        test.labels,
        rng=seed,
        scores=SCORES,
    )


def _dependence(arrays: dict[str, Any], seed: int) -> Estimate | None:
    """Return the dependence between columns of the held-out rows, if there are enough of both."""
    rows = arrays["embeddings"]
    if len(rows) < LEAST_ROWS or rows.shape[1] < 2:
        return None
    return neural_dependence(rows, rng=seed)
