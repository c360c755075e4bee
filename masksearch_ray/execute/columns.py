"""Metadata columns (Arrow) as intervals and as boxes, and intervals as Arrow columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from masksearch_ray.errors import QueryError
from masksearch_ray.execute.interval import Array, Bools, Interval, narrow
from masksearch_ray.model.query import Type

__all__ = ["Boxes", "arrow_of", "boxes_of", "interval_of", "nan_to_null"]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of N rows.

    Parameters
    ----------
    offsets : numpy.ndarray or None
        int64 ``(N + 1,)`` into `boxes` for a column of lists; None for one box a row.
    boxes : numpy.ndarray
        int32 ``(K, 4)``: ``x0, y0, x1, y1``; K = N without offsets.
    null : numpy.ndarray
        bool ``(N,)``.
    """

    offsets: npt.NDArray[np.int64] | None
    boxes: npt.NDArray[np.int32]
    null: Bools


def interval_of(column: pa.ChunkedArray, type_: Type) -> Interval:
    """Read a metadata column as exact values; NaN reads as NULL."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        return Interval.constant(None, type_, len(array))
    null = array.is_null(nan_is_null=type_ == "float").to_numpy(zero_copy_only=False)
    if type_ == "int":
        return Interval.points("int", _integers(array), null)
    if type_ == "float":
        values = pc.fill_null(pc.cast(array, pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        return _finite(values, null)
    if type_ == "bool":
        values = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
        return Interval.points("bool", values, null)
    if type_ == "string":
        values = pc.fill_null(pc.cast(array, pa.string()), "").to_numpy(zero_copy_only=False)
        return Interval.points("string", values.astype(object), null)
    return Interval.points(type_, np.full(len(array), None, object), null)


def _integers(array: pa.Array) -> Array:
    filled = pc.fill_null(array, 0)
    if pa.types.is_uint64(array.type):
        wide: Array = filled.to_numpy(zero_copy_only=False)
        return wide.astype(object) if (wide >= 2**63).any() else wide.astype(np.int64)
    whole: Array = pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False)
    return whole


def _finite(values: npt.NDArray[np.float64], null: Bools) -> Interval:
    bad = null | ~np.isfinite(values)
    return Interval.points("float", values, bad)


def nan_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Bring a column to how it is shown: NaN reads as NULL."""
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    return column


def boxes_of(column: pa.ChunkedArray) -> Boxes:
    """Read a column of boxes, or of lists of boxes."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    null = array.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_fixed_size_list(array.type):
        return Boxes(None, _quads(array), null)
    counts = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return Boxes(offsets, _quads(array.flatten()), null)


def _quads(array: pa.FixedSizeListArray) -> npt.NDArray[np.int32]:
    quads = np.zeros((len(array), 4), np.int32)
    held = array.is_valid().to_numpy(zero_copy_only=False)
    flat = array.flatten()  # leaves out the values under null lists
    quads[held] = pc.fill_null(pc.cast(flat, pa.int32()), 0).to_numpy().reshape(-1, 4)
    return quads


_ARROW = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "null": pa.null(),
}


def arrow_of(values: Interval, name: str) -> pa.Array:
    """Write exact values as an Arrow column.

    Raises
    ------
    QueryError
        An integer does not fit int64.
    """
    kind = _ARROW[values.type]
    if values.type == "null":
        return pa.nulls(len(values))
    lower = values.lower
    if values.type == "int" and lower.dtype == object:
        lower = narrow(lower)
        if lower.dtype == object:
            raise QueryError(
                f"column {name!r}: a value does not fit a 64-bit integer",
                hint="CAST an operand to DOUBLE",
            )
    if values.type == "float":
        lower = lower + 0.0  # a zero has no sign
    return pa.array(lower, kind, mask=np.asarray(values.surely_null), from_pandas=False)
