"""Data of fourteen common failures, and the command whose first screen is shown of each.

``python docs/make_screenshots.py --only first-`` takes the pictures of docs/first-screens.md, and
tests/docs/test_first_screens.py holds that the first advice of each is the right one and runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Screen:
    """A sample, and the command that reports on it.

    Attributes
    ----------
    name : str
        Name of the file, and of the picture behind ``first-``.
    made : callable
        Writes the file to a path.
    options : str
        Options of ``dmtest report``.
    code : str
        Code of the first finding; empty if there is nothing to find.
    suffix : str
        Kind of the file.
    target : str
        Python expression of the target.
    """

    name: str
    made: Callable[[Path], None]
    options: str = ""
    code: str = ""
    suffix: str = ".npy"
    target: str = "'normal'"

    @property
    def picture(self) -> str:
        """Name of the picture."""
        sphere = "-sphere" if "sphere" in self.options else ""
        return f"first-{self.name}{sphere}"

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"{self.name}{self.suffix}"

    @property
    def command(self) -> str:
        """The command."""
        return f"dmtest report {self.file} {self.options}".strip()


def _array(draw: Callable[[np.random.Generator], Rows]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        np.save(path, draw(np.random.default_rng(0)))

    return write


def digits(_: np.random.Generator) -> Rows:
    """Pixels of 1,797 handwritten digits, of which those of the border are constant."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().data, dtype=np.float64)


def relu(rng: np.random.Generator) -> Rows:
    """Features of a layer that ends in a ReLU."""
    z = rng.standard_normal((1000, 16))
    return np.maximum(z @ rng.standard_normal((16, 24)) / 4.0, 0.0)


def collapsed(rng: np.random.Generator) -> Rows:
    """32 columns of which 4 would do."""
    return rng.standard_normal((1000, 4)) @ rng.standard_normal((4, 32)) / 2.0


def clusters(rng: np.random.Generator) -> Rows:
    """Two groups of rows, in random order."""
    z = rng.standard_normal((600, 8))
    z[:, 0] = 0.5 * z[:, 0] + np.where(rng.random(600) < 0.4, 1.3, -0.9)
    return z


def outliers(rng: np.random.Generator) -> Rows:
    """200 rows, three of them far off."""
    z = rng.standard_normal((200, 6))
    z[[17, 81, 150]] += 4.0 + 5.0 * rng.standard_normal((3, 6))
    return z


def views(rng: np.random.Generator) -> Rows:
    """Two noisy views of every item, stored behind each other."""
    items = np.repeat(rng.standard_normal((400, 8)), 2, axis=0)
    return (items + 0.3 * rng.standard_normal(items.shape)) / np.sqrt(1.09)


def chain(rng: np.random.Generator) -> Rows:
    """AR(1): each row has correlation 0.7 with the row before."""
    steps = rng.standard_normal((1000, 4))
    x = np.empty_like(steps)
    x[0] = steps[0]
    for i in range(1, len(x)):
        x[i] = 0.7 * x[i - 1] + np.sqrt(1.0 - 0.7**2) * steps[i]
    return x


def ranks(shift: float = 0.0, scale: float = 1.0) -> Callable[[np.random.Generator], Rows]:
    """Ranks of simulation-based calibration: of posteriors that are off by `shift` and `scale`."""

    def draw(rng: np.random.Generator) -> Rows:
        truth = rng.standard_normal((500, 2))
        middle = (truth + rng.standard_normal(truth.shape)) / 2.0 + shift
        noise = rng.standard_normal((*truth.shape, 100))
        draws = middle[..., None] + scale * np.sqrt(0.5) * noise
        return np.asarray((draws < truth[..., None]).sum(axis=2), dtype=np.float64)

    return draw


def mtcars(path: Path) -> None:
    """Write the table of 32 cars in 1974 (Motor Trend; R's mtcars), which the tests have, too."""
    import gzip
    import json

    stored = json.loads(gzip.decompress((ROOT / "tests/references/classical.json.gz").read_bytes()))
    table = stored["mtcars"]
    lines = [",".join(table["names"]), *(",".join(f"{v:g}" for v in row) for row in table["rows"])]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def sentences(_: np.random.Generator) -> Rows:
    """Embeddings of 3,000 sentences, of length 1."""
    with np.load(ROOT / "docs" / "data" / "sentences.npz") as stored:
        z = stored["embeddings"].astype(np.float64)
    return np.asarray(z / np.linalg.norm(z, axis=1)[:, None])


RANKS = "--target ranks --draws 100"
SCREENS = (
    Screen("digits", _array(digits), code="constant-columns"),
    Screen("relu", _array(relu), code="zeros"),
    Screen("collapsed", _array(collapsed), code="collapse"),
    Screen("clusters", _array(clusters), code="clusters"),
    Screen("outliers", _array(outliers), code="outliers"),
    Screen("views", _array(views), code="grouped-rows"),
    Screen("chain", _array(chain), code="serial-correlation"),
    Screen("right", _array(ranks()), RANKS, target="dmtest.Ranks(100)"),
    Screen("narrow", _array(ranks(scale=0.6)), RANKS, "overconfident", target="dmtest.Ranks(100)"),
    Screen("shifted", _array(ranks(shift=0.3)), RANKS, "biased", target="dmtest.Ranks(100)"),
    Screen("wide", _array(ranks(scale=1.6)), RANKS, "underconfident", target="dmtest.Ranks(100)"),
    Screen("mtcars", mtcars, code="units", suffix=".csv"),
    Screen("sentences", _array(sentences), code="constant-norm"),
    Screen(
        "sentences",
        _array(sentences),
        "--target sphere --normalise",
        "constant-columns",
        target="dmtest.Sphere(normalise=True)",
    ),
)
