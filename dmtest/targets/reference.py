"""A second sample as the target: one distribution for both, or one up to a rotation."""

from __future__ import annotations

import os
from typing import Any, Literal, NoReturn

from dmtest.data.sample import Sample, as_sample, one_row_each
from dmtest.errors import InputError


class Reference:
    """A sample as the target: the data should have the same distribution.

    Parameters
    ----------
    sample : like `data` of :func:`dmtest.report`
        The reference, shape (m, d); m may differ from n.
    rotation : bool
        Compare up to an orthogonal map, because encoders are unique only up to such a map: see
        :func:`dmtest.compare`.
    key, columns, nonfinite, groups
        Reading of the reference, as for :func:`dmtest.report`.

    Examples
    --------
    >>> import numpy as np, dmtest
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((200, 3)), rng.standard_normal((300, 3))
    >>> dmtest.run_test(x, "energy", dmtest.Reference(y), rng=0).rejects(0.01)
    False
    """

    fitted = False

    def __init__(
        self,
        sample: Any,
        *,
        rotation: bool = False,
        key: str | None = None,
        columns: Any = None,
        nonfinite: Literal["error", "drop"] = "error",
        groups: Any = None,
    ) -> None:
        if not isinstance(rotation, bool):
            raise InputError(f"rotation: got {rotation!r}; pass True or False.")
        self.rotation = rotation
        try:
            self.sample: Sample = as_sample(
                sample, key=key, columns=columns, nonfinite=nonfinite, groups=groups
            )
        except InputError as error:
            # as_sample calls it the data; here it is the reference.
            text = str(error)
            if text.startswith("data:"):
                raise InputError(f"reference:{text[5:]}") from None
            raise

    @property
    def name(self) -> str:
        """``"reference"``, or ``"reference(rotation)"``."""
        return "reference(rotation)" if self.rotation else "reference"

    def __repr__(self) -> str:
        source = self.sample.source or "array"
        return f"Reference({source!r}, n={self.sample.n}, d={self.sample.d})"

    def one_row_each(self, seed: int) -> Reference:
        """Return the reference with one row of each group; itself where it has no groups."""
        if self.sample.groups is None:
            return self
        return Reference(one_row_each(self.sample, seed), rotation=self.rotation)

    def canonical(self, sample: Sample) -> NoReturn:
        """Raise an error: a reference has no normal scale.

        Raises
        ------
        InputError
            Always; the message names the functions that compare samples.
        """
        raise InputError(
            "target: got a Reference, but this function does not compare samples; use "
            "dmtest.compare, dmtest.report, dmtest.run_test or dmtest.run_tests."
        )


def is_file(data: Any) -> bool:
    """Whether `data` names a file."""
    return isinstance(data, str | os.PathLike)
