"""Explore: every control, and what it shows against answers counted pixel by pixel."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as parquet
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served, Shoot
from tests.browser.walk import (
    Mask,
    Masks,
    all_masks,
    all_rows,
    box_of,
    bright,
    choose,
    drag,
    exported,
    first_by,
    ids_of,
    scores_of,
    shows,
    sql_of,
    type_sql,
    visit,
)
from tests.oracle.pixels import polygon_region


@pytest.fixture(scope="module")
def masks(opened: ms.Collection) -> Masks:
    return all_masks(opened)


@pytest.fixture(scope="module")
def rows(opened: ms.Collection) -> dict[int, dict[str, Any]]:
    return all_rows(opened)


def test_first_answer(page: Page, served: Served, masks: Masks, shoot: Shoot) -> None:
    visit(page, served.url)
    wanted = first_by(masks, bright(0.8), 25)
    assert ids_of(page) == wanted
    assert [int(one) for one in scores_of(page)] == [int((masks[i] >= 0.8).sum()) for i in wanted]
    expect(page.get_by_label("Execution")).to_contain_text("decided by the index")
    shoot(page, "explore")


def test_values_by_slider_and_number(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url)
    page.get_by_label("Values, from", exact=True).fill("0.5")
    shows(page, first_by(masks, bright(0.5), 25))
    assert "(0.5, 1)" in sql_of(page)
    page.get_by_label("Values, to", exact=True).fill("0.7")
    shows(page, first_by(masks, bright(0.5, 0.7), 25))
    left = page.locator(".q-range .q-slider__thumb").first
    left.focus()
    page.keyboard.press("ArrowRight")
    shows(page, first_by(masks, bright(0.505, 0.7), 25))


def test_order_and_k(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url)
    choose(page, "Highest or lowest", "lowest")
    page.get_by_label("How many").fill("9")
    shows(page, first_by(masks, bright(0.8), 9, sign=1))


def test_region_of_a_column_and_its_outside(
    page: Page, served: Served, masks: Masks, rows: dict[int, dict[str, Any]]
) -> None:
    visit(page, served.url)
    choose(page, "Region", "digit_box (each mask's own box)")

    def inside(mask_id: int, mask: Mask) -> int:
        x0, y0, x1, y1 = rows[mask_id]["digit_box"]
        return int((mask[y0:y1, x0:x1] >= 0.8).sum())

    shows(page, first_by(masks, inside, 25))
    page.get_by_label("Region: outside of it", exact=True).click()
    shows(page, first_by(masks, lambda i, m: int((m >= 0.8).sum()) - inside(i, m), 25))


def test_share_and_ratio(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url)
    choose(page, "Score", "share of the region's area")
    shows(page, first_by(masks, bright(0.8), 25))
    # The same masks in the same order as before: only the scores tell the new answer.
    share = f"{(masks[ids_of(page)[0]] >= 0.8).mean():.4g}"
    expect(page.locator("#results .ms-tile b").first).to_have_text(share)
    choose(page, "Score", "ratio of two counts")
    page.get_by_label("Second values, from").fill("0.4")

    def ratio(_: int, mask: Mask) -> float:
        below = int((mask >= 0.4).sum())
        return int((mask >= 0.8).sum()) / below if below else -1.0

    shows(page, first_by(masks, ratio, 25))


def test_filter_counts_what_the_bounds_decide(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url)
    page.get_by_role("button", name="All that pass").click()
    page.get_by_label("Threshold").fill("60")
    wanted = sorted(i for i, mask in masks.items() if (mask >= 0.8).sum() > 60)
    expect(page.get_by_text(f"{len(wanted)} masks", exact=True)).to_be_visible()
    shows(page, wanted[:60])
    expect(page.get_by_label("Query builder")).to_contain_text(
        f"{len(wanted)} masks: the index decides all of them"
    )


def test_drawn_box(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url)
    page.get_by_label("Draw: Region").click()
    drag(page, "#region", (0.25, 0.25), (0.5, 0.75))
    page.get_by_role("button", name="Use this region").click()
    shows(page, first_by(masks, lambda _, m: int((m[16:48, 16:32] >= 0.8).sum()), 25))
    assert "box(16, 16, 32, 48)" in sql_of(page)


def test_drawn_polygon(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url)
    page.get_by_label("Draw: Region").click()
    page.get_by_role("button", name="Polygon").click()
    box = box_of(page, "#region")
    corners = ((0.1, 0.1), (0.9, 0.2), (0.3, 0.9))
    for x, y in corners:
        page.mouse.click(box[0] + x * box[2], box[1] + y * box[3])
    page.locator("#region").press("Enter")
    page.get_by_role("button", name="Use this region").click()
    expect(page.locator(".ms-sql .cm-content")).to_contain_text("polygon(")
    numbers = re.findall(r"[\d.]+", sql_of(page).partition("polygon(")[2].partition(")")[0])
    drawn = tuple(float(number) for number in numbers)
    # A click hits a pixel of the screen, of which a pixel of the mask has several.
    assert drawn == pytest.approx([64 * share for corner in corners for share in corner], abs=0.4)
    inside = polygon_region(drawn, 64, 64)
    shows(page, first_by(masks, lambda _, mask: int((mask[inside] >= 0.8).sum()), 25))


def test_metadata_filters(
    page: Page, served: Served, masks: Masks, rows: dict[int, dict[str, Any]]
) -> None:
    visit(page, served.url)
    choose(page, "Add a filter on …", "label")
    choose(page, "label: value", "3")
    of_three = {i: m for i, m in masks.items() if rows[i]["label"] == 3}
    shows(page, first_by(of_three, bright(0.8), 25))
    choose(page, "label: comparison", "is not")
    others = {i: m for i, m in masks.items() if rows[i]["label"] != 3}
    shows(page, first_by(others, bright(0.8), 25))
    choose(page, "label: value", "→ prediction")
    wrong = {i: m for i, m in masks.items() if rows[i]["label"] != rows[i]["prediction"]}
    shows(page, first_by(wrong, bright(0.8), 25))
    page.get_by_label("Remove: label").click()
    shows(page, first_by(masks, bright(0.8), 25))


def test_iou_of_two_models(
    page: Page, served: Served, masks: Masks, rows: dict[int, dict[str, Any]]
) -> None:
    visit(page, served.url)
    choose(page, "Score", "IoU of two masks of an image")
    choose(page, "Highest or lowest", "lowest")
    page.get_by_label("Values, from", exact=True).fill("0.5")
    pairs: dict[int, list[Mask]] = {}
    for i in sorted(masks):
        pairs.setdefault(rows[i]["image_id"], []).append(masks[i] >= 0.5)
    ious = {image: float((a & b).sum() / (a | b).sum()) for image, (a, b) in pairs.items()}
    wanted = sorted(ious, key=lambda image: (ious[image], image))[:25]
    shows(page, wanted)


def test_sql_and_builder_in_step(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url)
    type_sql(
        page, "SELECT mask_id, CP(mask, full_image, (0.3, 0.6)) n FROM masks ORDER BY n LIMIT 7"
    )
    expect(page.get_by_label("Values, to", exact=True)).to_have_value("0.6")
    expect(page.get_by_label("How many")).to_have_value("7")
    page.get_by_role("button", name="Run", exact=True).click()
    shows(page, first_by(masks, bright(0.3, 0.6), 7, sign=1))


def test_wrong_sql_is_told_at_its_place(page: Page, served: Served) -> None:
    visit(page, served.url)
    before = ids_of(page)
    type_sql(page, "SELECT mask_id FROM masks WHERE lable = 3")
    expect(page.locator(".ms-problem").first).to_contain_text("line 1, column 33", ignore_case=True)
    expect(page.locator(".ms-problem").first).to_contain_text("label")
    assert ids_of(page) == before


def test_table_of_other_columns(page: Page, served: Served, opened: ms.Collection) -> None:
    visit(page, served.url)
    sql = "SELECT label, COUNT(*) AS n FROM masks GROUP BY label"
    type_sql(page, sql)
    page.get_by_role("button", name="Run", exact=True).click()
    table = page.locator(".q-table").last
    expect(page.get_by_text("10 rows", exact=True)).to_be_visible()
    found = [row.split("\t") for row in table.locator("tbody tr").all_inner_texts()]
    wanted = [[str(r["label"]), str(r["n"])] for r in opened.sql(sql).to_pylist()]
    assert found == wanted


def test_without_index_agrees(page: Page, served: Served) -> None:
    visit(page, served.url)
    page.get_by_role("button", name="Run without index").click()
    expect(page.get_by_text("The answers agree, 25 rows, to the last bit.")).to_be_visible()


def test_paging_sorting_and_marks(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url, "top=150&values=0.8..1")
    wanted = first_by(masks, bright(0.8), 150)
    assert ids_of(page) == wanted[:60]
    page.locator("#results .ms-tile input").nth(1).click()
    page.get_by_role("button", name="3", exact=True).click()
    shows(page, wanted[120:])
    page.get_by_role("button", name="Mark page").click()
    expect(page.get_by_text("31 marked", exact=True)).to_be_visible()
    choose(page, "Order", "mask_id, least first")
    shows(page, sorted(wanted)[:60])
    choose(page, "Per page", "300")
    shows(page, sorted(wanted))
    page.get_by_role("button", name="Unmark").click()
    expect(page.get_by_text("0 marked", exact=True)).to_be_visible()


def test_exports(page: Page, served: Served, masks: Masks) -> None:
    visit(page, served.url)
    wanted = first_by(masks, bright(0.8), 25)
    content = exported(page, "Table as CSV").read_text()
    assert [int(row["mask_id"]) for row in csv.DictReader(io.StringIO(content))] == wanted
    table = parquet.read_table(exported(page, "Table as Parquet"))
    assert table["mask_id"].to_pylist() == wanted
    page.locator("#results .ms-tile input").nth(2).click()
    expect(page.get_by_text("1 marked", exact=True)).to_be_visible()
    assert exported(page, "Ids, one a line").read_text() == f"{wanted[2]}\n"
    with zipfile.ZipFile(exported(page, "Overlays as PNG, in a ZIP file")) as archive:
        assert archive.namelist() == [f"{wanted[2]}.png"]
        assert Image.open(io.BytesIO(archive.read(f"{wanted[2]}.png"))).size[0] >= 64


def test_copies_run(page: Page, served: Served, tmp_path: Path) -> None:
    visit(page, served.url)
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("as Python", exact=True).click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    code = page.evaluate("navigator.clipboard.readText()")
    assert "masksearch_ray" in code and served.collection in code
    with contextlib.redirect_stdout(io.StringIO()) as told:
        exec(compile(code, "copied", "exec"), {})
    printed = ast.literal_eval(told.getvalue())
    assert [row["mask_id"] for row in printed] == ids_of(page)
    assert [str(row["score"]) for row in printed] == scores_of(page)


def test_address_holds_query_and_view(page: Page, served: Served) -> None:
    visit(page, served.url)
    page.get_by_label("How many").fill("7")
    expect(page.locator("#results .ms-tile")).to_have_count(7)
    choose(page, "Colours", "cividis")
    page.wait_for_url("**map=cividis**")
    link, ids = page.url, ids_of(page)
    assert parse_qs(urlsplit(link).query)["top"] == ["7"]
    page.goto("about:blank")
    page.goto(link)
    shows(page, ids)
    assert "map=cividis" in str(
        page.locator("#results img.ms-heat").first.get_attribute("data-src")
    )


def test_detail(page: Page, served: Served, masks: Masks, shoot: Shoot) -> None:
    visit(page, served.url)
    ids = ids_of(page)
    page.locator("#results .ms-tile").nth(1).click()
    expect(page.get_by_text(f"mask {ids[1]}, image")).to_be_visible()
    drag(page, "#detail-mask", (0.25, 0.25), (0.75, 0.5))
    n = int((masks[ids[1]][16:32, 16:48] >= 0.8).sum())
    expect(page.get_by_text(f"box(16, 16, 48, 32): {n} pixels")).to_be_visible()
    shoot(page, "detail")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text(f"mask {ids[2]}, image")).to_be_visible()
    page.get_by_label("The one before").click()
    expect(page.get_by_text(f"mask {ids[1]}, image")).to_be_visible()
    page.get_by_label("Close").click()
    expect(page.locator("#detail-mask")).to_be_hidden()


def test_grid_by_keyboard(page: Page, served: Served) -> None:
    visit(page, served.url)
    tiles = page.locator("#results .ms-tile")
    tiles.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    expect(tiles.nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("#detail-mask")).to_be_visible()


def test_looks(page: Page, served: Served, shoot: Shoot) -> None:
    visit(page, served.url)
    page.get_by_text("own scale").click()
    page.wait_for_function(
        "document.querySelector('#results img.ms-heat').dataset.src.includes('own=1')"
    )
    page.locator(".q-checkbox", has_text="boxes").click()
    expect(page.locator("#results .ms-tile rect")).to_have_count(0)
    page.get_by_label("Dark or light").click()
    page.wait_for_function("document.body.classList.contains('body--dark')")
    shoot(page, "dark")


def test_dark_is_kept(browser: Browser, served: Served) -> None:
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.goto(served.url)
    page.get_by_label("Dark or light").click()
    page.wait_for_function("document.body.classList.contains('body--dark')")
    page.goto(f"{served.url}attention")
    page.wait_for_function("document.body.classList.contains('body--dark')")
    # Before the page is built, too: here it never is.
    page.route("**/nicegui.js", lambda route: route.fulfill(body=""))
    page.goto(served.url)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(18, 22, 26)"
    context.close()


def test_nothing_found_is_told(page: Page, served: Served) -> None:
    page.goto(f"{served.url}?above=100000")
    expect(page.get_by_text("No mask satisfies this.")).to_be_visible()


def test_broken_link_says_what_was_dropped(page: Page, served: Served) -> None:
    page.goto(f"{served.url}?top=many&nonsense=1")
    expect(page.get_by_text("Of the link").first).to_be_visible()
    expect(page.locator("#results .ms-tile").first).to_be_visible()
