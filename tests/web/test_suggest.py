"""What may be typed at a place of a query, and which part of it an error is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.errors import QueryError
from masksearch_ray.sql import parse
from masksearch_ray.sql.functions import AGGREGATES, FUNCTIONS
from masksearch_ray.web.suggest import complete, completions, mark_of
from tests.sql.catalog import catalog

HERE = catalog()
OFFERED = completions(HERE)
CP = "CP(mask, full_image, (0.5, 1.0))"


def labels(text: str, *, asked: bool = False) -> list[str]:
    """What is offered where | stands."""
    cursor = text.index("|")
    found = complete(text.replace("|", ""), cursor, OFFERED, asked=asked)
    return [item.label for item in found.items]


def test_every_name_of_the_language_is_offered() -> None:
    found = {(item.kind, item.label) for item in OFFERED}
    assert {("column", name) for name in HERE.fields} <= found
    assert {("function", name) for name in (*FUNCTIONS, *AGGREGATES, "CP", "area")} <= found
    assert {("region", name) for name in ("object_box", "parts", "full image", "outside")} <= found
    assert all(item.told for item in OFFERED)


def test_what_is_put_into_the_text_is_understood() -> None:
    for item in OFFERED:
        if item.kind == "column":
            parse(f"SELECT {item.apply} FROM masks", HERE)
        if item.label in ("full_image", "object_box", "parts", "full image"):
            parse(f"SELECT area({item.apply}) FROM masks", HERE)
        if item.kind == "function":
            text = item.apply.replace("digits", "2").replace("value", "score")
            parse(f"SELECT {text.replace('number', 'score')} FROM masks", HERE)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("|", []),
        ("sel|", ["SELECT"]),
        ("SELECT mo|", ["model_id", "MOD"]),
        ("SELECT pred|", ["prediction"]),
        ("SELECT id|", ["mask_id", "image_id", "model_id"]),
        ("SELECT cp|", ["CP"]),
        ("SELECT mask_id FROM |", ["masks"]),
        ("SELECT mask_id FROM m|", ["masks"]),
        ("SELECT CP(|", ["mask", "intersect", "union", "avg"]),
        ("SELECT CP(ma|", ["mask"]),
        ("SELECT CP(mask, o|", ["object_box", "outside"]),
        ("SELECT CP(mask, fu|", ["full image", "full_image"]),
        ("SELECT area(p|", ["parts", "polygon"]),
        ("SELECT CP(mask, outside(ob|", ["object_box"]),
        ("SELECT CP(mask, box(|", []),
        ("SELECT CP(mask, box(a|", []),
        ("SELECT CP(mask, full_image, (|", []),
        ("SELECT CP(mask, full_image, (0.5, m|", []),
        ("SELECT CP(intersect(m|", ["mask"]),
        (f"SELECT {CP} / ar|", ["area"]),
        ("SELECT 'mod|", []),
        ("SELECT 'it''s mod|", []),
        ("SELECT 'it''s', mod|", ["model_id", "MOD"]),
        ("SELECT -- mod|", []),
        ("SELECT -- all\n mod|", ["model_id", "MOD"]),
        ("SELECT /* ( */ mod|", ["model_id", "MOD"]),
        ("SELECT /* mod|", []),
        ("SELECT 0.5e|", []),
        ("SELECT :mod|", []),
        ('SELECT "sp|', ["Split", "split"]),
        ("SELECT mask_id FROM masks ord|", ["ORDER BY"]),
        ("SELECT mask_id FROM masks by|", []),
    ],
)
def test_what_fits_a_place_is_offered(text: str, wanted: list[str]) -> None:
    assert labels(text) == wanted


def test_a_list_comes_by_itself_only_where_it_helps() -> None:
    assert "label" in labels("SELECT mask_id FROM masks WHERE |")
    assert labels("SELECT mask_id |") == []
    assert "FROM" in labels("SELECT mask_id |", asked=True)
    assert labels("|", asked=True) == ["SELECT", "EXPLAIN", "EXPLAIN ANALYZE"]
    assert labels("SELECT CP(mask, full_image, (|", asked=True) == []


def test_a_choice_replaces_what_is_written() -> None:
    text = 'SELECT "full im" FROM masks'
    found = complete(text, text.index(" FROM") - 1, OFFERED)
    item = next(item for item in found.items if item.label == "full image")
    chosen = text[: found.start] + item.apply + text[found.stop :]
    assert chosen == 'SELECT "full image" FROM masks'


@given(text=st.text("SELCTcpmask(),'\"-*/ \n01.:|é😀", max_size=40), cursor=st.integers(-5, 50))
def test_completing_never_fails(text: str, cursor: int) -> None:
    found = complete(text, cursor, OFFERED, asked=True)
    assert 0 <= found.start <= found.stop <= len(text)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("SELECT mask_id\nFROM masks\nWHERE labl = 'cat'", "labl"),
        ("SELECT mask_id\r\nFROM masks\r\nWHERE labl = 'cat'", "labl"),
        ("SELECT '😀', labl FROM masks", "labl"),
        ("SELECT CP(mask, full_imag, (0.5, 1.0)) FROM masks", "full_imag"),
        ("SELECT mask_id FROM masks WHERE", "WHERE"),
        ("SELECT mask_id FROM masks WHERE label = 'cat", "'cat"),
        ("SELECT mask_id FROM masks LIMIT 1.5", "1.5"),
        ("SELECT mask_id FROM masks WHERE (label = 'a'  ", "'a'"),
        ('SELECT "no such" FROM masks', '"no such"'),
        ("", ""),
    ],
)
def test_errors_mark_their_place(text: str, marked: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, HERE)
    mark = mark_of(caught.value, text)
    assert text[mark.start : mark.stop] == marked
    assert mark.message
    assert (mark.line, mark.column) == (caught.value.line, caught.value.column)


def test_an_error_about_the_whole_query_marks_all_of_it() -> None:
    text = "SELECT mask_id FROM masks"
    with pytest.raises(QueryError) as caught:
        parse(text, HERE, {"low": 1})
    mark = mark_of(caught.value, text)
    assert (mark.start, mark.stop, mark.line) == (0, len(text), None)


@given(text=st.text("SELECTmask_id FROMWHERE(),'\"\n\r😀 ", max_size=60))
def test_marks_lie_in_the_text(text: str) -> None:
    try:
        parse(text, HERE)
    except QueryError as error:
        mark = mark_of(error, text)
        assert 0 <= mark.start <= mark.stop <= len(text)
