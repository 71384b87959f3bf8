"""The metric and the callback: values of known samples, merged over batches and processes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from dmtest import train
from dmtest.train.watch.metric import EFFECTS
from tests.support.calls import python, refused


def rows(n: int = 3000, d: int = 3, scale: float = 1.0, seed: int = 0) -> Any:
    """Return normal rows as a float64 tensor."""
    return torch.from_numpy(scale * np.random.default_rng(seed).standard_normal((n, d)))


def measured(*batches: Any, d: int = 3, **options: Any) -> dict[str, float]:
    """Return the values of a metric that saw the batches."""
    metric = train.DistributionMatch(d, **options)
    for batch in batches:
        metric.update(batch)
    return {name: float(value) for name, value in metric.compute().items()}


def test_normal_rows_are_at_distance_zero() -> None:
    """All effects of N(0, I) are what the target has, within sampling."""
    found = measured(rows(20_000))
    assert set(found) == set(EFFECTS)
    for name in ("kl-fitted-normal", "kl-mean", "kl-scale", "epps-pulley"):
        assert abs(found[name]) < 0.002, name
    assert found["sliced-wasserstein-2"] < 0.03
    assert_allclose(found["effective-rank"], 3.0, atol=0.01)
    assert_allclose(found["isotropy"], 1.0, atol=0.01)
    assert_allclose(found["length-dispersion"], 1.0, atol=0.2)


def test_scaled_rows_have_known_effects() -> None:
    """N(0, 4 I): KL is d/2 (4 - 1 - log 4), every slice is at W2 = 1."""
    found = measured(rows(50_000, scale=2.0), slices=32)
    assert_allclose(found["kl-fitted-normal"], 1.5 * (3.0 - math.log(4.0)), rtol=0.02)
    assert_allclose(found["sliced-wasserstein-2"], 1.0, atol=0.03)


def test_values_equal_the_report() -> None:
    """The fitted normal's divergence is that of dmtest's own decomposition."""
    import dmtest

    z = rows(2000, scale=1.2)
    parts = dmtest.kl_decomposition(z.numpy(), rng=0)
    found = measured(z)
    assert_allclose(found["kl-fitted-normal"], parts["kl-fitted-normal"].value, rtol=1e-8)


def test_batches_do_not_matter() -> None:
    """One batch or several, in any order: the same sums and the same kept rows."""
    z = rows()
    whole = measured(z, rows=256)
    parts = measured(z[1000:], z[:10], z[10:1000], rows=256)
    assert_allclose(list(parts.values()), list(whole.values()), rtol=1e-9)


def test_reset_forgets() -> None:
    """After a reset only what came later counts."""
    metric = train.DistributionMatch(3)
    metric.update(5.0 + rows())
    metric.reset()
    metric.update(rows(seed=1))
    found = {name: float(value) for name, value in metric.compute().items()}
    assert_allclose(list(found.values()), list(measured(rows(seed=1)).values()), rtol=1e-12)


def test_uniform_target_takes_normal_scores() -> None:
    """U([0, 1]^d) is at distance 0 from the target uniform; values outside are refused."""
    u = torch.from_numpy(np.random.default_rng(0).random((5000, 2)))
    found = measured(u, d=2, target="uniform")
    assert abs(found["kl-fitted-normal"]) < 0.005
    refused(r"outside \[0, 1\]", measured, u + 1.0, d=2, target="uniform")


@pytest.mark.parametrize(
    ("batch", "words"),
    [(rows(10, 2), "d|columns|shape"), (torch.full((10, 3), math.nan), "not finite")],
)
def test_batches_that_are_refused(batch: Any, words: str) -> None:
    """A batch of another width, or with NaN, is one sentence."""
    refused(words, measured, batch)


MERGED = """
import json, sys, torch
import torch.distributed as dist
import torch.multiprocessing as mp
from dmtest import train

def work(rank, world, path, out):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=world)
    z = torch.randn(3000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    metric = train.DistributionMatch(3, rows=512)
    mine = z[:1100] if rank == 0 else z[1100:]   # unequal shares
    for batch in mine.split(400):
        metric.update(batch)
    values = {name: float(value) for name, value in metric.compute().items()}
    with open(f"{out}{rank}", "w") as file:
        json.dump(values, file)
    dist.destroy_process_group()

if __name__ == "__main__":
    mp.spawn(work, args=(2, sys.argv[1], sys.argv[2]), nprocs=2)
"""


def test_two_processes_merge_exactly(tmp_path: Path) -> None:
    """Values of two gloo processes are those of one that saw everything."""
    script = tmp_path / "merged.py"
    script.write_text(MERGED)
    done = python(script, tmp_path / "store", tmp_path / "out")
    assert done.returncode == 0, done.stderr[-2000:]
    z = torch.randn(3000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = measured(z, rows=512)
    for rank in range(2):
        found = json.loads((tmp_path / f"out{rank}").read_text())
        assert_allclose([found[name] for name in expected], list(expected.values()), rtol=1e-9)


class Embedder(lightning.LightningModule):
    """A linear map, whose validation step returns its embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def training_step(self, batch: Any, index: int) -> Any:
        """Return a loss."""
        return train.epps_pulley(self.layer(batch[0]), 8) / len(batch[0])

    def validation_step(self, batch: Any, index: int) -> Any:
        """Return the embeddings by name."""
        return {"z": self.layer(batch[0])}

    def configure_optimizers(self) -> Any:
        """Take plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_callback_logs_and_reports(tmp_path: Path) -> None:
    """Effects are logged every second epoch; the report is written at the end of fit."""
    x = torch.utils.data.TensorDataset(rows(400, 4).float())
    callback = train.DistributionCallback(
        "z", every=2, effects=["kl-mean", "epps-pulley"], report=tmp_path / "end.html"
    )
    trainer = lightning.Trainer(
        max_epochs=4,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    loader = torch.utils.data.DataLoader(x, batch_size=100)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers
        trainer.fit(Embedder(), loader, loader)
    assert [entry["epoch"] for entry in callback.history] == [1, 3]
    assert {"kl-mean", "epps-pulley"} <= set(callback.history[0])
    assert "match/kl-mean" in trainer.callback_metrics
    assert callback.history[1]["epps-pulley"] < callback.history[0]["epps-pulley"] + 0.05
    assert (tmp_path / "end.html").read_text().startswith("<!")
    assert callback.last.n == 400


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stage": "test"}, "'validation' or 'train'"),
        ({"unit": "step"}, "stage='train'"),
        ({"report": "end.txt"}, r"\.html or \.json"),
        ({"effects": ["kl"]}, "choose among"),
        ({"every": 0}, "every"),
    ],
)
def test_callbacks_that_are_refused(options: dict[str, Any], words: str) -> None:
    """What cannot work is refused when the callback is made."""
    refused(words, train.DistributionCallback, "z", **options)
