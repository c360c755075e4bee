"""Panels, contact sheets and files of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from masksearch_ray.errors import DataError, InputError
from masksearch_ray.render import (
    Outline,
    Panel,
    Sheet,
    contact_sheet,
    heat_map,
    paint,
    png_bytes,
    read_image,
    write_png,
)

RAMP = np.linspace(0, 1, 64).reshape(8, 8)
PHOTO = np.random.default_rng(1).integers(0, 256, (30, 50, 3), dtype=np.uint8)
HOSTILE = {
    "long": "x" * 5000,
    "newlines": "a\nb\n\n\nc",
    "control": "\0\x1b[31m\t\r\x7f",
    "unicode": "日本語 🎉 עברית \u2028 e" + "\u0301" * 300,
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("shape", [(8, 8), (4, 8), (8, 4), (1, 100), (1, 1), (300, 200)])
def test_the_longer_side_is_as_asked(shape: tuple[int, int]) -> None:
    picture = paint(Panel(np.zeros(shape)), 40)
    assert max(picture.shape[:2]) == 40 and picture.dtype == np.uint8
    assert picture.shape[0] == max(1, round(40 * shape[0] / max(shape)))


def test_a_mask_in_its_own_size_is_its_heat_map() -> None:
    assert np.array_equal(paint(Panel(RAMP), 8), heat_map(RAMP.astype(np.float32)))


def test_an_image_of_any_size_takes_the_masks() -> None:
    with_photo = paint(Panel(RAMP, PHOTO), 32)
    assert with_photo.shape == (32, 32, 3) and (with_photo != paint(Panel(RAMP), 32)).any()
    assert paint(Panel(None, PHOTO), 50).shape == PHOTO.shape
    assert np.array_equal(paint(Panel(None, PHOTO), 50), PHOTO)


def test_nan_stays_in_its_place_when_enlarged() -> None:
    values = RAMP.copy()
    values[0, 0] = np.nan
    grey = (paint(Panel(values), 32) == 96).all(axis=2)
    assert grey[:4, :4].all() and grey.sum() == 16


@pytest.mark.parametrize("dashed", [False, True])
def test_outlines_are_drawn_where_the_box_is(dashed: bool) -> None:
    black = np.zeros((8, 8))
    outline = Outline((2, 2, 6, 6), "box", (1, 250, 3), dashed)
    drawn = (paint(Panel(black, outlines=(outline,)), 80) == (1, 250, 3)).all(axis=2)
    ys, xs = np.nonzero(drawn)
    assert min(ys.min(), xs.min()) >= 19 and max(ys.max(), xs.max()) <= 60
    assert drawn[20, 20:25].all() and not drawn[30:50, 30:50].any()


@pytest.mark.parametrize("box", [(-9, -9, 99, 99), (7, 7, 7, 7), (50, 50, 60, 60), (5, 5, 2, 2)])
def test_outlines_beyond_the_mask_harm_nothing(box: tuple[int, int, int, int]) -> None:
    assert paint(Panel(RAMP, outlines=(Outline(box, "box"),)), 32).shape == (32, 32, 3)


@pytest.mark.parametrize("place", ["caption", "title", "subtitle", "column", "row", "scale", "box"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_at_any_place(text: str, place: str) -> None:
    outline = Outline((0, 0, 4, 4), text if place == "box" else "box")
    panel = Panel(RAMP, None, text if place == "caption" else "", (outline,))
    page = contact_sheet(
        Sheet(
            rows=[[panel]],
            title=text if place == "title" else "",
            subtitle=text if place == "subtitle" else "",
            column_names=[text] if place == "column" else (),
            row_names=[text] if place == "row" else (),
            scale_name=text if place == "scale" else "value",
        )
    )
    assert page.dtype == np.uint8 and page.shape[1] < 2000 and page.shape[0] < 1000


def test_a_long_caption_does_not_run_into_the_next_column() -> None:
    blank, wordy = Panel(RAMP), Panel(RAMP, caption="wide " * 99)
    one, two = (
        contact_sheet(Sheet([[panel, Panel(RAMP, caption="x"), blank]])) for panel in (blank, wordy)
    )
    changed = np.nonzero((one != two).any(axis=(0, 2)))[0]
    assert changed.min() >= 32 - 6 and changed.max() < 32 + 160 + 12
    assert len(changed) > 100


def test_one_and_many_and_ragged_rows() -> None:
    sizes = [
        contact_sheet(Sheet([[Panel(RAMP)] * n] * m)).shape for n, m in ((1, 1), (5, 1), (5, 4))
    ]
    assert sizes[0][1] < sizes[1][1] == sizes[2][1]
    assert sizes[0][0] == sizes[1][0] == sizes[2][0] - 3 * (160 + 12)
    ragged = contact_sheet(Sheet([[Panel(RAMP)] * 5, [], [Panel(RAMP), Panel(RAMP)]]))
    assert ragged.shape[1] == sizes[1][1]


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(InputError, match="at least one panel"):
        contact_sheet(Sheet([[], []]))
    with pytest.raises(InputError, match="a mask or an image"):
        paint(Panel(None), 16)
    with pytest.raises(InputError, match="shape"):
        paint(Panel(np.zeros((0, 4))), 16)
    for size in (0, -4):
        with pytest.raises(InputError, match="pixels large"):
            paint(Panel(RAMP), size)


def test_pictures_come_back_from_files(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", PHOTO)
    assert np.array_equal(read_image(tmp_path / "a.png"), PHOTO)
    assert np.array_equal(read_image(png_bytes(PHOTO)), PHOTO)
    assert png_bytes(PHOTO) == (tmp_path / "a.png").read_bytes()
    assert read_image(tmp_path / "a.png", (7, 9)).shape == (7, 9, 3)
    grey = read_image(png_bytes(PHOTO[..., 0]))
    assert grey.shape == PHOTO.shape and np.array_equal(grey[..., 2], PHOTO[..., 0])


def test_files_that_are_no_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image there"):
        read_image(tmp_path / "none.png")
    for content in (b"", b"hello", png_bytes(PHOTO)[:200]):
        with pytest.raises(DataError, match="the image: cannot be read as an image"):
            read_image(content)
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path)
