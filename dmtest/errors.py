"""Exceptions and warnings of dmtest, and the names that a wrong name resembles."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

# Unicode categories that could control a terminal or reorder a line: controls, format characters
# (such as bidirectional overrides), surrogates, line separators.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
JOINERS = "\u200c\u200d"  # needed to write Persian, Hindi and emoji


def printable(text: str) -> str:
    """Return a text on one line with characters that cannot be seen as escapes.

    Names and paths in a message come from files: a terminal would obey their control characters.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if c not in JOINERS and unicodedata.category(c) in UNSEEN
        else c
        for c in text
    )


class DmtestError(Exception):
    """Base of every error that dmtest raises on purpose."""


class InputError(DmtestError, ValueError):
    """An argument or a file that cannot be used.

    The message is one sentence that names the argument, its value and the cure.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class MissingExtraError(DmtestError, ImportError):
    """A missing optional library; the message says how to install it."""


class DataWarning(UserWarning):
    """A fact about the data that matters for the result."""

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


def did_you_mean(
    name: object, known: Iterable[str], others: Mapping[str, tuple[str, ...]] | None = None
) -> str:
    """Return "did you mean 'a' or 'b'?" for a name that is unknown; empty if nothing is near.

    Parameters
    ----------
    name : object
        What was given instead of a known name.
    known : iterable of str
    others : mapping of str to tuple of str, optional
        Names elsewhere of known names, in lower case without spaces.
    """
    if not isinstance(name, str) or not name.strip():
        return ""
    import difflib

    names = list(known)
    asked = "".join(name.lower().replace("_", "-").split())
    near = [one for one in names if one.replace("-", "") == asked.replace("-", "")]
    near = near or list((others or {}).get(asked, ()))
    if not near and len(asked) > 2:
        near = [one for one in names if f"-{asked}" in f"-{one}"]
        near = near or [one for one in names if f"-{one}" in f"-{asked}"]
    if not near:
        spellings = {key: found for key, found in (others or {}).items() if len(key) > 4}
        spellings |= {one: (one,) for one in names}
        close = difflib.get_close_matches(asked, spellings, n=3, cutoff=0.7)
        near = [one for key in close for one in spellings[key]]
    near = list(dict.fromkeys(near))[:4]
    if not near:
        return ""
    texts = [repr(one) for one in near]
    return (
        f"did you mean {' or '.join([', '.join(texts[:-1]), texts[-1]] if texts[1:] else texts)}?"
    )
