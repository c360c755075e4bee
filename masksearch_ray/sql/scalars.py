"""Expressions: trees -> bound and typed `Expr`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import (
    Aggregate,
    Call,
    Catalog,
    Column,
    Expr,
    Literal,
    Type,
)
from masksearch_ray.sql import tree
from masksearch_ray.sql.constants import Constants
from masksearch_ray.sql.functions import (
    AGGREGATES,
    CASTS,
    FUNCTIONS,
    MASK_AGGREGATES,
    PIXEL_FORMS,
    Signature,
)
from masksearch_ray.sql.masks import MaskTerms, is_mask_aggregate
from masksearch_ray.sql.names import lookup, nearest
from masksearch_ray.sql.parameters import INT64
from masksearch_ray.sql.source import Source, shown
from masksearch_ray.sql.types import TypeRules

__all__ = ["Aliases", "Place", "Scalars", "balanced"]

Aliases = dict[str, list[tree.Node]]


@dataclass(frozen=True)
class Place:
    """What an expression may hold where it stands.

    Parameters
    ----------
    name : str
        As errors name it, ``WHERE`` or ``another aggregate``.
    aggregates, pixels : bool
        Whether aggregates and terms over pixels may stand here.
    grouped : bool
        Whether a value is one of a group, so that a row's own mask may not be spoken of.
    aliases : {"no", "last", "first"}
        Whether a name may be an alias, before or after it may be a column.
    """

    name: str
    aggregates: bool = False
    pixels: bool = True
    grouped: bool = False
    aliases: str = "no"


def balanced(op: str, exprs: Sequence[Expr]) -> Expr:
    """AND or OR of any number of conditions, as shallow as binary operators allow."""
    if len(exprs) == 1:
        return exprs[0]
    half = len(exprs) // 2
    return Call(op, (balanced(op, exprs[:half]), balanced(op, exprs[half:])), "bool")


class Scalars:
    """Binds the expressions of one query.

    Parameters
    ----------
    catalog : Catalog
    constants : Constants
    terms : MaskTerms
    aliases : dict of str to list of Node
        Expressions of the select list by alias; more than one where an alias is given twice.
    """

    def __init__(
        self, catalog: Catalog, constants: Constants, terms: MaskTerms, aliases: Aliases
    ) -> None:
        self.source: Source = constants.source
        self.types = TypeRules(self.source)
        # Where each column was named; the column is kept, so that its id stays its own.
        self.origin: dict[int, tuple[Column, tree.Node]] = {}
        self._catalog = catalog
        self._constants = constants
        self._terms = terms
        self._aliases = aliases
        self._bound_aliases: dict[tuple[str, Place], Expr] = {}

    def bind(self, node: tree.Node, place: Place) -> Expr:
        """Bound and typed expression of a tree.

        Raises
        ------
        QueryError
            A name is unknown, types do not go together, or something may not stand at `place`.
        """
        binder = _BINDERS.get(type(node))
        if binder is None:
            hint = "lists stand after IN, ranges in CP, * in SELECT and COUNT"
            raise self.source.error("a single value is wanted", node.span, hint)
        return binder(self, node, place)

    def condition(self, node: tree.Node, place: Place) -> Expr:
        """Bound expression of a condition."""
        expr = self.bind(node, place)
        self.types.condition(node, expr)
        return expr

    def _all(self, nodes: Sequence[tree.Node], place: Place) -> tuple[Expr, ...]:
        return tuple([self.bind(node, place) for node in nodes])

    # ---------------------------------------------------------------- leaves

    def _constant(self, node: tree.Constant, place: Place) -> Expr:
        if node.type == "int" and node.value not in INT64:
            raise self.source.error("the integer exceeds 64 bits", node.span, "write it as a float")
        return Literal(node.value, node.type)

    def _parameter(self, node: tree.Parameter, place: Place) -> Expr:
        return self._constants.parameters.literal(node)

    def _name(self, node: tree.Name, place: Place) -> Expr:
        if node.word in ("mask", "roi", "full_image"):
            form = PIXEL_FORMS["CP"] if node.word == "mask" else PIXEL_FORMS["AREA"]
            hint = f'it stands inside {form}; a column of that name is written "{node.name}"'
            raise self.source.error(f"{node.word} is no value", node.span, hint)
        for kind in {"no": "c", "last": "ca", "first": "ac"}[place.aliases]:
            found = lookup(node.name, self._catalog.fields if kind == "c" else self._aliases)
            if len(found) > 1:
                message = f"{shown(node.name)} may be {' or '.join(map(shown, found))}"
                raise self.source.error(message, node.span, "write it in the case meant")
            if found:
                named = self._column if kind == "c" else self._alias
                return named(found[0], node, place)
        raise self._unknown(node, place)

    def _column(self, name: str, node: tree.Name, place: Place) -> Expr:
        kind = self._catalog.fields[name].kind
        column = Column(name, "other" if kind == "box" or kind == "boxes" else kind)
        self.origin[id(column)] = column, node
        return column

    def _alias(self, name: str, node: tree.Name, place: Place) -> Expr:
        if len(self._aliases[name]) > 1:
            message = f"the alias {shown(name)} is given to several columns"
            hint = "ORDER BY also takes their numbers: 1, 2, …"
            raise self.source.error(message, node.span, hint)
        # Bound once a place: a short name may stand for a long expression a thousand times.
        key = (name, place)
        if key not in self._bound_aliases:
            self._bound_aliases[key] = self._bind_alias(self._aliases[name][0], node, place)
        return self._bound_aliases[key]

    def _bind_alias(self, meant: tree.Node, node: tree.Name, place: Place) -> Expr:
        try:
            return self.bind(meant, replace(place, aliases="no"))
        except QueryError as error:
            # Wrong where it is written, or only where the alias stands?
            self.bind(meant, Place("the select list", aggregates=True, grouped=place.grouped))
            message = f"{shown(node.name)} stands for {error.message}"
            raise self.source.error(message, node.span, error.hint) from None

    def _unknown(self, node: tree.Name, place: Place) -> QueryError:
        known = [*self._catalog.fields, *(self._aliases if place.aliases != "no" else ())]
        hint = nearest(node.name, known, "columns")
        return self.source.error(f"unknown column {shown(node.name)}", node.span, hint)

    # ---------------------------------------------------------------- operators

    def _unary(self, node: tree.Unary, place: Place) -> Expr:
        if node.op == "not":
            return Call("not", (self.condition(node.operand, place),), "bool")
        expr = self.bind(node.operand, place)
        kind = self.types.numbers([node.operand], [expr])
        if node.op == "+":
            return expr
        if isinstance(expr, Literal) and kind != "null":
            return self._negative(node, expr)
        return Call("neg", (expr,), kind)

    def _negative(self, node: tree.Unary, literal: Literal) -> Literal:
        value = literal.value
        assert isinstance(value, int | float)
        if value == INT64.start:
            raise self.source.error("the integer exceeds 64 bits", node.span, "write it as a float")
        # A zero has no sign.
        return Literal(-value if value else value, literal.type)

    def _binary(self, node: tree.Binary, place: Place) -> Expr:
        nodes = (node.left, node.right)
        exprs = self._all(nodes, place)
        if node.op in ("+", "-", "*", "/", "%"):
            kind = self.types.numbers(nodes, exprs)
            return Call(node.op, exprs, "float" if node.op == "/" else kind)
        self.types.unify(nodes, exprs)
        return Call(node.op, exprs, "bool")

    def _logic(self, node: tree.Logic, place: Place) -> Expr:
        # Both are associative, so that nested ones may be re-balanced.
        flat: list[Expr] = []
        stack = list(reversed([self.condition(item, place) for item in node.items]))
        while stack:
            expr = stack.pop()
            if isinstance(expr, Call) and expr.op == node.op:
                stack.extend(reversed(expr.args))
            else:
                flat.append(expr)
        return balanced(node.op, flat)

    def _between(self, node: tree.Between, place: Place) -> Expr:
        nodes = (node.value, node.low, node.high)
        value, low, high = exprs = self._all(nodes, place)
        self.types.unify(nodes, exprs)
        return balanced(
            "and", (Call(">=", (value, low), "bool"), Call("<=", (value, high), "bool"))
        )

    def _in(self, node: tree.In, place: Place) -> Expr:
        nodes = (node.value, *node.items)
        exprs = self._all(nodes, place)
        self.types.unify(nodes, exprs)
        if all(isinstance(item, Literal) for item in exprs[1:]):
            return Call("in", exprs, "bool")
        return balanced("or", [Call("=", (exprs[0], item), "bool") for item in exprs[1:]])

    def _like(self, node: tree.Like, place: Place) -> Expr:
        value = self.bind(node.value, place)
        self.types.want({"string"}, "a string", node.value, value)
        pattern = self._constants.string(node.pattern, "the pattern")
        escape = ""
        if node.escape is not None:
            given = self._constants.string(node.escape, "the escape character")
            if given is None or len(given) != 1:
                raise self.source.error("ESCAPE takes one character", node.escape.span)
            escape = given
        if pattern is None:
            return Literal(None, "null")
        if escape and pattern.replace(escape * 2, "").endswith(escape):
            raise self.source.error("the pattern ends in its escape character", node.pattern.span)
        args = (value, Literal(pattern, "string"))
        return Call("like", (*args, Literal(escape, "string")) if escape else args, "bool")

    def _is_null(self, node: tree.IsNull, place: Place) -> Expr:
        return Call("is_null", (self.bind(node.value, place),), "bool")

    def _case(self, node: tree.Case, place: Place) -> Expr:
        conditions = [when for when, _ in node.whens]
        if node.operand is None:
            tests: list[Expr] = [self.condition(when, place) for when in conditions]
        else:
            nodes = (node.operand, *conditions)
            value, *others = exprs = self._all(nodes, place)
            self.types.unify(nodes, exprs)
            tests = [Call("=", (value, other), "bool") for other in others]
        results = [value for _, value in node.whens]
        default = tree.Constant(node.span, None, "null") if node.default is None else node.default
        values = self._all([*results, default], place)
        kind = self.types.unify([*results, default], values)
        pairs = [part for pair in zip(tests, values, strict=False) for part in pair]
        return Call("case", (*pairs, values[-1]), kind)

    def _cast(self, node: tree.Cast, place: Place) -> Expr:
        target = CASTS.get(node.target.name.upper())
        if target is None:
            message, hint = f"unknown type {shown(node.target.name)}", f"types: {', '.join(CASTS)}"
            raise self.source.error(message, node.target.span, hint)
        expr = self.bind(node.value, place)
        self.types.unify([node.value], [expr])
        return Call("cast", (expr,), target)

    # ---------------------------------------------------------------- functions

    def _function(self, node: tree.Function, place: Place) -> Expr:
        if node.name in ("CP", "AREA"):
            return self._term(node, place)
        if node.name in AGGREGATES:
            return self._aggregate(node, place)
        signature = FUNCTIONS.get(node.name)
        if signature is None:
            raise self._unknown_function(node)
        least, most = signature.least, signature.most or len(node.args)
        if not least <= len(node.args) <= most or node.distinct:
            message = f"{node.name} does not take these arguments"
            raise self.source.error(message, node.span, f"wanted: {signature.form}")
        return self._call(signature, node, place)

    def _call(self, signature: Signature, node: tree.Function, place: Place) -> Expr:
        if signature.rule == "round":
            return self._round(node, place)
        exprs = self._all(node.args, place)
        check = self.types.numbers if signature.rule == "numbers" else self.types.unify
        kind: Type = check(node.args, exprs)
        return Call(signature.op, exprs, exprs[0].type if signature.rule == "first" else kind)

    def _round(self, node: tree.Function, place: Place) -> Expr:
        value = self.bind(node.args[0], place)
        kind = self.types.numbers(node.args[:1], [value])
        if len(node.args) == 1:
            return Call("round", (value,), kind)
        digits = self._constants.integer(node.args[1], "the number of digits")
        if not -300 <= digits <= 300:
            raise self.source.error("digits go from -300 to 300", node.args[1].span)
        return Call("round", (value, Literal(digits, "int")), kind)

    def _term(self, node: tree.Function, place: Place) -> Expr:
        if not place.pixels:
            form = "CP" if node.name == "CP" else "area"
            message = f"{form} in {place.name}"
            raise self.source.error(message, node.span, "only metadata may stand there")
        if node.name == "AREA":
            return self._terms.area(node)
        over_masks = is_mask_aggregate(node)
        if over_masks and not place.aggregates:
            raise self._misplaced(node.args[0], place)
        if place.grouped and not over_masks:
            message = "CP of a single mask differs from row to row of a group"
            hint = "wanted: an aggregate of it, AVG(CP(mask, …)), or CP(intersect(mask), …)"
            raise self.source.error(message, node.span, hint)
        return self._terms.count(node)

    def _aggregate(self, node: tree.Function, place: Place) -> Expr:
        function = AGGREGATES[node.name]
        if not place.aggregates:
            raise self._misplaced(node, place)
        if len(node.args) != 1 or (node.distinct and function != "count"):
            forms = f"{node.name}(value){', COUNT(DISTINCT value)' * (function == 'count')}"
            raise self.source.error(f"{node.name} takes one value", node.span, f"wanted: {forms}")
        argument = node.args[0]
        if isinstance(argument, tree.Star):
            if function != "count" or node.distinct:
                raise self.source.error("* stands in COUNT(*) only", argument.span)
            return Aggregate("count", None, False, "int")
        name = "COUNT(DISTINCT …)" if node.distinct else "another aggregate"
        inner = Place(name, pixels=not node.distinct, aliases=place.aliases)
        expr = self.bind(argument, inner)
        kind = self._aggregate_type(node, expr)
        return Aggregate(function, expr, node.distinct, kind)

    def _aggregate_type(self, node: tree.Function, expr: Expr) -> Type:
        if node.name in ("SUM", "AVG"):
            kind = self.types.numbers(node.args, [expr])
            return "float" if node.name == "AVG" else kind
        if node.name == "COUNT":
            if node.distinct:
                self.types.unify(node.args, [expr])
            return "int"
        self.types.want({"int", "float", "string"}, "a number or string", node.args[0], expr)
        return expr.type

    def _misplaced(self, node: tree.Node, place: Place) -> QueryError:
        hint = "aggregates stand in the select list, HAVING and ORDER BY"
        return self.source.error(f"an aggregate in {place.name}", node.span, hint)

    def _unknown_function(self, node: tree.Function) -> QueryError:
        name = node.name.lower()
        if node.name in PIXEL_FORMS or node.name in MASK_AGGREGATES:
            hint = "regions and masks stand inside CP(mask, roi, (lv, uv)) and area(roi)"
            return self.source.error(f"{name} is no value", node.span, hint)
        known = [*FUNCTIONS, *AGGREGATES, "CAST", "CP", "area"]
        hint = nearest(name, known, "functions")
        return self.source.error(f"unknown function {shown(name)}", node.span, hint)


_BINDERS: dict[type[tree.Node], Callable[[Scalars, Any, Place], Expr]] = {
    tree.Constant: Scalars._constant,
    tree.Parameter: Scalars._parameter,
    tree.Name: Scalars._name,
    tree.Unary: Scalars._unary,
    tree.Binary: Scalars._binary,
    tree.Logic: Scalars._logic,
    tree.Between: Scalars._between,
    tree.In: Scalars._in,
    tree.Like: Scalars._like,
    tree.IsNull: Scalars._is_null,
    tree.Case: Scalars._case,
    tree.Cast: Scalars._cast,
    tree.Function: Scalars._function,
}
