"""The records that texts become: types, keys, ranges, regions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import (
    Aggregate,
    Area,
    Call,
    Column,
    CountPixels,
    Expr,
    Key,
    Literal,
    MaskSource,
    Output,
    SortKey,
)
from masksearch_ray.model.roi import (
    Box,
    BoxColumn,
    BoxListColumn,
    FullImage,
    Outside,
    Polygon,
    Roi,
)
from masksearch_ray.model.values import Domain, ValueRange
from masksearch_ray.sql import parse, parse_predicate, parse_roi
from tests.sql.catalog import catalog

CATALOG = catalog()


def value(expression: str, **params: Any) -> Expr:
    """What an expression in the select list of a query over rows becomes."""
    return parse(f"SELECT {expression} FROM masks", CATALOG, params).outputs[0].expr


def test_a_whole_query() -> None:
    text = """
        EXPLAIN SELECT DISTINCT label AS l, AVG(score) / 2 AS s FROM masks WHERE correct
        GROUP BY label HAVING s > 1 ORDER BY s DESC NULLS FIRST, l LIMIT 5 OFFSET 2"""
    domain = Domain(-1.0, 3.0)
    query = parse(text, catalog(domain))
    mean = Aggregate("avg", Column("score", "float"), False, "float")
    ratio = Call("/", (mean, Literal(2, "int")), "float")
    key = Key(0, "string")
    assert query.text == text
    assert query.outputs == (Output("l", key), Output("s", ratio))
    assert query.where == Column("correct", "bool")
    assert query.group_by == (Column("label", "string"),)
    assert query.having == Call(">", (ratio, Literal(1, "int")), "bool")
    assert query.order_by == (SortKey(ratio, True, True), SortKey(key))
    assert (query.limit, query.offset) == (5, 2)
    assert (query.distinct, query.explain, query.domain) == (True, "plan", domain)


def test_groups_or_rows() -> None:
    assert parse("SELECT mask_id FROM masks", CATALOG).group_by is None
    assert parse("SELECT COUNT(*) FROM masks", CATALOG).group_by == ()
    assert parse("SELECT 1 FROM masks ORDER BY SUM(score)", CATALOG).group_by == ()
    assert parse("SELECT 1 FROM masks HAVING TRUE", CATALOG).group_by == ()
    over_masks = "SELECT CP(avg(mask), full_image, (0, 1)) FROM masks"
    assert parse(over_masks, CATALOG).group_by == ()


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("1 + mask_id", "int"),
        ("1 + score", "float"),
        ("mask_id / 2", "float"),
        ("mask_id % 2", "int"),
        ("score % 2", "float"),
        ("-mask_id", "int"),
        ("NULL", "null"),
        ("NULL + 1", "int"),
        ("NULL + NULL", "null"),
        ("NULL = 1", "bool"),
        ("NOT NULL", "bool"),
        ("label = NULL", "bool"),
        ("CASE WHEN correct THEN 1 ELSE 2.5 END", "float"),
        ("CASE WHEN correct THEN 'a' END", "string"),
        ("CASE WHEN correct THEN NULL END", "null"),
        ("COALESCE(mask_id, score)", "float"),
        ("COALESCE(NULL, correct)", "bool"),
        ("LEAST(mask_id, 2)", "int"),
        ("GREATEST(mask_id, 2.0)", "float"),
        ("NULLIF(mask_id, 2.0)", "int"),
        ("NULLIF(NULL, 'a')", "null"),
        ("ABS(mask_id)", "int"),
        ("ROUND(mask_id, -1)", "int"),
        ("ROUND(score)", "float"),
        ("CAST(label AS INT)", "int"),
        ("CAST(mask_id AS FLOAT)", "float"),
        ("CAST(NULL AS TEXT)", "string"),
        ("CAST(score AS BOOLEAN)", "bool"),
        ("CP(mask, full_image, (0, 1))", "int"),
        ("area(full_image)", "int"),
        ("object_box", "other"),
        ("taken", "other"),
        ("COUNT(*)", "int"),
        ("COUNT(object_box)", "int"),
        ("COUNT(DISTINCT label)", "int"),
        ("SUM(mask_id)", "int"),
        ("SUM(score)", "float"),
        ("SUM(CP(mask, full_image, (0, 1)))", "int"),
        ("AVG(mask_id)", "float"),
        ("MIN(label)", "string"),
        ("MAX(mask_id)", "int"),
    ],
)
def test_types(expression: str, kind: str) -> None:
    assert value(expression).type == kind


def test_precedence() -> None:
    one, two, three = (Literal(n, "int") for n in (1, 2, 3))
    product = Call("*", (two, three), "int")
    assert value("1 - 2 * 3") == Call("-", (one, product), "int")
    difference = Call("-", (one, two), "int")
    assert value("1 - 2 - 3") == Call("-", (difference, three), "int")
    negated = Call("not", (Call("=", (one, two), "bool"),), "bool")
    assert value("NOT 1 = 2") == negated
    assert value("NOT NOT 1 = 2") == Call("not", (negated,), "bool")
    a, b, c = (Column(name, "bool") for name in ("correct",) * 3)
    either = Call("or", (a, Call("and", (b, c), "bool")), "bool")
    assert value("correct OR correct AND correct") == either
    assert value("-score * 2") == Call(
        "*", (Call("neg", (Column("score", "float"),), "float"), two), "float"
    )


@pytest.mark.parametrize("zero", [value("-0.0"), value(":zero", zero=-0.0)])
def test_a_zero_has_no_sign(zero: Expr) -> None:
    assert isinstance(zero, Literal) and isinstance(zero.value, float)
    assert math.copysign(1, zero.value) == 1


def test_long_conjunctions_are_shallow() -> None:
    text = " AND ".join(f"mask_id <> {i}" for i in range(4000))
    where = parse(f"SELECT mask_id FROM masks WHERE {text}", CATALOG).where
    assert depth(where) <= 15


def depth(expr: Expr | None) -> int:
    return 1 + max(map(depth, expr.args), default=0) if isinstance(expr, Call) else 1


# ---------------------------------------------------------------- pixels


FULL, MASK = FullImage(), MaskSource()


def above(x: float) -> float:
    return math.nextafter(x, math.inf)


@pytest.mark.parametrize(
    ("term", "domain", "expected"),
    [
        ("(0.2, 0.4)", (0, 1), ValueRange(0.2, 0.4)),
        ("(0.2, 1)", (0, 1), ValueRange(0.2, above(1.0))),
        ("(0.2, 1)", (0, 2), ValueRange(0.2, 1.0)),
        ("(0.2, 5)", (0, 2), ValueRange(0.2, above(5.0))),
        ("(0.2, 1), '[)'", (0, 1), ValueRange(0.2, 1.0)),
        ("(0.2, 0.4), '(]'", (0, 1), ValueRange(above(0.2), above(0.4))),
        ("(-inf, inf)", (0, 1), ValueRange(-math.inf, math.inf)),
        ("(:lv, :uv)", (0, 1), ValueRange(-math.inf, 0.5)),
    ],
)
def test_ranges(term: str, domain: tuple[int, int], expected: ValueRange) -> None:
    text = f"SELECT CP(mask, full_image, {term}) FROM masks"
    params = {"lv": -math.inf, "uv": np.float32(0.5)} if ":" in term else {}
    query = parse(text, catalog(Domain(*domain)), params)
    assert query.outputs[0].expr == CountPixels(MASK, FULL, expected)


@pytest.mark.parametrize(
    ("op", "ones"),
    [
        (">", ValueRange(above(0.5), math.inf)),
        (">=", ValueRange(0.5, math.inf)),
        ("<", ValueRange(-math.inf, 0.5)),
        ("<=", ValueRange(-math.inf, above(0.5))),
    ],
)
def test_thresholded_masks(op: str, ones: ValueRange) -> None:
    counts, area = CountPixels(MASK, FULL, ones), Area(FULL)
    # The domain of 0/1 masks is [0, 1] whatever the collection's: 1 is included at the upper end.
    wide = catalog(Domain(0.0, 255.0))

    def term(values: str) -> Expr:
        text = f"SELECT CP(mask {op} 0.5, full_image, {values}) FROM masks"
        return parse(text, wide).outputs[0].expr

    assert term("(0.5, 1)") == counts
    assert term("(0, 1)") == area
    assert term("(0, 0.5)") == term("(0, 1), '[)'") == Call("-", (area, counts), "int")
    assert term("(0.2, 0.8)") == Call("-", (area, area), "int")
    grouped = parse(f"SELECT CP(union(mask {op} 0.5), full_image, (0.5, 1)) FROM masks", wide)
    source = MaskSource("union", ones)
    whole = ValueRange(0.5, above(1.0))
    assert grouped.outputs[0].expr == CountPixels(source, FULL, whole)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("full_image", FullImage()),
        ("FULL_IMAGE", FullImage()),
        ("box(1, 2, 3, 4)", Box(1, 2, 3, 4)),
        ("box(-1, +2, 3, 4)", Box(-1, 2, 3, 4)),
        ("1,2,3,4", Box(1, 2, 3, 4)),
        (" -1, 2, 3, 4 ", Box(-1, 2, 3, 4)),
        ("(1, 2, 3, 4)", Box(1, 2, 3, 4)),
        ((1, 2, 3, 4), Box(1, 2, 3, 4)),
        ([1, 2, 3, 4], Box(1, 2, 3, 4)),
        (np.array([1, 2, 3, 4], np.int32), Box(1, 2, 3, 4)),
        ("object_box", BoxColumn("object_box")),
        ("Object_Box", BoxColumn("object_box")),
        ("full image", BoxColumn("full image")),
        ('"full image"', BoxColumn("full image")),
        ("parts", BoxListColumn("parts")),
        ("outside(parts)", Outside(BoxListColumn("parts"))),
        ("polygon(0, 0, 4, 0, 0, 4.5)", Polygon(((0.0, 0.0), (4.0, 0.0), (0.0, 4.5)))),
        (Box(5, 6, 7, 8), Box(5, 6, 7, 8)),
    ],
)
def test_regions_named_outside_of_a_query(form: Any, expected: Roi) -> None:
    assert parse_roi(form, CATALOG) == expected
    query = parse("SELECT area(roi) FROM masks", CATALOG, roi=form)
    assert query.outputs[0].expr == Area(expected)
    query = parse("SELECT area(outside(:where)) FROM masks", CATALOG, {"where": form})
    assert query.outputs[0].expr == Area(Outside(expected))


@pytest.mark.parametrize(
    "form",
    [
        "",
        "roi",
        "mask",
        "score",
        "nobox",
        "1,2,3",
        "1,2,3,4,5",
        "1,2,3,4.5",
        "1,2,3,x",
        "box(1,2,3,:x)",
        "full_image, full_image",
        "full_image)",
        "\0",
        "x" * 1_000_000,
        (1, 2, 3),
        (1, 2, 3, 4.0),
        (1, 2, 3, True),
        (1, 2, 3, 2**63),
        [[1, 2, 3, 4]],
        np.zeros((4, 4), np.int64),
        7,
        None,
        object(),
        b"1,2,3,4",
    ],
)
def test_what_is_no_region(form: Any) -> None:
    with pytest.raises(QueryError):
        parse_roi(form, CATALOG)
    if form is not None:
        with pytest.raises(QueryError):
            parse("SELECT mask_id FROM masks", CATALOG, roi=form)


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1, Literal(1, "int")),
        (np.int64(1), Literal(1, "int")),
        (np.uint8(200), Literal(200, "int")),
        (0.5, Literal(0.5, "float")),
        (np.float32(0.1), Literal(float(np.float32(0.1)), "float")),
        (True, Literal(True, "bool")),
        (np.bool_(False), Literal(False, "bool")),
        ("x'; --", Literal("x'; --", "string")),
        (np.str_("x"), Literal("x", "string")),
        (None, Literal(None, "null")),
    ],
)
def test_parameters(given: Any, expected: Literal) -> None:
    found = value(":p", p=given)
    assert found == expected
    assert type(found.value) is type(expected.value)


@pytest.mark.parametrize("given", [[1], {}, b"x", 2**63, math.nan, -math.inf, 1j, np.arange(3)])
def test_what_is_no_parameter(given: Any) -> None:
    with pytest.raises(QueryError, match=":p") as caught:
        value(":p", p=given)
    assert (caught.value.line, caught.value.column) == (1, 8)


def test_names_of_parameters() -> None:
    with pytest.raises(QueryError, match=r"no value is given for :p .*given: :P"):
        value(":p", P=1)
    with pytest.raises(QueryError, match="the name of a parameter"):
        parse("SELECT mask_id FROM masks", CATALOG, {1: 2})  # type: ignore[dict-item]
    assert value(":select + :SELECT", select=1, SELECT=2) == Call(
        "+", (Literal(1, "int"), Literal(2, "int")), "int"
    )


# ---------------------------------------------------------------- predicates


def test_predicates_over_metadata() -> None:
    expected = parse("SELECT mask_id FROM masks WHERE model_id = 2 AND label = 'a'", CATALOG).where
    assert parse_predicate("model_id = :m AND label = 'a'", CATALOG, {"m": 2}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CP(mask, full_image, (0, 1)) > 1", "CP in a predicate over metadata"),
        ("area(object_box) > 1", "area in a predicate over metadata"),
        ("COUNT(*) > 1", "an aggregate in a predicate over metadata"),
        ("CP(avg(mask), full_image, (0, 1)) > 1", "CP in a predicate over metadata"),
        ("model_id", "an int where a condition is wanted"),
        ("model_id = 1, label = 'a'", "one condition is wanted"),
        ("WHERE model_id = 1", "unexpected 'WHERE'"),
        ("model_id = 1;", "unexpected ';'"),
        ("", "the query ends too early"),
        ("nope = 1", "unknown column 'nope'"),
    ],
)
def test_what_is_no_predicate(text: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_predicate(text, CATALOG)
    assert message in str(caught.value)
    assert caught.value.line == 1


def test_predicates_use_all_parameters() -> None:
    with pytest.raises(QueryError, match="values are given for :m"):
        parse_predicate("model_id = 1", CATALOG, {"m": 2})


@pytest.mark.parametrize("text", [None, 1, b"SELECT mask_id FROM masks"])
def test_a_query_is_a_text(text: Any) -> None:
    with pytest.raises(QueryError, match="a query is a text"):
        parse(text, CATALOG)
    with pytest.raises(QueryError, match="a query is a text"):
        parse_predicate(text, CATALOG)
