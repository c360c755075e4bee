"""What a text says, before its names are looked up: the tree that the grammar builds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from masksearch_ray.model.query import Type
from masksearch_ray.sql.source import Span

__all__ = [
    "Between",
    "Binary",
    "Case",
    "Cast",
    "Constant",
    "Function",
    "In",
    "IsNull",
    "Item",
    "Like",
    "Logic",
    "Name",
    "Node",
    "Order",
    "Parameter",
    "Star",
    "Statement",
    "Tuple",
    "Unary",
    "below",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all nodes: where in the text it stands."""

    span: Span


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number (with its sign), a string, TRUE, FALSE or NULL."""

    value: int | float | bool | str | None
    type: Type


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """``:name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A column, an alias, or one of the keywords `mask`, `roi`, `full_image` where not quoted."""

    name: str
    quoted: bool

    @property
    def word(self) -> str:
        """The name in lower case; empty where quoted."""
        return "" if self.quoted else self.name.lower()


@dataclass(frozen=True, slots=True)
class Star(Node):
    """``*`` in the select list or in COUNT."""


@dataclass(frozen=True, slots=True)
class Tuple(Node):
    """``(a, b, …)``, of two or more."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``-x``, ``+x`` or ``NOT x``."""

    op: Literal["-", "+", "not"]
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic or a comparison; ``!=`` is written ``<>``."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic(Node):
    """``a AND b AND …`` or ``a OR b OR …``."""

    op: Literal["and", "or"]
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Between(Node):
    """``value BETWEEN low AND high``."""

    value: Node
    low: Node
    high: Node


@dataclass(frozen=True, slots=True)
class In(Node):
    """``value IN (…)``."""

    value: Node
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Like(Node):
    """``value LIKE pattern [ESCAPE escape]``."""

    value: Node
    pattern: Node
    escape: Node | None


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """``value IS NULL``."""

    value: Node


@dataclass(frozen=True, slots=True)
class Case(Node):
    """``CASE [operand] WHEN … THEN … [ELSE default] END``."""

    operand: Node | None
    whens: tuple[tuple[Node, Node], ...]
    default: Node | None


@dataclass(frozen=True, slots=True)
class Function(Node):
    """``name([DISTINCT] arg, …)``; `name` in capitals."""

    name: str
    args: tuple[Node, ...]
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """``CAST(value AS target)``."""

    value: Node
    target: Name


@dataclass(frozen=True, slots=True)
class Item(Node):
    """One expression of the select list."""

    expr: Node
    alias: str | None


@dataclass(frozen=True, slots=True)
class Order(Node):
    """One key of ORDER BY."""

    expr: Node
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Statement(Node):
    """A whole query."""

    explain: Literal["plan", "analyze"] | None
    distinct: bool
    items: tuple[Item, ...]
    table: Name
    where: Node | None
    group_by: tuple[Node, ...]
    having: Node | None
    order_by: tuple[Order, ...]
    limit: Node | None
    offset: Node | None


def below(node: Node) -> Iterator[Node]:
    """Nodes directly below a node, left to right."""
    for field in dataclasses.fields(node):
        yield from _nodes(getattr(node, field.name))


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _nodes(part)


def walk(node: Node) -> Iterator[tuple[Node, int]]:
    """Yield a node and all below it with their depths, without recursion."""
    stack = [(node, 0)]
    while stack:
        top, depth = stack.pop()
        yield top, depth
        stack.extend((part, depth + 1) for part in below(top))
