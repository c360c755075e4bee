"""Columns of boxes: recognised, checked, and as arrays of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from masksearch_ray.collection.specs import BOX, BOXES
from masksearch_ray.errors import DataError
from masksearch_ray.index.region import Boxes, BoxLists

__all__ = ["as_boxes", "box_arrays", "boxes_beyond"]

_INT32 = np.iinfo(np.int32)


def as_boxes(
    array: pa.Array, name: str, wanted: pa.DataType | None = None, first: int = 0
) -> pa.Array | None:
    """Column of boxes, or of lists of boxes, that `array` holds; None where it holds neither.

    Parameters
    ----------
    array : pyarrow.Array
        Lists of four integers are boxes, lists of such lists are lists of boxes.
    name : str
        Of the column, for errors.
    wanted : pyarrow.DataType, optional
        Type of the column in the collection, where it has it already.
    first : int
        Number of the first row, for errors.

    Raises
    ------
    DataError
        If a box has x1 < x0 or y1 < y0, lacks a corner or exceeds int32, or the column is one
        of boxes in the collection and these are none.
    """
    if not _is_list(array.type):
        return None
    if _is_list(array.type.value_type):
        return _box_lists(array, name, wanted, first)
    rows = np.arange(len(array)) + first
    return _boxes(array, name, wanted == BOX, wanted in (None, BOX), rows)


def box_arrays(column: pa.ChunkedArray) -> Boxes | BoxLists:
    """Boxes, or lists of boxes, of a column as numbers; zeros where a box is null."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    null = array.is_null().to_numpy(zero_copy_only=False)
    if array.type == BOX:
        boxes = np.zeros((len(array), 4), np.int32)
        boxes[~null] = _flat(array).reshape(-1, 4)
        return Boxes(boxes, null)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return BoxLists(offsets, _flat(pc.list_flatten(array)).reshape(-1, 4), null)


def boxes_beyond(
    column: pa.ChunkedArray, heights: npt.NDArray[np.int64], widths: npt.NDArray[np.int64]
) -> int:
    """Rows of which a box reaches beyond the mask.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Boxes or lists of boxes, N rows.
    heights, widths : numpy.ndarray
        int64, shape ``(N,)``: pixels of the masks.
    """
    found = box_arrays(column)
    if isinstance(found, Boxes):
        rows = np.flatnonzero(~found.null)
        boxes = found.boxes[rows]
    else:
        rows = np.repeat(np.arange(len(found.null)), np.diff(found.offsets))
        boxes = found.boxes
    beyond = (boxes[:, :2] < 0).any(axis=1)
    beyond |= (boxes[:, 2] > widths[rows]) | (boxes[:, 3] > heights[rows])
    return len(np.unique(rows[beyond]))


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _flat(array: pa.Array) -> npt.NDArray[Any]:
    return np.asarray(pc.list_flatten(array.drop_null()).to_numpy(zero_copy_only=False))


def _box_lists(
    array: pa.Array, name: str, wanted: pa.DataType | None, first: int
) -> pa.Array | None:
    valid = array.is_valid()
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy().astype(np.int64)
    inner = pc.list_flatten(array)
    rows = np.repeat(np.arange(len(array)) + first, lengths)
    boxes = _boxes(inner, name, wanted == BOXES, wanted in (None, BOXES), rows)
    if boxes is None:
        return None
    if boxes.null_count:
        row = rows[int(np.argmax(boxes.is_null().to_numpy(zero_copy_only=False)))]
        raise DataError(f"row {row}, column {name!r}: a box of the list is missing")
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    # An offset that is null makes its list null.
    starts = pa.array(offsets, mask=np.append(~valid.to_numpy(zero_copy_only=False), False))
    return pa.ListArray.from_arrays(starts, boxes).cast(BOXES)


def _boxes(
    array: pa.Array, name: str, certain: bool, possible: bool, rows: npt.NDArray[np.int64]
) -> pa.Array | None:
    """Boxes of an array of lists of numbers, of which `rows` tells each one's row."""
    null = array.is_null().to_numpy(zero_copy_only=False)
    lengths = pc.list_value_length(array.drop_null()).to_numpy(zero_copy_only=False)
    numbers = array.type.value_type
    odd = np.flatnonzero(lengths != 4)
    if not certain:
        some = len(lengths) > 0 or pa.types.is_fixed_size_list(array.type)
        fixed = not pa.types.is_fixed_size_list(array.type) or array.type.list_size == 4
        if not (possible and some and fixed and pa.types.is_integer(numbers) and not len(odd)):
            return None
    kept = rows[~null]
    if len(odd):
        row, count = kept[odd[0]], lengths[odd[0]]
        raise DataError(f"row {row}, column {name!r}: a box has four numbers, not {count}")
    flat = pc.list_flatten(array.drop_null())
    if flat.null_count:
        row = kept[int(np.argmax(flat.is_null().to_numpy(zero_copy_only=False))) // 4]
        raise DataError(f"row {row}, column {name!r}: a number of the box is missing")
    try:
        values = flat.cast(pa.int64()).to_numpy().reshape(-1, 4)
    except pa.ArrowException as error:
        raise DataError(f"column {name!r}: boxes are whole numbers of pixels: {error}") from error
    _check(values, name, kept)
    filled = np.zeros((len(array), 4), np.int32)
    filled[~null] = values
    return pa.FixedSizeListArray.from_arrays(
        pa.array(filled.ravel()), type=BOX, mask=pa.array(null)
    )


def _check(boxes: npt.NDArray[np.int64], name: str, rows: npt.NDArray[np.int64]) -> None:
    large = (boxes < _INT32.min) | (boxes > _INT32.max)
    for wrong, why in (
        (large.any(axis=1), "exceeds int32"),
        (boxes[:, 2] < boxes[:, 0], "has x1 < x0"),
        (boxes[:, 3] < boxes[:, 1], "has y1 < y0"),
    ):
        if wrong.any():
            found = int(np.argmax(wrong))
            box = tuple(int(x) for x in boxes[found])
            raise DataError(f"row {rows[found]}, column {name!r}: box {box} {why}")
