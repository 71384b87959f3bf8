"""The documentation: builds without a warning, holds the API, and its links lead somewhere."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

import dmtest
from dmtest.cli import main as cli
from tests.support.calls import python

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.glob("*.md"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what the pages are made of: a build writes the API's pages beside the others."""
    for module in ("sphinx", "myst_nb", "numpydoc", "pydata_sphinx_theme"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install --group docs")
    folder = tmp_path_factory.mktemp("source")
    left_out = shutil.ignore_patterns("generated", "__pycache__")
    shutil.copytree(DOCS, folder / "docs", ignore=left_out)
    # Pages include parts of these.
    for name in ("CONTRIBUTING.md", "README.md"):
        shutil.copy(ROOT / name, folder)
    tables = folder / "benchmarks" / "results"
    tables.mkdir(parents=True)
    for table in (ROOT / "benchmarks" / "results").glob("*.md"):
        shutil.copy(table, tables)
    return folder


def build(source: Path, builder: str) -> Path:
    """Build with warnings as errors."""
    command = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", builder, "docs"]
    done = python(*command, f"build/{builder}", cwd=source)
    assert (done.returncode, done.stderr) == (0, "")
    return source / "build" / builder


@pytest.fixture(scope="module")
def site(source: Path) -> Path:
    return build(source, "html")


def test_every_page_is_in_the_site(site: Path) -> None:
    """Sphinx warns of pages in no table of contents; what it leaves out is seen here."""
    for page in PAGES:
        assert (site / f"{page.stem}.html").is_file(), page.name


def test_every_public_name_has_a_page(site: Path) -> None:
    documented = {path.stem for path in (site / "generated" / "names").glob("*.html")}
    for module in (dmtest, dmtest.bounds, dmtest.information):
        home = module.__name__
        for name in module.__all__:
            if name in ("__version__", "bounds", "information", "train"):
                continue
            assert {f"{home}.{name}"} & documented, name


def test_nothing_is_fetched_from_the_network(site: Path) -> None:
    """Styles, scripts and formulas come with the pages."""
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', text)
        assert not loaded, path.name


def test_formulas_are_mathml(site: Path) -> None:
    text = (site / "theory.html").read_text(encoding="utf-8")
    assert text.count("<math") > 20
    assert "\\frac" not in text


def test_help_of_every_command_is_in_the_site(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = html.unescape(re.sub(r"<[^>]+>", "", (site / "cli.html").read_text(encoding="utf-8")))
    for command in ("", *typer.main.get_command(cli.app).commands):
        assert cli.main([*command.split(), "--help"]) == 0
        assert capsys.readouterr().out.strip() in page


def test_manual_page(site: Path, source: Path) -> None:
    text = (build(source, "man") / "dmtest.1").read_text(encoding="utf-8")
    assert '.TH "DMTEST" "1"' in text
    for word in ("dmtest report", "DMTEST_CACHE_DIR", "Exit codes"):
        assert word in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_for_python_is_run(page: Path) -> None:
    """A block of Python is a session that pytest runs, or tests a reader's encoder."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    for block in blocks:
        assert block.startswith((">>> ", "def test_")), block


def test_links_between_files_lead_somewhere() -> None:
    """Relative links of the pages and of README and CONTRIBUTING, as a code host shows them."""
    for page in [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            made = target.startswith("generated/")  # by a build
            assert made or (page.parent / target).exists(), f"{page.name}: {target}"


def test_rows_of_tables_have_the_cells_of_their_heads() -> None:
    """A bar inside of a cell would move what follows it into other columns."""
    tables = 0
    for page in [*PAGES, ROOT / "README.md", *(ROOT / "benchmarks" / "results").rglob("*.md")]:
        head = 0
        for line in page.read_text(encoding="utf-8").splitlines():
            if not line.startswith("|"):
                head = 0
                continue
            cells = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line)))
            tables += not head
            head = head or cells
            assert cells == head, f"{page.name}: {line}"
    assert tables > 50


def test_pictures_have_words_and_are_not_too_large() -> None:
    """Every picture of a page is there, says what it shows, and is fit for a repository."""
    shown = set()
    for page in PAGES:
        for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text("utf-8")):
            assert len(words) > 10, f"{page.name}: {target}"
            assert (DOCS / target).stat().st_size < 200_000, target
            shown.add(target)
    assert shown >= {f"pictures/{path.name}" for path in (DOCS / "pictures").glob("*.png")}


def test_the_test_in_a_page_passes(tmp_path: Path) -> None:
    """The block of docs/ci.md, with an encoder: its baseline is written, and then kept to."""
    (block,) = re.findall(
        r"^```python\n(def test_.*?)^```$", (DOCS / "ci.md").read_text("utf-8"), re.DOTALL | re.M
    )
    encoder = "import os\nimport numpy as np\n\nfresh_images = int\n\n\ndef embed(n):\n"
    encoder += "    rng = np.random.default_rng(int(os.environ['SEED']))\n"
    encoder += "    return rng.standard_normal((n, 2))\n\n\n"
    (tmp_path / "test_encoder.py").write_text(encoder + block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:dmtest"]
    command += ["-p", "dmtest.pytest_plugin", "test_encoder.py"]

    def run(seed: str, *more: str) -> int:
        env = os.environ | {"SEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([*command, *more], cwd=tmp_path, env=env, capture_output=True)
        return done.returncode

    assert run("0") == 1
    assert run("0", "--dmtest-update-baselines") == 0
    assert (tmp_path / "baselines" / "test_encoder.test_encoder.json").is_file()
    assert run("1") == 0
