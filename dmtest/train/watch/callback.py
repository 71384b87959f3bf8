"""A Lightning callback that logs effect sizes of embeddings, and reports after training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from dmtest.arguments import whole
from dmtest.errors import InputError
from dmtest.train.watch.metric import DistributionMatch, known_effects

Output: TypeAlias = "str | Callable[[LightningModule, Any, Any], Tensor]"


class DistributionCallback(Callback):
    """Log effect sizes of the departure from the target, and write a report after training.

    It works under any strategy: values are those of the rows of all processes.

    Parameters
    ----------
    output : str or callable
        Source of the embeddings: a key of the dict that ``validation_step`` (``training_step``)
        returns, or a function of (module, return value of the step, batch) that returns a tensor
        of shape (n, d). A function is called without gradients, in the present mode of the module.
    stage : {"validation", "train"}
        Stage whose batches are measured.
    every : int
        Epochs between two measurements; with ``stage="train"`` and ``unit="step"`` the number of
        batches in each measurement.
    unit : {"epoch", "step"}
        Unit of `every`.
    target, effects, slices, rows, seed
        As for :class:`DistributionMatch`.
    prefix : str
        Prefix of the logged names.
    report : path or iterable of paths, optional
        Files ending in ``.html`` or ``.json`` to which a report on the row sample of the last
        measurement is written when training ends.

    Attributes
    ----------
    history : list of dict
        Logged values, with ``"step"`` and ``"epoch"``.
    last : dmtest.Report or None
        The report, on the first process.
    """

    def __init__(
        self,
        output: Output,
        *,
        stage: Literal["validation", "train"] = "validation",
        every: int = 1,
        unit: Literal["epoch", "step"] = "epoch",
        target: Literal["normal", "uniform"] = "normal",
        effects: Iterable[str] | None = None,
        slices: int = 64,
        rows: int = 4096,
        seed: int = 0,
        prefix: str = "match/",
        report: str | Path | Iterable[str | Path] | None = None,
    ) -> None:
        super().__init__()
        if stage not in ("validation", "train"):
            raise InputError(f"stage: got {stage!r}; choose 'validation' or 'train'.")
        if unit not in ("epoch", "step"):
            raise InputError(f"unit: got {unit!r}; choose 'epoch' or 'step'.")
        if unit == "step" and stage != "train":
            raise InputError("unit: 'step' is for stage='train'; validation counts epochs.")
        if not (isinstance(output, str) or callable(output)):
            raise InputError(
                f"output: got {output!r}; give a key of the step's dict or a function."
            )
        self.output, self.stage, self.unit, self.prefix = output, stage, unit, prefix
        self.every = whole("every", every, 1)
        self.options: dict[str, Any] = {
            "target": target,
            "effects": known_effects(effects),
            "slices": slices,
            "rows": rows,
            "seed": seed,
        }
        self.paths = _paths(report)
        self.metric: DistributionMatch | None = None
        self.history: list[dict[str, float]] = []
        self.last: Any = None

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add the embeddings of a validation batch, in epochs with a measurement."""
        if self.stage == "validation" and self._epoch_counts(trainer):
            self._add(pl_module, outputs, batch)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Add the embeddings of a training batch; with unit "step", log every `every` batches."""
        if self.stage != "train" or (self.unit == "epoch" and not self._epoch_counts(trainer)):
            return
        self._add(pl_module, outputs, batch)
        if self.unit == "step" and (batch_idx + 1) % self.every == 0:
            self._measure(trainer, pl_module, on_step=True)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the effects of the validation rows."""
        if self.stage == "validation" and self._epoch_counts(trainer):
            self._measure(trainer, pl_module, on_step=False)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the effects of this epoch's training rows."""
        if self.stage == "train" and self.unit == "epoch" and self._epoch_counts(trainer):
            self._measure(trainer, pl_module, on_step=False)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the report on the rows of the last measurement, on the first process."""
        if not self.paths or not trainer.is_global_zero:
            return
        sample = None if self.metric is None else self.metric.sample
        if sample is None:
            raise InputError(
                f"report: nothing was measured in stage {self.stage!r}, so there is nothing to "
                f"report; train for at least every = {self.every} {self.unit}s."
            )
        from dmtest.reports.api import report

        self.last = report(sample, self.options["target"], rng=self.options["seed"], progress=False)
        for path in self.paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            write = self.last.to_html if path.suffix == ".html" else self.last.to_json
            write(path)

    def _epoch_counts(self, trainer: Trainer) -> bool:
        return not trainer.sanity_checking and (trainer.current_epoch + 1) % self.every == 0

    def _add(self, module: LightningModule, outputs: Any, batch: Any) -> None:
        z = _embeddings(self.output, module, outputs, batch)
        if self.metric is None:
            self.metric = DistributionMatch(z.shape[1], **self.options).to(z.device)
        self.metric.update(z)

    def _measure(self, trainer: Trainer, module: LightningModule, on_step: bool) -> None:
        if self.metric is None:
            raise InputError(
                f"output: this process saw no batch of stage {self.stage!r}; give it data, or "
                f"choose the other stage."
            )
        values = self.metric.compute()
        self.metric.reset()
        # Values are already equal on all processes: no averaging is needed.
        named = {f"{self.prefix}{name}": value.float() for name, value in values.items()}
        module.log_dict(named, on_step=on_step, on_epoch=not on_step, sync_dist=False)
        place = {"step": trainer.global_step, "epoch": trainer.current_epoch}
        self.history.append(place | {name: float(value) for name, value in values.items()})


def _embeddings(output: Output, module: LightningModule, outputs: Any, batch: Any) -> Tensor:
    import torch

    if callable(output):
        with torch.no_grad():
            z = output(module, outputs, batch)
        name = "what the function returned"
    else:
        if not isinstance(outputs, Mapping) or output not in outputs:
            keys = sorted(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
            raise InputError(
                f"output: {output!r} is not in what the step returned ({keys}); return a dict that "
                f"has it, or pass a function."
            )
        z, name = outputs[output], f"outputs[{output!r}]"
    if not isinstance(z, Tensor) or z.ndim != 2:
        kind = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
        raise InputError(f"output: {name} is {kind}; make it a tensor of shape (n, d).")
    return z.detach()


def _paths(report: str | Path | Iterable[str | Path] | None) -> tuple[Path, ...]:
    if report is None:
        return ()
    reports = [report] if isinstance(report, str | Path) else report
    paths = tuple(Path(path) for path in reports)
    for path in paths:
        if path.suffix not in (".html", ".json"):
            raise InputError(f"report: got {str(path)!r}; end it in .html or .json.")
    return paths
