"""What people type, in unusual mixtures: the engine against the oracle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from tests.oracle import ast as q
from tests.oracle.collection import Collection
from tests.oracle.short import FULL, call, collection, cp, op, over, select
from tests.session.held import Layout, hold, opened, smooth

N = 24
BOX = q.Box(3, 2, 17, 15)
MASKS = [*smooth(N, 20, 22)]
FEW = (Layout(appends=3, shards=3), Layout(cell=4, bins=3, rois=(), use_index=False))


def column(name: str) -> q.Column:
    return q.Column(name)


@pytest.fixture(scope="module")
def held() -> Collection:
    labels = ["cat", "dog", None, "", "é", "🦊"]
    boxes = [(i % 7, 1, 12 + i % 9, 19) if i % 5 else None for i in range(N)]
    lists = [None if i % 6 == 5 else [b for b in boxes[i : i + i % 3] if b] for i in range(N)]
    return collection(
        MASKS,
        image_id=("int", [i // 2 for i in range(N)]),
        label=("str", [labels[i % 6] for i in range(N)]),
        flag=("bool", [None if i % 7 == 3 else i % 2 == 0 for i in range(N)]),
        score=("float", [float("nan") if i % 8 == 1 else i / 7 for i in range(N)]),
        b=("box", boxes),
        parts=("boxes", lists),
    )


def test_twenty_terms(held: Collection) -> None:
    terms = [cp(i / 20, (i + 1.5) / 20, "[)", BOX if i % 2 else FULL) for i in range(20)]
    whole: Any = terms[0]
    for number, term in enumerate(terms[1:]):
        whole = op(whole, "+-*"[number % 3] if number < 4 else "+-"[number % 2], term)
    least, most = call("LEAST", *terms), call("GREATEST", *terms)
    hold(
        held,
        select("mask_id", (whole, "s"), (least, "a"), (most, "z")),
        select("mask_id", where=op(op(most, "-", least), ">", 60)),
        select("mask_id", order_by=(q.Order(op(whole, "/", most), True),), limit=5),
        layouts=FEW,
    )


def test_case_with_counts_inside_aggregates(held: Collection) -> None:
    term = cp(0.31, 0.77, None, BOX)
    big = q.Case(None, ((op(term, ">", 60), term), (op(term, ">", 20), q.Literal(0))), None)
    named = q.Case(None, ((op(term, ">", 60), q.Literal("big")),), q.Literal("small"))
    for key in (column("label"), column("flag"), column("image_id")):
        shown = [
            (q.Aggregate("SUM", big), "s"),
            (q.Aggregate("AVG", big), "a"),
            (q.Aggregate("COUNT", big), "c"),
            (q.Aggregate("MAX", named), "m"),
            (q.Aggregate("MIN", op(term, "/", q.Area(BOX))), "r"),
        ]
        hold(
            held,
            select((key, "k"), *shown, group_by=(key,)),
            select(
                (key, "k"),
                group_by=(key,),
                having=op(q.Aggregate("SUM", big), ">", 100),
                order_by=(q.Order(q.Aggregate("AVG", big), True, "FIRST"),),
                limit=3,
            ),
            layouts=FEW,
        )


def test_distinct_counts(held: Collection) -> None:
    term = op(cp(0.31, 0.77, None, BOX), "/", 50)
    rounded = call("ROUND", term)
    hold(
        held,
        select((rounded, "r"), distinct=True),
        select((rounded, "r"), distinct=True, order_by=(q.Order(1, True),), limit=2, offset=1),
        select((rounded, "r"), "label", distinct=True, order_by=(q.Order(2), q.Order(1))),
        select((op(cp(0.31, 0.77), ">", 60), "big"), distinct=True),
        layouts=FEW,
    )


def test_orders(held: Collection) -> None:
    big = op(cp(0.31, 0.77, None, BOX), ">", 60)
    inside = cp(0.31, 0.77, None, q.BoxColumn("b"))
    orders: list[tuple[q.Order, ...]] = [
        (q.Order(big, True),),
        (q.Order(big), q.Order(column("label"), True)),
        (q.Order(column("flag"), True, "FIRST"), q.Order(cp(0.31, 0.77), True)),
        (q.Order(column("label"), True, "FIRST"), q.Order(column("score"), True)),
        (q.Order(column("label"), False, "FIRST"), q.Order(inside, True, "FIRST")),
        (q.Order(inside, False, "FIRST"),),
        (q.Order(inside, True, "LAST"), q.Order(column("score"))),
        (q.Order(op(inside, "/", q.Area(q.BoxColumn("b"))), True),),
    ]
    queries = [select("mask_id", order_by=order) for order in orders]
    for limit, offset in ((1, None), (5, 3), (N, 2), (100, None), (3, 100), (0, None)):
        queries += [select("mask_id", order_by=o, limit=limit, offset=offset) for o in orders]
    hold(held, *queries, layouts=FEW)


def test_nulls_in_conditions(held: Collection) -> None:
    inside = cp(0.31, 0.77, None, q.BoxColumn("b"))
    conditions: list[q.Expr] = [
        q.Like(column("label"), q.Literal("%"), False),
        q.Like(column("label"), q.Literal("%"), True),
        q.Like(column("label"), q.Literal(None), False),
        q.IsNull(inside),
        q.IsNull(op(inside, "/", op(inside, "-", inside))),
        q.In(inside, (q.Literal(0), q.Literal(None), cp(0.31, 0.77)), True),
        q.In(cp(0.31, 0.77), (inside, q.Literal(0))),
        q.Between(inside, q.Literal(10), cp(0.2, 0.77), True),
        q.Unary("NOT", op(column("flag"), "AND", op(inside, ">", 30))),
        op(op(inside, ">", 30), "OR", op(column("score"), "<", 1)),
        op(call("COALESCE", inside, q.Unary("-", q.Literal(1))), "<", 5),
        op(call("NULLIF", inside, cp(0.31, 0.77)), ">", 5),
    ]
    hold(held, *(select("mask_id", where=where) for where in conditions), layouts=FEW)


@pytest.mark.parametrize(
    "null",
    [
        q.Literal(None),
        q.Like(column("label"), q.Literal(None)),
        q.Case(None, ((column("flag"), q.Literal(None)),)),
        op(q.Literal(None), "AND", column("flag")),
        op(cp(0.31, 0.77), ">", q.Literal(None)),
        op(op(cp(0.31, 0.77), ">", 3), "AND", q.Literal(None)),
    ],
)
def test_a_condition_that_is_null_holds_for_nothing(held: Collection, null: q.Expr) -> None:
    number = (q.Aggregate("COUNT"), "n")
    hold(
        held,
        select("mask_id", where=null),
        select("mask_id", where=op(null, "OR", op(cp(0.31, 0.77), ">", 60))),
        select("mask_id", where=null, order_by=(q.Order(cp(0.31, 0.77)),), limit=3),
        select("mask_id", order_by=(q.Order(null), q.Order(1, True)), limit=3),
        select(number, where=null),
        layouts=FEW,
    )


@pytest.mark.parametrize("limit", [None, 3])
def test_a_having_that_is_null_holds_for_no_group(held: Collection, limit: int | None) -> None:
    for term in (q.Aggregate("SUM", cp(0.31, 0.77)), over("union", 0.31, 0.77)):
        for null in (q.Literal(None), op(q.Literal(None), "AND", op(term, ">", 3))):
            query = select("image_id", (term, "n"), group_by=(column("image_id"),), having=null)
            ordered = q.Order(term)
            hold(held, query, replace(query, order_by=(ordered,), limit=limit), layouts=FEW)


def test_deleting_where_null_deletes_nothing(held: Collection) -> None:
    with opened(held) as col:
        for predicate in ("NULL", "label LIKE NULL", "NULL AND flag"):
            col.delete(predicate)
            assert len(col) == N


def test_lists_of_boxes_with_nulls_inside(held: Collection) -> None:
    parts = q.BoxColumn("parts")
    term = cp(0.31, 0.77, None, parts)
    hold(
        held,
        select("mask_id", (term, "n"), (q.Area(parts), "a"), "parts"),
        select("mask_id", (cp(0.31, 0.77, None, q.Outside(parts)), "n")),
        select("mask_id", where=op(term, ">", 40), order_by=(q.Order(term, True),), limit=4),
        layouts=FEW,
    )


def test_groups_of_masks_and_of_numbers_together(held: Collection) -> None:
    term, both = cp(0.31, 0.77, None, BOX), over("intersect", 0.31, 0.77, roi=BOX)
    ratio = op(both, "/", q.Aggregate("SUM", term))
    key = (column("image_id"),)
    hold(
        held,
        select("image_id", (ratio, "r"), (q.Aggregate("MAX", term), "m"), group_by=key),
        select(
            "image_id",
            where=op(term, ">", 10),
            group_by=key,
            having=op(ratio, "<", 0.4),
            order_by=(q.Order(ratio, True),),
            limit=4,
            offset=1,
        ),
        layouts=FEW,
    )


def test_no_rows() -> None:
    nobody = op(column("mask_id"), "<", 0)
    term, both = cp(0.3, 0.7), over("union", 0.3, 0.7)
    held = collection(MASKS[:3], g=("int", [1, 1, 2]))
    hold(
        held,
        select("mask_id", (term, "n"), where=nobody),
        select((q.Aggregate("COUNT"), "c"), (q.Aggregate("SUM", term), "s"), where=nobody),
        select((q.Aggregate("MAX", term), "s"), where=op(term, ">", 1000)),
        select("g", (q.Aggregate("AVG", term), "s"), where=nobody, group_by=(column("g"),)),
        select((both, "n"), where=nobody),
        select("g", (both, "n"), where=op(term, ">", 1000), group_by=(column("g"),)),
        select("mask_id", where=nobody, order_by=(q.Order(term),), limit=3),
        layouts=FEW,
    )


@pytest.mark.parametrize("how", ["never any", "all deleted"])
def test_collections_without_rows(how: str) -> None:
    col = ms.create(f"memory://empty-{how}", runtime=LocalRuntime(2))
    if how == "all deleted":
        for n in (0, 2):
            col.append(MASKS[n : n + 2], {"label": ["a", "b"]})
        col.delete("mask_id >= 0")
    assert len(col) == 0
    term = "CP(mask, full_image, (0.2, 0.7))"
    assert col.sql(f"SELECT mask_id FROM masks WHERE {term} > 3").table.num_rows == 0
    assert col.sql(f"SELECT * FROM masks ORDER BY {term} LIMIT 3").table.num_rows == 0
    whole = col.sql(f"SELECT COUNT(*) AS c, SUM({term}) AS s, AVG({term}) AS a FROM masks")
    assert whole.to_pylist() == [{"c": 0, "s": None, "a": None}]
    both = "CP(intersect(mask), full_image, (0.2, 0.7))"
    assert col.sql(f"SELECT {both} AS n FROM masks").to_pylist() == [{"n": None}]
    assert len(col.sql(f"SELECT {both} AS n FROM masks GROUP BY mask_id")) == 0
    assert col.count_bounds(f"SELECT mask_id FROM masks WHERE {term} > 3") == (0, 0)
    assert "over 0 masks" in col.explain(f"SELECT mask_id FROM masks WHERE {term} > 3")
    assert col.histogram()[1].tolist() == [0] * 20


NAMES = ["mask", "roi", "full_image", "select", "a b", 'say "hi"', "it's", "naïve", "x.y", "CP"]


@pytest.mark.parametrize("name", NAMES)
def test_columns_of_any_name(name: str) -> None:
    col = ms.create(f"memory://name-{name.encode().hex()}")
    col.append(MASKS[:4], {name: [3, 1, 2, None], "mask_id": [4, 5, 6, 7]})
    quoted = '"' + name.replace('"', '""') + '"'
    found = col.sql(f"SELECT {quoted}, mask_id FROM masks WHERE {quoted} > 1 ORDER BY {quoted}")
    assert found.table.to_pydict() == {name: [2, 3], "mask_id": [6, 4]}
    grouped = col.sql(f"SELECT {quoted}, COUNT(*) AS n FROM masks GROUP BY {quoted}")
    assert grouped.table[name].to_pylist() == [1, 2, 3, None]
    assert col.sql("SELECT * FROM masks").table.column_names[-1] == name


def test_a_box_column_named_like_a_keyword() -> None:
    col = ms.create("memory://keyword-boxes")
    boxes = [[0, 0, 5, 5], [1, 1, 3, 3]]
    col.append(np.full((2, 6, 6), 255, np.uint8), {"roi": boxes, "full_image": boxes})
    text = (
        'SELECT CP(mask, "roi", (0.5, 1.0)) AS a, CP(mask, roi, (0.5, 1.0)) AS b, '
        'CP(mask, full_image, (0.5, 1.0)) AS c, CP(mask, "full_image", (0.5, 1.0)) AS d FROM masks'
    )
    found = col.sql(text, roi=(0, 0, 1, 6)).table.to_pydict()
    assert found == {"a": [25, 4], "b": [6, 6], "c": [36, 36], "d": [25, 4]}


def test_parameters_of_numpy_types(held: Collection) -> None:
    with opened(held) as col:
        text = (
            "SELECT mask_id FROM masks WHERE CP(mask, box(:x, 2, 17, 15), (:lv, :uv)) > :least "
            "AND (label <> :label OR flag = :flag) LIMIT :k"
        )
        plain: dict[str, Any] = {
            "x": 3, "lv": 0.25, "uv": 0.75, "least": 9, "label": "cat", "flag": True, "k": 4,
        }  # fmt: skip
        typed: dict[str, Any] = {
            "x": np.uint8(3),
            "lv": np.float32(0.25),
            "uv": np.float64(0.75),
            "least": np.int16(9),
            "label": np.str_("cat"),
            "flag": np.bool_(True),
            "k": np.int64(4),
        }
        expected = col.sql(text, plain).table
        assert expected.num_rows == 4
        assert col.sql(text, typed).table.equals(expected)
        assert col.sql(text, **typed).table.equals(expected)
        with pytest.raises(ms.QueryError, match="no value is given for :uv"):
            col.sql(text, {name: plain[name] for name in plain if name != "uv"})
