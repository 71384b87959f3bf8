"""Inputs at the edges of numbers and of types, public functions, and what makes an answer right.

A call on an input has to end in a refusal of one sentence, or in a result whose numbers are all
finite and whose p-values lie in (0, 1]; without a warning from numpy and without any other
exception. ``tests/test_edges.py`` runs a part of this grid, ``benchmarks/trust/edges.py`` all of
it.
"""

from __future__ import annotations

import dataclasses
import math
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

import dmtest
from dmtest import information
from dmtest.errors import DataWarning, DmtestError

N, D = 160, 3
SCALES = (1e-300, 1e-200, 1e-150, 1e-100, 1e-50, 1e-30, 1e-20, 1e-8, 1e8, 1e15, 1e20, 1e30, 1e50)
SCALES = (*SCALES, 1e100, 1e140, 1e150, 1e153, 1e200, 1e300)


def rows(n: int = N, d: int = D, seed: int = 1) -> np.ndarray:
    """Draw rows of N(0, I)."""
    return np.random.default_rng(seed).standard_normal((n, d))


def _with(x: np.ndarray, change: Callable[[np.ndarray], None]) -> np.ndarray:
    change(x)
    return x


def _conditioned(condition: float) -> np.ndarray:
    x = rows()
    basis = np.linalg.qr(rows(D, D, 9))[0]
    return x @ basis @ np.diag(np.geomspace(1.0, 1.0 / condition, D)) @ basis.T


def _sparse() -> Any:
    from scipy import sparse

    return sparse.csr_matrix(np.maximum(rows(), 0.0))


def _nullable() -> Any:
    import pandas as pd

    frame = pd.DataFrame(rows(), columns=["a", "b", "c"]).convert_dtypes()
    frame.iloc[3, 1] = pd.NA
    return frame


def _nullable_whole() -> Any:
    import pandas as pd

    return pd.DataFrame(np.rint(99 * rows()).astype(int), columns=["a", "b", "c"]).astype("Int64")


def _categories() -> Any:
    import pandas as pd

    return pd.DataFrame({"a": rows()[:, 0], "b": pd.Categorical(["x", "y"] * (N // 2))})


def _sphere(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _set(place: Any, value: float) -> Callable[[np.ndarray], None]:
    return lambda x: x.__setitem__(place, value)


# Bounds, statistics of a singular covariance, and the evidence of a monitor against a row that the
# target excludes.
MAY_BE_INFINITE = (
    "upper",
    "high",
    "statistic",
    "value",
    "baseline",
    "e_value",
    "log_e_value",
    "largest",
)

MAY_BE_INFINITE = (*MAY_BE_INFINITE, "")  # the information of a copy

# Name: what makes a fresh input.
INPUTS: dict[str, Callable[[], Any]] = {
    "sound": rows,
    **{f"scale {s:g}": (lambda s=s: rows() * s) for s in SCALES},
    "scale 1e-40 in float32": lambda: (rows() * 1e-40).astype(np.float32),
    "scale 1e-30 in float32": lambda: (rows() * 1e-30).astype(np.float32),
    "scale 1e18 in float32": lambda: (rows() * 1e18).astype(np.float32),
    "scale 1e37 in float32": lambda: (rows() * 1e37).astype(np.float32),
    "offset 1e8": lambda: rows() + 1e8,
    "offset 1e15": lambda: rows() + 1e15,
    "offset 1e16": lambda: rows() + 1e16,
    "offset 1e6 in float32": lambda: (rows() + 1e6).astype(np.float32),
    "one value of 1e10": lambda: _with(rows(), _set((0, 0), 1e10)),
    "one value of 1e100": lambda: _with(rows(), _set((0, 0), 1e100)),
    "one value of 1e150": lambda: _with(rows(), _set((0, 0), 1e150)),
    "one value of 1e300": lambda: _with(rows(), _set((0, 0), 1e300)),
    "one row of 1e100": lambda: _with(rows(), _set(0, 1e100)),
    "half of 1e100": lambda: _with(rows(), _set(slice(0, N // 2), 1e100)),
    "denormal": lambda: rows() * 5e-310,
    "smallest": lambda: np.where(rows() > 0.0, 5e-324, 0.0),
    "columns from 1e-150 to 1e100": lambda: rows() * np.array([1e-150, 1.0, 1e100]),
    "columns from 1e-20 to 1e20": lambda: rows() * np.array([1e-20, 1.0, 1e20]),
    "rows from 1e-100 to 1e100": lambda: rows() * np.geomspace(1e-100, 1e100, N)[:, None],
    "condition 1e6": lambda: _conditioned(1e6),
    "condition 1e14": lambda: _conditioned(1e14),
    "condition 1e20": lambda: _conditioned(1e20),
    "singular": lambda: rows()[:, [0, 1, 1]],
    "zeros": lambda: np.zeros((N, D)),
    "constant": lambda: np.full((N, D), 0.1),
    "one constant column": lambda: _with(rows(), _set((slice(None), 0), 2.5)),
    "all rows equal but one": lambda: _with(np.ones((N, D)), _set((0, 0), 2.0)),
    "two values": lambda: np.where(rows() > 0.0, 1.0, -1.0),
    "ties": lambda: np.rint(rows()),
    "each row twice": lambda: np.repeat(rows(N // 2), 2, axis=0),
    "8 rows": lambda: rows(8),
    "8 rows, 1 column": lambda: rows(8, 1),
    "8 equal rows": lambda: np.ones((8, D)),
    "9 rows, 40 columns": lambda: rows(9, 40),
    "7 rows": lambda: rows(7),
    "12 rows, 200 columns": lambda: rows(12, 200),
    "8 rows, 10,000 columns": lambda: rows(8, 10_000),
    "20 rows, 2,000 columns, 1e100": lambda: rows(20, 2000) * 1e100,
    "vector": lambda: rows(N, 1)[:, 0],
    "cauchy": lambda: np.random.default_rng(3).standard_cauchy((N, D)),
    "heavy tails": lambda: rows() ** 9 * 1e20,
    "on the sphere": lambda: _sphere(rows()),
    "in the cube": lambda: np.random.default_rng(4).random((N, D)),
    "corners of the cube": lambda: np.rint(np.random.default_rng(4).random((N, D))),
    "integers": lambda: np.rint(9 * rows()).astype(int),
    "integers of 2**62": lambda: (2**60 * rows()).astype(np.int64),
    "bool": lambda: rows() > 0.0,
    "uint8": lambda: np.random.default_rng(4).integers(0, 256, (N, D)).astype(np.uint8),
    "float16": lambda: rows().astype(np.float16),
    "float16 of 6e4": lambda: (rows() * 2e4).clip(-6e4, 6e4).astype(np.float16),
    "longdouble": lambda: rows().astype(np.longdouble),
    "longdouble of 1e400": lambda: rows().astype(np.longdouble) * np.longdouble("1e400"),
    "complex": lambda: rows().astype(complex),
    "masked": lambda: np.ma.masked_greater(rows(), 1.5),
    "sparse": _sparse,
    "nullable": _nullable,
    "nullable integers": _nullable_whole,
    "categories": _categories,
    "ragged": lambda: [[1.0, 2.0], [3.0], *rows(9, 2).tolist()],
    "objects": lambda: rows().astype(object),
    "text": lambda: rows().astype(str),
    "dates": lambda: (9 * rows()).astype("M8[D]"),
    "records": lambda: np.zeros(N, [("a", "f8"), ("b", "f8")]),
    "nan": lambda: _with(rows(), _set((3, 1), np.nan)),
    "inf": lambda: _with(rows(), _set((3, 1), np.inf)),
    "big-endian": lambda: rows().astype(">f8"),
    "negative strides": lambda: rows()[::-1, ::-1],
    "three dimensions": lambda: rows()[None],
    "no rows": lambda: rows()[:0],
    "no columns": lambda: rows()[:, :0],
    "minus zeros": lambda: _with(rows(), lambda x: x.__setitem__(slice(0, 9), -0.0)),
}
QUICK: dict[str, Any] = {"replicates": 99, "rng": 3}


def _check(x: Any) -> Any:
    baseline = dmtest.write_baseline(x, tests=["anderson-darling", "energy"], **QUICK)
    return baseline, dmtest.check(x, baseline)


def _monitor(x: Any) -> Any:
    monitor = dmtest.Monitor("normal")
    for _ in range(3):
        monitor.update(x)
    return monitor.state, dmtest.Monitor.from_json(monitor.to_json()).state


def _report(target: Any, **more: Any) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:
        result = dmtest.report(x, target, **(QUICK | more))
        page = result.to_html()
        again = dmtest.Report.from_json(result.to_json())
        assert again.to_json() == result.to_json()
        assert "</html>" in page
        return result, str(result), result._repr_html_()

    return call


def _pair(x: Any) -> tuple[Any, Any]:
    """Two views of the same rows."""
    return x, x[::-1] if isinstance(x, np.ndarray) else x


def _count(x: Any) -> int:
    return int(x.shape[0]) if hasattr(x, "shape") else len(x)


def _width(x: Any) -> int:
    return int(x.shape[-1]) if hasattr(x, "shape") else len(x[0])


def _bracket(x: Any) -> Any:
    return information.channel_bracket(x, sigma=1.0, batch=40, rng=0)


# Name: a public function of one input.
CALLS: dict[str, Callable[[Any], Any]] = {
    "report": _report("normal"),
    "report of any-normal": _report("any-normal"),
    "report of uniform": _report("uniform"),
    "report of sphere": _report("sphere"),
    "report of a box": _report(dmtest.Uniform(-9.0, 9.0)),
    "report with tolerance": _report("normal", tolerance=0.1, noise=0.5),
    "report with rows": _report("normal", rows=True),
    "report by class": lambda x: dmtest.report(x, labels=np.arange(_count(x)) % 2, **QUICK),
    "report with groups": lambda x: dmtest.report(x, groups=np.arange(_count(x)) // 2, **QUICK),
    "report of two views": lambda x: dmtest.report(x, augmented=x, **QUICK),
    "report of ranks": lambda x: dmtest.report(x, dmtest.Ranks(9), **QUICK),
    "compare": lambda x: dmtest.compare(x, rows(N, _width(x), 7), **QUICK),
    "compare with itself": lambda x: dmtest.compare(x, x, **QUICK),
    "univariate": lambda x: dmtest.univariate(x),
    "outliers": lambda x: dmtest.outliers(x),
    "outliers of normal": lambda x: dmtest.outliers(x, "normal"),
    "mean_pvalue": lambda x: dmtest.mean_pvalue(x, subsample=8, draws=50, rng=0),
    "kl_profile": lambda x: dmtest.kl_profile(x, rng=0),
    "kl_decomposition": lambda x: dmtest.kl_decomposition(x, rng=0),
    "worst_directions": lambda x: dmtest.worst_directions(x, **QUICK),
    "detectability": lambda x: dmtest.detectability(x, draws=20, **QUICK),
    "check": _check,
    "monitor": _monitor,
    "summary": lambda x: dmtest.report(dmtest.Summary.of(x), rng=3),
    "entropy_knn": lambda x: information.entropy_knn(x, k=3),
    "ksg": lambda x: information.ksg(*_pair(x), k=3),
    "gaussian": lambda x: information.gaussian(*_pair(x)),
    "channel_bracket": _bracket,
}
TARGETS = ("normal", "any-normal", "uniform", "sphere")
# Functions that simulate nulls take minutes in so many columns: the grid leaves them out there.
VERY_WIDE = "8 rows, 10,000 columns"
FAST = ("univariate", "outliers", "outliers of normal", "mean_pvalue", "kl_decomposition")
FAST = (*FAST, "monitor", "kl_profile", "detectability", "channel_bracket", "report of sphere")


def tests_of(target: str) -> Callable[[Any], Any]:
    """Return a call of every registered test of a target, each by itself."""

    def call(x: Any) -> Any:
        found, refusals = [], []
        for row in dmtest.list_tests(target):
            if len(row.name) > 0 and _count(x) * _width(x) > 20_000 and row.family == "pairs":
                continue
            try:
                found.append(dmtest.run_test(x, row.name, target, slices=8, **QUICK))
            except dmtest.InputError as problem:
                refusals.append(f"{row.name}: {problem}")
        for sentence in refusals:
            if not is_sentence(sentence):
                raise AssertionError(f"the refusal {sentence!r} is no sentence")
        return found or None

    return call


CALLS |= {f"tests of {target}": tests_of(target) for target in TARGETS}


def is_sentence(text: str) -> bool:
    """Whether a message is one clean line, neither empty nor endless."""
    strange = any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in text)
    return not strange and 15 < len(text) < 1200 and "Traceback" not in text


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of a result with its place."""
    if isinstance(value, bool | np.bool_ | str | bytes | int) or value is None:
        return
    if getattr(value, "method", "").endswith("with probability 0"):
        return  # rows outside of the support, or all equal: p is 0, and there is no statistic
    if isinstance(value, float) and getattr(value, "note", "").startswith("not estimable"):
        return  # NaN with the reason beside it
    if isinstance(value, float | np.floating):
        yield name, float(value)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            yield from ((name, float(one)) for one in value.ravel()[:5000])
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from numbers(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from numbers(inner, f"{name}[{key!r}]")
    elif isinstance(value, tuple | list):
        for j, inner in enumerate(value):
            yield from numbers(inner, f"{name}[{j}]")


def _supports(result: Any) -> Iterator[float]:
    """Yield p-values that are exactly 0: of rows outside of the support, or all equal."""
    for one in result if isinstance(result, tuple | list) else [result]:
        report = getattr(one, "report", one)
        for outcome in getattr(report, "outcomes", [one]):
            if getattr(outcome, "method", "").endswith("with probability 0"):
                yield outcome.pvalue


def wrong_numbers(result: Any) -> list[str]:
    """Return what is not finite, and p-values outside of (0, 1]."""
    found = []
    # Values outside of the support of the target have probability 0, and so has the whole.
    excluded = any(value == 0.0 for value in _supports(result))
    for name, value in numbers(result):
        last = name.rpartition(".")[2]
        infinite = math.isinf(value) and last not in MAY_BE_INFINITE
        if math.isnan(value) or infinite:
            found.append(f"{name} = {value}")
        elif "mean_pvalues" in last:
            continue  # of blocks, which may have what the target gives with probability 0
        elif (
            "pvalue" in last
            and "error" not in last
            and not (0.0 < value <= 1.0 or (value == 0.0 and excluded))
        ):
            found.append(f"{name} = {value}")
    return found


@dataclasses.dataclass(frozen=True)
class Cell:
    """What became of one call on one input."""

    what: str  # "right", "refused" or "fell"
    said: str = ""


def run(call: Callable[[Any], Any], make: Callable[[], Any]) -> Cell:
    """Run one cell of the grid."""
    data = make()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call(data)
        except DmtestError as problem:
            fell = not is_sentence(str(problem))
            return Cell("fell" if fell else "refused", str(problem)[:300])
        except Exception as problem:
            import traceback

            frames = traceback.extract_tb(problem.__traceback__)
            place = [f for f in frames if "/dmtest/" in f.filename][-1:]
            where = "".join(f" at {f.filename.rpartition('/dmtest/')[2]}:{f.lineno}" for f in place)
            return Cell("fell", f"{type(problem).__name__}: {str(problem)[:200]}{where}")
    noise = [w for w in caught if not issubclass(w.category, DataWarning)]
    if noise:
        one = noise[0]
        place = one.filename.rpartition("/dmtest/")[2]
        return Cell("fell", f"{one.category.__name__}: {one.message} at {place}:{one.lineno}")
    if wrong := wrong_numbers(result):
        return Cell("fell", f"{len(wrong)} numbers, such as {wrong[0]}")
    return Cell("right")
