"""The pytest plugin, in projects that are made for each test."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

import dmtest
from tests.support.calls import python

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
# The plugin of this tree, whether or not one is installed.
PLUGIN = ("-p", "no:dmtest", "-p", "dmtest.pytest_plugin", "-p", "no:cacheprovider")
UPDATE = "--dmtest-update-baselines"
ENCODER = """
import os
import numpy as np

SCALE, SEED = float(os.environ.get("SCALE", "1")), int(os.environ["SEED"])

def embed(scale=1.0):
    return SCALE * scale * np.random.default_rng(SEED).standard_normal((300, 2))

def test_encoder(dmtest_check):
    assert dmtest_check(embed(), slices=16).passed
"""


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """Import what a check imports: pytester forgets modules that a run inside of it loads."""
    str(dmtest.check(np.random.default_rng(0).standard_normal((200, 2)), max_kl=9.0))
    made = dmtest.write_baseline(2.0 * np.random.default_rng(1).standard_normal((200, 2)))
    str(dmtest.check(3.0 * np.random.default_rng(2).standard_normal((200, 2)), made))


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Give an empty project whose processes import this tree."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SEED", "1")
    monkeypatch.delenv("SCALE", raising=False)
    return pytester


def test_from_no_baseline_to_a_regression(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first run says how to make it; then it is made, kept to, and told what is wrong."""
    project.makepyfile(test_it=ENCODER)
    first = project.runpytest_inprocess(*PLUGIN)
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(
        [
            "dmtest: there is no baseline baselines/test_it.test_encoder.json; run",
            f'    pytest {UPDATE} "test_it.py::test_encoder"',
            "once, on an encoder that is as it should be, and commit the file.",
        ]
    )
    made = project.runpytest_inprocess(*PLUGIN, UPDATE)
    made.assert_outcomes(passed=1)
    made.stdout.fnmatch_lines(["*dmtest baselines written*", "baselines/test_it.test_encoder.json"])
    monkeypatch.setenv("SEED", "2")
    project.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    monkeypatch.setenv("SCALE", "1.5")
    worse = project.runpytest_inprocess(*PLUGIN)
    worse.assert_outcomes(failed=1)
    worse.stdout.fnmatch_lines(
        [
            "Check failed: * against the baseline",
            "baselines/test_it.test_encoder.json *",
            "*KL from the variances is larger than in the baseline:*",
            "kl-scale *FAIL*",
            f"If this is what the encoder should be from now on, * with {UPDATE}.",
        ]
    )
    worse.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_names_limits_and_bad_input(project: pytest.Pytester) -> None:
    """Two checks of a test need names; limits and one-line errors fail the test."""
    project.makepyfile(
        test_it=ENCODER
        + """
import pytest

def test_twice(dmtest_check):
    dmtest_check(embed(), slices=16)
    dmtest_check(embed(), slices=16)

def test_named(dmtest_check):
    dmtest_check(embed(), "first", slices=16)
    dmtest_check(embed(2.0), "second", slices=16)

@pytest.mark.parametrize("name", ["a/b c", "d"])
def test_many(dmtest_check, name):
    dmtest_check(embed(), slices=16)

def test_limit(dmtest_check):
    dmtest_check(embed(), slices=16, max_kl=1e-9, max_wasserstein=1e-9, min_rank=1.99999)

def test_path(dmtest_check):
    dmtest_check(embed(), "../outside")

def test_nan(dmtest_check):
    dmtest_check([[float("nan"), 1.0]] * 9)
"""
    )
    result = project.runpytest_inprocess(*PLUGIN, UPDATE)
    result.assert_outcomes(passed=4, failed=4)
    result.stdout.fnmatch_lines_random(
        [
            "dmtest: two checks of this test use the baseline test_it.test_twice.json; give *",
            "dmtest: '../outside' is not the name of a baseline; use letters.",
            "dmtest: data: 9 of 9 rows are not finite*",
            "*Effective rank is *, below the limit*",
        ]
    )
    found = sorted(path.name for path in (project.path / "baselines").iterdir())
    assert found == [
        "first.json",
        "second.json",
        "test_it.test_encoder.json",
        "test_it.test_limit.json",
        *("test_it.test_many-a-b-c.json", "test_it.test_many-d.json", "test_it.test_twice.json"),
    ]


def test_under_xdist(project: pytest.Pytester) -> None:
    """Workers write baselines, and the summary names them."""
    pytest.importorskip("xdist")
    project.makepyfile(test_it=ENCODER + "\ntest_other = test_encoder\n")
    made = project.runpytest_subprocess(*PLUGIN, UPDATE, "-n", "2")
    made.assert_outcomes(passed=2)
    made.stdout.fnmatch_lines(
        ["baselines/test_it.test_encoder.json", "baselines/test_it.test_other.json"]
    )


def test_other_suites_pay_nothing(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suite that does not use the fixture imports nothing of dmtest but the plugin."""
    project.makepyfile(
        """
        import sys

        def test_light():
            assert "dmtest.pytest_plugin" in sys.modules
            loaded = {name for name in sys.modules if name.partition(".")[0] == "dmtest"}
            assert loaded == {"dmtest", "dmtest.pytest_plugin"}
            heavy = {"numpy", "numba", "scipy", "sklearn", "pandas", "matplotlib", "rich", "torch"}
            assert not heavy & set(sys.modules)
        """
    )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others import numpy
    result = project.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=1)


def test_in_an_outside_project(tmp_path: Path) -> None:
    """With a wheel's metadata beside this tree, its entry point brings fixture and option."""
    for tool in ("build", "hatchling"):
        pytest.importorskip(tool)
    arguments = ["--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    python("-m", "build", *arguments, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        metadata = [name for name in archive.namelist() if ".dist-info/" in name]
        archive.extractall(tmp_path / "site", metadata)
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    outside = tmp_path / "outside"
    (outside / "tests").mkdir(parents=True)
    (outside / "tests" / "test_it.py").write_text(ENCODER)
    (outside / "pytest.ini").write_text("[pytest]\naddopts = --strict-config -W error\n")

    def run(*more: str, **env: str) -> subprocess.CompletedProcess[str]:
        env = {"PYTHONPATH": path, "SEED": "1"} | env
        return python("-m", "pytest", "-q", *more, cwd=outside, env=env)

    said = run()
    assert said.returncode == 1
    assert "there is no baseline tests/baselines/test_it.test_encoder.json" in said.stdout
    assert run(UPDATE).returncode == 0
    worse = run(SEED="2", SCALE="1.5")
    assert worse.returncode == 1
    assert "kl-scale" in worse.stdout
