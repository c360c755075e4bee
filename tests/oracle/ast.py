"""A query of the language as data: frozen dataclasses, one for each form of the grammar."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Scalar = int | float | str | bool | None
PixelBox = tuple[int, int, int, int]


@dataclass(frozen=True)
class Node:
    """Base of everything that may stand inside a query."""


@dataclass(frozen=True)
class Literal(Node):
    """A constant written into the text."""

    value: Scalar


@dataclass(frozen=True)
class Param(Node):
    """A named parameter, ``:name``, with the value that the caller hands in for it."""

    name: str
    value: Scalar


Number = int | float | Param


@dataclass(frozen=True)
class Column(Node):
    """A metadata column, or an alias, whichever the place makes of the name."""

    name: str


# ------------------------------------------------------------------ regions of interest


@dataclass(frozen=True)
class FullImage(Node):
    """``full_image``."""


@dataclass(frozen=True)
class Box(Node):
    """``box(x0, y0, x1, y1)``, half open."""

    x0: int | Param
    y0: int | Param
    x1: int | Param
    y1: int | Param


@dataclass(frozen=True)
class BoxColumn(Node):
    """A column with one box, or one list of boxes, for each row."""

    name: str


@dataclass(frozen=True)
class DefaultRoi(Node):
    """``roi``: the default region of the query."""


@dataclass(frozen=True)
class Outside(Node):
    """``outside(roi)``: the complement inside the mask."""

    roi: Roi


@dataclass(frozen=True)
class Polygon(Node):
    """``polygon(x1, y1, …)``: coordinates one after another."""

    coordinates: tuple[Number, ...]


Roi = FullImage | Box | BoxColumn | DefaultRoi | Outside | Polygon


# ------------------------------------------------------------------ terms over pixels


@dataclass(frozen=True)
class Mask(Node):
    """``mask``: the row's own mask."""


@dataclass(frozen=True)
class Threshold(Node):
    """``mask > t`` and its like inside a mask aggregate."""

    op: str
    value: Number


@dataclass(frozen=True)
class MaskAggregate(Node):
    """``intersect(mask)``, ``union(mask)`` or ``avg(mask)``, over thresholded masks if asked."""

    kind: str
    threshold: Threshold | None = None


@dataclass(frozen=True)
class Range(Node):
    """``(lv, uv)`` with its ends, ``None`` where the text leaves them out."""

    lv: Number
    uv: Number
    ends: str | None = None


@dataclass(frozen=True)
class CP(Node):
    """``CP(mask, roi, (lv, uv)[, ends])``."""

    mask: Mask | MaskAggregate
    roi: Roi
    range: Range


@dataclass(frozen=True)
class Area(Node):
    """``area(roi)``."""

    roi: Roi


# ------------------------------------------------------------------ expressions


@dataclass(frozen=True)
class Unary(Node):
    """``-x``, ``+x`` or ``NOT x``."""

    op: str
    operand: Expr


@dataclass(frozen=True)
class Binary(Node):
    """Arithmetic, comparison, ``AND``, ``OR``."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class In(Node):
    """``x [NOT] IN (…)``."""

    operand: Expr
    items: tuple[Expr, ...]
    negated: bool = False


@dataclass(frozen=True)
class Between(Node):
    """``x [NOT] BETWEEN low AND high``."""

    operand: Expr
    low: Expr
    high: Expr
    negated: bool = False


@dataclass(frozen=True)
class Like(Node):
    """``x [NOT] LIKE pattern``."""

    operand: Expr
    pattern: Expr
    negated: bool = False


@dataclass(frozen=True)
class IsNull(Node):
    """``x IS [NOT] NULL``."""

    operand: Expr
    negated: bool = False


@dataclass(frozen=True)
class Case(Node):
    """``CASE [operand] WHEN … THEN … [ELSE …] END``."""

    operand: Expr | None
    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None = None


@dataclass(frozen=True)
class Call(Node):
    """``COALESCE``, ``NULLIF``, ``ABS``, ``LEAST``, ``GREATEST`` or ``ROUND``."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True)
class Cast(Node):
    """``CAST(x AS type)``."""

    operand: Expr
    type: str


@dataclass(frozen=True)
class Aggregate(Node):
    """``COUNT``, ``SUM``, ``AVG``, ``MIN`` or ``MAX``; without an argument ``COUNT(*)``."""

    name: str
    arg: Expr | None = None
    distinct: bool = False


Expr = (
    Literal
    | Param
    | Column
    | CP
    | Area
    | Unary
    | Binary
    | In
    | Between
    | Like
    | IsNull
    | Case
    | Call
    | Cast
    | Aggregate
)


# ------------------------------------------------------------------ the query


@dataclass(frozen=True)
class Star(Node):
    """``*`` in the select list."""


@dataclass(frozen=True)
class Item(Node):
    """One expression of the select list, with its alias."""

    expr: Expr
    alias: str | None = None


@dataclass(frozen=True)
class Order(Node):
    """One key of ORDER BY; an ``int`` is an ordinal, ``nulls`` is FIRST, LAST or left out."""

    expr: Expr | int
    descending: bool | None = None
    nulls: str | None = None


@dataclass(frozen=True)
class Query(Node):
    """A whole query, with the default region that the caller hands in beside the text."""

    select: tuple[Item | Star, ...]
    source: str = "masks"
    distinct: bool = False
    where: Expr | None = None
    group_by: tuple[Expr, ...] = ()
    having: Expr | None = None
    order_by: tuple[Order, ...] = ()
    limit: int | Param | None = None
    offset: int | Param | None = None
    roi: PixelBox | None = None


# ------------------------------------------------------------------ walking


def walk(node: Any, but: type[Node] | None = None) -> Iterator[Node]:
    """Yield the node and everything below it, but no nodes of one type nor what is below them."""
    if isinstance(node, tuple):
        for part in node:
            yield from walk(part, but)
    elif isinstance(node, Node) and not (but is not None and isinstance(node, but)):
        yield node
        for field in dataclasses.fields(node):
            yield from walk(getattr(node, field.name), but)


def rewrite(node: Any, replace: Callable[[Node], Node | None]) -> Any:
    """Copy a tree; where ``replace`` returns a node, that stands in place of the old one."""
    if isinstance(node, tuple):
        return tuple(rewrite(part, replace) for part in node)
    if not isinstance(node, Node):
        return node
    new = replace(node)
    if new is not None:
        return new
    names = [field.name for field in dataclasses.fields(node)]
    return type(node)(**{name: rewrite(getattr(node, name), replace) for name in names})


def parameters(query: Query) -> dict[str, Scalar]:
    """The values of all parameters of a query, by name."""
    return {node.name: node.value for node in walk(query) if isinstance(node, Param)}
