"""How large a bound expression is once everything shared in it is written out."""

from __future__ import annotations

from masksearch_ray.model.query import Expr, children
from masksearch_ray.sql import tree
from masksearch_ray.sql.source import Source

__all__ = ["MAX_BOUND_DEPTH", "MAX_NODES", "Measure"]

MAX_NODES = 50_000
"""Most nodes of a bound expression; aliases, BETWEEN and CASE x WHEN multiply what is written."""

MAX_BOUND_DEPTH = 200
"""Deepest bound expression; an alias may add its own depth to that of the place it stands in."""


class Measure:
    """Refuses expressions too large for the steps that follow.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def checked(self, expr: Expr, node: tree.Node) -> Expr:
        """Return the expression if it is of bearable size."""
        sizes: dict[int, tuple[int, int]] = {}
        stack = [expr]
        while stack:
            top = stack[-1]
            below = children(top)
            waiting = [part for part in below if id(part) not in sizes]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            parts = [sizes[id(part)] for part in below]
            size = 1 + sum(part[0] for part in parts)
            depth = 1 + max((part[1] for part in parts), default=0)
            sizes[id(top)] = size, depth
            if size > MAX_NODES or depth > MAX_BOUND_DEPTH:
                raise self._source.error("the expression is too large", node.span)
        return expr
