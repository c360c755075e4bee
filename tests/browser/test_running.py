"""While a query runs: what is shown of it, what stops it, and what its limits say."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served, end, serve, start
from tests.browser.walk import (
    Masks,
    all_masks,
    bright,
    first_by,
    ids_of,
    scores_of,
    shows,
    visit,
)

ALL = "above=0&values=0.1..1"
SOON = 10.0


@dataclass(frozen=True)
class SlowPage:
    """A page whose answers come slowly until `go` is called."""

    url: str
    folder: Path

    def go(self) -> None:
        """Let answers come at once from now on."""
        (self.folder / "go").touch()

    def log(self) -> list[str]:
        """What began and ended; that of the page's own questions at its start is left out."""
        return (self.folder / "log").read_text().splitlines()

    def waits_for(self, line: str) -> None:
        """Wait until a line is the last of the log."""
        until = time.monotonic() + SOON
        while self.log()[-1] != line and time.monotonic() < until:
            time.sleep(0.05)
        assert self.log()[-1] == line, self.log()


@pytest.fixture(scope="module")
def _slow(made: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowPage]:
    folder = tmp_path_factory.mktemp("slow")
    process, url = start("tests.browser.slow_page", str(folder), made)
    yield SlowPage(url, folder)
    end(process)


@pytest.fixture
def slow(_slow: SlowPage) -> SlowPage:
    """The page, slow again, with an empty log."""
    for name in ("go", "broken"):
        (_slow.folder / name).unlink(missing_ok=True)
    (_slow.folder / "log").write_text("")
    return _slow


@pytest.fixture(scope="module")
def masks(made_opened: ms.Collection) -> Masks:
    return all_masks(made_opened)


def test_results_appear_as_they_are_decided(page: Page, slow: SlowPage, masks: Masks) -> None:
    page.goto(f"{slow.url}?{ALL}")
    wanted = sorted(i for i, mask in masks.items() if (mask >= 0.1).any())
    part = page.get_by_text(re.compile("^[0-9]+ masks so far$"))
    expect(part).to_be_visible()
    expect(page.get_by_label("Execution")).to_contain_text("rows so far")
    expect(page.locator("#results .ms-tile").first).to_be_visible()
    some = ids_of(page)
    assert 0 < len(some) <= 60 and set(some) <= set(wanted)
    assert scores_of(page)[: len(some)] == [f"{int((masks[i] >= 0.1).sum()):,}" for i in some]
    page.get_by_role("button", name="Export").click()
    page.get_by_text("Table as CSV").click()
    expect(page.get_by_text("Wait until the answer is whole.")).to_be_visible()
    slow.go()
    expect(page.get_by_text(f"{len(wanted)} masks", exact=True)).to_be_visible()
    shows(page, wanted[:60])
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()


def test_cancel(page: Page, slow: SlowPage, masks: Masks) -> None:
    page.goto(f"{slow.url}?{ALL}")
    expect(page.get_by_text(re.compile("masks so far"))).to_be_visible()
    tile = page.locator("#results .ms-tile").nth(1)
    tile.focus()
    page.keyboard.press("Space")
    marked = tile.get_attribute("data-id")
    told = page.get_by_text(re.compile("masks so far")).inner_text()
    expect(page.get_by_text(told, exact=True)).to_be_hidden()
    # What came meanwhile moves neither the keyboard nor the marks.
    expect(page.locator(f'#results [data-id="{marked}"]')).to_be_focused()
    page.get_by_role("button", name="Cancel", exact=True).click()
    kept = page.get_by_text(re.compile("^Cancelled; what was decided before: [0-9]+ masks$"))
    expect(kept).to_be_visible()
    slow.waits_for("cancelled")
    wanted = sorted(i for i, mask in masks.items() if (mask >= 0.1).any())
    some = ids_of(page)
    assert 0 < len(some) <= 60 and set(some) <= set(wanted)
    expect(page.locator('#results [aria-selected="true"]')).to_have_count(1)
    page.get_by_role("button", name="Export").click()
    page.get_by_text("Table as CSV").click()
    expect(page.get_by_text("It was cancelled: there is no whole answer.")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()
    expect(page.get_by_label("Execution")).to_contain_text("cancelled")
    slow.go()
    page.get_by_role("button", name="Run", exact=True).click()
    shows(page, wanted[:60])


def test_a_change_stops_what_runs_or_waits(page: Page, slow: SlowPage, masks: Masks) -> None:
    page.goto(f"{slow.url}?{ALL}")
    expect(page.get_by_text(re.compile("masks so far"))).to_be_visible()
    page.get_by_role("button", name="First k").click()
    page.get_by_label("How many").fill("7")
    shows(page, first_by(masks, bright(0.1), 7))
    slow.waits_for("ended")
    began = [line for line in slow.log() if line.startswith("begun")]
    assert began[-1].endswith("ORDER BY score DESC LIMIT 7")
    assert slow.log().index("cancelled") in (1, 2)
    handle = page.get_by_role("slider", name="Values: from")
    handle.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    shows(page, first_by(masks, bright(0.14), 7))
    slow.waits_for("ended")
    # A change while another waits takes its place: that one never begins.
    more = [line for line in slow.log() if line.startswith("begun")][len(began) :]
    assert 1 <= len(more) < 8 and "(0.14, 1)" in more[-1]


def test_closing_the_page_stops_its_query(page: Page, slow: SlowPage) -> None:
    page.goto(f"{slow.url}?{ALL}")
    expect(page.get_by_text(re.compile("masks so far"))).to_be_visible()
    page.goto("about:blank")
    slow.waits_for("cancelled")
    assert len(slow.log()) == 2


def test_comparison_without_index_can_be_cancelled(page: Page, slow: SlowPage) -> None:
    slow.go()
    visit(page, slow.url, ALL)
    (slow.folder / "go").unlink()
    page.get_by_role("button", name="Run without index").click()
    expect(page.get_by_text("Reading every pixel …")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Not compared: cancelled")).to_be_visible()
    expect(page.get_by_role("button", name="Run without index")).to_be_enabled()
    slow.go()
    page.get_by_role("button", name="Run without index").click()
    expect(page.get_by_text(re.compile("The answers agree, [0-9]+ rows"))).to_be_visible()


def test_what_cannot_be_read_is_told_in_place_of_the_grid(page: Page, slow: SlowPage) -> None:
    slow.go()
    visit(page, slow.url)
    (slow.folder / "broken").touch()
    page.get_by_label("How many").fill("7")
    told = page.get_by_text("What was found cannot be shown: the metadata cannot be read")
    expect(told).to_be_visible()
    expect(page.locator("#results .ms-tile")).to_have_count(0)
    (slow.folder / "broken").unlink()
    page.get_by_label("How many").fill("8")
    expect(page.locator("#results .ms-tile")).to_have_count(8)
    expect(page.get_by_text("cannot be shown")).to_be_hidden()


def test_switch_without_index(page: Page, made_served: Served, masks: Masks) -> None:
    visit(page, made_served.url, "values=0.37..1&top=12")
    wanted = first_by(masks, bright(0.37), 12)
    shows(page, wanted)
    execution = page.get_by_label("Execution")
    page.get_by_text("Without index", exact=True).click()
    expect(execution).to_contain_text("verified by pixels600 (100.0 %)")
    shows(page, wanted)
    expect(page.get_by_role("button", name="Run without index")).to_be_disabled()
    page.wait_for_url("**index=0**")
    page.reload()
    expect(execution).to_contain_text("verified by pixels600 (100.0 %)")
    shows(page, wanted)
    page.get_by_text("Stages and shards").click()
    expect(execution.get_by_role("img", name="Time by stage")).to_be_visible()
    shards = execution.locator("tbody tr")
    verified = [int(row.split("\t")[2]) for row in shards.all_inner_texts()]
    assert sum(verified) == 600


def test_limit_of_rows_is_told(page: Page, made: str, masks: Masks) -> None:
    process, url = serve(made, "--rows", "70")
    try:
        visit(page, url, ALL)
        told = "The first 70 masks; there are more"
        expect(page.get_by_text(told, exact=True)).to_be_visible()
        passing = {i for i, mask in masks.items() if (mask >= 0.1).any()}
        assert set(ids_of(page)) <= passing and len(ids_of(page)) == 60
        page.get_by_role("button", name="2", exact=True).click()
        expect(page.locator("#results .ms-tile")).to_have_count(10)
        page.goto("about:blank")
    finally:
        end(process)


def test_limit_of_time_is_told(page: Page, collection: str) -> None:
    process, url = serve(collection, "--timeout", "0.1")
    try:
        corners = ", ".join(f"{7 * i % 61 + 0.5}, {11 * i % 59 + 0.25}" for i in range(20))
        counts = [f"CP(mask, polygon({corners}), (0.{100 + at}, 1.0))" for at in range(60)]
        sql = f"SELECT mask_id FROM masks WHERE {' + '.join(counts)} > 5"
        page.goto(f"{url}?index=0&{urlencode({'sql': sql})}")
        expect(page.locator(".ms-problem").first).to_contain_text("time limit of 0.1 s")
        expect(page.get_by_text("The query was not answered.")).to_be_visible()
        page.goto("about:blank")
    finally:
        end(process)
