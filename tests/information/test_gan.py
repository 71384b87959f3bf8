"""What judges the GAN on 25 normals, and the table of its runs."""

from __future__ import annotations

import numpy as np

from benchmarks.information.gan import CENTRES, SAMPLES, draw, judged, summary


def test_draws_of_the_mixture_have_all_modes() -> None:
    found = judged(draw(SAMPLES, np.random.default_rng(5)), seed=5)
    assert found["modes"] == 25
    # A normal in the plane is within three standard deviations with probability 1 - exp(-9/2).
    expected = 1.0 - np.exp(-4.5)
    assert abs(found["high quality"] - expected) < 4.0 * np.sqrt(expected * 0.011 / SAMPLES)
    # (25 - 1) / 2n is the mean of the divergence of counts.
    assert found["KL to uniform"] < 4.0 * 24.0 / (2.0 * SAMPLES)
    assert found["verdict"] == "compatible"


def test_modes_that_are_missing_are_counted() -> None:
    rng = np.random.default_rng(6)
    x = CENTRES[rng.integers(20, size=SAMPLES)] + 0.05 * rng.standard_normal((SAMPLES, 2))
    found = judged(x, seed=6)
    assert found["modes"] == 20
    assert abs(found["KL to uniform"] - np.log(25.0 / 20.0)) < 0.01
    assert found["verdict"] == "mismatch"


def test_a_sample_of_the_square_has_no_mode() -> None:
    x = np.random.default_rng(7).uniform(-2.5, 2.5, size=(SAMPLES, 2))
    assert judged(x, seed=7)["modes"] == 0


def test_the_difference_is_of_seeds_that_have_both_runs() -> None:
    def row(term: str, seed: int, modes: int) -> dict[str, object]:
        numbers = {"modes": modes, "high quality": 0.9, "KL to uniform": 0.01}
        return {"rate": 0.004, "term": term, "seed": seed} | numbers

    rows = [row("without", seed, 20 + seed) for seed in range(3)] + [row("without", 9, 1)]
    rows += [row("with", seed, 25) for seed in range(3)]
    without, with_it, difference = summary(rows)
    assert (without["seeds"], with_it["modes"]) == (3, "25 +- 0")
    # Differences 5, 4, 3: Student's t of 2 degrees of freedom is 4.303, times 1 / sqrt 3.
    assert difference["modes"] == "4 +- 2.5"
    assert without["modes"] == "21 +- 2.5"
