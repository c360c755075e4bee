"""Typefaces, and the room that text takes."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

__all__ = ["LINE", "Fonts", "fitted", "fonts", "line_height", "text_width"]

LINE = 1.4
"""Distance of two lines of text, in type sizes."""


@dataclass(frozen=True)
class Fonts:
    """The four kinds of text on a page."""

    title: ImageFont.FreeTypeFont
    strong: ImageFont.FreeTypeFont
    text: ImageFont.FreeTypeFont
    caption: ImageFont.FreeTypeFont


@lru_cache(maxsize=1)
def fonts() -> Fonts:
    """The typefaces that matplotlib brings along, so that pages look the same everywhere."""
    from matplotlib import get_data_path

    folder = Path(get_data_path()) / "fonts" / "ttf"
    plain, bold = str(folder / "DejaVuSans.ttf"), str(folder / "DejaVuSans-Bold.ttf")
    return Fonts(
        title=ImageFont.truetype(bold, 22),
        strong=ImageFont.truetype(bold, 14),
        text=ImageFont.truetype(plain, 14),
        caption=ImageFont.truetype(plain, 13),
    )


def line_height(font: ImageFont.FreeTypeFont) -> int:
    """Height of one line of text, pixels."""
    return round(font.size * LINE)


def text_width(font: ImageFont.FreeTypeFont, lines: Iterable[str]) -> int:
    """Width of the longest line, pixels; 0 without lines."""
    return max((round(font.getlength(line)) for line in lines), default=0)


def fitted(font: ImageFont.FreeTypeFont, text: str, width: int) -> str:
    """Text as one line of at most `width` pixels; what is longer ends in an ellipsis."""
    # Fonts have no shapes for control characters, and Pillow fails on some of them.
    line = "".join(" " if unicodedata.category(c) in {"Cc", "Cs"} else c for c in text)
    if font.getlength(line) <= width:
        return line
    cuts = range(1, len(line))
    kept = bisect_left(cuts, True, key=lambda n: font.getlength(f"{line[:n]}…") > width)
    return f"{line[:kept]}…"
