"""What the query builder holds, and how it becomes SQL and comes back from SQL; no page here."""

from __future__ import annotations

from masksearch_ray.web.build.checks import check
from masksearch_ray.web.build.offers import (
    Facts,
    Offer,
    facts_of,
    facts_sql,
    offers,
    pair_columns,
    region_columns,
    values_of,
    values_sql,
)
from masksearch_ray.web.build.read import from_query
from masksearch_ray.web.build.state import (
    Built,
    Condition,
    Pair,
    Pixels,
    essential,
    first_built,
    with_rest,
)
from masksearch_ray.web.build.write import Names, names, score_expr, to_sql

__all__ = [
    "Built",
    "Condition",
    "Facts",
    "Names",
    "Offer",
    "Pair",
    "Pixels",
    "check",
    "essential",
    "facts_of",
    "facts_sql",
    "first_built",
    "from_query",
    "names",
    "offers",
    "pair_columns",
    "region_columns",
    "score_expr",
    "to_sql",
    "values_of",
    "values_sql",
    "with_rest",
]
