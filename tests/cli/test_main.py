"""The command line: exit codes, one-line errors, pure JSON, pipes and help."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import dmtest
from dmtest.catalogue.registry import ROWS, TESTS
from dmtest.cli import console
from dmtest.cli import main as cli
from dmtest.results.report import schema
from tests.support.calls import python

FEW = ("--replicates", "99", "--slices", "8")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what a developer's terminal may ask of Rich."""
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
    np.save(folder / "box.npy", rng.uniform(-1, 1, (300, 2)))
    np.save(folder / "nan.npy", np.where(np.arange(300)[:, None] < 5, np.nan, normal))
    np.save(folder / "object.npy", np.array([{}], dtype=object))
    np.savez(folder / "two.npz", a=normal, b=np.ones(3))
    header = ",".join(["one", "two", "three", "four"])
    np.savetxt(folder / "normal.csv", normal, delimiter=",", header=header, comments="")
    (folder / "text.csv").write_text("a,b\n1,2\nx,3\n")
    (folder / "empty.npy").write_bytes(b"")
    (folder / "junk.npy").write_bytes(b"junk" * 99)
    return folder


@pytest.fixture
def run(files: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command line here, in the folder of the files."""
    monkeypatch.chdir(files)
    return command


def process(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own."""
    return python("-m", "dmtest", *arguments, cwd=cwd, env=env)


def timeless(text: str) -> dict[str, Any]:
    """Read a report without the fields that say when and how fast it was made."""
    data: dict[str, Any] = json.loads(text)
    for key in ("seconds", "created", "threads"):
        data["computed"].pop(key, None)
    return data


def test_compatible_data_exit_with_0(run: Run) -> None:
    """No evidence: exit code 0, and the report says that this is no proof."""
    code, out, err = run("report", "normal.npy", *FEW)
    assert (code, err) == (0, "")
    assert all(word in out for word in ("No evidence against the target", "not proof")), out


def test_mismatch_exits_with_1(run: Run) -> None:
    """A mismatch: exit code 1, and the report on standard output."""
    code, out, err = run("report", "heavy.npy", *FEW)
    assert (code, err) == (1, "")
    assert all(word in out for word in ("Mismatch", "What is wrong")), out


def test_a_bare_call_shows_the_help_and_passes_no_gate(run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (2, "")
    assert out == run("--help")[1]


BAD = [
    "nonsense",
    "report",
    "report normal.npy --nonsense",
    "report nofile.npy",
    "report - -",
    "report normal.npy --normalise",
    "report normal.npy --target gaussian",
    "report normal.npy --target reference",
    "report normal.npy --target product",
    "report normal.npy --target sphere",
    "report normal.npy heavy.npy --html x.html",
    "report normal.npy --delimiter ';'",
    "report normal.csv --delimiter ab",
    "report normal.csv --delimiter 1",
    "compare - -",
    "monitor",
    "monitor nofile.npy",
    "monitor normal.npy --target sphere",
    "monitor normal.npy --batch 3",
    "monitor normal.npy --state nowhere/x.json",
    "tests mardia",
    "tests energy --target sphere",
    "report .",
    "report normal.npy --alpha 2",
    "report normal.npy --alpha nan",
    "report normal.npy --alpha one",
    "report normal.npy --alpha",
    "report normal.npy --seed -1",
    "report normal.npy --seed 1.5",
    "report normal.npy --slices 0",
    "report normal.npy --slices 100000000000000",
    "report normal.npy --replicates 5",
    "report normal.npy --tests nonsense",
    "report normal.npy --tests ''",
    "report normal.npy --target nonsense",
    "report normal.npy --low 0",
    "report box.npy --target uniform --low 2",
    "report box.npy --target uniform --high nan",
    "report normal.npy --html nowhere/x.html",
    "report normal.npy --html .",
    "report normal.npy --html normal.npy",
    "report normal.npy --json ''",
    "report normal.npy --json ./normal.npy",
    "report normal.npy --key a",
    "report normal.npy --columns 99",
    "report normal.npy --columns -1",
    "report normal.npy --columns 0,0",
    "report normal.npy --columns 2:2",
    "report normal.npy --columns 0:999999999999",
    "report normal.npy --columns one",
    "report normal.npy --columns ''",
    "report normal.npy --nonfinite ignore",
    "report nan.npy",
    "report object.npy",
    "report two.npz",
    "report two.npz --key c",
    "report text.csv",
    "report empty.npy",
    "report junk.npy",
    "report 'a\nb.npy'",
    "tests --target nonsense",
    "demo --html nowhere/x.html",
    "demo nonsense",
]


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_line_and_exit_code_2(run: Run, line: str) -> None:
    """Bad usage or input: code 2, one line on standard error, nothing on standard output."""
    code, out, err = run(*shlex.split(line))
    assert code == 2
    assert out == ""
    assert re.fullmatch(r"dmtest: error: [^\n]{10,}\n", err)
    assert "defect" not in err


@pytest.mark.parametrize("line", ["report junk.npy", "report normal.npy --alpha 2", "report -x"])
def test_bad_input_as_a_process(files: Path, line: str) -> None:
    """The same from outside: no traceback, and the exit code of the process."""
    done = process(*shlex.split(line), cwd=files)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("dmtest: error: ")
    assert done.stderr.count("\n") == 1


def test_messages_speak_of_options() -> None:
    """What the API calls an argument is an option here; paths are left alone."""
    assert console.as_options("rng: a seed must be >= 0") == "--seed: a seed must be >= 0"
    said = console.as_options("pass nonfinite='drop' to test the others")
    assert said == "pass --nonfinite 'drop' to test the others"
    assert console.as_options("name one with key=: 'a'") == "name one with --key: 'a'"
    assert console.as_options("/data/key=3/x.npy: empty") == "/data/key=3/x.npy: empty"
    assert console.as_options("pass columns=range(0, 4), the") == "pass --columns 0:4, the"
    assert console.as_options("pass columns=[0, 2], the") == "pass --columns 0,2, the"
    said = console.as_options("pass columns=['a', 'b c'], the")
    assert said == "pass --columns 'a,b c', the"
    said = console.as_options("pass target=Sphere(normalise=True) to test")
    assert said == "pass --normalise to test"


def test_json_to_stdout_is_pure_and_valid(run: Run, files: Path) -> None:
    """``--json -`` prints the report as JSON of the schema, and nothing else."""
    code, out, err = run("report", "heavy.npy", "--json", "-", *FEW)
    assert (code, err) == (1, "")
    jsonschema.validate(json.loads(out), schema())
    again = dmtest.Report.from_json(out)
    assert (again.verdict, again.computed["source"]) == ("mismatch", "heavy.npy")
    _, quiet, _ = run("report", "heavy.npy", "--json", "-", "--quiet", *FEW)
    assert timeless(quiet) == timeless(out)


def test_same_seed_same_json(files: Path) -> None:
    """The report depends on the seed, and not on threads or on what the cache holds."""
    arguments = ("report", "normal.npy", "--json", "-", *FEW)
    one = process(*arguments, cwd=files, DMTEST_THREADS="1", DMTEST_CACHE_DIR="off")
    two = process(*arguments, cwd=files, DMTEST_THREADS="2")
    assert one.returncode == two.returncode == 0
    assert timeless(one.stdout) == timeless(two.stdout)
    other = process(*arguments, "--seed", "1", cwd=files)
    assert timeless(other.stdout)["outcomes"] != timeless(one.stdout)["outcomes"]


def test_the_command_in_the_report_repeats_it(run: Run) -> None:
    """The report holds a command that gives the same report again."""
    line = "report normal.csv --target any-normal --columns three,one --tests watson,kuiper"
    _, out, _ = run(*shlex.split(line), "--seed", "7", "--json", "-", *FEW)
    program, *arguments = shlex.split(timeless(out)["computed"]["command"])
    assert program == "dmtest"
    _, again, _ = run(*arguments, "--json", "-")
    assert timeless(again) == timeless(out)
    assert timeless(out)["seed"] == 7


def test_files_are_written_and_said(run: Run, tmp_path: Path) -> None:
    """``--html`` and ``--json`` write files beside the printed report, and say so."""
    page, data = tmp_path / "a page.html", tmp_path / "data.json"
    code, out, _ = run("report", "normal.npy", "--html", str(page), "--json", str(data), *FEW)
    assert code == 0
    assert f"JSON written to {data}\nHTML page written to {page}\n" in out
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!")
    assert "dmtest report normal.npy" in text
    jsonschema.validate(json.loads(data.read_text(encoding="utf-8")), schema())


def test_quiet_prints_nothing(run: Run, tmp_path: Path) -> None:
    """``--quiet`` leaves the exit code, the files that were asked for, and errors."""
    page = tmp_path / "page.html"
    assert run("report", "heavy.npy", "--quiet", "--html", str(page), *FEW) == (1, "", "")
    assert page.exists()
    assert run("report", "normal.npy", "-q", *FEW) == (0, "", "")
    code, out, err = run("report", "nan.npy", "--quiet")
    assert (code, out) == (2, "")
    assert err.startswith("dmtest: error: ")


def test_checks_and_bounds_write_pages(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((300, 2))
    pairs = tmp_path / "pairs.npz"
    np.savez(pairs, embeddings=z, augmented=z, sigma=1.0)
    for words in (("check", "normal.npy", "--max-kl", "9"), ("bounds", str(pairs))):
        page = tmp_path / f"{words[0]}.html"
        code, out, _ = run(*words, "--html", str(page))
        assert code == 0
        assert out.endswith(f"\nHTML page written to {page}\n")
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
        assert run(*words, "--html", "nowhere/x.html")[0] == 2
    page.unlink()
    code, out, _ = run("bounds", str(pairs), "--json", "--html", str(page))
    assert json.loads(out)["n"] == 300
    assert page.exists()
    page = tmp_path / "check.html"
    page.unlink()
    assert run("check", "heavy.npy", "--max-kl", "0.01", "-q", "--html", str(page)) == (1, "", "")
    assert page.exists()


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_outputs_are_checked_before_the_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """A folder that is not there is found out before anything is computed."""
    monkeypatch.setattr(dmtest, "report", lambda *_, **__: pytest.fail("computed in vain"))
    assert run("report", "normal.npy", option, "nowhere/x")[0] == 2


def test_uniform_on_a_box(run: Run) -> None:
    """``--low`` and ``--high`` give the box of the uniform."""
    box = ("report", "box.npy", "--target", "uniform", *FEW)
    assert run(*box, "--low", "-1", "--high", "1", "-q")[0] == 0
    code, out, _ = run(*box)
    assert code == 1
    assert "outside" in out


def test_what_to_read_of_a_file(run: Run) -> None:
    """``--key``, ``--columns`` and ``--nonfinite`` choose what is tested."""

    def shape(*arguments: str) -> tuple[int, int]:
        _, out, _ = run("report", *arguments, "--json", "-", *FEW)
        data = json.loads(out)
        return data["n"], data["d"]

    assert shape("two.npz", "--key", "a") == (300, 4)
    assert shape("normal.csv", "--columns", "two, four") == (300, 2)
    assert shape("normal.npy", "--columns", "0:2,3") == (300, 3)
    assert shape("nan.npy", "--nonfinite", "drop") == (295, 4)


@pytest.mark.parametrize("line", ["report heavy.npy", "report heavy.npy --json -", "tests"])
def test_a_closed_pipe_is_no_error(files: Path, line: str) -> None:
    """When the reader goes away nobody complains, and the verdict is still the exit code."""
    with subprocess.Popen(
        [sys.executable, "-m", "dmtest", *shlex.split(line)],
        cwd=files,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert None not in (child.stdout, child.stderr)
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == (1 if "heavy" in line else 0)


def test_output_that_cannot_be_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A full disk under standard output is an error of one line."""

    class Full:
        encoding = "utf-8"

        def __init__(self, descriptor: int) -> None:
            self.descriptor = descriptor

        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self) -> int:
            return self.descriptor

    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", Full(file.fileno()))
        assert cli.main(["tests", "--json"]) == 2


def test_interrupt_exits_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: one line, exit code 130."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dmtest, "report", interrupted)
    assert run("report", "normal.npy") == (130, "", "dmtest: interrupted\n")


@pytest.mark.usefixtures("run")
def test_what_an_interrupt_breaks_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compiled code that is being imported turns an interrupt into an ImportError."""
    received: list[int] = []

    def broken(*_: object, **__: object) -> None:
        received.append(2)
        raise ImportError("initialization failed")

    monkeypatch.setattr(dmtest, "report", broken)
    np.save("small.npy", np.eye(9))
    assert cli.main(["report", "small.npy"], received) == 130
    assert capsys.readouterr() == ("", "dmtest: interrupted\n")


def test_a_defect_is_not_a_mismatch(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody expected ends with 2, one line, and a way to its traceback."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(dmtest, "report", broken)
    code, out, err = run("report", "normal.npy")
    assert (code, out) == (2, "")
    assert err.startswith("dmtest: error: unexpected ZeroDivisionError: by zero;")
    assert err.count("\n") == 1
    monkeypatch.setenv("DMTEST_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["report", "normal.npy"])


def test_warnings_are_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that cannot be written to is a warning of one line; the report is unharmed."""
    monkeypatch.setenv("DMTEST_CACHE_DIR", os.devnull + "/nulls")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code, _, err = run("report", "normal.npy", *FEW)
    assert code == 0
    assert re.fullmatch(r"dmtest: warning: null replicates were not kept[^\n]+\n", err)


def test_process_prints_nothing_but_the_report(files: Path) -> None:
    """No progress where standard error is not a terminal; ASCII where nothing else fits."""
    done = process("report", "normal.npy", *FEW, cwd=files, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_tests_lists_the_registry(run: Run) -> None:
    """In a pipe every test is one line that begins with its name."""
    code, out, err = run("tests")
    assert (code, err) == (0, "")
    first, _, *lines = out.splitlines()
    assert first.split() == ["Test", "Family", "Cost", "Detects", "Targets", "Reference"]
    assert [line.split()[0] for line in lines] == [row.name for row in ROWS]
    for line, row in zip(lines, ROWS, strict=True):
        assert row.reference in line
        assert row.sees in line


def test_tests_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of 80 columns the table is folded and nothing is cut."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run("tests")
    text = re.sub(r"\x1b\[[\d;]*m", "", out)
    assert max(map(len, text.splitlines())) <= 80
    assert all(name in text for name in TESTS)
    assert "…" not in text


def test_tests_of_one_target_as_json(run: Run) -> None:
    """``--target`` filters, ``--json`` gives the rows as data."""
    code, out, _ = run("tests", "--target", "any-normal", "--json")
    assert code == 0
    assert [row["name"] for row in json.loads(out)] == [
        row.name for row in ROWS if "any-normal" in row.targets
    ]


@pytest.mark.parametrize("name", ["report", "tests", "demo"])
def test_help(run: Run, name: str) -> None:
    """Every command explains itself, with examples, within 80 columns."""
    code, out, err = run(name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: dmtest {name} ")
    assert "\n  Examples:\n    dmtest " in out
    assert max(map(len, out.splitlines())) <= 80
    assert run(name, "-h") == (0, out, "")


def test_help_of_the_whole(run: Run) -> None:
    """The first help names the commands and what the environment may set."""
    code, out, _ = run("--help")
    assert code == 0
    for word in ("report", "tests", "demo", "DMTEST_CACHE_DIR", "DMTEST_THREADS"):
        assert word in out


def test_version(files: Path) -> None:
    """``--version``, also by ``python -m dmtest``."""
    done = process("--version", cwd=files)
    assert (done.returncode, done.stdout) == (0, f"dmtest {dmtest.__version__}\n")


def test_a_report_loads_only_what_it_uses(files: Path) -> None:
    """Reporting on a .npy file leaves the slow imports alone."""
    code = (
        "import sys; from dmtest.cli.main import main; "
        f"main(['report', 'normal.npy', '--quiet', *{FEW!r}]); "
        "heavy = {'matplotlib', 'pandas', 'polars', 'pyarrow', 'scipy.stats', 'sklearn', "
        "'torch', 'jinja2', 'h5py'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = python("-c", code, cwd=files, check=True)
    assert done.stdout == "[]\n"


# Classes, columns and rows


@pytest.fixture
def table(files: Path) -> str:
    """Write a table with classes: the second column of class b is skewed, one row is far out."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 2))
    x[45:, 1] = np.exp(2.0 * x[45:, 1])
    x[3] = 30.0
    lines = [f"{a},{b},{'ab'[i // 45]}" for i, (a, b) in enumerate(x.tolist())]
    (files / "kinds.csv").write_text("\n".join(["x,y,kind", *lines]) + "\n")
    return "kinds.csv"


def test_report_by_class(run: Run, files: Path, table: str) -> None:
    """The verdict is over the classes; the command that repeats the report has the option."""
    line = ("report", table, "--target", "any-normal", "--tests", "mardia-skewness", *FEW)
    code, out, _ = run(*line, "--by", "kind", "--json", "-")
    found = json.loads(out)
    jsonschema.validate(found, schema())
    assert (code, found["verdict"]) == (1, "mismatch")
    assert list(found["classes"]["reports"]) == ["a", "b"]
    assert "--by kind" in found["computed"]["command"]
    code, out, _ = run(*line, "--labels", "kind", "--rows", "rows.csv")
    assert code == 1
    assert "By kind" in out
    rows = (files / "rows.csv").read_text().splitlines()
    assert rows[0] == "row,label,score,pvalue,adjusted,outlier"
    assert rows[4].endswith("True")
    code, out, err = run(*line, "--by", "kind", "--labels", "kind")
    assert (code, out) == (2, "")
    assert err.startswith("dmtest: error: --by: give either labels or by")


def test_univariate(run: Run, files: Path, table: str) -> None:
    code, out, err = run("univariate", table, "--by", "kind", "--json", "u.json")
    assert (code, err) == (1, "")
    assert "log(x)" in out
    assert json.loads((files / "u.json").read_text())["kind"] == "univariate"
    assert run("univariate", "normal.npy", "--quiet")[:2] == (0, "")
    assert run("univariate", table)[0] == 2


def test_outliers(run: Run, files: Path, table: str) -> None:
    line = ("outliers", table, "--columns", "x", "--rule", "benjamini-hochberg")
    code, out, err = run(*line, "--rows", "rows.csv")
    assert (code, err) == (1, "")
    assert "1 of 90 rows stands out." in out
    assert (files / "rows.csv").read_text().count("True") == 1
    code, out, _ = run("outliers", "normal.npy", "--target", "normal", "--json", "-")
    assert (code, json.loads(out)["kind"]) == (0, "outliers")
    assert run("outliers", "normal.npy", "--rows", "nowhere/r.csv")[0] == 2
    assert run("outliers", table, "--target", "sphere", "--columns", "x,y")[0] == 2
