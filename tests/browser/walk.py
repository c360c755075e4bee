"""How tests read the page, and count what it must show pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect

import masksearch_ray as ms

Mask = np.ndarray[Any, Any]
Masks = Mapping[int, Mask]
Ids = list[int]


def visit(page: Page, url: str, query: str = "") -> Page:
    """Open Explore, and wait for its first answer and for what is filled in later."""
    page.goto(url + (f"?{query}" if query else ""))
    expect(page.locator("#results .ms-tile").first).to_be_visible()
    expect(page.get_by_label("Pixels of all masks by value").first).to_be_attached()
    return page


def ids_of(page: Page, grid: str = "results") -> Ids:
    """Masks or images of a grid, in order."""
    found: list[str] = page.locator(f"#{grid} .ms-tile").evaluate_all(
        "tiles => tiles.map(tile => tile.dataset.id)"
    )
    return [int(one) for one in found]


def shows(page: Page, ids: Ids, grid: str = "results") -> None:
    """Wait until a grid shows these, in this order."""
    page.wait_for_function(
        "([grid, ids]) => [...document.querySelectorAll(`#${grid} .ms-tile`)]"
        ".map(tile => tile.dataset.id).join() === ids",
        arg=[grid, ",".join(map(str, ids))],
    )


def scores_of(page: Page) -> list[str]:
    """Scores that the grid tells."""
    return page.locator("#results .ms-tile b").all_inner_texts()


def first_by(masks: Masks, score: Callable[[int, Mask], float], k: int, sign: int = -1) -> Ids:
    """The k greatest (or least) by brute force, ties by id."""
    return sorted(masks, key=lambda mask_id: (sign * score(mask_id, masks[mask_id]), mask_id))[:k]


def all_masks(collection: ms.Collection) -> Masks:
    """All masks, by id."""
    ids = collection.sql("SELECT mask_id FROM masks").table.column(0).to_pylist()
    return dict(zip(ids, collection.masks(ids, scaled=True), strict=True))


def all_rows(collection: ms.Collection) -> dict[int, dict[str, Any]]:
    """All metadata, by id."""
    rows = collection.sql("SELECT * FROM masks").to_pylist()
    return {int(str(row["mask_id"])): row for row in rows}


def sql_of(page: Page) -> str:
    """The SQL as the editor shows it."""
    return "\n".join(page.locator(".ms-sql .cm-line").all_inner_texts())


def choose(page: Page, label: str, option: str) -> None:
    """Choose from a select."""
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def bright(low: float, high: float = 2.0) -> Callable[[int, Mask], float]:
    """How many pixels of a mask hold such values."""
    return lambda _, mask: int(((mask >= low) & (mask < high)).sum())


def box_of(page: Page, selector: str) -> tuple[float, float, float, float]:
    """Left, top, width and height of a picture that can be drawn on, once it is at rest."""
    page.wait_for_selector(f"{selector} svg.ms-sketch", state="attached")
    page.wait_for_timeout(400)  # until the dialog has come to rest
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def drag(page: Page, selector: str, a: tuple[float, float], b: tuple[float, float]) -> None:
    """Drag between two places, as shares of an element; half a pixel inside, as people miss."""
    x, y, width, height = box_of(page, selector)
    page.mouse.move(x + a[0] * width + 1, y + a[1] * height + 1)
    page.mouse.down()
    page.mouse.move(x + b[0] * width - 1, y + b[1] * height - 1, steps=4)
    page.mouse.up()


def type_sql(page: Page, sql: str) -> None:
    """Write SQL over what stands in the editor."""
    page.locator(".ms-sql .cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(sql)


def exported(page: Page, name: str) -> Path:
    """Choose an export; the file that comes."""
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as coming:
        page.get_by_text(name, exact=True).click()
    return Path(coming.value.path())
