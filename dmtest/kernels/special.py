"""Branch-free elementary functions that LLVM vectorises inside a caller's loop.

numba calls libm for exp and log one value at a time. These functions run on eight (float64) or
sixteen (float32) values at a time and are accurate to a few units in the last place on the
ranges that their docstrings state. Tests compare them with references of mpmath accuracy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# Flags of loops: sums vectorise by reassociation; NaN and infinity keep their meaning.
FAST = {"reassoc", "contract", "arcp", "nsz"}
# Flags of these functions: the two-part range reductions must be evaluated as written.
EXACT = {"contract", "nsz"}

LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
LOG2E = 1.4426950408889634


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def exp_neg(x: float) -> float:
    """exp(x) of a float64 x <= 0; 0 below -708."""
    y = max(x, -708.0)
    k = np.floor(y * LOG2E + 0.5)
    r = (y - k * LN2_HIGH) - k * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    scale = np.int64((np.int64(k) + 1023) << 52).view(np.float64)
    return p * scale if x > -708.0 else 0.0


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def exp_neg32(x: np.float32) -> np.float32:
    """exp(x) of a float32 x <= 0, relative error below 3e-7; 0 below -87."""
    y = max(x, np.float32(-87.0))
    k = np.floor(y * np.float32(LOG2E) + np.float32(0.5))
    r = (y - k * np.float32(0.693359375)) + k * np.float32(2.12194440e-4)
    p = np.float32(1.0 / 5040.0)
    p = p * r + np.float32(1.0 / 720.0)
    p = p * r + np.float32(1.0 / 120.0)
    p = p * r + np.float32(1.0 / 24.0)
    p = p * r + np.float32(1.0 / 6.0)
    p = p * r + np.float32(0.5)
    p = p * r + np.float32(1.0)
    p = p * r + np.float32(1.0)
    scale = np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
    return p * scale if x > np.float32(-87.0) else np.float32(0.0)


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def exp64(x: float) -> float:
    """exp(x) of a float64; 0 below -708, and exp(708) above 708."""
    return exp_neg(min(x, 708.0))


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def exp32(x: np.float32) -> np.float32:
    """exp(x) of a float32, relative error below 3e-7; 0 below -87, and exp(87) above 87."""
    return exp_neg32(min(x, np.float32(87.0)))


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def exp2_64(x: float) -> float:
    """2^x of a float64, relative error below 1e-15; 0 below -1021, and 2^1021 above 1021."""
    y = min(max(x, -1021.0), 1021.0)
    # Adding 1.5 * 2^52 rounds to a whole number, which is then in the lowest bits.
    rounded = np.float64(y + 6755399441055744.0)
    r = y - (rounded - 6755399441055744.0)
    p = 4.455817908336064493e-10
    p = p * r + 7.0741942972885210056e-9
    p = p * r + 1.0178057087733941105e-7
    p = p * r + 1.3215432535912376166e-6
    p = p * r + 0.000015252733841556772589
    p = p * r + 0.00015403530463724354209
    p = p * r + 0.0013333558146406470697
    p = p * r + 0.0096181291075872566681
    p = p * r + 0.055504108664821627039
    p = p * r + 0.24022650695910159567
    p = p * r + 0.69314718055994530925
    p = p * r + 1.0
    power = np.int64(rounded.view(np.int64) << 52)
    value = np.int64(np.float64(p).view(np.int64) + power).view(np.float64)
    return value if x > -1021.0 else 0.0


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def exp2_32(x: np.float32) -> np.float32:
    """2^x of a float32, relative error below 2e-7; 0 below -125, and 2^126 above 126."""
    y = np.float32(min(max(x, np.float32(-125.0)), np.float32(126.0)))
    rounded = np.float32(y + np.float32(12582912.0))
    r = y - (rounded - np.float32(12582912.0))
    p = np.float32(0.00015461444698569129083)
    p = p * r + np.float32(0.001340042817761583794)
    p = p * r + np.float32(0.0096180566785246380754)
    p = p * r + np.float32(0.055503272266703020589)
    p = p * r + np.float32(0.24022650922288758071)
    p = p * r + np.float32(0.69314720670283259577)
    p = p * r + np.float32(1.0)
    power = np.int32(rounded.view(np.int32) << np.int32(23))
    value = np.int32(np.float32(p).view(np.int32) + power).view(np.float32)
    return value if x > np.float32(-125.0) else np.float32(0.0)


def exp2_any(x: Any) -> Any:
    """2^x by exp2_64 or exp2_32, by the type of x, for kernels that run in both precisions."""
    return np.exp2(x)


@overload(exp2_any)
def _exp2_any(x: Any) -> Any:
    def single(x: Any) -> Any:
        return exp2_32(x)

    def double(x: Any) -> Any:
        return exp2_64(x)

    return single if x == types.float32 else double


def exp_any(x: Any) -> Any:
    """exp(x) by exp64 or exp32, by the type of x, for kernels that run in both precisions."""
    return np.exp(x)


@overload(exp_any)
def _exp_any(x: Any) -> Any:
    # numba requires the same annotations on both levels.
    def single(x: Any) -> Any:
        return exp32(x)

    def double(x: Any) -> Any:
        return exp64(x)

    return single if x == types.float32 else double


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def log_pos(x: float) -> float:
    """log(x) of a normal float64 x > 0; -inf at 0.

    x = 2^k m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh((m - 1) / (m + 1)).
    """
    bits = np.float64(x).view(np.int64)
    k = (bits >> 52) - 1023
    m = np.int64((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
    big = m > 1.4142135623730951
    m = 0.5 * m if big else m
    e = np.float64(k) + (1.0 if big else 0.0)
    s = (m - 1.0) / (m + 1.0)
    value = e * LN2_HIGH + (atanh_twice(s) + e * LN2_LOW)
    return value if x > 0.0 else -np.inf


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def atanh_twice(s: float) -> float:
    """2 atanh(s) for |s| <= 0.172."""
    w = s * s
    p = 2.0 / 23.0
    p = p * w + 2.0 / 21.0
    p = p * w + 2.0 / 19.0
    p = p * w + 2.0 / 17.0
    p = p * w + 2.0 / 15.0
    p = p * w + 2.0 / 13.0
    p = p * w + 2.0 / 11.0
    p = p * w + 2.0 / 9.0
    p = p * w + 2.0 / 7.0
    p = p * w + 2.0 / 5.0
    p = p * w + 2.0 / 3.0
    return s * (p * w + 2.0)


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def log_one_minus(p: float) -> float:
    """log(1 - p) for 0 <= p <= 1/2, with full relative accuracy near 0."""
    # For p > 0.29 move the argument nearer to 1: log(1-p) = log((1-p) sqrt 2) - log(sqrt 2).
    big = p > 0.2928932188134524
    w = (1.0 - p) * 1.4142135623730951 if big else 1.0 - p
    num = w - 1.0 if big else -p
    return atanh_twice(num / (w + 1.0)) - (0.34657359027997264 if big else 0.0)


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def scaled_upper_tail(a: float) -> float:
    """Phi(-a) exp(a^2 / 2) for a >= 0.

    (1 + 2x) erfcx(x), x = a / sqrt 2, is smooth in t = (x - 3.75) / (x + 3.75) on
    [-1, 1] including infinity (the change of variable of Shepherd & Laframboise 1981);
    the coefficients are its Chebyshev interpolant computed with 50 digits.
    """
    x = a * 0.7071067811865476
    t = (x - 3.75) / (x + 3.75)
    # No loop over an array of coefficients: LLVM would not vectorise the caller.
    p = -2.623107459747668e-09
    p = p * t - 1.9551359151388754e-09
    p = p * t + 3.197926733604639e-08
    p = p * t + 1.8790823379022497e-08
    p = p * t - 2.4857126394415325e-07
    p = p * t - 5.084465414874674e-08
    p = p * t + 1.7419821605685549e-06
    p = p * t - 9.792625702633716e-07
    p = p * t - 1.143804803494536e-05
    p = p * t + 2.2387565714545857e-05
    p = p * t + 5.1646529742613335e-05
    p = p * t - 0.00029015535246059706
    p = p * t + 0.0002937143780446766
    p = p * t + 0.0017556261651970103
    p = p * t - 0.009746579683265203
    p = p * t + 0.02836227737211115
    p = p * t - 0.05869339857664935
    p = p * t + 0.09230432116428125
    p = p * t - 0.10880393014244462
    p = p * t + 0.08227673848999506
    p = p * t + 0.0035854154854790257
    p = p * t - 0.14024059858554525
    p = p * t + 1.2375126308378275
    return 0.5 * p / (1.0 + 2.0 * x)


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def chebyshev(x: Vector, coefficients: Vector, out: Vector) -> None:
    """Fill `out` with a Chebyshev series at `x` in [-1, 1] (Clenshaw's recurrence).

    At least two coefficients; 256 values are computed at a time.
    """
    last, before = np.empty(256), np.empty(256)
    for start in range(0, x.size, 256):
        part = x[start : start + 256]
        size = part.size
        last[:] = coefficients[-1]
        before[:] = 0.0
        for j in range(coefficients.size - 2, 0, -1):
            here = coefficients[j]
            for i in range(size):
                value = here + 2.0 * part[i] * last[i] - before[i]
                before[i] = last[i]
                last[i] = value
        for i in range(size):
            out[start + i] = coefficients[0] + part[i] * last[i] - before[i]
