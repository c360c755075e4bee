"""Fixtures: texts that bind, and texts that are refused with a message, a place and a caret."""

from __future__ import annotations

import dataclasses

import pytest

from masksearch_ray.errors import QueryError
from masksearch_ray.sql import render_query
from tests.sql.golden import Case, cases

BOUND, REFUSED = cases("bound"), cases("refused")


def name(case: Case) -> str:
    return case.name


def test_there_are_fixtures() -> None:
    assert len(BOUND) > 50
    assert len(REFUSED) > 150


@pytest.mark.parametrize("case", BOUND, ids=name)
def test_binds_as_expected(case: Case) -> None:
    assert render_query(case.parse()) == case.expected


@pytest.mark.parametrize("case", BOUND, ids=name)
def test_what_is_rendered_means_the_same(case: Case) -> None:
    query = case.parse()
    again = dataclasses.replace(case, text=f"-- domain: {domain_of(case)}").parse(
        render_query(query)
    )
    assert dataclasses.replace(again, text=query.text) == query


def domain_of(case: Case) -> list[float]:
    return case.given("domain") or [0.0, 1.0]


@pytest.mark.parametrize("case", REFUSED, ids=name)
def test_is_refused_as_expected(case: Case) -> None:
    with pytest.raises(QueryError) as caught:
        case.parse()
    assert str(caught.value) == case.expected


@pytest.mark.parametrize("case", REFUSED, ids=name)
def test_the_place_of_an_error_is_in_the_text(case: Case) -> None:
    with pytest.raises(QueryError) as caught:
        case.parse()
    error = caught.value
    if "values are given for" in error.message:
        assert error.line is None
        return
    assert error.line is not None and error.column is not None
    line = case.text.splitlines()[error.line - 1]
    assert 1 <= error.column <= len(line) + 1
