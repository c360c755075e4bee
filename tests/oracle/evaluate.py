"""The answer to a query by brute force: every row, every pixel, exact arithmetic.

Where the language leaves a choice open, this is what is held to be meant:

- A zero has no sign: -0.0 is 0.0 in comparisons, in groups, in output and as text.
- An integer beside a float in CASE, COALESCE, LEAST or GREATEST becomes a float64.
- ``avg(mask)`` over integers of one type is rounded once from their exact sum; over a mixture of
  types it is the exact mean of the float64 values, rounded once.
- DISTINCT keeps the first of equal rows in the order that the table has without it, and can be
  ordered only by what it shows.
- HAVING makes one group, as an aggregate does. ``area`` over a group is that in its masks.
- Every group must be able to answer its terms over masks, whether or not HAVING, CASE or LIMIT
  would drop it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.oracle import ast as q
from tests.oracle import scalars
from tests.oracle.collection import Answer, Collection, Refusal, Refused, finite
from tests.oracle.pixels import aggregate, count, region
from tests.oracle.resolve import CASTS, Key, Kinds, constant_value, resolve

INT64 = range(-(2**63), 2**63)


def evaluate(collection: Collection, query: q.Query) -> Answer | Refused:
    """Answer a query, or say why it is refused."""
    try:
        return Evaluation(collection, query).answer()
    except Refusal as refusal:
        return Refused(str(refusal))


def first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


class Evaluation:
    """One query over one collection; a scope is a row's index or a ``Group``."""

    def __init__(self, collection: Collection, query: q.Query) -> None:
        self.collection = collection
        self.default_roi = query.roi
        self.distinct = query.distinct
        self.kinds = Kinds(collection, query.roi)
        self.query = resolve(collection, query)

    # -------------------------------------------------------------- the clauses, in order

    def answer(self) -> Answer:
        rows = [i for i in self.by_mask_id() if self.holds(self.query.where, i)]
        scopes: list[Any] = [*self.groups(rows)] if self.query.grouped else [*rows]
        scopes = [scope for scope in scopes if self.holds(self.query.having, scope)]
        for expr, descending, nulls_first in reversed(self.query.order):
            keyed = [(self.value(expr, scope), scope) for scope in scopes]
            scopes = [scope for _, scope in in_order(keyed, descending, nulls_first)]
        table = [tuple(self.value(expr, scope) for expr in self.query.items) for scope in scopes]
        if self.distinct:
            table = list(dict.fromkeys(table))
        end = None if self.query.limit is None else self.query.offset + self.query.limit
        table = table[self.query.offset : end]
        check_int64(table)
        return Answer(self.query.names, table, self.query.kinds)

    def by_mask_id(self) -> list[int]:
        rows = self.collection.rows
        return sorted(range(len(rows)), key=lambda i: rows[i]["mask_id"])

    def holds(self, condition: Any, scope: Any) -> bool:
        return condition is None or self.value(condition, scope) is True

    def groups(self, rows: list[int]) -> list[Group]:
        """The rows by key, in the order of the keys; without keys all rows are one group."""
        members: dict[tuple[Any, ...], list[int]] = {} if self.query.keys else {(): []}
        for i in rows:
            key = tuple(self.value(key, i) for key in self.query.keys)
            members.setdefault(key, []).append(i)
        groups = [Group(key, indices) for key, indices in members.items()]
        for n in reversed(range(len(self.query.keys))):
            keyed = [(group.key[n], group) for group in groups]
            groups = [group for _, group in in_order(keyed, False, False)]
        for group in groups:
            self.check_agreement(group)
        return groups

    def check_agreement(self, group: Group) -> None:
        """Refuse a group whose masks differ in size, or in a box, that a term over it uses."""
        order = [expr for expr, _, _ in self.query.order]
        outputs = (*self.query.items, self.query.having, *order)
        for term in q.walk(outputs, but=q.Aggregate):
            if not isinstance(term, q.CP | q.Area):
                continue
            if len({self.collection.masks[i].shape for i in group.members}) > 1:
                raise Refusal(f"the masks of group {group.key} differ in size")
            for node in q.walk(term.roi):
                if isinstance(node, q.BoxColumn):
                    boxes = {self.collection.rows[i][node.name] for i in group.members}
                    if len(boxes) > 1:
                        raise Refusal(f"the masks of group {group.key} differ in {node.name}")

    # -------------------------------------------------------------- expressions

    def value(self, node: Any, scope: Any) -> Any:
        """The value of an expression in a row or a group."""
        return EVALUATORS[type(node)](self, node, scope)

    def constant(self, node: q.Literal | q.Param, scope: Any) -> Any:
        return finite(node.value) if isinstance(node.value, float) else node.value

    def column(self, node: q.Column, row: int) -> Any:
        return self.collection.read(row, node.name)

    def key(self, node: Key, group: Group) -> Any:
        return group.key[node.index]

    def area(self, node: q.Area, scope: Any) -> int | None:
        inside = self.region(node.roi, scope)
        return None if inside is None else int(inside.sum())

    def cp(self, node: q.CP, scope: Any) -> int | None:
        inside = self.region(node.roi, scope)
        if inside is None:
            return None
        if isinstance(node.mask, q.Mask):
            pixels, domain = self.collection.values[scope], self.collection.domain
        else:
            if node.mask not in scope.masks:
                scope.masks[node.mask] = aggregate(self.collection, scope.members, node.mask)
            pixels, domain = scope.masks[node.mask]
        return count(pixels, inside, node.range, domain)

    def region(self, roi: q.Roi, scope: Any) -> Any:
        """The pixels of a region in a row's mask, or in the masks of a group, which agree."""
        members = scope.members if isinstance(scope, Group) else [scope]
        if not members:
            return None
        row = members[0]
        height, width = self.collection.masks[row].shape
        return region(roi, height, width, self.collection.rows[row], self.default_roi)

    def aggregate(self, node: q.Aggregate, group: Group) -> Any:
        if node.arg is None:
            return len(group.members)
        values = [self.value(node.arg, i) for i in group.members]
        return scalars.aggregate(node.name, list(set(values)) if node.distinct else values)

    def unary(self, node: q.Unary, scope: Any) -> Any:
        value = self.value(node.operand, scope)
        if node.op == "NOT":
            return scalars.negate(value)
        return scalars.arithmetic("-", 0, value) if node.op == "-" else value

    def binary(self, node: q.Binary, scope: Any) -> Any:
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        if node.op == "AND":
            return scalars.both(left, right)
        if node.op == "OR":
            return scalars.either(left, right)
        if node.op in scalars.COMPARE:
            return scalars.compare(node.op, left, right)
        return scalars.arithmetic(node.op, left, right)

    def is_in(self, node: q.In, scope: Any) -> bool | None:
        items = [self.value(item, scope) for item in node.items]
        found = scalars.among(self.value(node.operand, scope), items)
        return scalars.negate(found) if node.negated else found

    def between(self, node: q.Between, scope: Any) -> bool | None:
        value = self.value(node.operand, scope)
        low, high = self.value(node.low, scope), self.value(node.high, scope)
        inside = scalars.both(scalars.compare(">=", value, low), scalars.compare("<=", value, high))
        return scalars.negate(inside) if node.negated else inside

    def like(self, node: q.Like, scope: Any) -> bool | None:
        found = scalars.like(self.value(node.operand, scope), self.value(node.pattern, scope))
        return scalars.negate(found) if node.negated else found

    def is_null(self, node: q.IsNull, scope: Any) -> bool:
        return (self.value(node.operand, scope) is None) != node.negated

    def case(self, node: q.Case, scope: Any) -> Any:
        for condition, value in node.whens:
            holds = self.value(condition, scope)
            if node.operand is not None:
                holds = scalars.compare("=", self.value(node.operand, scope), holds)
            if holds is True:
                return self.as_kind(node, self.value(value, scope))
        return None if node.default is None else self.as_kind(node, self.value(node.default, scope))

    def call(self, node: q.Call, scope: Any) -> Any:
        values = [self.value(arg, scope) for arg in node.args]
        if node.name == "ABS":
            return None if values[0] is None else abs(values[0])
        if node.name == "ROUND":
            digits = constant_value(node.args[1]) if len(node.args) == 2 else 0
            return scalars.round_to(values[0], digits)
        if node.name == "NULLIF":
            return None if scalars.compare("=", *values) is True else values[0]
        values = [self.as_kind(node, value) for value in values]
        present = [value for value in values if value is not None]
        if node.name == "COALESCE":
            return present[0] if present else None
        if len(present) < len(values):
            return None
        return min(values) if node.name == "LEAST" else max(values)

    def as_kind(self, node: Any, value: Any) -> Any:
        """A chosen value in the kind that all choices share."""
        return scalars.as_float(value) if self.kinds.of(node) == "float" else value

    def cast(self, node: q.Cast, scope: Any) -> Any:
        return scalars.cast(self.value(node.operand, scope), CASTS[node.type])


class Group:
    """Rows that share a key, and the masks worked out from them so far."""

    def __init__(self, key: tuple[Any, ...], members: list[int]) -> None:
        self.key = key
        self.members = members
        self.masks: dict[q.MaskAggregate, Any] = {}


def in_order(
    keyed: list[tuple[Any, Any]], descending: bool, nulls_first: bool
) -> list[tuple[Any, Any]]:
    """Sort pairs by their first part; equal ones stay in the order that they have."""
    nulls = [pair for pair in keyed if pair[0] is None]
    others = sorted((pair for pair in keyed if pair[0] is not None), key=first, reverse=descending)
    return nulls + others if nulls_first else others + nulls


def check_int64(table: list[tuple[Any, ...]]) -> None:
    for row in table:
        for value in row:
            if type(value) is int and value not in INT64:
                raise Refusal(f"{value} does not fit into 64 bits")


EVALUATORS: dict[type[q.Node], Callable[..., Any]] = {
    q.Literal: Evaluation.constant,
    q.Param: Evaluation.constant,
    q.Column: Evaluation.column,
    Key: Evaluation.key,
    q.Area: Evaluation.area,
    q.CP: Evaluation.cp,
    q.Aggregate: Evaluation.aggregate,
    q.Unary: Evaluation.unary,
    q.Binary: Evaluation.binary,
    q.In: Evaluation.is_in,
    q.Between: Evaluation.between,
    q.Like: Evaluation.like,
    q.IsNull: Evaluation.is_null,
    q.Case: Evaluation.case,
    q.Call: Evaluation.call,
    q.Cast: Evaluation.cast,
}
