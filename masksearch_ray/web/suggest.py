"""What may be typed at a place of a query, and which part of it an error is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import Catalog, Column
from masksearch_ray.sql import render_expr

__all__ = ["Completion", "Mark", "Suggestions", "complete", "completions", "mark_of"]

Kind = Literal["column", "region", "function", "mask", "keyword", "collection"]
_Place = Literal["any", "region", "mask", "from", "start", "none"]

_KINDS = {
    "int": "whole number",
    "float": "number",
    "string": "text",
    "bool": "true or false",
    "box": "a box in each row",
    "boxes": "boxes in each row",
    "other": "may only be selected",
}
_REGIONS = (
    ("full_image", "full_image", "all pixels of the mask"),
    ("box", "box(x0, y0, x1, y1)", "pixels from x0 up to x1, and from y0 up to y1"),
    ("polygon", "polygon(x1, y1, x2, y2, x3, y3)", "pixels whose centre lies inside"),
    ("outside", "outside(region)", "all pixels but those of a region"),
    ("roi", "roi", "the region handed in beside the query"),
)
_MASKS = (
    ("mask", "mask", "the mask of the row"),
    ("intersect", "intersect(mask)", "least value at each pixel, over the masks of a group"),
    ("union", "union(mask)", "greatest value at each pixel, over the masks of a group"),
    ("avg", "avg(mask)", "mean value at each pixel, over the masks of a group"),
)
_FUNCTIONS = (
    ("CP", "CP(mask, full_image, (0.5, 1.0))", "pixels in a region whose value is in a range"),
    ("area", "area(full_image)", "pixels of a region"),
    ("COUNT", "COUNT(*)", "rows of a group"),
    ("SUM", "SUM(value)", "exact sum over a group"),
    ("AVG", "AVG(value)", "exact mean over a group"),
    ("MIN", "MIN(value)", "least of a group"),
    ("MAX", "MAX(value)", "greatest of a group"),
    ("ABS", "ABS(number)", "without its sign"),
    ("MOD", "MOD(number, number)", "remainder"),
    ("ROUND", "ROUND(number, digits)", "rounded to so many digits"),
    ("COALESCE", "COALESCE(value, value)", "the first that is not NULL"),
    ("NULLIF", "NULLIF(value, value)", "NULL where both are equal"),
    ("LEAST", "LEAST(value, value)", "the least of several"),
    ("GREATEST", "GREATEST(value, value)", "the greatest of several"),
    ("CAST", "CAST(value AS DOUBLE)", "as BIGINT, DOUBLE, VARCHAR or BOOLEAN"),
)
_KEYWORDS = (
    ("SELECT", "columns and scores of the answer"),
    ("FROM", "the collection: masks"),
    ("WHERE", "which rows"),
    ("GROUP BY", "one row of the answer for each value"),
    ("HAVING", "which groups"),
    ("ORDER BY", "by what the answer is ordered"),
    ("LIMIT", "so many rows at most"),
    ("OFFSET", "without the first so many rows"),
    ("DISTINCT", "equal rows once"),
    ("EXPLAIN", "how the query would be answered"),
    ("EXPLAIN ANALYZE", "how the query was answered"),
    ("AND", "both conditions"),
    ("OR", "one condition or both"),
    ("NOT", "the condition does not hold"),
    ("IN", "one of several values: IN (1, 2)"),
    ("BETWEEN", "from one value to another: BETWEEN 1 AND 2"),
    ("LIKE", "a pattern: % any letters, _ one letter"),
    ("IS NULL", "there is no value"),
    ("IS NOT NULL", "there is a value"),
    ("AS", "name a column of the answer"),
    ("ASC", "lowest first"),
    ("DESC", "highest first"),
    ("NULLS FIRST", "rows without a value first"),
    ("NULLS LAST", "rows without a value last"),
    ("CASE WHEN", "CASE WHEN condition THEN value ELSE value END"),
    ("TRUE", "true"),
    ("FALSE", "false"),
    ("NULL", "no value"),
)
# Everything that is one piece of the text; what is not closed goes on to the end.
_PIECE = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))|(?P<string>'(?:[^']|'')*(?:'|\Z))
    |(?P<quoted>"(?:[^"]|"")*(?:"|\Z))|(?P<word>[^\W\d]\w*)|(?P<number>\d[\w.]*)|(?P<symbol>\S)""",
    re.VERBOSE | re.DOTALL,
)
_PLACES: dict[tuple[str, int], _Place] = {
    ("CP", 0): "mask",
    ("CP", 1): "region",
    ("CP", 2): "none",
    ("CP", 3): "none",
    ("AREA", 0): "region",
    ("OUTSIDE", 0): "region",
    ("INTERSECT", 0): "mask",
    ("UNION", 0): "mask",
    **{(name, place): "none" for name in ("BOX", "POLYGON") for place in range(64)},
}
_KINDS_AT: dict[_Place, tuple[Kind, ...]] = {
    "any": ("column", "function", "keyword"),
    "region": ("region",),
    "mask": ("mask",),
    "from": ("collection",),
    "start": ("keyword",),
    "none": (),
}
_FIRST_WORDS = ("SELECT", "EXPLAIN", "EXPLAIN ANALYZE")
_EXPECTING = ("SELECT", "WHERE", "BY", "HAVING", "AND", "OR", "NOT", "DISTINCT", "WHEN", "THEN")
_MOST = 60


@dataclass(frozen=True)
class Completion:
    """Something that may be typed.

    Parameters
    ----------
    label : str
        As the list shows it, and as it is looked for.
    kind : {"column", "region", "function", "mask", "keyword", "collection"}
    apply : str
        What is put into the text.
    told : str
        What it is, in a line.
    """

    label: str
    kind: Kind
    apply: str
    told: str


@dataclass(frozen=True)
class Suggestions:
    """What fits at a place.

    Parameters
    ----------
    start, stop : int
        Part of the text that a choice replaces, half-open.
    items : tuple of Completion
        The best first; empty where nothing is known to fit.
    """

    start: int
    stop: int
    items: tuple[Completion, ...] = ()


@dataclass(frozen=True)
class Mark:
    """The place of an error in the text.

    Parameters
    ----------
    start, stop : int
        The word that is wrong, half-open; empty only in an empty text.
    line, column : int or None
        Counted from 1; None where the error is about the query as a whole.
    message, hint : str
        What is wrong, and what would be accepted.
    """

    start: int
    stop: int
    line: int | None
    column: int | None
    message: str
    hint: str


def completions(catalog: Catalog) -> tuple[Completion, ...]:
    """Everything that a query of a collection may name, columns first."""
    found: list[Completion] = []
    for field in catalog.fields.values():
        apply = render_expr(Column(field.name, "other"))
        is_region = field.kind in ("box", "boxes")
        found.append(Completion(field.name, "column", apply, _KINDS[field.kind]))
        if is_region:
            found.append(Completion(field.name, "region", apply, _KINDS[field.kind]))
    found += [Completion(label, "region", apply, told) for label, apply, told in _REGIONS]
    found += [Completion(label, "mask", apply, told) for label, apply, told in _MASKS]
    found += [Completion(label, "function", apply, told) for label, apply, told in _FUNCTIONS]
    found += [Completion(label, "keyword", label, told) for label, told in _KEYWORDS]
    found.append(Completion("masks", "collection", "masks", "the masks of this collection"))
    return tuple(found)


def complete(
    text: str, cursor: int, offered: Iterable[Completion], *, asked: bool = False
) -> Suggestions:
    """What fits where the cursor stands.

    Parameters
    ----------
    text : str
    cursor : int
        Offset into `text`.
    offered : iterable of Completion
        Of `completions`.
    asked : bool
        Whether the list was asked for; else it comes only where something is begun, or where
        little fits.

    Returns
    -------
    Suggestions
    """
    cursor = max(0, min(cursor, len(text)))
    begun = re.search(r"(?:(?<![\w.:])[^\W\d]\w*|\"[^\"\n]*)\Z", text[:cursor])
    start = begun.start() if begun else cursor
    written = text[start:cursor]
    place, before = _place(text[:start])
    typed = written.lstrip('"')
    if place == "none" or not (typed or asked or _is_clear(place, before)):
        return Suggestions(start, cursor)
    stop = cursor
    if written.startswith('"') and text[cursor : cursor + 1] == '"':
        stop = cursor + 1
    kinds = ("column",) if written.startswith('"') and place == "any" else _KINDS_AT[place]
    items = [c for c in offered if c.kind in kinds]
    if place == "start":
        items = [c for c in items if c.label in _FIRST_WORDS]
    return Suggestions(start, stop, tuple(_fitting(items, typed))[:_MOST])


def mark_of(error: QueryError, text: str) -> Mark:
    """Place in a text that an error is about.

    Parameters
    ----------
    error : QueryError
    text : str
        The query, as it was given.
    """
    message, hint = error.message, error.hint or ""
    if error.line is None or error.column is None:
        return Mark(0, len(text), None, None, message, hint)
    lines = text.splitlines(keepends=True)
    start = min(sum(map(len, lines[: error.line - 1])) + error.column - 1, len(text))
    piece = _PIECE.match(text, start)
    stop = piece.end() if piece else start
    if stop == start:
        # At the end something is missing: mark what it should follow.
        pieces = [match.span() for match in _PIECE.finditer(text[:start])]
        start, stop = pieces[-1] if pieces else (start, start)
    return Mark(start, stop, error.line, error.column, message, hint)


def _place(before: str) -> tuple[_Place, str]:
    """What may stand after a text, and the word it ends in."""
    calls: list[tuple[str, int]] = []
    last = ""
    for match in _PIECE.finditer(before):
        kind, piece = match.lastgroup or "", match.group()
        if match.end() == len(before) and _is_open(kind, piece):
            return "none", last
        if kind == "comment":
            continue
        if piece == "(":
            calls.append((last, 0))
        elif piece == ")" and calls:
            calls.pop()
        elif piece == "," and calls:
            calls[-1] = calls[-1][0], calls[-1][1] + 1
        last = piece.upper() if kind == "word" else piece
    if last in ("", "FROM"):
        return ("from" if last else "start"), last
    # The parentheses of a range stand in CP's, and hold numbers.
    is_range = len(calls) > 1 and calls[-2] == ("CP", 2)
    place = "none" if is_range else _PLACES.get(calls[-1], "any") if calls else "any"
    return place, last


def _is_open(kind: str, piece: str) -> bool:
    """Whether what is typed after a piece belongs to it."""
    if kind == "comment":
        return piece.startswith("--") or not piece.endswith("*/") or len(piece) < 4
    quote = {"string": "'", "quoted": '"'}.get(kind)
    return quote is not None and piece.count(quote) % 2 == 1


def _is_clear(place: _Place, before: str) -> bool:
    """Whether a list helps before anything is typed."""
    return place in ("region", "mask", "from") or (place == "any" and before in _EXPECTING)


def _fitting(items: list[Completion], typed: str) -> Iterator[Completion]:
    """Those that begin as typed, then names with a part that does."""
    folded = typed.casefold()
    begins = [item for item in items if item.label.casefold().startswith(folded)]
    yield from begins
    for item in items:
        parts = re.split(r"[\W_]+", item.label.casefold())[1:]
        if (
            item.kind != "keyword"
            and item not in begins
            and any(p.startswith(folded) for p in parts)
        ):
            yield item
