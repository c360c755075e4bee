"""What a query is asked of, and what comes back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

import numpy as np
import pyarrow as pa

Domain = tuple[float, float]

ARROW_TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "bool": pa.bool_(),
    "box": pa.list_(pa.int32(), 4),
    "boxes": pa.list_(pa.list_(pa.int32(), 4)),
}


class Refusal(Exception):
    """The query cannot be answered."""


@dataclass(frozen=True)
class Refused:
    """The query must be refused, or must fail, for this reason."""

    reason: str


@dataclass(frozen=True)
class Answer:
    """A table.

    A column is named None where the language does not say what an expression without an alias
    is called. ``kinds`` are int, float, str, bool, box, boxes, or null for a bare NULL.
    """

    columns: list[str | None]
    rows: list[tuple[Any, ...]]
    kinds: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Collection:
    """Masks with their metadata.

    ``columns`` gives each metadata column its kind (int, float, str, bool, box, boxes), since a
    column of NULLs alone would not tell; its order is the order of ``*``.
    """

    masks: list[np.ndarray]
    rows: list[dict[str, Any]]
    columns: dict[str, str]
    domain: Domain = (0.0, 1.0)
    nan: str = "reject"

    @cached_property
    def values(self) -> list[np.ndarray]:
        """The float64 pixel values of every mask."""
        return [pixel_values(mask, self.domain) for mask in self.masks]

    def table(self) -> pa.Table:
        """The metadata as an engine takes it in."""
        arrays = {
            name: pa.array([row[name] for row in self.rows], ARROW_TYPES[kind])
            for name, kind in self.columns.items()
        }
        return pa.table(arrays)

    def read(self, index: int, column: str) -> Any:
        """One metadata value; NaN reads as NULL, a zero has no sign."""
        value = self.rows[index][column]
        if value is None or self.columns[column] != "float":
            return value
        return finite(float(value))


def finite(value: float) -> float | None:
    """A float result: NULL unless finite, and zero without a sign."""
    return value + 0.0 if math.isfinite(value) else None


@cache
def integer_value(k: Fraction, k_max: int, domain: Domain) -> float:
    """``lo + (hi - lo) * (k / k_max)``, rounded once from the rational value."""
    lo, hi = Fraction(domain[0]), Fraction(domain[1])
    return float(lo + (hi - lo) * k / k_max)


def scaled(numbers: np.ndarray, divisor: int, k_max: int, domain: Domain) -> np.ndarray:
    """The values of ``numbers / divisor`` as stored integers, each distinct one worked out once."""
    distinct, where = np.unique(numbers, return_inverse=True)
    values = [integer_value(Fraction(int(k), divisor), k_max, domain) for k in distinct]
    return np.array(values, np.float64)[where].reshape(numbers.shape)


def pixel_values(mask: np.ndarray, domain: Domain) -> np.ndarray:
    """The float64 value of every pixel of a mask as stored."""
    if mask.dtype.kind == "u":
        return scaled(mask, 1, np.iinfo(mask.dtype).max, domain)
    return mask.astype(np.float64)
