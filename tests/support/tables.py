"""Classical tables: those of R's package datasets, and iris by species."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

FILE = Path(__file__).parents[1] / "references" / "classical.json.gz"


@cache
def classical() -> dict[str, pd.DataFrame]:
    """Return the numerical columns of every table by its name in R, and of iris by species."""
    from sklearn.datasets import load_diabetes, load_iris, load_wine

    stored = json.loads(gzip.decompress(FILE.read_bytes()))
    tables = {
        name: pd.DataFrame(np.array(one["rows"]), columns=one["names"])
        for name, one in stored.items()
    }
    iris = load_iris()
    names = ["Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"]
    for code, species in enumerate(iris.target_names):
        tables[species] = pd.DataFrame(iris.data[iris.target == code], columns=names)
    tables["iris"] = pd.DataFrame(iris.data, columns=names)
    tables["wine"] = load_wine(as_frame=True).data
    tables["diabetes"] = load_diabetes(as_frame=True).data
    return tables
