"""Pictures as the page draws them: right pixels, listed files alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import masksearch_ray as ms
from masksearch_ray.errors import DataError, InputError
from masksearch_ray.render import colour_scale, write_png
from masksearch_ray.session.images import Images
from masksearch_ray.web import pictures as drawing
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.pictures import Look, Pictures
from masksearch_ray.web.rows import RowBook
from masksearch_ray.web.site import Site

SIDE = 32


@pytest.fixture(scope="module")
def masks() -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 256, (5, SIDE, SIDE), np.uint8)


@pytest.fixture(scope="module")
def pictures(
    masks: np.ndarray[Any, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pictures]:
    folder = tmp_path_factory.mktemp("all") / "images"
    folder.mkdir()
    write_png(folder.parent / "beside.png", np.zeros((2, 2, 3), np.uint8))
    write_png(folder / "a.png", np.full((40, 20, 3), 77, np.uint8))
    (folder / "b.png").write_text("no picture")
    paths = ["a.png", "b.png", "gone.png", None, "../beside.png"]
    with ms.create("memory://pictures-of-the-page") as made:
        made.append(masks, {"image_id": [0, 0, 1, 1, 2], "image_path": paths})
        yield Pictures(made, RowBook(made), Images([folder], {}, confined=True), 1 << 20)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.smoke
def test_heat_is_the_colour_of_the_value(pictures: Pictures, masks: np.ndarray[Any, Any]) -> None:
    drawn = np.asarray(opened(pictures.heat(2, Look(96, "viridis"))).convert("RGBA"))
    level = np.rint(254 * (masks[2] / 255)).astype(int)
    assert (drawn[..., :3] == colour_scale("viridis")[level]).all()
    assert (drawn[..., 3] == np.rint(255 * np.sqrt(level / 254))).all()


def test_own_scale_reaches_both_ends(pictures: Pictures) -> None:
    drawn = np.asarray(opened(pictures.heat(1, Look(96, "gray", own=True))).convert("RGBA"))
    assert drawn[..., 3].min() == 0 and drawn[..., 3].max() == 255


def test_many_are_drawn_as_one_by_one(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [3, 0, 2]
    monkeypatch.setattr(drawing, "_AT_ONCE", 8 * SIDE * SIDE)
    assert pictures.heats(ids, Look(96)) == [pictures.heat(i, Look(96)) for i in ids]


def test_pair(pictures: Pictures, masks: np.ndarray[Any, Any]) -> None:
    first, second = masks[0] / 255 >= 0.5, masks[1] / 255 >= 0.5
    drawn = np.asarray(opened(pictures.pair(0, 1, 0.5, 96)).convert("RGBA"))
    assert ((drawn[..., 3] > 0) == (first | second)).all()
    assert ((drawn[..., :3] == 255).all(axis=2) == (first & second)).all()
    both = np.asarray(opened(pictures.pair(0, 1, 0.5, 96, "both")).convert("RGBA"))
    assert ((both[..., 3] > 0) == (first & second)).all()


def test_image_is_fitted(pictures: Pictures) -> None:
    image = opened(pictures.image(0, 1024))
    assert image.size == (20, 40) and image.getpixel((3, 3)) == (77, 77, 77)


@pytest.mark.parametrize(
    ("mask_id", "told"),
    [(1, "cannot be read"), (2, "cannot be read"), (3, "known"), (4, "cannot be read")],
)
def test_images_that_cannot_be_had(pictures: Pictures, mask_id: int, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        pictures.image(mask_id, 96)
    assert "/" not in str(caught.value) and ".png" not in str(caught.value)
    assert opened(pictures.overlay(mask_id)).size[0] >= SIDE


def test_unknown_mask(pictures: Pictures) -> None:
    with pytest.raises(InputError, match="99"):
        pictures.heat(99, Look())


def test_sizes_are_few(tmp_path: Path) -> None:
    assert {Look(size).side for size in range(16, 2000)} == {96, 160, 320, 1024}


def test_folders_of_images_confine_what_the_page_shows(tmp_path: Path) -> None:
    for name in ("listed", "other"):
        (tmp_path / name).mkdir()
    write_png(tmp_path / "listed" / "a.png", np.full((4, 4, 3), 9, np.uint8))
    with ms.create(tmp_path / "made") as made:
        made.append(
            np.zeros((1, 8, 8), np.uint8), {"image_path": [str(tmp_path / "listed" / "a.png")]}
        )
    shown = {}
    for names in ((), ("listed",), ("other",), ("other", "listed")):
        folders = tuple(tmp_path / name for name in names)
        site = Site(ServeOptions(str(tmp_path / "made"), images=folders))
        try:
            shown[names] = opened(site.pictures.image(0, 96)).getpixel((0, 0)) == (9, 9, 9)
        except DataError:
            shown[names] = False
        site.close()
    assert shown == {(): True, ("listed",): True, ("other",): False, ("other", "listed"): True}
