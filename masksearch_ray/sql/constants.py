"""Numbers that must be known when the query is read: ends of ranges, corners, thresholds."""

from __future__ import annotations

import math

from masksearch_ray.sql import tree
from masksearch_ray.sql.parameters import INT64, Parameters
from masksearch_ray.sql.source import Source

__all__ = ["Constants"]


class Constants:
    """Reads constants and parameters.

    Parameters
    ----------
    source : Source
    parameters : Parameters
    """

    def __init__(self, source: Source, parameters: Parameters) -> None:
        self.source = source
        self.parameters = parameters

    def integer(self, node: tree.Node, what: str) -> int:
        """Read the integer within 64 bits that a node stands for."""
        value = self._value(node)
        if type(value) is not int:
            hint = "wanted: an integer or a parameter"
            raise self.source.error(f"{what} is no constant integer", node.span, hint)
        if value not in INT64:
            raise self.source.error(f"{what} exceeds 64 bits", node.span)
        return value

    def number(self, node: tree.Node, what: str, *, infinite: bool = False) -> float:
        """Read the number that a node stands for, as float64; NaN never.

        Raises
        ------
        QueryError
            It is none, not finite (unless `infinite`), or an integer that float64 cannot hold.
        """
        value = self._value(node, infinite=infinite)
        if not isinstance(value, int | float) or isinstance(value, bool):
            hint = "wanted: a number or a parameter"
            raise self.source.error(f"{what} is no constant number", node.span, hint)
        if isinstance(value, int) and (value not in INT64 or int(float(value)) != value):
            raise self.source.error(f"{what} is an integer that float64 cannot hold", node.span)
        number = float(value)
        if math.isnan(number) or (math.isinf(number) and not infinite):
            hint = "wanted: a number other than NaN" if infinite else "wanted: a finite number"
            raise self.source.error(f"{what} is {number}", node.span, hint)
        # A zero has no sign.
        return number or 0.0

    def string(self, node: tree.Node, what: str) -> str | None:
        """Read the string that a node stands for; None for NULL."""
        value = self._value(node)
        if value is not None and not isinstance(value, str):
            hint = "wanted: a string or a parameter"
            raise self.source.error(f"{what} is no constant string", node.span, hint)
        return value

    def _value(self, node: tree.Node, *, infinite: bool = False) -> object:
        sign = 1
        while isinstance(node, tree.Unary) and node.op in ("-", "+"):
            sign = -sign if node.op == "-" else sign
            node = node.operand
        value: object = ...
        if isinstance(node, tree.Constant):
            value = node.value
        elif isinstance(node, tree.Parameter):
            value = self.parameters.value(node)
        elif infinite and isinstance(node, tree.Name) and node.word in ("inf", "infinity"):
            value = math.inf
        if sign > 0:
            return value
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        return -value if numeric else ...  # type: ignore[operator]
