"""Texts meant to exhaust or to confuse: refused quickly, with a `QueryError` and nothing else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import pytest

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import Catalog, Field
from masksearch_ray.model.values import Domain
from masksearch_ray.sql import parse, parse_predicate, parse_roi, render_query
from masksearch_ray.sql.tokens import MAX_TEXT
from tests.sql.catalog import catalog

CATALOG = catalog()
SECONDS = 10.0  # of processor time, on a slow machine; a quadratic step would take minutes
WHERE = "SELECT mask_id FROM masks WHERE "


def nested_case(levels: int) -> str:
    text = "mask_id"
    for _ in range(levels):
        text = f"CASE {text} WHEN 1 THEN 1 WHEN 2 THEN 3 WHEN 3 THEN 3 END"
    return f"SELECT {text} FROM masks"


def nested_between(levels: int) -> str:
    text = "correct"
    for _ in range(levels):
        text = f"({text} BETWEEN TRUE AND TRUE)"
    return WHERE + text


TOO_MUCH = {
    "a megabyte": "x" * 1_000_000,
    "parentheses": WHERE + "(" * 10_000 + "1" + ")" * 10_000,
    "open parentheses": "(" * 99_000,
    "functions": "SELECT " + "ABS(" * 10_000 + "1" + ")" * 10_000 + " FROM masks",
    "regions": "SELECT area(" + "outside(" * 1_000 + "roi" + ")" * 1_000 + ") FROM masks",
    "a sum": WHERE + "1" + "+1" * 40_000 + " > 3",
    "nots": WHERE + "NOT " * 24_000 + "TRUE",
    "signs": "SELECT " + "- " * 40_000 + "mask_id FROM masks",
    "cases": WHERE + "CASE WHEN TRUE THEN " * 4_000,
    "operands of CASE": nested_case(90),
    "operands of BETWEEN": nested_between(90),
    "an alias": "SELECT "
    + "+".join(["mask_id"] * 90)
    + " AS a, COUNT(*) FROM masks GROUP BY mask_id HAVING "
    + " AND ".join(["a = 1"] * 9_000),
    "quotes": "'" * 99_999,
    "comments": "SELECT " + "/*" * 40_000 + "x",
    "a long name": "SELECT " + "é" * 99_000 + " FROM masks",
    "a long integer": "SELECT " + "9" * 99_000 + " FROM masks",
    "a long fraction": "SELECT ." + "9" * 99_000 + "e99999 FROM masks",
    "NUL": "SELECT \0 FROM masks",
    "half a character": "SELECT '\ud800' FROM masks",
    "control characters": "SELECT \x1b[31mred FROM masks",
    "line separators": "SELECT\u2028\x0b\x0c\x85 FROM masks",
    "only line ends": "\r\n\n\r\x0b",
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much_is_refused_quickly(name: str) -> None:
    started = time.process_time()
    with pytest.raises(QueryError) as caught:
        parse(TOO_MUCH[name], CATALOG)
    assert time.process_time() - started < SECONDS
    assert caught.value.line is not None
    text = str(caught.value)
    text.encode()
    assert len(text) < 1_000
    assert all(character.isprintable() or character == "\n" for character in text)


MUCH = {
    "conditions": WHERE + "1 = 1" + " AND 1 = 1" * 9_000,
    "a list": WHERE + "mask_id IN (" + ",".join("1" * 40_000) + ")",
    "columns": "SELECT " + ",".join(["mask_id"] * 10_000) + " FROM masks",
    "keys": "SELECT COUNT(*) FROM masks GROUP BY " + ",".join(f"mask_id+{i}" for i in range(6_000)),
    "parentheses": WHERE + "(" * 90 + "TRUE" + ")" * 90,
    "a sum": WHERE + "1" + "+1" * 90 + " > 3",
    "branches": f"SELECT CASE {'WHEN correct THEN 1 ' * 4_000} END FROM masks",
    "a comment": "SELECT mask_id --" + "-" * 90_000 + "\nFROM masks",
    "a string": "SELECT '" + "''" * 45_000 + "' FROM masks",
}


@pytest.mark.parametrize("name", MUCH)
def test_much_is_answered_quickly(name: str) -> None:
    started = time.process_time()
    render_query(parse(MUCH[name], CATALOG))
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize(
    "text", ["(" * 99 + "TRUE" + ")" * 99, "1" + " + (1" * 48 + ")" * 48 + " > 1"]
)
def test_deep_in_somebody_elses_stack(text: str) -> None:
    """What fits an empty stack is at worst refused on a full one, with the right error."""
    outcomes = set()

    def below(frames: int) -> None:
        if frames:
            below(frames - 1)
        else:
            outcomes.add(outcome(lambda: parse(WHERE + text, CATALOG)))

    for frames in range(0, sys.getrecursionlimit() - 150, 50):
        thread = threading.Thread(target=below, args=(frames,))
        thread.start()
        thread.join()
    assert outcomes == {"answered", "refused"}


def outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except QueryError:
        return "refused"
    return "answered"


def test_the_limit_on_the_text() -> None:
    text = "SELECT mask_id FROM masks --"
    parse(text.ljust(MAX_TEXT, "-"), CATALOG)
    with pytest.raises(QueryError, match="100,001 characters long") as caught:
        parse(text.ljust(MAX_TEXT + 1, "-"), CATALOG)
    assert (caught.value.line, caught.value.column) == (1, 1)
    with pytest.raises(QueryError, match="characters long"):
        parse_predicate(" " * 1_000_000, CATALOG)


HOSTILE_NAMES = [
    "'; DROP TABLE masks; --",
    'a"b',
    "a\nb",
    "\x1b[2J",
    "ünïcödé",
    "名前",
    "SELECT",
    "full_image",
    "roi",
    ":p",
    "--",
    "/*",
    "0",
    " ",
    "é" * 5_000,
    "COUNT(*)",
    "_1",
    "%s{0}",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_any_column_name_can_be_quoted(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    fields = {n: Field(n, "int") for n in ("mask_id", name)}
    known = Catalog("c", {**fields, "b": Field("b", "box")}, Domain())
    query = parse(f"SELECT {quoted} + 1 AS {quoted} FROM masks", known)
    assert query.outputs[0].name == name
    again = parse(render_query(query), known)
    assert again.outputs == query.outputs
    boxes = Catalog("c", {"mask_id": Field("mask_id", "int"), name: Field(name, "box")}, Domain())
    area = parse(f"SELECT area({quoted}) AS a FROM masks", boxes)
    assert parse(render_query(area), boxes).outputs == area.outputs
    assert parse_roi(quoted, boxes) == area.outputs[0].expr.roi  # type: ignore[union-attr]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_collections_of_any_name(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    fields = {"mask_id": Field("mask_id", "int")}
    assert parse(f"SELECT * FROM {quoted}", Catalog(name, fields, Domain())).outputs
    with pytest.raises(QueryError, match="unknown collection"):
        parse(f"SELECT * FROM {quoted}", Catalog("other", fields, Domain()))
