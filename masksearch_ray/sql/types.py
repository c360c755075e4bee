"""Which types go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksearch_ray.model.query import Column, Expr, Type
from masksearch_ray.sql import tree
from masksearch_ray.sql.source import Source, shown

__all__ = ["TypeRules", "article"]

_NUMBERS = {"int", "float"}
_OTHER = "boxes and values of other types are selected, counted and tested for NULL, nothing else"


def article(kind: str) -> str:
    """``int`` -> ``an int``."""
    names = {"int": "an int", "other": "a value of another type", "null": "NULL"}
    return names.get(kind) or f"a {kind}"


class TypeRules:
    """Type checks that point at the operand that does not fit.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self.source = source

    def want(self, kinds: set[Any], wanted: str, node: tree.Node, expr: Expr) -> None:
        """Refuse an operand of another type; NULL fits anywhere."""
        if expr.type == "null" or expr.type in kinds:
            return
        if isinstance(expr, Column) and expr.type == "other":
            message = f"{shown(expr.name)} can only be selected"
            raise self.source.error(message, node.span, f"wanted: {wanted}; {_OTHER}")
        message = f"{article(expr.type)} where {wanted} is wanted"
        raise self.source.error(message, node.span)

    def numbers(self, nodes: Sequence[tree.Node], exprs: Sequence[Expr]) -> Type:
        """Type of arithmetic on numbers: int, float once one is, null where all are NULL."""
        for node, expr in zip(nodes, exprs, strict=True):
            self.want(_NUMBERS, "a number", node, expr)
        return _joined({expr.type for expr in exprs})

    def unify(self, nodes: Sequence[tree.Node], exprs: Sequence[Expr]) -> Type:
        """Type that all operands share: an int beside a float is a float.

        Raises
        ------
        QueryError
            They do not go together, as a string and a number do not.
        """
        for node, expr in zip(nodes, exprs, strict=True):
            self.want({"int", "float", "bool", "string"}, "a number, string or bool", node, expr)
        typed = [(n, e) for n, e in zip(nodes, exprs, strict=True) if e.type != "null"]
        for node, expr in typed[1:]:
            first = typed[0][1].type
            if expr.type != first and not {expr.type, first} <= _NUMBERS:
                message = f"{article(expr.type)} does not go with {article(first)}"
                raise self.source.error(
                    message, node.span, "CAST(x AS type) makes one of the other"
                )
        return _joined({expr.type for expr in exprs})

    def condition(self, node: tree.Node, expr: Expr) -> None:
        """Refuse anything but a truth value."""
        self.want({"bool"}, "a condition", node, expr)


def _joined(kinds: set[Type]) -> Type:
    kinds = kinds - {"null"}
    if not kinds:
        return "null"
    return "float" if kinds == _NUMBERS else next(iter(kinds))
