"""IoU of two masks of an image: which two, from which value on, and what is shown of them."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served
from tests.browser.made import IMAGES
from tests.browser.walk import Masks, all_masks, all_rows, choose, exported, scores_of, shows, visit

IOU = "score=iou&low=0.3&bottom=25&pair=mask_type+IN+(1,+2)"


@pytest.fixture(scope="module")
def masks(made_opened: ms.Collection) -> Masks:
    return all_masks(made_opened)


@pytest.fixture(scope="module")
def of(made_opened: ms.Collection) -> dict[tuple[int, int], int]:
    """Mask of an image and a type."""
    rows = all_rows(made_opened)
    return {(row["image_id"], row["mask_type"]): i for i, row in rows.items()}


Of = dict[tuple[int, int], int]


def ious(masks: Masks, of: Of, first: int, second: int, low: float) -> dict[int, float]:
    """IoU by image, pixel by pixel."""
    found: dict[int, float] = {}
    for image in range(IMAGES):
        a, b = (masks[of[image, kind]] >= low for kind in (first, second))
        found[image] = float(np.sum(a & b) / np.sum(a | b))
    return found


def least(found: dict[int, float], k: int = 25) -> list[int]:
    return sorted(found, key=lambda image: (found[image], image))[:k]


def test_which_two_and_from_which_value(
    page: Page, made_served: Served, masks: Masks, of: Of
) -> None:
    visit(page, made_served.url)
    page.get_by_label("Values, from", exact=True).fill("0.3")
    choose(page, "Highest or lowest", "lowest")
    choose(page, "Score", "IoU of two masks of an image")
    found = ious(masks, of, 1, 2, 0.3)
    shows(page, least(found))
    wanted = [f"{found[image]:,.4g}" for image in least(found)]
    assert scores_of(page) == wanted
    choose(page, "Second mask", "3")
    shows(page, least(ious(masks, of, 1, 3, 0.3)))
    choose(page, "First mask", "2")
    shows(page, least(ious(masks, of, 2, 3, 0.3)))
    page.get_by_label("Values, from", exact=True).fill("0.25")
    found = ious(masks, of, 2, 3, 0.25)
    shows(page, least(found))
    heat = page.locator("#results img.ms-heat").first
    first, second = (of[least(found)[0], kind] for kind in (2, 3))
    expect(heat).to_have_attribute("data-src", re.compile(f"/pair/{first}-{second}.png"))
    page.reload()
    shows(page, least(found))


def test_masks_of_two_models(page: Page, made_served: Served, masks: Masks, of: Of) -> None:
    visit(page, made_served.url, IOU + "&where=mask_type+IN+(1,+2)")
    shows(page, least(ious(masks, of, 1, 2, 0.3)))
    choose(page, "Masks told apart by", "model_id")
    # Of types 1 and 2 each image has one mask of either model.
    expect(page.locator(".ms-sql .cm-content")).to_contain_text("model_id IN (1, 2)")
    page.wait_for_url("**pair=model_id**")
    shows(page, least(ious(masks, of, 1, 2, 0.3)))


def test_all_pairs_that_pass(page: Page, made_served: Served, masks: Masks, of: Of) -> None:
    visit(page, made_served.url, IOU)
    page.get_by_role("button", name="All that pass").click()
    page.get_by_label("Threshold").fill("0.2")
    found = ious(masks, of, 1, 2, 0.3)
    wanted = sorted(image for image, iou in found.items() if iou > 0.2)
    expect(page.get_by_text(f"{len(wanted)} images", exact=True)).to_be_visible()
    shows(page, wanted[:60])
    expect(page.get_by_label("Query builder")).to_contain_text("from an answer only")
    page.locator("#results .ms-tile input").nth(3).click()
    expect(page.get_by_text("1 marked", exact=True)).to_be_visible()
    content = exported(page, "Table as CSV").read_text()
    (row,) = csv.DictReader(io.StringIO(content))
    assert int(row["image_id"]) == wanted[3]
    assert float(row["score"]) == pytest.approx(found[wanted[3]])
    page.get_by_role("button", name="Export").click()
    page.get_by_text("Overlays as PNG, in a ZIP file").click()
    expect(page.get_by_text("so there are no masks to draw")).to_be_visible()


def test_the_same_mask_twice_is_refused(page: Page, made_served: Served) -> None:
    visit(page, made_served.url, IOU)
    choose(page, "Second mask", "1")
    expect(page.locator(".ms-problem").first).to_contain_text("differ")
    choose(page, "Second mask", "3")
    expect(page.locator(".ms-problem").first).to_be_hidden()


def test_detail_of_an_image(page: Page, made_served: Served, masks: Masks, of: Of) -> None:
    visit(page, made_served.url, IOU)
    order = least(ious(masks, of, 1, 2, 0.3))
    page.locator("#results .ms-tile").nth(1).click()
    title = page.get_by_text(f"mask {of[order[1], 1]}, image {order[1]}")
    expect(title).to_be_visible()
    page.get_by_label(f"mask {of[order[1], 3]}, image {order[1]}").click()
    expect(page.get_by_text(f"mask {of[order[1], 3]}, image {order[1]}")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text(f"mask {of[order[2], 1]}, image {order[2]}")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#detail-mask")).to_be_hidden()
