"""Links hold the page's state, and a broken one is no error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.model.query import Catalog
from masksearch_ray.model.roi import BoxColumn
from masksearch_ray.render import COLOUR_MAPS
from masksearch_ray.web.build import Built, Condition, Pixels, essential, first_built
from masksearch_ray.web.permalink import Link, Read, read_link, write_link
from masksearch_ray.web.view import View
from tests.sql.catalog import catalog
from tests.web.builds import CATALOGS, builds, texts

HERE = catalog()
FIRST = first_built(HERE)
views = st.builds(
    View,
    colours=st.sampled_from(COLOUR_MAPS),
    own=st.booleans(),
    opacity=st.floats(0, 1),
    boxes=st.booleans(),
    page=st.integers(0, 10**9),
    size=st.integers(1, 1000),
    order=texts,
)


@st.composite
def links(draw: st.DrawFn, here: Catalog) -> Link:
    return Link(
        built=draw(builds(here)),
        sql=draw(st.none() | texts),
        view=draw(views),
        mask=draw(st.none() | st.integers(-(10**17), 10**17)),
        use_index=draw(st.booleans()),
    )


@given(data=st.data(), here=st.sampled_from(CATALOGS))
def test_a_link_comes_back(data: st.DataObject, here: Catalog) -> None:
    link = data.draw(links(here))
    written = write_link(link, here)
    built = first_built(here) if link.sql is not None else essential(link.built, here.domain)
    assert read_link(written, here) == Read(replace(link, built=built))
    assert written.isascii() and " " not in written and "#" not in written
    assert write_link(read_link(written, here).link, here) == written


def test_a_link_is_short_and_can_be_read() -> None:
    built = Built(
        score="share",
        pixels=Pixels(BoxColumn("object_box"), outside=True, low=0.8),
        descending=False,
        where=(Condition("label", "<>", other="prediction"), Condition("model_id", "=", (1,))),
    )
    link = Link(built, view=View("viridis", page=1), mask=17)
    assert write_link(link, HERE) == (
        "score=share&region=outside(object_box)&values=0.8..1&bottom=25"
        "&where=label+%3C%3E+prediction&where=model_id+%3D+1&map=viridis&page=2&mask=17"
    )


def test_an_empty_link_is_the_usual_state() -> None:
    for query in ("", "?", "token=abc"):
        assert read_link(query, HERE) == Read(Link(FIRST))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("score=best", "score=best: count, share, ratio, iou are possible"),
        ("score=iou", "score=iou: Compare: choose the two masks"),
        ("region=nowhere", "region=nowhere: unknown region 'nowhere'"),
        ("region=box(1,2)", "region=box(1,2): a box has 4 coordinates"),
        ("region=box(5,5,1,1)", "region=box(5,5,1,1): Region: the box is empty"),
        ("region=outside(full_image)", "region=outside(full_image): Region: nothing lies"),
        ("values=0.9..0.1", "values=0.9..0.1: Values: the lower value"),
        ("values=7", "values=7: two values are wanted"),
        ("values=a..b", "values=a..b: a number is wanted"),
        ("values=0..nan", "values=0..nan: Values: a finite number"),
        ("values2=0.9..0.1", "values2=0.9..0.1: Second values"),
        ("above=much", "above=much: a number is wanted"),
        ("above=1e999", "above=1e999: Threshold: a finite number is wanted"),
        ("top=0", "top=0: Number of results"),
        ("top=" + "9" * 30, "top=" + "9" * 30 + ": a whole number is wanted"),
        ("where=labl = 'a'", "where=labl = 'a': unknown column 'labl'"),
        ("where=label = 1", "where=label = 1: "),
        ("where=label = 'a' OR correct", "where=label = 'a' OR correct: the builder has no such"),
        ("where=", "where=: "),
        ("pair=label IN ('a', 'b')", "pair=label IN ('a', 'b'): Compare: mask_type or model_id"),
        ("pair=mask_type = 1", "pair=mask_type = 1: two masks are wanted"),
        ("map=jet", "map=jet: inferno, "),
        ("opacity=2", "opacity=2: from 0 to 1"),
        ("own=yes", "own=yes: 0 or 1 is wanted"),
        ("page=0", "page=0: pages are counted from 1"),
        ("tiles=100000", "tiles=100000: from 1 to 1,000"),
        ("mask=x", "mask=x: a whole number"),
        ("surprise=1", "surprise=1: there is no such setting"),
    ],
)
def test_what_cannot_be_taken_is_dropped_and_told(query: str, told: str) -> None:
    read = read_link(quote(query, safe="=&(),"), HERE)
    assert read.link == Link(FIRST)
    (line,) = read.dropped
    assert line.startswith(told)
    assert "\n" not in line


def test_the_rest_of_a_broken_link_is_kept() -> None:
    read = read_link("?top=7&region=nowhere&where=correct&where=x&map=gray&sql=SELEC", HERE)
    built = replace(FIRST, k=7, where=(Condition("correct", "=", (True,)),))
    assert read.link == Link(built, "SELEC", View("gray"))
    assert len(read.dropped) == 2


def test_too_long_a_link_is_told() -> None:
    assert read_link("a" * 300_000, HERE).dropped == ("the link is too long to be taken",)
    assert read_link("a&" * 600, HERE).dropped == ("the link is too long to be taken",)
    assert len(read_link("sql=" + "x" * 150_000, HERE).dropped) == 1


NAMES = ("score", "region", "values", "low", "pair", "where", "above", "top", "sql", "map", "page")


@given(parts=st.lists(st.tuples(st.sampled_from(NAMES) | texts, st.text(max_size=12)), max_size=6))
def test_no_link_is_an_error(parts: Any) -> None:
    pairs = [f"{quote(k)}={quote(v, errors='replace')}" for k, v in parts]
    read = read_link("&".join(pairs), HERE)
    assert read_link(write_link(read.link, HERE), HERE).dropped == ()


@given(query=st.text(max_size=40))
def test_no_text_is_an_error(query: str) -> None:
    read_link(query, HERE)
