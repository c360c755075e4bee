"""What is taken away, copied or linked, and what a link that is partly wrong says."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from masksearch_ray.cli import main
from tests.browser.conftest import Served
from tests.browser.made import ODD
from tests.browser.walk import (
    Masks,
    all_masks,
    all_rows,
    bright,
    first_by,
    ids_of,
    shows,
    sql_of,
    type_sql,
    visit,
)


@pytest.fixture(scope="module")
def masks(made_opened: ms.Collection) -> Masks:
    return all_masks(made_opened)


def copied(page: Page, name: str) -> str:
    """What is in the clipboard once this was chosen of the menu Copy."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("menuitem", name=name).click()
    for _ in range(200):
        if text := page.evaluate("navigator.clipboard.readText()"):
            return str(text)
        page.wait_for_timeout(50)
    raise AssertionError("nothing was copied")


def test_copies_are_the_query(
    page: Page, made_served: Served, tmp_path: Path, masks: Masks, made_opened: ms.Collection
) -> None:
    where = urlencode({"where": "label = '" + ODD.replace("'", "''") + "'"})
    visit(page, made_served.url, f"values=0.5..1&top=9&index=0&{where}")
    rows = all_rows(made_opened)
    of_odd = {i: mask for i, mask in masks.items() if rows[i]["label"] == ODD}
    wanted = first_by(of_odd, bright(0.5), 9)
    shows(page, wanted)
    sql = copied(page, "as SQL")
    assert " ".join(sql.split()) == " ".join(sql_of(page).split())
    assert made_opened.sql(sql).table.column("mask_id").to_pylist() == wanted
    command = shlex.split(copied(page, "as a command"))
    assert command[0] == "masksearch" and "--no-index" in command
    answer = tmp_path / "answer.csv"
    assert main([*command[1:], "--output", str(answer)]) == 0
    with answer.open(newline="") as file:
        assert [int(row["mask_id"]) for row in csv.DictReader(file)] == wanted
    assert "use_index=False" in copied(page, "as Python")
    link = copied(page, "link to this page")
    assert link == page.url
    page.goto("about:blank")
    page.goto(link)
    shows(page, wanted)


def test_what_the_browser_does_not_copy_is_shown(page: Page, made_served: Served) -> None:
    # As it is on a page that came unencrypted from another machine.
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    visit(page, made_served.url, "values=0.5..1&top=9")
    text = page.get_by_label("To be copied")
    for name in ("link to this page", "as SQL"):
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("menuitem", name=name).click()
        expect(text).to_be_focused()
        expect(text).to_have_value(page.url if "link" in name else re.compile("^SELECT mask_id"))
        page.wait_for_function(
            "(box => box.selectionStart === 0 && box.selectionEnd === box.value.length)"
            "(document.activeElement)"
        )
        page.get_by_role("button", name="Close").click()
        expect(text).to_be_hidden()
    expect(page.get_by_text("Copied.")).to_be_hidden()


def test_link_of_a_query_that_the_builder_cannot_show(
    page: Page, made_served: Served, made_opened: ms.Collection
) -> None:
    visit(page, made_served.url)
    sql = "SELECT mask_id, CP(mask, parts, (0.4, 1)) + 1 AS n FROM masks ORDER BY n DESC LIMIT 12"
    type_sql(page, sql)
    builder = page.get_by_label("Query builder")
    expect(page.get_by_text("More than the builder can show")).to_be_visible()
    page.keyboard.press("Control+Enter")
    wanted = made_opened.sql(sql, use_index=False).table.column("mask_id").to_pylist()
    shows(page, wanted)
    page.reload()
    shows(page, wanted)
    expect(page.get_by_text("More than the builder can show")).to_be_visible()
    # A change of a control starts anew.
    builder.get_by_label("How many").fill("3")
    expect(page.locator("#results .ms-tile")).to_have_count(3)
    assert "LIMIT 3" in sql_of(page) and "+ 1" not in sql_of(page)
    expect(page.get_by_text("More than the builder can show")).to_be_hidden()


def test_link_says_what_it_drops(page: Page, made_served: Served, masks: Masks) -> None:
    query = urlencode({"values": "0.5..1", "top": "6", "map": "rainbow", "where": "labl = 'cat'"})
    page.goto(f"{made_served.url}?{query}")
    expect(page.get_by_text("Of the link: map=rainbow: ")).to_be_visible()
    expect(page.get_by_text("Of the link: where=labl = 'cat': unknown column")).to_be_visible()
    # What can be taken is.
    shows(page, first_by(masks, bright(0.5), 6))


def test_sql_is_completed(page: Page, made_served: Served) -> None:
    visit(page, made_served.url)
    type_sql(page, "SELECT mask_id FROM masks WHERE cert")
    page.keyboard.press("Control+Space")
    first = page.locator(".cm-tooltip-autocomplete li").first
    expect(first).to_contain_text("certainty")
    first.click()
    page.keyboard.type(" > 0.9 AND CP(mask, pa")
    expect(page.locator(".cm-tooltip-autocomplete li").first).to_contain_text("parts")
    page.wait_for_timeout(200)  # Enter is not taken for a moment after the list opens
    page.keyboard.press("Enter")
    page.keyboard.type(", (0.5, 1")
    page.keyboard.press("End")
    page.keyboard.type(" > 3")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("so far")).to_be_hidden()
    assert "certainty > 0.9 AND CP(mask, parts, (0.5, 1)) > 3" in " ".join(sql_of(page).split())
    with ms.open(made_served.collection) as opened:
        wanted = opened.sql(sql_of(page)).table.column("mask_id").to_pylist()
    shows(page, wanted[:60])
    assert ids_of(page) == wanted[:60]
