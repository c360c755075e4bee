"""The text of a query, and errors that point into it."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from masksearch_ray.errors import QueryError

__all__ = ["Source", "Span", "shown"]

Span = tuple[int, int]
"""Offsets ``(start, stop)`` into the text, half-open."""

_SHOWN = 40
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def shown(name: str) -> str:
    """Quote a name or value for an error: printable and short, however hostile."""
    short = name if len(name) <= _SHOWN else name[: _SHOWN - 1] + "…"
    return "'" + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short) + "'"


def _harmless(character: str) -> str:
    if character.isprintable() or character in _LINE_ENDS:
        return character
    return " " if character.isspace() else "\ufffd"


@dataclass(frozen=True)
class Source:
    """A text with the positions of its lines.

    Parameters
    ----------
    text : str
    """

    text: str

    @cached_property
    def _starts(self) -> list[int]:
        # splitlines as in QueryError, so that line numbers and the line shown agree.
        lengths = (len(line) for line in self.text.splitlines(keepends=True))
        return [0, *itertools.accumulate(lengths)]

    @cached_property
    def _printable(self) -> str:
        # An error ends on a terminal, where control characters could do anything.
        if self.text.isprintable():
            return self.text
        return "".join(map(_harmless, self.text))

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both counted from 1."""
        starts = self._starts
        line = bisect_right(starts, offset) - 1
        # An offset at the very end belongs to the last line, not to an empty one after it.
        if line == len(starts) - 1 and line > 0:
            line -= 1
        return line + 1, offset - starts[line] + 1

    def error(self, message: str, where: Span | int, hint: str | None = None) -> QueryError:
        """Build an error that points at a place in the text."""
        line, column = self.position(where if isinstance(where, int) else where[0])
        return QueryError(message, line=line, column=column, sql=self._printable, hint=hint)
