"""What a run does unless told otherwise, and the findings on runs that fail."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from dmtest import train
from dmtest.cli import main as cli
from dmtest.train.evaluate.signatures import signatures
from dmtest.train.fitting.settings import Settings
from dmtest.train.model.noise import Noise

QUICK: dict[str, Any] = {"sigma": 0.5, "epochs": 3, "batch": 256, "evaluate": False, "rng": 0}
NORMAL = Noise("normal", 0.5)


@pytest.mark.parametrize(
    ("n", "batch"), [(40, 64), (511, 64), (1023, 64), (1024, 128), (1297, 128), (60_000, 1024)]
)
def test_batch_is_the_largest_power_of_two_up_to_an_eighth(n: int, batch: int) -> None:
    assert Settings().resolved(n).batch == batch


@pytest.mark.parametrize("n", [40, 200, 1297, 60_000, 10**7])
def test_runs_take_at_least_2000_steps(n: int) -> None:
    chosen = Settings().resolved(n)
    assert chosen.steps(n) >= 2000
    assert chosen.epochs is not None
    assert chosen.epochs >= 20
    assert chosen.epochs == 20 or (chosen.epochs - 1) * chosen.steps_an_epoch(n) < 2000


def test_what_the_user_says_is_kept() -> None:
    chosen = Settings(epochs=7, batch=32, critic="dual").resolved(1297)
    assert (chosen.epochs, chosen.batch, chosen.critic) == (7, 32, "dual")
    assert Settings(epochs=4).resolved(1297).critic == "calibrated"
    assert Settings(epochs=50).resolved(1297).critic == "separable"
    shared = Settings(devices=3).resolved(60_000).batch
    assert shared is not None
    assert shared % 3 == 0


def test_the_objective_none_has_patience_with_the_loss() -> None:
    """It stopped after one epoch when it watched a bound that does not exist."""
    options = QUICK | {"objective": "none", "matching": "sigreg", "epochs": 6, "patience": 3}
    made = train.fit(**options)
    assert len(made.history["loss"]) == 6
    assert "information" not in made.history
    stopped = train.fit(**options | {"learning_rate": 1e-9, "epochs": 40, "patience": 1})
    assert len(stopped.history["loss"]) < 40


def test_jensen_shannon_is_a_score(tmp_path: Path) -> None:
    """It is never called information, and never drawn beside a capacity."""
    made = train.fit(**QUICK | {"objective": "jsd", "out": tmp_path / "jsd"})
    assert "information" not in made.history
    assert all(value <= 0.0 for value in made.history["score"])
    drawn = (tmp_path / "jsd" / "curves.svg").read_text(encoding="utf-8")
    train.fit(**QUICK | {"out": tmp_path / "nats"})
    other = (tmp_path / "nats" / "curves.svg").read_text(encoding="utf-8")
    assert "<!-- capacity -->" in other
    assert "<!-- capacity -->" not in drawn
    assert "not in nats" in drawn


def found(z: np.ndarray[Any, Any], **options: Any) -> list[str]:
    """Codes of the findings on some embeddings of a run without other faults."""
    given: dict[str, Any] = {"steps": 5000, "batch": 1024, "history": {}}
    return [one.code for one in signatures(z, **given | {"noise": NORMAL} | options)]


def test_signatures_of_failure() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((500, 4))
    assert found(z) == []
    assert found(z, steps=30) == ["few-steps"]
    assert found(np.repeat(z[:, :1], 4, axis=1)) == ["collapse"]
    assert found(np.repeat(z[:10], 50, axis=0)) == ["collapse"]
    assert found(np.zeros((500, 4))) == ["collapse"]
    assert found(rng.standard_normal((500, 1))) == []
    falling = {"information": [1.0, 2.0, 3.0, 1.0, 0.5, 0.2]}
    assert found(z, history=falling) == ["unstable"]
    assert found(z, history={"information": [0.1, 1.0, 2.0, 2.1, 2.1, 2.2]}) == []
    assert found(z, noise=Noise("normal", 0.01)) == ["saturated-bound"]
    assert found(z, noise=Noise("normal", 0.0)) == []
    scores = [
        train.downstream(z, y, z, y, scores="knn-accuracy", rng=0)
        for y in (rng.integers(2, size=500), (z[:, 0] > 0).astype(int))
    ]
    assert found(z, scores=(scores[0], scores[1])) == ["classes-lost"]
    assert found(z, scores=(scores[1], scores[0])) == []


def test_flat_pvalues_and_unresolved_noise() -> None:
    rng = np.random.default_rng(0)
    square = rng.uniform(-math.sqrt(3.0), math.sqrt(3.0), (2000, 2))
    for z, codes in ((square, ["flat-pvalues"]), (rng.standard_normal((2000, 2)), [])):
        assert found(z, verification=train.verify(z, z, NORMAL, rng=0)) == codes
    z, small = rng.standard_normal((500, 3)), Noise("normal", 0.3)
    assert found(z, verification=train.verify(z, z, small, rng=0)) == ["noise-unresolved"]


def test_findings_reach_every_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line says how many steps a run had, in text and in JSON."""
    words = ["train", "--sigma", "0.5", "--epochs", "2", "--schedule", "constant"]
    assert cli.main(words) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "(20 steps of 128 rows, calibrated critic)" in out
    assert "The run took 20 gradient steps" in out
    assert cli.main([*words, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["steps"] == 20
    assert plain["settings"]["schedule"] == "constant"
    assert plain["findings"][0]["code"] == "few-steps"
    assert "leave both out" in plain["findings"][0]["advice"]
    made = train.fit(**QUICK)
    assert "few-steps" in repr(made)


def test_no_step_waits_for_the_device() -> None:
    """Ops that read a number back, or count the entries of a mask, occur in no step."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from dmtest.train.fitting.module import InfoMax

    waits = {"_local_scalar_dense", "nonzero", "is_nonzero", "equal", "item"}
    seen: list[str] = []

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):  # type: ignore[no-untyped-def]
            name = func.overloadpacket.__name__
            if name in waits or (name == "index" and args[1][0].dtype == torch.bool):
                seen.append(name)
            return func(*args, **(kwargs or {}))

    original = InfoMax.training_step

    def counted(self: InfoMax, index: torch.Tensor, batch: int) -> torch.Tensor:
        with Count():
            return original(self, index, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InfoMax, "training_step", counted)
        for objective in ("infonce", "donsker-varadhan", "nwj", "jsd"):
            for critic in ("calibrated", "dual", "learned", "separable"):
                train.fit(**QUICK | {"epochs": 1, "objective": objective, "critic": critic})
                assert seen == [], (objective, critic)
        with Count():
            torch.ones(3)[torch.ones(3) > 0].sum().item()
    assert set(seen) == {"index", "_local_scalar_dense"}  # the count would see them


def test_number_formats_and_determinism_are_put_back() -> None:
    before = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()
    plain = train.fit(**QUICK)
    for options in ({"scores": "tf32"}, {"deterministic": True}):
        same = train.fit(**QUICK | options)
        assert_allclose(same.embeddings, plain.embeddings, atol=1e-5)  # nothing changes on a CPU
    short = train.fit(**QUICK | {"scores": "bf16"})
    assert not np.array_equal(short.embeddings, plain.embeddings)
    assert abs(short.history["information"][-1] - plain.history["information"][-1]) < 0.05
    after = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()
    assert after == before
