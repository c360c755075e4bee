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


def test_cells_are_chosen_by_what_the_matrix_was_counted_with(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        page = _Classifier(site)
        await page._count()
        # Nothing hears of the changes: what they ask has not been counted yet.
        page._box.set_value("right_box")
        page._strong.set_value(None)
        cat, dog = (str(page._made.classes.index(name)) for name in ("cat", "dog"))
        await page._clicked([cat, dog])
        await page._clicked([cat, cat])
        answer = page._results.answer
        assert answer is not None
        # What is chosen already stays as it is, marks and all.
        page._results.selected = ["1"]
        await page._clicked([cat, cat])
        assert page._results.answer is answer and page._chosen() == [1]
        ids = [i for i in range(N) if i % 2 and i % 3]
        assert [int(key) for key in answer.keys] == worst(ids, LEFT) != worst(ids, RIGHT)
        assert page._augment._box() == "left_box"

    on_page(look)
    site.close()


def test_without_a_threshold_nothing_of_before_stays(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        page = _Classifier(site)
        await page.begin()
        assert page._chosen() and page._matrix.content
        page._strong.set_value(None)
        while page._matrix.content:
            await asyncio.sleep(0.01)
        assert page._told.text == "Strong from: a number is wanted."
        assert page._results.answer is None and page._chosen() == []

    on_page(look)
    site.close()


def test_of_a_large_cell_the_first_are_shown(
    site: Site, on_page: OnPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("masksearch_ray.web.scenarios.classifier._MOST", 3)
    ids = [i for i in range(N) if i % 2 and i % 3]

    async def look(client: Client) -> None:
        page = _Classifier(site)
        await page.begin()
        await page._choose(("cat", "cat"))
        assert page._chosen() == worst(ids, LEFT)[:3]
        told = f"the most stray first: the first 3 of {len(ids)} masks"
        assert page._results._head.text.endswith(told)
        await page._choose(("dog", "dog"))
        n = sum(not i % 2 and bool(i % 6) and not i % 3 for i in range(N))
        assert len(page._chosen()) == n <= 3
        assert page._results._head.text.endswith("the most stray first")

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
        text = "25 of 29 right (86.2 %); 5 classes with fewer errors are not shown"
        assert page._told.text == text
        drawn = page._matrix.content
        assert drawn.count("<th scope=row>") == 20
        for label, found in wrong:
            assert escape(f"{label} taken for {found}: 1 mask") in drawn
            places = [str(page._made.classes.index(name)) for name in (label, found)]
            await page._clicked(places)
            answer = page._results.answer
            assert answer is not None
            assert [int(key) for key in answer.keys] == [pairs.index((label, found))]
            text = f", {label} taken for {found}, the most stray first"
            assert page._results._head.text.endswith(text)
        # What no cell tells is not heeded.
        for places in ([], ["0"], ["x", "1"], ["99", "0"], ["-1", "0"], ["0", "1", "2"]):
            await page._clicked(places)
            assert page._results.answer is answer

    on_page(look)
    many.close()
