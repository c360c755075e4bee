"""The comparison lets nothing pass that differs."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.oracle.ast import Column
from tests.oracle.collection import ARROW_TYPES, Answer, Refused
from tests.oracle.compare import assert_same, check
from tests.oracle.short import collection, select
from tests.oracle.strategies import Case

MASKS = collection([[[True]]])

ANSWER = Answer(
    ["n", "x", "s", "b", "box", None],
    [(1, 0.5, "a", True, (0, 0, 1, 1), None), (2, 0.0, None, None, None, None)],
    ["int", "float", "str", "bool", "box", "null"],
)


def table(**changed: Any) -> pa.Table:
    columns: dict[str, Any] = {
        "n": pa.array([1, 2]),
        "x": pa.array([0.5, -0.0]),
        "s": pa.array(["a", None]),
        "b": pa.array([True, None]),
        "box": pa.array([[0, 0, 1, 1], None], ARROW_TYPES["box"]),
        "any name": pa.nulls(2),
    }
    return pa.table(columns | changed)


def test_the_same_table_passes() -> None:
    assert_same(table(), ANSWER)
    assert_same(table(s=pa.array(["a", None]).dictionary_encode()), ANSWER)


@pytest.mark.parametrize(
    "changed",
    [
        {"n": pa.array([1, 3])},
        {"n": pa.array([2, 1])},
        {"n": pa.array([1.0, 2.0])},
        {"x": pa.array([0.5000000000000001, 0.0])},
        {"x": pa.array([0.5, None])},
        {"s": pa.array(["a", ""])},
        {"b": pa.array([1, None])},
        {"box": pa.array([[0, 0, 1, 2], None], ARROW_TYPES["box"])},
        {"more": pa.nulls(2)},
    ],
)
def test_another_table_does_not(changed: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        assert_same(table(**changed), ANSWER)


def test_names_and_numbers_of_rows_count() -> None:
    with pytest.raises(AssertionError):
        assert_same(table().rename_columns(["m", "x", "s", "b", "box", "any name"]), ANSWER)
    with pytest.raises(AssertionError):
        assert_same(table().slice(0, 1), ANSWER)


def test_a_case_is_checked_whichever_way_it_ends() -> None:
    query = select((Column("a"), "n"))
    good = Case(MASKS, query, Answer(["n"], [(1,)], ["int"]))
    bad = Case(MASKS, query, Refused("for a test"))

    def answers(text: str, given: dict[str, Any], roi: Any) -> pa.Table:
        assert (text, given, roi) == ("SELECT a AS n FROM masks", {}, None)
        return pa.table({"n": [1]})

    def refuses(text: str, given: dict[str, Any], roi: Any) -> pa.Table:
        raise ValueError(text)

    check(good, answers, (ValueError,))
    check(bad, refuses, (ValueError,))
    with pytest.raises(AssertionError, match="for a test"):
        check(bad, answers, (ValueError,))
    with pytest.raises(ValueError, match="SELECT"):
        check(good, refuses, (ValueError,))
