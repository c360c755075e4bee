"""Filters on metadata, thresholds and second regions, against rows and pixels gone through."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served
from tests.browser.made import ODD
from tests.browser.walk import (
    Ids,
    Mask,
    Masks,
    all_masks,
    all_rows,
    bright,
    choose,
    drag,
    first_by,
    shows,
    sql_of,
    visit,
)

Row = dict[str, Any]


@pytest.fixture(scope="module")
def masks(made_opened: ms.Collection) -> Masks:
    return all_masks(made_opened)


@pytest.fixture(scope="module")
def rows(made_opened: ms.Collection) -> dict[int, Row]:
    return all_rows(made_opened)


Wanted = Callable[[Callable[[Row], bool]], Ids]


@pytest.fixture(scope="module")
def wanted(masks: Masks, rows: dict[int, Row]) -> Wanted:
    """The first 25 of the masks whose row passes."""

    def first(passes: Callable[[Row], bool]) -> Ids:
        return first_by({i: m for i, m in masks.items() if passes(rows[i])}, bright(0.8), 25)

    return first


def add(page: Page, column: str) -> None:
    choose(page, "Add a filter on …", column)


def values_of(page: Page, column: str, *options: str) -> None:
    """Click options of a select of several values."""
    page.get_by_role("combobox", name=f"{column}: values", exact=True).click()
    for option in options:
        page.get_by_role("option", name=option, exact=True).click()
    page.keyboard.press("Escape")


def test_one_of_several_values(page: Page, made_served: Served, wanted: Wanted) -> None:
    visit(page, made_served.url)
    add(page, "label")
    shows(page, wanted(lambda row: row["label"] == "cat"))
    choose(page, "label: comparison", "is one of")
    values_of(page, "label", ODD)
    shows(page, wanted(lambda row: row["label"] in ("cat", ODD)))
    choose(page, "label: comparison", "is none of")
    # As in SQL: what is empty is none of nothing, for it is not known.
    shows(page, wanted(lambda row: row["label"] == "dog"))
    page.get_by_role("button", name="Remove", exact=True).first.click()
    shows(page, wanted(lambda row: row["label"] in ("cat", "dog")))
    page.reload()
    shows(page, wanted(lambda row: row["label"] in ("cat", "dog")))


def test_values_of_all_kinds(page: Page, made_served: Served, wanted: Wanted) -> None:
    visit(page, made_served.url)
    add(page, "label")
    choose(page, "label: value", ODD)
    shows(page, wanted(lambda row: row["label"] == ODD))
    choose(page, "label: comparison", "is empty")
    shows(page, wanted(lambda row: row["label"] is None))
    choose(page, "label: comparison", "is not empty")
    shows(page, wanted(lambda row: row["label"] is not None))
    add(page, "correct")
    shows(page, wanted(lambda row: row["label"] is not None and row["correct"]))
    choose(page, "correct: value", "False")
    shows(page, wanted(lambda row: row["label"] is not None and not row["correct"]))
    page.get_by_label("Remove: label").click()
    shows(page, wanted(lambda row: not row["correct"]))
    choose(page, "Region", "parts (each mask's own boxes)")
    assert "parts" in sql_of(page)


def test_between_and_order(page: Page, made_served: Served, wanted: Wanted) -> None:
    visit(page, made_served.url)
    add(page, "certainty")
    choose(page, "certainty: comparison", "between")
    page.get_by_label("certainty: from").fill("0.25")
    shows(page, wanted(lambda row: row["certainty"] >= 0.25))
    page.get_by_label("certainty: to").fill("0.5")
    shows(page, wanted(lambda row: 0.25 <= row["certainty"] <= 0.5))
    page.get_by_label("Remove: certainty").click()
    add(page, "image_id")
    for comparison, passes in (
        ("<", lambda row: row["image_id"] < 50),
        ("<=", lambda row: row["image_id"] <= 50),
        (">", lambda row: row["image_id"] > 50),
        (">=", lambda row: row["image_id"] >= 50),
        ("is not", lambda row: row["image_id"] != 50),
        ("is", lambda row: row["image_id"] == 50),
    ):
        choose(page, "image_id: comparison", comparison)
        if comparison == "<":
            page.get_by_label("image_id: value").fill("50")
        shows(page, wanted(passes))


def test_values_and_columns_that_are_typed_or_chosen(
    page: Page, made_served: Served, wanted: Wanted
) -> None:
    visit(page, made_served.url)
    add(page, "image_id")
    page.get_by_label("image_id: another column").click()
    page.get_by_role("menuitem", name="→ mask_id", exact=True).click()
    shows(page, wanted(lambda row: row["image_id"] == row["mask_id"]))
    choose(page, "image_id: comparison", "is not")
    shows(page, wanted(lambda row: row["image_id"] != row["mask_id"]))
    choose(page, "image_id: value", "a value …")
    page.get_by_label("image_id: value").fill("7")
    shows(page, wanted(lambda row: row["image_id"] != 7))
    choose(page, "image_id: comparison", "is one of")
    page.get_by_label("image_id: values").fill("7, 8,9")
    shows(page, wanted(lambda row: row["image_id"] in (7, 8, 9)))
    page.get_by_label("image_id: values").fill("7, eight")
    expect(page.get_by_text("with commas between")).to_be_visible()
    page.get_by_label("Remove: image_id").click()
    add(page, "note")
    choose(page, "note: comparison", "is none of")
    page.get_by_label("note: values").fill("note 0 of 1, note 3 of 2")
    shows(page, wanted(lambda row: row["note"] not in ("note 0 of 1", "note 3 of 2")))


def test_patterns(page: Page, made_served: Served, wanted: Wanted) -> None:
    visit(page, made_served.url)
    add(page, "note")
    choose(page, "note: comparison", "like")
    page.get_by_label("note: value").fill("note 1_ of %")
    tens = {f"note {i} of {kind}" for i in range(10, 20) for kind in (1, 2, 3)}
    shows(page, wanted(lambda row: row["note"] in tens))
    choose(page, "note: comparison", "not like")
    shows(page, wanted(lambda row: row["note"] not in tens))
    choose(page, "note: comparison", "is")
    page.get_by_label("note: value").fill("note 12 of 3")
    shows(page, wanted(lambda row: row["note"] == "note 12 of 3"))


def test_several_filters_and_one_taken_away(
    page: Page, made_served: Served, wanted: Wanted
) -> None:
    visit(page, made_served.url)
    add(page, "mask_type")
    choose(page, "mask_type: value", "2")
    add(page, "correct")
    add(page, "certainty")
    choose(page, "certainty: comparison", ">")
    page.get_by_label("certainty: value").fill("0.4")
    shows(
        page,
        wanted(lambda row: row["mask_type"] == 2 and row["correct"] and row["certainty"] > 0.4),
    )
    page.get_by_label("Remove: correct").click()
    shows(page, wanted(lambda row: row["mask_type"] == 2 and row["certainty"] > 0.4))
    expect(page.get_by_label("certainty: value")).to_have_value("0.4")
    page.reload()
    shows(page, wanted(lambda row: row["mask_type"] == 2 and row["certainty"] > 0.4))
    expect(page.get_by_label("certainty: value")).to_have_value("0.4")


@pytest.mark.parametrize("order", ["lowest", "highest"])
def test_top_k_order(page: Page, made_served: Served, masks: Masks, order: str) -> None:
    visit(page, made_served.url, "values=0.5..1&top=3" if order == "lowest" else "bottom=3")
    choose(page, "Highest or lowest", order)
    page.get_by_label("How many").fill("11")
    low, sign = (0.5, 1) if order == "lowest" else (0.8, -1)
    shows(page, first_by(masks, bright(low), 11, sign=sign))


def test_threshold_comparisons(page: Page, made_served: Served, masks: Masks) -> None:
    visit(page, made_served.url, "values=0.5..1")
    counts = {i: int((mask >= 0.5).sum()) for i, mask in masks.items()}
    threshold = sorted(counts.values())[len(counts) // 2]
    page.get_by_role("button", name="All that pass").click()
    page.get_by_label("Threshold").fill(str(threshold))
    for comparison, name, passes in (
        (">", "above", operator.gt),
        (">=", "from", operator.ge),
        ("<", "below", operator.lt),
        ("<=", "upto", operator.le),
    ):
        if comparison != ">":
            choose(page, "Comparison", comparison)
        found = sorted(i for i, n in counts.items() if passes(n, threshold))
        expect(page.get_by_text(f"{len(found)} masks", exact=True)).to_be_visible()
        shows(page, found[:60])
        expect(page.get_by_label("Query builder")).to_contain_text(f"{len(found)} masks: the index")
        page.wait_for_url(f"**{name}={threshold}**")


def test_second_region_and_values(page: Page, made_served: Served, masks: Masks) -> None:
    visit(page, made_served.url)
    choose(page, "Score", "ratio of two counts")
    page.get_by_label("Values, from", exact=True).fill("0.6")
    page.get_by_label("Draw: Second region").click()
    drag(page, "#region", (0.25, 0.25), (0.75, 0.75))
    page.get_by_role("button", name="Use this region").click()

    def ratio(low: float, high: float, outside: bool = False) -> Callable[[int, Mask], float]:
        def of(_: int, mask: Mask) -> float:
            chosen = (mask >= low) & (mask < high)
            inside = int(chosen[6:18, 8:24].sum())
            below = int(chosen.sum()) - inside if outside else inside
            return int((mask >= 0.6).sum()) / below if below else -1.0

        return of

    shows(page, first_by(masks, ratio(0.0, 2.0), 25))
    page.get_by_label("Second region: outside of it", exact=True).click()
    shows(page, first_by(masks, ratio(0.0, 2.0, outside=True), 25))
    page.get_by_label("Second values, to", exact=True).fill("0.5")
    shows(page, first_by(masks, ratio(0.0, 0.5, outside=True), 25))
    right = page.locator(".q-range").nth(1).locator(".q-slider__thumb").last
    right.focus()
    page.keyboard.press("ArrowLeft")
    shows(page, first_by(masks, ratio(0.0, 0.495, outside=True), 25))
    page.reload()
    shows(page, first_by(masks, ratio(0.0, 0.495, outside=True), 25))
    choose(page, "Second region", "full image")
    expect(page.get_by_label("Second region: outside of it", exact=True)).to_be_hidden()
