"""Pixel values: domains, dtypes and value ranges.

Every range of values is brought to one canonical form, the half-open interval ``[start, stop)``
of float64 values; every comparison with stored pixels follows from it by an exact cut-off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.errors import InputError

__all__ = [
    "DTYPES",
    "Domain",
    "ValueRange",
    "bin_edges",
    "k_max",
    "pixel_values",
    "stored_cut",
    "value_table",
]

DTYPES = ("uint8", "uint16", "float16", "float32", "bool")
_K_MAX = {"uint8": 255, "uint16": 65535, "bool": 1}
_ENDS = ("[]", "[)", "(]", "()")


@dataclass(frozen=True)
class Domain:
    """The closed interval ``[lo, hi]`` of pixel values of a collection.

    Parameters
    ----------
    lo, hi : float
        Finite, ``lo < hi``.
    """

    lo: float = 0.0
    hi: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lo) and math.isfinite(self.hi) and self.lo < self.hi):
            raise InputError(f"value domain ({self.lo}, {self.hi}): finite and lo < hi wanted")


def k_max(dtype: str) -> int | None:
    """Largest stored integer of an integer or bool dtype; None for floats."""
    return _K_MAX.get(dtype)


@lru_cache(maxsize=32)
def value_table(dtype: str, domain: Domain) -> npt.NDArray[np.float64]:
    """Values of all stored integers of a dtype.

    Parameters
    ----------
    dtype : {"uint8", "uint16", "bool"}
    domain : Domain

    Returns
    -------
    numpy.ndarray
        float64, shape ``(k_max + 1,)``, non-decreasing: ``lo + (hi - lo) * k / k_max`` rounded
        once from the rational value; 0 and 1 for bool, whatever the domain.
    """
    top = _K_MAX[dtype]
    if dtype == "bool":
        table = np.array([0.0, 1.0])
    elif (domain.lo, domain.hi) == (0.0, 1.0):
        table = np.arange(top + 1) / np.float64(top)
    else:
        lo, span = Fraction(domain.lo), Fraction(domain.hi) - Fraction(domain.lo)
        table = np.array([float(lo + span * k / top) for k in range(top + 1)])
    table.setflags(write=False)
    return table


def pixel_values(mask: npt.NDArray[Any], domain: Domain) -> npt.NDArray[np.float64]:
    """Values of stored pixels as float64, of the shape of `mask`."""
    if mask.dtype.kind == "f":
        return mask.astype(np.float64)
    return value_table(mask.dtype.name, domain)[mask.astype(np.intp)]


@lru_cache(maxsize=4096)
def stored_cut(value: float, dtype: str, domain: Domain) -> float:
    """Cut-off ``c`` in stored units such that ``pixel value >= value`` iff ``stored >= c``.

    Parameters
    ----------
    value : float
        A threshold in the units of the domain; infinities allowed, NaN not.
    dtype : str
        One of `DTYPES`.
    domain : Domain

    Returns
    -------
    float
        For integers and bool a whole number in ``[0, k_max + 1]``; for floats `value` itself,
        to be compared in float64.
    """
    if dtype not in _K_MAX:
        return float(value)
    return float(np.searchsorted(value_table(dtype, domain), value, side="left"))


@dataclass(frozen=True)
class ValueRange:
    """Values ``v`` with ``start <= v < stop``.

    Parameters
    ----------
    start, stop : float
        float64; infinities allowed. ``start >= stop`` holds no value.
    """

    start: float
    stop: float

    @classmethod
    def of(cls, lv: float, uv: float, domain: Domain, ends: str | None = None) -> ValueRange:
        """Range named by ``(lv, uv)`` and ends as in the query language.

        Parameters
        ----------
        lv, uv : float
            Lower and upper value, ``lv <= uv``; infinities allowed.
        domain : Domain
            Where `uv` is at or above ``domain.hi`` and `ends` is None, the upper end is included.
        ends : {"[]", "[)", "(]", "()"}, optional

        Raises
        ------
        InputError
            `lv` or `uv` is NaN, ``lv > uv``, or `ends` is unknown.
        """
        lv, uv = float(lv), float(uv)
        if math.isnan(lv) or math.isnan(uv):
            raise InputError("a value range cannot hold NaN")
        if lv > uv:
            raise InputError(f"value range ({lv}, {uv}): the lower value exceeds the upper")
        if ends is not None and ends not in _ENDS:
            raise InputError(f"ends {ends!r}: one of '[]', '[)', '(]', '()' wanted")
        if ends is None:
            ends = "[]" if uv >= domain.hi else "[)"
        start = lv if ends[0] == "[" else math.nextafter(lv, math.inf)
        stop = uv if ends[1] == ")" else math.nextafter(uv, math.inf)
        return cls(start, stop)

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the range."""
        return self.start <= value < self.stop


@lru_cache(maxsize=256)
def bin_edges(domain: Domain, bins: int) -> tuple[float, ...]:
    """Edges of equal bins: the correctly rounded doubles of ``lo + (hi - lo) * i / bins``.

    Returns
    -------
    tuple of float
        ``bins + 1`` edges, ascending, the first ``lo``, the last ``hi``.
    """
    if bins < 1:
        raise InputError(f"bins = {bins}: at least 1 wanted")
    lo, span = Fraction(domain.lo), Fraction(domain.hi) - Fraction(domain.lo)
    return tuple(float(lo + span * i / bins) for i in range(bins + 1))
