"""The state of the page as the query string of its URL: short, readable, and never an error.

The builder's parameters are the query language's own words, so that a link says what it asks::

    ?score=share&region=object_box&values=0.8..1&bottom=25&where=label+<>+prediction&map=viridis
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote_plus

from masksearch_ray.errors import InputError
from masksearch_ray.model.query import Area, Catalog
from masksearch_ray.model.roi import Outside, Roi
from masksearch_ray.render import COLOUR_MAPS
from masksearch_ray.sql import parse_predicate, parse_roi, render_expr
from masksearch_ray.sql.tokens import MAX_TEXT
from masksearch_ray.web.build import Built, Condition, Pair, Pixels, check, essential, first_built
from masksearch_ray.web.build.conditions import conditions, conjuncts
from masksearch_ray.web.build.state import Comparison, Score
from masksearch_ray.web.build.write import condition_sql, value_sql
from masksearch_ray.web.view import View

__all__ = ["Link", "Read", "read_link", "write_link"]

_MOST = 2 * MAX_TEXT
_MOST_PARAMETERS = 500
_MOST_TILES = 1000
_SHOWN = 60
# Left as they are where a URL may hold them, so that a person can read it.
_SAFE = "()*,:/'!@$;"

_PASSES: dict[str, Comparison] = {"above": ">", "from": ">=", "below": "<", "upto": "<="}
_BY_COMPARISON = {comparison: name for name, comparison in _PASSES.items()}
_SCORES: dict[str, Score] = {"count": "count", "share": "share", "ratio": "ratio", "iou": "iou"}
_OF_OTHERS = ("token",)


@dataclass(frozen=True)
class Link:
    """What a link to the page holds.

    Parameters
    ----------
    built : Built
        The query, where `sql` is None.
    sql : str or None
        The query as it was typed.
    view : View
    mask : int or None
        The mask that is shown large.
    use_index : bool
        False for a full scan.
    """

    built: Built
    sql: str | None = None
    view: View = field(default_factory=View)
    mask: int | None = None
    use_index: bool = True


@dataclass(frozen=True)
class Read:
    """What was read from a link.

    Parameters
    ----------
    link : Link
        With the usual in the place of what was dropped.
    dropped : tuple of str
        A line for each parameter that could not be taken, in words; empty where all were.
    """

    link: Link
    dropped: tuple[str, ...] = ()


def write_link(link: Link, catalog: Catalog) -> str:
    """Query string of a link, without ``?``.

    Parameters
    ----------
    link : Link
        Its `built` must pass `check` unless `sql` is given.
    catalog : Catalog

    Returns
    -------
    str
        The same for states that show the same; view settings only where they are not the usual.
    """
    asked = _built_parts(link.built, catalog) if link.sql is None else iter([("sql", link.sql)])
    parts = [*asked, *_view_parts(link)]
    return "&".join(f"{name}={_quoted(value)}" for name, value in parts)


def read_link(query: str, catalog: Catalog) -> Read:
    """State that a query string holds; whatever cannot be taken is dropped and told, never raised.

    Parameters
    ----------
    query : str
        With or without ``?``.
    catalog : Catalog

    Returns
    -------
    Read
    """
    link = Link(first_built(catalog))
    try:
        pairs = _pairs(query.removeprefix("?"))
    except ValueError:
        return Read(link, ("the link is too long to be taken",))
    dropped = []
    for name, value in sorted(pairs, key=lambda pair: _rank(pair[0])):
        if name in _OF_OTHERS:
            continue
        try:
            reader = _READERS.get(name)
            if reader is None:
                raise InputError("there is no such setting")
            link = reader(link, name, value, catalog)
        except InputError as error:
            told = getattr(error, "message", str(error))
            dropped.append(f"{name[:_SHOWN]}={_short(value)}: {told}")
    return Read(link, tuple(dropped))


# ---------------------------------------------------------------------------------------- writing


def _quoted(text: str) -> str:
    return quote_plus(text, safe=_SAFE, errors="replace")


def _built_parts(built: Built, catalog: Catalog) -> Iterator[tuple[str, str]]:
    built = essential(built, catalog.domain)
    yield "score", built.score
    yield "region", _region_text(built.pixels)
    if built.score == "iou" and built.pair is not None:
        pair = built.pair
        yield "low", value_sql(built.pixels.low)
        yield "pair", condition_sql(Condition(pair.column, "in", (pair.first, pair.second)))
        if not built.cut:
            yield "cut", "0"
        if not built.both:
            yield "both", "0"
    else:
        yield "values", _range_text(built.pixels)
    if built.score == "ratio":
        yield "region2", _region_text(built.below)
        yield "values2", _range_text(built.below)
    if built.kind == "filter":
        yield _BY_COMPARISON[built.comparison], value_sql(built.threshold)
    else:
        yield ("top" if built.descending else "bottom"), str(built.k)
    for condition in built.where:
        yield "where", condition_sql(condition)


def _view_parts(link: Link) -> Iterator[tuple[str, str]]:
    view, usual = link.view, View()
    parts = (
        ("map", view.colours, usual.colours),
        ("own", str(int(view.own)), str(int(usual.own))),
        ("opacity", value_sql(view.opacity), value_sql(usual.opacity)),
        ("boxes", str(int(view.boxes)), str(int(usual.boxes))),
        ("sort", view.order, usual.order),
        ("tiles", str(view.size), str(usual.size)),
        ("page", str(view.page + 1), str(usual.page + 1)),
        ("mask", "" if link.mask is None else str(link.mask), ""),
        ("index", str(int(link.use_index)), "1"),
    )
    return ((name, value) for name, value, expected in parts if value != expected)


def _region_text(pixels: Pixels) -> str:
    return render_expr(Area(pixels.roi)).removeprefix("area(").removesuffix(")")


def _range_text(pixels: Pixels) -> str:
    return f"{value_sql(pixels.low)}..{value_sql(pixels.high)}"


# ---------------------------------------------------------------------------------------- reading

_Reader = Callable[[Link, str, str, Catalog], Link]


def _pairs(query: str) -> list[tuple[str, str]]:
    if len(query) > _MOST:
        raise ValueError
    return parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)


def _rank(name: str) -> int:
    """What others are checked against comes first; the score, which needs the others, last."""
    return {"values": 0, "low": 0, "values2": 0, "score": 2}.get(name, 1)


def _checked(link: Link, built: Built, catalog: Catalog) -> Link:
    check(built, catalog)
    return replace(link, built=built)


def _read_score(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    score = _SCORES.get(value)
    if score is None:
        raise InputError(f"{', '.join(_SCORES)} are possible")
    return _checked(link, replace(link.built, score=score), catalog)


def _read_pixels(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    built = link.built
    old = built.below if name.endswith("2") else built.pixels
    if name.startswith("region"):
        region, outside = _region(value, catalog)
        new = replace(old, region=region, outside=outside)
    elif name == "low":
        new = replace(old, low=_number(value), high=catalog.domain.hi)
    else:
        low, dots, high = value.partition("..")
        if not dots:
            raise InputError("two values are wanted, as in 0.5..1")
        new = replace(old, low=_number(low), high=_number(high))
    if name.endswith("2"):
        check(replace(built, below=new, score="ratio"), catalog)
        return replace(link, built=replace(built, below=new))
    return _checked(link, replace(built, pixels=new), catalog)


def _region(text: str, catalog: Catalog) -> tuple[Roi, bool]:
    roi, outside = parse_roi(text, catalog), False
    while isinstance(roi, Outside):
        roi, outside = roi.roi, not outside
    return roi, outside


def _read_pair(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    first, *more = _conditions(value, catalog)
    if more or first.operator != "in" or len(first.values) != 2:
        raise InputError("two masks are wanted, as in mask_type IN (1, 2)")
    pair = Pair(first.column, *first.values)
    check(replace(link.built, pair=pair, score="iou"), catalog)
    return replace(link, built=replace(link.built, pair=pair))


def _read_where(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    where = (*link.built.where, *_conditions(value, catalog))
    return _checked(link, replace(link.built, where=where), catalog)


def _conditions(text: str, catalog: Catalog) -> tuple[Condition, ...]:
    found = conditions(conjuncts(parse_predicate(text, catalog)))
    if not found:
        raise InputError("the builder has no such filter")
    return found


def _read_passes(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    comparison = _PASSES[name]
    built = replace(link.built, kind="filter", comparison=comparison, threshold=_number(value))
    return _checked(link, built, catalog)


def _read_top(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    built = replace(link.built, kind="top", descending=name == "top", k=_whole(value))
    return _checked(link, built, catalog)


def _read_sql(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    if len(value) > MAX_TEXT:
        raise InputError(f"at most {MAX_TEXT:,} characters are taken")
    return replace(link, sql=value)


def _read_view(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    view = link.view
    match name:
        case "map":
            if value not in COLOUR_MAPS:
                raise InputError(f"{', '.join(COLOUR_MAPS)} are possible")
            view = replace(view, colours=value)
        case "opacity":
            if not 0 <= (opacity := _number(value)) <= 1:
                raise InputError("from 0 to 1 is possible")
            view = replace(view, opacity=float(opacity))
        case "tiles":
            if not 1 <= (tiles := _whole(value)) <= _MOST_TILES:
                raise InputError(f"from 1 to {_MOST_TILES:,} is possible")
            view = replace(view, size=tiles)
        case "page":
            if (page := _whole(value)) < 1:
                raise InputError("pages are counted from 1")
            view = replace(view, page=page - 1)
        case "sort":
            view = replace(view, order=value)
    return replace(link, view=view)


def _read_flag(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    if value not in ("0", "1"):
        raise InputError("0 or 1 is wanted")
    flag = value == "1"
    match name:
        case "own":
            return replace(link, view=replace(link.view, own=flag))
        case "boxes":
            return replace(link, view=replace(link.view, boxes=flag))
        case "cut":
            return replace(link, built=replace(link.built, cut=flag))
        case "both":
            return replace(link, built=replace(link.built, both=flag))
    return replace(link, use_index=flag)


def _read_mask(link: Link, name: str, value: str, catalog: Catalog) -> Link:
    return replace(link, mask=_whole(value))


def _number(text: str) -> int | float:
    try:
        return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else float(text)
    except ValueError:
        raise InputError("a number is wanted") from None


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise InputError("a whole number is wanted")
    return int(text)


def _short(text: str) -> str:
    short = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return "".join(c if c.isprintable() else "\ufffd" for c in short)


def _each(names: Iterable[str], reader: _Reader) -> dict[str, _Reader]:
    return dict.fromkeys(names, reader)


_READERS: dict[str, _Reader] = {
    "score": _read_score,
    **_each(("region", "values", "low", "region2", "values2"), _read_pixels),
    "pair": _read_pair,
    "where": _read_where,
    **_each(_PASSES, _read_passes),
    **_each(("top", "bottom"), _read_top),
    "sql": _read_sql,
    **_each(("map", "opacity", "tiles", "page", "sort"), _read_view),
    **_each(("own", "boxes", "cut", "both", "index"), _read_flag),
    "mask": _read_mask,
}
