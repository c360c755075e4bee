"""A bound and typed query: what `sql` makes of a text and `plan` and `execute` work on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal as Choice

from masksearch_ray.model.roi import Roi
from masksearch_ray.model.values import Domain, ValueRange

__all__ = [
    "Aggregate",
    "Area",
    "Call",
    "Catalog",
    "Column",
    "CountPixels",
    "Expr",
    "Field",
    "Key",
    "Literal",
    "MaskSource",
    "Output",
    "Query",
    "SortKey",
    "Type",
    "children",
    "columns_of",
    "leaves",
    "roi_columns",
]

Type = Choice["int", "float", "bool", "string", "null", "other"]
"""Types of expressions; `other` (timestamps, lists, boxes, …) may only be selected."""


@dataclass(frozen=True)
class Field:
    """A metadata column.

    Parameters
    ----------
    name : str
    kind : {"int", "float", "bool", "string", "box", "boxes", "other"}
        `box`: one box a row; `boxes`: a list of boxes a row.
    """

    name: str
    kind: Choice["int", "float", "bool", "string", "box", "boxes", "other"]


@dataclass(frozen=True)
class Catalog:
    """What a text is bound against: names, kinds and the value domain.

    Parameters
    ----------
    name : str
        Last name of the collection's path, accepted after FROM.
    fields : mapping of str to Field
        In the order of ``SELECT *``; ``mask_id`` first.
    domain : Domain
    """

    name: str
    fields: Mapping[str, Field]
    domain: Domain


@dataclass(frozen=True)
class MaskSource:
    """What stands where `mask` stands in CP.

    Parameters
    ----------
    aggregate : {None, "intersect", "union", "avg"}
        None: the row's own mask; else pixel-wise over the masks of a group.
    threshold : ValueRange, optional
        Members become 0/1 masks: 1 where the pixel's value lies in this range. Only with an
        aggregate (without one the binder rewrites the term to plain counts).
    """

    aggregate: Choice["intersect", "union", "avg"] | None = None
    threshold: ValueRange | None = None


@dataclass(frozen=True)
class Literal:
    """A constant; parameters are bound to their values."""

    value: int | float | bool | str | None
    type: Type


@dataclass(frozen=True)
class Column:
    """A metadata column of the row."""

    name: str
    type: Type


@dataclass(frozen=True)
class CountPixels:
    """``CP(mask, roi, (lv, uv))``: int64; NULL where the region is null."""

    source: MaskSource
    roi: Roi
    range: ValueRange
    type: Type = "int"


@dataclass(frozen=True)
class Area:
    """``area(roi)``: pixels of the clipped region; NULL where the region is null.

    In a grouped query, outside an aggregate, it is the area in the masks of the group.
    """

    roi: Roi
    type: Type = "int"


@dataclass(frozen=True)
class Key:
    """Value of a GROUP BY key, in a grouped query."""

    index: int
    type: Type


@dataclass(frozen=True)
class Call:
    """An operator or function applied to arguments.

    Parameters
    ----------
    op : str
        ``+ - * / % neg``; ``= <> < <= > >=``; ``and or not is_null``; ``in`` (value, then
        literals); ``like`` (value, pattern, [escape]); ``case`` (condition, value, …, else);
        ``coalesce nullif abs least greatest``; ``round`` (value, [digits]); ``cast``.
        ``BETWEEN``, ``IS NOT NULL``, ``NOT IN``, ``CASE x WHEN`` are written out by the binder.
    args : tuple of Expr
    type : Type
        Of the result; for ``cast`` the target.
    """

    op: str
    args: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True)
class Aggregate:
    """A scalar aggregate over the rows of a group.

    Parameters
    ----------
    function : {"count", "sum", "avg", "min", "max"}
    argument : Expr or None
        Row-level expression; None for ``COUNT(*)``.
    distinct : bool
        ``COUNT(DISTINCT metadata)`` only.
    type : Type
    """

    function: Choice["count", "sum", "avg", "min", "max"]
    argument: Expr | None
    distinct: bool
    type: Type


Expr = Literal | Column | CountPixels | Area | Key | Call | Aggregate


@dataclass(frozen=True)
class Output:
    """One column of the answer."""

    name: str
    expr: Expr


@dataclass(frozen=True)
class SortKey:
    """One key of ORDER BY; NULLs come last unless `nulls_first`."""

    expr: Expr
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True)
class Query:
    """A bound query.

    Parameters
    ----------
    text : str
        The SQL as given.
    outputs : tuple of Output
        Select list, ``*`` and names resolved.
    where : Expr or None
        Row-level predicate.
    group_by : tuple of Expr or None
        None: a query over rows. ``()``: one group of all rows. Outputs, HAVING and ORDER BY of a
        grouped query hold `Key`, `Aggregate`, `CountPixels` with an aggregate, `Area`, `Literal`
        and `Call` only.
    having : Expr or None
    order_by : tuple of SortKey
        As asked for; ties are settled by ascending ``mask_id`` or group key.
    limit : int or None
    offset : int
    distinct : bool
    explain : {None, "plan", "analyze"}
    """

    text: str
    outputs: tuple[Output, ...]
    where: Expr | None = None
    group_by: tuple[Expr, ...] | None = None
    having: Expr | None = None
    order_by: tuple[SortKey, ...] = ()
    limit: int | None = None
    offset: int = 0
    distinct: bool = False
    explain: Choice["plan", "analyze"] | None = None
    domain: Domain = field(default_factory=Domain)


def children(expr: Expr) -> tuple[Expr, ...]:
    """Direct sub-expressions."""
    if isinstance(expr, Call):
        return expr.args
    if isinstance(expr, Aggregate) and expr.argument is not None:
        return (expr.argument,)
    return ()


def leaves(expr: Expr | None) -> Iterator[Expr]:
    """All nodes without sub-expressions, left to right, iteratively (queries may be deep)."""
    stack = [] if expr is None else [expr]
    while stack:
        node = stack.pop()
        below = children(node)
        if below:
            stack.extend(reversed(below))
        else:
            yield node


def roi_columns(roi: Roi) -> Iterator[str]:
    """Metadata columns that a region reads (at most one)."""
    inner = getattr(roi, "roi", None)
    if inner is not None:
        yield from roi_columns(inner)
    elif hasattr(roi, "name"):
        yield roi.name


def columns_of(expr: Expr | None) -> set[str]:
    """Metadata columns that an expression reads, those of regions included."""
    names: set[str] = set()
    for leaf in leaves(expr):
        if isinstance(leaf, Column):
            names.add(leaf.name)
        elif isinstance(leaf, CountPixels | Area):
            names.update(roi_columns(leaf.roi))
    return names
