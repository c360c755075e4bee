"""Masks in a column of an Arrow table: tensors, nested lists, flat lists with a shape."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from masksearch_ray.collection.sources.types import Mask
from masksearch_ray.errors import DataError

__all__ = ["find_column", "masks_of"]

Shape = tuple[int | None, ...]

_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
)


def find_column(schema: pa.Schema, name: str | None) -> str:
    """Name of the column that holds the masks.

    Parameters
    ----------
    schema : pyarrow.Schema
    name : str, optional
        As asked for; by default ``mask``, else the only column of tensors or nested lists.

    Raises
    ------
    DataError
        If there is no such column, or no telling which it is.
    """
    columns = ", ".join(repr(column) for column in schema.names)
    if name is not None:
        if schema.names.count(name) != 1:
            raise DataError(f"no one column {name!r}; there are {columns}")
        return name
    if schema.names.count("mask") == 1:
        return "mask"
    found = [field.name for field in schema if _is_tensor(field)]
    if len(found) != 1:
        raise DataError(f"which column holds the masks? Name one of {columns}")
    return str(found[0])


def masks_of(table: pa.Table, column: str, shape: tuple[int, int] | None = None) -> list[Mask]:
    """Masks of a column, one a row.

    Parameters
    ----------
    table : pyarrow.Table
    column : str
        A tensor (Arrow's fixed-shape extension, or Ray's), a list of lists, or a flat list.
    shape : (int, int), optional
        Height and width of masks in flat lists; otherwise it is taken from the field's metadata
        (``shape``), from columns ``height`` and ``width``, or from a column ``<column>_shape``.

    Raises
    ------
    DataError
        If the column holds nulls, ragged rows, or values that are no numbers.
    """
    field = table.schema.field(column)
    masks: list[Mask] = []
    start = 0
    for chunk in table.column(column).chunks:
        storage = chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk
        if storage.null_count:
            row = start + int(pc.index(pc.is_null(storage), True).as_py())
            raise DataError(f"column {column!r}: no mask in row {row}")
        try:
            masks += _masks(storage, field, table.slice(start, len(chunk)), shape)
        except DataError as error:
            raise DataError(f"column {column!r}: {error}") from None
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(f"column {column!r} holds no masks: {error}") from error
        start += len(chunk)
    return masks


def _masks(
    storage: pa.Array, field: pa.Field, rows: pa.Table, shape: tuple[int, int] | None
) -> list[Mask]:
    if pa.types.is_struct(storage.type):
        shapes = storage.field("shape").to_pylist()
        return _split(storage.field("data"), shapes)
    if not _is_list(storage.type):
        raise DataError(f"values of type {storage.type}, which are no masks")
    if _is_list(storage.type.value_type):
        return _nested(storage)
    fixed = shape or _declared_shape(field)
    if fixed is None:
        return _split(storage, _row_shapes(rows, field.name))
    order = _permutation(field.type)
    masks = _split(storage, [fixed] * len(storage))
    return [mask.transpose(order) for mask in masks] if order else masks


def _split(lists: pa.Array, shapes: Sequence[Shape]) -> list[Mask]:
    """Give each list of values its shape."""
    pixels = _pixels(lists.flatten())
    stops = np.cumsum(pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    masks = []
    start = 0
    for row, (stop, shape) in enumerate(zip(stops, shapes, strict=True)):
        sides = [side for side in shape if side is not None and side >= 0]
        if len(sides) != len(shape) or math.prod(sides) != stop - start:
            raise DataError(f"row {row} has {stop - start} values for shape {tuple(shape)}")
        masks.append(pixels[start:stop].reshape(sides))
        start = int(stop)
    return masks


def _nested(storage: pa.Array) -> list[Mask]:
    heights = pc.list_value_length(storage).to_numpy(zero_copy_only=False)
    lines = storage.flatten()
    if lines.null_count:
        raise DataError("a mask with a missing line")
    if _is_list(lines.type.value_type):
        raise DataError("lists nested three deep; a mask is a list of lines")
    widths = pc.list_value_length(lines).to_numpy(zero_copy_only=False)
    pixels = _pixels(lines.flatten())
    masks = []
    line = start = 0
    for row, height in enumerate(heights):
        width = int(widths[line]) if height else 0
        if (widths[line : line + height] != width).any():
            raise DataError(f"the lines of row {row} differ in length")
        stop = start + int(height) * width
        masks.append(pixels[start:stop].reshape(int(height), width))
        line, start = line + int(height), stop
    return masks


def _pixels(values: pa.Array) -> npt.NDArray[Any]:
    if not (pa.types.is_boolean(values.type) or pa.types.is_primitive(values.type)):
        raise DataError(f"values of type {values.type}, which are no pixels")
    if values.null_count:
        raise DataError("a pixel is null")
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _declared_shape(field: pa.Field) -> Shape | None:
    """Shape that a tensor type, or the field's metadata, gives to every row."""
    found = getattr(field.type, "shape", None)
    metadata = field.metadata or {}
    if found is None and b"ray.data.arrow_tensor" in metadata.get(b"ARROW:extension:name", b""):
        found = json.loads(metadata[b"ARROW:extension:metadata"])
    if found is None and b"shape" in metadata:
        found = json.loads(metadata[b"shape"])
    return None if found is None else tuple(int(side) for side in found)


def _permutation(type_: pa.DataType) -> list[int] | None:
    return getattr(type_, "permutation", None)


def _row_shapes(rows: pa.Table, column: str) -> list[Shape]:
    names = rows.schema.names
    if f"{column}_shape" in names:
        return [tuple(shape or ()) for shape in rows.column(f"{column}_shape").to_pylist()]
    if "height" in names and "width" in names:
        sides = (rows.column(name).to_pylist() for name in ("height", "width"))
        return list(zip(*sides, strict=True))
    raise DataError(
        "flat lists of pixels; give their shape (height, width), or columns height and width"
    )


def _is_list(type_: pa.DataType) -> bool:
    return any(check(type_) for check in _LISTS)


def _is_tensor(field: pa.Field) -> bool:
    """Whether a column surely holds arrays, not plain lists."""
    type_ = field.type
    if isinstance(type_, pa.BaseExtensionType):
        return "tensor" in str(type_.extension_name)
    if b"tensor" in (field.metadata or {}).get(b"ARROW:extension:name", b""):
        return True
    return _is_list(type_) and _is_list(type_.value_type)
