"""The grid's head: looks, pages, orders, marks and exports."""

from __future__ import annotations

import base64
import csv
import io
import re
import zipfile
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import masksearch_ray as ms
from masksearch_ray.render import COLOUR_MAPS
from tests.browser.conftest import Served
from tests.browser.walk import (
    Mask,
    Masks,
    all_masks,
    all_rows,
    bright,
    choose,
    exported,
    first_by,
    ids_of,
    scores_of,
    shows,
    type_sql,
    visit,
)

ALL = "values=0.5..1&top=600"


@pytest.fixture(scope="module")
def masks(made_opened: ms.Collection) -> Masks:
    return all_masks(made_opened)


@pytest.fixture(scope="module")
def rows(made_opened: ms.Collection) -> dict[int, dict[str, Any]]:
    return all_rows(made_opened)


@pytest.fixture(scope="module")
def ranked(masks: Masks) -> list[int]:
    """All masks as the page ranks them at first."""
    return first_by(masks, bright(0.5), len(masks))


def opacity_of(page: Page) -> float:
    heat = page.locator("#results img.ms-heat").first
    return float(heat.evaluate("image => getComputedStyle(image).opacity"))


def test_opacity(page: Page, made_served: Served) -> None:
    visit(page, made_served.url)
    slider = page.get_by_role("slider", name="Opacity of the heat map")
    assert opacity_of(page) == pytest.approx(0.85)
    slider.focus()
    for _ in range(7):
        page.keyboard.press("ArrowLeft")
    page.wait_for_url("**opacity=0.5")
    assert opacity_of(page) == pytest.approx(0.5)
    page.reload()
    expect(slider).to_have_attribute("aria-valuenow", "0.5")
    expect(page.locator("#results .ms-tile").first).to_be_visible()
    assert opacity_of(page) == pytest.approx(0.5)
    slider.focus()
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    page.wait_for_url(re.compile(r"opacity=0\b(?!\.)"))
    assert opacity_of(page) == 0


def colour_at_brightest(page: Page, mask: Mask) -> tuple[np.ndarray[Any, Any], float]:
    """Colour of the first tile's brightest pixel, 0 to 1, and the value of that pixel."""
    source = page.locator("#results img.ms-heat").first.get_attribute("src")
    assert source is not None and source.startswith("data:image/png;base64,")
    shown = base64.b64decode(source.partition(",")[2])
    picture = np.asarray(Image.open(io.BytesIO(shown)).convert("RGBA"))
    assert picture.shape[:2] == mask.shape
    place = np.unravel_index(mask.argmax(), mask.shape)
    return picture[place][:3] / 255, float(mask[place])


def test_colour_maps_and_own_scale(page: Page, made_served: Served, masks: Masks) -> None:
    # The least bright of all: its own scale makes most of it.
    visit(page, made_served.url, "values=0.5..1&bottom=5")
    mask = masks[ids_of(page)[0]]
    for name in (*COLOUR_MAPS[1:], COLOUR_MAPS[0]):
        choose(page, "Colours", name)
        page.wait_for_function(
            "map => [...document.querySelectorAll('#results img.ms-heat')]"
            ".every(image => image.dataset.src.includes(`map=${map}`) && image.naturalWidth)",
            arg=name,
        )
        colour, value = colour_at_brightest(page, mask)
        assert colour == pytest.approx(matplotlib.colormaps[name](value)[:3], abs=0.03)
    page.get_by_text("own scale").click()
    page.wait_for_function(
        "(image => image.dataset.src.includes('own=1') && image.naturalWidth)"
        "(document.querySelector('#results img.ms-heat'))"
    )
    colour, value = colour_at_brightest(page, mask)
    assert value < 0.9
    assert colour == pytest.approx(matplotlib.colormaps[COLOUR_MAPS[0]](1.0)[:3], abs=0.03)
    page.wait_for_url("**own=1**")


def test_boxes(page: Page, made_served: Served, rows: dict[int, dict[str, Any]]) -> None:
    visit(page, made_served.url)
    tile = page.locator("#results .ms-tile").first
    row = rows[ids_of(page)[0]]
    wanted = [row["object_box"], *row["parts"]]
    drawn = tile.locator("rect").evaluate_all(
        "all => all.map(one => ['x', 'y', 'width', 'height'].map(key => +one.getAttribute(key)))"
    )
    assert drawn == [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in wanted]
    page.get_by_role("checkbox", name="boxes").click()
    expect(page.locator("#results rect")).to_have_count(0)
    page.wait_for_url("**boxes=0**")


def test_pages_and_their_sizes(page: Page, made_served: Served, ranked: list[int]) -> None:
    visit(page, made_served.url, ALL)
    shows(page, ranked[:60])
    press(page, "Next page")
    shows(page, ranked[60:120])
    page.wait_for_url("**page=2**")
    press(page, "Last page")
    shows(page, ranked[540:])
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    press(page, "Previous page")
    shows(page, ranked[480:540])
    page.reload()
    shows(page, ranked[480:540])
    press(page, "First page")
    shows(page, ranked[:60])
    for size in (120, 300):
        choose(page, "Per page", str(size))
        shows(page, ranked[:size])
        press(page, "2")
        shows(page, ranked[size : 2 * size])
    page.wait_for_url("**tiles=300&page=2**")
    # An answer of fewer pages: the last of them.
    page.get_by_label("How many").fill("310")
    shows(page, ranked[300:310])
    page.get_by_label("How many").fill("20")
    shows(page, ranked[:20])
    expect(page.get_by_role("button", name="Next page")).to_be_hidden()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_orders(
    page: Page,
    made_served: Served,
    masks: Masks,
    rows: dict[int, dict[str, Any]],
    ranked: list[int],
) -> None:
    visit(page, made_served.url, "values=0.5..1&top=50")
    first = ranked[:50]
    place = {mask_id: at for at, mask_id in enumerate(first)}
    counts = {mask_id: int((masks[mask_id] >= 0.5).sum()) for mask_id in first}
    for order, wanted in (
        ("score, least first", sorted(first, key=lambda i: (counts[i], place[i]))),
        ("mask_id, greatest first", sorted(first, reverse=True)),
        ("prediction, least first", sorted(first, key=lambda i: rows[i]["prediction"])),
    ):
        choose(page, "Order", order)
        shows(page, wanted)
    page.wait_for_url("**sort=prediction**")
    page.reload()
    shows(page, sorted(first, key=lambda i: rows[i]["prediction"]))
    choose(page, "Order", "order asked for")
    shows(page, first)


def box_of_tile(page: Page, at: int) -> Locator:
    return page.locator("#results .ms-tile input").nth(at)


def told_marks(page: Page, n: int) -> None:
    expect(page.get_by_text(f"{n} marked", exact=True)).to_be_visible()


def test_marks_over_pages_and_their_export(
    page: Page, made_served: Served, masks: Masks, ranked: list[int]
) -> None:
    visit(page, made_served.url, ALL)
    box_of_tile(page, 2).click()
    box_of_tile(page, 6).click(modifiers=["Shift"])
    told_marks(page, 5)
    box_of_tile(page, 4).click()
    told_marks(page, 4)
    press(page, "Next page")
    shows(page, ranked[60:120])
    box_of_tile(page, 9).click()
    # Backwards, and not from a tile of the page before.
    box_of_tile(page, 7).click(modifiers=["Shift"])
    told_marks(page, 7)
    choose(page, "Per page", "120")
    shows(page, ranked[:120])
    marked = [ranked[at] for at in (2, 3, 5, 6, 67, 68, 69)]
    selected = page.locator("#results .ms-tile[aria-selected=true]")
    found = selected.evaluate_all("tiles => tiles.map(tile => +tile.dataset.id)")
    assert found == marked
    choose(page, "Order", "mask_id, least first")
    shows(page, sorted(ranked)[:120])
    told_marks(page, 7)
    content = exported(page, "Table as CSV").read_text()
    table = {int(row["mask_id"]): int(row["score"]) for row in csv.DictReader(io.StringIO(content))}
    assert table == {i: int((masks[i] >= 0.5).sum()) for i in marked}
    with zipfile.ZipFile(exported(page, "Overlays as PNG, in a ZIP file")) as archive:
        assert sorted(archive.namelist()) == sorted(f"{i}.png" for i in marked)
    press(page, "Mark page")
    told_marks(page, len(set(sorted(ranked)[:120]) | set(marked)))
    press(page, "Unmark")
    told_marks(page, 0)
    assert len(exported(page, "Ids, one a line").read_text().split()) == 600


def test_a_table_has_no_pictures_to_look_at(
    page: Page, made_served: Served, made_opened: ms.Collection
) -> None:
    visit(page, made_served.url)
    sql = "SELECT label, COUNT(*) AS n FROM masks GROUP BY label"
    type_sql(page, sql)
    press(page, "Run")
    expect(page.get_by_text("4 rows", exact=True)).to_be_visible()
    for name in ("Mark page", "Unmark"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()
    expect(page.get_by_role("slider", name="Opacity of the heat map")).to_be_hidden()
    expect(page.get_by_role("combobox", name="Colours")).to_be_hidden()
    found = list(csv.DictReader(io.StringIO(exported(page, "Table as CSV").read_text())))
    wanted = [
        {"label": str(row["label"] or ""), "n": str(row["n"])}
        for row in made_opened.sql(sql).to_pylist()
    ]
    assert found == wanted
    choose(page, "Order", "n, greatest first")
    expect(page.locator("#results .ms-tile")).to_have_count(0)
    page.get_by_role("button", name="Export").click()
    page.get_by_text("Overlays as PNG, in a ZIP file").click()
    expect(page.get_by_text(re.compile("no masks to draw"))).to_be_visible()


def test_scores_are_told_to_the_last_pixel(
    page: Page, made_served: Served, masks: Masks, ranked: list[int]
) -> None:
    visit(page, made_served.url, ALL + "&tiles=300")
    shows(page, ranked[:300])
    wanted = [f"{int((masks[i] >= 0.5).sum()):,}" for i in ranked[:300]]
    assert scores_of(page) == wanted
