"""The package: light to import, complete when built, and true to its metadata."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import dmtest
from tests.support.calls import python

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RESULTS = "benchmarks/results"
# What a visitor of the repository sees first, folders with a slash.
TOP = {
    *("benchmarks/", "dmtest/", "docs/", "tests/", ".ci/"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "CITATION.cff"),
    *("pyproject.toml", "constraints.txt", "conftest.py", ".gitignore"),
    *("action.yml", ".pre-commit-hooks.yaml", "Dockerfile", ".dockerignore"),
}
HEAVY = (
    *("jax", "matplotlib", "numba", "numpy", "pandas", "polars", "pyarrow", "rich", "scipy"),
    *("jinja2", "sklearn", "torch", "typer"),
    *("fsspec", "h5py", "safetensors", "zarr"),
)


# Statement -> the heavy modules that it may load.
LIGHT = {
    "import dmtest; dmtest.__version__; dmtest.InputError; dir(dmtest)": (),
    "import dmtest; dmtest.train; dmtest.train.__all__; dir(dmtest.train)": (),
    "import dmtest; dmtest.report": ("numba", "numpy", "scipy"),
    "import dmtest.data.sample": ("numba", "numpy", "scipy"),
    "import dmtest.render": ("numba", "numpy", "scipy"),
    "import dmtest.statistics.laws.slice_laws": ("numpy", "scipy"),
    "import dmtest.train.evaluate.scoring": tuple(set(HEAVY) - {"torch"}),
    "from dmtest.train.data.load import load_images; load_images('digits')": (
        tuple(set(HEAVY) - {"torch"})
    ),
}


@pytest.mark.parametrize("statement", LIGHT)
def test_it_loads_only_what_computes(statement: str) -> None:
    """In a fresh interpreter nothing that draws, prints or reads tables, and not scipy.stats."""
    modules = (*HEAVY, *(["scipy.stats"] if "train" not in statement else []))
    code = f"import sys\n{statement}\nprint(*({set(modules)!r} & set(sys.modules)))"
    done = python("-c", code, check=True)
    assert set(done.stdout.split()) <= set(LIGHT[statement])


@pytest.mark.parametrize("name", dmtest.__all__)
def test_public_names_resolve(name: str) -> None:
    """Every name in ``__all__`` is there, documented, and says where it lives."""
    value = getattr(dmtest, name)
    assert name in dir(dmtest)
    if name != "__version__":
        assert value.__doc__


def test_unknown_names_are_refused() -> None:
    """A misspelt name is an AttributeError, as of any module."""
    assert dir(dmtest) == sorted(dmtest.__all__)
    with pytest.raises(AttributeError, match="'dmtest' has no attribute 'raport'"):
        _ = dmtest.raport


def test_version_is_stated_once_and_the_same() -> None:
    """The project file reads it from the code; the changelog and the citation name it."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    source = ROOT / PROJECT["tool"]["hatch"]["version"]["path"]
    assert f'"{dmtest.__version__}"' in source.read_text(encoding="utf-8")
    assert f"## {dmtest.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {dmtest.__version__}\n" in citation
    assert f"\nlicense: {PROJECT['project']['license']}\n" in citation


def test_typed() -> None:
    """Type checkers are told that the package carries its types."""
    assert (Path(dmtest.__file__).parent / "py.typed").is_file()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from what is in the sdist alone."""
    for tool in ("build", "hatchling", "twine"):
        pytest.importorskip(tool)
    folder = tmp_path_factory.mktemp("dist")
    arguments = ["--no-isolation", "--outdir", str(folder), str(ROOT)]
    python("-m", "build", *arguments, check=True)
    return folder


def files_of(folder: Path) -> set[str]:
    """Return the files of a folder of this tree, without what running and building leaves."""
    left = {"__pycache__", "generated", ".pytest_cache", ".ipynb_checkpoints", "jupyter_execute"}
    return {
        path.relative_to(ROOT).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not left & set(path.parts)
    }


def test_the_wheel_holds_what_the_package_reads(built: Path) -> None:
    """A wheel built from this tree has the templates, the schema and the mark of its types."""
    (wheel,) = built.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    source = files_of(ROOT / "dmtest")
    assert {"dmtest/py.typed", "dmtest/results/schema.json"} <= source
    assert any(name.endswith("page.html.j2") for name in source)
    assert source <= held
    folders = {name.partition("/")[0] for name in held}
    assert folders == {"dmtest", f"dmtest-{dmtest.__version__}.dist-info"}
    entry = zipfile.ZipFile(wheel).read(f"dmtest-{dmtest.__version__}.dist-info/entry_points.txt")
    assert b"dmtest = dmtest.cli.main:main" in entry


def test_the_sdist_holds_what_the_tests_read(built: Path) -> None:
    """References, the tutorials' data and the tables of results travel with the source."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("tests", "docs"):
        assert files_of(ROOT / folder) <= held
    files = {name for name in TOP if not name.endswith("/")}
    assert files - {".dockerignore"} <= held
    assert {"docs/data/sentences.npz", "docs/data/mnist.npz"} <= held
    results = {name for name in held if name.startswith(f"{RESULTS}/")}
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / RESULTS).glob("*.md")}
    assert results == pages  # and not what they are written from
    assert not [name for name in held if name.startswith("benchmarks/runs")]


def tracked(*options: str) -> list[str]:
    """Return what git tracks."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [name for name in done.stdout.split("\0") if name]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_a_clone_is_light() -> None:
    """Raw runs stay where they were made; nothing is tracked that is to be ignored."""
    assert tracked("-ci", "--exclude-standard") == []
    names = tracked()
    assert {re.sub("/.*", "/", name) for name in names} == TOP
    files = [ROOT / name for name in names]
    assert len(files) < 790
    assert sum(path.stat().st_size for path in files if path.is_file()) < 11.5e6


def test_readme_is_two_screens() -> None:
    """Whoever wants more follows its links; one picture, two commands that set all up."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 110
    assert len(re.findall(r"!\[", text)) == 1
    assert len(re.findall(r"^python -m .+ && ", text, re.MULTILINE)) == 2  # .ci/run runs them
    assert "--group" not in re.sub(r".*pip install -U pip && .*", "", text)  # needs a new pip


def test_hooks_run_commands_that_exist() -> None:
    """pre-commit starts ``entry`` with files behind it."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"^  entry: dmtest (.+)$", text, re.MULTILINE)
    assert len(entries) == text.count("- id: ") == 2
    for entry in entries:
        done = python("-m", "dmtest", *entry.split(), "--help", check=True)
        assert "Usage: dmtest" in done.stdout


def test_the_image_holds_what_its_build_copies() -> None:
    """Docker sees only what .dockerignore lets in; the wheel is built from that."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    seen = {name.removeprefix("!") for name in ignored if name.startswith("!")}
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    assert copied == seen
    assert all((ROOT / name).exists() for name in copied)
    assert {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]} <= copied


def test_the_index_would_take_both(built: Path) -> None:
    """``twine check --strict``: the metadata is valid and the README renders."""
    done = python("-m", "twine", "check", "--strict", *built.iterdir())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_wheel_runs_alone(built: Path, tmp_path: Path) -> None:
    """Installed somewhere, run from elsewhere: nothing is taken from this tree."""
    (wheel,) = built.glob("*.whl")
    place = tmp_path / "site"
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", place]
    python(*pip, wheel, check=True)
    env = {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments: str) -> str:
        done = python(*arguments, cwd=tmp_path, env=env, check=True)
        assert done.stderr == ""
        return done.stdout

    assert Path(run("-c", "import dmtest; print(dmtest.__file__, end='')")).is_relative_to(place)
    assert run("-m", "dmtest", "--version") == f"dmtest {dmtest.__version__}\n"
    assert "henze-zirkler" in run("-m", "dmtest", "tests")
    script = next(path for path in (place / "bin").iterdir() if path.stem == "dmtest")
    assert run(str(script), "--version") == f"dmtest {dmtest.__version__}\n"


def test_extras_name_each_other() -> None:
    """The extra ``all`` holds every other extra, so that nothing is forgotten in it."""
    extras = PROJECT["project"]["optional-dependencies"]
    others = ",".join(name for name in extras if name != "all")
    assert extras["all"] == [f"dmtest[{others}]"]
