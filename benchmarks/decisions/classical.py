"""Classical tables of R and scikit-learn: verdicts over seeds, and the cause that is named.

    python -m benchmarks.decisions.classical [--seeds 20]

Takes ``Rscript``, whose package ``datasets`` has the tables, and scikit-learn. The numeric columns
of complete rows are tested against any-normal; a table with less than two such columns is not in
the list. `stable` says whether all seeds agree, or all p-values lie in [.03, .08].
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import dmtest
from benchmarks.tables import write

# Tables, as expressions of R; R knows the first ones by their names.
NAMED = (
    *("ChickWeight", "LifeCycleSavings", "Loblolly", "Puromycin", "USJudgeRatings", "airquality"),
    *("anscombe", "attenu", "attitude", "beaver1", "cars", "esoph", "faithful", "freeny", "infert"),
    *("iris", "longley", "morley", "mtcars", "pressure", "quakes", "randu", "rock", "sleep"),
    *("stackloss", "swiss", "trees", "women", "ToothGrowth", "chickwts", "warpbreaks", "precip"),
)
R_TABLES = {name: name for name in NAMED} | {
    "iris setosa": "iris[iris$Species == 'setosa', ]",
    "iris versicolor": "iris[iris$Species == 'versicolor', ]",
    "iris virginica": "iris[iris$Species == 'virginica', ]",
    "USArrests": "USArrests",
    "state.x77": "state.x77",
    "EuStockMarkets, log returns": "diff(log(EuStockMarkets))",
    "volcano, first 10 columns": "volcano[, 1:10]",
}
EXPORT = """
x <- as.data.frame({expression}); x <- x[sapply(x, is.numeric)]; x <- x[complete.cases(x), ]
if (is.data.frame(x) && ncol(x) > 1) write.csv(x, '{path}', row.names = FALSE)
"""
SKLEARN = ("wine", "breast_cancer", "diabetes")
UNSURE = (0.03, 0.08)
# Findings about how values were stored: they name columns, and are no cause in the law.
DATA = ("lattice", "few-values", "integer-data")


def tables(folder: Path) -> dict[str, Path]:
    """Write the tables as CSV files; return {name: file}."""
    script = shutil.which("Rscript")
    if script is None:
        raise SystemExit("Rscript is not there: install R, whose package datasets has the tables.")
    paths = {name: folder / f"{i}.csv" for i, name in enumerate(R_TABLES)}
    text = "".join(
        EXPORT.format(expression=R_TABLES[name], path=path) for name, path in paths.items()
    )
    subprocess.run([script, "-e", text], check=True, capture_output=True)
    paths = {name: path for name, path in paths.items() if path.exists()}
    from sklearn import datasets

    for name in SKLEARN:
        paths[name] = folder / f"{name}.csv"
        frame = getattr(datasets, f"load_{name}")(as_frame=True).data
        frame.to_csv(paths[name], index=False)
    return paths


def row_of(name: str, path: Path, seeds: int) -> dict[str, Any]:
    """Report on a table with every seed."""
    made = [dmtest.report(path, "any-normal", rng=seed, progress=False) for seed in range(seeds)]
    verdicts = {one.verdict for one in made}
    pvalues = [one.pvalue for one in made]
    low, high = min(pvalues), max(pvalues)
    unsure = UNSURE[0] <= low and high <= UNSURE[1]
    findings = [one for report in made for one in (*report.diagnosis, *report.warnings)]
    causes = [one for one in findings if one.code not in DATA]
    named = [name for one in causes for name in re.findall(r"'([^']+)'", one.message)]
    return {
        "table": name,
        "n": made[0].n,
        "d": made[0].d,
        "verdicts": ", ".join(sorted(verdicts)),
        "lowest p": low,
        "highest p": high,
        "stable": "yes" if len(verdicts) == 1 or unsure else "no",
        "findings": ", ".join(dict.fromkeys(one.code for one in findings)) or "none",
        "columns named": ", ".join(list(dict.fromkeys(named))[:5]),
    }


def main() -> None:
    """Report on all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore", dmtest.DataWarning)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path in tables(Path(folder)).items():
            rows.append(row_of(name, path, seeds))
            print(rows[-1], flush=True)
    silent = [r["table"] for r in rows if "mismatch" in r["verdicts"] and r["findings"] == "shape"]
    unstable = [row["table"] for row in rows if row["stable"] == "no"]
    notes = (
        f"any-normal, {seeds} seeds each. Tables whose verdict depends on the seed although a "
        f"p-value lies outside of [.03, .08]: {', '.join(unstable) or 'none'}. "
        f"Mismatches without a cause: {', '.join(silent) or 'none'}. Columns are those "
        f"that findings about the law name."
    )
    print(write("decisions", "classical", "Classical tables over seeds", rows, notes))


if __name__ == "__main__":
    main()
