"""Check of what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dmtest.errors import InputError


def refused(said: str, function: Callable[..., object], /, *args: Any, **options: Any) -> str:
    """Check that a call raises InputError whose message matches `said`; return the message."""
    with pytest.raises(InputError, match=said) as caught:
        function(*args, **options)
    return str(caught.value)
