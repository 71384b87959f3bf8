"""Post-hoc Gaussianisation (RBIG): an invertible map that makes the embeddings of a fit normal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from dmtest.arguments import whole
from dmtest.errors import InputError
from dmtest.information.rows import as_rows
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.runtime.typing import Vector

Rotation: TypeAlias = Literal["random", "pca"]

LEAST_ROWS = 100
# Knots of a margin's map: ROOTS sqrt(n), between FEWEST and MOST. More knots follow the sample's
# noise; on mixtures and skew laws of 2 to 8 columns sqrt(n) / 2 had the best held-out likelihood.
ROOTS, FEWEST, MOST = 0.5, 8, 400
# Beyond the outer knots a map is a straight line with the mean slope between the outer and the
# middle knot. The slope between the outer two knots rests on few values; where it is steeper, it
# would move outliers further out in every round.
TAIL = 0.5
# Share of rows that choose the number of rounds, and rounds without gain that end the search.
VALIDATION, PATIENCE = 0.2, 8
# Columns count as linearly dependent below this smallest eigenvalue of their correlations.
DEPENDENT = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """A monotone, piecewise linear map of every column."""

    inputs: tuple[Vector, ...]
    scores: tuple[Vector, ...]

    def apply(self, z: Vector) -> tuple[Vector, Vector]:
        """Return the mapped rows (n, d) and the log derivative summed over columns (n,)."""
        mapped = np.empty_like(z)
        volume = np.zeros(len(z))
        for j, (x, s) in enumerate(zip(self.inputs, self.scores, strict=True)):
            mapped[:, j], slopes = _interpolate(z[:, j], x, s)
            volume += np.log(slopes)
        return mapped, volume

    def invert(self, y: Vector) -> Vector:
        """Return the rows that the map takes to `y`."""
        columns = zip(self.inputs, self.scores, strict=True)
        return np.column_stack([_interpolate(y[:, j], s, x)[0] for j, (x, s) in enumerate(columns)])


def _interpolate(values: Vector, x: Vector, s: Vector) -> tuple[Vector, Vector]:
    """Interpolate linearly through (x, s), also beyond them; return values and slopes."""
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
    """An invertible map from embeddings to rows that follow N(0, I), learnt from training rows.

    Calling it maps rows; ``inverse`` maps them back, up to rounding. ``log_density`` is the log
    density that the map, as a normalising flow, attributes to rows.

    Attributes
    ----------
    margins : tuple of Margins
        Maps of the columns: one for each round, and a last one.
    turns : tuple of ndarray, shape (d, d)
        Matrices that multiply the rows after the margins of a round: whitening and rotation.
    seed : int
        Seed of the rotations.
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
        return self._map(_finite_rows("z", z, self.d))[0]

    def inverse(self, y: ArrayLike) -> Vector:
        """Map rows (n, d) back: draws of N(0, I) become draws of the embeddings' law."""
        rows = self.margins[-1].invert(_finite_rows("y", y, self.d))
        for margins, turn in zip(self.margins[-2::-1], self.turns[::-1], strict=True):
            rows = margins.invert(rows @ np.linalg.inv(turn))
        return rows

    def log_density(self, z: ArrayLike) -> Vector:
        """Return the flow's log density of rows: shape (n,), in nats."""
        rows, volume = self._map(_finite_rows("z", z, self.d))
        return volume + _log_normal(rows)

    def _map(self, rows: Vector) -> tuple[Vector, Vector]:
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

    Each round maps every column to normal scores by its smoothed empirical cdf, then whitens and
    rotates. Laparra, Camps-Valls & Malo (2011), with the whitening of Chen & Gopinath (2000). The
    cdf is piecewise linear through about sqrt(n)/2 quantiles on the scale of normal scores: its
    tails are those of a normal law, and rows beyond the range of the training rows are mapped too.

    Parameters
    ----------
    train_z : array_like, shape (n, d)
        n >= 100. Columns must vary and not depend linearly on each other.
    rounds : int, optional
        Number of rounds. By default the number, up to `most`, that maximises the likelihood of a
        held-out fifth of the rows. More rounds fit the noise of the sample.
    most : int
        Most rounds that are tried by default.
    rotation : {"random", "pca"}
        Random rotations converge to the normal law from any law. Principal axes may need fewer
        rounds, but are axes of noise once no correlation is left.
    rng : None, int or numpy Generator

    Returns
    -------
    Gaussianiser
        A callable that maps rows (n, d).

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
            count = _best_rounds(rows, whole("most", most, 0), rotation, seed)
        else:
            count = whole("rounds", rounds, 0)
        return _fit(rows, count, rotation, seed)


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


def _fit(rows: Vector, rounds: int, rotation: Rotation, seed: int) -> Gaussianiser:
    """Learn a map of `rounds` rounds."""
    margins, turns = [_margins(rows)], []
    rows = margins[0].apply(rows)[0]
    for step in range(rounds):
        turns.append(_turn(rows, rotation, seed, step))
        rows = rows @ turns[-1]
        margins.append(_margins(rows))
        rows = margins[-1].apply(rows)[0]
    return Gaussianiser(tuple(margins), tuple(turns), seed)


def _best_rounds(rows: Vector, most: int, rotation: Rotation, seed: int) -> int:
    """Return the number of rounds that maximises the likelihood of held-out rows."""
    order = stream(seed, "rbig/split").permutation(len(rows))
    cut = round(VALIDATION * len(rows))
    test, train = rows[order[:cut]], rows[order[cut:]]
    total = np.zeros(len(test))
    best, best_step = -math.inf, 0
    for step in range(most + 1):
        if step:
            turn = _turn(train, rotation, seed, step - 1)
            train, test = train @ turn, test @ turn
            total = total + np.linalg.slogdet(turn)[1]
        margins = _margins(train)
        train, (test, volume) = margins.apply(train)[0], margins.apply(test)
        total = total + volume
        likelihood = float(np.mean(total + _log_normal(test)))
        if likelihood > best:
            best, best_step = likelihood, step
        elif step - best_step >= PATIENCE:
            break
    return best_step


def _margins(rows: Vector) -> Margins:
    """Return maps from quantiles of every column to quantiles of N(0, 1) at equal steps."""
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
        inputs.append(x)  # repeated values get the mean of their scores
        scores.append(sums / sizes)
    return Margins(tuple(inputs), tuple(scores))


def _turn(rows: Vector, kind: Rotation, seed: int, step: int) -> Vector:
    """Return a matrix (d, d) that whitens rows and rotates them to principal or random axes."""
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
    # The signs of the diagonal make the rotation uniform.
    return np.asarray(whitening @ (q * np.sign(np.diagonal(r))))


def _log_normal(rows: Vector) -> Vector:
    """Log density of N(0, I) at each row: (n,)."""
    d = rows.shape[1]
    return np.asarray(-0.5 * (np.square(rows).sum(axis=1) + d * math.log(2.0 * math.pi)))


def _finite_rows(name: str, values: ArrayLike, d: int) -> Vector:
    """Return rows as float64 (n, d); refuse values that are not finite."""
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != d or not np.isfinite(rows).all():
        raise InputError(
            f"{name}: got shape {rows.shape}; give finite rows of {d} columns, as in training."
        )
    return rows
