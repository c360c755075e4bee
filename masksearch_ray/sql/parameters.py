"""Values handed in beside the text: ``:name``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import Literal, Type
from masksearch_ray.sql import tree
from masksearch_ray.sql.source import Source, shown

__all__ = ["INT64", "Parameters"]

INT64 = range(-(2**63), 2**63)
_TYPES: dict[type, Type] = {bool: "bool", int: "int", float: "float", str: "string"}


class Parameters:
    """Parameters of one query; remembers which of them the text names.

    Parameters
    ----------
    source : Source
    values : mapping of str to Any, optional
    """

    def __init__(self, source: Source, values: Mapping[str, Any] | None) -> None:
        self._source = source
        self._values = dict(values or {})
        self._used: set[str] = set()
        for name in self._values:
            if not isinstance(name, str):
                raise QueryError(f"the name of a parameter is a string, not {name!r}")

    def value(self, node: tree.Parameter) -> Any:
        """Value handed in for a parameter, NumPy scalars as Python's."""
        if node.name not in self._values:
            known = ", ".join(f":{name}" for name in sorted(self._values)[:8])
            hint = f"given: {known}" if known else 'values are handed in by name: {"lv": 0.6}'
            raise self._source.error(f"no value is given for :{node.name}", node.span, hint)
        self._used.add(node.name)
        value = self._values[node.name]
        return value.item() if isinstance(value, np.generic) else value

    def literal(self, node: tree.Parameter) -> Literal:
        """Constant that a parameter stands for.

        Raises
        ------
        QueryError
            It is no int within 64 bits, finite float, bool, str or None.
        """
        value = self.value(node)
        if value is None:
            return Literal(None, "null")
        kind = _TYPES.get(type(value))
        if kind is None:
            message = f":{node.name} is a {type(value).__name__}"
            hint = "wanted: an int, a float, a bool, a string or None"
            raise self._source.error(message, node.span, hint)
        if kind == "int" and value not in INT64:
            raise self._source.error(f":{node.name} exceeds 64 bits", node.span)
        if kind == "float" and not math.isfinite(value):
            hint = "infinities stand only as ends of a value range, NaN nowhere"
            raise self._source.error(f":{node.name} is {value}", node.span, hint)
        return Literal(value or 0.0, kind) if kind == "float" else Literal(value, kind)

    def check_all_used(self) -> None:
        """Refuse values that the text never names."""
        unused = sorted(set(self._values) - self._used)
        if unused:
            names = ", ".join(f":{shown(name)[1:-1]}" for name in unused[:8])
            raise QueryError(f"values are given for {names}, which the query does not name")
