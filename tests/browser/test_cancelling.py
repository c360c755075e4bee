"""On guided pages a second change cancels what the first asked, and leaving what was asked last."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import end, start
from tests.browser.late_page import BEGUN, LATE_NOW

SOON = 20.0


@dataclass
class LatePage:
    """A page on a collection whose pixels come late."""

    url: str
    records: Path

    @property
    def late(self) -> Path:
        """Pixels are late while it is there."""
        return self.records.parent / LATE_NOW

    def lines(self, part: str) -> list[str]:
        """What became so far of the queries that hold this text."""
        lines = self.records.read_text().splitlines() if self.records.exists() else []
        return [one["outcome"] for one in map(json.loads, lines) if part in one["text"]]

    def begins(self, part: str) -> None:
        """Wait until a query that holds this text runs; its pixels come late."""
        self._wait(part, lambda: self.lines(part))

    def outcome(self, part: str) -> str:
        """How the query ended that holds this text; waits for its end."""
        ended = self._wait(part, lambda: [one for one in self.lines(part) if one != BEGUN])
        return ended[-1]

    def _wait(self, part: str, find: Callable[[], list[str]]) -> list[str]:
        until = time.monotonic() + SOON
        while time.monotonic() < until:
            if found := find():
                return found
            time.sleep(0.05)
        raise AssertionError(f"{part}: {self.lines(part)}")


@pytest.fixture(scope="module")
def slow(collection: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LatePage]:
    records = tmp_path_factory.mktemp("slow") / "records"
    process, url = start("tests.browser.late_page", collection, str(records))
    yield LatePage(url, records)
    end(process)


Change = Callable[[Page, str], None]


def strong(page: Page, value: str) -> None:
    page.get_by_label("Strong from").fill(value)


def upper(page: Page, value: str) -> None:
    page.get_by_label("Counted values, to").fill(value)


@pytest.mark.parametrize(
    ("path", "change", "ready"),
    [
        ("attention", strong, "images, mean "),
        ("classifier", strong, "the most stray first"),
        ("attacked", upper, "Average precision"),
    ],
    ids=["attention", "classifier", "attacked"],
)
def test_second_change_and_leaving(
    page: Page, slow: LatePage, path: str, change: Change, ready: str
) -> None:
    page.goto(f"{slow.url}{path}")
    expect(page.get_by_text(ready).first).to_be_visible()
    slow.late.touch()
    change(page, "0.6173")
    slow.begins("0.6173")
    change(page, "0.6291")
    assert slow.outcome("0.6173") == "cancelled"
    slow.begins("0.6291")
    page.goto("about:blank")
    assert slow.outcome("0.6291") == "cancelled"
    slow.late.unlink()
