"""Check of what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmtest.errors import InputError


def refused(said: str, function: Callable[..., object], /, *args: Any, **options: Any) -> None:
    """Check that a call raises InputError with a message that matches `said`."""
    with pytest.raises(InputError, match=said):
        function(*args, **options)
