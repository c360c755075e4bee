"""Metadata is brought to one form, and what cannot be is named."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from masksearch_ray.collection import BOX, BOXES, normalise
from masksearch_ray.collection.rows import merge_schemas
from masksearch_ray.errors import DataError


def kind(values: Any, schema: pa.Schema | None = None) -> pa.DataType:
    return normalise({"a": values}, schema).schema.field("a").type


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, None], pa.int64()),
        (np.array([1, 2], np.uint8), pa.int64()),
        (pa.array([1, 2], pa.uint64()), pa.int64()),
        ([1.5, None], pa.float64()),
        (np.array([1, 2], np.float16), pa.float64()),
        (["a", None], pa.string()),
        (np.array(["a", "b"]), pa.string()),
        (pa.array(["a", "b"], pa.large_string()), pa.string()),
        (pa.array(["a", "b"]).dictionary_encode(), pa.string()),
        (pd.Series(["a", "b"], dtype="category"), pa.string()),
        (pd.Series([1, None]), pa.float64()),
        (pd.Series([1, None], dtype="Int64"), pa.int64()),
        ([True, None], pa.bool_()),
        ([None, None], pa.null()),
        ((1, 2), pa.int64()),
        (range(2), pa.int64()),
        ([[0, 0, 1, 1], None], BOX),
        ([(0, 0, 1, 1), (0, 0, 1, 1)], BOX),
        (np.zeros((2, 4), np.int16), BOX),
        (pa.array([[0, 0, 1, 1], None], pa.large_list(pa.uint8())), BOX),
        (pa.array([None, None], BOX), BOX),
        ([[[0, 0, 1, 1]], []], BOXES),
        ([[[0, 0, 1, 1], [1, 1, 2, 2]], None], BOXES),
        (np.zeros((2, 3, 4), np.int64), BOXES),
        ([[1, 2, 3], [4]], pa.list_(pa.int64())),
        ([[1, 2, 3, 4], [4]], pa.list_(pa.int64())),
        ([[0.5, 0.5, 1.0, 1.0], None], pa.list_(pa.float64())),
        ([b"a", b"b"], pa.binary()),
        ([date(2020, 1, 1), None], pa.date32()),
    ],
)
def test_types(values: Any, wanted: pa.DataType) -> None:
    assert kind(values) == wanted


def test_what_the_collection_has_decides() -> None:
    schema = pa.schema([("a", pa.int64())])
    assert normalise({"a": [1.0, np.nan]}, schema)["a"].to_pylist() == [1, None]
    assert kind([2.0, 3.0], schema) == pa.int64()
    assert kind([None, None], schema) == pa.int64()
    assert kind([2, 3], pa.schema([("a", pa.float64())])) == pa.float64()
    assert kind([None, None], pa.schema([("a", BOX)])) == BOX
    assert kind([[], None], pa.schema([("a", BOXES)])) == BOXES
    assert kind([[0.0, 1.0, 2.0, 2.0]], pa.schema([("a", BOX)])) == BOX
    embedding = pa.schema([("a", pa.list_(pa.int64()))])
    assert kind([[4, 3, 2, 1]], embedding) == pa.list_(pa.int64())


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"": [1]}, "1 to 255 characters"),
        ({"x" * 256: [1]}, "1 to 255 characters"),
        ({"a\nb": [1]}, "cannot be printed"),
        ({"a\0": [1]}, "cannot be printed"),
        ({"\udcff": [1]}, "cannot be printed"),
        ({"\u202etxt": [1]}, "cannot be printed"),
        ({"__block": [1]}, "reserved"),
        ({7: [1]}, "column name 7: text wanted"),
        ({"a": [1], "b": [1, 2]}, "differ in length: 'a' 1, 'b' 2"),
        ({"a": 1}, "one value a row is wanted, not 1"),
        ({"a": "text"}, "one value a row"),
        ({"a": [1, "x"]}, "column 'a'"),
        ({"a": [object()]}, "column 'a'"),
        ({"a": ["\udcff"]}, "column 'a'"),
        ({"a": [2**64]}, "column 'a'"),
        ({"a": pa.array([2**63], pa.uint64())}, r"column 'a' \(uint64\)"),
        ({"a": [[0, 0, 2**31, 1]]}, r"row 0, column 'a': box .* exceeds int32"),
        ({"a": [[0, 0, 1, 1], [3, 3, 2, 4]]}, "row 1, column 'a'.* x1 < x0"),
        ({"a": [[[0, 0, 1, 1]], [[0, 0, 1, 1], [0, 3, 1, 1]]]}, "row 1, column 'a'.* y1 < y0"),
        ({"a": [[0, 0, None, 1]]}, "row 0, column 'a': a number of the box is missing"),
        ({"a": [[[0, 0, 1, 1], None]]}, "row 0, column 'a': a box of the list is missing"),
        ({"mask_id": [1.5]}, "'mask_id' holds int64"),
        ({"mask_id": [None]}, "row 0: mask_id is missing"),
        ([1, 2], "not list"),
        (7, "not int"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column 'a' is given twice"),
        (pd.DataFrame([[1]], columns=[0]), "column name 0: text wanted"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), "given twice"),
        (
            {"a": pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())},
            "column 'a'",
        ),
    ],
)
def test_what_cannot_be_taken_is_named(rows: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        normalise(rows)


def test_numbers_of_rows_go_on_where_the_last_table_ended() -> None:
    with pytest.raises(DataError, match="row 102, column 'a'"):
        normalise({"a": [[0, 0, 1, 1], None, [1, 0, 0, 0]]}, first=100)


def test_names_that_look_strange_are_names() -> None:
    names = [
        "a.b",
        'say "x"',
        "mask",
        "ümläut",
        "; DROP TABLE masks",
        "日本",
        "a b",
        "\\",
        "A",
        "a",
    ]
    assert normalise({name: [1] for name in names}).column_names == names


def test_schemas_grow() -> None:
    old = pa.schema([("a", pa.int64()), ("n", pa.null())])
    new = pa.schema([("mask_id", pa.int64()), ("n", BOX), ("b", pa.string()), ("__h", pa.int8())])
    merged = merge_schemas(old, new)
    assert merged == pa.schema([("a", pa.int64()), ("n", BOX), ("b", pa.string())])
    assert merge_schemas(merged, pa.schema([("a", pa.null())])) == merged
    with pytest.raises(DataError, match="column 'a' holds int64"):
        merge_schemas(merged, pa.schema([("a", pa.string())]))


def test_empty_lists_are_lists_of_whatever_comes_later() -> None:
    schema = normalise({"a": [[], None]}).schema
    assert schema.field("a").type == pa.list_(pa.null())
    later = normalise({"a": [[[0, 0, 1, 1]]]}, schema).schema
    assert merge_schemas(schema, later).field("a").type == BOXES
    assert merge_schemas(later, schema).field("a").type == BOXES
