"""Types of arrays that all rooms share."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# Of any shape: docstrings say which.
Vector: TypeAlias = NDArray[np.float64]
