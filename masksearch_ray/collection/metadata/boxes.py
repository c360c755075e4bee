"""Boxes as people write them, brought to pixel boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import pyarrow as pa

from masksearch_ray.errors import DataError

__all__ = ["BoxColumns", "PixelBox", "Size", "pixel_box"]

PixelBox = tuple[int, int, int, int]
Number = int | float | Decimal
Size = tuple[int, int]
"""Height and width of a mask."""

_LARGEST = 2**31 - 1
_DIGITS = 30


@dataclass(frozen=True)
class BoxColumns:
    """Metadata columns that hold one box a row.

    A box becomes the smallest box of whole pixels that holds it. Nulls mean no box.

    Parameters
    ----------
    columns : tuple of str
        Four columns of numbers, or one of lists of four.
    layout : {"corners", "size"}
        ``x0, y0, x1, y1``, or ``x, y, width, height`` as in COCO.
    image_size : (str, str), optional
        Columns with height and width of the image whose pixels the numbers count; boxes are
        scaled from it to the mask.
    """

    columns: tuple[str, ...]
    layout: Literal["corners", "size"] = "corners"
    image_size: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if len(self.columns) not in (1, 4):
            raise DataError(f"boxes from columns {self.columns}: one or four columns wanted")
        if self.layout not in ("corners", "size"):
            raise DataError(f"boxes of layout {self.layout!r}: 'corners' or 'size' wanted")

    def boxes(
        self, table: pa.Table, keys: Sequence[str], sizes: Sequence[Size]
    ) -> list[PixelBox | None]:
        """Pixel boxes of some rows.

        Raises
        ------
        DataError
            If a column is missing, or a box is no box; the text names the mask.
        """
        scales = self._images(table, len(keys))
        found: list[PixelBox | None] = []
        for row, numbers in enumerate(self._numbers(table)):
            missing = [number is None for number in numbers]
            if all(missing):
                found.append(None)
                continue
            try:
                if any(missing) or len(numbers) != 4:
                    raise DataError("four numbers wanted")
                box = pixel_box(numbers, self.layout, sizes[row], scales[row])
            except DataError as error:
                told = ", ".join(str(number) for number in numbers)
                raise DataError(f"{keys[row]}: box ({told}): {error}") from None
            found.append(box)
        return found

    def _numbers(self, table: pa.Table) -> list[list[Number]]:
        columns = [_column(table, name) for name in self.columns]
        if len(columns) == 4:
            return [list(numbers) for numbers in zip(*columns, strict=True)]
        return [list(box or ()) for box in columns[0]]

    def _images(self, table: pa.Table, rows: int) -> Sequence[Size | None]:
        if self.image_size is None:
            return [None] * rows
        heights, widths = (_column(table, name) for name in self.image_size)
        return [
            None if height is None or width is None else (height, width)
            for height, width in zip(heights, widths, strict=True)
        ]


def pixel_box(
    numbers: Sequence[Number],
    layout: Literal["corners", "size"],
    mask: Size,
    image: tuple[Any, Any] | None = None,
) -> PixelBox:
    """Smallest box of whole pixels that holds a box, computed without rounding.

    Parameters
    ----------
    numbers : sequence of numbers
        Four; a float counts as the shortest decimal that denotes it.
    layout : {"corners", "size"}
    mask : (int, int)
        Height and width of the mask.
    image : (int, int), optional
        Height and width of the image whose pixels the numbers count.

    Raises
    ------
    DataError
        If a number is not finite or too large, or the box ends before it begins.
    """
    if any(isinstance(n, bool) or not isinstance(n, int | float | Decimal) for n in numbers):
        raise DataError("numbers wanted")
    a, b, c, d = (_exact(number) for number in numbers)
    x0, y0, x1, y1 = (a, b, c, d) if layout == "corners" else (a, b, a + c, b + d)
    if x1 < x0 or y1 < y0:
        raise DataError("x1 < x0" if x1 < x0 else "y1 < y0")
    if image is not None and image != mask:
        if not all(isinstance(side, int) and side > 0 for side in image):
            raise DataError(f"an image of {image[0]} x {image[1]} pixels")
        down, across = Fraction(mask[0], image[0]), Fraction(mask[1], image[1])
        x0, y0, x1, y1 = x0 * across, y0 * down, x1 * across, y1 * down
    box = (math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))
    if max(abs(side) for side in box) > _LARGEST:
        raise DataError("it exceeds int32")
    return box


def _exact(number: Number) -> int | Fraction:
    if isinstance(number, int):
        return number
    decimal = Decimal(repr(number)) if isinstance(number, float) else number
    if not decimal.is_finite():
        raise DataError("a number is not finite")
    # A short text such as 1e999999 must not become a number of a million digits.
    if decimal != 0 and not -_DIGITS <= decimal.adjusted() <= _DIGITS:
        raise DataError("a number is too large or too small")
    return Fraction(decimal)


def _column(table: pa.Table, name: str) -> list[Any]:
    if name not in table.schema.names:
        raise DataError(f"no column {name!r} for boxes; there are {table.schema.names}")
    values = table.column(name).to_pylist()
    return [None if value != value else value for value in values]
