"""Cases of group H: what a tool should say, and how often it cries wolf."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dmtest
from tests.support.calls import refused

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]
# The plugin of this tree, whether or not one is installed.
PLUGIN = ("-p", "no:dmtest", "-p", "dmtest.pytest_plugin", "-p", "no:cacheprovider")


def test_significant_is_not_substantial() -> None:
    """H1, florianhartig/DHARMa#397: many rows, of which 1% have heavier tails."""
    x = np.random.default_rng(1).standard_normal((10_000, 2))
    x[:100] *= 2.0
    made = dmtest.report(x, rng=0, tolerance=0.1)
    assert made.verdict == "equivalent"
    assert made.effects["smoothed-kl"].high is not None
    page = made.to_html()
    assert page.index('id="effects"') < page.index('id="tests"')


@pytest.mark.parametrize("pit", [(0.0, 1.0, 0.5), (0.8, 0.5, 0.3)])
def test_three_values_are_refused(pit: tuple[float, ...]) -> None:
    """H5, stan-dev/bayesplot#428: values 0 and 1 gave p = NA, none below .5 an error."""
    refused("has 3 rows of 1 value; pass at least 8 rows", dmtest.report, pit, "uniform")
    for values in ([*pit] * 3, [1.0, 0.0] * 4 + [0.5]):
        made = dmtest.report(values, "uniform", rng=0, replicates=99)
        assert 0.0 < made.pvalue <= 1.0


def test_a_monitor_never_cries_wolf_in_all_runs_together() -> None:
    """H6, pymc-devs/pymc#6246: a correct sampler fails CI once in 1 / alpha runs, so every month.

    Thirty pipelines of forty runs each: a test at .05 a run would fail nearly all of them.
    """
    rejected = naive = 0
    for pipeline in range(30):
        rng, monitor = np.random.default_rng([6, pipeline]), dmtest.Monitor("normal", alpha=0.05)
        failed = False
        for _ in range(40):
            batch = rng.standard_normal((20, 1))
            state = monitor.update(batch)
            failed |= abs(batch.mean()) * np.sqrt(20) > 1.96
        rejected += state.rejected
        naive += failed
    assert naive > 20
    assert rejected <= 6  # beyond with probability 6e-4 of Binomial(30, .05)


def test_the_fixture_on_fixed_rows_gives_one_answer(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H6, zfit/zfit#288: the ways of docs/ci.md, fixed rows and a small alpha."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(
        test_it="""
        import numpy as np

        def rows(seed):
            return np.random.default_rng(seed).standard_normal((300, 2))

        def test_encoder(dmtest_check, pytestconfig):
            seed = 0 if pytestconfig.getoption("--dmtest-update-baselines") else 1
            result = dmtest_check(rows(seed), alpha=0.001, slices=16)
            assert result.alpha == 0.001
            numbers = [(row.name, row.value, row.pvalue) for row in result.rows]
            import dmtest
            again = dmtest.check(rows(seed), "baselines/test_it.test_encoder.json", alpha=0.001)
            assert numbers == [(row.name, row.value, row.pvalue) for row in again.rows]
            made = dmtest.Baseline.from_json("baselines/test_it.test_encoder.json")
            assert made.report.alpha == 0.05
        """
    )
    pytester.runpytest_inprocess(*PLUGIN, "--dmtest-update-baselines").assert_outcomes(passed=1)
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    text = (ROOT / "docs" / "ci.md").read_text()
    assert "## How often a good encoder fails" in text


def test_losses_say_which_rows_and_weights_are_the_paper() -> None:
    """H7, lightly-ai/lightly#2002, galilai-group/stable-pretraining#413: views and weights."""
    torch = pytest.importorskip("torch")
    from dmtest.train import StatisticLoss
    from dmtest.train.losses import matching, penalties

    said = " ".join((matching.sigreg.__doc__ or "").split())
    for words in (
        "one view of every image",
        "*all* views",
        "(1 - lam) * prediction",
        "w / (1 + w)",
    ):
        assert words in said
    assert "one view at a time" in " ".join((StatisticLoss.__doc__ or "").split())
    assert "n lam / (1 - lam)" in " ".join((penalties.SigReg.__doc__ or "").split())
    rng = np.random.default_rng(7)
    views = torch.as_tensor(rng.standard_normal((64, 4)) + 0.1 * rng.standard_normal((8, 64, 4)))
    directions = matching.random_directions(4, 32, 0)
    single = torch.stack([matching.sigreg(view, directions) for view in views]).mean()
    flat = matching.sigreg(views.reshape(-1, 4), directions)
    assert float(flat) > 4.0 * float(single)  # dependent rows count eight times
    loss = StatisticLoss("epps-pulley", directions=directions.T.contiguous())
    scaled = np.sqrt(2.0 * np.pi) * 64 * float(loss(views[0]))
    assert abs(scaled / float(matching.sigreg(views[0], directions)) - 1.0) < 1e-3
