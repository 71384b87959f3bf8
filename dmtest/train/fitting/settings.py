"""Options of a training run other than the data, checked before anything is computed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from dmtest.arguments import positive, whole
from dmtest.errors import InputError

SCHEDULES = ("cosine", "constant")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("32", "bf16", "16")
MATCHING = ("sigreg", "covariance", "adversarial")
OPTIMISERS = ("adam", "lars")
SCORES = ("32", "tf32", "bf16")
# Rows of a step by default: the largest power of two up to an eighth of the rows, in this range.
SHARE, SMALLEST, LARGEST = 8, 64, 1024
# Gradient steps and epochs that a run takes by default, at least.
STEPS, EPOCHS = 2000, 20
# Steps from which the separable critic learns more than the calibrated one.
SEPARABLE_FROM = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Options of :func:`dmtest.train.fit`.

    Attributes
    ----------
    dim : int
        Columns of the embedding.
    encoder : str
        "auto" (the same as "mlp-wide"), "mlp", "mlp-wide" (perceptrons whose first layer has 256
        or 1,024 units), "convnet" (Table 2 of the paper), "convnet-half",
        "resnet18", "resnet18-narrow" (a quarter of its channels) or "resnet18-strided" (narrow, at
        half the resolution).
    head : str or None
        "normal", "cube", "sigmoid" or "free"; by default "normal" or "cube", as the target is.
    critic : str
        "calibrated", "dual" (Theorem 4.1), "learned" (Table 2) or "separable"; "auto" is
        "separable" for runs of 500 steps or more, and "calibrated" for shorter ones.
    objective : str or None
        "infonce", "donsker-varadhan", "nwj" or "jsd"; "none" trains on `matching` alone.
    augment : str
        "noise", "image", "shift", "handwriting" or "none"; "paper-noise" and "paper-image" are
        appendix C of the paper, without the tenth of clean rows that the others keep.
    augment_scale : float or None
        Standard deviation of the noise; by default 0.6 (the paper's) for images of at least 22
        pixels a side, 0.3 for smaller data.
    matching : str or None
        Another loss that matches the distribution, for comparisons: "sigreg", "covariance" or
        "adversarial".
    matching_weight : float
        Weight of that loss.
    matching_axes : float
        Weight of the coordinate axes as directions of "sigreg", relative to its random ones. A
        reader looks at columns, and 64 random directions carry little about a single column.
    epochs : int or None
        By default 20, or as many as 2,000 steps take if that is more.
    batch : int or None
        Rows of a step, over all processes; all other rows are negatives of each row. By default the
        largest power of two up to an eighth of the training rows, between 64 and 1,024.
    optimiser : {"adam", "lars"}
        LARS scales the step of every weight matrix by the norm of its weights over that of its
        gradient, never above the learning rate (clipping).
    learning_rate : float
        Peak learning rate.
    weight_decay : float
        Weight of the L2 term, for the encoder.
    schedule : {"cosine", "constant"}
        "cosine" rises over a twentieth of the steps and then falls to zero.
    crop : int or None
        Side in pixels of the square that is cut from the middle of the images.
    size : int or None
        Side in pixels to which images are resized.
    device : {"auto", "cpu", "cuda"}
        "auto" uses the GPU if there is one.
    devices : int
        Number of processes, one a device, in distributed data-parallel training.
    precision : {"32", "bf16", "16"}
        Number format of the encoder. Heads always use single precision.
    scores : {"32", "tf32", "bf16"}
        Number format of critic and objective in training. "tf32" holds for all matrix products of
        training: a GPU that can rounds their factors to 10 bits; elsewhere it changes nothing.
    deterministic : bool
        Use deterministic algorithms only: the same seed gives the same bits on a GPU too.
    patience : int or None
        Number of epochs without a better bound after which training stops; without a better loss
        if there is no objective.
    checkpoint_every : int
        Epochs between two checkpoints, if there is a folder for them.
    """

    dim: int = 2
    encoder: str = "auto"
    head: str | None = None
    critic: str = "auto"
    objective: str = "infonce"
    augment: str = "noise"
    augment_scale: float | None = None
    matching: str | None = None
    matching_weight: float = 1.0
    matching_axes: float = 0.0
    epochs: int | None = None
    batch: int | None = None
    optimiser: str = "adam"
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    schedule: str = "cosine"
    crop: int | None = None
    size: int | None = None
    device: str = "auto"
    devices: int = 1
    precision: str = "32"
    scores: str = "32"
    deterministic: bool = False
    patience: int | None = None
    checkpoint_every: int = 1

    def __post_init__(self) -> None:
        for name in ("dim", "devices", "checkpoint_every"):
            whole(name, getattr(self, name), 1)
        for name, least in (("crop", 1), ("size", 1), ("patience", 1), ("epochs", 1), ("batch", 2)):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), least)
        if self.augment_scale is not None:
            positive("augment_scale", self.augment_scale)
        positive("learning_rate", self.learning_rate)
        positive("matching_weight", self.matching_weight)
        if self.weight_decay != 0.0:
            positive("weight_decay", self.weight_decay)
        if self.matching_axes != 0.0:
            positive("matching_axes", self.matching_axes)
            if self.matching != "sigreg":
                raise InputError(
                    f"matching_axes: weights directions of matching='sigreg'; got "
                    f"matching={self.matching!r}."
                )
        for name, known in (
            ("schedule", SCHEDULES),
            ("device", DEVICES),
            ("precision", PRECISIONS),
            ("optimiser", OPTIMISERS),
            ("scores", SCORES),
            ("matching", (*MATCHING, None)),
        ):
            if getattr(self, name) not in known:
                options = ", ".join(repr(value) for value in known if value is not None)
                raise InputError(f"{name}: got {getattr(self, name)!r}; choose one of {options}.")
        if self.batch is not None and self.batch % self.devices:
            raise InputError(
                f"batch: {self.batch} rows cannot be shared by {self.devices} devices; take a "
                f"multiple."
            )
        if self.objective == "none" and self.matching is None:
            raise InputError("objective: 'none' leaves nothing to train on; set matching=.")

    @classmethod
    def of(cls, **options: Any) -> Settings:
        """Make settings; refuse an unknown name and list the known ones."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(options) - known):
            raise InputError(
                f"{', '.join(unknown)}: there is no such setting; choose from "
                f"{', '.join(sorted(known))}."
            )
        return cls(**options)

    def resolved(self, n: int) -> Settings:
        """Return the settings with batch, epochs and critic chosen for `n` training rows.

        Parameters
        ----------
        n : int
            Training rows.

        Examples
        --------
        >>> chosen = Settings().resolved(1297)
        >>> chosen.batch, chosen.epochs, chosen.steps(1297), chosen.critic
        (128, 200, 2000, 'separable')
        """
        batch = self.batch
        if batch is None:
            batch = min(LARGEST, max(SMALLEST, 1 << max(n // SHARE, 1).bit_length() - 1))
            batch = max(batch - batch % self.devices, self.devices)
        chosen = self.changed(batch=batch)
        if chosen.epochs is None:
            # Rounding up: the last epoch is a whole one.
            chosen = chosen.changed(epochs=max(EPOCHS, -(-STEPS // chosen.steps_an_epoch(n))))
        if chosen.critic == "auto":
            long = chosen.steps(n) >= SEPARABLE_FROM
            chosen = chosen.changed(critic="separable" if long else "calibrated")
        return chosen

    def steps_an_epoch(self, n: int) -> int:
        """Return the number of gradient steps of an epoch of `n` rows."""
        assert self.batch is not None, "resolved settings have a batch"
        return max(1, n // min(self.batch, n))

    def steps(self, n: int) -> int:
        """Return the number of gradient steps of the whole run on `n` rows."""
        assert self.epochs is not None, "resolved settings have epochs"
        return self.epochs * self.steps_an_epoch(n)

    def changed(self, **options: Any) -> Settings:
        """Return a copy with some settings changed."""
        return replace(self, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        return asdict(self)
