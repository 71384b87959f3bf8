"""What a training run is told: everything but the data, checked before anything is computed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from dmtest.arguments import positive, whole
from dmtest.errors import InputError

__all__ = ["Settings"]

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
        "auto" ("mlp", which learns most in a minute of a CPU), "mlp", "mlp-wide", "convnet"
        (Table 2 of the paper), "convnet-half", "resnet18", "resnet18-narrow".
    head : str or None
        Outlet: "normal", "cube", "sigmoid" or "free"; the target's own by default.
    critic : str
        "calibrated", "dual" (Theorem 4.1), "learned" (Table 2) or "separable".
    objective : str or None
        "infonce", "donsker-varadhan", "nwj" or "jsd"; "none" trains on `matching` alone.
    augment : str
        "noise" (the paper's), "image", "shift", "handwriting" or "none".
    augment_scale : float or None
        Standard deviation of the noise: 0.6 (the paper's) for images of 22 pixels and more, 0.3 for
        smaller data, by default.
    matching : str or None
        A loss that matches the distribution by other means, for comparisons: "sigreg",
        "covariance" or "adversarial".
    matching_weight : float
    matching_axes : float
        Weight of the coordinates as directions of "sigreg", against its random ones: coordinates
        are what columns are read by, and 64 random directions of few say little about one of them.
    epochs : int
    batch : int
        Rows of a step, over all processes; every row meets all others as a negative.
    learning_rate : float
        Of Adam, at its peak.
    schedule : {"cosine", "constant"}
        "cosine" warms up over a twentieth of the steps and falls to zero.
    crop : int or None
        Pixels to cut out of the middle of the images.
    size : int or None
        Pixels to resize images to.
    device : {"auto", "cpu", "cuda"}
    devices : int
        Processes, one a device: distributed data-parallel training.
    precision : {"32", "bf16", "16"}
        Of the encoder; heads, critics and objectives are in single precision always.
    patience : int or None
        Stop after this many epochs without a better bound.
    checkpoint_every : int
        Epochs between checkpoints, where there is a folder for them.
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
                    f"matching_axes: are directions of matching='sigreg'; got "
                    f"matching={self.matching!r}."
                )
        for name, known in (
            ("schedule", SCHEDULES),
            ("device", DEVICES),
            ("precision", PRECISIONS),
            ("matching", (*MATCHING, None)),
        ):
            if getattr(self, name) not in known:
                options = ", ".join(repr(one) for one in known if one is not None)
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
        """Make settings; an unknown name is refused with the known ones."""
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
