"""The select list: ``*`` written out, and the names of the answer's columns."""

from __future__ import annotations

from collections import Counter

from masksearch_ray.model.query import Catalog, Column, Expr, Key
from masksearch_ray.sql import tree
from masksearch_ray.sql.source import Source
from masksearch_ray.sql.tokens import tokenize

__all__ = ["expand_stars", "output_names"]


def expand_stars(items: tuple[tree.Item, ...], catalog: Catalog) -> tuple[tree.Item, ...]:
    """Select list with all metadata columns in the place of ``*``."""
    expanded: list[tree.Item] = []
    for item in items:
        if isinstance(item.expr, tree.Star):
            span = item.span
            names = [tree.Name(span, name, quoted=True) for name in catalog.fields]
            expanded += [tree.Item(span, name, None) for name in names]
        else:
            expanded.append(item)
    return tuple(expanded)


def output_names(
    source: Source, items: tuple[tree.Item, ...], exprs: list[Expr], keys: tuple[Expr, ...] = ()
) -> list[str]:
    """Names of the answer's columns, each of them once.

    A column without an alias is called as in the collection, an expression without one by its
    text, with one space where white space or comments stand. The second of a name becomes
    ``name_1``, the third ``name_2``.
    """
    names: list[str] = []
    taken: set[str] = set()
    suffixes: Counter[str] = Counter()
    for item, expr in zip(items, exprs, strict=True):
        wanted = name = _name(source, item, keys[expr.index] if isinstance(expr, Key) else expr)
        while name in taken:
            suffixes[wanted] += 1
            name = f"{wanted}_{suffixes[wanted]}"
        taken.add(name)
        names.append(name)
    return names


def _name(source: Source, item: tree.Item, expr: Expr) -> str:
    if item.alias is not None:
        return item.alias
    if isinstance(expr, Column):
        return expr.name
    return _as_written(source.text[slice(*item.expr.span)])


def _as_written(text: str) -> str:
    written, stop = "", 0
    for token in tokenize(Source(text))[:-1]:
        start = token.span[0]
        gap = " " if start > stop else ""
        written += gap + text[slice(*token.span)]
        stop = token.span[1]
    return written
