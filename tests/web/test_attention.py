"""The page of two attentions without a browser: bars, and images that lack one of both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from nicegui import Client

import masksearch_ray as ms
from masksearch_ray.web.build import to_sql
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.permalink import read_link
from masksearch_ray.web.scenarios.attention import _Attention
from masksearch_ray.web.scenarios.histogram import BINS, bins_of
from masksearch_ray.web.site import Site
from tests.web.conftest import OnPage


@pytest.mark.smoke
def test_bars_hold_what_their_edges_say() -> None:
    edges = np.linspace(0.0, 1.0, 21)
    shares = [a / b for b in range(1, 80) for a in range(b + 1)]
    values = np.array([*shares, *edges, *np.nextafter(edges[1:], 0.0), np.nan])
    at = bins_of(values)
    assert at[-1] == -1 and (at[:-1] >= 0).all()
    assert (np.bincount(at[:-1], minlength=20) == np.histogram(values[:-1], edges)[0]).all()
    for value, bar in zip(values[:-1], at[:-1], strict=True):
        assert edges[bar] <= value
        assert value < edges[bar + 1] or (bar == 19 and value == 1.0)


MASKS = np.random.default_rng(5).integers(0, 256, (9, 12, 12), np.uint8)
IMAGES, SIDES = [0, 0, 1, 1, 2, 3, 4, 4, 4], ["model", "person", "model", "person", "model",
                                             "person", "model", "person", "person"]  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Images of which some have one of both masks alone, and one has two of a side."""
    rows = {"image_id": IMAGES, "mask_type": SIDES, "model_id": [1 + i % 2 for i in range(9)]}
    with ms.create(tmp_path / "sides") as made:
        made.append(MASKS, rows)
    held = Site(ServeOptions(str(tmp_path / "sides")))
    yield held
    held.close()


async def asked(page: _Attention) -> None:
    """Ask what the controls say."""
    page._changed()
    assert page._asked is not None
    await page._ask(page._asking.begin(), page._asked)


def test_images_with_one_of_both_alone_are_left_out(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        page = _Attention(site)
        await page.begin()
        page._column.set_value("mask_type")
        assert (page._first.value, page._second.value) == ("model", "person")
        await asked(page)
        strong = MASKS / 255 >= 0.5
        found = {}
        for image in (0, 1, 4):
            of = [strong[i] for i in range(9) if IMAGES[i] == image]
            both, either = np.logical_and.reduce(of).sum(), np.logical_or.reduce(of).sum()
            found[image] = f"({both} of {either} pixels)"
        titles = re.findall(r"image (\d+): IoU [\d.]+ ([^<]*)</div>", page._rows.content)
        more = ", of 3 masks: the first of each side is shown"
        assert {int(image): told for image, told in titles} == {**found, 4: found[4] + more}
        assert page._told.text.startswith("3 images, mean ")
        assert page._told.text.endswith("; images with but one of both are left out")
        # What is left out, a chosen bar leaves out as well.
        (bar, *_) = [at for at in range(BINS) if not page._bars._bars[at].props["disabled"]]
        for _ in range(2):
            await page._clicked(bar)
            assert page._told.text.endswith("; images with but one of both are left out")
        # Explore is asked the same.
        link = read_link(str(page._explore.props["href"]).partition("?")[2], site.catalog).link
        sql = to_sql(link.built, site.catalog)
        ids = site.collection.sql(sql).table["image_id"].to_pylist()
        assert ids == [int(image) for image, _ in titles]

    on_page(look)


def test_without_a_threshold_nothing_of_before_stays(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        page = _Attention(site)
        await page.begin()
        await asked(page)
        assert page._rows.content and page._told.text
        page._threshold.set_value(None)
        assert page._head.text == "Strong from: a number is wanted."
        page._lowest.set_value(False)
        assert page._head.text == "Strong from: a number is wanted."
        assert page._rows.content == page._told.text == "" and not page._explore.visible
        assert all(bar.props["disabled"] for bar in page._bars._bars)
        await page._clicked(10)
        assert page._rows.content == ""
        page._threshold.set_value(0.25)
        await asked(page)
        assert page._rows.content and page._told.text

    on_page(look)


def test_of_whole_pairs_nothing_is_left_out(tmp_path: Path, on_page: OnPage) -> None:
    with ms.create(tmp_path / "whole") as made:
        made.append(MASKS[:4], {"image_id": [0, 0, 1, 1], "model_id": [1, 2, 1, 2]})
    whole = Site(ServeOptions(str(tmp_path / "whole")))

    async def look(client: Client) -> None:
        page = _Attention(whole)
        await page.begin()
        await asked(page)
        assert re.fullmatch(r"2 images, mean 0\.\d{3}", page._told.text)
        link = read_link(str(page._explore.props["href"]).partition("?")[2], whole.catalog).link
        assert link.sql is None and link.built.score == "iou"

    on_page(look)
    whole.close()
