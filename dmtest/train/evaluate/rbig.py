"""Post-hoc Gaussianisation: an invertible map that makes finished embeddings normal (RBIG)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from dmtest.arguments import whole
from dmtest.errors import InputError
from dmtest.information.neighbours import as_rows
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of, stream

__all__ = ["Gaussianiser", "gaussianise"]

Vector = NDArray[np.float64]
Rotation: TypeAlias = Literal["random", "pca"]

LEAST_ROWS = 100
# Knots of a margin's map: so many roots of n, within limits. More follow the sample's noise; on
# mixtures and skew laws of 2 to 8 columns half a root had the best held-out likelihood.
ROOTS, FEWEST, MOST = 0.5, 8, 400
# Beyond the outer knots a map is straight, with the slope from them to its middle: steeper ones,
# of few values, would drive outliers further out in every round.
TAIL = 0.5
# Rows that choose the number of rounds, and rounds without gain after which the search ends.
VALIDATION, PATIENCE = 0.2, 8
# Columns whose smallest eigenvalue of correlation is below this depend linearly on each other.
DEPENDENT = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """A monotone map of every column: straight lines between knots, and beyond them."""

    inputs: tuple[Vector, ...]
    scores: tuple[Vector, ...]

    def apply(self, z: Vector) -> tuple[Vector, Vector]:
        """Return mapped rows and the logarithm of the map's derivative, summed over columns."""
        mapped = np.empty_like(z)
        volume = np.zeros(len(z))
        for j, (x, s) in enumerate(zip(self.inputs, self.scores, strict=True)):
            mapped[:, j], slopes = _line(z[:, j], x, s)
            volume += np.log(slopes)
        return mapped, volume

    def invert(self, y: Vector) -> Vector:
        """Return the rows that are mapped to `y`."""
        columns = zip(self.inputs, self.scores, strict=True)
        return np.column_stack([_line(y[:, j], s, x)[0] for j, (x, s) in enumerate(columns)])


def _line(values: Vector, x: Vector, s: Vector) -> tuple[Vector, Vector]:
    """Interpolate through (x, s), with straight tails; give values and slopes."""
    outer = max(1, round(TAIL * (len(x) - 1)))
    left = (s[outer] - s[0]) / (x[outer] - x[0])
    right = (s[-1] - s[-1 - outer]) / (x[-1] - x[-1 - outer])
    inner = np.diff(s) / np.diff(x)
    piece = np.searchsorted(x, values, side="right")
    slopes = np.concatenate([[left], inner, [right]])[piece]
    start = np.maximum(piece - 1, 0)
    return s[start] + slopes * (values - x[start]), slopes


@dataclass(frozen=True, slots=True, eq=False)
class Gaussianiser:
    """A map from embeddings to rows that follow N(0, I), learnt from training rows.

    Call it on any rows. ``inverse`` goes back, up to rounding. ``log_density`` is that
    of the flow: what the map takes the training law for.

    Attributes
    ----------
    margins : tuple of Margins
        One for each round, and a last one.
    turns : tuple of ndarray, shape (d, d)
        What a round's rows are multiplied with after its margins: whitening and rotation.
    seed : int
    """

    margins: tuple[Margins, ...]
    turns: tuple[Vector, ...]
    seed: int

    @property
    def rounds(self) -> int:
        """Number of rounds of margins and rotation."""
        return len(self.turns)

    @property
    def d(self) -> int:
        """Number of columns."""
        return len(self.margins[0].inputs)

    def __call__(self, z: ArrayLike) -> Vector:
        """Map rows (n, d)."""
        return self._push(_checked("z", z, self.d))[0]

    def inverse(self, y: ArrayLike) -> Vector:
        """Map rows back: draws of N(0, I) become draws of the embeddings' law."""
        rows = self.margins[-1].invert(_checked("y", y, self.d))
        for margins, turn in zip(self.margins[-2::-1], self.turns[::-1], strict=True):
            rows = margins.invert(rows @ np.linalg.inv(turn))
        return rows

    def log_density(self, z: ArrayLike) -> Vector:
        """Return the flow's log density of rows: shape (n,), in nats."""
        rows, volume = self._push(_checked("z", z, self.d))
        return volume + _log_normal(rows)

    def _push(self, rows: Vector) -> tuple[Vector, Vector]:
        rows, volume = self.margins[0].apply(rows)
        for margins, turn in zip(self.margins[1:], self.turns, strict=True):
            rows, more = margins.apply(rows @ turn)
            volume = volume + more + np.linalg.slogdet(turn)[1]
        return rows, volume


def gaussianise(
    train_z: ArrayLike,
    *,
    rounds: int | None = None,
    most: int = 100,
    rotation: Rotation = "random",
    rng: RngLike = None,
) -> Gaussianiser:
    """Learn a map that makes embeddings normal: rotation-based iterative Gaussianisation.

    Every round maps each column to normal scores by its smoothed empirical cdf, whitens and
    rotates. Laparra, Camps-Valls & Malo (2011), with the whitening of Chen & Gopinath (2000). The
    cdf is a line through some sqrt(n)/2 quantiles on the scale of normal scores: its tails are a
    normal's, and new rows outside of the training rows' range have a place.

    Parameters
    ----------
    train_z : array_like, shape (n, d)
        n >= 100. Columns must vary and not depend linearly on each other.
    rounds : int, optional
        How many; by default as many (up to `most`) as have the largest likelihood of a fifth of
        the rows when they are learnt from the others. More fit the sample's noise.
    most : int
    rotation : {"random", "pca"}
        Random ones reach the normal from any law. Principal axes of what is left may come there
        in fewer rounds; where no correlation is left they are the axes of noise.
    rng : None, int or numpy Generator

    Returns
    -------
    Gaussianiser
        A callable, to apply to held-out rows.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.random.default_rng(0).exponential(size=(2000, 2))
    >>> to_normal = gaussianise(z, rng=0)
    >>> bool(np.allclose(to_normal.inverse(to_normal(z)), z))
    True
    """
    rows = as_rows("train_z", train_z)
    _check_training(rows)
    if rotation not in ("random", "pca"):
        raise InputError(f"rotation: got {rotation!r}; choose 'random' or 'pca'.")
    seed = entropy_of(rng)
    with single_threaded_blas():
        if rounds is None:
            chosen = _search(rows, whole("most", most, 0), rotation, seed)
        else:
            chosen = whole("rounds", rounds, 0)
        return _fitted(rows, chosen, rotation, seed)


def _check_training(rows: Vector) -> None:
    n = len(rows)
    if n < LEAST_ROWS:
        raise InputError(f"train_z: got n = {n} rows; a map needs at least {LEAST_ROWS}.")
    if len(constant := np.flatnonzero(np.ptp(rows, axis=0) == 0.0)):
        raise InputError(f"train_z: column {constant[0]} does not vary; leave it out.")
    spectrum = np.linalg.eigvalsh(np.corrcoef(rows.T)) if rows.shape[1] > 1 else np.ones(1)
    if spectrum[0] < DEPENDENT:
        rank = int(np.count_nonzero(spectrum >= DEPENDENT))
        raise InputError(
            f"train_z: its {rows.shape[1]} columns have rank {rank}, and no invertible map makes "
            f"them normal; take {rank} principal components."
        )


def _fitted(rows: Vector, rounds: int, rotation: Rotation, seed: int) -> Gaussianiser:
    """Learn so many rounds."""
    margins, turns = [_margins(rows)], []
    rows = margins[0].apply(rows)[0]
    for step in range(rounds):
        turns.append(_turn(rows, rotation, seed, step))
        rows = rows @ turns[-1]
        margins.append(_margins(rows))
        rows = margins[-1].apply(rows)[0]
    return Gaussianiser(tuple(margins), tuple(turns), seed)


def _search(rows: Vector, most: int, rotation: Rotation, seed: int) -> int:
    """Return how many rounds make rows most likely that they were not learnt from."""
    order = stream(seed, "rbig/split").permutation(len(rows))
    held = round(VALIDATION * len(rows))
    test, train = rows[order[:held]], rows[order[held:]]
    total = np.zeros(len(test))
    best, chosen = -math.inf, 0
    for step in range(most + 1):
        if step:
            turn = _turn(train, rotation, seed, step - 1)
            train, test = train @ turn, test @ turn
            total = total + np.linalg.slogdet(turn)[1]
        margins = _margins(train)
        train, (test, volume) = margins.apply(train)[0], margins.apply(test)
        total = total + volume
        found = float(np.mean(total + _log_normal(test)))
        if found > best:
            best, chosen = found, step
        elif step - chosen >= PATIENCE:
            break
    return chosen


def _margins(rows: Vector) -> Margins:
    """Map quantiles of every column to those of N(0, 1), at equal steps of the latter."""
    n = len(rows)
    count = int(np.clip(round(ROOTS * math.sqrt(n)), FEWEST, MOST))
    end = -float(ndtri(0.5 / n))
    grid = np.linspace(-end, end, count)
    # Hazen's quantiles: the smallest of n values is the one at probability 0.5 / n.
    quantiles = np.quantile(rows, ndtr(grid), axis=0, method="hazen").T
    inputs, scores = [], []
    for column in quantiles:
        x, first, sizes = np.unique(column, return_index=True, return_counts=True)
        sums = np.add.reduceat(grid, first)
        inputs.append(x)  # values that repeat get the mean of their scores
        scores.append(sums / sizes)
    return Margins(tuple(inputs), tuple(scores))


def _turn(rows: Vector, kind: Rotation, seed: int, step: int) -> Vector:
    """Return a matrix (d, d) that whitens, to principal axes or to random ones."""
    d = rows.shape[1]
    values, axes = np.linalg.eigh(np.atleast_2d(np.cov(rows.T)))
    if values[0] < DEPENDENT:
        raise InputError(
            f"train_z: the normal scores of its {d} columns have rank "
            f"{int(np.count_nonzero(values >= DEPENDENT))}, as if one column were a function of "
            f"another; leave such columns out."
        )
    whitening = axes / np.sqrt(values)
    if kind == "pca":
        return np.asarray(whitening)
    draw = stream(seed, "rbig/rotation", step).standard_normal((d, d))
    q, r = np.linalg.qr(draw)
    # Without the signs of the diagonal it would not be uniform over rotations.
    return np.asarray(whitening @ (q * np.sign(np.diagonal(r))))


def _log_normal(rows: Vector) -> Vector:
    """Log density of N(0, I)."""
    d = rows.shape[1]
    return np.asarray(-0.5 * (np.square(rows).sum(axis=1) + d * math.log(2.0 * math.pi)))


def _checked(name: str, values: ArrayLike, d: int) -> Vector:
    """Return finite rows of d columns; a single row is one of them."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != d or not np.isfinite(rows).all():
        raise InputError(
            f"{name}: got shape {rows.shape}; give finite rows of {d} columns, as in training."
        )
    return rows
