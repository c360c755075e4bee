"""Bound expressions and queries as SQL, the same text for the same meaning.

What is rendered parses back to an equal query; EXPLAIN shows it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from masksearch_ray.model.query import (
    Aggregate,
    Area,
    Call,
    Column,
    CountPixels,
    Expr,
    Key,
    Literal,
    MaskSource,
    Output,
    Query,
    SortKey,
    Type,
)
from masksearch_ray.model.roi import BoxColumn, BoxListColumn, Outside, Polygon, Roi, roi_key
from masksearch_ray.model.values import Domain, ValueRange
from masksearch_ray.sql.masks import BINARY_DOMAIN
from masksearch_ray.sql.tokens import RESERVED

__all__ = ["render_expr", "render_query"]

_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _SIGN, _ATOM = range(8)
_LEVELS = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), _COMPARE),
    **dict.fromkeys("+-", _ADD),
    **dict.fromkeys("*/%", _MULTIPLY),
}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = RESERVED | {"MASK", "ROI", "FULL_IMAGE"}
_CASTS: dict[Type, str] = {
    "int": "BIGINT",
    "float": "DOUBLE",
    "string": "VARCHAR",
    "bool": "BOOLEAN",
}


def render_query(query: Query) -> str:
    """Write a bound query as SQL, one clause a line.

    Parameters
    ----------
    query : Query

    Returns
    -------
    str
    """
    writer = _Writer(query.domain, query.group_by or ())
    ordering = _Writer(query.domain, query.group_by or (), query.outputs)
    explain = {None: "", "plan": "EXPLAIN ", "analyze": "EXPLAIN ANALYZE "}[query.explain]
    outputs = [_output(writer, output) for output in query.outputs]
    lines = [f"{explain}SELECT {'DISTINCT ' * query.distinct}{', '.join(outputs)}", "FROM masks"]
    if query.where is not None:
        lines.append(f"WHERE {writer.expr(query.where)}")
    if query.group_by:
        lines.append(
            f"GROUP BY {', '.join(_operand_of_list(writer, key) for key in query.group_by)}"
        )
    if query.having is not None:
        lines.append(f"HAVING {writer.expr(query.having)}")
    if query.order_by:
        lines.append(f"ORDER BY {', '.join(_sort_key(ordering, key) for key in query.order_by)}")
    if query.limit is not None:
        lines.append(f"LIMIT {query.limit}")
    if query.offset:
        lines.append(f"OFFSET {query.offset}")
    return "\n".join(lines)


def render_expr(expr: Expr, domain: Domain | None = None, keys: Sequence[Expr] = ()) -> str:
    """Write a bound expression as SQL.

    Parameters
    ----------
    expr : Expr
    domain : Domain, optional
        Of the collection; ranges that reach its upper end are then written without ends.
    keys : sequence of Expr
        What `Key` stands for.

    Returns
    -------
    str
    """
    return _Writer(domain or Domain(), keys).expr(expr)


def _output(writer: _Writer, output: Output) -> str:
    text, name = writer.expr(output.expr), _name(output.name)
    return text if text == name else f"{text} AS {name}"


def _operand_of_list(writer: _Writer, expr: Expr) -> str:
    """Text of a key; a bare integer would mean a column of the select list."""
    text = writer.expr(expr)
    return f"({text})" if re.fullmatch("-?[0-9]+", text) else text


def _sort_key(writer: _Writer, key: SortKey) -> str:
    text = _operand_of_list(writer, key.expr) + " DESC" * key.descending
    return text + " NULLS FIRST" * key.nulls_first


class _Writer:
    """Writes expressions; in ORDER BY those that are selected by their names in the answer.

    There a name means a selected expression before it means a column.
    """

    def __init__(
        self, domain: Domain, keys: Sequence[Expr], outputs: Sequence[Output] = ()
    ) -> None:
        self._domain = domain
        self._keys = keys
        self._names = {output.expr: output.name for output in reversed(outputs)}

    def expr(self, expr: Expr, place: int = _OR) -> str:
        """Text of an expression where forms bind at least as tightly as `place`."""
        level, text = self._written(expr)
        return f"({text})" if level < place else text

    def _written(self, expr: Expr) -> tuple[int, str]:
        if expr in self._names:
            return _ATOM, _name(self._names[expr])
        match expr:
            case Literal(value):
                text = _literal(value)
                return (_SIGN if text.startswith("-") else _ATOM), text
            case Column(name):
                return _ATOM, _name(name)
            case Key(index):
                return self._written(self._keys[index])
            case CountPixels(source, roi, values):
                domain = self._domain if source.threshold is None else BINARY_DOMAIN
                return _ATOM, f"CP({_mask(source)}, {_roi(roi)}, {_range(values, domain)})"
            case Area(roi):
                return _ATOM, f"area({_roi(roi)})"
            case Aggregate(function, argument, distinct):
                inner = "*" if argument is None else self.expr(argument)
                return _ATOM, f"{function.upper()}({'DISTINCT ' * distinct}{inner})"
            case Call(op, args):
                return self._call(op, args, expr.type)

    def _call(self, op: str, args: tuple[Expr, ...], kind: Type) -> tuple[int, str]:
        if op in ("and", "or"):
            level = _LEVELS[op]
            parts = [self.expr(part, level + 1) for part in _chain(op, args)]
            return level, f" {op.upper()} ".join(parts)
        if op in _LEVELS:
            level = _LEVELS[op]
            left, right = self.expr(args[0], level), self.expr(args[1], level + 1)
            return level, f"{left} {op} {right}"
        if op == "neg":
            return _SIGN, f"-{self.expr(args[0], _ATOM)}"
        if op == "not":
            return self._negated(args[0])
        if op in ("is_null", "in", "like"):
            return _COMPARE, self._predicate(op, args, "")
        return _ATOM, self._function(op, args, kind)

    def _negated(self, expr: Expr) -> tuple[int, str]:
        if isinstance(expr, Call) and expr.op in ("is_null", "in", "like"):
            return _COMPARE, self._predicate(expr.op, expr.args, "NOT ")
        return _NOT, f"NOT {self.expr(expr, _NOT)}"

    def _predicate(self, op: str, args: tuple[Expr, ...], negated: str) -> str:
        value = self.expr(args[0], _COMPARE)
        if op == "is_null":
            return f"{value} IS {negated}NULL"
        rest = [self.expr(arg) for arg in args[1:]]
        if op == "in":
            return f"{value} {negated}IN ({', '.join(rest)})"
        return f"{value} {negated}LIKE {' ESCAPE '.join(rest)}"

    def _function(self, op: str, args: tuple[Expr, ...], kind: Type) -> str:
        texts = [self.expr(arg) for arg in args]
        if op == "cast":
            return f"CAST({texts[0]} AS {_CASTS[kind]})"
        if op == "case":
            pairs = zip(texts[:-1:2], texts[1:-1:2], strict=True)
            whens = "".join(f" WHEN {when} THEN {value}" for when, value in pairs)
            return f"CASE{whens} ELSE {texts[-1]} END"
        return f"{op.upper()}({', '.join(texts)})"


def _chain(op: str, args: tuple[Expr, ...]) -> list[Expr]:
    flat: list[Expr] = []
    stack = list(reversed(args))
    while stack:
        expr = stack.pop()
        if isinstance(expr, Call) and expr.op == op:
            stack.extend(reversed(expr.args))
        else:
            flat.append(expr)
    return flat


def _name(name: str) -> str:
    if _PLAIN.fullmatch(name) and name.upper() not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def _literal(value: int | float | bool | str | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def _roi(roi: Roi) -> str:
    match roi:
        case BoxColumn(name) | BoxListColumn(name):
            return _name(name)
        case Outside(inner):
            return f"outside({_roi(inner)})"
        case Polygon(points):
            return f"polygon({', '.join(f'{_number(x)}, {_number(y)}' for x, y in points)})"
    return roi_key(roi)


def _number(value: float) -> str:
    """Shortest text of a float64: ``0``, ``0.5``, ``inf``."""
    text = repr(value)
    return text.removesuffix(".0")


def _mask(source: MaskSource) -> str:
    inner = "mask"
    if source.threshold is not None:
        start, stop = source.threshold.start, source.threshold.stop
        below = stop == math.inf
        value = start if below else stop
        closed, opened = (">=", ">") if below else ("<", "<=")
        other = math.nextafter(value, -math.inf)
        op, value = min((closed, value), (opened, other), key=lambda form: len(repr(form[1])))
        inner = f"mask {op} {_number(value)}"
    return inner if source.aggregate is None else f"{source.aggregate}({inner})"


def _range(values: ValueRange, domain: Domain) -> str:
    """``(lv, uv)``, with ends where they are not the usual ones."""
    if values.start >= values.stop:
        only, ends = _number(values.stop), "[)" if values.start == values.stop else "()"
        return f"({only}, {only}), '{ends}'"
    lv, first = _end(values.start, "[", "(")
    uv, last = _end(values.stop, ")", "]")
    if values.stop == math.nextafter(domain.hi, math.inf):
        uv, last = domain.hi, "]"
    if values.stop == math.inf:
        # Nothing lies above infinity, so that it may as well be included.
        uv, last = math.inf, "]"
    usual = "[" + ("]" if uv >= domain.hi else ")")
    ends = "" if first + last == usual else f", '{first}{last}'"
    return f"({_number(lv)}, {_number(uv)}){ends}"


def _end(value: float, plain: str, stepped: str) -> tuple[float, str]:
    """Choose an end and its bracket: the value or the one before it, whichever is shorter."""
    before = math.nextafter(value, -math.inf)
    return (before, stepped) if len(repr(before)) < len(repr(value)) else (value, plain)
