"""The guided pages as the documents show them, a training that helps, and figures of all masks."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served, Shoot, end, serve
from tests.browser.walk import all_rows


@pytest.fixture(scope="module")
def rows(opened: ms.Collection) -> dict[int, dict[str, object]]:
    return all_rows(opened)


def test_pictures_of_the_documents(page: Page, served: Served, shoot: Shoot) -> None:
    page.goto(f"{served.url}classifier")
    page.locator(".ms-cell[title^='3 taken for 3:']").click()
    expect(page.get_by_text(", 3 taken for 3, the most stray first")).to_be_visible()
    page.locator("#worst .ms-tile input").nth(1).click()
    page.get_by_role("button", name="blur", exact=True).click()
    expect(page.locator(".ms-previews article")).to_have_count(1)
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "classifier")
    page.goto(f"{served.url}attacked")
    expect(page.get_by_text("Average precision")).to_be_visible()
    expect(page.locator(".ms-rows article").first).to_be_visible()
    shoot(page, "attacked")
    page.goto(f"{served.url}attention")
    expect(page.get_by_text("images, mean ")).to_be_visible()
    expect(page.locator(".ms-rows article").first).to_be_visible()
    shoot(page, "attention")


def test_training_again_helps_against_the_mark(page: Page, served: Served, shoot: Shoot) -> None:
    page.goto(f"{served.url}classifier")
    expect(page.locator("#worst .ms-tile").first).to_be_visible()
    page.get_by_role("button", name="Train again").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Train again").click()
    table = page.locator(".ms-table")
    expect(table).to_be_visible(timeout=120_000)
    expect(page.get_by_text("were added, changed by randomise.")).to_be_visible()
    told = {
        line.split("\t")[0]: [float(one.rstrip(" %")) for one in line.split("\t")[1:]]
        for line in table.inner_text().splitlines()[1:]
    }
    before, after = told["strong attention outside the box, marked class"]
    assert after < before / 2
    table.scroll_into_view_if_needed()
    shoot(page, "retrained")
    page.get_by_role("button", name="blur", exact=True).click()
    page.get_by_role("button", name="Train again").click()
    expect(page.get_by_text("were added, changed by blur.")).to_be_visible(timeout=120_000)


def test_figures_are_of_all_masks_whatever_the_limit_of_rows(
    page: Page, collection: str, rows: dict[int, dict[str, object]]
) -> None:
    process, url = serve(collection, "--rows", "20")
    try:
        page.goto(f"{url}attention")
        images = len({row["image_id"] for row in rows.values()})
        expect(page.get_by_text(f"{images} images, mean ")).to_be_visible()
        page.goto(f"{url}classifier")
        of_model = [row for row in rows.values() if row["model_id"] == 2]
        right = sum(row["label"] == row["prediction"] for row in of_model)
        expect(page.get_by_text(f"{right} of {len(of_model)} right")).to_be_visible()
        page.goto("about:blank")
    finally:
        end(process)
