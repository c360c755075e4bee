"""One mask, large: its values, its facts, its neighbours, and boxes counted while drawn."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served
from tests.browser.walk import (
    Masks,
    all_masks,
    all_rows,
    box_of,
    bright,
    first_by,
    ids_of,
    shows,
    visit,
)

TOP = "values=0.5..1&top=130"


@pytest.fixture(scope="module")
def masks(made_opened: ms.Collection) -> Masks:
    return all_masks(made_opened)


@pytest.fixture(scope="module")
def rows(made_opened: ms.Collection) -> dict[int, dict[str, Any]]:
    return all_rows(made_opened)


def opens(page: Page, mask_id: int) -> None:
    """Wait until a mask is shown large."""
    expect(page.get_by_text(re.compile(f"^mask {mask_id}, image"))).to_be_visible()


def test_values_and_facts(
    page: Page, made_served: Served, masks: Masks, rows: dict[int, dict[str, Any]]
) -> None:
    visit(page, made_served.url, TOP)
    mask_id = ids_of(page)[2]
    page.locator("#results .ms-tile").nth(2).click()
    opens(page, mask_id)
    bars = page.get_by_role("img", name="Values of this mask; 0.5 to 1 marked")
    told = bars.locator("i").evaluate_all(
        "bars => bars.map(bar => [bar.title, bar.classList.contains('ms-in')])"
    )
    counts, edges = np.histogram(masks[mask_id], bins=len(told), range=(0, 1))
    assert [int(title.rpartition(": ")[2].replace(",", "")) for title, _ in told] == list(counts)
    middles = (edges[:-1] + edges[1:]) / 2
    assert [inside for _, inside in told] == list(middles >= 0.5)
    facts = page.get_by_label("Metadata").locator("dd").all_inner_texts()
    assert facts == [str(value) for value in rows[mask_id].values()]


def test_others_of_the_image(
    page: Page, made_served: Served, rows: dict[int, dict[str, Any]]
) -> None:
    visit(page, made_served.url, TOP)
    ids = ids_of(page)
    page.locator("#results .ms-tile").first.click()
    opens(page, ids[0])
    image = rows[ids[0]]["image_id"]
    beside = sorted(i for i, row in rows.items() if row["image_id"] == image)
    for other in beside:
        page.get_by_role("button", name=re.compile(f"^mask {other}, image {image}")).click()
        opens(page, other)
        page.wait_for_url(f"**mask={other}**")
    page.reload()
    opens(page, beside[-1])
    page.keyboard.press("Escape")
    expect(page.locator("#detail-mask")).to_be_hidden()
    page.wait_for_url(re.compile(r"^((?!mask=).)*$"))


def test_before_and_after(page: Page, made_served: Served, masks: Masks) -> None:
    visit(page, made_served.url, TOP)
    wanted = first_by(masks, bright(0.5), 130)
    page.locator("#results .ms-tile").first.click()
    opens(page, wanted[0])
    # There is none before the first.
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    opens(page, wanted[1])
    page.keyboard.press("Escape")
    page.locator("#results .ms-tile").nth(59).click()
    opens(page, wanted[59])
    # The next page of the grid goes on where this one ends.
    page.get_by_label("The one after").click()
    opens(page, wanted[60])
    page.get_by_label("The one before").click()
    opens(page, wanted[59])
    page.get_by_label("Close").click()
    shows(page, wanted[:60])


def test_a_box_is_counted_while_it_is_drawn(page: Page, made_served: Served, masks: Masks) -> None:
    visit(page, made_served.url, TOP)
    mask_id = ids_of(page)[0]
    mask = masks[mask_id]
    page.locator("#results .ms-tile").first.click()
    opens(page, mask_id)
    x, y, width, height = box_of(page, "#detail-mask")

    def at(column: float, row: float) -> tuple[float, float]:
        return x + column * width / mask.shape[1], y + row * height / mask.shape[0]

    page.mouse.move(*at(8.5, 6.5))
    page.mouse.down()
    for column, row in ((15.5, 11.5), (23.5, 17.5)):
        page.mouse.move(*at(column, row))
        # Not before the pause between two counts.
        page.wait_for_timeout(120)
        page.mouse.move(*at(column + 0.2, row))
        box = (8, 6, int(column) + 1, int(row) + 1)
        part = mask[box[1] : box[3], box[0] : box[2]]
        n = int(((part >= 0.5) & (part <= 1)).sum())
        told = f"box{box}: {n} pixels from 0.5 to 1, {100 * n / part.size:.1f} % of {part.size}"
        expect(page.get_by_text(told)).to_be_visible()
    page.mouse.up()
    expect(page.locator("#detail-mask rect.ms-drawn")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    opens(page, ids_of(page)[1])
    expect(page.get_by_text("Drag a box on a picture to count its pixels.")).to_be_visible()
    expect(page.locator("#detail-mask rect.ms-drawn")).to_have_count(0)


def test_a_mask_of_a_link_that_is_not_there_is_told(page: Page, made_served: Served) -> None:
    page.goto(f"{made_served.url}?mask=123456")
    expect(page.get_by_text("no mask with mask_id 123456")).to_be_visible()
    expect(page.locator("#results .ms-tile").first).to_be_visible()
