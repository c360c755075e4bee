"""How soon the page answers one person, and many at once, and whether it grows; needs Chromium.

    python -m scripts.measure_page demo-out/masks --people 20 --seconds 60

One person is timed in Chromium, from the change of a control until tiles and their pictures are
drawn. Many are asked for as their browsers would ask, see page_visitor.py.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from scripts.page_visitor import Visitor

_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip
_LOOK = 20  # milliseconds; a page that is drawn seldom would else be looked at as seldom
_THINKING = 3.0  # seconds between two questions of one person
_HOUR = 3600 / 15  # questions of an hour


def main() -> None:
    """Serve, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("--times", type=int, default=9, help="of what one person does")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--questions", type=int, default=int(_HOUR), help="of one page left open")
    arguments = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "masksearch_ray", "serve", arguments.collection, "--port=0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = next(line for line in server.stdout if line.startswith("Serving "))
        asyncio.run(measure(url.rstrip().rpartition(" at ")[2], arguments, server.pid))
    finally:
        server.terminate()
        server.wait(20)


async def measure(url: str, arguments: argparse.Namespace, server: int) -> None:
    """Measure one person, then many, then one for long."""
    async with async_playwright() as playwright:
        program = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        for _ in range(2):  # what first visitors read and compile, later ones find in memory
            await visit(browser, url)
            await three_hundred(browser, url, 900)
        told("first meaningful page", [await visit(browser, url) for _ in range(arguments.times)])
        for height in (900, 12_000):  # of these, all 300 are in sight in the second alone
            times = [await three_hundred(browser, url, height) for _ in range(arguments.times)]
            told(f"300 tiles after a query, window {height:,} pixels high", times)
        await growth(browser, url, arguments.questions, server)
        await browser.close()
    await crowd(url, arguments, server)


async def visit(browser: Browser, url: str) -> float:
    """Seconds until a new visitor sees the first answer."""
    context = await browser.new_context()
    page = await context.new_page()
    began = time.perf_counter()
    await page.goto(url, wait_until="commit")
    await page.wait_for_selector("#results .ms-tile")
    await page.wait_for_function(_LOADED, polling=_LOOK)
    took = time.perf_counter() - began
    await context.close()
    return took


async def three_hundred(browser: Browser, url: str, height: int) -> float:
    """Seconds from a query to 300 tiles, with their pictures as far as they are in sight."""
    context = await browser.new_context(viewport={"width": 1280, "height": height})
    page = await context.new_page()
    await page.goto(f"{url}?top=300&tiles=300&values=0.7..1")
    await page.wait_for_selector("#results .ms-tile >> nth=299")
    await page.wait_for_timeout(1500)
    took = await ask(page, round(random.uniform(0.3, 0.6), 4))
    await context.close()
    return took


async def ask(page: Page, low: float) -> float:
    """Seconds from another value until the grid shows another answer, with its pictures."""
    await page.evaluate("document.querySelector('#results .ms-tile').dataset.old = 'yes'")
    began = time.perf_counter()
    await page.get_by_label("Values, from", exact=True).fill(str(low))
    await page.wait_for_function(_SHOWN, polling=_LOOK)
    await page.wait_for_function(_LOADED, polling=_LOOK)
    return time.perf_counter() - began


_SHOWN = (
    "() => { const t = document.querySelector('#results .ms-tile'); return t && !t.dataset.old; }"
)
_LOADED = """() => [...document.querySelectorAll('#results img')]
    .filter((image) => image.parentElement.getBoundingClientRect().top < innerHeight)
    .every((image) => image.complete && image.naturalWidth)"""


async def growth(browser: Browser, url: str, questions: int, server: int) -> None:
    """Ask as much on one page as in an hour; memory of browser and server on the way."""
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    await page.goto(url)
    await page.wait_for_selector("#results .ms-tile")
    chance = random.Random(0)
    for number in range(questions):
        await ask(page, round(chance.uniform(0.2, 0.95), 4))
        if number + 1 in (questions // 4, questions // 2, questions):
            print(
                f"one page after {number + 1} questions: {await heap(page):.1f} MB of objects in "
                f"the browser, {memory(server):.0f} MB in the server",
                flush=True,
            )
    await page.close()


async def heap(page: Page) -> float:
    """Objects of the page's scripts that are in use, MB."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    used = await session.send("Runtime.getHeapUsage")
    await session.detach()
    return float(used["usedSize"]) / 1e6


async def crowd(url: str, arguments: argparse.Namespace, server: int) -> None:
    """Let many people ask at once."""
    people = [Visitor(url) for _ in range(arguments.people)]
    before, busy = memory(server), processor(server)
    arrived = await asyncio.gather(*(one.arrive() for one in people))
    told(f"first answer where {len(people)} people come at once", arrived)
    busy = processor(server) - busy
    print(f"the server's work for one who comes: {1000 * busy / len(people):.0f} ms")
    busy = processor(server)
    tasks = [questions(one, arguments.seconds, n) for n, one in enumerate(people)]
    times = [one for found in await asyncio.gather(*tasks) for one in found]
    busy = processor(server) - busy
    told(f"a query of {len(people)} people at once", times)
    print(f"the server's work for one of these queries: {1000 * busy / len(times):.0f} ms")
    print(f"memory of the server: {before:.0f} MB before, {memory(server):.0f} MB after")
    for one in people:
        await one.leave()


async def questions(visitor: Visitor, seconds: float, number: int) -> list[float]:
    """Times of one person's queries."""
    times, end = [], time.perf_counter() + seconds
    chance = random.Random(number)
    while time.perf_counter() < end:
        await asyncio.sleep(_THINKING * chance.uniform(0.5, 1.5))
        times.append(await visitor.ask(round(chance.uniform(0.2, 0.95), 4)))
    return times


def told(what: str, times: Sequence[float]) -> None:
    """Print median, 95th of 100, and greatest."""
    ordered = sorted(times)
    late = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    print(
        f"{what}: median {statistics.median(ordered):.2f} s, 95 of 100 within {late:.2f} s, "
        f"at most {ordered[-1]:.2f} s, {len(ordered)} times",
        flush=True,
    )


def processor(process: int) -> float:
    """Processor time that a process has taken, seconds."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> float:
    """Resident memory of a process, MB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    line = next(one for one in status.splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main()
