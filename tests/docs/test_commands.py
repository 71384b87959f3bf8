"""Commands in the documentation: each line of `dmtest` in a block of shell commands runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris  # type: ignore[import-untyped]

import dmtest
from dmtest.cli import main as cli

ROOT = Path(__file__).parents[2]
# files.md names files of others, and URLs; cli.md is about the shell.
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if page.name not in ("files.md", "cli.md") and "```sh\ndmtest " in page.read_text("utf-8")
]


def commands(page: Path) -> list[str]:
    """Return the lines of a page's shell blocks that begin with dmtest."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("dmtest ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the files that the commands name, small."""
    folder = tmp_path_factory.mktemp("commands")
    rng = np.random.default_rng(0)
    for name in ("z", "new", "old", "step1", "step2", "step3"):
        np.save(folder / f"{name}.npy", rng.standard_normal((300, 3)))
    item = np.repeat(np.arange(60), 2)
    views = rng.standard_normal((60, 3))[item]
    np.savez(folder / "views.npz", embeddings=views, item=item)
    z = rng.standard_normal((120, 3))
    np.savez(folder / "z.npz", embeddings=z, labels=np.repeat(list("abc"), 40))
    np.savetxt(folder / "z.csv", z, delimiter=",", header="a,b,c", comments="")
    flowers = load_iris()
    rows = zip(flowers.data, flowers.target_names[flowers.target], strict=True)
    lines = [",".join([*map(str, row), str(name)]) for row, name in rows]
    head = "Sepal.Length,Sepal.Width,Petal.Length,Petal.Width,Species"
    (folder / "iris.csv").write_text("\n".join([head, *lines]), encoding="utf-8")
    table = ["height,weight,group", *(f"{h},{w},{'ab'[int(h > 0)]}" for h, w, _ in z)]
    (folder / "table.csv").write_text("\n".join(table), encoding="utf-8")
    dmtest.write_baseline(rng.standard_normal((300, 3)), folder / "baseline.json")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_command_gives_a_verdict(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 or 1 and nothing on standard error: not one option or name is wrong."""
    monkeypatch.chdir(folder)
    for command in commands(page):
        _, *arguments = shlex.split(command, comments=True)
        code = cli.main(arguments)
        said = capsys.readouterr()
        assert (code in (0, 1), said.err) == (True, ""), command
        assert said.out or "--quiet" in command, command


def test_readme_has_the_commands_that_its_pages_explain() -> None:
    assert {command.split()[1] for command in commands(ROOT / "README.md")} == {
        *("report", "compare", "check"),
    }
    assert {"README", "quickstart", "embeddings", "engineer"} <= {page.stem for page in PAGES}


def action(folder: Path, **inputs: str) -> tuple[int, str]:
    """Run the script of action.yml as GitHub does: its exit code, and what it hands on."""
    script = (ROOT / "action.yml").read_text("utf-8").rpartition("      run: |\n")[2]
    script = re.sub(r"^ {8}", "", script, flags=re.MULTILINE)
    script = script.replace("python -m", f"{shlex.quote(sys.executable)} -m")
    output = folder / "output"
    output.write_text("")
    names = ("FILE", "BASELINE", "ARGUMENTS", "HTML", "JUNIT")
    env = {name: inputs.get(name, "") for name in names} | {"GITHUB_OUTPUT": str(output)}
    env |= {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(shell, cwd=folder, env=env, capture_output=True, check=False)
    return done.returncode, output.read_text()


def test_the_action_reports_and_checks(folder: Path) -> None:
    """Options with spaces between them arrive as options; a file's name is one word."""
    (folder / "my rows.npy").write_bytes((folder / "z.npy").read_bytes())
    arguments = "--target any-normal --brief"
    made = action(folder, FILE="my rows.npy", ARGUMENTS=arguments, HTML="page.html")
    assert made == (0, "exit-code=0\n")
    assert (folder / "page.html").is_file()
    checked = {"FILE": "new.npy", "BASELINE": "baseline.json", "JUNIT": "dmtest.xml"}
    assert action(folder, **checked) == (0, "exit-code=0\n")
    assert (folder / "dmtest.xml").is_file()
    np.save(folder / "worse.npy", 1.5 * np.load(folder / "new.npy"))
    checked |= {"FILE": "worse.npy", "ARGUMENTS": "--alpha 0.01"}
    assert action(folder, **checked) == (1, "exit-code=1\n")
    assert action(folder, FILE="none.npy") == (2, "exit-code=2\n")
