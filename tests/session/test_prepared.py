"""Queries are parsed once, and what looks alike but is not is told apart."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.model.query import Query
from masksearch_ray.sql import parse

PARSE = "masksearch_ray.session.prepared.parse"


@pytest.fixture
def col() -> Iterator[ms.Collection]:
    with ms.create(f"memory://{uuid.uuid4()}") as made:
        made.append(np.zeros((3, 16, 16), np.uint8), {"n": [0, 1, 2]})
        yield made


def test_a_text_is_parsed_once(col: ms.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []

    def noted(text: str, *more: Any) -> Query:
        texts.append(text)
        return parse(text, *more)

    monkeypatch.setattr(PARSE, noted)
    text = "SELECT n FROM masks WHERE n >= :low"
    assert len(col.sql(text, low=1)) == len(col.sql(text, low=1)) == 2
    assert len(texts) == 1
    assert len(col.sql(text, low=2)) == 1
    assert len(texts) == 2
    col.append(np.zeros((1, 16, 16), np.uint8), {"n": [5]})
    assert len(col.sql(text, low=2)) == 2


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), ("1", 1), (None, "None")])
def test_equal_looks_of_other_types_are_told_apart(
    col: ms.Collection, one: object, other: object
) -> None:
    for value in (one, other, one):
        table = col.sql("SELECT :x AS x FROM masks WHERE n = 0", x=value).table
        assert table.column("x").to_pylist() == [value]
        assert type(table.column("x").to_pylist()[0]) is type(value)


def test_a_parameter_that_a_query_does_not_use_is_an_error_again(col: ms.Collection) -> None:
    for _ in range(2):
        with pytest.raises(ms.QueryError, match="x"):
            col.sql("SELECT n FROM masks", x=1)
