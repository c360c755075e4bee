"""Metadata as it is given, brought to one form: an Arrow table of plain types and boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from masksearch_ray.collection.boxes import as_boxes
from masksearch_ray.collection.specs import BOXES
from masksearch_ray.errors import DataError

__all__ = ["MASK_ID", "check_name", "merge_schemas", "normalise"]

MASK_ID = "mask_id"
_RESERVED = "__"
_LONGEST_NAME = 255


def normalise(rows: Any, schema: pa.Schema | None = None, first: int = 0) -> pa.Table:
    """Bring metadata to one form.

    Integers become int64, floats float64, text string, categories their values; lists of four
    integers become boxes. What the collection has already decides where a type is in doubt.

    Parameters
    ----------
    rows : pyarrow.Table, pandas.DataFrame, dict of columns, or any Arrow stream
    schema : pyarrow.Schema, optional
        Columns of the collection.
    first : int
        Number of the first row, for errors.

    Raises
    ------
    DataError
        If a column's name or content cannot be taken; the text names it.
    """
    known = {} if schema is None else {field.name: field.type for field in schema}
    arrays: dict[str, pa.Array] = {}
    for name, values in _columns(rows):
        check_name(name)
        if name in arrays:
            raise DataError(f"column {name!r} is given twice")
        array = _plain(_array(name, values), name)
        wanted = pa.int64() if name == MASK_ID else known.get(name)
        arrays[name] = _typed(array, name, wanted, first)
    _check_lengths({name: len(array) for name, array in arrays.items()})
    table = pa.table(arrays)
    if MASK_ID in arrays:
        _check_ids(table.column(MASK_ID), first)
    return table


def check_name(name: object) -> None:
    """Refuse what cannot be a column's name.

    Raises
    ------
    DataError
        If it is no text, empty, too long, holds control characters or lone surrogates, or
        begins with two underscores.
    """
    if not isinstance(name, str):
        raise DataError(f"column name {name!r}: text wanted")
    if not name or len(name) > _LONGEST_NAME:
        raise DataError(f"column name {name[:40]!r}: 1 to {_LONGEST_NAME} characters wanted")
    if not name.isprintable():
        raise DataError(f"column name {name!r} holds characters that cannot be printed")
    if name.startswith(_RESERVED):
        raise DataError(f"column name {name!r}: names in {_RESERVED}* are reserved")


def merge_schemas(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Columns of the collection after rows of another schema are added.

    Columns that are new come last; a column that held nothing but nulls takes the other's type.

    Raises
    ------
    DataError
        If a column changes its type.
    """
    types = {field.name: field.type for field in old}
    for field in new:
        if field.name == MASK_ID or field.name.startswith(_RESERVED):
            continue
        had = types.get(field.name, field.type)
        if _fits(had, field.type):
            had = field.type
        if not _fits(field.type, had):
            raise DataError(_changed(field.name, had, field.type))
        types[field.name] = had
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


def _fits(kind: pa.DataType, other: pa.DataType) -> bool:
    """Whether values of a type, as far as it has any, are values of the other."""
    if pa.types.is_list(kind) and pa.types.is_list(other):
        return _fits(kind.value_type, other.value_type)
    return bool(kind == other or pa.types.is_null(kind))


def _columns(rows: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(rows, Mapping):
        yield from rows.items()
    elif type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns"):
        for position, name in enumerate(rows.columns):
            yield name, rows.iloc[:, position]
    else:
        try:
            table = rows if isinstance(rows, pa.Table) else pa.table(rows)
        except (TypeError, ValueError, pa.ArrowException) as error:
            raise DataError(
                f"rows: an Arrow table, a pandas data frame or a dictionary of columns is "
                f"wanted, not {type(rows).__name__}"
            ) from error
        yield from zip(_arrow_names(table), table.columns, strict=True)


def _arrow_names(table: pa.Table) -> list[str]:
    try:
        return list(table.column_names)
    except UnicodeDecodeError as error:
        raise DataError(f"a column name is no UTF-8 text: {error.object!r}") from error


def _array(name: str, values: Any) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, str | bytes | Mapping | Set) or not hasattr(values, "__len__"):
        raise DataError(f"column {name!r}: one value a row is wanted, not {values!r:.60}")
    if isinstance(values, np.ndarray) and values.ndim > 1:
        values = list(values.reshape(len(values), -1)) if values.ndim == 2 else values.tolist()
    try:
        array = pa.array(values, from_pandas=type(values).__module__.startswith("pandas"))
    except (OverflowError, TypeError, ValueError, pa.ArrowException) as error:
        raise DataError(f"column {name!r}: {error}") from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _plain(array: pa.Array, name: str) -> pa.Array:
    """One type for all integers, one for all floats, one for all text."""
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    kind = array.type
    try:
        array.validate(full=True)
        if pa.types.is_dictionary(kind):
            return _plain(array.cast(kind.value_type), name)
        if pa.types.is_integer(kind):
            return array.cast(pa.int64())
        if pa.types.is_floating(kind):
            return array.cast(pa.float64())
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            return array.cast(pa.string())
        if pa.types.is_nested(kind) or not _is_simple(kind):
            _check_storable(kind)
    except (ValueError, pa.ArrowException) as error:
        raise DataError(f"column {name!r} ({kind}): {error}") from error
    return array


def _is_simple(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_boolean))


def _check_storable(kind: pa.DataType) -> None:
    pq.write_table(pa.schema([pa.field("column", kind)]).empty_table(), pa.BufferOutputStream())


def _typed(array: pa.Array, name: str, wanted: pa.DataType | None, first: int) -> pa.Array:
    if wanted is not None and _fits(wanted, BOXES) and wanted != BOXES:
        wanted = None  # nothing but nulls until now, or empty lists
    boxes = as_boxes(array, name, wanted, first)
    array = array if boxes is None else boxes
    if wanted is None or array.type == wanted:
        return array
    numbers = all(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in (array.type, wanted)
    )
    if not (numbers or _fits(array.type, wanted)):
        raise DataError(_changed(name, wanted, array.type))
    try:
        # Whole numbers come as floats, and as NaN, where some are missing.
        if pa.types.is_floating(array.type) and pa.types.is_integer(wanted):
            array = pc.if_else(pc.is_nan(array), None, array)
        return array.cast(wanted)
    except pa.ArrowException as error:
        raise DataError(_changed(name, wanted, array.type)) from error


def _changed(name: str, had: pa.DataType, given: pa.DataType) -> str:
    return f"column {name!r} holds {had} in this collection; the new rows give {given}"


def _check_lengths(lengths: Mapping[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} {length}" for name, length in list(lengths.items())[:8])
        raise DataError(f"columns differ in length: {told}")


def _check_ids(ids: pa.ChunkedArray, first: int) -> None:
    if ids.null_count:
        row = int(np.argmax(ids.is_null().to_numpy()))
        raise DataError(f"row {first + row}: mask_id is missing")
    values = ids.to_numpy()
    unique, counts = np.unique(values, return_counts=True)
    if len(unique) < len(values):
        twice = unique[counts > 1][0]
        rows = np.flatnonzero(values == twice)[:2] + first
        raise DataError(f"mask_id {twice} is given twice, in rows {rows[0]} and {rows[1]}")
