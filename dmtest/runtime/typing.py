"""Array types that all rooms share."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# Any shape; docstrings state which.
Vector: TypeAlias = NDArray[np.float64]
