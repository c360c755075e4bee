"""Unsigned integers that sort as stored pixels do, so that one kernel serves several dtypes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["comparable", "comparable_cut"]


def comparable(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Pixels as a dtype that compiled loops compare natively.

    Parameters
    ----------
    pixels : numpy.ndarray
        bool, uint8, uint16, float16 or float32, any shape.

    Returns
    -------
    numpy.ndarray
        Same shape: bool as uint8; float16 as uint16 keys in the order of the values, both zeros
        1 key and NaN key 0, below all values; others unchanged.
    """
    if pixels.dtype == np.bool_:
        return pixels.view(np.uint8)
    if pixels.dtype == np.float16:
        flat = np.ascontiguousarray(pixels).view(np.uint16).ravel()
        keys = np.empty_like(flat)
        _half_keys(flat, keys)
        return keys.reshape(pixels.shape)
    return pixels


@lru_cache(maxsize=1024)
def comparable_cut(cut: float, dtype: np.dtype[Any]) -> Any | None:
    """Cut-off for `comparable` pixels: ``stored >= cut`` iff ``comparable(stored) >= result``.

    Parameters
    ----------
    cut : float
        Cut-off in stored units, compared in float64; infinities allowed.
    dtype : numpy.dtype
        Of the stored pixels.

    Returns
    -------
    numpy.generic or None
        Scalar of the dtype that `comparable` returns; None where no storable pixel reaches `cut`.
        NaN pixels are below every result.
    """
    if dtype == np.float32:
        with np.errstate(over="ignore"):
            near = np.float32(cut)
        return np.nextafter(near, np.float32(np.inf)) if float(near) < cut else near
    if dtype == np.float16:
        values, keys = _half_values()
        place = int(np.searchsorted(values, cut))
        return np.uint16(keys[place]) if place < len(keys) else None
    top = 1 if dtype == np.bool_ else np.iinfo(dtype).max
    if cut > top:
        return None
    target = np.uint8 if dtype == np.bool_ else dtype.type
    return target(max(0, np.ceil(cut)))


@lru_cache(maxsize=1)
def _half_values() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint16]]:
    """All float16 values in ascending order, and their keys."""
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    keys = comparable(halves)
    kept = ~np.isnan(halves)
    order = np.argsort(keys[kept], kind="stable")
    return halves[kept][order].astype(np.float64), keys[kept][order]


@numba.njit(cache=True, nogil=True)
def _half_keys(bits: Any, keys: Any) -> None:
    for i in range(bits.size):
        b = bits[i]
        if (b & 0x7FFF) > 0x7C00:
            keys[i] = 0
        elif b > 0x8000:
            keys[i] = ~b
        else:
            keys[i] = b | 0x8000
