"""Metadata columns as intervals and boxes, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from masksearch_ray.errors import QueryError
from masksearch_ray.execute.columns import arrow_of, boxes_of, interval_of, nan_to_null
from masksearch_ray.execute.interval import Interval
from masksearch_ray.model.query import Type
from tests.execute import reference as ref

NAN, INF = float("nan"), float("inf")
BOX = pa.list_(pa.int32(), 4)


def values(held: Interval) -> list[Any]:
    return [ref.known(held, at) for at in range(len(held))]


def forms(given: list[Any], type_: pa.DataType) -> list[pa.ChunkedArray]:
    """The same column in one chunk, in several, sliced out of another, and dictionary-encoded."""
    whole = pa.array(given, type_)
    longer = pa.concat_arrays([whole[:1], whole, whole[:1]])
    found = [
        pa.chunked_array([whole]),
        pa.chunked_array([whole[:1], whole[1:1], whole[1:]]),
        pa.chunked_array([longer[1:-1]]),
    ]
    if not pa.types.is_nested(type_):
        encoded = [whole[:1].dictionary_encode(), whole[1:].dictionary_encode()]
        found.append(pa.chunked_array(encoded))
    return found


SCALARS: list[tuple[Type, pa.DataType, list[Any], list[Any]]] = [
    *(("int", kind, [1, None, 7], [1, None, 7]) for kind in (pa.int8(), pa.int16(), pa.int32())),
    *(("int", kind, [1, None, 7], [1, None, 7]) for kind in (pa.uint8(), pa.uint16(), pa.uint32())),
    ("int", pa.int64(), [2**63 - 1, None, -(2**63)], [2**63 - 1, None, -(2**63)]),
    ("int", pa.uint64(), [2**64 - 1, None, 0], [2**64 - 1, None, 0]),
    ("int", pa.uint64(), [2**53 + 1, None, 0], [2**53 + 1, None, 0]),
    ("float", pa.float16(), [0.5, NAN, None, INF], [0.5, None, None, None]),
    ("float", pa.float32(), [0.1, NAN, None, -INF], [float(np.float32(0.1)), None, None, None]),
    ("float", pa.float64(), [0.1, NAN, None, -0.0], [0.1, None, None, 0.0]),
    ("bool", pa.bool_(), [True, None, False], [True, None, False]),
    ("string", pa.string(), ["a", None, "", "é\n"], ["a", None, "", "é\n"]),
    ("string", pa.large_string(), ["a", None, ""], ["a", None, ""]),
    ("string", pa.string_view(), ["a", None, ""], ["a", None, ""]),
]


@pytest.mark.parametrize(("kind", "type_", "given", "expected"), SCALARS)
def test_columns_are_read_as_exact_values(
    kind: Type, type_: pa.DataType, given: list[Any], expected: list[Any]
) -> None:
    plain = forms(given, type_)
    for column in plain[:3] if type_ in (pa.float16(), pa.string_view()) else plain:
        held = interval_of(column, kind)
        assert held.type == kind
        assert values(held) == expected
        if kind in ref.DTYPES:
            assert held.lower.dtype == ref.DTYPES[kind]


@pytest.mark.parametrize("kind", ["int", "float", "bool", "string"])
def test_columns_may_be_empty_or_all_null(kind: Type) -> None:
    types = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "string": pa.string()}
    assert values(interval_of(pa.chunked_array([], types[kind]), kind)) == []
    assert values(interval_of(pa.chunked_array([[]], types[kind]), kind)) == []
    assert values(interval_of(pa.chunked_array([[None, None]], types[kind]), kind)) == [None, None]
    assert values(interval_of(pa.chunked_array([pa.nulls(2)]), kind)) == [None, None]


def test_other_columns_tell_only_what_is_null() -> None:
    stamps = pa.chunked_array([pa.array([1, None], pa.timestamp("us"))])
    held = interval_of(stamps, "other")
    assert held.surely_null.tolist() == [False, True]


@pytest.mark.parametrize("type_", [pa.float16(), pa.float32(), pa.float64()])
def test_nan_is_shown_as_null(type_: pa.DataType) -> None:
    shown = nan_to_null(pa.chunked_array([pa.array([0.5, NAN, None, INF], type_)]))
    assert shown.type == type_
    assert shown.to_pylist() == [0.5, None, None, None]


def test_columns_that_hold_no_floats_are_shown_as_they_are() -> None:
    column = pa.chunked_array([["a", None]])
    assert nan_to_null(column) is column


# ------------------------------------------------------------------ boxes


def test_boxes_are_read_with_their_nulls() -> None:
    given = [[0, 1, 2, 3], None, [4, 5, 6, 7], None]
    for column in forms(given, BOX):
        held = boxes_of(column)
        assert held.offsets is None
        assert held.boxes.dtype == np.int32
        assert held.null.tolist() == [False, True, False, True]
        assert held.boxes.tolist() == [box or [0, 0, 0, 0] for box in given]


@pytest.mark.parametrize("list_of", [pa.list_, pa.large_list])
def test_lists_of_boxes_are_read_with_their_nulls(list_of: Any) -> None:
    given = [[[0, 1, 2, 3], [1, 1, 2, 2]], None, [], [[4, 5, 6, 7]], None]
    for column in forms(given, list_of(BOX)):
        held = boxes_of(column)
        assert held.null.tolist() == [False, True, False, False, True]
        assert held.offsets is not None
        assert held.offsets.tolist() == [0, 2, 2, 2, 3, 3]
        assert held.boxes.tolist() == [[0, 1, 2, 3], [1, 1, 2, 2], [4, 5, 6, 7]]


def test_a_null_list_may_hide_boxes() -> None:
    boxes = pa.array([[1, 1, 2, 2], [3, 3, 4, 4]], BOX)
    hidden = pa.ListArray.from_arrays(
        pa.array([0, 1, 2], pa.int32()), boxes, mask=pa.array([True, False])
    )
    held = boxes_of(pa.chunked_array([hidden]))
    assert held.offsets is not None
    assert held.offsets.tolist() == [0, 0, 1]
    assert held.boxes.tolist() == [[3, 3, 4, 4]]


@pytest.mark.parametrize("type_", [BOX, pa.list_(BOX)])
def test_box_columns_may_be_empty(type_: pa.DataType) -> None:
    held = boxes_of(pa.chunked_array([], type_))
    assert held.boxes.shape == (0, 4)
    assert held.null.tolist() == []
    assert held.offsets is None or held.offsets.tolist() == [0]


# ------------------------------------------------------------------ back to Arrow


@pytest.mark.parametrize(
    ("kind", "given", "type_"),
    [
        ("int", [1, None, -(2**63)], pa.int64()),
        ("float", [0.5, None], pa.float64()),
        ("bool", [True, None, False], pa.bool_()),
        ("string", ["a", None, ""], pa.string()),
        ("string", [], pa.string()),
        ("null", [], pa.null()),
    ],
)
def test_values_become_columns(kind: Type, given: list[Any], type_: pa.DataType) -> None:
    held = ref.points(kind, given) if kind != "null" else Interval.constant(None, "null", 0)
    column = arrow_of(held, "x")
    assert column.type == type_
    assert column.to_pylist() == given


@pytest.mark.parametrize(
    ("kind", "value"),
    [("int", 7), ("float", 0.5), ("bool", True), ("string", "a"), ("int", None), ("null", None)],
)
def test_constants_become_columns(kind: Type, value: Any) -> None:
    for n in (0, 1, 3):
        assert arrow_of(Interval.constant(value, kind, n), "x").to_pylist() == [value] * n


def test_a_zero_has_no_sign() -> None:
    column = arrow_of(Interval.points("float", np.array([-0.0])), "x")
    assert str(column[0].as_py()) == "0.0"


def test_wide_integers_that_fit_are_given_out_and_others_are_refused() -> None:
    wide = np.array([2**63 - 1, 2**70], object)
    null = np.array([False, True])
    assert arrow_of(Interval.points("int", wide, null), "x").to_pylist() == [2**63 - 1, None]
    with pytest.raises(QueryError, match="'total'"):
        arrow_of(Interval.points("int", wide), "total")
    with pytest.raises(QueryError, match="'total'"):
        arrow_of(Interval.points("int", np.array([10**5000], object)), "total")
