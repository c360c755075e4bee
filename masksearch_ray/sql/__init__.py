"""SQL: a text and what is handed in beside it -> a bound and typed `Query`.

The way of a text, one direction: `tokens` (sqlglot's tokenizer) -> `statement` and `grammar`
(a tree with the place of every node) -> `binder` (names, types, groups). Nothing here reads
storage; whatever cannot be answered is a `QueryError` that points into the text.
"""

from __future__ import annotations

from masksearch_ray.sql.parse import parse, parse_predicate
from masksearch_ray.sql.regions import parse_roi
from masksearch_ray.sql.render import render_expr, render_query

__all__ = ["parse", "parse_predicate", "parse_roi", "render_expr", "render_query"]
