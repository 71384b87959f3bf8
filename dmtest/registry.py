"""Which tests there are, and the rows that names stand for."""

from __future__ import annotations

from collections.abc import Iterable

from dmtest.catalogue import cube, fitted, slices, specified, sphere, two_sample
from dmtest.errors import InputError
from dmtest.spec import ALL, Spec

__all__ = ["ROWS", "TARGETS", "TESTS", "Spec", "as_tests", "default_battery", "find", "list_tests"]

TARGETS = (*ALL, "sphere", "reference")
ROWS: tuple[Spec, ...] = (
    *slices.ROWS,
    *fitted.ROWS,
    *specified.ROWS,
    *cube.ROWS,
    *sphere.ROWS,
    *two_sample.ROWS,
)
# A name may have a row for each of several hypotheses: the first is its own.
TESTS: dict[str, Spec] = {}
for _row in ROWS:
    TESTS.setdefault(_row.name, _row)

# Chosen by the power study (docs/power.md). On slices: shape, tails, location and scale, and
# one number that a reader can picture.
_SLICES = ("anderson-darling", "dagostino-pearson", "epps-pulley", "kolmogorov-smirnov")
# Of whole rows: joint shape, skewness and kurtosis of all directions together, single columns.
_SHAPES = ("henze-zirkler", "mardia-skewness", "mardia-kurtosis", "generalised-shapiro-wilk")
# What a fitted mean and covariance take away: lengths, covariance, location.
_MOMENTS = ("radius", "covariance-ledoit-wolf", "energy")
# A mean direction, axes, and two that see the rest.
_SPHERE = ("rayleigh", "bingham", "bakshaev", "gine-gn")
# Four ways to look at two samples: pairs, slices, and a rule that does not see scales.
_TWO_SAMPLE = ("mmd", "energy", "sliced-wasserstein", "classifier")


def default_battery(target: str) -> tuple[str, ...]:
    """Name the tests that a report runs where none are asked for."""
    if target == "sphere":
        return _SPHERE
    if target == "reference":
        return _TWO_SAMPLE
    if target == "any-normal":
        return (*_SLICES, *_SHAPES)
    # Of the cube, the rows themselves have tests of their own by these names.
    moments = _MOMENTS if target != "uniform" else ("radius", "covariance-ledoit-wolf")
    return (*_SLICES, *_SHAPES, *moments)


def find(name: str, target: str) -> Spec | None:
    """Return the row of a name for a target."""
    return next((row for row in ROWS if row.name == name and target in row.targets), None)


def as_tests(tests: str | Iterable[str] | None, target: str) -> tuple[Spec, ...]:
    """Resolve names to rows: one name, several, ``"all"``, or None for the default battery.

    Raises
    ------
    InputError
        If a name is unknown or given twice, or its test does not apply to `target`.
    """
    if tests is None:
        names = list(default_battery(target))
    elif isinstance(tests, str):
        # What only takes few rows is left to be asked for by name.
        every = [row.name for row in list_tests(target) if row.most is None]
        names = every if tests == "all" else [t.strip() for t in tests.split(",")]
    else:
        names = list(tests)
    if not names:
        raise InputError("tests: got no name; give at least one, or None for the default battery.")
    rows = []
    for name in names:
        if not isinstance(name, str) or name not in TESTS:
            raise InputError(f"tests: got {name!r}; known are {', '.join(TESTS)} (or 'all').")
        if names.count(name) > 1:
            raise InputError(f"tests: {name!r} is given {names.count(name)} times; give it once.")
        row = find(name, target)
        if row is None:
            known = [t for t in TARGETS if find(name, t) is not None]
            raise InputError(
                f"tests: {name!r} does not test target {target!r}; it tests {', '.join(known)}."
            )
        rows.append(row)
    return tuple(rows)


def list_tests(target: str | None = None) -> list[Spec]:
    """Return the registered tests, or those of one target.

    Parameters
    ----------
    target : str, optional
        ``"normal"``, ``"any-normal"``, ``"uniform"``, ``"product"``, ``"sphere"`` or
        ``"reference"`` (two samples).
    """
    if target is not None and target not in TARGETS:
        raise InputError(f"target: got {target!r}; tests are listed for {', '.join(TARGETS)}.")
    return [row for row in ROWS if target is None or target in row.targets]
