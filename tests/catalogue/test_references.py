"""Every row of the catalogue equals what others compute: recorded values and independent twins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial.distance import cdist, pdist

import dmtest
from dmtest.catalogue.registry import ROWS
from dmtest.catalogue.spec import Spec
from dmtest.data.sample import as_sample
from dmtest.engines.slices import SliceView
from dmtest.targets.callables import large_draws
from tests.support import twins
from tests.support.references import Reference, dataset, label, recorded, references_of

pytestmark = pytest.mark.usefixtures("no_cache")
every = pytest.mark.parametrize("row", ROWS, ids=label)

RNG = np.random.default_rng(0)
# Samples far from the null, for the twins: one column, few, and many where a twin takes them.
SAMPLES = {
    "residuals": [dataset("iris_setosa"), dataset("trees"), RNG.standard_exponential((120, 6))],
    "normal": [RNG.standard_normal((60, d)) * ([1.2] * (d - 1) + [0.8]) + 0.1 for d in (2, 4, 9)],
    "cube": [RNG.random((700, d)) ** 1.1 for d in (1, 2, 6)],
    "sphere": [dataset("sph3_vmf")],
}
# Twins that hold in one dimension only, or are rounded by themselves.
LINE_ONLY = ("energy-cube",)
ROUNDED = {"generalised-shapiro-wilk-residuals": 1e-7, "royston-residuals": 1e-6}
SHARP = {"pad-sphere": 1e-10, "radius-normal": 1e-9}


def recomputed(row: Spec) -> list[Reference]:
    """Return the values of a row's twins."""
    if row.space == "lines":
        y = np.random.default_rng(5).standard_t(6, 60) * 1.2 + 0.2
        kinds = [kind for name, kind in twins.STATISTICS if name == row.name]
        return [
            Reference(what="twin", x=y, value=twins.STATISTICS[row.name, kind](y), parameters=kind)
            for kind in kinds
        ]
    if row.space == "two-sample":
        return of_two_samples().get(row.name, [])
    if row.space == "draws":
        return of_draws(row.name)
    if label(row) not in twins.ROWS:
        return []
    rtol = (ROUNDED | SHARP).get(label(row), 1e-8)
    samples = [x for x in SAMPLES[row.space] if x.shape[1] == 1 or label(row) not in LINE_ONLY]
    return [
        Reference(what="twin", x=x, value=twins.ROWS[label(row)](x), rtol=rtol) for x in samples
    ]


def of_two_samples() -> dict[str, list[Reference]]:
    """Return definitions for two samples, and what a classifier makes of two that are far apart."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((60, 3)), rng.normal([0.3, 0.0, 0.0], 1.0, (45, 3))
    z = np.concatenate([x, y])
    far, sign = cdist(z, z), np.repeat([1 / 60, -1 / 45], [60, 45])
    h = np.median(far[np.triu_indices(len(z), 1)])
    at = (np.arange(180) + 0.5) / 180  # quantiles of 60 and 45 rows are constant on 180 cells
    a, b = np.sort(x[:, 0])[(at * 60).astype(int)], np.sort(y[:, 0])[(at * 45).astype(int)]
    share, line = 60 * 45 / 105, (x[:, :1], y[:, :1])

    def gaussian(width: float) -> float:
        return float(share * sign @ np.exp(-(far**2) / (2 * width**2)) @ sign)

    values: dict[str, list[tuple[Any, Any, dict[str, float]]]] = {
        "mmd": [((x, y), gaussian(h), {}), ((x, y), gaussian(1.7), {"bandwidth": 1.7})],
        "energy": [
            ((x, y), -share * sign @ far @ sign, {}),
            (line, share * stats.energy_distance(x[:, 0], y[:, 0]) ** 2, {}),
        ],
        "sliced-wasserstein": [(line, share * np.mean((a - b) ** 2), {})],
        "classifier": [((x, y + 100.0), 1.0, {})],
    }
    return {
        name: [
            Reference(what="definition", x=x, y=y, value=float(v), params=params, rtol=1e-10)
            for (x, y), v, params in cases
        ]
        for name, cases in values.items()
    }


def law(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw skewed columns that depend on each other."""
    z = rng.standard_normal((n, 3))
    return np.exp(z + [[0.0, 0.0, 1.0]] * z[:, :1])


def of_draws(name: str) -> list[Reference]:
    """Return definitions for a sample against the large draws that the test makes."""
    x = np.exp(np.random.default_rng(4).standard_normal((50, 3)) + 0.3)
    large = large_draws(dmtest.Sampled(law), as_sample(x), len(x), 0)

    def scores(rows: np.ndarray, more: float) -> np.ndarray:
        below = (large.scale[None] < rows[:, None]).sum(axis=1)
        return np.asarray(stats.norm.ppf((below + 0.5) / (len(large.scale) + more)))

    own = scores(large.scale, 1.0)
    values, vectors = np.linalg.eigh(np.cov(own.T, bias=True))
    ours, theirs = (
        (scores(rows, 1.0) - own.mean(axis=0)) @ (vectors / np.sqrt(values) @ vectors.T)
        for rows in (x, large.centre)
    )
    if name == "moments":
        square = np.triu_indices(3)

        def features(w: np.ndarray) -> np.ndarray:
            products = (w[:, :, None] * w[:, None, :])[:, square[0], square[1]]
            return np.column_stack([w, products, np.linalg.norm(w, axis=1)])

        mine, draw = features(ours), features(theirs)
        ratio = len(x) * (mine.mean(axis=0) - draw.mean(axis=0)) ** 2 / draw.var(axis=0)
        value = max(ratio[:3].mean(), ratio[3:-1].mean(), ratio.max())
        return [Reference(what="definition", x=x, value=float(value))]
    middle = np.median(pdist(theirs[:1000]))

    def discrepancy(h: float) -> float:
        a, b, c = (
            np.exp(-(cdist(u, v) ** 2) / (2.0 * h**2)).mean()
            for u, v in ((ours, ours), (theirs, theirs), (ours, theirs))
        )
        return float(len(x) * (a + b - 2.0 * c) / (1.0 - b))

    value = max(discrepancy(share * middle) for share in (0.25, 0.5, 1.0))
    # The kernel itself, of which the test has 128 random frequencies.
    return [Reference(what="kernel", x=x, value=value, rtol=0.2)]


def compute(row: Spec, reference: Reference) -> dmtest.Outcome:
    """Run the test on a reference's sample: it is the statistic that is looked at."""
    goal: Any = row.targets[0] if reference.y is None else dmtest.Reference(reference.y)
    goal = dmtest.Sampled(law) if row.space == "draws" else goal
    params = reference.params or None
    return dmtest.run_test(reference.x, row.name, goal, params=params, replicates=19, rng=0)


@every
def test_it_equals_its_references(row: Spec) -> None:
    references = [*references_of(row), *recomputed(row)]
    assert references, (
        f"{label(row)} has no reference values: add tests/references/{row.name}.csv and the script "
        f"that wrote it, or a line for values.csv in tests/support/references.py, or a twin that "
        f"shares no code with dmtest in tests/support/twins.py."
    )
    for reference in references:
        if reference.value is None:
            continue
        if row.space == "lines":
            view = SliceView(reference.x[None], reference.parameters)
            value = row.statistic(view, **reference.params)[0]
        else:
            value = compute(row, reference).statistic
        if reference.least:
            assert value >= reference.value * (1.0 - 1e-9), reference.what
        else:
            rtol, atol = reference.rtol, reference.atol
            assert_allclose(value, reference.value, rtol=rtol, atol=atol, err_msg=reference.what)


@pytest.mark.parametrize("row", [row for row in ROWS if row.space != "lines"], ids=label)
def test_its_published_pvalue_equals_others(row: Spec) -> None:
    """P-values that other packages give with a statistic; statistics/test_laws has the formulas."""
    for reference in references_of(row):
        if reference.pvalue is not None:
            out = dmtest.run_test(reference.x, row.name, calibration="asymptotic")
            # sphunif's chi-squared tail is a series cut at 1e-7.
            rtol, atol = (1e-6, 5e-7) if row.space == "sphere" else (1e-7, 0.0)
            assert_allclose(out.pvalue, reference.pvalue, rtol=rtol, atol=atol)


def test_a_row_without_references_says_what_to_add() -> None:
    row = replace(ROWS[0], name="unheard-of")
    with pytest.raises(AssertionError, match=r"no reference values: add tests/.*unheard"):
        test_it_equals_its_references(row)


def test_nothing_recorded_is_left_out() -> None:
    """Every line that names a row of the catalogue was found, for a row that there is."""
    found = recorded()
    assert set(found) <= {label(row) for row in ROWS}
    assert sum(map(len, found.values())) == 786
    assert sum(one.pvalue is not None for ones in found.values() for one in ones) == 17
