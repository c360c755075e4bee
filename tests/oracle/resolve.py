"""From a query to what its names mean, or to the reason why it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.oracle import ast as q
from tests.oracle import render
from tests.oracle.collection import Collection, Refusal
from tests.oracle.pixels import check_aggregate, check_range, check_roi, given, is_number

CASTS = {
    "BIGINT": "int",
    "INTEGER": "int",
    "DOUBLE": "float",
    "VARCHAR": "str",
    "BOOLEAN": "bool",
}
NUMBERS = {"int", "float"}
SIMPLE = {"int", "float", "str", "bool"}


@dataclass(frozen=True)
class Key(q.Node):
    """Stands where an expression repeats the n-th GROUP BY key."""

    index: int
    kind: str


@dataclass(frozen=True)
class Resolved:
    """A query that can be answered: aliases put in, ``*`` written out, every default made plain.

    ``order`` holds (expression, descending, NULLs first).
    """

    names: list[str | None]
    items: list[Any]
    kinds: list[str]
    where: Any
    keys: list[Any]
    having: Any
    order: list[tuple[Any, bool, bool]]
    grouped: bool
    limit: int | None
    offset: int


# ------------------------------------------------------------------ kinds


class Kinds:
    """The kind of every expression: int, float, str, bool, box, boxes, or null for NULL."""

    def __init__(self, collection: Collection, default_roi: q.PixelBox | None) -> None:
        self.columns = collection.columns
        self.default_roi = default_roi

    def of(self, node: Any) -> str:
        """The kind of an expression; refuses what has none."""
        return KIND_OF[type(node)](self, node)

    def of_column(self, node: q.Column) -> str:
        if node.name not in self.columns:
            raise Refusal(f"there is no column {node.name}")
        return self.columns[node.name]

    def of_term(self, node: q.CP | q.Area) -> str:
        check_roi(node.roi, self.columns, self.default_roi)
        if isinstance(node, q.CP):
            check_range(node.range)
            if isinstance(node.mask, q.MaskAggregate):
                check_aggregate(node.mask)
        return "int"

    def wants(self, kinds: set[str], nodes: Iterable[Any]) -> str:
        """Refuse operands of other kinds; the kind that they share."""
        found = [self.of(node) for node in nodes]
        if not set(found) <= kinds | {"null"}:
            raise Refusal(f"{found} where {sorted(kinds)} is wanted")
        return unified(found)

    def number(self, nodes: Iterable[Any]) -> str:
        return self.wants(NUMBERS, nodes)

    def comparison(self, nodes: Iterable[Any]) -> str:
        self.simple(nodes)
        return "bool"

    def of_unary(self, node: q.Unary) -> str:
        return self.wants({"bool"} if node.op == "NOT" else NUMBERS, [node.operand])

    def of_binary(self, node: q.Binary) -> str:
        operands = [node.left, node.right]
        if node.op in ("AND", "OR"):
            self.wants({"bool"}, operands)
            return "bool"
        if node.op in ("+", "-", "*", "%"):
            return self.number(operands)
        if node.op == "/":
            self.number(operands)
            return "float"
        return self.comparison(operands)

    def of_between(self, node: q.Between) -> str:
        self.comparison([node.operand, node.low])
        return self.comparison([node.operand, node.high])

    def of_like(self, node: q.Like) -> str:
        self.wants({"str"}, [node.operand, node.pattern])
        return "bool"

    def of_is_null(self, node: q.IsNull) -> str:
        self.of(node.operand)
        return "bool"

    def of_cast(self, node: q.Cast) -> str:
        self.simple([node.operand])
        return CASTS[node.type]

    def of_case(self, node: q.Case) -> str:
        for condition, _ in node.whens:
            if node.operand is None:
                self.wants({"bool"}, [condition])
            else:
                self.comparison([node.operand, condition])
        values = [value for _, value in node.whens]
        return self.simple(values if node.default is None else [*values, node.default])

    def simple(self, nodes: Iterable[Any]) -> str:
        return self.wants(SIMPLE, nodes)

    def of_call(self, node: q.Call) -> str:
        name, args = node.name, list(node.args)
        if name == "NULLIF":
            self.comparison(args)
            return self.of(args[0])
        if name == "ABS":
            return self.number(args)
        if name == "ROUND":
            if len(args) == 2 and type(constant_value(args[1])) is not int:
                raise Refusal("ROUND takes a constant integer of digits")
            return self.number(args[:1])
        return self.simple(args)

    def of_aggregate(self, node: q.Aggregate) -> str:
        if node.arg is None:
            return "int"
        if any(is_aggregate(part) for part in q.walk(node.arg)):
            raise Refusal("an aggregate inside another")
        if node.distinct:
            if any(isinstance(part, q.CP | q.Area) for part in q.walk(node.arg)):
                raise Refusal("COUNT(DISTINCT …) is over metadata")
            self.simple([node.arg])
            return "int"
        if node.name == "COUNT":
            self.of(node.arg)
            return "int"
        if node.name in ("MIN", "MAX"):
            return self.simple([node.arg])
        kind = self.number([node.arg])
        return "float" if node.name == "AVG" else kind


KIND_OF: dict[type[q.Node], Callable[[Kinds, Any], str]] = {
    Key: lambda kinds, node: str(node.kind),
    q.Literal: lambda kinds, node: scalar_kind(node.value),
    q.Param: lambda kinds, node: scalar_kind(node.value),
    q.Column: Kinds.of_column,
    q.CP: Kinds.of_term,
    q.Area: Kinds.of_term,
    q.Unary: Kinds.of_unary,
    q.Binary: Kinds.of_binary,
    q.In: lambda kinds, node: kinds.comparison([node.operand, *node.items]),
    q.Between: Kinds.of_between,
    q.Like: Kinds.of_like,
    q.IsNull: Kinds.of_is_null,
    q.Case: Kinds.of_case,
    q.Call: Kinds.of_call,
    q.Cast: Kinds.of_cast,
    q.Aggregate: Kinds.of_aggregate,
}


def scalar_kind(value: q.Scalar) -> str:
    if value is None:
        return "null"
    return {bool: "bool", int: "int", float: "float", str: "str"}[type(value)]


def unified(kinds: list[str]) -> str:
    """The one kind of several: NULL fits anywhere, an int beside a float is a float."""
    some = set(kinds) - {"null"}
    if not some:
        return "null"
    if some == NUMBERS:
        return "float"
    if len(some) > 1:
        raise Refusal(f"{sorted(some)} do not go together")
    return some.pop()


def constant_value(node: Any) -> Any:
    """The value of a constant or of a constant with a sign."""
    if isinstance(node, q.Unary):
        inner = constant_value(node.operand)
        return None if not is_number(inner) else -inner if node.op == "-" else inner
    return node.value if isinstance(node, q.Literal | q.Param) else None


# ------------------------------------------------------------------ names and groups


def is_aggregate(node: q.Node) -> bool:
    """An aggregate over rows, of values or of masks."""
    over_masks = isinstance(node, q.CP) and isinstance(node.mask, q.MaskAggregate)
    return over_masks or isinstance(node, q.Aggregate)


def resolve(collection: Collection, query: q.Query) -> Resolved:
    """Put meaning to every name of a query, or refuse it."""
    aliases, columns = aliases_of(query), collection.columns

    def column_first(expr: Any) -> Any:
        wanted = {name: expr for name, expr in aliases.items() if name not in columns}
        return substitute(expr, wanted)

    exprs = [item.expr for item in written_out(query, columns)]
    where = column_first(query.where)
    keys = [column_first(key) for key in query.group_by]
    having = column_first(query.having)
    order = [ordered_by(key.expr, exprs, aliases) for key in query.order_by]

    refuse_early_aggregates([where, *keys])
    refuse_hidden_order(query, exprs, order)
    outputs = [*exprs, having, *order]
    grouped = bool(keys) or having is not None or any(map(is_aggregate, q.walk(tuple(outputs))))
    kinds = Kinds(collection, query.roi)
    outputs = grouped_outputs(kinds, outputs, keys, grouped)
    exprs, having, order = outputs[: len(exprs)], outputs[len(exprs)], outputs[len(exprs) + 1 :]
    for condition in (where, having):
        if condition is not None:
            kinds.wants({"bool"}, [condition])
    for expr in order:
        kinds.simple([expr])
    return Resolved(
        names=[column_name(item) for item in written_out(query, columns)],
        items=exprs,
        kinds=[kinds.of(expr) for expr in exprs],
        where=where,
        keys=keys,
        having=having,
        order=[
            (expr, bool(key.descending), key.nulls == "FIRST")
            for expr, key in zip(order, query.order_by, strict=True)
        ],
        grouped=grouped,
        limit=rows_wanted(query.limit),
        offset=rows_wanted(query.offset) or 0,
    )


def aliases_of(query: q.Query) -> dict[str, Any]:
    """Expressions of the select list by their alias."""
    items = [item for item in query.select if isinstance(item, q.Item)]
    return {item.alias: item.expr for item in items if item.alias is not None}


def grouped_outputs(kinds: Kinds, outputs: list[Any], keys: list[Any], grouped: bool) -> list[Any]:
    """What is shown of groups, in terms of their keys; of rows, as it is."""
    key_kinds = [kinds.simple([key]) for key in keys]
    if not grouped:
        return outputs
    for expr in outputs:
        if expr is not None:
            kinds.of(expr)
    return [over_keys(expr, keys, key_kinds) for expr in outputs]


def written_out(query: q.Query, columns: dict[str, str]) -> list[q.Item]:
    """The select list with ``*`` as the columns that it stands for."""
    items: list[q.Item] = []
    for item in query.select:
        if isinstance(item, q.Star):
            items += [q.Item(q.Column(name)) for name in columns]
        else:
            items.append(item)
    return items


def column_name(item: q.Item) -> str | None:
    if item.alias is None and isinstance(item.expr, q.Column):
        return item.expr.name
    return item.alias


def substitute(expr: Any, aliases: dict[str, Any]) -> Any:
    """Put the expressions of aliases in the place of their names."""

    def replace(node: q.Node) -> q.Node | None:
        return aliases.get(node.name) if isinstance(node, q.Column) else None

    return q.rewrite(expr, replace)


def ordered_by(expr: Any, items: list[Any], aliases: dict[str, Any]) -> Any:
    """What a key of ORDER BY means: an ordinal, or names that are aliases before columns."""
    if isinstance(expr, int):
        if not 1 <= expr <= len(items):
            raise Refusal(f"there is no select item {expr}")
        return items[expr - 1]
    return substitute(expr, aliases)


def refuse_early_aggregates(exprs: list[Any]) -> None:
    if any(is_aggregate(part) for part in q.walk(tuple(exprs))):
        raise Refusal("an aggregate in WHERE or GROUP BY")


def refuse_hidden_order(query: q.Query, items: list[Any], order: list[Any]) -> None:
    shown = {repr(item) for item in items}
    if query.distinct and any(repr(expr) not in shown for expr in order):
        raise Refusal("SELECT DISTINCT is ordered by what it shows")


def over_keys(expr: Any, keys: list[Any], kinds: list[str]) -> Any:
    """Rewrite an expression over rows as one over group keys and aggregates."""
    # By text: as values the literals 1, 1.0 and TRUE are equal.
    index = {repr(key): i for i, key in enumerate(keys)}

    def replace(node: q.Node) -> q.Node | None:
        i = index.get(repr(node))
        if i is not None:
            return Key(i, kinds[i])
        if is_aggregate(node) or isinstance(node, q.Area):
            return node
        if isinstance(node, q.Column | q.CP):
            raise Refusal(f"{render.expression(node)} is neither a key nor inside an aggregate")
        return None

    return q.rewrite(expr, replace)


def rows_wanted(value: int | q.Param | None) -> int | None:
    if value is None:
        return None
    rows = given(value)
    if type(rows) is not int or rows < 0:
        raise Refusal("LIMIT and OFFSET are whole numbers from 0 up")
    return rows
