"""The grammar of expressions: tokens -> tree, by precedence climbing.

sqlglot's own parser is not used: it takes far more than the language has (clauses in any order,
trailing commas, dozens of dialects), drops the positions of most nodes, and needs so many Python
frames a level that 50 nested parentheses exhaust the interpreter's stack.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, TypeVar

from masksearch_ray.sql import tree
from masksearch_ray.sql.cursor import Cursor
from masksearch_ray.sql.source import Source, shown
from masksearch_ray.sql.tokens import RESERVED, Token

__all__ = ["MAX_DEPTH", "Expressions", "parse_alone"]

MAX_DEPTH = 100
"""Deepest nesting of an expression; one sum of n terms counts as n - 1 levels."""

_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY = range(6)
_SYMBOLS = {
    **dict.fromkeys(("=", "<>", "!=", "<", "<=", ">", ">="), _COMPARE),
    **dict.fromkeys(("+", "-"), _ADD),
    **dict.fromkeys(("*", "/", "%"), _MULTIPLY),
}
_WORDS = {
    "OR": _OR,
    "AND": _AND,
    **dict.fromkeys(("IS", "IN", "LIKE", "BETWEEN", "NOT"), _COMPARE),
}
_PREFIXES: dict[str, Literal["-", "+", "not"]] = {"-": "-", "+": "+", "NOT": "not"}
_CONSTANTS: dict[str, tuple[bool | None, Literal["bool", "null"]]] = {
    "TRUE": (True, "bool"),
    "FALSE": (False, "bool"),
    "NULL": (None, "null"),
}
_EXPRESSION = "a column, a constant, a parameter, a function or ("

N = TypeVar("N", bound=tree.Node)


class Expressions(Cursor):
    """Reads expressions."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._depth = 0

    def expression(self) -> tree.Node:
        """Read an expression."""
        return self._climb(_OR)

    def expressions(self) -> tuple[tree.Node, ...]:
        """Read one or more expressions, separated by commas."""
        items = [self.expression()]
        while self.take_symbol(","):
            items.append(self.expression())
        return tuple(items)

    def check_depth(self, node: N) -> N:
        """Refuse a tree too deep for the recursive steps that follow."""
        for part, depth in tree.walk(node):
            if depth > MAX_DEPTH:
                raise self._too_deep(part.span[0])
        return node

    def _too_deep(self, offset: int) -> Exception:
        hint = "parentheses split a long sum or product into shallower parts"
        message = f"the expression is nested more than {MAX_DEPTH} levels deep"
        return self.source.error(message, offset, hint)

    def _climb(self, level: int) -> tree.Node:
        """Read what binds at least as tightly as a level."""
        if self._depth > MAX_DEPTH:
            raise self._too_deep(self.token.span[0])
        self._depth += 1
        start = self.token.span[0]
        left = self._prefixed(level)
        while (found := self._infix_level()) >= level:
            left = self._infix(start, left, found)
        self._depth -= 1
        return left

    def _infix_level(self) -> int:
        token = self.token
        if token.kind == "symbol":
            return _SYMBOLS.get(token.text, -1)
        return _WORDS.get(token.word, -1)

    def _infix(self, start: int, left: tree.Node, level: int) -> tree.Node:
        if level <= _AND:
            return self._logic(start, left, level)
        if self.token.kind == "name":
            return self._predicate(start, left)
        op = self.next().text
        right = self._climb(level + 1)
        return tree.Binary(self.span_from(start), "<>" if op == "!=" else op, left, right)

    def _logic(self, start: int, left: tree.Node, level: int) -> tree.Node:
        word = "OR" if level == _OR else "AND"
        items = [left]
        while self.take_word(word):
            items.append(self._climb(level + 1))
        op: Literal["and", "or"] = "or" if level == _OR else "and"
        return tree.Logic(self.span_from(start), op, tuple(items))

    def _prefixed(self, level: int) -> tree.Node:
        # In loops, since a row of NOT or of signs may be as long as the text.
        prefixes: list[Token] = []
        while level <= _NOT and self.is_word("NOT"):
            prefixes.append(self.next())
        if prefixes:
            node = self._climb(_COMPARE)
        else:
            while self.is_symbol("-", "+"):
                prefixes.append(self.next())
            node = self._atom()
        for prefix in reversed(prefixes):
            node = self._signed(prefix, node)
        return node

    def _signed(self, sign: Token, node: tree.Node) -> tree.Node:
        span = self.span_from(sign.span[0])
        if sign.text == "-" and isinstance(node, tree.Constant) and node.type in ("int", "float"):
            value = node.value
            assert isinstance(value, int | float)
            # A zero has no sign.
            return tree.Constant(span, -value if value else value, node.type)
        return tree.Unary(span, _PREFIXES[sign.word or sign.text], node)

    # ---------------------------------------------------------------- predicates

    def _predicate(self, start: int, left: tree.Node) -> tree.Node:
        if self.take_word("IS"):
            negated = self.take_word("NOT")
            self.want_word("NULL", "NULL or NOT NULL after IS")
            node: tree.Node = tree.IsNull(self.span_from(start), left)
        else:
            negated = self.take_word("NOT")
            node = self._in_like_between(start, left)
        return tree.Unary(node.span, "not", node) if negated else node

    def _in_like_between(self, start: int, left: tree.Node) -> tree.Node:
        if self.take_word("IN"):
            self.want_symbol("(", "a list in parentheses after IN")
            items = self.expressions()
            self.want_symbol(")", "a comma or ) in the list of IN")
            return tree.In(self.span_from(start), left, items)
        if self.take_word("LIKE"):
            pattern = self._climb(_ADD)
            escape = self._climb(_ADD) if self.take_word("ESCAPE") else None
            return tree.Like(self.span_from(start), left, pattern, escape)
        if self.take_word("BETWEEN"):
            low = self._climb(_ADD)
            self.want_word("AND", "AND and the upper end of BETWEEN")
            high = self._climb(_ADD)
            return tree.Between(self.span_from(start), left, low, high)
        raise self.unexpected("IN, LIKE or BETWEEN after NOT")

    # ---------------------------------------------------------------- atoms

    def _atom(self) -> tree.Node:
        token = self.token
        if token.kind == "number":
            return self._number(self.next())
        if token.kind == "string":
            return tree.Constant(self.next().span, token.text, "string")
        if token.word in _CONSTANTS:
            return tree.Constant(self.next().span, *_CONSTANTS[token.word])
        if token.word == "CASE":
            return self._case()
        if self.is_symbol("("):
            return self._parenthesised()
        if self.is_symbol(":"):
            return self._parameter()
        if token.kind == "name" and self.after.text == "(" and self.after.kind == "symbol":
            return self._function()
        token = self.name(_EXPRESSION)
        return tree.Name(token.span, token.text, token.kind == "quoted")

    def _number(self, token: Token) -> tree.Node:
        # A sign in front of it may bring 2**63 back into range: the binder checks integers.
        if token.text.isdigit():
            if len(token.text) > 40:
                raise self.source.error("the integer exceeds 64 bits", token.span)
            return tree.Constant(token.span, int(token.text), "int")
        value = float(token.text)
        if math.isinf(value):
            raise self.source.error(f"{shown(token.text)} exceeds float64", token.span)
        return tree.Constant(token.span, value, "float")

    def _parameter(self) -> tree.Node:
        colon = self.next()
        token = self.token
        if token.kind != "name" or token.span[0] != colon.span[1]:
            raise self.unexpected("the name of a parameter right after :")
        self.next()
        return tree.Parameter(self.span_from(colon.span[0]), token.text)

    def _parenthesised(self) -> tree.Node:
        start = self.next().span[0]
        items = self.expressions()
        self.want_symbol(")", "an operator, a comma or )")
        span = self.span_from(start)
        return (
            dataclasses.replace(items[0], span=span) if len(items) == 1 else tree.Tuple(span, items)
        )

    def _case(self) -> tree.Node:
        start = self.next().span[0]
        operand = None if self.is_word("WHEN") else self.expression()
        whens = []
        while self.take_word("WHEN"):
            condition = self.expression()
            self.want_word("THEN", "THEN")
            whens.append((condition, self.expression()))
        if not whens:
            raise self.unexpected("WHEN")
        default = self.expression() if self.take_word("ELSE") else None
        self.want_word("END", "WHEN, ELSE or END")
        return tree.Case(self.span_from(start), operand, tuple(whens), default)

    def _function(self) -> tree.Node:
        token = self.next()
        name = token.word
        if name in RESERVED - {"INTERSECT", "UNION"}:
            self._at -= 1
            raise self.unexpected(_EXPRESSION)
        self.next()
        if name == "CAST":
            return self._cast(token)
        distinct = self.take_word("DISTINCT")
        args: tuple[tree.Node, ...] = ()
        if self.is_symbol("*"):
            args = (tree.Star(self.next().span),)
        elif not self.is_symbol(")"):
            args = self.expressions()
        self.want_symbol(")", f"a comma or ) in {name}(…)")
        return tree.Function(self.span_from(token.span[0]), name, args, distinct)

    def _cast(self, token: Token) -> tree.Node:
        value = self.expression()
        self.want_word("AS", "AS and a type in CAST(x AS type)")
        target = self.name("a type in CAST(x AS type)")
        self.want_symbol(")", ") after the type")
        name = tree.Name(target.span, target.text, target.kind == "quoted")
        return tree.Cast(self.span_from(token.span[0]), value, name)


def parse_alone(source: Source) -> tuple[tree.Node, ...]:
    """Tree of a text that holds nothing but expressions, separated by commas."""
    reader = Expressions(source)
    items = reader.expressions()
    if reader.token.kind != "end":
        raise reader.unexpected("an operator or the end")
    for item in items:
        reader.check_depth(item)
    return items
