"""The study of costs (benchmarks/scaling): its fits and its projection by hand."""

from __future__ import annotations

import pytest

from benchmarks.scaling.curves import case, model, slope
from benchmarks.scaling.workers import FILES, NETWORK, OVERHEAD, PART_ROWS, projected

COST = {
    "part, CPU s": 1.0,
    "merge of four, CPU s": 0.5,
    "last reading, CPU s": 0.1,
    "bytes of a summary": 1e8,
    "bytes of a part": 0.0,
}


def test_the_exponent_is_that_of_a_power() -> None:
    rows = [{"rows": n, "pass, CPU s": 2e-6 * n**0.9} for n in (10, 10**5, 10**6, 10**7)]
    rows[0]["pass, CPU s"] = 1.0  # below the range of the fit
    assert slope(rows, "rows", 100_000) == pytest.approx(0.9)


def test_the_model_finds_its_coefficients() -> None:
    sizes = (2, 8, 32, 128, 512, 2048)
    rows = [
        {"rows": 10**5, "columns": d, "pass, CPU s": 1e5 * 1e-9 * (700 + 5 * d + 0.01 * d**2)}
        for d in sizes
    ]
    found = model(rows)
    assert found["ns a row"] == pytest.approx(700)
    assert found["ns a value"] == pytest.approx(5)
    assert found["ns a product"] == pytest.approx(0.01)
    assert found["largest relative error"] < 1e-12


def test_the_projection_by_hand() -> None:
    last = 0.1 + 1e8 / NETWORK
    # Sixteen parts one after the other, then four merges and one; nothing travels.
    assert projected(16 * PART_ROWS, 1, COST) == pytest.approx(16 + 5 * 0.5 + last)
    # On four workers: four rounds of parts, one round of merges and the last merge.
    merge = 0.5 + 3e8 / NETWORK
    assert projected(16 * PART_ROWS, 4, COST) == pytest.approx(4 + 2 * merge + last)
    # More workers than parts help no further; many tasks wait for the scheduler.
    assert projected(16 * PART_ROWS, 16, COST) == projected(16 * PART_ROWS, 99, COST)
    many = 10**6 * PART_ROWS
    tasks = 10**6 + 250_000 + 62_500 + 15_625 + 3907 + 977 + 245 + 62 + 16 + 4 + 1
    assert projected(many, 10**6, COST) == pytest.approx(OVERHEAD * tasks + last)
    slow = COST | {"bytes of a part": 1e9}
    assert projected(4 * PART_ROWS, 4, slow) == pytest.approx(1 + 4e9 / FILES + merge + last)


def test_a_small_case_has_the_numbers_of_its_row() -> None:
    row = case(20_000, 3)
    assert (row["rows"], row["columns"]) == (20_000, 3)
    assert 0.0 < row["pass, CPU s"] < row["report without effects, CPU s"]
    assert 100 < row["peak of the pass, MiB"] <= row["peak, MiB"] < 1000
