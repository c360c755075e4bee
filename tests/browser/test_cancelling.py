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
from tests.browser.late_page import LATE_NOW

SOON = 20.0


@dataclass
class Slow:
    """A page on a collection whose pixels come late."""

    url: str
    records: Path

    @property
    def late(self) -> Path:
        """Pixels are late while it is there."""
        return self.records.parent / LATE_NOW

    def outcome(self, part: str) -> str:
        """How the query ended that holds this text; waits for its end."""
        until = time.monotonic() + SOON
        while time.monotonic() < until:
            lines = self.records.read_text().splitlines() if self.records.exists() else []
            ended = [one for one in map(json.loads, lines) if part in one["text"]]
            if ended:
                return str(ended[-1]["outcome"])
            time.sleep(0.05)
        raise AssertionError(f"no query with {part} has ended")


@pytest.fixture(scope="module")
def slow(collection: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    records = tmp_path_factory.mktemp("slow") / "records"
    process, url = start("tests.browser.late_page", collection, str(records))
    yield Slow(url, records)
    end(process)


def begins(page: Page) -> None:
    """Wait until what was typed is asked, and runs: its pixels come late."""
    page.wait_for_timeout(900)


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
    page: Page, slow: Slow, path: str, change: Change, ready: str
) -> None:
    page.goto(f"{slow.url}{path}")
    expect(page.get_by_text(ready).first).to_be_visible()
    slow.late.touch()
    change(page, "0.6173")
    begins(page)
    change(page, "0.6291")
    assert slow.outcome("0.6173") == "cancelled"
    begins(page)
    page.goto("about:blank")
    assert slow.outcome("0.6291") == "cancelled"
    slow.late.unlink()
