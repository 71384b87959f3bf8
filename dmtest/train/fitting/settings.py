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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Options of :func:`dmtest.train.fit`.

    Attributes
    ----------
    dim : int
        Columns of the embedding.
    encoder : str
        "auto" (the same as "mlp", which learns most in one minute on a CPU), "mlp", "mlp-wide",
        "convnet" (Table 2 of the paper), "convnet-half", "resnet18", "resnet18-narrow".
    head : str or None
        "normal", "cube", "sigmoid" or "free"; by default "normal" or "cube", as the target is.
    critic : str
        "calibrated", "dual" (Theorem 4.1), "learned" (Table 2) or "separable".
    objective : str or None
        "infonce", "donsker-varadhan", "nwj" or "jsd"; "none" trains on `matching` alone.
    augment : str
        "noise" (the paper's), "image", "shift", "handwriting" or "none".
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
    epochs : int
    batch : int
        Rows of a step, over all processes; all other rows are negatives of each row.
    learning_rate : float
        Peak learning rate of Adam.
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
        Number format of the encoder; heads, critics and objectives always use single precision.
    patience : int or None
        Number of epochs without a better bound after which training stops.
    checkpoint_every : int
        Epochs between two checkpoints, if there is a folder for them.
    """

    dim: int = 2
    encoder: str = "auto"
    head: str | None = None
    critic: str = "calibrated"
    objective: str = "infonce"
    augment: str = "noise"
    augment_scale: float | None = None
    matching: str | None = None
    matching_weight: float = 1.0
    matching_axes: float = 0.0
    epochs: int = 20
    batch: int = 1024
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    crop: int | None = None
    size: int | None = None
    device: str = "auto"
    devices: int = 1
    precision: str = "32"
    patience: int | None = None
    checkpoint_every: int = 1

    def __post_init__(self) -> None:
        for name, least in (("dim", 1), ("epochs", 1), ("batch", 2), ("devices", 1)):
            whole(name, getattr(self, name), least)
        whole("checkpoint_every", self.checkpoint_every, 1)
        for name in ("crop", "size", "patience"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), 1)
        if self.augment_scale is not None:
            positive("augment_scale", self.augment_scale)
        positive("learning_rate", self.learning_rate)
        positive("matching_weight", self.matching_weight)
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
            ("matching", (*MATCHING, None)),
        ):
            if getattr(self, name) not in known:
                options = ", ".join(repr(value) for value in known if value is not None)
                raise InputError(f"{name}: got {getattr(self, name)!r}; choose one of {options}.")
        if self.batch % self.devices:
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

    def changed(self, **options: Any) -> Settings:
        """Return a copy with some settings changed."""
        return replace(self, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values."""
        return asdict(self)
