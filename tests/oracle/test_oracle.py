"""What clauses and groups mean, in examples worked out by hand; the examples of the language."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.oracle import ast as q
from tests.oracle.ast import Column, Item, Literal, Order, Param
from tests.oracle.collection import Answer, Collection, Refused
from tests.oracle.evaluate import evaluate
from tests.oracle.render import render
from tests.oracle.short import FULL, call, collection, cp, expr, op, over, rows, select

COUNT = q.Aggregate("COUNT")


def agg(name: str, arg: Any, distinct: bool = False) -> q.Aggregate:
    return q.Aggregate(name, Column(arg) if isinstance(arg, str) else expr(arg), distinct)


def is_refused(masks: Collection, query: q.Query) -> bool:
    return isinstance(evaluate(masks, query), Refused)


# ------------------------------------------------------------------ clauses

SIX = collection(
    [np.array([[0, 85, 170, 255]], np.uint8)[:, :n] for n in (1, 2, 3, 4, 4, 4)],
    label=("str", ["cat", "dog", "cat", None, "dog", "ant"]),
    prediction=("str", ["cat", "cat", "dog", "dog", "dog", "ant"]),
    model_id=("int", [1, 2, 1, 2, 1, None]),
    score=("float", [0.1, 0.2, 0.3, None, 1e16, -1e16]),
)
BRIGHT = cp(0.5, 1.0)  # 0, 0, 1, 2, 2, 2


def ids(**clauses: Any) -> list[int]:
    return [i for (i,) in rows(SIX, select("mask_id", **clauses))]


def test_filter_keeps_rows_that_are_true_in_order_of_mask_id() -> None:
    assert ids(where=op(BRIGHT, ">", 1)) == [3, 4, 5]
    assert ids(where=op(Column("label"), "<>", Column("prediction"))) == [1, 2]
    shuffled = Collection(SIX.masks[::-1], SIX.rows[::-1], SIX.columns)
    assert rows(shuffled, select("mask_id", where=op(BRIGHT, ">", 0))) == [(2,), (3,), (4,), (5,)]


def test_order_puts_nulls_last_and_ties_by_mask_id() -> None:
    bright = (Order(BRIGHT),)
    assert ids(order_by=bright) == [0, 1, 2, 3, 4, 5]
    assert ids(order_by=(Order(BRIGHT, True),)) == [3, 4, 5, 2, 0, 1]
    label = Column("label")
    assert ids(order_by=(Order(label),)) == [5, 0, 2, 1, 4, 3]
    assert ids(order_by=(Order(label, True),)) == [1, 4, 0, 2, 5, 3]
    assert ids(order_by=(Order(label, True, "FIRST"),)) == [3, 1, 4, 0, 2, 5]
    assert ids(order_by=(Order(label, False, "FIRST"),)) == [3, 5, 0, 2, 1, 4]
    assert ids(order_by=(Order(BRIGHT, True), Order(label, None, "LAST"))) == [5, 4, 3, 2, 0, 1]


def test_limit_and_offset() -> None:
    assert ids(limit=2) == [0, 1]
    assert ids(limit=0) == []
    assert ids(limit=2, offset=5) == [5]
    assert ids(offset=Param("from", 4)) == [4, 5]
    assert ids(order_by=(Order(BRIGHT, True),), limit=Param("k", 2), offset=1) == [4, 5]
    assert is_refused(SIX, select("mask_id", limit=-1))


def test_names_and_star() -> None:
    answer = evaluate(SIX, select(q.Star(), (BRIGHT, "bright"), BRIGHT, limit=1))
    assert isinstance(answer, Answer)
    names = ["mask_id", "label", "prediction", "model_id", "score", "bright", None]
    assert answer.columns == names
    assert answer.rows == [(0, "cat", "cat", 1, 0.1, 0, 0)]
    assert answer.kinds == ["int", "str", "str", "int", "float", "int", "int"]


def test_ordinals_and_aliases() -> None:
    bright = (BRIGHT, "label")
    query = select("mask_id", bright, order_by=(Order(2, True),), limit=2)
    assert rows(SIX, query) == [(3, 2), (4, 2)]
    # ORDER BY means the alias, WHERE the column.
    query = select("mask_id", bright, order_by=(Order(Column("label"), True),), limit=1)
    assert rows(SIX, query) == [(3, 2)]
    query = select("mask_id", bright, where=op(Column("label"), "=", "ant"))
    assert rows(SIX, query) == [(5, 2)]
    # Where there is no such column, WHERE means the alias.
    query = select("mask_id", (BRIGHT, "r"), where=op(Column("r"), "=", 1))
    assert rows(SIX, query) == [(2, 1)]
    query = select((op(Column("model_id"), "%", 2), "k"), COUNT, group_by=(Column("k"),))
    assert rows(SIX, query) == [(0, 2), (1, 3), (None, 1)]
    assert is_refused(SIX, select("mask_id", order_by=(Order(2),)))


def test_distinct_keeps_the_first_of_equal_rows() -> None:
    assert rows(SIX, select("label", distinct=True)) == [("cat",), ("dog",), (None,), ("ant",)]
    query = select("label", distinct=True, order_by=(Order(Column("label"), True),), limit=2)
    assert rows(SIX, query) == [("dog",), ("cat",)]
    assert is_refused(SIX, select("label", distinct=True, order_by=(Order(BRIGHT),)))


# ------------------------------------------------------------------ groups


def test_scalar_aggregates() -> None:
    aggregates = [
        COUNT,
        agg("COUNT", "label"),
        agg("COUNT", "label", distinct=True),
        agg("SUM", BRIGHT),
        agg("AVG", BRIGHT),
        agg("MIN", "label"),
        agg("MAX", "label"),
        agg("MIN", BRIGHT),
        agg("MAX", op(BRIGHT, "/", q.Area(FULL))),
    ]
    expected = (6, 5, 3, 7, 7 / 6, "ant", "dog", 0, 0.5)
    assert rows(SIX, select(*aggregates)) == [expected]
    nothing = op(Column("mask_id"), "<", 0)
    empty = (0, 0, 0, None, None, None, None, None, None)
    assert rows(SIX, select(*aggregates, where=nothing)) == [empty]
    assert rows(SIX, select(COUNT, where=nothing, having=op(COUNT, ">", 0))) == []
    assert rows(SIX, select("label", COUNT, where=nothing, group_by=(Column("label"),))) == []


def test_sums_are_exact() -> None:
    # In float64, 0.1 + 0.2 + 0.3 + 1e16 - 1e16 is 0 or 1 or 2, by order.
    assert rows(SIX, select(agg("SUM", "score"))) == [(math.fsum([0.1, 0.2, 0.3]),)]
    masks = collection([np.ones((1, 1), bool)] * 3, big=("int", [2**53, 1, 2**53]))
    assert rows(masks, select(agg("SUM", "big"))) == [(2**54 + 1,)]
    assert rows(masks, select(agg("AVG", "big"))) == [((2**54 + 1) / 3,)]
    # The mean is rounded once: the sum of these, rounded, has another third.
    tiny = collection([np.ones((1, 1), bool)] * 3, x=("float", [1.0, 2.0**-53, 2.0**-53]))
    assert rows(tiny, select(agg("AVG", "x"))) == [((2**52 + 1) / (3 * 2**52),)]
    huge = collection([np.ones((1, 1), bool)] * 3, x=("float", [1e308, 1e308, -1e308]))
    assert rows(huge, select(agg("SUM", "x"), agg("AVG", "x"))) == [(1e308, 1e308 / 3)]
    over_all = collection([np.ones((1, 1), bool)] * 2, x=("float", [1e308, 1e308]))
    assert rows(over_all, select(agg("SUM", "x"), agg("AVG", "x"))) == [(None, 1e308)]


def test_groups_come_in_the_order_of_their_keys() -> None:
    by_label = (Column("label"),)
    query = select("label", COUNT, group_by=by_label)
    assert rows(SIX, query) == [("ant", 1), ("cat", 2), ("dog", 2), (None, 1)]
    query = select("label", COUNT, group_by=by_label, order_by=(Order(COUNT, True),))
    assert rows(SIX, query) == [("cat", 2), ("dog", 2), ("ant", 1), (None, 1)]
    query = select((COUNT, "n"), group_by=by_label, having=op(Column("n"), ">", 1), limit=1)
    assert rows(SIX, query) == [(2,)]
    both = (Column("prediction"), Column("model_id"))
    query = select("model_id", "prediction", agg("SUM", BRIGHT), group_by=both)
    expected = [(None, "ant", 2), (1, "cat", 0), (2, "cat", 0), (1, "dog", 3), (2, "dog", 2)]
    assert rows(SIX, query) == expected


def test_keys_may_be_expressions() -> None:
    wrong = op(Column("label"), "<>", Column("prediction"))
    query = select((wrong, "wrong"), (COUNT, "n"), group_by=(wrong,))
    assert rows(SIX, query) == [(False, 3), (True, 2), (None, 1)]
    query = select((call("COALESCE", wrong, True), "w"), (COUNT, "n"), group_by=(wrong,))
    assert rows(SIX, query) == [(False, 3), (True, 2), (True, 1)]


@pytest.mark.parametrize(
    "query",
    [
        select("mask_id", COUNT),
        select(q.Star(), COUNT),
        select("label", group_by=(Column("model_id"),)),
        select(BRIGHT, group_by=(Column("model_id"),)),
        select(COUNT, BRIGHT),
        select("mask_id", where=op(COUNT, ">", 1)),
        select("mask_id", where=op(over("union", 0, 1), ">", 1)),
        select((COUNT, "n"), where=op(Column("n"), ">", 1)),
        select(agg("SUM", COUNT)),
        select(agg("SUM", over("union", 0, 1))),
        select(agg("SUM", "label")),
        select("mask_id", having=op(BRIGHT, ">", 1)),
        select("mask_id", order_by=(Order(COUNT),)),
        select("mask_id", where=BRIGHT),
    ],
)
def test_refused_clauses(query: q.Query) -> None:
    assert is_refused(SIX, query)


# ------------------------------------------------------------------ the examples of the language

BOX = q.BoxColumn("object_box")
MASKS = collection(
    [np.full((2, 2), k, np.uint8) for k in (51, 255, 204, 0)],
    image_id=("int", [7, 7, 8, 8]),
    model_id=("int", [1, 2, 1, 2]),
    mask_type=("int", [1, 2, 1, 2]),
    label=("str", ["cat", "cat", "dog", "dog"]),
    prediction=("str", ["dog", "cat", "cat", "cat"]),
    object_box=("box", [(0, 0, 1, 1), (0, 0, 1, 1), (0, 0, 2, 1), (0, 0, 9, 9)]),
)
RATIO = op(cp(0.8, 1.0, roi=BOX), "/", q.Area(BOX))
DIFFER = op(Column("label"), "<>", Column("prediction"))
IOU = op(over("intersect", 0.5, 1.0), "/", over("union", 0.5, 1.0))
ONE_OR_TWO = (Literal(1), Literal(2))
EXAMPLES = [
    (
        "SELECT COUNT(*) FROM masks WHERE CP(mask, full_image, (0.2, 0.4)) > 1",
        q.Query((Item(COUNT),), where=op(cp(0.2, 0.4), ">", 1)),
        [(1,)],
    ),
    (
        "SELECT mask_id, CP(mask, object_box, (0.8, 1.0)) / area(object_box) AS r FROM masks "
        "WHERE model_id = 1 AND label <> prediction ORDER BY r ASC LIMIT 25",
        q.Query(
            (Item(Column("mask_id")), Item(RATIO, "r")),
            where=op(op(Column("model_id"), "=", 1), "AND", DIFFER),
            order_by=(Order(Column("r"), False),),
            limit=25,
        ),
        [(0, 0.0), (2, 1.0)],
    ),
    (
        "SELECT mask_id FROM MasksDatabaseView WHERE CP(mask, box(1, 0, 200, 200), (0.6, 1.0)) > 1 "
        "AND CP(mask, full_image, (0.0, 0.2)) / area(full_image) < 0.4",
        q.Query(
            (Item(Column("mask_id")),),
            "MasksDatabaseView",
            where=op(
                op(cp(0.6, 1.0, roi=q.Box(1, 0, 200, 200)), ">", 1),
                "AND",
                op(op(cp(0.0, 0.2), "/", q.Area(FULL)), "<", 0.4),
            ),
        ),
        [(1,), (2,)],
    ),
    (
        "SELECT image_id, AVG(CP(mask, object_box, (0.8, 1.0))) AS s FROM masks "
        "WHERE model_id IN (1, 2) GROUP BY image_id ORDER BY s DESC LIMIT 25",
        q.Query(
            (Item(Column("image_id")), Item(agg("AVG", cp(0.8, 1.0, roi=BOX)), "s")),
            where=q.In(Column("model_id"), ONE_OR_TWO),
            group_by=(Column("image_id"),),
            order_by=(Order(Column("s"), True),),
            limit=25,
        ),
        [(8, 1.0), (7, 0.5)],
    ),
    (
        "SELECT image_id, CP(intersect(mask), full_image, (0.5, 1.0)) / "
        "CP(union(mask), full_image, (0.5, 1.0)) AS iou FROM masks "
        "WHERE mask_type IN (1, 2) GROUP BY image_id HAVING iou < 0.2",
        q.Query(
            (Item(Column("image_id")), Item(IOU, "iou")),
            where=q.In(Column("mask_type"), ONE_OR_TWO),
            group_by=(Column("image_id"),),
            having=op(Column("iou"), "<", 0.2),
        ),
        [(7, 0.0), (8, 0.0)],
    ),
    (
        "SELECT label, prediction, COUNT(*) AS n FROM masks WHERE label <> prediction "
        "GROUP BY label, prediction ORDER BY n DESC LIMIT 100",
        q.Query(
            (Item(Column("label")), Item(Column("prediction")), Item(COUNT, "n")),
            where=DIFFER,
            group_by=(Column("label"), Column("prediction")),
            order_by=(Order(Column("n"), True),),
            limit=100,
        ),
        [("dog", "cat", 2), ("cat", "dog", 1)],
    ),
]


@pytest.mark.parametrize(("text", "query", "expected"), EXAMPLES)
def test_examples_of_the_language(text: str, query: q.Query, expected: list[Any]) -> None:
    assert render(query) == text
    assert rows(MASKS, query) == expected
