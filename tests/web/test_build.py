"""The query builder's state becomes SQL and comes back from it, however it is spelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.errors import InputError
from masksearch_ray.model.query import Catalog, Field
from masksearch_ray.model.roi import Box, BoxColumn, FullImage, Polygon
from masksearch_ray.model.values import Domain
from masksearch_ray.sql import parse
from masksearch_ray.web.build import (
    Built,
    Condition,
    Pair,
    Pixels,
    check,
    essential,
    first_built,
    from_query,
    names,
    to_sql,
    with_rest,
)
from tests.sql.catalog import catalog
from tests.web.builds import CATALOGS, builds

HERE = catalog()
BRIGHT = Pixels(BoxColumn("object_box"), low=0.8)


@given(data=st.data(), here=st.sampled_from(CATALOGS), counts=st.booleans())
def test_a_state_comes_back_from_its_sql(data: st.DataObject, here: Catalog, counts: bool) -> None:
    built = data.draw(builds(here))
    query = parse(to_sql(built, here, counts=counts), here)
    assert from_query(query) == essential(built, here.domain)
    shown = [output.name for output in query.outputs]
    named = names(built, here)
    wanted = [named.id]
    if counts:
        more = dict.fromkeys((named.score, named.pixels, named.out_of, *named.told))
        wanted += [name for name in more if name]
    assert shown == wanted


@pytest.mark.parametrize("here", CATALOGS)
@pytest.mark.parametrize("cut", [True, False])
def test_an_iou_comes_back_whatever_the_domain(here: Catalog, cut: bool) -> None:
    for low in (here.domain.lo, here.domain.hi):
        built = replace(IOU, cut=cut, pixels=Pixels(low=low, high=here.domain.hi))
        assert from_query(parse(to_sql(built, here), here)) == essential(built, here.domain)


@given(data=st.data(), here=st.sampled_from(CATALOGS))
def test_what_a_query_does_not_use_stays_in_its_control(data: st.DataObject, here: Catalog) -> None:
    old, new = data.draw(builds(here)), data.draw(builds(here))
    both = with_rest(essential(new, here.domain), old)
    assert essential(both, here.domain) == essential(new, here.domain)
    assert with_rest(essential(old, here.domain), old) == replace(old, where=both_where(old))


def both_where(built: Built) -> tuple[Condition, ...]:
    return essential(built, Domain()).where


def test_the_sql_is_what_a_person_would_write() -> None:
    built = Built(
        score="share",
        pixels=BRIGHT,
        descending=False,
        where=(Condition("model_id", "=", (1,)), Condition("label", "<>", other="prediction")),
    )
    assert to_sql(built, HERE) == (
        "SELECT mask_id,\n"
        "       CP(mask, object_box, (0.8, 1)) / area(object_box) AS score_,\n"
        "       CP(mask, object_box, (0.8, 1)) AS pixels,\n"
        "       area(object_box) AS out_of,\n"
        "       label,\n"
        "       prediction\n"
        "FROM masks\n"
        "WHERE model_id = 1\n"
        "  AND label <> prediction\n"
        "ORDER BY score_ ASC\n"
        "LIMIT 25"
    )
    iou = Built("filter", "iou", pixels=Pixels(low=0.5), pair=Pair("mask_type", 1, 2))
    assert to_sql(replace(iou, comparison="<", threshold=0.2), HERE) == (
        "SELECT image_id,\n"
        "       CP(intersect(mask >= 0.5), full_image, (0.5, 1))\n"
        "         / CP(union(mask >= 0.5), full_image, (0.5, 1)) AS score_,\n"
        "       CP(intersect(mask >= 0.5), full_image, (0.5, 1)) AS pixels,\n"
        "       CP(union(mask >= 0.5), full_image, (0.5, 1)) AS out_of\n"
        "FROM masks\n"
        "WHERE mask_type IN (1, 2)\n"
        "GROUP BY image_id\n"
        "HAVING COUNT(DISTINCT mask_type) = 2\n"
        "   AND score_ < 0.2"
    )


COUNT = Built("filter", pixels=BRIGHT, threshold=100)
SHARE = Built("top", "share", pixels=BRIGHT, descending=False)
LABELS = (Condition("label", "<>", other="prediction"),)
IOU = Built("top", "iou", Pixels(low=0.5), pair=Pair("mask_type", 1, 2), descending=False)
CP = "CP(mask, object_box, (0.8, 1.0))"
AREA = "area(object_box)"
INTERSECT = "CP(intersect(mask >= 0.5), full_image, (0.5, 1.0))"
BOTH = "HAVING COUNT(DISTINCT mask_type) = 2"
UNION = "CP(union(mask >= 0.5), full_image, (0.5, 1.0))"


@pytest.mark.parametrize(
    ("text", "built"),
    [
        (f"SELECT mask_id FROM masks WHERE {CP} > 100", COUNT),
        (f"select MASK_ID from digits where 100 < {CP.lower()}", COUNT),
        (f"SELECT mask_id, {CP} AS n FROM masks WHERE n > 100 ORDER BY mask_id", COUNT),
        (f"SELECT * FROM masks WHERE NOT (({CP} <= 100))", COUNT),
        (f"SELECT mask_id FROM masks WHERE {CP.replace('1.0', '7.5')} > 1e2", COUNT),
        (f"SELECT mask_id FROM masks WHERE {CP[:-1]}, '[]') > 100", COUNT),
        (f"SELECT mask_id FROM masks WHERE {CP.replace('1.0', 'inf')} > 100", COUNT),
        (
            "SELECT mask_id FROM masks WHERE CP(mask, outside(outside(object_box)), (.8, 1)) > 100",
            COUNT,
        ),
        ("SELECT mask_id FROM masks WHERE CP(mask >= 0.8, object_box, (0.5, 1)) > 100", COUNT),
        (f"SELECT mask_id FROM masks ORDER BY {CP} / {AREA} LIMIT 25", SHARE),
        (f"SELECT mask_id, {CP} / {AREA} FROM masks ORDER BY 2, 1 LIMIT 25", SHARE),
        (f"SELECT mask_id FROM masks ORDER BY -({CP} / {AREA}) DESC LIMIT 25", SHARE),
        (f"SELECT mask_id FROM masks ORDER BY 1.0 * {CP} / NULLIF({AREA}, 0) LIMIT 25", SHARE),
        (
            f"SELECT mask_id, {CP} AS n FROM masks ORDER BY CAST({CP} AS DOUBLE) / {AREA} LIMIT 25",
            SHARE,
        ),
        (
            f"SELECT image_id, {INTERSECT} / {UNION} AS iou, COUNT(*) AS n FROM masks"
            f" WHERE mask_type IN (1, 2) GROUP BY image_id {BOTH} ORDER BY iou LIMIT 25",
            IOU,
        ),
        (
            "SELECT image_id, CP(intersect(mask), full_image, (0.5, 1.0))"
            " / CP(union(mask), full_image, (0.5, 1.0)) AS iou FROM masks"
            " WHERE mask_type = 1 OR mask_type = 2 GROUP BY 1"
            " HAVING iou < 0.2 AND 2 = COUNT(DISTINCT mask_type)",
            replace(IOU, kind="filter", cut=False, comparison="<", threshold=0.2),
        ),
        (
            f"SELECT image_id, {INTERSECT} / {UNION} AS iou FROM masks"
            " WHERE mask_type IN (1, 2) GROUP BY image_id ORDER BY iou LIMIT 25",
            replace(IOU, both=False),
        ),
        (
            f"SELECT mask_id FROM masks WHERE {CP} > 100 AND NOT (label = prediction OR correct)"
            " AND score <= 0.5 AND 0.25 <= score AND model_id IS NOT NULL AND NOT label LIKE 'a%'"
            " AND (model_id = 1 OR model_id IN (2, 3))",
            replace(
                COUNT,
                where=(
                    *LABELS,
                    Condition("correct", "=", (False,)),
                    Condition("score", "between", (0.25, 0.5)),
                    Condition("model_id", "is not null"),
                    Condition("label", "not like", ("a%",)),
                    Condition("model_id", "in", (1, 2, 3)),
                ),
            ),
        ),
    ],
)
def test_other_spellings_are_recognised(text: str, built: Built) -> None:
    assert from_query(parse(text, HERE)) == essential(built, HERE.domain)


def test_parameters_are_recognised() -> None:
    text = "SELECT mask_id FROM masks WHERE CP(mask, roi, (:low, 1.0)) > :n"
    built = from_query(parse(text, HERE, {"low": 0.8, "n": 100}, (1, 2, 3, 4)))
    assert built == replace(COUNT, pixels=Pixels(Box(1, 2, 3, 4), low=0.8))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT mask_id FROM masks",
        "SELECT mask_id FROM masks LIMIT 5",
        "SELECT mask_id FROM masks ORDER BY label LIMIT 5",
        "SELECT COUNT(*) FROM masks",
        f"SELECT label FROM masks WHERE {CP} > 100",
        f"SELECT mask_id FROM masks WHERE {CP} = 100",
        f"SELECT mask_id FROM masks WHERE {CP} > {AREA}",
        f"SELECT mask_id FROM masks WHERE {CP} > 100 OR label = 'cat'",
        f"SELECT mask_id FROM masks WHERE {CP} > 100 AND {CP} < 500",
        f"SELECT mask_id FROM masks WHERE {CP} > 100 LIMIT 5",
        f"SELECT mask_id FROM masks WHERE {CP} > 100 ORDER BY label",
        f"SELECT mask_id FROM masks WHERE {CP} > 100 ORDER BY mask_id DESC",
        f"SELECT mask_id FROM masks WHERE {CP} > 100 AND label LIKE 'a!%' ESCAPE '!'",
        f"SELECT mask_id FROM masks WHERE {CP} > 100 AND label = NULL",
        f"SELECT DISTINCT mask_id FROM masks WHERE {CP} > 100",
        f"EXPLAIN SELECT mask_id FROM masks WHERE {CP} > 100",
        f"SELECT mask_id, {CP} + 1 FROM masks WHERE {CP} > 100",
        f"SELECT mask_id FROM masks ORDER BY {CP} DESC",
        f"SELECT mask_id FROM masks ORDER BY {CP} LIMIT 0",
        f"SELECT mask_id FROM masks ORDER BY {CP} LIMIT 5 OFFSET 5",
        f"SELECT mask_id FROM masks ORDER BY {CP} NULLS FIRST LIMIT 5",
        f"SELECT mask_id FROM masks ORDER BY {CP}, label LIMIT 5",
        f"SELECT mask_id FROM masks ORDER BY {CP} / area(full_image) LIMIT 5",
        f"SELECT mask_id FROM masks WHERE {CP[:-1]}, '[)') > 100",
        "SELECT mask_id FROM masks WHERE CP(mask, box(5, 5, 5, 5), (0.8, 1.0)) > 100",
        f"SELECT image_id, AVG({CP}) AS s FROM masks GROUP BY image_id ORDER BY s LIMIT 5",
        f"SELECT image_id, {INTERSECT} / {UNION} AS s FROM masks GROUP BY image_id"
        f" {BOTH} AND s < 1",
        f"SELECT label, {INTERSECT} / {UNION} AS s FROM masks WHERE mask_type IN (1, 2)"
        f" GROUP BY label {BOTH} AND s < 1",
        *(
            f"SELECT image_id, {INTERSECT} / {UNION} AS s FROM masks WHERE mask_type IN (1, 2)"
            f" GROUP BY image_id {groups} ORDER BY s LIMIT 25"
            for groups in (
                "HAVING COUNT(*) = 2",
                "HAVING COUNT(DISTINCT model_id) = 2",
                "HAVING COUNT(DISTINCT mask_type) = 1",
                "HAVING COUNT(DISTINCT mask_type) >= 2",
                "HAVING SUM(mask_type) = 2",
                f"{BOTH} AND COUNT(*) < 9",
                f"{BOTH} AND s < 1",
            )
        ),
    ],
)
def test_what_does_not_fit_is_said_to(text: str) -> None:
    assert from_query(parse(text, HERE)) is None


def filtered(column: str, operator: Any, *values: Any, other: str = "") -> Built:
    return replace(COUNT, where=(Condition(column, operator, values, other),))


BAD: Any = "abc"


@pytest.mark.parametrize(
    ("built", "told"),
    [
        (replace(COUNT, threshold=BAD), "Threshold: a number is wanted, not 'abc'"),
        (replace(COUNT, threshold=None), "Threshold: a number is wanted"),  # type: ignore[arg-type]
        (replace(COUNT, threshold=float("nan")), "Threshold: a finite number"),
        (replace(COUNT, threshold=2**70), "Threshold: the number is too large"),
        (replace(COUNT, comparison=BAD), "Comparison: >, >=, <, <= are possible, not 'abc'"),
        (replace(COUNT, pixels=Pixels(low=0.9, high=0.2)), "Values: the lower value 0.9 exceeds"),
        (replace(COUNT, pixels=Pixels(low=-2)), "Values: from 0 to 1 is possible, not -2"),
        (replace(COUNT, pixels=Pixels(high=3)), "Values: from 0 to 1 is possible, not 3"),
        (replace(COUNT, pixels=Pixels(low=BAD)), "Values: a number is wanted"),
        (replace(COUNT, pixels=Pixels(Box(5, 5, 5, 9))), "Region: the box is empty"),
        (replace(COUNT, pixels=Pixels(Box(0, 0, BAD, 9))), "Region: a box has four whole"),
        (replace(COUNT, pixels=Pixels(Polygon(((0, 0), (1, 1))))), "Region: a polygon has 3"),
        (replace(COUNT, pixels=Pixels(FullImage(), True)), "Region: nothing lies outside"),
        (replace(COUNT, pixels=Pixels(BoxColumn("label"))), "Region: there is no column of boxes"),
        (
            Built(score="ratio", below=Pixels(low=0.9, high=0.2)),
            "Second values: the lower value",
        ),
        (Built(score="ratio", below=Pixels(BoxColumn("x"))), "Second region: there is no"),
        (replace(SHARE, k=0), "Number of results: a whole number from 1 is wanted, not 0"),
        (replace(SHARE, k=BAD), "Number of results"),
        (Built(kind=BAD), "Kind:"),
        (Built(score=BAD), "Score:"),
        (replace(IOU, pair=None), "Compare: choose"),
        (replace(IOU, pair=Pair("label", "a", "b")), "Compare: mask_type or model_id is wanted"),
        (replace(IOU, pair=Pair("mask_type", 1, 1)), "Compare: two different masks"),
        (replace(IOU, pair=Pair("mask_type", 1, "b")), "Compare: a number is wanted, not 'b'"),
        (filtered("nothing", "=", 1), "Filter on nothing: there is no such column"),
        (filtered("label", "=", 1), "Filter on label: a text is wanted, not 1"),
        (filtered("label", "=", "\0"), "Filter on label: the text holds a character"),
        (filtered("label", BAD, "a"), "Filter on label: =, "),
        (filtered("score", "between", 2, 1), "Filter on score: the lower value exceeds"),
        (filtered("score", "between", 2), "Filter on score: a lower and an upper value"),
        (filtered("score", "in"), "Filter on score: choose 1 to"),
        (filtered("score", "="), "Filter on score: one value is wanted"),
        (filtered("score", "=", ""), "Filter on score: a number is wanted"),
        (filtered("score", "like", "a"), "Filter on score: patterns are for texts"),
        (filtered("correct", "=", "yes"), "Filter on correct: yes or no is wanted"),
        (filtered("correct", "<", True), "Filter on correct: only = and <>"),
        (filtered("parts", "=", 1), "Filter on parts: only whether it is empty"),
        (filtered("label", "=", other="score"), "Filter on label: it holds texts, score does not"),
        (filtered("label", "=", other="x"), "Filter on label: there is no column 'x'"),
        (filtered("label", "in", other="prediction"), "Filter on label: two columns"),
    ],
)
def test_what_is_wrong_is_told_by_its_control(built: Built, told: str) -> None:
    for checked in (check, to_sql):
        with pytest.raises(InputError) as caught:
            checked(built, HERE)
        assert str(caught.value).startswith(told)


def test_an_iou_needs_image_ids() -> None:
    bare = Catalog("bare", {"mask_id": Field("mask_id", "int")}, Domain())
    with pytest.raises(InputError, match="Score: an IoU needs the column image_id"):
        check(IOU, bare)


@pytest.mark.parametrize("here", CATALOGS)
def test_the_first_state_is_a_query(here: Catalog) -> None:
    built = first_built(here)
    assert from_query(parse(to_sql(built, here), here)) == built


def test_too_long_a_query_is_refused() -> None:
    many = tuple(Condition("label", "in", ("x" * 200,) * 900) for _ in range(2))
    with pytest.raises(InputError, match="Filters: the query is longer"):
        to_sql(replace(COUNT, where=many), HERE)
