"""The command ``dmtest train``: options of :func:`dmtest.train.fit`, and its result as text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dmtest.cli.console import put, rendered, unbroken
from dmtest.cli.outputs import announce, check_outputs
from dmtest.errors import InputError

FINE, BROKEN = 0, 1
# What the folder of a run holds.
CONTENTS = "embeddings.npz, encoder.pt, report.html and more"
# Parameters of the command that are not options of train.fit, or not of train.ssl.
NOT_OF_FIT = {"data", "target", "recipe", "out", "html", "resume"}
NOT_OF_FIT |= {"seed", "json", "quiet"}
NOT_OF_SSL = {"target", "epsilon", "capacity", "dim", "critic", "objective", "crop"}
NOT_OF_SSL |= {"matching", "matching_weight", "matching_axes"}
NOT_OF_DIM = {"sigma", "epsilon", "capacity", "encoder", "critic", "crop", "matching_axes"}
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
  dmtest train --data mnist/ --recipe paper-mnist --sigma 0.1 --out run
  dmtest train --data cifar/ --recipe paper-simclr --sigma 0.1 --out run
  dmtest train --recipe deep-infomax-local --objective jsd --matching sigreg
  dmtest train --data x.npy --target uniform --capacity 4 --dim 8 --out run
  dmtest train --data digits --dim 8 --sigma 0.5 --html run.html
  dmtest report run/embeddings.npz --key embeddings
  dmtest bounds run/embeddings.npz
"""


class TrainTarget(StrEnum):
    """The targets of the trainer that have a name."""

    normal = "normal"
    uniform = "uniform"
    sphere = "sphere"


def _option(metavar: str | None, help: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help)


Recipe = Annotated[
    str | None,
    _option(
        "NAME",
        "Settings that the paper prints: paper-mnist, paper-simclr or paper-vicreg; or those of "
        "Deep InfoMax without noise: deep-infomax-local or deep-infomax-global. Options that are "
        "given as well replace those of the recipe.",
    ),
]
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
        "mlp, mlp-wide (auto), convnet (the paper's), convnet-half, resnet18, "
        "resnet18-narrow or resnet18-strided.",
    ),
]
Critic = Annotated[
    str,
    _option(
        "NAME",
        "calibrated, dual (Theorem 4.1), learned or separable; auto: separable from 500 steps on.",
    ),
]
Objective = Annotated[
    str, _option("NAME", "infonce, donsker-varadhan, nwj, jsd, or none (--matching alone).")
]
Augment = Annotated[
    str,
    _option(
        "NAME",
        "noise, image, shift, handwriting or none; paper-noise and paper-image are the paper's.",
    ),
]
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
Patience = Annotated[
    int | None,
    _option("EPOCHS", "Stop after EPOCHS without a better bound (loss, without an objective)."),
]
Epochs = Annotated[
    int | None,
    _option("INTEGER", "Passes over the data (default: 20, or those of 2,000 steps if more)."),
]
Batch = Annotated[
    int | None,
    _option(
        "INTEGER",
        "Rows of a step; the negatives of a row are all others (default: the largest power of two "
        "up to an eighth of the rows, 64 to 1,024).",
    ),
]
Optimiser = Annotated[str, _option("NAME", "adam, or lars with clipping.")]
Rate = Annotated[float, _option("NUMBER", "Peak learning rate.")]
Decay = Annotated[float, _option("NUMBER", "Weight of the L2 term of the encoder.")]
Schedule = Annotated[
    str, _option("NAME", "Learning rate over the run: cosine (after a short rise) or constant.")
]
Crop = Annotated[int | None, _option("PIXELS", "Crop a centred square of this size.")]
Size = Annotated[int | None, _option("PIXELS", "Resize images to this.")]
Device = Annotated[str, _option("NAME", "auto (a GPU when there is one), cpu or cuda.")]
Devices = Annotated[int, _option("INTEGER", "Number of devices, with one process each.")]
Precision = Annotated[str, _option("NAME", "Precision of the encoder: 32, bf16 or 16.")]
Scores = Annotated[str, _option("NAME", "Precision of critic and objective: 32, tf32 or bf16.")]
Deterministic = Annotated[
    bool, _option(None, "Deterministic algorithms only, on GPUs too.", "--deterministic")
]
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
    context: typer.Context,
    data: Data = "digits",
    recipe: Recipe = None,
    target: Target = TrainTarget.normal,
    sigma: Sigma = None,
    epsilon: Epsilon = None,
    capacity: Capacity = None,
    dim: Dim = 2,
    encoder: Encoder = "auto",
    critic: Critic = "auto",
    objective: Objective = "infonce",
    augment: Augment = "noise",
    augment_scale: AugmentScale = None,
    matching: Matching = None,
    matching_weight: MatchingWeight = 1.0,
    matching_axes: MatchingAxes = 0.0,
    epochs: Epochs = None,
    batch: Batch = None,
    optimiser: Optimiser = "adam",
    learning_rate: Rate = 2e-3,
    weight_decay: Decay = 0.0,
    schedule: Schedule = "cosine",
    patience: Patience = None,
    crop: Crop = None,
    size: Size = None,
    device: Device = "auto",
    devices: Devices = 1,
    precision: Precision = "32",
    scores: Scores = "32",
    deterministic: Deterministic = False,
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
    options: dict[str, Any] = {
        name: value for name, value in context.params.items() if name not in NOT_OF_FIT
    }
    if recipe is not None:
        chosen = trainer.recipe(recipe)
        given = {name: value for name, value in options.items() if _is_given(context, name)}
        if "method" in chosen:
            _no_page(html)
            if _is_given(context, "target"):
                given["target"] = target.value
            return _self_supervised(data, chosen, given, out, resume, seed, json, quiet)
        options |= {name: value for name, value in chosen.items() if name not in given}
    with unbroken():
        fit = trainer.fit  # imports torch
    run = fit(
        data,
        target.value,
        out=out,
        resume=resume,
        rng=seed,
        progress=False if quiet else None,
        **options,
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
            announce(f"Written to {out}: {CONTENTS}")
    if html is not None:
        run.to_html(html)
        if not (quiet or json):
            announce(f"HTML page written to {html}")
    return BROKEN if verification.violations else FINE


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether the user set an option, on the command line or in pyproject.toml."""
    source = context.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT",)


def _self_supervised(
    data: str,
    chosen: dict[str, Any],
    given: dict[str, Any],
    out: str | None,
    resume: bool,
    seed: int,
    json: bool,
    quiet: bool,
) -> int:
    """Run a recipe of :func:`dmtest.train.ssl` or :func:`dmtest.train.dim`; print its result."""
    from dmtest import train as trainer

    deep = chosen["method"] == "deep-infomax"
    if alien := sorted(set(given) & (NOT_OF_DIM if deep else NOT_OF_SSL)):
        raise InputError(
            f"--{alien[0].replace('_', '-')}: is not for method {chosen['method']!r}; leave it out."
        )
    if deep:
        chosen = {name: value for name, value in chosen.items() if name != "method"}
        weight = given.pop("matching_weight", 1.0)
        if name := given.pop("matching", None):
            given["prior"] = {name: weight}
    with unbroken():
        method = trainer.dim if deep else trainer.ssl  # imports torch
    run = method(
        data,
        out=out,
        resume=resume,
        rng=seed,
        progress=False if quiet else None,
        **chosen | given,
    )
    if json:
        from dmtest.results.serial import dumps, plain

        put(dumps(plain(run.summary())) + "\n")
    elif not quiet:
        from dmtest.render.text import training

        table = training.deep_infomax_table if deep else training.self_supervised_table
        put(rendered(table(run)))
        if out is not None:
            announce(f"Written to {out}: {CONTENTS}")
    return FINE


def _no_page(html: str | None) -> None:
    if html is not None:
        raise InputError(
            "html: a self-supervised run has no page of its own; use --out, whose folder has the "
            "report of its outlet"
        )


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
