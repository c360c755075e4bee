"""Several people at once: each gets the answer to what they asked, and nobody else's."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import masksearch_ray as ms
from scripts.page_visitor import Visitor
from tests.browser.conftest import Served
from tests.browser.walk import Ids, Mask, Masks, all_masks, first_by

PEOPLE = 6


@pytest.fixture(scope="module")
def masks(opened: ms.Collection) -> Masks:
    return all_masks(opened)


def reaching(low: float) -> Callable[[int, Mask], float]:
    return lambda _, mask: int((mask >= low).sum())


async def _ask(visitor: Visitor, lows: list[float]) -> list[Ids]:
    await visitor.arrive()
    found = []
    for low in lows:
        await visitor.ask(low)
        found.append([int(tile["id"]) for tile in visitor.tiles])
    await visitor.leave()
    return found


def test_each_gets_the_answer_to_what_they_asked(served: Served, masks: Masks) -> None:
    asked = [[0.3 + 0.05 * n, 0.65 + 0.03 * n] for n in range(PEOPLE)]

    async def together() -> list[list[Ids]]:
        people = [Visitor(served.url) for _ in asked]
        return await asyncio.gather(*map(_ask, people, asked))

    # In a thread: browsers that are driven have this one's event loop.
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asyncio.run, together()).result()
    for lows, found in zip(asked, answers, strict=True):
        for low, ids in zip(lows, found, strict=True):
            assert ids == first_by(masks, reaching(low), 25)


def test_measuring_measures(collection: str) -> None:
    command = [sys.executable, "-m", "scripts.measure_page", collection, "--times=1"]
    tiny = ["--people=3", "--seconds=1", "--questions=4"]
    told = subprocess.run([*command, *tiny], capture_output=True, text=True, check=True).stdout
    for line in (
        r"first meaningful page: median \d+\.\d\d s, .* 1 times",
        r"300 tiles after a query, window 900 pixels high: median .* 1 times",
        r"300 tiles after a query, window 12,000 pixels high: median .* 1 times",
        r"one page after 4 questions: \d+\.\d MB of objects in the browser, \d+ MB in the server",
        r"first answer where 3 people come at once: median .* 3 times",
        r"a query of 3 people at once: median .* \d+ times",
        r"memory of the server: \d+ MB before, \d+ MB after",
    ):
        assert re.search(f"^{line}$", told, re.MULTILINE), told
