"""Write a training run to a folder, and read its encoder back; no code in a file is executed.

The files of a run replace those of an earlier one together, when all are on the disk.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from dmtest.errors import InputError
from dmtest.runtime import files
from dmtest.train.fitting.outlet import DIRECT
from dmtest.train.model.encoders import BACKBONES, Encoder
from dmtest.train.model.feature_map import MapEncoder
from dmtest.train.model.projection import Projector

if TYPE_CHECKING:
    from dmtest.results.report import Report
    from dmtest.train.fitting.result import DeepInfoMaxFit, Fit, SelfSupervisedFit

# Kinds of encoders by a field that only their settings have; any other is an Encoder.
KINDS: dict[str, type[Projector | MapEncoder]] = {"widths": Projector, "channels": MapEncoder}
# What is drawn over epochs: the first of these that the run measured.
CURVES = {
    "information": "bound of I(f(X'); f(X)+Z), nats",
    "score": "Jensen-Shannon score, not in nats",
    "loss": "loss",
}


def write(fit: Fit, folder: Path) -> list[Path]:
    """Write embeddings, encoder, history, curves, verification and report; return the paths.

    Returns
    -------
    list of Path
        ``embeddings.npz`` (f(X), f(X'), labels and the noise of held-out rows, and the training
        rows' f(X)), ``encoder.pt``, ``history.json``, ``curves.svg``, ``verification.json``, and
        ``report.html`` and ``report.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"embeddings": fit.embeddings, "augmented": fit.augmented}
    # The noise of a mapped outlet was added before the map, where these arrays are not.
    level = fit.noise.name if fit.target in DIRECT else f"outlet_{fit.noise.name}"
    arrays |= {"train_embeddings": fit.train_embeddings, level: fit.noise.level}
    if fit.labels is not None and fit.train_labels is not None:
        arrays |= {"labels": fit.labels, "train_labels": fit.train_labels}
    contents = {"embeddings.npz": _npz(arrays)}
    if fit.encoder.config["backbone"] in BACKBONES:
        config = dict(fit.encoder.config)
        if config["margins"]:  # its table is among the weights
            config["margins"] = {"kind": config["margins"]["kind"]}
        contents["encoder.pt"] = _saved({"config": config, "state": fit.encoder.state_dict()})
    contents["history.json"] = _json(fit.summary())
    contents["curves.svg"] = _curves(fit)
    if fit.verification is not None:
        contents["verification.json"] = _json(fit.verification.to_dict())
    return _write(contents, fit.report, folder)


def write_self_supervised(fit: SelfSupervisedFit | DeepInfoMaxFit, folder: Path) -> list[Path]:
    """Write the files of a run of :func:`ssl` or :func:`dim`; return the paths.

    Returns
    -------
    list of Path
        ``embeddings.npz`` (embeddings and features, of held-out and of training rows where the run
        has them, and labels), ``encoder.pt``, ``history.json`` and the report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = ("embeddings", "train_embeddings", "augmented", "features", "train_features")
    arrays: dict[str, Any] = {name: getattr(fit, name) for name in names if hasattr(fit, name)}
    if hasattr(fit, "sigma"):
        arrays["outlet_sigma"] = fit.sigma
    if fit.labels is not None and fit.train_labels is not None:
        arrays |= {"labels": fit.labels, "train_labels": fit.train_labels}
    state = {"config": fit.encoder.config, "state": fit.encoder.state_dict()}
    contents = {"embeddings.npz": _npz(arrays), "encoder.pt": _saved(state)}
    contents["history.json"] = _json(fit.summary())
    return _write(contents, fit.report, folder)


def _write(contents: dict[str, bytes], report: Report | None, folder: Path) -> list[Path]:
    if report is not None:
        contents["report.html"] = report.to_html().encode("utf-8", errors="backslashreplace")
        contents["report.json"] = report.to_json().encode("utf-8", errors="backslashreplace")
    files.save({folder / name: content for name, content in contents.items()})
    return [folder / name for name in contents]


def _npz(arrays: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _saved(state: dict[str, Any]) -> bytes:
    buffer = BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load_encoder(path: str | os.PathLike[str]) -> Encoder | Projector | MapEncoder:
    """Read the encoder of a training run.

    Parameters
    ----------
    path : path
        ``encoder.pt`` or the folder that holds it.

    Returns
    -------
    Encoder, Projector or MapEncoder
        In evaluation mode, on the CPU; a Projector if :func:`ssl` trained it, a MapEncoder if
        :func:`dim` did.

    Raises
    ------
    InputError
        If there is no encoder, or the file holds anything but settings and tensors.
    """
    file = Path(path)
    file = file / "encoder.pt" if file.is_dir() else file
    if not file.is_file():
        raise InputError(
            f"path: there is no encoder {str(file)!r}; 'dmtest train --out' makes one."
        )
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
        config = stored["config"]
        kind = next((kind for field, kind in KINDS.items() if field in config), Encoder)
        encoder: Encoder | Projector | MapEncoder = kind(config)
        encoder.load_state_dict(stored["state"])
    except InputError:
        raise
    except Exception as error:
        # torch raises many kinds of errors on foreign files; all mean the same to a user.
        raise InputError(
            f"path: {str(file)!r} is no encoder that dmtest wrote ({type(error).__name__}); make "
            f"it again with 'dmtest train'."
        ) from error
    return encoder.eval()


def _json(plain: Any) -> bytes:
    from dmtest.results.serial import dumps
    from dmtest.results.serial import plain as as_plain

    return (dumps(as_plain(plain)) + "\n").encode()


def _curves(fit: Fit) -> bytes:
    """Draw the objective's value or the loss, and the invariance error, over epochs.

    The capacity is drawn beside values in nats only.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, len(fit.history["loss"]) + 1)
    name = next(name for name in CURVES if name in fit.history)
    left.plot(epochs, fit.history[name], label="in training")
    capacity = fit.noise.capacity(fit.embeddings.shape[1])
    if name == "information" and np.isfinite(capacity):
        left.axhline(capacity, color="0.4", ls="--", label="capacity")
    left.set(xlabel="epoch", ylabel=CURVES[name])
    left.legend(frameon=False)
    right.plot(epochs, fit.history["invariance_error"])
    right.set(xlabel="epoch", ylabel="E|f(X') - f(X)|²")
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
