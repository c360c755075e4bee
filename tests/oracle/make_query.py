"""Queries from the whole grammar, drawn for one collection so that they mean something there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.oracle import ast as q
from tests.oracle.collection import Answer, Collection
from tests.oracle.draw import Draw
from tests.oracle.evaluate import evaluate
from tests.oracle.make_collection import make_box
from tests.oracle.make_expressions import COMPARISONS, Expressions, Groups
from tests.oracle.make_terms import Terms, of_kind

VARYING = (q.Column, q.CP, q.Area, q.Aggregate)


class QueryMaker:
    """Draws whole queries over one collection."""

    def __init__(self, draw: Draw, collection: Collection) -> None:
        self.draw = draw
        self.collection = collection
        self.terms = Terms(draw, collection, make_box(draw, collection.masks[0].shape))
        self.rows = Expressions(self.terms)

    def query(self) -> q.Query:
        """Draw a query."""
        shape = self.draw.choice([self.over_rows] * 5 + [self.over_groups] * 4 + [self.distinct])
        query = shape()
        if any(isinstance(node, q.DefaultRoi) for node in q.walk(query)):
            query = replace(query, roi=self.terms.default_roi)
        return replace(query, source=self.draw.choice(["masks", "masks", "MasksDatabaseView"]))

    # -------------------------------------------------------------- shapes

    def over_rows(self) -> q.Query:
        items: list[Any] = [q.Item(q.Column("mask_id"))]
        if self.draw.chance(10):
            items = [q.Star()]
        for _ in range(self.draw.integer(0, 2)):
            items.append(self.item(self.rows, items))
        query = q.Query(tuple(items), where=self.where(items))
        return self.ordered(query, self.rows)

    def over_groups(self) -> q.Query:
        keys = self.keys()
        groups = Groups(self.terms, keys)
        shown = [key for key in keys if isinstance(key, q.Column) and self.draw.chance(80)]
        items: list[Any] = [q.Item(key) for key in shown]
        group_by: list[q.Expr] = list(keys)
        for n, key in enumerate(keys):
            if not isinstance(key, q.Column):
                items.append(q.Item(key, f"k{n}"))
                if self.draw.chance(50):
                    group_by[n] = q.Column(f"k{n}")
        for _ in range(self.draw.integer(0 if items else 1, 3)):
            items.append(self.item(groups, items))
        having = self.filter(groups, items) if self.draw.chance(35) else None
        query = q.Query(tuple(items), where=self.where([]), group_by=tuple(group_by), having=having)
        return self.ordered(query, groups)

    def distinct(self) -> q.Query:
        names = of_kind(self.collection, "int", "float", "str", "bool")
        items: list[Any] = []
        for _ in range(self.draw.integer(1, 2)):
            name = self.draw.choice([n for n in names if q.Item(q.Column(n)) not in items])
            items.append(q.Item(q.Column(name)))
        if self.draw.chance(30):
            items.append(self.item(self.rows, items))
        order = tuple(
            replace(self.direction(), expr=self.draw.integer(1, len(items)))
            for _ in range(self.draw.integer(0, 2))
        )
        query = q.Query(tuple(items), distinct=True, where=self.where([]), order_by=order)
        return self.limited(query, bool(order))

    # -------------------------------------------------------------- clauses

    def item(self, scope: Expressions, items: list[Any]) -> q.Item:
        """Draw an expression to show, under a name that no other has."""
        kind = self.draw.choice(["number"] * 6 + ["text", "condition"])
        make = {"number": scope.number, "text": scope.text, "condition": scope.condition}[kind]
        extreme = scope.extreme() if self.draw.chance(10) else None
        expr = extreme or make(self.draw.integer(0, 2))
        bare = any(isinstance(i, q.Item) and i.alias is None and not_column(i) for i in items)
        if not bare and not isinstance(expr, q.Column) and self.draw.chance(10):
            return q.Item(expr)
        names = ["r", "s", "n", "iou", "Ratio of pixels"]
        if not any(isinstance(item, q.Star) for item in items) and self.draw.chance(15):
            # The alias of one column's name for something else: which is meant where?
            names = [self.draw.choice(["label", "model_id", "hits"]), *names]
        taken = {shown_name(item) for item in items}
        return q.Item(expr, next(name for name in names if name not in taken))

    def keys(self) -> tuple[q.Expr, ...]:
        """Draw group keys: none, columns, or expressions over metadata."""
        sizes = {mask.shape for mask in self.collection.masks}
        if self.draw.chance(55 if len(sizes) > 1 else 35):
            extra = [q.Column("model_id")] if self.draw.chance(15) else []
            return (q.Column("image_id"), *extra)
        names = of_kind(self.collection, "int", "float", "str", "bool")
        keys: list[q.Expr] = []
        for _ in range(self.draw.integer(0, 2)):
            if self.draw.chance(80):
                keys.append(q.Column(self.draw.choice(names)))
            else:
                keys.append(self.key_expression())
        return tuple(dict.fromkeys(keys))

    def key_expression(self) -> q.Expr:
        model = q.Column("model_id")
        label = self.rows.leaf("str")
        options: list[q.Expr] = [
            q.Binary("%", model, q.Literal(2)),
            q.Binary("+", model, q.Column("mask_type")),
            q.Cast(model, "VARCHAR"),
        ]
        options += (
            []
            if not isinstance(label, q.Column)
            else [
                q.Binary("=", label, self.rows.near(label)),
                q.IsNull(label),
                q.Case(None, ((q.Binary(">", model, q.Literal(1)), label),), q.Literal("other")),
            ]
        )
        return self.draw.choice(options)

    def where(self, items: list[Any]) -> q.Expr | None:
        return self.filter(self.rows, items) if self.draw.chance(65) else None

    def filter(self, scope: Expressions, items: list[Any]) -> q.Expr:
        """Draw a condition, at times on an alias."""
        aliases = [
            item
            for item in items
            if isinstance(item, q.Item)
            and item.alias not in (None, *self.collection.columns)
            and self.numeric(scope, item.expr)
        ]
        if not aliases or self.draw.chance(60):
            return scope.condition(self.draw.integer(0, 2))
        item = self.draw.choice(aliases)
        op = self.draw.choice(COMPARISONS)
        return q.Binary(op, q.Column(str(item.alias)), scope.near(item.expr))

    def numeric(self, scope: Expressions, expr: q.Expr) -> bool:
        query = q.Query((q.Item(expr, "v"),), group_by=scope.keys, roi=self.terms.default_roi)
        answer = evaluate(self.collection, query)
        return isinstance(answer, Answer) and answer.kinds[0] in ("int", "float")

    def ordered(self, query: q.Query, scope: Expressions) -> q.Query:
        """Draw ORDER BY by alias, ordinal, column or expression; most often with a limit."""
        aliases = [item.alias for item in query.select if isinstance(item, q.Item)]
        names = [alias for alias in aliases if alias is not None]
        order: list[q.Order] = []
        for _ in range(self.draw.choice([0, 1, 1, 1, 2])):
            how = self.draw.choice(["alias", "expression", "ordinal", "text"])
            expr: q.Expr | int = scope.number(self.draw.integer(0, 1))
            if how == "alias" and names:
                expr = q.Column(self.draw.choice(names))
            elif how == "ordinal" and not isinstance(query.select[0], q.Star):
                expr = self.draw.integer(1, len(query.select))
            elif how == "text":
                expr = scope.text(0)
            # A bare constant could be taken for an ordinal.
            if isinstance(expr, int) or any(isinstance(n, VARYING) for n in q.walk(expr)):
                order.append(replace(self.direction(), expr=expr))
        return self.limited(replace(query, order_by=tuple(order)), bool(order))

    def direction(self) -> q.Order:
        nulls = self.draw.choice([None, None, None, "FIRST", "LAST"])
        return q.Order(1, self.draw.choice([None, True, False]), nulls)

    def limited(self, query: q.Query, ordered: bool) -> q.Query:
        rows = len(self.collection.rows)
        limit: int | q.Param | None = None
        if self.draw.chance(70 if ordered else 25):
            limit = self.terms.whole(self.draw.choice([1, 2, 3, rows // 2, rows, rows + 2, 0]))
        offset = self.terms.whole(self.draw.integer(0, 3)) if self.draw.chance(15) else None
        return replace(query, limit=limit, offset=offset)


def not_column(item: q.Item) -> bool:
    return not isinstance(item.expr, q.Column)


def shown_name(item: q.Item | q.Star) -> str | None:
    if isinstance(item, q.Star):
        return None
    return item.expr.name if item.alias is None and isinstance(item.expr, q.Column) else item.alias
