"""Queries of the whole grammar: the same verdict, names and types as the oracle's."""

from __future__ import annotations

from hypothesis import given

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import Catalog, Field, Query
from masksearch_ray.model.values import Domain
from masksearch_ray.sql import parse, render_query
from tests.oracle.ast import parameters
from tests.oracle.collection import Refusal
from tests.oracle.render import render
from tests.oracle.resolve import Resolved, resolve
from tests.oracle.strategies import Case, cases

KINDS = {"str": "string"}
TYPES = {**KINDS, "box": "other", "boxes": "other"}


def bound(case: Case) -> Query | QueryError:
    collection = case.collection
    fields = {
        name: Field(name, KINDS.get(kind, kind))  # type: ignore[arg-type]
        for name, kind in collection.columns.items()
    }
    catalog = Catalog("c", fields, Domain(*collection.domain))
    query = case.query
    try:
        found = parse(render(query), catalog, parameters(query), query.roi)
    except QueryError as error:
        return error
    # Rendered, it means the same.
    again = parse(render_query(found), catalog)
    assert (again.outputs, again.where, again.having) == (found.outputs, found.where, found.having)
    assert (again.group_by, again.order_by) == (found.group_by, found.order_by)
    return found


def resolved(case: Case) -> Resolved | Refusal:
    try:
        return resolve(case.collection, case.query)
    except Refusal as refusal:
        return refusal


@given(cases(per_collection=5))
def test_as_the_oracle_reads_it(drawn: list[Case]) -> None:
    for case in drawn:
        ours, theirs = bound(case), resolved(case)
        if isinstance(theirs, Refusal):
            assert isinstance(ours, QueryError), render(case.query)
            continue
        assert isinstance(ours, Query), ours
        for output, name, kind in zip(ours.outputs, theirs.names, theirs.kinds, strict=True):
            assert name in (None, output.name)
            assert output.expr.type == TYPES.get(kind, kind)
        assert (ours.group_by is not None) == theirs.grouped
        assert len(ours.group_by or ()) == len(set(map(repr, theirs.keys)))
        assert (ours.limit, ours.offset) == (theirs.limit, theirs.offset)
