"""The SQL editor in a real browser: completion, errors at their place, keys, dark and light."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.editor_page import START

pytestmark = [pytest.mark.timeout(300)]

ROOT = Path(__file__).parent.parent.parent
EDITOR = '[aria-label="SQL of the query"]'
POPUP = ".cm-tooltip-autocomplete"
_PATIENCE = 60_000  # the machine may be busy with other tests


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the page with the editor is served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.browser.editor_page", str(port)]
    with subprocess.Popen(command, cwd=ROOT) as server:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and server.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://localhost:{port}/"
        server.terminate()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of its own, without the demonstration behind it, on which no script may fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(_PATIENCE)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    yield opened
    context.close()
    assert wrong == []


@pytest.fixture
def editor(page: Page, url: str) -> Locator:
    """The editor, with the cursor at the end of its text."""
    page.goto(url)
    found = page.locator(EDITOR)
    found.click()
    page.keyboard.press("Control+End")
    return found


def replaced(page: Page, text: str) -> None:
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_what_is_chosen_from_the_list_is_written(page: Page, editor: Locator) -> None:
    page.keyboard.type(" AND pred")
    first = page.locator(f"{POPUP} li").first
    expect(first).to_contain_text("prediction")
    expect(first).to_contain_text("text")
    first.click()
    page.keyboard.type(" = 'x' AND CP(mask, obj")
    expect(page.locator(f"{POPUP} li")).to_have_text(["object_boxa box in each row"])
    # Enter is not taken for a moment after the list opens.
    page.wait_for_timeout(200)
    page.keyboard.press("Enter")
    page.keyboard.type(", (0.5, 1.0")
    page.keyboard.press("End")
    page.keyboard.type(" > 5")
    told = "AND prediction = 'x' AND CP(mask, object_box, (0.5, 1.0)) > 5"
    expect(page.locator("#told")).to_contain_text(told)
    expect(page.locator(".ms-problem")).to_be_hidden()


def test_a_function_is_written_with_its_arguments(page: Page, editor: Locator) -> None:
    replaced(page, "SELECT ")
    page.keyboard.type("CP")
    first = page.locator(f"{POPUP} li").first
    expect(first).to_contain_text("pixels in a region")
    first.click()
    page.keyboard.type("parts")
    expect(page.locator("#told")).to_have_text("SELECT CP(mask, parts, (0.5, 1.0))")


def test_an_error_is_marked_and_told(page: Page, editor: Locator) -> None:
    replaced(page, "SELECT '😀' AS a,\n  labl FROM masks")
    expect(page.locator(".ms-wrong")).to_have_text("labl")
    problem = page.locator(".ms-problem")
    expect(problem).to_contain_text("Line 2, column 3: unknown column 'labl'")
    expect(problem).to_contain_text("nearest columns: label")
    replaced(page, "SELECT label FROM masks")
    expect(page.locator(".ms-wrong")).to_have_count(0)
    expect(problem).to_be_hidden()


def test_quick_typing_is_never_undone(page: Page, editor: Locator) -> None:
    written = " AND score > 0.25 AND label <> prediction AND model_id = 12"
    page.keyboard.type(written)
    page.keyboard.press("Escape")
    expect(page.locator("#told")).to_have_text(START + written)
    assert editor.inner_text().replace("\n", " ") == (START + written).replace("\n", " ")


def test_control_enter_runs_what_stands_there(page: Page, editor: Locator) -> None:
    page.keyboard.insert_text(" AND correct")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#ran")).to_have_text(f"{START} AND correct")
    assert "\n\n" not in editor.inner_text()


def test_a_text_that_is_set_is_shown_and_told_to_nobody(page: Page, editor: Locator) -> None:
    replaced(page, "SELECT label FROM masks")
    expect(page.locator("#told")).to_have_text("SELECT label FROM masks")
    page.get_by_role("button", name="Reset").click()
    expect(editor).to_contain_text("WHERE label = 'cat'")
    expect(page.locator("#told")).to_have_text("SELECT label FROM masks")


def test_the_editor_is_dark_where_the_page_is(page: Page, editor: Locator) -> None:
    ground = "getComputedStyle(document.querySelector('.cm-editor')).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.get_by_role("button", name="Dark").click()
    page.wait_for_function(f"{ground} === 'rgb(13, 17, 23)'")
