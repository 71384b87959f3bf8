"""Train a module with Lightning: devices, checkpoints, progress, early stop."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.strategies import DDPStrategy

from dmtest.errors import InputError
from dmtest.runtime import files
from dmtest.runtime.parallel import Progress
from dmtest.train.fitting.module import Training
from dmtest.train.fitting.settings import Settings

Module = TypeVar("Module", bound=Training)

LAST = "last.ckpt"
LIGHTNING_PRECISION = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def device_name(settings: Settings) -> str:
    """Return "cuda" or "cpu"; refuse a device that is missing."""
    if settings.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: there is no CUDA device here; choose 'cpu' or 'auto'.")
    return settings.device


class _Steps(Callback):
    """Report every step to a progress function."""

    def __init__(self, report: Progress) -> None:
        self.report = report

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        self.report("training", trainer.global_step, trainer.estimated_stepping_batches)


class _WholeFiles(TorchCheckpointIO):
    """Checkpoints that replace the last one in one step."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        buffer = BytesIO()
        torch.save(checkpoint, buffer)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        files.save({Path(path): buffer.getvalue()})


def train(
    module: Module,
    settings: Settings,
    *,
    folder: Path | None,
    resume: bool,
    progress: Progress | None,
) -> Module:
    """Train `module` in place and return it, with its data, on the device of training.

    Parameters
    ----------
    module : Training
    settings : Settings
    folder : path or None
        Folder of checkpoints; None writes none.
    resume : bool
        Continue from the last checkpoint in `folder`.
    progress : callable or None
        Called with ("training", step, steps) after every step.

    Returns
    -------
    Training
        `module` itself.

    Raises
    ------
    InputError
        If there is no checkpoint to continue from.
    """
    device = device_name(settings)
    callbacks: list[Callback] = []
    if progress is not None:
        callbacks.append(_Steps(progress))
    if settings.patience is not None:
        name, mode = module.best
        callbacks.append(EarlyStopping(name, patience=settings.patience, mode=mode))
    start = None
    if folder is not None:
        checkpoint = ModelCheckpoint(
            dirpath=folder,
            filename=Path(LAST).stem,
            every_n_epochs=settings.checkpoint_every,
            enable_version_counter=False,
        )
        callbacks.append(checkpoint)
        start = folder / LAST
    if resume and (start is None or not start.is_file()):
        raise InputError(f"resume: there is no checkpoint {str(start)!r}; train without resume.")
    with _quiet():
        trainer = _trainer(settings, device, callbacks, folder)
    module.train()  # Lightning keeps evaluation mode if it finds it
    with _quiet(), _global_settings(settings.deterministic):
        try:
            trainer.fit(module, ckpt_path=str(start) if resume else None, weights_only=True)
        except SystemExit as error:  # Lightning ends the process where a user interrupts
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
    return module.to(device)


@contextmanager
def _global_settings(wanted: bool) -> Iterator[None]:
    """Restore at the end what training sets for the whole process; `wanted`: deterministic."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    products = torch.get_float32_matmul_precision()
    if wanted:  # cuBLAS reads it when it starts, and refuses deterministic products without it
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_float32_matmul_precision(products)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's tips and its advice on loaders and loggers."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", module="torch")
            yield
    finally:
        log.setLevel(level)


def _trainer(
    settings: Settings, device: str, callbacks: list[Callback], folder: Path | None
) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=settings.devices,
        strategy=_strategy(settings, device),
        precision=LIGHTNING_PRECISION[settings.precision],  # type: ignore[arg-type]
        callbacks=callbacks,
        plugins=[_WholeFiles()],
        logger=False,
        enable_checkpointing=folder is not None,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        reload_dataloaders_every_n_epochs=1,
    )


def _strategy(settings: Settings, device: str) -> Any:
    if settings.devices == 1:
        return "auto"
    backend = "nccl" if device == "cuda" else "gloo"
    return DDPStrategy(start_method="spawn", process_group_backend=backend)
