"""Which masks a collection takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from masksearch_ray.errors import DataError
from masksearch_ray.model.values import DTYPES, Domain, pixel_values

__all__ = ["MOST_PIXELS", "as_mask", "check_size", "check_values", "each_mask"]

MOST_PIXELS = 1 << 27
"""Pixels that a mask may have: what claims more is damaged, or would not fit into memory."""

_ACCEPTED = ", ".join(DTYPES[:-1]) + f" or {DTYPES[-1]}"


def each_mask(masks: npt.NDArray[Any] | Iterable[Any]) -> Iterator[Any]:
    """Masks of an array ``(N, H, W)`` or of an iterable, one by one.

    Raises
    ------
    DataError
        If `masks` is neither.
    """
    if isinstance(masks, np.ndarray) and masks.ndim != 3:
        raise DataError(
            f"masks: an array (N, H, W) or an iterable of arrays (H, W) is wanted, not an array "
            f"of {masks.ndim} dimensions"
        )
    if isinstance(masks, str | bytes | dict) or not isinstance(masks, Iterable):
        raise DataError(
            f"masks: an array (N, H, W) or an iterable of arrays (H, W) is wanted, not "
            f"{type(masks).__name__}"
        )
    return iter(masks)


def check_size(height: int, width: int, name: str) -> None:
    """Refuse masks of too many pixels.

    Raises
    ------
    DataError
        The text names the mask.
    """
    if height * width > MOST_PIXELS:
        raise DataError(f"{name} has {height} x {width} pixels; a mask has at most {MOST_PIXELS:,}")


def as_mask(mask: Any, name: str) -> npt.NDArray[Any]:
    """Take a mask as an array of this machine's byte order.

    Parameters
    ----------
    mask : array-like
    name : str
        Of the mask, for errors.

    Raises
    ------
    DataError
        If its rank or dtype is not accepted, or it holds no pixel or too many.
    """
    try:
        array = np.asarray(mask)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{name}: no array: {error}") from error
    if array.ndim != 2:
        raise DataError(f"{name} has {array.ndim} dimensions; 2 (height, width) are wanted")
    if array.dtype.name not in DTYPES:
        raise DataError(f"{name} has dtype {array.dtype}; accepted are {_ACCEPTED}")
    height, width = array.shape
    if array.size == 0:
        raise DataError(f"{name} is empty: {height} x {width} pixels")
    check_size(height, width, name)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_values(
    masks: npt.NDArray[Any], names: Iterable[str], domain: Domain, nan: Literal["reject", "keep"]
) -> bool:
    """Whether any mask holds NaN, once all their values are known to be in order.

    Parameters
    ----------
    masks : numpy.ndarray
        Shape ``(N, H, W)``.
    names : iterable of str
        Of the masks, for errors.
    domain : Domain
    nan : {"reject", "keep"}

    Raises
    ------
    DataError
        If a mask holds an infinite value, a value outside the domain, or NaN that is rejected;
        the text names the mask, the first such pixel and its value.
    """
    if masks.dtype.kind == "u":
        return False
    lowest, highest = (float(x) for x in pixel_values(_ends(masks), domain))
    if domain.lo <= lowest and highest <= domain.hi:
        return False
    values = masks.astype(np.float64)
    wrong = ~((values >= domain.lo) & (values <= domain.hi))
    missing = np.isnan(values)
    if nan == "keep":
        wrong &= ~missing
    if wrong.any():
        mask, y, x = (int(place) for place in np.argwhere(wrong)[0])
        name = [*names][mask]
        raise DataError(_told(name, x, y, float(masks[mask, y, x]), domain))
    return bool(missing.any())


def _ends(masks: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Smallest and largest value; NaN where there is any."""
    return np.array([masks.min(), masks.max()])


def _told(name: str, x: int, y: int, value: float, domain: Domain) -> str:
    where = f"{name}: pixel (x={x}, y={y}) is {value}"
    if np.isnan(value):
        return f"{where}, which this collection rejects (nan='reject')"
    return f"{where}, outside the value domain [{domain.lo}, {domain.hi}]"
