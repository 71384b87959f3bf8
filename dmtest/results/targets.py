"""The named targets, one row each, with their descriptions for readers.

Results refer to a target by name and describe it to readers, without the classes in
:mod:`dmtest.targets.targets`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTarget:
    """A named target.

    Attributes
    ----------
    name : str
        Name in ``target=``, ``--target`` and results.
    kind : str
        Its class in :mod:`dmtest.targets.targets`; empty if the class needs arguments.
    words : str
        The target in words; empty if they depend on arguments.
    tested : str
        The hypothesis of its tests, for the list of tests.
    normal_scale : bool
        Whether samples are brought to normal scale, so that all tests of slices apply.
    fitted : bool
        Whether parameters are fitted to the sample.
    borrows : str
        Target whose tests in the catalogue apply to it, too; empty if it has its own.
    takes : str
        Argument that it needs, an option on the command line; empty if it needs none.
    """

    name: str
    kind: str
    words: str
    tested: str
    normal_scale: bool = True
    fitted: bool = False
    borrows: str = ""
    takes: str = ""


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
        name="rosenblatt",
        kind="",
        words="the law that the given transform takes to the uniform on the unit cube",
        tested="the law of a given transform to the unit cube (`dmtest.Rosenblatt`)",
    ),
    NamedTarget(
        name="sphere",
        kind="Sphere",
        words="the uniform distribution on the unit sphere",
        tested="the uniform on the unit sphere",
        normal_scale=False,
    ),
    NamedTarget(
        name="ranks",
        kind="",
        words="",
        tested="ranks 0 to draws, each equally likely",
        normal_scale=False,
        borrows="uniform",
        takes="draws",
    ),
    NamedTarget(
        name="sampled",
        kind="",
        words="the law that is drawn from",
        tested="any law that can be drawn from (`dmtest.Sampled`); fresh draws",
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

# What users call the targets, in lower case without spaces.
SAID: dict[str, tuple[str, ...]] = {
    "cube": ("uniform",),
    "gauss": ("normal", "any-normal"),
    "gaussian": ("normal", "any-normal"),
    "hypercube": ("uniform",),
    "hypersphere": ("sphere",),
    "isotropic": ("normal",),
    "mvn": ("any-normal", "normal"),
    "multivariate-normal": ("any-normal", "normal"),
    "n(0,1)": ("normal",),
    "n(0,i)": ("normal",),
    "n(0,id)": ("normal",),
    "n(m,s)": ("any-normal",),
    "n(mu,sigma)": ("any-normal",),
    "norm": ("normal", "any-normal"),
    "rank": ("ranks",),
    "sbc": ("ranks",),
    "standard-normal": ("normal",),
    "two-sample": ("reference",),
    "u(0,1)": ("uniform",),
    "unif": ("uniform",),
    "unit-sphere": ("sphere",),
    "vmf": ("sphere",),
}
