"""Regions that are drawn, given up, and drawn again; and the grid by its keys."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served
from tests.browser.made import HEIGHT, WIDTH
from tests.browser.walk import (
    Mask,
    Masks,
    all_masks,
    box_of,
    drag,
    first_by,
    ids_of,
    shows,
    sql_of,
    visit,
)


@pytest.fixture(scope="module")
def masks(made_opened: ms.Collection) -> Masks:
    return all_masks(made_opened)


def corners(page: Page, *places: tuple[float, float]) -> tuple[float, float]:
    """Click corners of a polygon, in pixels of the mask; where the last is on the screen."""
    left, top, width, height = box_of(page, "#region")
    at = (0.0, 0.0)
    for x, y in places:
        at = left + x * width / WIDTH, top + y * height / HEIGHT
        page.mouse.click(*at)
    return at


def use(page: Page) -> Locator:
    return page.get_by_role("button", name="Use this region")


def test_a_drawing_can_be_given_up(page: Page, made_served: Served) -> None:
    visit(page, made_served.url)
    before = sql_of(page), ids_of(page)
    page.get_by_label("Draw: Region").click()
    box_of(page, "#region")
    expect(use(page)).to_be_disabled()
    drag(page, "#region", (0.25, 0.25), (0.5, 0.5))
    expect(page.get_by_text("drawn box (8, 6, 16, 12)")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#region")).to_be_hidden()
    assert (sql_of(page), ids_of(page)) == before
    # What was drawn is not there when something is drawn anew.
    page.get_by_label("Draw: Region").click()
    box_of(page, "#region")
    expect(page.get_by_text("Nothing is drawn yet.")).to_be_visible()
    expect(use(page)).to_be_disabled()


def test_the_last_drawing_counts(page: Page, made_served: Served, masks: Masks) -> None:
    visit(page, made_served.url, "values=0.5..1&top=25")
    page.get_by_label("Draw: Region").click()
    drag(page, "#region", (0.0, 0.0), (0.5, 0.5))
    drag(page, "#region", (0.25, 0.25), (0.75, 0.75))
    expect(page.get_by_text("drawn box (8, 6, 24, 18)")).to_be_visible()
    use(page).click()

    def inside(_: int, mask: Mask) -> float:
        return int((mask[6:18, 8:24] >= 0.5).sum())

    shows(page, first_by(masks, inside, 25))
    drawn = page.locator("#results .ms-tile").first.locator("rect.ms-roi")
    assert [drawn.get_attribute(name) for name in ("x", "y", "width", "height")] == [
        "8", "6", "16", "12",
    ]  # fmt: skip
    # The region as it is stands there when it is drawn anew.
    page.get_by_label("Draw: Region").click()
    box_of(page, "#region")
    expect(page.locator("#region rect.ms-roi")).to_have_count(1)


def test_a_polygon_ends_by_a_double_click(
    page: Page, made_served: Served, made_opened: ms.Collection
) -> None:
    visit(page, made_served.url, "values=0.5..1&top=25")
    page.get_by_label("Draw: Region").click()
    page.get_by_role("button", name="Polygon").click()
    corners(page, (4, 4), (8, 4), (6, 9))
    # Escape gives up what was begun, and leaves the dialog open.
    page.locator("#region").press("Escape")
    expect(page.locator("#region polygon")).to_have_count(0)
    last = corners(page, (4, 4), (28, 4), (16, 20))
    page.wait_for_timeout(600)  # so that the next click is not taken for a second of two
    page.mouse.dblclick(last[0] - 40, last[1])
    expect(page.get_by_text("drawn polygon of 4 corners")).to_be_visible()
    use(page).click()
    expect(page.locator(".ms-sql .cm-content")).to_contain_text("polygon(")
    asked: list[Any] = made_opened.sql(sql_of(page), use_index=False).table["mask_id"].to_pylist()
    shows(page, asked)
    expect(page.locator("#results .ms-tile").first.locator("polygon.ms-roi")).to_have_count(1)


def test_keys_of_the_grid(page: Page, made_served: Served) -> None:
    visit(page, made_served.url)
    tiles = page.locator("#results .ms-tile")
    tops = tiles.evaluate_all("tiles => tiles.map(tile => tile.getBoundingClientRect().top)")
    columns = tops.count(tops[0])
    tiles.first.focus()
    for key, at in (
        ("ArrowRight", 1),
        ("ArrowDown", 1 + columns),
        ("ArrowLeft", columns),
        ("ArrowUp", 0),
        ("ArrowUp", 0),
    ):
        page.keyboard.press(key)
        expect(tiles.nth(at)).to_be_focused()
    page.keyboard.press(" ")
    expect(page.get_by_text("1 marked", exact=True)).to_be_visible()
    page.keyboard.press(" ")
    expect(page.get_by_text("0 marked", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#detail-mask")).to_be_visible()
    page.keyboard.press("Escape")
    # Where it was left.
    expect(tiles.first).to_be_focused()


def test_pages_of_a_table(page: Page, made_served: Served, made_opened: ms.Collection) -> None:
    sql = "SELECT certainty, COUNT(*) AS n FROM masks GROUP BY certainty ORDER BY certainty"
    page.goto(f"{made_served.url}?sql={sql.replace(' ', '+')}")
    wanted = [str(row["certainty"]) for row in made_opened.sql(sql).to_pylist()]
    expect(page.get_by_text(f"{len(wanted)} rows", exact=True)).to_be_visible()
    first = page.locator(".q-table").last.locator("tbody tr td:first-child")
    expect(first).to_have_text(wanted[:60])
    page.get_by_role("button", name="Next page").click()
    expect(first).to_have_text(wanted[60:120])


def test_pages_of_the_head(page: Page, made_served: Served) -> None:
    visit(page, made_served.url)
    head = page.get_by_label("Pages", exact=True).first
    expect(head.get_by_role("button", name="Explore")).to_be_disabled()
    for name, path in (
        ("Debug a classifier", "classifier"),
        ("Find attacked images", "attacked"),
        ("Model against human", "attention"),
    ):
        head.get_by_role("button", name=name).click()
        page.wait_for_url(f"**/{path}")
        expect(head.get_by_role("button", name=name)).to_be_disabled()
    head.get_by_role("button", name="Explore").click()
    expect(page.locator("#results .ms-tile").first).to_be_visible()
