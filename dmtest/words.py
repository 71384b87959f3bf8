"""Counts in sentences: one row, two rows."""

from __future__ import annotations


def counted(value: int, one: str, many: str = "") -> str:
    """Return "1 row", "1,234 rows"."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def of_many(value: int, total: int, one: str, singular: str, plural: str, several: str = "") -> str:
    """Return "1 of 64 columns is", "Both columns are", "The only column is".

    Parameters
    ----------
    value, total : int
        `value` of `total` are meant.
    one : str
        The noun, in the singular.
    singular, plural : str
        The verb for one and for several.
    several : str
        The noun in the plural, if it is not `one` with an s.
    """
    many = several or f"{one}s"
    verb = singular if value == 1 else plural
    if total == 1:
        return f"The only {one} {verb}"
    if value == total == 2:
        return f"Both {many} {verb}"
    if value == total:
        return f"All {total:,} {many} {verb}"
    return f"{value:,} of {total:,} {many} {verb}"
