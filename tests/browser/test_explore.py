"""Explore: every control, and what it shows against answers counted pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from tests.browser.conftest import SHOTS, Served

Ids = list[int]


def ids_of(page: Page) -> Ids:
    """Masks on the page, in order."""
    found: list[str] = page.locator("#results .ms-tile").evaluate_all(
        "tiles => tiles.map(tile => tile.dataset.id)"
    )
    return [int(one) for one in found]


def opened_page(page: Page, served: Served, query: str = "") -> Page:
    """The page, its first answer there."""
    page.goto(served.url + (f"?{query}" if query else ""))
    expect(page.locator("#results .ms-tile").first).to_be_visible()
    expect(page.get_by_label("Pixels of all masks by value").first).to_be_attached()
    return page


def masks_of(opened: ms.Collection) -> dict[int, np.ndarray]:
    """All masks, by id."""
    ids = opened.sql("SELECT mask_id FROM masks").table.column(0).to_pylist()
    return dict(zip(ids, opened.masks(ids, scaled=True), strict=True))


@pytest.fixture(scope="module")
def masks(opened: ms.Collection) -> dict[int, np.ndarray]:
    return masks_of(opened)


def first_by(
    masks: dict[int, np.ndarray], score: Callable[[int, np.ndarray], float], k: int
) -> Ids:
    """The k greatest by brute force, ties by id."""
    return sorted(masks, key=lambda mask_id: (-score(mask_id, masks[mask_id]), mask_id))[:k]


def test_first_answer_is_the_brute_force_answer(
    page: Page, served: Served, masks: dict[int, np.ndarray]
) -> None:
    opened_page(page, served)
    wanted = first_by(masks, lambda _, mask: int((mask >= 0.8).sum()), 25)
    assert ids_of(page) == wanted
    title = page.locator("#results .ms-tile b").first.inner_text()
    assert int(title.replace(",", "")) == int((masks[wanted[0]] >= 0.8).sum())
    page.screenshot(path=SHOTS / "page-explore.png")


def test_slider_and_numbers_change_the_sql_and_the_answer(
    page: Page, served: Served, masks: dict[int, np.ndarray]
) -> None:
    opened_page(page, served)
    page.get_by_label("Values, from", exact=True).fill("0.5")
    expect(page.locator(".ms-sql .cm-content")).to_contain_text("(0.5, 1")
    wanted = first_by(masks, lambda _, mask: int((mask >= 0.5).sum()), 25)
    page.wait_for_function(
        "first => document.querySelector('#results .ms-tile').dataset.id === first",
        arg=str(wanted[0]),
    )
    assert ids_of(page) == wanted


def test_address_holds_the_query(page: Page, served: Served) -> None:
    opened_page(page, served)
    page.get_by_label("How many").fill("7")
    expect(page.locator("#results .ms-tile")).to_have_count(7)
    link = page.url
    assert parse_qs(urlsplit(link).query)["top"] == ["7"]
    ids = ids_of(page)
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("#results .ms-tile")).to_have_count(7)
    assert ids_of(page) == ids
