"""The server ends at once, whatever runs for a page."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.conftest import end, serve
from tests.browser.guided import trains_on
from tests.browser.walk import choose

SOON = 10.0
"""Seconds; the training takes several times as long."""


def test_ctrl_c_ends_a_training(browser: Browser, collection: str, tmp_path: Path) -> None:
    shutil.copytree(Path(collection).parent, tmp_path / "demo")
    # Of all images there are, so that the training is long.
    record = tmp_path / "demo" / "demo.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "images": None}))
    process, url = serve(str(tmp_path / "demo" / "masks"))
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.goto(f"{url}classifier")
        expect(page.locator("#worst .ms-tile").first).to_be_visible()
        choose(page, "Copies of", "all")
        page.get_by_label("Copies of each").fill("10")
        page.get_by_role("button", name="Train again").click()
        trains_on(page)
        process.send_signal(signal.SIGINT)
        process.wait(SOON)
    finally:
        context.close()
        end(process)
