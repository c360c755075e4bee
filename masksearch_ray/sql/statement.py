"""The grammar of a whole query: its clauses, each at its place."""

from __future__ import annotations

from typing import Literal

from masksearch_ray.sql import tree
from masksearch_ray.sql.grammar import Expressions
from masksearch_ray.sql.source import Source
from masksearch_ray.sql.tokens import RESERVED

__all__ = ["parse_statement"]

_CLAUSES = ("WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET")


def parse_statement(source: Source) -> tree.Statement:
    """Tree of a text that holds one query.

    Raises
    ------
    QueryError
        The text is no query of the language.
    """
    reader = _Statements(source)
    return reader.check_depth(reader.statement())


class _Statements(Expressions):
    def statement(self) -> tree.Statement:
        explain = self._explain()
        self.want_word("SELECT", "SELECT, or EXPLAIN [ANALYZE] SELECT")
        distinct = self.take_word("DISTINCT")
        items = self._items()
        self.want_word("FROM", "a comma or FROM masks after the select list")
        table = self.name("masks after FROM")
        statement = tree.Statement(
            span=(0, len(self.source.text)),
            explain=explain,
            distinct=distinct,
            items=items,
            table=tree.Name(table.span, table.text, table.kind == "quoted"),
            where=self.expression() if self.take_word("WHERE") else None,
            group_by=self.expressions() if self.take_word("GROUP", "BY") else (),
            having=self.expression() if self.take_word("HAVING") else None,
            order_by=self._order() if self.take_word("ORDER", "BY") else (),
            limit=self.expression() if self.take_word("LIMIT") else None,
            offset=self.expression() if self.take_word("OFFSET") else None,
        )
        self._end(statement)
        return statement

    def _explain(self) -> Literal["plan", "analyze"] | None:
        if not self.take_word("EXPLAIN"):
            return None
        return "analyze" if self.take_word("ANALYZE") else "plan"

    def _items(self) -> tuple[tree.Item, ...]:
        items = [self._item()]
        while self.take_symbol(","):
            items.append(self._item())
        return tuple(items)

    def _item(self) -> tree.Item:
        start = self.token.span[0]
        if self.is_symbol("*"):
            star = tree.Star(self.next().span)
            return tree.Item(star.span, star, None)
        expr = self.expression()
        alias = None
        if self.take_word("AS"):
            alias = self.name("a name after AS; reserved words in double quotes").text
        elif self.token.kind == "quoted" or (self.token.word and self.token.word not in RESERVED):
            alias = self.name("an alias").text
        return tree.Item(self.span_from(start), expr, alias)

    def _order(self) -> tuple[tree.Order, ...]:
        keys = [self._order_key()]
        while self.take_symbol(","):
            keys.append(self._order_key())
        return tuple(keys)

    def _order_key(self) -> tree.Order:
        expr = self.expression()
        descending = self.take_word("DESC")
        if not descending:
            self.take_word("ASC")
        first = False
        if self.take_word("NULLS"):
            first = self.take_word("FIRST")
            if not first:
                self.want_word("LAST", "FIRST or LAST after NULLS")
        return tree.Order(expr.span, expr, descending, first)

    def _end(self, statement: tree.Statement) -> None:
        """Nothing may follow but one semicolon; else name the clauses that still may."""
        if self.after.kind == "end":
            self.take_symbol(";")
        if self.token.kind == "end":
            return
        parts = (
            statement.where,
            statement.group_by,
            statement.having,
            statement.order_by,
            statement.limit,
            statement.offset,
        )
        given = [i for i, part in enumerate(parts) if part is not None and part != ()]
        left = _CLAUSES[given[-1] + 1 :] if given else _CLAUSES
        raise self.unexpected(" or ".join(filter(None, (", ".join(left), "the end of the query"))))
