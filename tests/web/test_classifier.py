"""Debug a classifier without a browser: what the demonstration has no data for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from nicegui import Client

import masksearch_ray as ms
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.scenarios.classifier import _Classifier
from masksearch_ray.web.site import Site
from tests.web.conftest import OnPage

N = 24
MASKS = np.random.default_rng(3).integers(0, 256, (N, 16, 16), np.uint8)
LEFT, RIGHT = [0, 0, 8, 16], [8, 0, 16, 16]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Masks of one model with two columns of boxes; some are of no class."""
    with ms.create(tmp_path / "two") as made:
        made.append(
            MASKS,
            {
                "image_id": list(range(N)),
                "label": ["cat" if i % 2 else None if i % 6 == 0 else "dog" for i in range(N)],
                "prediction": ["cat" if i % 3 else "dog" for i in range(N)],
                "left_box": [LEFT] * N,
                "right_box": [RIGHT] * N,
            },
        )
    return Site(ServeOptions(str(tmp_path / "two")))


def worst(ids: list[int], inside: list[int]) -> list[int]:
    """Of some masks, the most stray first."""
    strong = MASKS / 255 >= 0.5
    x0, _, x1, _ = inside

    def share(i: int) -> float:
        return float(1 - strong[i][:, x0:x1].sum() / strong[i].sum())

    return sorted(ids, key=lambda i: (-share(i), i))


def test_either_box_and_masks_of_no_class(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        page = _Classifier(site)
        await page.begin()
        assert not page._model.visible
        assert page._told.text == "8 of 20 right (40.0 %); 4 masks without label or prediction"
        ids = [i for i in range(N) if i % 2 and i % 3]
        for box, inside in (("left_box", LEFT), ("right_box", RIGHT)):
            page._box.set_value(box)
            # The change asks, and shows the first cell.
            while page._results.answer is None or box not in page._results.answer.query.text:
                await asyncio.sleep(0.01)
            await page._choose(("cat", "cat"))
            answer = page._results.answer
            assert answer is not None
            assert [int(key) for key in answer.keys] == worst(ids, inside)
        assert worst(ids, LEFT) != worst(ids, RIGHT)

    on_page(look)
    site.close()
