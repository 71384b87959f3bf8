"""What a user names: standard input, delimiters, several files, defaults of a project, one line."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dmtest
from dmtest.catalogue.registry import ROWS, TESTS
from dmtest.cli import inputs
from dmtest.render.citations import library
from tests.support.calls import python

FEW = ("--replicates", "99", "--slices", "8")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the inputs that the tests report on."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(20241)
    normal = rng.standard_normal((300, 4))
    np.save(folder / "normal.npy", normal)
    np.save(folder / "heavy.npy", rng.standard_t(2, (300, 4)))
    np.savez(folder / "named.npz", z=normal)
    frame = pd.DataFrame(normal, columns=["a", "b", "c", "d"])
    frame.to_csv(folder / "normal.csv", index=False)
    frame.to_parquet(folder / "normal.parquet")
    frame.to_csv(folder / "german.csv", sep=";", decimal=",", index=False)
    frame.assign(name="x").to_csv(folder / "text.csv", index=False)
    return folder


@pytest.fixture
def run(files: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(files)
    return command


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch, run: Run) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the command line with bytes on standard input."""

    def piped(content: bytes, *arguments: str) -> tuple[int, str, str]:
        stream = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", stream)
        return run(*arguments)

    return piped


def numbers(out: str) -> Any:
    """Return the p-values of a report in JSON."""
    return [one["pvalue"] for one in json.loads(out)["outcomes"]]


def test_semicolons_and_decimal_commas_are_read(run: Run) -> None:
    """The same numbers, written the German way, give the same report."""
    _, plain, _ = run("report", "normal.csv", "--json", "-", *FEW)
    for more in ((), ("--delimiter", ";")):
        code, out, err = run("report", "german.csv", *more, "--json", "-", *FEW)
        assert (code, err) == (0, "")
        assert numbers(out) == numbers(plain)
    command = json.loads(out)["computed"]["command"]
    assert "--delimiter ';'" in command


def test_the_cure_of_a_text_column_runs(run: Run) -> None:
    code, _, err = run("report", "text.csv", *FEW)
    (option,) = re.findall(r"--columns \S+", err.rstrip(",\n"))
    assert code == 2
    assert run("report", "text.csv", *option.rstrip(",").split(), "--quiet", *FEW) == (0, "", "")


def test_the_cure_of_rows_of_other_lengths_runs(run: Run) -> None:
    code, _, err = run("report", "normal.npy", "--target", "sphere", *FEW)
    assert (code, "--normalise" in err) == (2, True)
    code, out, _ = run("report", "normal.npy", "--target", "sphere", "--normalise", *FEW)
    assert code == 0
    assert "divided by their lengths" in out
    _, out, _ = run(
        "report", "normal.npy", "--target", "sphere", "--normalise", "--json", "-", *FEW
    )
    assert "--target sphere --normalise " in json.loads(out)["computed"]["command"]
    assert run("check", "normal.npy", "--normalise", "--max-wasserstein", "1", "-q")[0] == 0


@pytest.mark.parametrize("name", ["normal.npy", "named.npz", "normal.parquet", "normal.csv"])
def test_standard_input_is_read_by_its_first_bytes(files: Path, pipe: Run, name: str) -> None:
    code, out, err = pipe((files / name).read_bytes(), "report", "-", "--json", "-", *FEW)
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert (made["n"], made["d"], made["computed"]["source"]) == (300, 4, "standard input")
    assert "command" not in made["computed"]


def test_messages_about_standard_input(pipe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No message has the name of the copy, and a terminal is not waited for."""
    code, out, err = pipe(b"a,b\n1,2\n", "report", "-")
    assert (code, out) == (2, "")
    assert "tmp" not in err
    assert pipe(b"", "report", "-")[2].startswith("dmtest: error: -: standard input is empty")
    assert "standard input: " in pipe(b"a,b\n1,x\n" * 9, "report", "-")[2]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)


def test_a_terminal_is_not_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for arguments in (("report", "-"), ("monitor", "-")):
        monkeypatch.setattr(sys, "stdin", Terminal())
        code, _, err = run(*arguments)
        assert code == 2
        assert err.startswith("dmtest: error: -: standard input is a terminal; pipe ")


def test_standard_input_in_other_commands(files: Path, pipe: Run) -> None:
    content = (files / "normal.npy").read_bytes()
    code, out, _ = pipe(content, "compare", "-", "heavy.npy", "--brief", "--replicates", "99")
    assert code == 1
    assert out.startswith("mismatch: standard input; 300 and 300 x 4")
    code, out, _ = pipe(content, "check", "-", "--max-wasserstein", "9")
    assert code == 0
    assert "standard input against absolute limits" in out


def test_several_files_give_a_table(run: Run, tmp_path: Path) -> None:
    """One row for each file, a page for each, and the reports in one JSON."""
    pages, data = tmp_path / "pages", tmp_path / "all.json"
    names = ["normal.npy", "heavy.npy", "normal.csv"]
    code, out, err = run("report", *names, "--html", str(pages), "--json", str(data), *FEW)
    assert (code, err) == (1, "")
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "○ compatible" in lines["normal.npy"]
    assert "✕ mismatch" in lines["heavy.npy"]
    assert "for 3 files (Holm)" in " ".join(out.split())
    assert sorted(path.name for path in pages.iterdir()) == [f"{n}.html" for n in sorted(names)]
    made = json.loads(data.read_text(encoding="utf-8"))
    assert (made["kind"], [one["file"] for one in made["reports"]]) == ("dmtest-reports", names)
    again = dmtest.Report.from_json(json.dumps(made["reports"][1]["report"]))
    assert again.verdict == "mismatch"
    _, alone, _ = run("report", "normal.npy", "--json", "-", *FEW)
    assert numbers(alone) == [one["pvalue"] for one in made["reports"][0]["report"]["outcomes"]]


def test_one_bad_file_does_not_lose_the_others(run: Run) -> None:
    code, out, err = run("report", "nofile.npy", "normal.npy", "--brief", *FEW)
    assert code == 2
    assert err == "dmtest: error: 'nofile.npy': there is no such file; check the path\n"
    first, second = out.splitlines()
    assert first.startswith("error: nofile.npy: ")
    assert second.startswith("compatible: normal.npy; 300 x 4, target normal; p = ")
    _, out, _ = run("report", "nofile.npy", "normal.npy", "--json", "-", *FEW)
    assert [sorted(one) for one in json.loads(out)["reports"]] == [
        ["error", "file"],
        ["file", "report"],
    ]
    assert run("report", "normal.npy", "normal.npy", "--quiet", *FEW) == (0, "", "")


@pytest.mark.parametrize(
    "line",
    [
        "report normal.npy --replicates 99 --slices 8",
        "report heavy.npy --replicates 99 --slices 8",
        "compare normal.npy heavy.npy --replicates 99",
        "check heavy.npy --max-kl 0.001",
        "check normal.npy --max-wasserstein 9",
        "monitor normal.npy",
    ],
)
def test_brief_is_one_line_of_ascii(run: Run, line: str) -> None:
    """For logs: what was judged and how, whatever the encoding of the log."""
    code, out, err = run(*line.split(), "--brief")
    assert err == ""
    assert out.count("\n") == 1
    assert out.isascii()
    assert line.split()[1] in out or "monitor" in line
    assert run(*line.split(), "--brief", "--quiet") == (code, "", "")


def test_quiet_is_silent_whatever_happens(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a warning, not an annotation that nobody asked for."""
    monkeypatch.setenv("DMTEST_CACHE_DIR", "/dev/null/nulls")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert "warning" in run("report", "normal.npy", "--seed", "3", *FEW)[2]
        assert run("report", "normal.npy", "--seed", "4", "--quiet", *FEW) == (0, "", "")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    check = ("check", "heavy.npy", "--max-kl", "0.001", "--quiet")
    assert run(*check) == (1, "", "")
    assert run(*check, "--github")[1].startswith("::error ")


def project(folder: Path, text: str) -> Path:
    """Write a project with files two folders down; return the folder to work in."""
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    inside = folder / "a" / "b"
    inside.mkdir(parents=True)
    np.save(inside / "z.npy", 2.0 * np.random.default_rng(1).standard_normal((300, 3)))
    return inside


def test_defaults_of_a_project(
    tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest pyproject.toml gives defaults; options and DMTEST_CONFIG=off override them."""
    text = (
        "[tool.dmtest]\ntarget = 'any-normal'\nalpha = 0.01\ntests = ['energy', 'bhep']\n"
        "replicates = 199\n[tool.dmtest.compare]\nreplicates = 99\n[tool.dmtest.train]\ndim = 3\n"
    )
    monkeypatch.chdir(project(tmp_path, text))
    code, out, _ = command("report", "z.npy", "--json", "-")
    made = json.loads(out)
    assert (code, made["target"], made["alpha"]) == (0, "any-normal", 0.01)
    assert [one["test"] for one in made["outcomes"]] == ["energy", "bhep"]
    assert "--alpha 0.01" in made["computed"]["command"]
    code, out, _ = command(
        "report", "z.npy", "--json", "-", "--target", "normal", "--tests", "mean"
    )
    made = json.loads(out)
    assert (made["target"], made["alpha"]) == ("normal", 0.01)
    # A baseline is written with the project's defaults, and a check leaves them to the baseline.
    assert command("check", "z.npy", "--write-baseline", "b.json", "-q") == (0, "", "")
    assert command("check", "z.npy", "--baseline", "b.json", "-q") == (0, "", "")
    code, out, _ = command("compare", "z.npy", "z.npy", "--json", "-")
    assert {one["replicates"] for one in json.loads(out)["outcomes"]} == {99}
    monkeypatch.setenv("DMTEST_CONFIG", "off")
    code, out, _ = command("report", "z.npy", "--json", "-")
    assert (code, json.loads(out)["target"]) == (1, "normal")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.dmtest]\nalhpa = 0.01\n", r"\[tool.dmtest\] has no option 'alhpa'.*'alpha'\?"),
        ("[tool.dmtest]\nhtml = 'x'\n", "sets 'html', which belongs to one run"),
        ("[tool.dmtest.report]\ndim = 3\n", r"\[tool.dmtest.report\] has no option 'dim'"),
        ("[tool.dmtest]\nalpha = 'much'\n", r"'--alpha'.*it is set in \[tool.dmtest\]"),
        ("[tool.dmtest]\ntarget = 'gaussian'\n", "did you mean 'normal'"),
        ("[tool.dmtest]\nseed = {a = 1}\n", "tool.dmtest.seed: got dict; give text, a number"),
        ("[tool]\ndmtest = 3\n", "tool.dmtest is no table"),
        ("garbage [", "cannot be read as TOML"),
    ],
)
def test_defaults_that_cannot_be_used(
    tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(project(tmp_path, text))
    code, out, err = command("report", "z.npy", "-q")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(said, err), err


def test_a_named_configuration(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[tool.dmtest]\ntarget = 'uniform'\n", encoding="utf-8")
    monkeypatch.setenv("DMTEST_CONFIG", str(path))
    assert "target uniform" in run("report", "normal.npy", "--brief", *FEW)[1]
    monkeypatch.setenv("DMTEST_CONFIG", "nowhere.toml")
    assert "DMTEST_CONFIG: there is no file 'nowhere.toml'" in run("report", "normal.npy")[2]


@pytest.mark.parametrize("name", list(TESTS))
def test_every_test_is_described(run: Run, name: str) -> None:
    """What it detects, its references, and a command or call to try."""
    code, out, err = run("tests", name)
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    for row in ROWS:
        if row.name == name:
            assert row.sees in said
            for label in row.reference.split("; "):
                texts = [" ".join(entry.text.split()) for entry in library().get(label, ())]
                assert all(text in said for text in texts or [label])
    assert f"--tests {name}" in said or f"tests='{name}'" in said
    assert max(map(len, out.splitlines())) <= 80


def test_the_command_of_a_description_runs(run: Run) -> None:
    _, out, _ = run("tests", "mardia-skewness")
    (line,) = re.findall(r"dmtest (report z\.npy .*)", out)
    words = line.replace("z.npy", "normal.npy").split()
    assert run(*words, "--quiet", *FEW) == (0, "", "")


def test_a_stream_of_files(run: Run, tmp_path: Path) -> None:
    """The state of one call is where the next begins; the numbers are those of one monitor."""
    state = tmp_path / "state.json"
    code, out, err = run("monitor", "normal.npy", "--state", str(state))
    assert (code, err) == (0, "")
    assert out.startswith("ok ")
    code, out, _ = run("monitor", "heavy.npy", "--state", str(state), "--json")
    last = json.loads(out)
    monitor = dmtest.Monitor("normal")
    monitor.update("normal.npy")
    expected = monitor.update("heavy.npy")
    assert (code, last["batch"], last["n"]) == (1, "heavy.npy", 600)
    assert last["log_e_value"] == pytest.approx(expected.log_e_value, rel=1e-12)
    assert run("monitor", "normal.npy", "--state", str(state), "-q") == (1, "", "")
    assert (
        "alpha = 0.05; got 0.01"
        in run("monitor", "normal.npy", "--state", str(state), "--alpha", "0.01")[2]
    )
    assert "z.npy" not in out


def test_batches_of_one_file(run: Run) -> None:
    """``--batch`` cuts a file; ``--stop`` ends where the stream is rejected."""
    _, out, _ = run("monitor", "normal.npy", "--batch", "99", "--json")
    assert [json.loads(line)["n"] for line in out.splitlines()] == [99, 198, 300]
    _, out, _ = run("monitor", "heavy.npy", "normal.npy", "--batch", "50", "--stop", "--json")
    states = [json.loads(line) for line in out.splitlines()]
    assert [one["rejected"] for one in states] == [False] * (len(states) - 1) + [True]


def test_lines_of_standard_input_are_batches_as_they_arrive(files: Path) -> None:
    """A state is printed before the input ends."""
    rows = np.random.default_rng(0).standard_normal((64, 3))
    with subprocess.Popen(
        [sys.executable, "-m", "dmtest", "monitor", "-", "--batch", "32", "--json"],
        cwd=files,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("a;b;c\n" + "".join(f"{a};{b};{c}\n" for a, b, c in rows[:32]))
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["n"] == 32
        child.stdin.write("".join(f"{a};{b};{c}\n" for a, b, c in rows[32:]))
        child.stdin.close()
        assert json.loads(child.stdout.readline())["n"] == 64
    assert child.returncode == 0


def test_lines_that_are_no_rows(pipe: Run) -> None:
    text = "1 2\n" * 9
    assert (
        "line 10 of standard input holds no numbers: 'x'"
        in pipe((text + "x\n").encode(), "monitor", "-")[2]
    )
    assert (
        "line 10 of standard input has 3 numbers and earlier ones have 2"
        in pipe((text + "1 2 3\n").encode(), "monitor", "-")[2]
    )
    assert "had no lines of numbers" in pipe(b"1 2\n", "monitor", "-")[2]


def test_a_configuration_is_not_read_for_help(files: Path) -> None:
    done = python("-m", "dmtest", "--version", cwd=files, env={"DMTEST_CONFIG": "nowhere"})
    assert done.stdout == f"dmtest {dmtest.__version__}\n"
    assert inputs.spoken("-") == "standard input"
