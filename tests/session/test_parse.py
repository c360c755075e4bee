"""Queries are bound and typed without being answered."""

from __future__ import annotations

import pytest

import masksearch_ray as ms
from masksearch_ray.model.query import Query
from masksearch_ray.model.roi import BoxColumn
from tests.session.api import CP, col, url

__all__ = ["col", "url"]


def test_parse_binds_what_sql_would_answer(
    col: ms.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ms.Collection, "_open_pool", None)
    text = f"SELECT mask_id, {CP.format('object_box')} AS n FROM masks WHERE label = :l"
    query = col.parse(text, {"l": "cat"})
    assert isinstance(query, Query)
    assert [output.name for output in query.outputs] == ["mask_id", "n"]
    assert query == col.parse(text, l="cat")
    by_roi = col.parse(text.replace("object_box", "roi"), l="cat", roi="object_box")
    assert by_roi.outputs == query.outputs
    assert by_roi.outputs[1].expr.roi == BoxColumn("object_box")  # type: ignore[union-attr]


def test_parse_refuses_what_sql_would(col: ms.Collection) -> None:
    with pytest.raises(ms.QueryError) as caught:
        col.parse("SELECT mask_id\nFROM masks WHERE labl = 'cat'")
    assert (caught.value.line, caught.value.column) == (2, 18)
    assert caught.value.hint == "nearest columns: label"
    with pytest.raises(ms.InputError, match="params"):
        col.parse("SELECT mask_id FROM masks", 3)  # type: ignore[arg-type]


def test_the_catalog_names_what_a_query_may(col: ms.Collection) -> None:
    kinds = {field.name: field.kind for field in col.catalog.fields.values()}
    assert kinds == {"mask_id": "int", "label": "string", "object_box": "box"}
    assert (col.catalog.domain.lo, col.catalog.domain.hi) == col.domain
    assert col.catalog.name == col.url.rpartition("/")[2]
