"""The way in: text -> `Query`, text -> predicate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import Catalog, Expr, Query
from masksearch_ray.sql.binder import bind
from masksearch_ray.sql.constants import Constants
from masksearch_ray.sql.grammar import parse_alone
from masksearch_ray.sql.masks import MaskTerms
from masksearch_ray.sql.measure import Measure
from masksearch_ray.sql.parameters import Parameters
from masksearch_ray.sql.regions import Regions
from masksearch_ray.sql.scalars import Place, Scalars
from masksearch_ray.sql.source import Source
from masksearch_ray.sql.statement import parse_statement

__all__ = ["parse", "parse_predicate"]


def parse(
    text: str, catalog: Catalog, params: Mapping[str, Any] | None = None, roi: Any = None
) -> Query:
    """Bound and typed query of a text.

    Parameters
    ----------
    text : str
        One query, at most `tokens.MAX_TEXT` characters.
    catalog : Catalog
    params : mapping of str to Any, optional
        Values of ``:name``: int, float, bool, str or None (Python's or NumPy's); where a region
        stands also four integers or a text that `parse_roi` takes. All of them must be used.
    roi : Any, optional
        What the keyword `roi` means: any form that `parse_roi` takes.

    Returns
    -------
    Query

    Raises
    ------
    QueryError
        The query cannot be answered; with the line and column of what is wrong.
    """
    source = _source(text)
    with _bounded_stack():
        return bind(source, parse_statement(source), catalog, params, roi)


def parse_predicate(text: str, catalog: Catalog, params: Mapping[str, Any] | None = None) -> Expr:
    """Bound condition over metadata alone.

    Parameters
    ----------
    text : str
        What may stand after WHERE, without CP and area.
    catalog : Catalog
    params : mapping of str to Any, optional

    Returns
    -------
    Expr
        Of type bool or null.

    Raises
    ------
    QueryError
        The text is no such condition.
    """
    source = _source(text)
    with _bounded_stack():
        return _predicate(source, catalog, params)


def _predicate(source: Source, catalog: Catalog, params: Mapping[str, Any] | None) -> Expr:
    items = parse_alone(source)
    if len(items) > 1:
        raise source.error("one condition is wanted, not several", items[1].span)
    parameters = Parameters(source, params)
    constants = Constants(source, parameters)
    terms = MaskTerms(constants, Regions(constants, catalog, None), catalog.domain)
    scalars = Scalars(catalog, constants, terms, {})
    expr = scalars.condition(items[0], Place("a predicate over metadata", pixels=False))
    parameters.check_all_used()
    return Measure(source).checked(expr, items[0])


@contextmanager
def _bounded_stack() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        # The limits on depth leave room, but not where the caller has used up most of the stack.
        raise QueryError("the query is nested too deeply for what is left of the stack") from None


def _source(text: str) -> Source:
    if not isinstance(text, str):
        raise QueryError(f"a query is a text, not a {type(text).__name__}")
    return Source(text)
