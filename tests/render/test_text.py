"""Text that has room in its place."""

from __future__ import annotations

import pytest

from masksearch_ray.render.text import fitted, fonts, text_width

FONT = fonts().caption


@pytest.mark.parametrize("text", ["", "a", "predicts 3", "日本語", "Wiwi" * 40])
def test_what_fits_stays_as_it_is(text: str) -> None:
    width = FONT.getlength(text)
    assert fitted(FONT, text, round(width) + 1) == text
    if text:
        assert fitted(FONT, text, round(width) - 2) != text


@pytest.mark.parametrize("width", [20, 57, 160, 1200])
def test_what_does_not_fit_is_cut_as_late_as_possible(width: int) -> None:
    text = "Wiwi" * 400
    cut = fitted(FONT, text, width)
    kept = cut.removesuffix("…")
    assert cut.endswith("…") and text.startswith(kept)
    assert text_width(FONT, [cut]) <= width
    assert FONT.getlength(text[: len(kept) + 1] + "…") > width


def test_without_any_room_an_ellipsis_remains() -> None:
    assert fitted(FONT, "word", 0) == "…"


def test_control_characters_become_spaces() -> None:
    assert fitted(FONT, "a\nb\0c\x1b[1m\ud800d", 500) == "a b c [1m d"
