"""The Report: all results of one run, and its output formats."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, overload

from dmtest.errors import InputError
from dmtest.results import serial
from dmtest.results.classes import ClassReports
from dmtest.results.effect_table import EFFECTIVE_RANK, PARTICIPATION_RATIO
from dmtest.results.figures import NO_FIGURES, Figures
from dmtest.results.outcome import Effect, Finding, Outcome
from dmtest.results.provenance import Provenance
from dmtest.results.shown import Effects, RecordTuple
from dmtest.results.tables import Outliers

if TYPE_CHECKING:
    import os

    import pandas as pd
    import polars as pl
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import Console, ConsoleOptions, RenderableType

SCHEMA = 1
VERDICTS = ("compatible", "equivalent", "mismatch", "inconclusive")


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that `Report.to_json` follows."""
    text = resources.files("dmtest.results").joinpath("schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Report:
    """The verdict on a sample, with the evidence for it.

    Attributes
    ----------
    verdict : str
        ``"compatible"`` (no evidence against the target at `alpha`),
        ``"equivalent"``, ``"mismatch"`` or ``"inconclusive"``.
    pvalue : float
        Global, family-wise p-value over all tests.
    pvalue_method : str
        Method behind the global p-value.
    alpha : float
        Level of the verdict.
    target : str
        Name of the target.
    n, d : int
        Rows and columns tested.
    seed : int
        Seed; pass it as ``rng=`` to repeat the run.
    outcomes : tuple of Outcome
        One for each test; ``outcomes["energy"]`` finds one by its name.
    adjusted : tuple of float
        Holm-adjusted p-values, in the order of `outcomes`.
    effects : dict of str to Effect
        Sizes of the departures, by `Effect.name`.
    diagnosis : tuple of Finding
        Sentences that say what is wrong, most important first.
    warnings : tuple of Finding
        Findings about the data.
    provenance : Provenance
        The facts of the run: source, slices, replicates, version, seconds, ...
    figures : Figures
        The numbers behind the figures: slices, coordinates, spectrum, directions, profile and
        detectability.
    classes : ClassReports or None
        Reports on the classes, by name, with a summary; for ``labels=`` and ``by=``.
    rows : Outliers or None
        Score of every row, for ``rows=True``.

    Notes
    -----
    A report read from its JSON equals the original: `Outcome.params` are plain JSON values, and
    `provenance` and `figures` have None for a number that is not finite.
    """

    verdict: str
    pvalue: float
    pvalue_method: str
    alpha: float
    target: str
    n: int
    d: int
    seed: int
    outcomes: tuple[Outcome, ...] = ()
    adjusted: tuple[float, ...] = ()
    effects: dict[str, Effect] = field(default_factory=dict)
    diagnosis: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    figures: Figures = NO_FIGURES
    classes: ClassReports | None = None
    rows: Outliers | None = None

    def __post_init__(self) -> None:
        """Check verdict and adjusted p-values, and make the parameters of tests plain JSON."""
        if self.verdict not in VERDICTS:
            raise InputError(f"verdict: must be one of {', '.join(VERDICTS)}; got {self.verdict!r}")
        if len(self.adjusted) != len(self.outcomes):
            raise InputError(
                f"adjusted: needs one p-value for each of the {len(self.outcomes)} outcomes; "
                f"got {len(self.adjusted)}"
            )
        outcomes = (replace(o, params=serial.plain(o.params, keep=True)) for o in self.outcomes)
        for name, value in {
            "outcomes": RecordTuple(outcomes),
            "adjusted": tuple(self.adjusted),
            "diagnosis": RecordTuple(self.diagnosis),
            "warnings": RecordTuple(self.warnings),
            "effects": Effects(self.effects),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def computed(self) -> dict[str, Any]:
        """`provenance` as plain JSON values."""
        return self.provenance.to_dict()

    @property
    def pictures(self) -> dict[str, Any]:
        """`figures` as plain JSON values."""
        return self.figures.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects, ``"schema"`` first.

        A number of an outcome or an effect that is not finite is the string
        ``"NaN"``, ``"Infinity"`` or ``"-Infinity"`` (strict JSON has no such
        numbers; ``float`` reads all three).
        """
        judged = {name: serial.encode(getattr(self, name)) for name in JUDGED}
        numbers: dict[str, Any] = {"computed": self.computed, "pictures": self.pictures}
        if self.classes is not None:
            numbers["classes"] = self.classes.to_dict()
        if self.rows is not None:
            numbers["rows"] = self.rows.to_dict()
        return {"schema": SCHEMA} | judged | numbers

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return strict JSON, and write it to `path` when one is given.

        Parameters
        ----------
        path : path-like, optional
            File to write (UTF-8).

        Returns
        -------
        str
            The JSON text; `Report.from_json` reads it back.
        """
        return serial.output(serial.dumps(self.to_dict()) + "\n", path)

    @classmethod
    def from_json(cls, path_or_text: str | os.PathLike[str]) -> Report:
        """Read a report that `to_json` wrote.

        Parameters
        ----------
        path_or_text : path-like or str
            A file, or JSON text (which starts with a brace).

        Raises
        ------
        InputError
            If the file cannot be read or has no report of schema 1.
        """
        text, name = serial.read(path_or_text)
        data = serial.loads(text, name)
        try:
            return cls.from_dict(data)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{name}: not a complete dmtest report ({type(error).__name__}: {error}); "
                f"write it again with Report.to_json"
            ) from None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Report:
        """Build a report from what `to_dict` returned.

        Raises
        ------
        InputError, KeyError, TypeError, ValueError
            If it is no report of schema 1, or not a whole one.
        """
        if data.get("schema") != SCHEMA:
            raise InputError(
                f'expected a report with "schema": {SCHEMA}; got '
                f"{data.get('schema')!r}, so read it with the dmtest version that wrote it"
            )
        known = {name: data[name] for name in JUDGED} | {"effects": _renamed(data["effects"])}
        classes, rows = data.get("classes"), data.get("rows")
        return replace(
            serial.record(cls, known),
            provenance=Provenance.from_dict(data["computed"]),
            figures=Figures.from_dict(data["pictures"]),
            classes=None if classes is None else ClassReports.from_dict(classes),
            rows=None if rows is None else serial.record(Outliers, rows),
        )

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return one self-contained HTML page, and write it when `path` is given.

        Parameters
        ----------
        path : path-like, optional
            File to write (UTF-8).

        Returns
        -------
        str
            The page: no script is needed to read it and nothing is loaded from
            elsewhere.
        """
        from dmtest.render.page import html

        return serial.output(html.page(self), path)

    @overload
    def to_frame(self, backend: Literal["pandas"] = "pandas") -> pd.DataFrame: ...

    @overload
    def to_frame(self, backend: Literal["polars"]) -> pl.DataFrame: ...

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return the outcomes as a data frame, one row per test.

        Parameters
        ----------
        backend : {"pandas", "polars"}
            Library of the data frame; ImportError if it is not installed. In polars, seeds (which
            may exceed its integers) and parameters are text.
        """
        from dmtest.render import frames

        return frames.frame(self, backend)

    def to_xarray(self) -> xr.Dataset:
        """Return outcomes, effects and the numbers behind the figures as an xarray data set.

        Its dimensions are ``test``, ``effect`` and, as far as the report has them, ``slice`` and
        ``quantile``, ``rank`` (of eigenvalues), ``noise`` and ``rows``. ImportError without xarray.
        """
        from dmtest.render import frames

        return frames.dataset(self)

    def metrics(self, prefix: str = "") -> dict[str, float]:
        """Return the numbers of the report as one flat dict, for loggers of experiments.

        ``wandb.log(report.metrics("val"))``, ``mlflow.log_metrics(report.metrics("val"))``, or a
        loop over ``writer.add_scalar`` (TensorBoard).

        Parameters
        ----------
        prefix : str
            Start of every name; a slash is added unless it ends in ``/``, ``_``, ``-`` or ``.``.

        Returns
        -------
        dict of str to float
            ``pvalue``, ``mismatch`` (1 or 0), the effects by name with their limits
            (``kl-fitted-normal``, ``kl-fitted-normal/low``, ``/high``), and the Holm-adjusted
            p-value of each test (``p/energy``). Values that are not finite are left out, since
            not every logger takes them.

        Examples
        --------
        >>> import numpy as np, dmtest
        >>> x = np.random.default_rng(0).standard_normal((200, 2))
        >>> metrics = dmtest.report(x, rng=0).metrics("val")
        >>> metrics["val/mismatch"], metrics["val/pvalue"] > 0.05, "val/p/energy" in metrics
        (0.0, True, True)
        """
        start = prefix if not prefix or prefix[-1] in "/_-." else f"{prefix}/"
        numbers: dict[str, float | None] = {
            "pvalue": self.pvalue,
            "mismatch": float(self.verdict == "mismatch"),
        }
        for name, effect in self.effects.items():
            numbers |= {name: effect.value, f"{name}/low": effect.low, f"{name}/high": effect.high}
        for outcome, adjusted in zip(self.outcomes, self.adjusted, strict=True):
            numbers[f"p/{outcome.test}"] = adjusted
        return {
            f"{start}{name}": float(value)
            for name, value in numbers.items()
            if value is not None and math.isfinite(value)
        }

    @property
    def panels(self) -> tuple[str, ...]:
        """Names of the figures that `plot` can draw of this report."""
        from dmtest.render.figures import plots

        return plots.names(self)

    def plot(
        self, panels: str | Sequence[str] | None = None, *, ax: Axes | None = None, **options: Any
    ) -> Figure:
        """Draw all figures of the report, or some of them, with matplotlib.

        Parameters
        ----------
        panels : str or sequence of str, optional
            Names from `Report.panels`: one figure, or several beside each other. By default an
            overview of all.
        ax : matplotlib Axes, optional
            Where to draw a single figure.
        **options
            Options of the figures, for example ``which=1`` for the second slice.

        Returns
        -------
        matplotlib Figure
            Notebooks show it. Where pyplot has been imported, ``plt.show()`` and
            ``plt.savefig(path)`` apply to it; ``report.plot().show()`` does without.

        Raises
        ------
        InputError
            If there is no such figure or the report has no numbers for it; the message lists
            the figures that it has.
        """
        from dmtest.render.figures import plots

        if panels is None and ax is None and not options:
            return plots.overview(self)
        return plots.draw(panels if panels is not None else (), self, ax, **options)

    def _repr_html_(self) -> str:
        """Return the compact HTML for notebooks."""
        from dmtest.render.page import html

        return html.fragment(self)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield what ``console.print(report)`` shows."""
        from dmtest.render.text import terminal

        yield from terminal.parts(self, options)

    def __str__(self) -> str:
        """Return the report as plain text, 80 columns wide."""
        from dmtest.render.text import terminal

        return terminal.text(self)

    def __bool__(self) -> bool:
        """Refuse: a verdict has four values, and ``if report:`` would be true for a mismatch."""
        raise TypeError(
            f"a report is neither true nor false; compare report.verdict, here {self.verdict!r}, "
            f"or report.pvalue"
        )

    def __repr__(self) -> str:
        """Return one line; the full text is ``str(report)``."""
        return (
            f"<Report {self.verdict}: p={self.pvalue:.3g}, alpha={self.alpha:g}, "
            f"target={self.target!r}, n={self.n}, d={self.d}, {len(self.outcomes)} tests>"
        )


# The note of what was called the effective rank before it was exp(entropy).
OLD_RANK = "(tr S)^2 / tr S^2, descriptive"


def _renamed(effects: Any) -> Any:
    """Give the participation ratio of an older report its name, so that nothing else is read."""
    now, before = PARTICIPATION_RATIO, EFFECTIVE_RANK.name
    old = effects.get(before) if isinstance(effects, dict) else None
    if not isinstance(old, dict) or old.get("note") != OLD_RANK:
        return effects
    one = old | {"name": now.name, "label": now.label}
    return {
        (now.name if name == before else name): (one if name == before else effect)
        for name, effect in effects.items()
    }


# The fields that the JSON has by their own names.
JUDGED = tuple(
    f.name for f in fields(Report) if f.name not in ("provenance", "figures", "classes", "rows")
)
