"""Training again: scopes, copies, progress, cancelling, and the table, against what is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from masksearch_ray.demo.record import DemoRecord, recall
from tests.browser.conftest import Served
from tests.browser.guided import trains_on
from tests.browser.walk import all_masks, all_rows, choose, ids_of

LONG = 60_000  # milliseconds; a training takes all processors there are


@dataclass
class Made:
    """What the demonstration is made of."""

    record: DemoRecord
    images: dict[int, int]

    @property
    def learnt(self) -> np.ndarray[Any, Any]:
        """Classes of the images that are learnt from, by image; -1 of the others."""
        digits, _ = self.record.digits()
        return np.where(digits.train, digits.labels, -1)


@pytest.fixture(scope="module")
def made(served: Served, opened: ms.Collection) -> Made:
    record = recall(served.collection)
    assert record is not None
    return Made(record, {i: row["image_id"] for i, row in all_rows(opened).items()})


def visit(page: Page, served: Served, marks: int) -> list[int]:
    """Open the page on the cell of 3s, and mark some; their masks."""
    page.goto(f"{served.url}classifier")
    expect(page.get_by_text(", 3 taken for 3, the most stray first")).to_be_visible()
    boxes = page.locator("#worst .ms-tile input")
    for at in range(marks):
        boxes.nth(at).click()
    return ids_of(page, "worst")[:marks]


def trains(page: Page, told: str) -> dict[str, tuple[str, str]]:
    """Train, wait for what is told then, and give the table: before and after."""
    page.get_by_role("button", name="Train again").click()
    expect(page.get_by_text(told)).to_be_visible(timeout=LONG)
    lines = page.locator(".ms-table tr").all_inner_texts()[1:]
    cells = [[cell.strip() for cell in line.split("\t")] for line in lines]
    return {name: (before, after) for name, before, after in cells}


def percents(shares: list[Any]) -> list[str]:
    return [f"{100 * float(share):.1f} %" for share in shares]


def test_before_is_what_the_model_does(page: Page, served: Served, made: Made) -> None:
    ids = visit(page, served, 5)
    choose(page, "Copies of", "these alone")
    page.get_by_label("Copies of each").fill("2")
    kept = {made.images[i] for i in ids if made.learnt[made.images[i]] >= 0}
    assert 0 < len(kept) < 5
    images = f"{len(kept)} image{'s' if len(kept) > 1 else ''}"
    table = trains(page, f"{2 * len(kept)} copies of {images} were added, changed by randomise.")
    clean, flawed = made.record.digits()
    _, model = made.record.models()
    unseen, threes = ~clean.train, clean.labels == 3
    right = {
        name: model.predict(digits.images) == digits.labels
        for name, digits in (("clean", clean), ("flawed", flawed))
    }
    before = [
        right["clean"][unseen].mean(),
        right["flawed"][unseen].mean(),
        right["clean"][unseen & threes].mean(),
        right["flawed"][unseen & threes].mean(),
    ]
    assert [shown[0] for shown in table.values()][:4] == percents(before)
    # What it looks at is in the masks: pixels of those of unseen 3s, outside the box.
    assert [name for name in table][-1] == "strong attention outside the box, marked class"
    assert len(table) == 6


def test_strong_attention_before_is_that_of_the_masks(
    page: Page, served: Served, made: Made, opened: ms.Collection
) -> None:
    visit(page, served, 3)
    choose(page, "Copies of", "all of their class")
    page.get_by_label("Copies of each").fill("1")
    threes = int((made.learnt == 3).sum())
    page.get_by_role("button", name="mean", exact=True).click()
    table = trains(page, f"{threes} copies of {threes} images were added, changed by mean.")
    outside = every = 0
    masks = all_masks(opened)
    for mask_id, row in all_rows(opened).items():
        if row["model_id"] == 2 and row["label"] == 3 and made.learnt[row["image_id"]] < 0:
            strong = masks[mask_id] >= 128 / 255
            x0, y0, x1, y1 = row["digit_box"]
            every += int(strong.sum())
            outside += int(strong.sum() - strong[y0:y1, x0:x1].sum())
    assert (
        table["strong attention outside the box, marked class"][0] == percents([outside / every])[0]
    )


def test_as_many_of_every_other_class(page: Page, served: Served, made: Made) -> None:
    ids = visit(page, served, 4)
    kept = [made.images[i] for i in ids if made.learnt[made.images[i]] >= 0]
    # Ten classes, as many of each.
    images = 10 * len(kept)
    page.get_by_label("Copies of each").fill("1")
    trains(page, f"{images} copies of {images} images were added, changed by randomise.")
    page.get_by_label("Copies of each").fill("11")
    page.get_by_role("button", name="Train again").click()
    expect(page.get_by_text("1 to 10 wanted")).to_be_visible()


def test_progress_and_cancel(page: Page, served: Served) -> None:
    visit(page, served, 0)
    choose(page, "Copies of", "all")
    page.get_by_label("Copies of each").fill("10")
    go = page.get_by_role("button", name="Train again")
    go.click()
    trains_on(page)
    expect(go).to_be_disabled()
    # Another one waits, and is cancelled though this one goes on.
    other = page.context.new_page()
    visit(other, served, 1)
    other.get_by_role("button", name="Train again").click()
    expect(other.get_by_text("Trainings run one at a time")).to_be_visible()
    other.get_by_role("button", name="Cancel", exact=True).click()
    expect(other.get_by_text("Cancelled.")).to_be_visible()
    expect(go).to_be_disabled()
    other.close()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    expect(go).to_be_enabled()
    expect(page.get_by_label("Progress of the training")).to_be_hidden()
    assert page.locator(".ms-table").count() == 0
