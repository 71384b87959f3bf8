"""Help of every command, and completion in the shell."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from dmtest.catalogue.registry import TARGETS, TESTS
from dmtest.cli import main as cli
from tests.support.calls import python

GROUP: Any = typer.main.get_command(cli.app)
COMMANDS = list(GROUP.commands)


@pytest.fixture(autouse=True)
def terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def help_of(command: Any) -> Any:
    """Return a function that shows the help of a command."""

    def show(*words: str) -> str:
        code, out, err = command(*words, "--help")
        assert (code, err) == (0, "")
        return out

    return show


def options(command: str) -> set[str]:
    names = {"--help", "-h"}
    return names.union(*(one.opts + one.secondary_opts for one in GROUP.commands[command].params))


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_80_columns_and_says_it_all(help_of: Any, name: str) -> None:
    text = help_of(*name.split())
    assert max(map(len, text.splitlines())) <= 80
    if name:
        assert "\n  Exit codes:\n    0   " in text
        assert "\n    2   bad usage" in text
        assert f"\n  Examples:\n    dmtest {name}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    for one in GROUP.commands[command].params:
        assert re.fullmatch(r"\S.+\.", one.help, flags=re.DOTALL), one.name


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_of_this_command(help_of: Any, name: str) -> None:
    text = help_of(name)
    examples = re.findall(rf"^    (dmtest {name}\b.*)$", text, flags=re.MULTILINE)
    assert examples
    for line in examples:
        words = shlex.split(re.split(r" \| | \|\| ", line)[0])
        assert {
            word
            for word in words
            if word.startswith("-") and len(word) > 2 and not re.fullmatch(r"-[\d.]+", word)
        } <= options(name), line


def test_summaries_of_commands_are_not_cut(help_of: Any) -> None:
    assert "..." not in help_of().replace("[ARGS]...", "")


def completed(words: str) -> list[str]:
    """Ask for completions of the last word, as bash does."""
    env = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = python("-m", "dmtest", env={"_DMTEST_COMPLETE": "complete_bash"} | env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_completion() -> None:
    assert completed("dmtest re") == ["report"]
    assert completed("dmtest report --tol") == ["--tolerance", "--tolerance-rows"]
    assert completed("dmtest report --target any") == ["any-normal"]
    assert set(completed("dmtest tests --target s")) == {"sphere", "sampled"}


def test_completion_of_names_with_commas() -> None:
    listed = completed("dmtest report z.npy --tests energy,henze-")
    assert set(listed) == {f"energy,{name}" for name in TESTS if name.startswith("henze-")}
    from dmtest.cli import options as said
    from dmtest.cli.commands import catalogue

    assert (said._tests_like("al"), said._tests_like("energy,al")) == (["all"], [])
    assert catalogue._targets_like("") == list(TARGETS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_shown(
    monkeypatch: pytest.MonkeyPatch, command: Any, shell: str
) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    code, out, err = command("--show-completion")
    assert (code, err) == (0, "")
    assert "_DMTEST_COMPLETE" in out


def test_completion_is_installed(
    monkeypatch: pytest.MonkeyPatch, command: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    monkeypatch.setenv("HOME", str(tmp_path))
    code, out, _ = command("--install-completion")
    assert code == 0
    assert "bash completion installed" in out
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("complete -o default -F _dmtest_completion dmtest" in text for text in written)


def test_an_unknown_shell_is_bad_usage_and_no_mismatch(
    monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("csh", "/bin/csh"))
    code, out, err = command("--show-completion")
    assert (code, out) == (2, "")
    assert "csh" in err
