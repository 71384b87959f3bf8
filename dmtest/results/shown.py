"""Records and sequences of records that show themselves in a console and in a notebook.

What is shown stands in :mod:`dmtest.render.cards`, by the name of the class.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from dmtest.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

One = TypeVar("One")


class Shown:
    """A record with a short ``repr``, and a table in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a few aligned lines; `to_dict` has everything."""
        from dmtest.render import cards

        return cards.text(cards.card(self))

    def _repr_html_(self) -> str:
        """Return the same as a table for notebooks, in their colours."""
        from dmtest.render import cards

        return cards.html(cards.card(self))


class Records(list[One]):
    """A list of records, which also finds one by its name.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> x = np.random.default_rng(0).standard_normal((200, 2))
    >>> outcomes = dmtest.run_tests(x, ["mardia-skewness", "mardia-kurtosis"], rng=0)
    >>> statistic, pvalue = outcomes["mardia-skewness"]
    >>> pvalue > 0.05
    True
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the records, in their order."""
        return tuple(name_of(one) for one in self)

    @overload  # type: ignore[override]
    def __getitem__(self, which: slice) -> Records[One]: ...

    @overload
    def __getitem__(self, which: int | str) -> One: ...

    def __getitem__(self, which: Any) -> Any:
        """Return a record by its position or by its name; KeyError if no record has it."""
        if isinstance(which, str):
            return found(self, which)
        part = super().__getitem__(which)
        return type(self)(part) if isinstance(which, slice) else part

    def to_dict(self) -> dict[str, Any]:
        """Return the records as plain Python objects, by name."""
        return {name_of(one): one.to_dict() for one in self}  # type: ignore[attr-defined]

    @overload
    def to_frame(self, backend: Literal["pandas"] = "pandas") -> pd.DataFrame: ...

    @overload
    def to_frame(self, backend: Literal["polars"]) -> pl.DataFrame: ...

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return a data frame, one row for each record.

        Parameters
        ----------
        backend : {"pandas", "polars"}
            Library of the data frame; ImportError if it is not installed.
        """
        from dmtest.render import frames

        records = [one.to_dict() for one in self]  # type: ignore[attr-defined]
        return frames.table(frames.columns_of(records), backend)

    def __repr__(self) -> str:
        """Return a table, a line for each record."""
        from dmtest.render import cards

        return cards.text(cards.table(self))

    def _repr_html_(self) -> str:
        """Return the same table for notebooks, in their colours."""
        from dmtest.render import cards

        return cards.html(cards.table(self))


class RecordTuple(tuple[One, ...]):
    """A tuple of records, which also finds one by its name."""

    __slots__ = ()

    @overload  # type: ignore[override]
    def __getitem__(self, which: slice) -> tuple[One, ...]: ...

    @overload
    def __getitem__(self, which: int | str) -> One: ...

    def __getitem__(self, which: Any) -> Any:
        """Return a record by its position or by its name; KeyError if no record has it."""
        return found(self, which) if isinstance(which, str) else super().__getitem__(which)

    def __repr__(self) -> str:
        """Return a table, a line for each record."""
        return repr(Records(self))

    def _repr_html_(self) -> str:
        """Return the same table for notebooks, in their colours."""
        return Records(self)._repr_html_()


class Effects(dict[str, One]):
    """Effects by name, shown as a table."""

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return a data frame, one row for each effect (:meth:`Records.to_frame`)."""
        from dmtest.render import frames

        records = [one.to_dict() for one in self.values()]  # type: ignore[attr-defined]
        return frames.table(frames.columns_of(records), backend)

    def __repr__(self) -> str:
        """Return a table, a line for each effect."""
        return repr(Records(self.values()))

    def _repr_html_(self) -> str:
        """Return the same table for notebooks, in their colours."""
        return Records(self.values())._repr_html_()


def name_of(record: object) -> str:
    """Return the name of a record: of a test, of an effect, or of its code."""
    for name in ("test", "name", "code"):
        if isinstance(value := getattr(record, name, None), str):
            return value
    return ""


def found(records: Iterable[One], name: str) -> One:
    """Return the record of a name.

    Raises
    ------
    KeyError
        If no record has it; the message lists those that are there.
    """
    listed = list(records)
    for one in listed:
        if name_of(one) == name:
            return one
    names = [name_of(one) for one in listed]
    near = did_you_mean(name, names)
    known = near or f"names are {', '.join(names)}"
    raise MissingNameError(f"there is no {name!r}; {known}")


class MissingNameError(InputError, KeyError):
    """A name that no record of a sequence has."""

    def __str__(self) -> str:
        """Return the sentence; KeyError would show it in quotes."""
        return str(self.args[0])
