"""Text -> tokens, by sqlglot's tokenizer with a vocabulary of our own.

In sqlglot's own dialects ``intersect(`` and ``union(`` begin set operations; here every word is a
plain name until the grammar says otherwise. Limits on size are checked before anything is parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token as RawToken
from sqlglot.tokenizer_core import TokenType
from sqlglot.tokens import Tokenizer

from masksearch_ray.errors import QueryError
from masksearch_ray.sql.source import Source, Span, shown

__all__ = ["MAX_TEXT", "RESERVED", "Token", "tokenize"]

MAX_TEXT = 100_000
"""Longest text taken, in characters."""

_RESERVED = """
ALL AND AS ASC BETWEEN BY CASE DESC DISTINCT ELSE END ESCAPE EXCEPT EXISTS FALSE FETCH FROM GROUP
HAVING ILIKE IN INTERSECT INTO IS JOIN LATERAL LIKE LIMIT NOT NULL NULLS OFFSET ON OR ORDER OVER
QUALIFY SELECT TABLESAMPLE THEN TRUE UNION USING WHEN WHERE WINDOW WITH
"""
RESERVED = frozenset(_RESERVED.split())
"""Words that name a column or an alias only in double quotes."""

Kind = Literal["name", "quoted", "number", "string", "symbol", "end"]

_KINDS: dict[TokenType, Kind] = {
    TokenType.VAR: "name",
    TokenType.IDENTIFIER: "quoted",
    TokenType.NUMBER: "number",
    TokenType.STRING: "string",
}
_NUMBER = re.compile(r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SKIPPED = re.compile(r"(\s|--[^\n\r]*|/\*.*?\*/)*", re.DOTALL)


class _Vocabulary(Tokenizer):
    """Operators of two characters; the refused ones are there to be named in errors."""

    KEYWORDS: ClassVar[dict[str, TokenType]] = {
        **dict.fromkeys(("<=", ">=", "<>", "!="), TokenType.OPERATOR),
        "/*+": TokenType.HINT,
        **dict.fromkeys(("==", "||", "::", "->", "=>", ":=", "&&", "??"), TokenType.UNKNOWN),
    }
    COMMANDS: ClassVar[set[TokenType]] = set()
    NESTED_COMMENTS = False
    # Elsewhere a hint is a comment.
    TOKENS_PRECEDING_HINT: ClassVar[set[TokenType]] = {TokenType.VAR}


# sqlglot also skips Jinja comments, which would make a part of the text vanish.
_Vocabulary._COMMENTS = {"--": None, "/*": "*/", "/*+": "*/"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text.

    Parameters
    ----------
    kind : {"name", "quoted", "number", "string", "symbol", "end"}
    text : str
        Without quotes, escapes resolved.
    span : tuple of int
    """

    kind: Kind
    text: str
    span: Span

    @property
    def word(self) -> str:
        """The name in capitals; empty for anything but an unquoted name."""
        return self.text.upper() if self.kind == "name" else ""


def tokenize(source: Source) -> list[Token]:
    """Cut a text into tokens, the last of kind ``end``.

    Raises
    ------
    QueryError
        The text is too long, or something in it is no token of the language.
    """
    _check_text(source)
    tokens = [_token(source, raw) for raw in _raw_tokens(source)]
    tokens = _join_fractions(source, tokens)
    stop = tokens[-1].span[1] if tokens else len(source.text.rstrip())
    tokens.append(Token("end", "", (stop, stop)))
    return tokens


def _check_text(source: Source) -> None:
    text = source.text
    if len(text) > MAX_TEXT:
        # Without the text: an error should not carry a megabyte along.
        raise QueryError(
            f"the query is {len(text):,} characters long",
            line=1,
            column=1,
            hint=f"at most {MAX_TEXT:,} are taken; hand values in as parameters",
        )
    bad = re.search("[\0\ud800-\udfff]", text)
    if bad:
        code = ord(bad.group())
        raise source.error(f"character U+{code:04X} cannot stand in a query", bad.start())


def _raw_tokens(source: Source) -> list[RawToken]:
    tokenizer = _Vocabulary()
    try:
        raw = tokenizer.tokenize(source.text)
    except TokenError:
        so_far = tokenizer.tokens
        at = _after(source, so_far[-1].end + 1 if so_far else 0)
        opened = {"'": "a string", '"': "a quoted name"}.get(source.text[at : at + 1], "a comment")
        raise source.error(f"{opened} is not closed", at) from None
    return raw


def _after(source: Source, offset: int) -> int:
    match = _SKIPPED.match(source.text, offset)
    return match.end() if match else offset


def _token(source: Source, raw: RawToken) -> Token:
    span = (raw.start, raw.end + 1)
    kind = _KINDS.get(raw.token_type, "symbol")
    if kind == "name" and not raw.text.isidentifier():
        hint = 'names of other characters are quoted: "my column"'
        raise source.error(f"cannot read {shown(raw.text)}", span, hint)
    return Token(kind, source.text[slice(*span)] if kind == "symbol" else raw.text, span)


def _join_fractions(source: Source, tokens: list[Token]) -> list[Token]:
    """Make one number of ``.`` and the digits that touch it; refuse what else touches a number."""
    joined: list[Token] = []
    for token in tokens:
        dot = joined[-1] if joined else token
        if token.kind == "number" and dot.text == "." and dot.span[1] == token.span[0]:
            joined[-1] = Token("number", "." + token.text, (dot.span[0], token.span[1]))
        else:
            joined.append(token)
    for token, after in zip(joined, joined[1:] + joined[-1:], strict=True):
        touching = token.span[1] == after.span[0] and after.kind in ("name", "number")
        text = token.text + after.text if touching else token.text
        if "number" in (token.kind, after.kind) and touching and token.kind in ("name", "number"):
            raise source.error(f"{shown(text)} is not a number", token.span)
        if token.kind == "number" and not _NUMBER.fullmatch(token.text):
            raise source.error(f"{shown(token.text)} is not a number", token.span)
    return joined
