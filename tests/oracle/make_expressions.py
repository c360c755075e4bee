"""Expressions and conditions from the whole grammar, over rows and over groups."""

from __future__ import annotations

from typing import Any

from tests.oracle import ast as q
from tests.oracle.collection import Answer, Collection
from tests.oracle.draw import Draw
from tests.oracle.evaluate import evaluate
from tests.oracle.make_terms import Terms, of_kind

COMPARISONS = ["<", ">", "<=", ">=", "=", "<>"]
# Beyond 53 bits, or at the ends of float64: fit to compare, sum and show.
EXTREME = {"big", "weight"}


class Expressions:
    """Expressions over rows; ``Groups`` narrows the leaves to what a group has."""

    def __init__(self, terms: Terms, keys: tuple[q.Expr, ...] = ()) -> None:
        self.terms = terms
        self.draw: Draw = terms.draw
        self.collection: Collection = terms.collection
        self.keys = keys

    def columns(self, kind: str) -> list[str]:
        return [name for name in of_kind(self.collection, kind) if name not in EXTREME]

    # -------------------------------------------------------------- leaves

    def leaf(self, kind: str) -> q.Expr:
        """Draw a column of a kind, or a constant where there is none."""
        names = self.columns(kind)
        if names and self.draw.chance(90):
            return q.Column(self.draw.choice(names))
        return self.terms.constant(self.terms.plain_value(kind))

    def numeric_leaf(self) -> q.Expr:
        how = self.draw.choice(["cp", "cp", "cp", "area", "int", "float"])
        if how == "cp":
            return self.terms.cp()
        return q.Area(self.terms.roi()) if how == "area" else self.leaf(how)

    # -------------------------------------------------------------- numbers

    def number(self, depth: int) -> q.Expr:
        """Draw a numeric expression."""
        if depth == 0 or self.draw.chance(30):
            return self.numeric_leaf()
        return self.draw.choice([self.arithmetic, self.arithmetic, self.function, self.choosing])(
            depth - 1
        )

    def arithmetic(self, depth: int) -> q.Expr:
        op = self.draw.choice(["/", "+", "-", "*", "%", "neg"])
        left = self.number(depth)
        if op == "neg":
            return q.Unary("-", left)
        if op in ("+", "-", "/"):
            return q.Binary(op, left, self.number(depth))
        # Factors stay small, so that no product of integers leaves 64 bits.
        factor = self.draw.choice([2, 3, 7, 0.5, -1, 0, 1e-3, 100])
        return q.Binary(op, left, self.terms.constant(factor))

    def function(self, depth: int) -> q.Expr:
        x = self.number(depth)
        how = self.draw.choice(["ABS", "ROUND", "ROUND n", "BIGINT", "INTEGER", "DOUBLE", "other"])
        if how == "ROUND n":
            return q.Call("ROUND", (x, q.Literal(self.draw.integer(-2, 4))))
        if how in ("ABS", "ROUND"):
            return q.Call(how, (x,))
        if how != "other":
            return q.Cast(x, how)
        kind, wanted = self.draw.choice(
            [("str", "BIGINT"), ("bool", "INTEGER"), ("bool", "DOUBLE")]
        )
        return q.Cast(self.leaf(kind), wanted)

    def choosing(self, depth: int) -> q.Expr:
        how = self.draw.choice(["COALESCE", "NULLIF", "LEAST", "GREATEST", "CASE", "CASE x"])
        x, y = self.number(depth), self.number(depth)
        if how == "CASE":
            default = y if self.draw.chance(70) else None
            return q.Case(None, ((self.condition(depth), x),), default)
        if how == "CASE x":
            whens = tuple((self.terms.constant(i), value) for i, value in ((1, x), (2, y)))
            return q.Case(self.leaf("int"), whens, q.Literal(0) if self.draw.chance(50) else None)
        args: tuple[q.Expr, ...] = (x, y)
        if how in ("LEAST", "GREATEST", "COALESCE") and self.draw.chance(30):
            args = (*args, self.terms.constant(self.draw.choice([0, 0.5, None])))
        return q.Call(how, args)

    # -------------------------------------------------------------- strings

    def text(self, depth: int) -> q.Expr:
        """Draw an expression of strings."""
        if depth == 0 or self.draw.chance(60):
            return self.leaf("str")
        how = self.draw.choice(["COALESCE", "NULLIF", "CASE", "CAST int", "CAST float", "LEAST"])
        if how == "CAST int":
            return q.Cast(self.numeric_leaf(), "VARCHAR")
        if how == "CAST float":
            return q.Cast(self.leaf(self.draw.choice(["float", "bool"])), "VARCHAR")
        x, y = self.text(depth - 1), self.text(depth - 1)
        if how == "CASE":
            return q.Case(None, ((self.condition(depth - 1), x),), y)
        return q.Call(how, (x, y))

    # -------------------------------------------------------------- conditions

    def condition(self, depth: int) -> q.Expr:
        """Draw a Boolean expression."""
        if depth == 0:
            return self.predicate(0)
        how = self.draw.choice(["predicate"] * 4 + ["AND", "AND", "OR", "NOT"])
        if how == "predicate":
            return self.predicate(depth - 1)
        if how == "NOT":
            return q.Unary("NOT", self.condition(depth - 1))
        return q.Binary(how, self.condition(depth - 1), self.condition(depth - 1))

    def predicate(self, depth: int) -> q.Expr:
        options = [self.numeric_comparison] * 5 + [self.numeric_among, self.text_comparison]
        return self.draw.choice([*options, self.text_among, self.null_test, self.other])(depth)

    def numeric_comparison(self, depth: int) -> q.Expr:
        left, op = self.number(depth), self.draw.choice(COMPARISONS)
        if self.draw.chance(20):
            return q.Binary(op, left, self.number(depth))
        right = self.near(left)
        swap = self.draw.chance(10)
        return q.Binary(op, right, left) if swap else q.Binary(op, left, right)

    def numeric_among(self, depth: int) -> q.Expr:
        x, negated = self.number(depth), self.draw.chance(30)
        if self.draw.chance(50):
            return q.Between(x, self.near(x), self.near(x), negated)
        items = tuple(self.near(x) for _ in range(self.draw.integer(1, 3)))
        if self.draw.chance(10):
            items = (*items, q.Literal(None))
        return q.In(x, items, negated)

    def text_comparison(self, depth: int) -> q.Expr:
        left = self.text(depth)
        right = self.near(left) if self.draw.chance(60) else self.text(0)
        return q.Binary(self.draw.choice(COMPARISONS[::-1]), left, right)

    def text_among(self, depth: int) -> q.Expr:
        x, negated = self.text(depth), self.draw.chance(30)
        how = self.draw.choice(["IN", "LIKE", "LIKE", "BETWEEN"])
        if how == "IN":
            return q.In(x, tuple(self.near(x) for _ in range(self.draw.integer(1, 3))), negated)
        if how == "BETWEEN":
            return q.Between(x, self.near(x), self.near(x), negated)
        word = self.near(x)
        text = word.value if isinstance(word, q.Literal | q.Param) else None
        return q.Like(x, self.terms.constant(self.terms.pattern(str(text))), negated)

    def null_test(self, depth: int) -> q.Expr:
        return q.IsNull(self.draw.choice([self.number, self.text])(depth), self.draw.chance(50))

    def other(self, depth: int) -> q.Expr:
        """Draw what is rarer: a bare Boolean, or an extreme number in a comparison."""
        extreme = self.extreme()
        if extreme is not None and self.draw.chance(70):
            other = self.near(extreme) if self.draw.chance(60) else self.number(0)
            return q.Binary(self.draw.choice(COMPARISONS), extreme, other)
        if self.draw.chance(30):
            flag = q.Literal(self.draw.chance(50))
            return q.Binary(self.draw.choice(["=", "<>"]), self.leaf("bool"), flag)
        return self.leaf("bool")

    def extreme(self) -> q.Expr | None:
        """Draw an expression that only shows or compares extreme numbers, where there are any."""
        names = sorted(EXTREME & set(self.collection.columns))
        return q.Column(self.draw.choice(names)) if names else None

    def near(self, expr: q.Expr) -> q.Expr:
        """Draw a constant that the expression takes, or nearly takes, somewhere."""
        query = q.Query((q.Item(expr, "v"),), group_by=self.keys, roi=self.terms.default_roi)
        answer = evaluate(self.collection, query)
        rows = answer.rows if isinstance(answer, Answer) else []
        values = [row[0] for row in rows if row[0] is not None]
        if not values:
            return self.terms.constant(self.draw.choice([0, 1]) if self.is_number(answer) else "")
        return self.terms.constant(self.terms.nudged(self.draw.choice(values)))

    def is_number(self, answer: Any) -> bool:
        return not (isinstance(answer, Answer) and answer.kinds == ["str"])


class Groups(Expressions):
    """Expressions over groups: keys, aggregates of values, counts over aggregated masks."""

    def __init__(self, terms: Terms, keys: tuple[q.Expr, ...]) -> None:
        super().__init__(terms, keys)
        self.rows = Expressions(terms)

    def extreme(self) -> q.Expr | None:
        column = self.rows.extreme()
        if column is None:
            return None
        return q.Aggregate(self.draw.choice(["SUM", "AVG", "MIN", "MAX"]), column)

    def leaf(self, kind: str) -> q.Expr:
        keys = [
            key
            for key in self.keys
            if isinstance(key, q.Column) and self.collection.columns.get(key.name) == kind
        ]
        if keys and self.draw.chance(60):
            return self.draw.choice(keys)
        if kind == "bool":
            return self.numeric_comparison(0)
        name = self.draw.choice(["MIN", "MAX"])
        return q.Aggregate(name, self.rows.leaf(kind))

    def numeric_leaf(self) -> q.Expr:
        countable = self.terms.masks_agree(self.keys) or self.draw.chance(4)
        if countable and self.draw.chance(5):
            return q.Area(self.terms.roi_of_group(self.keys))
        if countable and self.draw.chance(60):
            return self.terms.cp_over_group(self.keys)
        return self.aggregate()

    def aggregate(self) -> q.Expr:
        """Draw a scalar aggregate that is a number."""
        how = self.draw.choice(["COUNT(*)", "AVG", "SUM", "MIN", "MAX", "COUNT", "DISTINCT"])
        if how == "COUNT(*)":
            return q.Aggregate("COUNT")
        if how == "COUNT":
            return q.Aggregate("COUNT", self.rows.number(1))
        if how == "DISTINCT":
            names = of_kind(self.collection, "int", "float", "str", "bool")
            return q.Aggregate("COUNT", q.Column(self.draw.choice(names)), distinct=True)
        return q.Aggregate(how, self.rows.number(self.draw.integer(0, 1)))
