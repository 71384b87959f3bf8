"""Training as a whole: the same seed, resumed, shared by processes, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats

from dmtest import train
from dmtest.cli import main as cli
from dmtest.train.fitting.module import TrainingError, cosine
from tests.support.calls import python, refused

QUICK: dict[str, Any] = {"sigma": 0.5, "epochs": 3, "batch": 256, "evaluate": False, "rng": 0}


@pytest.fixture(scope="module")
def digits() -> train.Fit:
    """Train on the digits once for several tests."""
    torch.set_num_threads(1)
    return train.fit("digits", sigma=0.5, epochs=25, batch=256, rng=0)


def test_training_finds_information_and_classes(digits: train.Fit) -> None:
    found, before = digits.verification, digits.baseline
    assert None not in (found, before)
    assert None not in (found.information, before.information)
    assert float(found.information) > float(before.information) + 0.3
    assert None not in (digits.downstream, digits.baseline_downstream)
    gain = digits.downstream["knn-accuracy"] - digits.baseline_downstream["knn-accuracy"]
    assert gain > 0.2


def test_embeddings_have_the_moments_of_the_theorem(digits: train.Fit) -> None:
    z = digits.train_embeddings
    assert_allclose(z.mean(axis=0), 0.0, atol=0.02)
    assert_allclose(z.var(axis=0), 1.0, atol=0.05)


def test_no_inequality_is_broken(digits: train.Fit) -> None:
    assert digits.verification is not None
    assert digits.verification.violations == ()
    sources = {one.source for one in digits.verification.inequalities}
    assert sources == {"Lemma 3.1", "Theorem 3.4", "Theorem 4.1"}


def test_report_is_of_the_held_out_rows(digits: train.Fit) -> None:
    assert digits.report is not None
    assert (digits.report.n, digits.report.d) == (500, 2)
    assert digits.labels is not None
    assert len(digits.labels) == 500


def test_the_same_seed_gives_the_same_embeddings() -> None:
    state = torch.random.get_rng_state()
    one, other = train.fit(**QUICK), train.fit(**QUICK)
    assert np.array_equal(one.embeddings, other.embeddings)
    assert torch.equal(torch.random.get_rng_state(), state)
    changed = train.fit(**QUICK | {"rng": 1})
    assert not np.array_equal(one.embeddings, changed.embeddings)


def test_evaluation_does_not_change_training() -> None:
    one, other = train.fit(**QUICK), train.fit(**QUICK | {"evaluate": True})
    assert np.array_equal(one.embeddings, other.embeddings)


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = train.fit(**QUICK)

    class StopError(Exception):
        pass

    def interrupt(what: str, done: int, total: int) -> None:
        if done == 12:  # in the third epoch of five steps
            raise StopError

    with pytest.raises(StopError):
        train.fit(**QUICK, out=tmp_path, progress=interrupt)
    resumed = train.fit(**QUICK, out=tmp_path, resume=True)
    assert np.array_equal(whole.embeddings, resumed.embeddings)
    assert whole.history == resumed.history


def test_resume_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    refused("no checkpoint", train.fit, **QUICK, out=tmp_path, resume=True)


TWO = """
import sys, json, torch
torch.set_num_threads(1)
from dmtest import train
if __name__ == "__main__":
    made = train.fit("digits", encoder="mlp", sigma=0.5, epochs=2, batch=256, evaluate=False, rng=0,
                     devices=int(sys.argv[1]), device="cpu", objective=sys.argv[2],
                     augment="noise", learning_rate=1e-3)
    print(json.dumps([made.history, made.embeddings.astype(float).tolist()]))
"""


@pytest.mark.parametrize("objective", ["infonce", "donsker-varadhan"])
def test_two_processes_equal_one(tmp_path: Path, objective: str) -> None:
    """Negatives and batch normalisation are shared: the losses are those of one process."""
    script = tmp_path / "two.py"
    script.write_text(TWO)
    found = []
    for count in ("1", "2"):
        out = python(script, count, objective)
        assert out.returncode == 0, out.stderr[-2000:]
        found.append(json.loads(out.stdout.splitlines()[-1]))
    for name in found[0][0]:
        assert_allclose(found[1][0][name], found[0][0][name], rtol=1e-5, atol=1e-5)
    assert_allclose(found[1][1], found[0][1], atol=2e-3)


def test_a_loss_that_is_not_finite_stops() -> None:
    with pytest.raises(TrainingError, match="learning_rate"):
        train.fit(**QUICK | {"learning_rate": 1e30, "schedule": "constant", "epochs": 20})


def test_patience_stops_early() -> None:
    made = train.fit(**QUICK | {"epochs": 40, "patience": 1, "learning_rate": 1e-8})
    assert len(made.history["loss"]) < 40


@pytest.mark.parametrize("target", ["normal", "uniform"])
def test_arrays_and_targets(target: str) -> None:
    x = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    x = (x - x.min()) / (x.max() - x.min())
    noise = {"normal": {"sigma": 0.5}, "uniform": {"epsilon": 0.2}}[target]
    made = train.fit(x, target, dim=3, epochs=2, batch=64, rng=0, evaluate=False, **noise)
    assert made.embeddings.shape[1] == 3
    assert made.labels is None
    if target == "uniform":
        assert 0.0 <= made.embeddings.min() < made.embeddings.max() <= 1.0


def test_a_module_of_the_users_own() -> None:
    own = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    made = train.fit(**QUICK, encoder=own)
    assert made.encoder.config["backbone"] == "Sequential"


@pytest.mark.parametrize("objective", ["nwj", "jsd"])
def test_other_objectives_train(objective: str) -> None:
    made = train.fit(**QUICK, objective=objective)
    assert made.history["loss"][-1] < made.history["loss"][0]


@pytest.mark.parametrize("matching", ["sigreg", "covariance", "adversarial"])
@pytest.mark.parametrize("objective", ["none", "infonce"])
def test_other_ways_of_matching_train(matching: str, objective: str) -> None:
    made = train.fit(**QUICK, objective=objective, matching=matching)
    assert made.history["loss"][-1] < made.history["loss"][0]
    assert np.isfinite(made.embeddings).all()


def test_the_cube_is_matched_on_normal_scale() -> None:
    """SIGReg alone fills the cube: its training rows are as uniform as 1,297 draws nearly are."""
    options = {"sigma": None, "epsilon": 0.1, "objective": "none", "matching": "sigreg"}
    options |= {"target": "uniform", "matching_weight": 100.0, "epochs": 40}
    made = train.fit(**QUICK | options)
    apart = [stats.kstest(column, "uniform").statistic for column in made.train_embeddings.T]
    assert max(apart) < 0.06


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epoch": 3}, "there is no such setting"),
        ({"critic": "mlp"}, "choose one of"),
        ({"objective": "mine"}, "choose one of"),
        ({"objective": "none"}, "nothing to train on"),
        ({"batch": 1}, "batch"),
        ({"batch": 9, "devices": 2}, "take a multiple"),
        ({"crop": 10}, "leave crop out"),
        ({"sigma": 0.0, "critic": "dual"}, "sigma is 0"),
        ({"matching": "adversarial", "devices": 2}, "one device"),
        ({"matching": "covariance", "target": "uniform", "sigma": None}, "target 'normal'"),
        ({"matching_axes": 1.0}, "directions of matching='sigreg'"),
        ({"matching": "sigreg", "matching_axes": -1.0}, "positive"),
        ({"schedule": "step"}, "'cosine', 'constant'"),
        ({"encoder": "convnet"}, "at least 22"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    refused(words, train.fit, **QUICK | options)


def test_cosine_rises_and_falls() -> None:
    rates = [cosine(step, 100) for step in range(101)]
    assert rates[0] == 0.2
    assert max(rates) == rates[5] == 1.0
    assert rates[100] == 0.0


def test_files_and_encoder(tmp_path: Path) -> None:
    made = train.fit(**QUICK, out=tmp_path)
    with np.load(tmp_path / "embeddings.npz", allow_pickle=False) as stored:
        assert {"embeddings", "augmented", "labels", "sigma"} <= set(stored.files)
        assert np.array_equal(stored["embeddings"], made.embeddings)
        assert float(stored["sigma"]) == 0.5
    encoder = train.load_encoder(tmp_path)
    from dmtest.train.data.load import load_images

    x = torch.from_numpy(load_images("digits", split="test").images)
    with torch.no_grad():
        assert_allclose(encoder(x).numpy(), made.embeddings, atol=1e-6)


class Hostile:
    """Would print when unpickled."""

    def __reduce__(self) -> Any:
        return (print, ("executed",))


def test_an_encoder_that_would_run_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "encoder.pt"
    torch.save({"config": {}, "state": Hostile()}, path)
    refused("no encoder that dmtest wrote", train.load_encoder, path)
    path.write_bytes(pickle.dumps(Hostile()))
    refused("no encoder that dmtest wrote", train.load_encoder, path)
    assert "executed" not in capsys.readouterr().out


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--sigma", "0.5", "--epochs", "4", "--batch", "256"]
    assert cli.main([*words, "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("best lower bound", "inequalities of the theory")), out
    written = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"embeddings.npz", "encoder.pt", "report.html", "curves.svg"} <= written
    assert cli.main(["bounds", str(tmp_path / "run" / "embeddings.npz")]) == 0
    more = ["--matching", "sigreg", "--matching-weight", "5", "--matching-axes", "2"]
    more += ["--augment-scale", "0.2", "--json"]
    capsys.readouterr()
    assert cli.main([*words, *more]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert (settings["matching"], settings["matching_weight"]) == ("sigreg", 5.0)
    assert (settings["matching_axes"], settings["augment_scale"]) == (2.0, 0.2)
    assert cli.main([*words, "--matching", "sigregg"]) == 2
    assert "'sigreg'" in capsys.readouterr().err
    assert cli.main([*words, "--out", str(tmp_path / "a" / "b")]) == 2
    assert "create it first" in capsys.readouterr().err
    assert cli.main(["train", "--resume"]) == 2
    assert cli.main(["train", "--target", "uniform", "--sigma", "0.3"]) == 2
    assert "epsilon" in capsys.readouterr().err
