"""EXPLAIN: a plan as lines of text."""

from __future__ import annotations

from collections.abc import Callable

from masksearch_ray.model.forecast import Forecast, TermForecast
from masksearch_ray.model.query import Expr, Query
from masksearch_ray.plan.types import Plan

__all__ = ["explain_plan"]

_GROUPS = {
    "merged": "every shard bounds its part of each group, and the parts are merged",
    "apart": "the masks of each group lie together on one shard",
    "together": "the masks of each group are brought together on one shard",
}


def explain_plan(plan: Plan, forecast: Forecast, text_of: Callable[[Expr], str]) -> list[str]:
    """Lines that tell how a query is answered.

    Parameters
    ----------
    plan : Plan
    forecast : Forecast
        Of all shards.
    text_of : callable
        Writes an expression as SQL.
    """
    query = plan.query
    lines = [_headline(plan)]
    lines += _clauses(query, text_of)
    if plan.groups is not None:
        lines.append(f"  groups: {_GROUPS[plan.groups]}")
    lines.append(f"over {forecast.rows:,} masks, {forecast.tiles:,} tiles")
    for term in forecast.terms:
        lines += _term(term, text_of, plan.use_index)
    if plan.use_index and forecast.terms:
        more = f"; {forecast.doubt:,} more to verify rows in doubt" if forecast.doubt else ""
        lines.append(
            f"index to read where it is not in memory: {forecast.bytes:,} bytes, "
            f"{forecast.memory:,} expanded{more}"
        )
        lines.append(f"before that, heads of index files and metadata: {forecast.opening:,} bytes")
    return lines


def _headline(plan: Plan) -> str:
    items = "rows" if plan.groups is None else "groups"
    if plan.k is not None:
        return f"top-k of {items}, k = {plan.k}: best bounds first, until no other can reach it"
    if plan.query.order_by:
        return f"all {items} that pass, sorted"
    return f"all {items} that pass"


def _clauses(query: Query, text_of: Callable[[Expr], str]) -> list[str]:
    lines = []
    if query.where is not None:
        lines.append(f"  where: {text_of(query.where)}")
    if query.group_by:
        lines.append(f"  group by: {', '.join(text_of(key) for key in query.group_by)}")
    if query.having is not None:
        lines.append(f"  having: {text_of(query.having)}")
    if query.order_by:
        keys = [
            text_of(key.expr)
            + (" DESC" if key.descending else "")
            + (" NULLS FIRST" if key.nulls_first else "")
            for key in query.order_by
        ]
        lines.append(f"  order by: {', '.join(keys)}")
    if query.distinct:
        lines.append("  without duplicates")
    return lines


def _term(term: TermForecast, text_of: Callable[[Expr], str], use_index: bool) -> list[str]:
    name = text_of(term.term)
    if not use_index:
        return [f"  {name}", f"    no index: {term.rows:,} masks are read"]
    doubt = "exact, no pixel is read" if term.exact else "rows in doubt are verified tile by tile"
    return [
        f"  {name}",
        f"    bounds from {_SOURCES[term.source]}: {doubt}",
        f"    {term.rows:,} masks, {term.columns:,} columns, {term.bytes:,} bytes",
    ]


_SOURCES = {"ROI histogram": "the ROI histogram", "cells": "CHI cells"}
