"""A query's tree -> `Query`: clauses, groups, order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from masksearch_ray.model.query import (
    Call,
    Catalog,
    Column,
    Expr,
    Key,
    Output,
    Query,
    SortKey,
)
from masksearch_ray.sql import tree
from masksearch_ray.sql.constants import Constants
from masksearch_ray.sql.functions import AGGREGATES
from masksearch_ray.sql.masks import MaskTerms, is_mask_aggregate
from masksearch_ray.sql.measure import Measure
from masksearch_ray.sql.outputs import expand_stars, output_names
from masksearch_ray.sql.parameters import Parameters
from masksearch_ray.sql.regions import Regions
from masksearch_ray.sql.scalars import Aliases, Place, Scalars
from masksearch_ray.sql.source import Source, shown

__all__ = ["bind"]

_TABLES = ("masks", "MasksDatabaseView")


def bind(
    source: Source,
    statement: tree.Statement,
    catalog: Catalog,
    params: Mapping[str, Any] | None,
    roi: Any,
) -> Query:
    """Bound and typed query of a statement.

    Raises
    ------
    QueryError
        The statement cannot be answered.
    """
    return _Binder(source, statement, catalog, params, roi).query()


class _Binder:
    def __init__(
        self,
        source: Source,
        statement: tree.Statement,
        catalog: Catalog,
        params: Mapping[str, Any] | None,
        roi: Any,
    ) -> None:
        self.source = source
        self.statement = statement
        self.catalog = catalog
        self.parameters = Parameters(source, params)
        self.constants = Constants(source, self.parameters)
        terms = MaskTerms(self.constants, Regions(self.constants, catalog, roi), catalog.domain)
        self.items = expand_stars(statement.items, catalog)
        self.scalars = Scalars(catalog, self.constants, terms, self._aliases())
        self.measure = Measure(source)
        self.keys: dict[Expr, int] = {}

    def query(self) -> Query:
        """Bind clause by clause."""
        statement = self.statement
        self._check_table(statement.table)
        grouped = _is_grouped(statement)
        where = self._condition(statement.where, Place("WHERE", aliases="last"))
        if grouped:
            self._bind_keys()
        exprs = [self._output(item, grouped) for item in self.items]
        having = self._grouped_condition(statement.having)
        order = tuple(self._sort_key(key, exprs, grouped) for key in statement.order_by)
        if statement.distinct:
            self._check_distinct(exprs, order)
        limit, offset = self._rows("LIMIT"), self._rows("OFFSET")
        self.parameters.check_all_used()
        names = output_names(self.source, self.items, exprs, tuple(self.keys))
        return Query(
            text=self.source.text,
            outputs=tuple(map(Output, names, exprs)),
            where=where,
            group_by=tuple(self.keys) if grouped else None,
            having=having,
            order_by=order,
            limit=limit,
            offset=offset or 0,
            distinct=statement.distinct,
            explain=statement.explain,
            domain=self.catalog.domain,
        )

    # ---------------------------------------------------------------- names

    def _check_table(self, table: tree.Name) -> None:
        names = (*_TABLES, self.catalog.name)
        if table.name.casefold() not in [name.casefold() for name in names]:
            message = f"unknown collection {shown(table.name)}"
            raise self.source.error(message, table.span, f"after FROM: {' or '.join(names)}")

    def _aliases(self) -> Aliases:
        aliases: Aliases = {}
        for item in self.items:
            if item.alias is not None:
                aliases.setdefault(item.alias, []).append(item.expr)
        return aliases

    # ---------------------------------------------------------------- clauses

    def _condition(self, node: tree.Node | None, place: Place) -> Expr | None:
        if node is None:
            return None
        return self.measure.checked(self.scalars.condition(node, place), node)

    def _grouped_condition(self, node: tree.Node | None) -> Expr | None:
        place = Place("HAVING", aggregates=True, grouped=True, aliases="last")
        expr = self._condition(node, place)
        return None if expr is None else self._over_keys(expr)

    def _output(self, item: tree.Item, grouped: bool) -> Expr:
        place = Place("the select list", aggregates=True, grouped=grouped)
        return self._value(item.expr, place)

    def _value(self, node: tree.Node, place: Place) -> Expr:
        expr = self.measure.checked(self.scalars.bind(node, place), node)
        return self._over_keys(expr) if place.grouped else expr

    def _bind_keys(self) -> None:
        place = Place("GROUP BY", pixels=False, aliases="last")
        for node in self.statement.group_by:
            item = self._ordinal(node)
            target = node if item is None else self.items[item].expr
            key = self.measure.checked(self.scalars.bind(target, place), node)
            self.scalars.types.unify([node], [key])
            self.keys.setdefault(key, len(self.keys))

    def _sort_key(self, key: tree.Order, exprs: list[Expr], grouped: bool) -> SortKey:
        item = self._ordinal(key.expr)
        if item is None:
            place = Place("ORDER BY", aggregates=True, grouped=grouped, aliases="first")
            expr = self._value(key.expr, place)
        else:
            expr = exprs[item]
        self.scalars.types.unify([key.expr], [expr])
        return SortKey(expr, key.descending, key.nulls_first)

    def _ordinal(self, node: tree.Node) -> int | None:
        """Place in the select list that a bare integer means, from 0."""
        start, stop = node.span
        if not isinstance(node, tree.Constant) or node.type != "int":
            return None
        if self.source.text[start] == "(":
            return None
        assert isinstance(node.value, int)
        if not 1 <= node.value <= len(self.items):
            message = f"there is no column {self.source.text[start:stop]} in the select list"
            hint = f"columns are counted 1 to {len(self.items)}"
            raise self.source.error(message, node.span, hint)
        return node.value - 1

    def _check_distinct(self, exprs: list[Expr], order: tuple[SortKey, ...]) -> None:
        for item, expr in zip(self.items, exprs, strict=True):
            self.scalars.types.unify([item], [expr])
        for key, node in zip(order, self.statement.order_by, strict=True):
            if key.expr not in exprs:
                hint = "SELECT DISTINCT is ordered by columns that it selects"
                raise self.source.error("this is not in the select list", node.span, hint)

    def _rows(self, clause: str) -> int | None:
        node = self.statement.limit if clause == "LIMIT" else self.statement.offset
        if node is None:
            return None
        count = self.constants.integer(node, clause)
        if count < 0:
            raise self.source.error(f"{clause} is {count}", node.span, "wanted: 0 or more")
        return count

    # ---------------------------------------------------------------- groups

    def _over_keys(self, expr: Expr) -> Expr:
        """Put keys and aggregates in the place of columns of rows."""
        if expr in self.keys:
            return Key(self.keys[expr], expr.type)
        if isinstance(expr, Column):
            node = self.scalars.origin[id(expr)][1]
            message = f"{shown(expr.name)} differs from row to row of a group"
            hint = "name it in GROUP BY, or take an aggregate of it"
            raise self.source.error(message, node.span, hint)
        if isinstance(expr, Call):
            return Call(expr.op, tuple([self._over_keys(arg) for arg in expr.args]), expr.type)
        return expr


def _is_grouped(statement: tree.Statement) -> bool:
    if statement.group_by or statement.having is not None:
        return True
    parts = (*statement.items, *statement.order_by)
    return any(_is_aggregate(node) for part in parts for node, _ in tree.walk(part))


def _is_aggregate(node: tree.Node) -> bool:
    if not isinstance(node, tree.Function):
        return False
    return node.name in AGGREGATES or (node.name == "CP" and is_mask_aggregate(node))
