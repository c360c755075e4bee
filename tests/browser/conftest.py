"""A collection, a server of the page in a process of its own, and Chromium."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

import masksearch_ray as ms
from masksearch_ray.demo import run_demo
from tests.browser.made import make

IMAGES = 400
_DOCS = Path(__file__).parents[2] / "docs" / "images"
_START = 90.0
_DRAWN = """() => [...document.images]
    .filter((image) => image.checkVisibility() && image.getBoundingClientRect().top < innerHeight)
    .every((image) => image.complete && image.naturalWidth)"""
# Two cores may be busy with other tests.
_PATIENCE = 20_000
expect.set_options(timeout=_PATIENCE)
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the pictures of the documents be taken anew."""
    parser.addoption("--shots", action="store_true", help="take the pictures in docs/images anew")


Shoot = Callable[[Page, str], None]


@pytest.fixture
def shoot(request: pytest.FixtureRequest, tmp_path: Path) -> Shoot:
    """Take a picture of a page, for the documents if that is asked for."""
    folder = _DOCS if request.config.getoption("--shots") else tmp_path

    def take(page: Page, name: str) -> None:
        page.wait_for_load_state("networkidle")
        page.wait_for_function(_DRAWN)
        page.screenshot(path=folder / f"page-{name}.png")
        assert (folder / f"page-{name}.png").stat().st_size > 10_000

    return take


@dataclass(frozen=True)
class Served:
    """A page that is served.

    Attributes
    ----------
    url : str
        As the command told it.
    collection : str
        What is served.
    process : int
        That serves it.
    """

    url: str
    collection: str
    process: int


def serve(collection: str, *options: str) -> tuple[subprocess.Popen[str], str]:
    """Start the command, and wait for the URL that it tells."""
    return start("masksearch_ray", "serve", collection, *options)


def start(module: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a module that serves a page, and wait for the URL that it tells."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    told = ""
    while not told.startswith("Serving "):
        told = lines.get(timeout=_START)
    return process, told.rstrip().rpartition(" at ")[2]


def _read(stream: IO[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)


def end(process: subprocess.Popen[str]) -> None:
    """End a server by its own id."""
    process.terminate()
    process.wait(20)
    if process.stdout is not None:
        process.stdout.close()


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The demonstration's masks, of fewer images."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    for _ in run_demo(folder, "local", images=IMAGES):
        pass
    return str(folder / "masks")


@pytest.fixture(scope="session")
def opened(collection: str) -> Iterator[ms.Collection]:
    """The same collection, to be asked beside the page."""
    with ms.open(collection) as held:
        yield held


@pytest.fixture(scope="session")
def served(collection: str) -> Iterator[Served]:
    """The page, served."""
    process, url = serve(collection)
    yield Served(url, collection, process.pid)
    end(process)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A collection with three masks an image, NULLs, and columns of all kinds."""
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def made_opened(made: str) -> Iterator[ms.Collection]:
    """The same, to be asked beside the page."""
    with ms.open(made) as held:
        yield held


@pytest.fixture(scope="session")
def made_served(made: str) -> Iterator[Served]:
    """The page on it, served."""
    process, url = serve(made)
    yield Served(url, made, process.pid)
    end(process)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; that of the system."""
    program = shutil.which("chromium")
    assert program is not None, "these tests drive Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """A page of 1280 x 900 pixels on which no script may fail."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(_PATIENCE)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.extend(_wrong(message)))
    yield opened
    context.close()
    assert not wrong, wrong


def _wrong(message: ConsoleMessage) -> list[str]:
    return [message.text] if message.type == "error" else []
