"""The verdict on a tolerance: what it takes, what it can never be given to, what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.cli import main as cli
from dmtest.data.sample import as_sample
from dmtest.errors import InputError
from dmtest.render import wording
from dmtest.reports.equivalence import Question, largest_noise
from dmtest.results.equivalence import Criterion, Equivalence
from dmtest.results.report import Report, schema
from tests.support.calls import refused

ROOT = Path(__file__).parents[2]


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def criteria(report: Report) -> dict[str, Criterion]:
    assert report.provenance.equivalence is not None
    return {one.name: one for one in report.provenance.equivalence.criteria}


# In nats


def test_equivalence_and_its_absence() -> None:
    x = normal(4000, 2)
    near = dmtest.report(x, tolerance=0.1, rng=0)
    assert near.verdict == "equivalent"
    assert list(criteria(near)) == ["moments", "margins", "joint"]
    assert all(one.upper is not None and one.upper <= 0.1 for one in criteria(near).values())
    assert near.computed["certified_under"] == max(one.upper for one in criteria(near).values())
    words = wording.verdict(near)
    assert words.headline == "Equivalent within 0.1 nats after noise of sd 0.734"
    assert "directions that take two values and were not looked along" in words.aside
    strict = dmtest.report(x, tolerance=1e-5, rng=0)
    assert strict.verdict == "inconclusive"
    assert strict.computed["rows_needed"] > 4000
    assert "rows like these would suffice" in wording.verdict(strict).aside
    assert dmtest.report(x, rng=0).verdict == "compatible"
    far = dmtest.report(2.0 * x, tolerance=0.01, rng=0)
    assert far.verdict == "mismatch"
    assert "KL of the fitted normal is 1.6" in wording.verdict(far).aside
    # A test rejects; the distance is small all the same.
    shifted = dmtest.report(normal(20_000, 2) + 0.1, tolerance=0.1, rng=0)
    assert shifted.pvalue <= 0.05
    assert shifted.verdict == "equivalent"


def test_the_answer_is_in_the_json() -> None:
    report = dmtest.report(normal(1000, 2), tolerance=0.1, tolerance_rows=100, rng=0)
    data = json.loads(report.to_json())
    jsonschema.validate(data, schema())
    kept = data["computed"]["equivalence"]
    assert [one["name"] for one in kept["criteria"]] == ["moments", "margins", "joint", "rows"]
    assert Report.from_json(report.to_json()) == report
    assert data["computed"]["arguments"]["tolerance_rows"] == 100
    assert "Equivalent within 0.1 nats after noise of sd 0.734, and on 100 rows" in " ".join(
        report.to_html().split()
    )


def test_the_noise_follows_from_the_tolerance() -> None:
    """Half of a dead column costs the tolerance; its cost is that of a normal of variance s^2."""
    for tolerance in (0.02, 0.1, 0.3):
        s = largest_noise(tolerance)
        v = 1.0 + s * s
        assert_allclose(0.25 * (np.log(v / s**2) - 1.0 / v), tolerance, rtol=1e-9)
    assert_allclose(largest_noise(0.02), 1.367, atol=5e-4)
    with pytest.raises(
        InputError, match=r"noise: after noise of sd 3 .* up to 0\.734, or .* 0\.00"
    ):
        dmtest.report(normal(500, 2), tolerance=0.1, noise=3.0)
    refused("noise: got 1 without a tolerance", dmtest.report, normal(500, 2), noise=1.0)
    report = dmtest.report(normal(4000, 2), tolerance=0.1, noise=0.6, rng=0)
    assert "noise (sd 0.6)" in criteria(report)["joint"].label
    assert "noise=0.6," in report.to_html()


def test_values_outside_the_support_are_never_equivalent() -> None:
    u = np.random.default_rng(0).random((4000, 2))
    assert dmtest.report(u, "uniform", tolerance=0.2, rng=0).verdict == "equivalent"
    u[0, 0] = 1.5
    report = dmtest.report(u, "uniform", tolerance=0.2, rng=0)
    assert report.verdict == "mismatch"
    assert "outside the support" in wording.verdict(report).aside


def test_a_tolerance_takes_rows_and_a_number() -> None:
    refused("tolerance: got -1", dmtest.report, normal(200, 2), tolerance=-1.0)
    refused("tolerance_rows: got 3", dmtest.report, normal(200, 2), tolerance_rows=3)
    few = dmtest.report(normal(50, 2), tolerance=0.1, rng=0)
    assert few.verdict == "inconclusive"
    unit = normal(400, 3) / np.linalg.norm(normal(400, 3), axis=1)[:, None]
    with pytest.raises(InputError, match="use tolerance_rows="):
        dmtest.report(unit, "sphere", tolerance=0.1)


def test_few_rows_without_an_upper_bound_are_not_called_heavy() -> None:
    """A normal sample of 120 rows: too few to see a tail, and that is what is said."""
    x = np.random.default_rng(0).standard_normal((120, 2))
    equivalence = dmtest.report(x, tolerance=0.5, rng=0).provenance.equivalence
    assert equivalence is not None
    notes = {one.name: one.note for one in equivalence.criteria}
    assert set(notes.values()) == {"it takes 200 rows to see a tail; there are 120"}


def test_heavy_tails_have_no_upper_bound() -> None:
    """A few rows far out would decide it: no verdict *equivalent*, whatever the tolerance."""
    x = np.random.default_rng(0).standard_t(2.5, (4000, 2))
    report = dmtest.report(x, tolerance=0.3, rng=0)
    assert report.verdict == "mismatch"
    assert criteria(report)["margins"].upper is None


def sentences(n: int, seed: int) -> np.ndarray:
    """Draw rows of the sentence embeddings in the repository: of length 1 in 384 columns."""
    with np.load(ROOT / "docs" / "data" / "sentences.npz") as archive:
        x = archive["embeddings"] / 490.0
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x[np.sort(np.random.default_rng(seed).choice(len(x), n, replace=False))])


def clusters(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((8, 64))
    x = centres[rng.integers(8, size=n)] + 0.05 * rng.standard_normal((n, 64))
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0))


def one_dead(n: int, seed: int) -> np.ndarray:
    x = normal(n, 64, seed)
    x[:, 5] = 0.0
    return x


def signs(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1.0, 1.0], (n, 64))


HOPELESS: dict[str, tuple[Callable[[int, int], np.ndarray], int, str]] = {
    "sentences": (sentences, 2000, "3 columns are constant, x127 first"),
    "signs": (signs, 2000, "KL of column"),
    "clusters": (clusters, 2000, "KL of"),
    "one dead of 64": (one_dead, 2000, "column x5 is constant"),
    "a line": (lambda n, s: normal(n, 1, s) * np.ones((1, 64)), 2000, "in 1 of 64 dimensions"),
    "scaled by .01": (lambda n, s: 0.01 * normal(n, 64, s), 2000, "KL of the fitted normal is 263"),
    ".5 N(0, I)": (lambda n, s: 0.5 * normal(n, 16, s), 2000, "KL of the fitted normal is 5"),
    ".001 N(0, I)": (lambda n, s: 0.001 * normal(n, 64, s), 500, "KL of the fitted normal is 41"),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_some_rows_are_never_equivalent(name: str) -> None:
    """At no tolerance, in nats or in rows; the reason is in the first two lines."""
    draw, n, why = HOPELESS[name]
    for seed, options in enumerate(({"tolerance": 0.3}, {"tolerance": 0.02, "tolerance_rows": 40})):
        report = dmtest.report(draw(n, seed), rng=seed, **options)
        assert report.verdict == "mismatch"
        words = wording.verdict(report)
        assert why in f"{words.sentence}\n{words.aside}"
        assert words.aside.startswith("Not equivalent")


# In rows


def test_equivalence_in_rows() -> None:
    x = normal(2000, 4)
    near = dmtest.report(x, tolerance_rows=200, rng=0)
    assert near.verdict == "equivalent"
    assert wording.verdict(near).headline == "Equivalent on 200 rows"
    power = criteria(near)["rows"]
    assert power.upper is not None
    assert power.upper < 0.5
    few = dmtest.report(x, tolerance_rows=500, rng=0)
    assert few.verdict == "inconclusive"
    assert few.computed["rows_needed"] == 4000
    far = dmtest.report(x + 0.5, tolerance_rows=200, rng=0)
    assert far.verdict == "mismatch"
    assert "KL of the fitted normal is 0.5" in wording.verdict(far).aside
    assert criteria(far)["rows"].note == "10 of 10 disjoint blocks are rejected"
    none = dmtest.report(x, tolerance_rows=3000, rng=0)
    assert none.verdict == "inconclusive"
    assert none.computed["rows_needed"] == 24_000


def test_rows_of_a_sphere_and_of_named_tests() -> None:
    x = normal(800, 3)
    unit = x / np.linalg.norm(x, axis=1)[:, None]
    assert dmtest.report(unit, "sphere", tolerance_rows=80, rng=0).verdict == "equivalent"
    named = dmtest.report(x, tests=["radius"], tolerance_rows=80, rng=0)
    assert named.verdict == "equivalent"


def test_both_tolerances_have_to_hold() -> None:
    report = dmtest.report(normal(2000, 2), tolerance=0.1, tolerance_rows=1000, rng=0)
    assert report.verdict == "inconclusive"
    made = criteria(report)
    assert made["joint"].holds
    assert not made["rows"].holds


def test_rows_keep_their_level() -> None:
    """Where the power at m rows is 1/2, *equivalent* is given in at most 5% of samples."""
    from dmtest.effects.detectability import power_limits

    for blocks in (5, 8, 20, 40):
        rejections = np.arange(blocks + 1)
        holds = np.array([power_limits(int(r), blocks, 0.95)[1] < 0.5 for r in rejections])
        assert stats.binom.pmf(rejections, blocks, 0.5)[holds].sum() <= 0.05


# On the command line


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["--tolerance", "0.2"], 0),
        (["--tolerance", "0.2 nats", "--noise", "0.5"], 0),
        (["--tolerance", "0.00001"], 1),
        (["--tolerance", "200 rows"], 0),
        (["--tolerance-rows", "200"], 0),
        (["--tolerance", "1,000 rows"], 1),
        (["--tolerance", "many"], 2),
        (["--tolerance", "1 light year"], 2),
        (["--tolerance", "0.1", "--noise", "9"], 2),
    ],
)
def test_a_tolerance_on_the_command_line(given: list[str], code: int, tmp_path: Path) -> None:
    path = tmp_path / "z.npy"
    np.save(path, normal(2000, 2))
    assert cli.main(["report", str(path), *given, "--quiet"]) == code


def test_the_first_failure_named_is_a_certain_one() -> None:
    facts = {"label": "", "unit": "nats", "limit": 0.1}
    open_, above = (
        Criterion(name=name, holds=False, exceeds=exceeds, **facts)
        for name, exceeds in (("moments", False), ("joint", True))
    )
    made = Equivalence(confidence=0.95, criteria=(open_, above))
    assert made.worst == above
    assert not made.holds
    assert not Equivalence(confidence=0.95).holds


# A small version of benchmarks/level/equivalence


def test_equivalence_keeps_its_level() -> None:
    """Exactly at the tolerance each bound, and the verdict, holds in at most alpha of runs."""
    from dmtest.effects.gaussian import gaussian_estimates
    from dmtest.reports.equivalence import moments_criterion
    from dmtest.targets.targets import as_target

    scale, held = 1.2, 0
    tolerance = 2.0 * (0.5 * (scale**2 - 1.0) - np.log(scale))
    question = Question.of(tolerance, None, None, 0.05)
    assert question is not None
    for seed in range(200):
        canonical = as_target("normal").canonical(as_sample(scale * normal(1000, 2, seed)))
        estimates = gaussian_estimates(canonical)
        held += moments_criterion(canonical, None, estimates, tolerance, question.level).holds
    assert held <= 200 * 0.05 / 3.0 + 3.0 * np.sqrt(200 * 0.05 / 3.0)
