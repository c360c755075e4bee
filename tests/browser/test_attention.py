"""Model against human attention: every control, against what is counted pixel by pixel."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served
from tests.browser.guided import captions, layers, picture, titles
from tests.browser.walk import Mask, all_masks, all_rows, choose, ids_of

Rows = dict[int, dict[str, Any]]
SHOWN = 12


class Counted:
    """IoU of the two models' masks of every image, by brute force."""

    def __init__(self, opened: ms.Collection) -> None:
        self.masks, self.rows = all_masks(opened), all_rows(opened)
        self.pairs: dict[int, dict[int, int]] = {}
        for mask_id, row in self.rows.items():
            self.pairs.setdefault(row["image_id"], {})[row["model_id"]] = mask_id

    def iou(
        self, threshold: float, within: Callable[[Rows, int, Mask], Mask] | None = None
    ) -> dict[int, tuple[int, int]]:
        """Pixels of intersection and union, by image."""
        found = {}
        for image, pair in self.pairs.items():
            one, other = (
                (self.masks[i] >= threshold)
                & (True if within is None else within(self.rows, i, self.masks[i]))
                for i in (pair[1], pair[2])
            )
            found[image] = int((one & other).sum()), int((one | other).sum())
        return found


@pytest.fixture(scope="module")
def counted(opened: ms.Collection) -> Counted:
    return Counted(opened)


def in_box(rows: Rows, mask_id: int, mask: Mask) -> Mask:
    x0, y0, x1, y1 = rows[mask_id]["digit_box"]
    inside = np.zeros(mask.shape, np.bool_)
    inside[y0:y1, x0:x1] = True
    return inside


def outside_box(rows: Rows, mask_id: int, mask: Mask) -> Mask:
    return ~in_box(rows, mask_id, mask)


def ranked(found: dict[int, tuple[int, int]], sign: int = 1) -> list[int]:
    """Images with an IoU, the least alike first, ties by image."""
    known = [image for image, (_, either) in found.items() if either]
    return sorted(known, key=lambda i: (sign * found[i][0] / found[i][1], i))


def told(found: dict[int, tuple[int, int]], images: list[int]) -> list[str]:
    """Beginnings of what the page says of images."""
    return [f"({found[i][0]:,} of {found[i][1]:,} pixels)" for i in images]


def shows_images(page: Page, found: dict[int, tuple[int, int]], images: list[int]) -> None:
    """Wait until these images are shown, with their pixels."""
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('.ms-rows article .ms-number')]"
        ".map(e => /^image (\\d+):/.exec(e.textContent)[1]).join() === wanted",
        arg=",".join(map(str, images)),
    )
    assert [re.sub(r"^image \d+: IoU [\d.]+ ", "", one) for one in titles(page)] == told(
        found, images
    )


def heights(found: dict[int, tuple[int, int]]) -> list[int]:
    """Images of every bar."""
    values = [both / either for both, either in found.values() if either]
    return np.histogram(values, np.linspace(0, 1, 21))[0].tolist()  # type: ignore[no-any-return]


def bars(page: Page) -> list[int]:
    """Images that the bars say they hold."""
    names: list[str] = page.locator(".ms-bar").evaluate_all(
        "bars => bars.map(bar => bar.getAttribute('aria-label'))"
    )
    return [int(re.search(r": ([\d,]+) image", name)[1].replace(",", "")) for name in names]  # type: ignore[index]


def visit(page: Page, served: Served, counted: Counted) -> dict[int, tuple[int, int]]:
    """Open the page; give what is counted at its first threshold."""
    page.goto(f"{served.url}attention")
    found = counted.iou(0.5)
    expect(page.get_by_text(f"{len(found)} images, mean ")).to_be_visible()
    shows_images(page, found, ranked(found)[:SHOWN])
    return found


def test_bars_count_all_images_and_show_theirs(
    page: Page, served: Served, counted: Counted
) -> None:
    found = visit(page, served, counted)
    assert bars(page) == heights(found)
    at = int(np.argmax(bars(page)))
    bar = page.locator(".ms-bar").nth(at)
    within = [
        i
        for i in ranked(found)
        if np.histogram([found[i][0] / found[i][1]], np.linspace(0, 1, 21))[0][at]
    ]
    assert len(within) == bars(page)[at] > SHOWN
    bar.click()
    shows_images(page, found, within[:SHOWN])
    head = f"IoU {at / 20:g} to {(at + 1) / 20:g}: {len(within)} images, the first 12 shown"
    expect(page.get_by_text(head, exact=True)).to_be_visible()
    expect(bar).to_have_attribute("aria-pressed", "true")
    assert page.locator(".ms-bar.ms-in").count() == 1
    # By keyboard as well: the bar still has the focus.
    page.keyboard.press("Enter")
    shows_images(page, found, ranked(found)[:SHOWN])
    expect(bar).to_have_attribute("aria-pressed", "false")
    bar.press("Shift+Tab")
    page.keyboard.press("Space")
    expect(page.locator(".ms-bar").nth(at - 1)).to_have_attribute("aria-pressed", "true")
    # A new question forgets the bar.
    page.get_by_role("button", name="most alike").click()
    shows_images(page, found, ranked(found, -1)[:SHOWN])
    assert page.locator(".ms-bar[aria-pressed=true]").count() == 0


def test_region_and_threshold(page: Page, served: Served, counted: Counted) -> None:
    visit(page, served, counted)
    choose(page, "Region", "digit_box (each mask's own box)")
    found = counted.iou(0.5, in_box)
    shows_images(page, found, ranked(found)[:SHOWN])
    expect(page.get_by_text(f"{len(ranked(found))} images, mean ")).to_be_visible()
    assert bars(page) == heights(found)

    page.get_by_label("Region: outside of it").click()
    found = counted.iou(0.5, outside_box)
    shows_images(page, found, ranked(found)[:SHOWN])
    empty = len(found) - len(ranked(found))
    assert empty > 1
    expect(page.get_by_text(f"; {empty} where neither mask is strong")).to_be_visible()
    assert bars(page) == heights(found)

    page.get_by_label("Strong from").fill("0.3")
    found = counted.iou(0.3, outside_box)
    shows_images(page, found, ranked(found)[:SHOWN])
    page.get_by_text("Open in Explore").click()
    expect(page.locator("#results .ms-tile").first).to_be_visible()
    assert ids_of(page) == ranked(found)[:SHOWN]


def test_a_region_that_is_drawn(page: Page, served: Served, counted: Counted) -> None:
    visit(page, served, counted)
    page.get_by_role("button", name="Draw: Region").click()
    example = page.locator("#region")
    expect(example.locator("svg")).to_be_attached()
    # The dialog grows as it opens: where pixels are is known only then.
    example.click(trial=True)
    place = example.bounding_box()
    assert place is not None
    side = place["width"] / 64
    page.mouse.move(place["x"] + 8.2 * side, place["y"] + 10.2 * side)
    page.mouse.down()
    page.mouse.move(place["x"] + 30 * side, place["y"] + 30 * side)
    page.mouse.move(place["x"] + 39.8 * side, place["y"] + 49.8 * side)
    page.mouse.up()
    # Until it is whole, what is drawn is told while it grows.
    expect(page.get_by_role("button", name="Use this region")).to_be_enabled()
    drawn = page.get_by_text("drawn box (")
    box = re.search(r"(\d+), (\d+), (\d+), (\d+)", drawn.first.inner_text())
    assert box is not None
    x0, y0, x1, y1 = map(int, box.groups())
    assert (x1 - x0, y1 - y0) in ((31, 39), (32, 40), (33, 41))
    page.get_by_role("button", name="Use this region").click()

    def within(rows: Rows, mask_id: int, mask: Mask) -> Mask:
        inside = np.zeros(mask.shape, np.bool_)
        inside[y0:y1, x0:x1] = True
        return inside

    found = counted.iou(0.5, within)
    shows_images(page, found, ranked(found)[:SHOWN])


def test_which_two_masks(page: Page, served: Served, counted: Counted) -> None:
    found = visit(page, served, counted)
    row = page.locator(".ms-rows article").first
    assert captions(row) == ["model_id 1", "model_id 2", "intersection", "union"]
    choose(page, "First mask", "2")
    expect(page.get_by_text("Compare: two different masks are wanted")).to_be_visible()
    # Nothing of the question before stays.
    expect(row).to_have_count(0)
    assert sum(bars(page)) == 0
    choose(page, "Second mask", "1")
    shows_images(page, found, ranked(found)[:SHOWN])
    assert captions(row) == ["model_id 2", "model_id 1", "intersection", "union"]


def test_panels_are_drawn_of_the_masks(page: Page, served: Served, counted: Counted) -> None:
    found = visit(page, served, counted)
    page.get_by_role("button", name="most alike").click()
    image = ranked(found, -1)[0]
    row = page.locator(".ms-rows article").first
    expect(row).to_contain_text(f"image {image}: ")
    pair = counted.pairs[image]
    first, second = (counted.masks[pair[model]] >= 0.5 for model in (1, 2))
    figures = row.locator("figure")
    for at, model in enumerate((1, 2)):
        below, heat = layers(figures.nth(at))
        assert f"/image/{pair[1]}.png" in below and f"/heat/{pair[model]}.png" in heat
        level = np.rint(254 * counted.masks[pair[model]])
        alpha = picture(page, heat)[..., 3]
        assert (alpha == np.rint(255 * np.sqrt(level / 254))).all()
    both, either = (picture(page, layers(figures.nth(at))[-1]) for at in (2, 3))
    assert ((both[..., 3] > 0) == (first & second)).all()
    assert ((either[..., 3] > 0) == (first | second)).all()


def test_of_changes_the_last_counts(page: Page, served: Served, counted: Counted) -> None:
    visit(page, served, counted)
    strong = page.get_by_label("Strong from")
    for threshold in ("0.35", "0.55", "0.65"):
        strong.fill(threshold)
        page.get_by_role("button", name="most alike").click()
        page.get_by_role("button", name="least alike").click()
    found = counted.iou(0.65)
    shows_images(page, found, ranked(found)[:SHOWN])
    expect(page.get_by_text(f"{len(ranked(found))} images, mean ")).to_be_visible()
    assert bars(page) == heights(found)
    shows_images(page, found, ranked(found)[:SHOWN])


def test_another_column_and_more_than_two_masks(
    page: Page, made_served: Served, made_opened: ms.Collection
) -> None:
    masks, rows = all_masks(made_opened), all_rows(made_opened)

    def found(column: str, values: tuple[int, int]) -> dict[int, tuple[int, int]]:
        of: dict[int, list[Mask]] = {}
        for i in sorted(masks):
            if rows[i][column] in values:
                of.setdefault(rows[i]["image_id"], []).append(masks[i] >= 0.5)
        return {
            image: (
                int(np.logical_and.reduce(some).sum()),
                int(np.logical_or.reduce(some).sum()),
            )
            for image, some in of.items()
        }

    def first(column: str, values: tuple[int, int], more: str) -> list[str]:
        every = found(column, values)
        return [f"({every[i][0]:,} of {every[i][1]:,} pixels){more}" for i in ranked(every)[:SHOWN]]

    def shown(wanted: list[str]) -> None:
        page.wait_for_function(
            "wanted => [...document.querySelectorAll('.ms-rows article .ms-number')]"
            ".map(e => e.textContent.replace(/^image \\d+: IoU [\\d.]+ /, '')).join() === wanted",
            arg=",".join(wanted),
        )

    page.goto(f"{made_served.url}attention")
    shown(first("mask_type", (1, 2), ""))
    choose(page, "First mask", "3")
    shown(first("mask_type", (3, 2), ""))
    row = page.locator(".ms-rows article").first
    assert captions(row) == ["mask_type 3", "mask_type 2", "intersection", "union"]
    # Of each image two masks are of one model: all count, of each model the first is shown.
    choose(page, "Column", "model_id")
    shown(first("model_id", (1, 2), ", of 3 masks: the first of each side is shown"))
    assert captions(row) == ["model_id 1", "model_id 2", "intersection", "union"]
