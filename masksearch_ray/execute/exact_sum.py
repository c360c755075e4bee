"""Exact sums of floats: mergeable, and rounded only once.

Every finite float64 is a whole multiple of 2**-1074, so a sum is a Python integer in that unit
and its order does not matter (as in Shewchuk's exact sums, "Adaptive Precision Floating-Point
Arithmetic", 1997, with one wide accumulator in place of an expansion).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.arithmetic import magnitude
from masksearch_ray.execute.interval import Array, narrow

__all__ = ["UNIT", "group_sums"]

UNIT = 1 << 1074
"""Units in 1.0."""

_EXPONENTS, _BIAS = 4096, 1100  # frexp gives exponents from -1073 to 1024


def group_sums(codes: npt.NDArray[np.int64], groups: int, values: Array) -> Array:
    """Exact sums of values by group.

    Parameters
    ----------
    codes : numpy.ndarray
        int64 ``(N,)``: group of each value.
    groups : int
    values : numpy.ndarray
        float64 ``(N,)``, finite; or int64 or object of Python ints.

    Returns
    -------
    numpy.ndarray
        ``(groups,)``, int64 or object of Python ints: in units of 2**-1074 for floats, of 1 for
        integers.
    """
    if values.dtype == np.float64:
        return _float_sums(codes, groups, values)
    if values.dtype != object and magnitude(values) * len(values) >= 2**63:
        values = values.astype(object)
    sums = np.full(groups, 0, values.dtype)
    np.add.at(sums, codes, values)
    return narrow(sums)


def _float_sums(codes: npt.NDArray[np.int64], groups: int, values: Array) -> Array:
    sums = np.full(groups, 0, object)
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    # value == whole * 2**(exponent - 53)
    bucket = codes * _EXPONENTS + (exponent.astype(np.int64) + _BIAS)
    unique, inverse = np.unique(bucket, return_inverse=True)
    high, low = _halves(inverse, len(unique), whole)
    group, biased = np.divmod(unique, _EXPONENTS)
    shift = biased - _BIAS - 53 + 1074
    for at, by, top, bottom in zip(
        group.tolist(), shift.tolist(), high.tolist(), low.tolist(), strict=True
    ):
        total = (top << 32) + bottom
        # A negative shift only meets subnormals, whose low bits are zeros.
        sums[at] += total << by if by >= 0 else total >> -by
    return sums


def _halves(codes: npt.NDArray[np.int64], groups: int, whole: Array) -> tuple[Array, Array]:
    # 32-bit halves add up without overflow for up to 2**31 values.
    high, low = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    np.add.at(high, codes, whole >> 32)
    np.add.at(low, codes, whole & 0xFFFFFFFF)
    return high, low
