"""How tests read the page, and count what it must show pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
