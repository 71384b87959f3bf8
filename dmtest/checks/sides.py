"""The rows of a check or a baseline: all of them, or some of many that are read once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from dmtest import arguments
from dmtest.battery.api import Nonfinite
from dmtest.data.sample import as_sample, one_row_each
from dmtest.errors import InputError
from dmtest.reports.streamed.choice import needs_all_rows
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.progress import reporter
from dmtest.runtime.typing import Vector
from dmtest.summaries.sides import Side, check_at_once, read_once, side_of, takes_parts
from dmtest.targets.targets import Target


def read_side(
    data: Any,
    target: Target,
    options: Mapping[str, Any],
    seed: int,
    draw: int,
    *,
    key: str | None,
    columns: Any,
    nonfinite: Nonfinite,
    groups: Any,
    memory: int | None,
    progress: bool | Progress | None,
) -> Side:
    """Read a sample: at once, or in parts where it is a stream or takes much memory.

    Parameters
    ----------
    data : Any
        As `data` of `check`.
    target : Target
    options : dict
        Arguments of the report on it: `tests` and `slices`.
    seed, draw : int
        Of the report, and so of the rows that are kept; and of one row of each group.
    key, columns, nonfinite, groups
        Reading of the data.
    memory : int or None
        Bytes.
    progress : bool, callable or None

    Raises
    ------
    InputError
        If the sample cannot be read once and has to be, or takes more than `memory`.
    """
    if memory is not None:
        memory = arguments.whole("memory", memory, 1, " (bytes)")
    if takes_parts([data], memory, keys=[key], columns=columns):
        given = {"groups": groups, "nonfinite": None if nonfinite == "error" else nonfinite}
        given |= {"slices": options.get("slices")}
        reason = needs_all_rows(target, options.get("tests"), given)
        if not reason:
            with reporter(progress) as step, single_threaded_blas():
                return side_of(
                    data,
                    "data",
                    seed=seed,
                    target=target.name,
                    key=key,
                    columns=columns,
                    memory=memory,
                    progress=step,
                )
        if read_once(data):
            raise InputError(
                f"{reason}: does not apply to a summary or a stream, which is read once; leave it "
                f"out, or pass the array."
            )
    sample = as_sample(data, key=key, columns=columns, nonfinite=nonfinite, groups=groups)
    check_at_once(memory, sample)
    sample = one_row_each(sample, draw)
    return Side(sample, sample.n)


def moments_of_all(side: Side) -> tuple[int, Vector, Vector] | None:
    """Return number, mean and covariance of all rows, where the sample has some of them."""
    if side.summary is None:
        return None
    return side.n, side.summary.mean, side.summary.covariance


def digest_of(side: Side) -> str:
    """Return the SHA-256 of all rows as float64; of a summary, of its first rows and their number.

    Empty where a summary lacks its first rows.
    """
    if side.summary is None:
        raw = np.ascontiguousarray(side.sample.x, dtype="<f8").tobytes()
        return hashlib.sha256(raw).hexdigest()
    head = side.summary.complete().head
    if head is None:
        return ""
    found = hashlib.sha256(np.ascontiguousarray(head, dtype="<f8").tobytes())
    found.update(str(side.n).encode())
    return found.hexdigest()
