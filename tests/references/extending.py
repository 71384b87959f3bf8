"""Reference values of the examples in docs/extending.md, from mpmath with 30 digits.

python tests/references/extending.py writes laplace.csv, median_length.csv and files/x.jsonl.
"""

import csv
import json
import random
from pathlib import Path

from mpmath import erfinv, exp, findroot, gammainc, mp, mpf, nstr, sqrt

HERE = Path(__file__).parent
mp.dps = 30


def normal_score(x: float) -> object:
    """Phi^-1 of the standard Laplace cdf at x."""
    tail = exp(-abs(mpf(x))) / 2
    return (1 if x > 0 else -1) * sqrt(2) * erfinv(1 - 2 * tail)


def chi_squared_median(d: int) -> object:
    """The median of chi-squared with d degrees of freedom."""
    half = mpf(d) / 2
    return findroot(lambda q: gammainc(half, 0, q / 2, regularized=True) - mpf(1) / 2, d - 0.66)


def table(name: str, head: list[str], rows: list[list[object]]) -> None:
    """Write a table."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


if __name__ == "__main__":
    points = [-30.0, -8.0, -2.5, -1.0, -0.3, -1e-6, 1e-6, 0.1, 0.7, 1.0, 4.0, 12.0, 30.0]
    table("laplace.csv", ["x", "score"], [[x, nstr(normal_score(x), 17)] for x in points])
    numbers, rows = random.Random(0), []
    for d in (1, 2, 3, 8):
        x = [[round(numbers.gauss(0, 1), 3) for _ in range(d)] for _ in range(9)]
        squared = sorted(sum(mpf(str(v)) ** 2 for v in row) for row in x)
        value = nstr(squared[4] / chi_squared_median(d), 17)
        rows.append([d, json.dumps(x), value])
    table("median_length.csv", ["d", "rows", "value"], rows)
