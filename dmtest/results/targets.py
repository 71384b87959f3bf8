"""The targets that have a name: one row each, with the words that readers get for it.

Results carry a target by its name, so its words are needed where results are shown; the classes
are in :mod:`dmtest.targets.targets`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTarget:
    """A target by its name.

    Attributes
    ----------
    name : str
        As it is passed to ``target=`` and ``--target``, and as results carry it.
    kind : str
        Its class in :mod:`dmtest.targets.targets`, which can be made without arguments; empty
        where no name alone makes it.
    words : str
        The hypothesis in words; empty where the name says all that can be said.
    tested : str
        What its tests test, for the list of tests.
    normal_scale : bool
        Whether samples are brought to N(0, I), so that all tests of slices apply.
    fitted : bool
        Whether parameters are fitted to the sample.
    """

    name: str
    kind: str
    words: str
    tested: str
    normal_scale: bool = True
    fitted: bool = False


NAMED = (
    NamedTarget(
        name="normal",
        kind="Normal",
        words="the standard normal N(0, I)",
        tested="N(0, I), fully specified",
    ),
    NamedTarget(
        name="any-normal",
        kind="AnyNormal",
        words="a normal distribution, whatever its mean and covariance",
        tested="some normal: location and covariance are fitted",
        fitted=True,
    ),
    NamedTarget(
        name="uniform",
        kind="Uniform",
        words="the uniform distribution on the unit cube",
        tested="the uniform on the unit cube",
    ),
    NamedTarget(
        name="product",
        kind="",
        words="",
        tested="given independent margins",
    ),
    NamedTarget(
        name="sphere",
        kind="Sphere",
        words="the uniform distribution on the unit sphere",
        tested="the uniform on the unit sphere",
        normal_scale=False,
    ),
    NamedTarget(
        name="reference",
        kind="",
        words="the distribution of the reference sample",
        tested="two samples of one distribution (`dmtest.compare`); B permutations",
        normal_scale=False,
    ),
)
