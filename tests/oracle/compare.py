"""Hold an engine's table against the oracle's answer."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from tests.oracle.ast import PixelBox, Scalar, parameters
from tests.oracle.collection import Answer
from tests.oracle.render import render
from tests.oracle.strategies import Case

# The text, the parameters by name, and the default region.
Ask = Callable[[str, dict[str, Scalar], PixelBox | None], pa.Table]

OF_KIND = {
    "int": pa.types.is_integer,
    "float": pa.types.is_floating,
    "str": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    "bool": pa.types.is_boolean,
    "box": pa.types.is_fixed_size_list,
    "boxes": lambda kind: pa.types.is_list(kind) or pa.types.is_large_list(kind),
    "null": lambda kind: True,
}


def assert_same(table: pa.Table, answer: Answer) -> None:
    """Fail unless names, kinds, order and every value are the same, floats to the last bit.

    A zero has no sign in the language, so -0.0 and 0.0 are the same value.
    """
    assert table.num_columns == len(answer.columns), (table.column_names, answer.columns)
    for found, wanted in zip(table.column_names, answer.columns, strict=True):
        assert wanted is None or found == wanted, (table.column_names, answer.columns)
    for field, kind in zip(table.schema, answer.kinds, strict=True):
        assert OF_KIND[kind](plain_type(field.type)), f"{field} is not {kind}"
    columns = [column.to_pylist() for column in table.columns]
    rows = list(zip(*columns, strict=True)) if columns else []
    assert len(rows) == len(answer.rows), f"{len(rows)} rows instead of {len(answer.rows)}"
    for n, (found_row, wanted_row) in enumerate(zip(rows, answer.rows, strict=True)):
        same = [exact(value) for value in found_row] == [exact(value) for value in wanted_row]
        assert same, f"row {n}: {found_row} instead of {wanted_row}"


def check(case: Case, ask: Ask, refusals: tuple[type[Exception], ...]) -> None:
    """Ask an engine a case; what the oracle refuses must raise one of the engine's refusals."""
    text, given, roi = render(case.query), parameters(case.query), case.query.roi
    if isinstance(case.answer, Answer):
        assert_same(ask(text, given, roi), case.answer)
        return
    try:
        table = ask(text, given, roi)
    except refusals:
        return
    raise AssertionError(f"answered, but {case.answer.reason}: {table.to_pydict()}")


def plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def exact(value: Any) -> Any:
    """A form that is equal only for the same value of the same type."""
    if isinstance(value, float):
        return "float", struct.pack("<d", value + 0.0)
    if isinstance(value, list | tuple):
        return tuple(exact(part) for part in value)
    return type(value).__name__, value
