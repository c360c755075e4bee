"""Contact sheets: many masks on one page, with captions and a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from masksearch_ray.errors import InputError
from masksearch_ray.render.colour import RGB, colour_scale
from masksearch_ray.render.panel import Outline, Panel, paint, stroke
from masksearch_ray.render.text import fitted, fonts, line_height, text_width

__all__ = ["Sheet", "contact_sheet"]

_PAGE = (18, 20, 26)
_TEXT = (238, 240, 244)
_QUIET = (165, 173, 186)
_EDGE = 32
_GAP = 12
_SCALE_WIDTH = 180
_SWATCH = 16
_WIDEST = 1200


@dataclass(frozen=True)
class Sheet:
    """What stands on a contact sheet.

    Text that is wider than its place ends in an ellipsis.

    Attributes
    ----------
    rows : sequence of sequences of Panel
        The panels, row by row; rows may differ in length.
    title, subtitle : str
        Text at the top, where given. A subtitle may have several lines.
    column_names, row_names : sequences of str
        Text above each column and to the left of each row, where given. A row's name may have
        several lines, of which the first stands out.
    domain : tuple of float
        The values at the two ends of the colours.
    scale_name : str
        What the colours measure, for the legend.
    panel_size : int
        Longer side of a panel, pixels.
    """

    rows: Sequence[Sequence[Panel]]
    title: str = ""
    subtitle: str = ""
    column_names: Sequence[str] = ()
    row_names: Sequence[str] = ()
    domain: tuple[float, float] = (0.0, 1.0)
    scale_name: str = "value"
    panel_size: int = 160

    @property
    def panels(self) -> list[Panel]:
        """All panels, in reading order."""
        return [panel for row in self.rows for panel in row]

    @property
    def outlines(self) -> list[Outline]:
        """One outline of each name, in order of appearance."""
        named = {o.name: o for panel in reversed(self.panels) for o in reversed(panel.outlines)}
        return list(named.values())[::-1]


def contact_sheet(sheet: Sheet) -> RGB:
    """Lay panels out on one page.

    Parameters
    ----------
    sheet : Sheet
        The panels and the text around them.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        The page, as large as its content.

    Raises
    ------
    InputError
        There is no panel, or a panel has neither mask nor image.
    """
    if not sheet.panels:
        raise InputError("a contact sheet needs at least one panel")
    sheet = _legible(sheet)
    layout = _layout(sheet)
    page = Image.new("RGB", (layout.width, layout.height), _PAGE)
    pen = ImageDraw.Draw(page)
    _draw_names(pen, sheet, layout)
    for i, row in enumerate(sheet.rows):
        for j, panel in enumerate(row):
            _draw_panel(page, sheet, panel, layout.corner(i, j))
    _draw_legend(page, sheet, layout)
    return np.asarray(page)


def _legible(sheet: Sheet) -> Sheet:
    """The same sheet with text that can be drawn and that its place has room for."""
    face, column = fonts(), sheet.panel_size + _GAP

    def legible(panel: Panel) -> Panel:
        names = [fitted(face.caption, outline.name, _WIDEST) for outline in panel.outlines]
        return replace(
            panel,
            caption=_fitted_lines(face.caption, panel.caption, column),
            outlines=tuple(
                replace(o, name=name) for o, name in zip(panel.outlines, names, strict=True)
            ),
        )

    return replace(
        sheet,
        rows=[[legible(panel) for panel in row] for row in sheet.rows],
        title=fitted(face.title, sheet.title, _WIDEST),
        subtitle=_fitted_lines(face.text, sheet.subtitle, _WIDEST),
        column_names=[fitted(face.text, name, column) for name in sheet.column_names],
        row_names=[_fitted_lines(face.strong, name, _WIDEST) for name in sheet.row_names],
        scale_name=fitted(face.caption, sheet.scale_name, _WIDEST),
    )


def _fitted_lines(font: ImageFont.FreeTypeFont, text: str, width: int) -> str:
    return "\n".join(fitted(font, line, width) for line in text.split("\n"))


@dataclass(frozen=True)
class _Layout:
    """Where things are on the page, pixels."""

    left: int
    top: int
    column_pitch: int
    row_pitch: int
    legend: int
    width: int
    height: int

    def corner(self, row: int, column: int) -> tuple[int, int]:
        return self.left + column * self.column_pitch, self.top + row * self.row_pitch


def _layout(sheet: Sheet) -> _Layout:
    face = fonts()
    names = [line for name in sheet.row_names for line in name.split("\n")]
    left = _EDGE + (text_width(face.strong, names) + 2 * _GAP if names else 0)
    captions = max((len(p.caption.split("\n")) if p.caption else 0) for p in sheet.panels)
    row_pitch = sheet.panel_size + _GAP + captions * line_height(face.caption)
    column_pitch = sheet.panel_size + _GAP
    top = _EDGE + _heading_height(sheet) + (line_height(face.text) if sheet.column_names else 0)
    legend = top + len(sheet.rows) * row_pitch + _GAP
    inner = max(
        left - _EDGE + max(map(len, sheet.rows)) * column_pitch - _GAP,
        text_width(face.title, [sheet.title]),
        text_width(face.text, sheet.subtitle.split("\n")),
        _legend_width(sheet),
    )
    bottom = legend + line_height(face.caption) + _EDGE
    return _Layout(left, top, column_pitch, row_pitch, legend, inner + 2 * _EDGE, bottom)


def _heading_height(sheet: Sheet) -> int:
    face = fonts()
    lines = len(sheet.subtitle.split("\n")) if sheet.subtitle else 0
    height = (line_height(face.title) + 4 if sheet.title else 0) + lines * line_height(face.text)
    return height + 2 * _GAP if height else 0


def _draw_names(pen: ImageDraw.ImageDraw, sheet: Sheet, layout: _Layout) -> None:
    face = fonts()
    y = _EDGE
    if sheet.title:
        pen.text((_EDGE, y), sheet.title, _TEXT, face.title)
        y += line_height(face.title) + 4
    for line in sheet.subtitle.split("\n"):
        pen.text((_EDGE, y), line, _QUIET, face.text)
        y += line_height(face.text)
    for j, name in enumerate(sheet.column_names):
        x, y = layout.corner(0, j)
        pen.text((x + sheet.panel_size / 2, y - 7), name, _TEXT, face.text, anchor="ms")
    for i, name in enumerate(sheet.row_names):
        _, y = layout.corner(i, 0)
        for n, line in enumerate(name.split("\n")):
            font, colour = (face.text, _QUIET) if n else (face.strong, _TEXT)
            pen.text((_EDGE, y + n * line_height(face.text)), line, colour, font)


def _draw_panel(page: Image.Image, sheet: Sheet, panel: Panel, corner: tuple[int, int]) -> None:
    painted = paint(panel, sheet.panel_size, sheet.domain)
    height, width = painted.shape[:2]
    x = corner[0] + (sheet.panel_size - width) // 2
    y = corner[1] + (sheet.panel_size - height) // 2
    page.paste(Image.fromarray(painted), (x, y))
    middle, below = corner[0] + sheet.panel_size / 2, corner[1] + sheet.panel_size + 5
    font = fonts().caption
    for n, line in enumerate(panel.caption.split("\n")):
        place = (middle, below + n * line_height(font))
        ImageDraw.Draw(page).text(place, line, _QUIET, font, anchor="ma")


def _legend_width(sheet: Sheet) -> int:
    font = fonts().caption
    words = [sheet.scale_name, *_ends(sheet), *(o.name for o in sheet.outlines)]
    swatches = len(sheet.outlines) * (_SWATCH + 4 * _GAP)
    return _SCALE_WIDTH + 4 * _GAP + swatches + sum(text_width(font, [w]) for w in words)


def _ends(sheet: Sheet) -> tuple[str, str]:
    """The numbers at the ends of the colour scale."""
    lo, hi = sheet.domain
    return f"{lo:g}", f"{hi:g}"


def _draw_legend(page: Image.Image, sheet: Sheet, layout: _Layout) -> None:
    pen, font = ImageDraw.Draw(page), fonts().caption
    y = layout.legend + line_height(font) // 2
    x = _EDGE

    def write(text: str, colour: tuple[int, int, int], gap: int) -> None:
        nonlocal x
        pen.text((x, y), text, colour, font, anchor="lm")
        x += text_width(font, [text]) + gap

    if any(panel.values is not None for panel in sheet.panels):
        lowest, highest = _ends(sheet)
        write(lowest, _TEXT, _GAP // 2)
        page.paste(_scale_bar(), (x, y - 5))
        x += _SCALE_WIDTH + _GAP // 2
        write(highest, _TEXT, _GAP)
        write(sheet.scale_name, _QUIET, 3 * _GAP)
    for outline in sheet.outlines:
        stroke(pen, (x, y - 7, x + _SWATCH, y + 7), outline)
        x += _SWATCH + _GAP
        write(outline.name, _QUIET, 3 * _GAP)


def _scale_bar() -> Image.Image:
    bar: NDArray[np.uint8] = np.broadcast_to(colour_scale(), (10, 256, 3)).astype(np.uint8)
    return Image.fromarray(bar).resize((_SCALE_WIDTH, 10))
