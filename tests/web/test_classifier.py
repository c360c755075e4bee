"""Debug a classifier without a browser: what the demonstration has no data for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
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


def of_pairs(folder: Path, pairs: Sequence[tuple[str, str]]) -> Site:
    """A collection with a mask for each right and predicted class."""
    with ms.create(folder) as made:
        made.append(
            np.resize(MASKS, (len(pairs), 16, 16)),
            {
                "label": [label for label, _ in pairs],
                "prediction": [found for _, found in pairs],
                "left_box": [LEFT] * len(pairs),
            },
        )
    return Site(ServeOptions(str(folder)))


def test_of_many_classes_those_with_errors_are_shown(tmp_path: Path, on_page: OnPage) -> None:
    odd = ["it's <b>1</b>", 'say "2"', "line\nbreak"]
    names = [*odd, *(f"class {i}" for i in range(22))]
    # Only the last three, and the odd ones, are ever taken for another.
    wrong = [(odd[0], odd[1]), (odd[1], odd[2]), ("class 19", odd[0]), ("class 20", "class 21")]
    pairs = [*((name, name) for name in names), *wrong]
    many = of_pairs(tmp_path / "many", pairs)

    async def look(client: Client) -> None:
        page = _Classifier(many)
        await page.begin()
        assert (
            page._told.text == "25 of 29 right (86.2 %); 5 classes with fewer errors are not shown"
        )
        drawn = page._matrix.content
        assert drawn.count("<th scope=row>") == 20
        for label, found in wrong:
            assert escape(f"{label} taken for {found}: 1 image") in drawn
            places = [str(page._made.classes.index(name)) for name in (label, found)]
            await page._clicked(places)
            answer = page._results.answer
            assert answer is not None
            assert [int(key) for key in answer.keys] == [pairs.index((label, found))]
            assert page._results._head.text.endswith(
                f", {label} taken for {found}, the most stray first"
            )
        # What no cell tells is not heeded.
        for places in ([], ["0"], ["x", "1"], ["99", "0"], ["-1", "0"], ["0", "1", "2"]):
            await page._clicked(places)
            assert page._results.answer is answer

    on_page(look)
    many.close()
