"""The command ``dmtest train``: options of :func:`dmtest.train.fit`, and its result as text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dmtest.cli.console import put, rendered
from dmtest.cli.outputs import check_outputs
from dmtest.errors import InputError

FINE, BROKEN = 0, 1
EPILOG = """\b
Exit codes:
  0   trained; the inequalities of the theory hold within their intervals
  1   trained; an inequality is broken, and the table says which
  2   bad usage or input

\b
Examples:
  dmtest train --data digits --target normal --sigma 0.3 --out run
  dmtest train --data mnist/ --crop 24 --sigma 0.1 --epochs 60 --out run
  dmtest train --critic separable --matching sigreg --matching-weight 20
  dmtest train --data x.npy --target uniform --capacity 4 --dim 8 --out run
  dmtest train --data digits --dim 8 --sigma 0.5 --html run.html
  dmtest report run/embeddings.npz --key embeddings
  dmtest bounds run/embeddings.npz
"""


class TrainTarget(StrEnum):
    """The targets of the trainer."""

    normal = "normal"
    uniform = "uniform"


def _option(metavar: str | None, help: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help)


Data = Annotated[
    str,
    _option(
        "SOURCE",
        "'digits' (comes with scikit-learn), an array file, or a folder: idx files (MNIST), "
        "CIFAR's binary version, or images in a subfolder for each class.",
    ),
]
Target = Annotated[TrainTarget, _option(None, "The law that the embeddings should follow.")]
Sigma = Annotated[float | None, _option("NUMBER", "Sd of the normal noise (default 0.3).")]
Epsilon = Annotated[float | None, _option("NUMBER", "Half-width of uniform noise (default 0.1).")]
Capacity = Annotated[
    float | None, _option("NATS", "Capacity of the channel, from which the noise level follows.")
]
Dim = Annotated[int, _option("INTEGER", "Columns of the embedding.")]
Encoder = Annotated[
    str,
    _option(
        "NAME",
        "mlp (auto selects it), mlp-wide, convnet (the paper's), convnet-half, resnet18 or "
        "resnet18-narrow.",
    ),
]
Critic = Annotated[str, _option("NAME", "calibrated, dual (Theorem 4.1), learned or separable.")]
Objective = Annotated[
    str, _option("NAME", "infonce, donsker-varadhan, nwj, jsd, or none (--matching alone).")
]
Augment = Annotated[str, _option("NAME", "noise (the paper's), image, shift, handwriting or none.")]
AugmentScale = Annotated[
    float | None, _option("NUMBER", "Standard deviation of the augmentation's noise.")
]
Matching = Annotated[
    str | None,
    _option(
        "NAME",
        "Another term of the loss that matches the target: sigreg, covariance or adversarial.",
    ),
]
MatchingWeight = Annotated[float, _option("NUMBER", "Weight of --matching in the loss.")]
MatchingAxes = Annotated[
    float, _option("NUMBER", "Weight of the columns among the directions of sigreg.")
]
Patience = Annotated[int | None, _option("EPOCHS", "Stop after EPOCHS without a better bound.")]
Epochs = Annotated[int, _option("INTEGER", "Passes over the data.")]
Batch = Annotated[int, _option("INTEGER", "Rows of a step; the negatives of a row are all others.")]
Rate = Annotated[float, _option("NUMBER", "Peak learning rate of Adam.")]
Crop = Annotated[int | None, _option("PIXELS", "Crop a centred square of this size.")]
Size = Annotated[int | None, _option("PIXELS", "Resize images to this.")]
Device = Annotated[str, _option("NAME", "auto (a GPU when there is one), cpu or cuda.")]
Devices = Annotated[int, _option("INTEGER", "Number of devices, with one process each.")]
Precision = Annotated[str, _option("NAME", "Precision of the encoder: 32, bf16 or 16.")]
Out = Annotated[
    str | None,
    _option(
        "FOLDER",
        "Folder for embeddings.npz, encoder.pt, checkpoints, history, curves and the report.",
    ),
]
Html = Annotated[str | None, _option("PATH", "Also write the run as one self-contained HTML page.")]
Resume = Annotated[bool, _option(None, "Continue from the last checkpoint in --out.", "--resume")]
Seed = Annotated[int, _option("INTEGER", "Seed of weights, order, augmentation and noise.")]
Json = Annotated[bool, _option(None, "Print JSON instead of a table.", "--json")]
Quiet = Annotated[bool, _option(None, "Print nothing and show no progress.", "--quiet", "-q")]


def train(
    data: Data = "digits",
    target: Target = TrainTarget.normal,
    sigma: Sigma = None,
    epsilon: Epsilon = None,
    capacity: Capacity = None,
    dim: Dim = 2,
    encoder: Encoder = "auto",
    critic: Critic = "calibrated",
    objective: Objective = "infonce",
    augment: Augment = "noise",
    augment_scale: AugmentScale = None,
    matching: Matching = None,
    matching_weight: MatchingWeight = 1.0,
    matching_axes: MatchingAxes = 0.0,
    epochs: Epochs = 100,
    batch: Batch = 1024,
    learning_rate: Rate = 2e-3,
    patience: Patience = None,
    crop: Crop = None,
    size: Size = None,
    device: Device = "auto",
    devices: Devices = 1,
    precision: Precision = "32",
    out: Out = None,
    html: Html = None,
    resume: Resume = False,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Train an encoder whose embeddings follow a target.

    Noise-injected Deep InfoMax (arXiv 2410.06993): noise is added to the output of the encoder,
    and training maximises a lower bound of the mutual information between the noisy output and
    the embedding of an augmented view. Held-out rows are then checked: information by every bound
    against the capacity, divergence before and after the noise, the paper's scores and downstream
    scores, also for the encoder before training.
    """
    from dmtest import train as trainer

    _check_folder(out, resume)
    check_outputs(None, html, None)
    run = trainer.fit(
        data,
        target.value,
        dim=dim,
        sigma=sigma,
        epsilon=epsilon,
        capacity=capacity,
        encoder=encoder,
        augment=augment,
        augment_scale=augment_scale,
        matching=matching,
        matching_weight=matching_weight,
        matching_axes=matching_axes,
        critic=critic,
        objective=objective,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        patience=patience,
        crop=crop,
        size=size,
        device=device,
        devices=devices,
        precision=precision,
        out=out,
        resume=resume,
        rng=seed,
        progress=False if quiet else None,
    )
    verification = run.verification
    assert verification is not None  # fit evaluates unless told not to
    if json:
        from dmtest.results.serial import dumps, plain

        put(dumps(plain(run.summary() | {"verification": verification.to_dict()})) + "\n")
    elif not quiet:
        from dmtest.render.text.training import training_table

        put(rendered(training_table(run)))
        if out is not None:
            put(f"\nWritten to {out}: embeddings.npz, encoder.pt, report.html and more\n")
    if html is not None:
        run.to_html(html)
        if not (quiet or json):
            put(f"\nHTML page written to {html}\n")
    return BROKEN if verification.violations else FINE


def _check_folder(out: str | None, resume: bool) -> None:
    if out is None:
        if resume:
            raise InputError("--resume: name the folder of the run with --out")
        return
    place = Path(out)
    if place.exists() and not place.is_dir():
        raise InputError(f"--out: {out!r} is a file; name a folder")
    if not place.exists() and not place.absolute().parent.is_dir():
        raise InputError(f"--out: there is no folder {str(place.parent)!r}; create it first")
