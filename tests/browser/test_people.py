"""Several people at once: each gets the answer to what they asked, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

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

    for lows, found in zip(asked, asyncio.run(together()), strict=True):
        for low, ids in zip(lows, found, strict=True):
            assert ids == first_by(masks, reaching(low), 25)
