"""Reading tokens one by one, and saying what was wanted where something else stands."""

from __future__ import annotations

from masksearch_ray.errors import QueryError
from masksearch_ray.sql.source import Source, Span, shown
from masksearch_ray.sql.tokens import RESERVED, Token, tokenize

__all__ = ["Cursor"]

_NOT_OURS = {
    **dict.fromkeys(
        ("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "LATERAL", "ON", "USING"),
        "a query reads one collection, there are no joins",
    ),
    **dict.fromkeys(
        ("UNION", "INTERSECT", "EXCEPT", "MINUS"),
        "there are no set operations; union(mask) and intersect(mask) stand inside CP",
    ),
    **dict.fromkeys(("OVER", "WINDOW", "QUALIFY"), "there are no window functions"),
    **dict.fromkeys(("SELECT", "WITH", "EXISTS"), "there are no subqueries"),
    **dict.fromkeys(("FETCH", "TOP"), "the number of rows is limited by LIMIT"),
    "TABLESAMPLE": "there is no sampling",
    "INTO": "a query writes nothing",
    "ILIKE": "LIKE is case-sensitive",
    ";": "one query at a time",
    "/*+": "there are no hints",
    "==": "equality is written =",
    "||": "strings cannot be joined",
    "::": "a cast is written CAST(x AS type)",
    ".": "columns are named without the collection",
    "?": "parameters are written :name",
    "@": "parameters are written :name",
    "[": "there are no lists",
}


class Cursor:
    """Tokens of a text and a place among them.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self._at = 0

    @property
    def token(self) -> Token:
        """The token to be read next."""
        return self.tokens[self._at]

    @property
    def after(self) -> Token:
        """The token after the next."""
        return self.tokens[min(self._at + 1, len(self.tokens) - 1)]

    def next(self) -> Token:
        """Read a token; the end is never passed."""
        token = self.token
        self._at = min(self._at + 1, len(self.tokens) - 1)
        return token

    def is_symbol(self, *texts: str) -> bool:
        """Whether one of these symbols comes next."""
        return self.token.kind == "symbol" and self.token.text in texts

    def is_word(self, *words: str) -> bool:
        """Whether one of these words, not quoted, comes next."""
        return self.token.word in words

    def take_symbol(self, text: str) -> bool:
        """Read a symbol if it comes next."""
        found = self.is_symbol(text)
        if found:
            self.next()
        return found

    def take_word(self, *words: str) -> bool:
        """Read these words if all of them come next, one after another."""
        ahead = self.tokens[self._at : self._at + len(words)]
        if [token.word for token in ahead] != list(words):
            return False
        self._at += len(words)
        return True

    def want_symbol(self, text: str, wanted: str) -> None:
        """Read a symbol, or say what is wanted."""
        if not self.take_symbol(text):
            raise self.unexpected(wanted)

    def want_word(self, word: str, wanted: str) -> None:
        """Read a word, or say what is wanted."""
        if not self.take_word(word):
            raise self.unexpected(wanted)

    def name(self, wanted: str) -> Token:
        """Read a name: quoted, or none of the reserved words."""
        token = self.token
        if token.kind != "quoted" and (token.kind != "name" or token.word in RESERVED):
            raise self.unexpected(wanted)
        if not token.text:
            raise self.source.error("a name is empty", token.span)
        return self.next()

    def span_from(self, start: int) -> Span:
        """Span from an offset to the end of the token read last."""
        return start, self.tokens[max(self._at - 1, 0)].span[1]

    def unexpected(self, wanted: str) -> QueryError:
        """Build the error for the token that comes next."""
        token = self.token
        if token.kind == "end":
            return self.source.error("the query ends too early", token.span, f"wanted: {wanted}")
        message = f"unexpected {shown(self.source.text[slice(*token.span)])}"
        key = token.word or token.text[:3]
        note = _NOT_OURS.get(key) if token.kind in ("name", "symbol") else None
        if note:
            message += f": {note}"
        return self.source.error(message, token.span, f"wanted: {wanted}")
