"""Random texts: never an error but `QueryError`; what binds means the same once rendered."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import Query
from masksearch_ray.model.values import Domain, ValueRange
from masksearch_ray.sql import parse, parse_predicate, parse_roi, render_query
from tests.sql.catalog import KINDS, catalog
from tests.sql.golden import cases

CATALOG = catalog()
PIECES = r"""
SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET AS AND OR NOT IN IS LIKE BETWEEN CASE WHEN
THEN ELSE END NULL TRUE ASC DESC NULLS FIRST LAST DISTINCT ESCAPE EXPLAIN ANALYZE CAST COUNT SUM AVG
FALSE MIN MAX ABS ROUND COALESCE NULLIF LEAST MOD CP area box polygon outside intersect union
mask roi full_image masks BIGINT TEXT inf ( ) ( ) , , . ; : :p :q + - * / % = <> != < <= > >= == ||
0 1 2 7 0.5 1e3 .5 1.0 'a' '[]' '()' "mask" "full image" -- /* */ /*+ ' " [ ] { } ? @ # \ | ~ é 名
"""
VOCABULARY = [*PIECES.split(), *KINDS, "\n", "\t", "\0", '""']
TEXTS = [case.text for folder in ("bound", "refused") for case in cases(folder)]
PARAMS = st.dictionaries(
    st.sampled_from(["p", "q"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=9),
        st.lists(st.integers(-9, 9), min_size=3, max_size=5),
    ),
)


def attempt(text: str, params: dict[str, Any] | None = None) -> Query | None:
    try:
        query = parse(text, CATALOG, params, roi="object_box")
    except QueryError as error:
        check_error(text, error)
        return None
    again = parse(render_query(query), CATALOG)
    assert dataclasses.replace(again, text=text) == query
    assert len({output.name for output in query.outputs}) == len(query.outputs)
    return query


def check_error(text: str, error: QueryError) -> None:
    assert str(error).replace("\n", "").isprintable()
    if error.line is not None:
        assert error.column is not None
        lines = text.splitlines() or [""]
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1


@given(st.lists(st.sampled_from(VOCABULARY), max_size=30), PARAMS)
def test_token_soup(pieces: list[str], params: dict[str, Any]) -> None:
    attempt(" ".join(pieces), params)
    attempt("SELECT " + " ".join(pieces) + " FROM masks", params)


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    attempt(text)
    for call in (parse_predicate, parse_roi):
        try:
            call(text, CATALOG)
        except QueryError as error:
            check_error(text, error)


@given(st.sampled_from(TEXTS), st.data(), PARAMS)
def test_mutated_queries(text: str, data: st.DataObject, params: dict[str, Any]) -> None:
    pieces = re.findall(r"\w+|\s+|.", text)
    for _ in range(data.draw(st.integers(1, 4), label="mutations")):
        at = data.draw(st.integers(0, len(pieces)), label="at")
        piece = data.draw(st.sampled_from(["", *VOCABULARY, *pieces]), label="piece")
        pieces[at : at + data.draw(st.integers(0, 2), label="dropped")] = [piece]
    attempt("".join(pieces), params)


# ---------------------------------------------------------------- expressions of the grammar

NUMBERS = st.one_of(
    st.sampled_from(["mask_id", "score", "1", "2.5", "NULL", "-3", "9223372036854775807"]),
    # Without the least one: a minus before it makes an integer beyond 64 bits, which is refused.
    st.integers(-(2**63) + 1, 2**63 - 1).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["CP(mask, roi, (0.2, 0.7))", "area(full_image)", "CP(mask<.3,roi,(0,.5))"]),
)


def number_of(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, part, st.sampled_from("+-*/%"), part),
        st.builds("{} {} {}".format, part, st.sampled_from("+-*/%"), part),
        st.builds("- {}".format, part),
        st.builds("{}({}, {})".format, st.sampled_from(["LEAST", "COALESCE", "MOD"]), part, part),
        st.builds("CASE {} WHEN {} THEN {} END".format, part, part, part),
        st.builds("CAST({} AS BIGINT)".format, part),
    )


VALUES = st.recursive(NUMBERS, number_of, max_leaves=6)
TESTS = st.one_of(
    st.builds("{} {} {}".format, VALUES, st.sampled_from(["=", "<>", "<", ">="]), VALUES),
    st.builds("{} BETWEEN {} AND {}".format, VALUES, VALUES, VALUES),
    st.builds("{} NOT IN ({}, {})".format, VALUES, VALUES, VALUES),
    st.builds("{} IS NOT NULL".format, VALUES),
    st.sampled_from(["correct", "label LIKE 'a_%'", "label NOT LIKE '!_' ESCAPE '!'", "NULL"]),
)


def condition_of(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{} {} {}".format, part, st.sampled_from(["AND", "OR"]), part),
        st.builds("({} {} {})".format, part, st.sampled_from(["AND", "OR"]), part),
        st.builds("NOT {}".format, part),
        st.builds("({}) = ({})".format, part, part),
    )


CONDITIONS = st.recursive(TESTS, condition_of, max_leaves=5)


@given(VALUES, CONDITIONS, VALUES)
def test_expressions_mean_the_same_once_rendered(value: str, condition: str, key: str) -> None:
    text = f"SELECT mask_id, {value} AS v FROM masks WHERE {condition} ORDER BY ({key}) DESC, v"
    query = attempt(text)
    assert query is not None


@given(VALUES, CONDITIONS)
def test_groups_mean_the_same_once_rendered(value: str, condition: str) -> None:
    text = f"SELECT label, SUM({value}) AS s FROM masks WHERE {condition} GROUP BY label, score"
    query = attempt(text + f" HAVING MAX({value}) > score ORDER BY s + score, 1")
    assert query is not None and query.group_by is not None


FLOATS = st.floats(allow_nan=False) | st.sampled_from([0.0, 1.0, 0.1, 0.5])


@given(FLOATS, FLOATS, st.sampled_from([None, "[]", "[)", "(]", "()"]), st.sampled_from("<>"))
def test_ranges_mean_the_same_once_rendered(a: float, b: float, ends: str | None, op: str) -> None:
    lv, uv = sorted((a + 0.0, b + 0.0))
    domain = Domain(-1.0, 2.0) if math.isinf(lv) else Domain()
    rest = f"roi, (:lv, :uv){'' if ends is None else ', :ends'})"
    text = f"SELECT CP(union(mask), {rest}, CP(avg(mask {op} :uv), {rest} FROM masks"
    params = {"lv": lv, "uv": uv} | ({} if ends is None else {"ends": ends})
    known = catalog(domain)
    query = parse(text, known, params, roi=(1, 2, 3, 4))
    expected = ValueRange.of(lv, uv, domain, ends)
    assert query.outputs[0].expr.range == expected  # type: ignore[union-attr]
    again = parse(render_query(query), known)
    assert again.outputs == query.outputs
