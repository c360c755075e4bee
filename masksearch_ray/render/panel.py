"""One picture of a contact sheet: a mask over its image, with regions outlined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from masksearch_ray.errors import InputError
from masksearch_ray.render.colour import RGB, heat_map, overlay
from masksearch_ray.render.image import resize

__all__ = ["OUTLINE_COLOURS", "Colour", "Outline", "Panel", "draw_outline", "paint", "stroke"]

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

OUTLINE_COLOURS: tuple[Colour, ...] = ((92, 200, 255), (140, 240, 150), (255, 150, 225))
"""Colours that stand apart from the heat map: blue, green, pink."""

_SHADE = (0, 0, 0)
_DASH = 5


@dataclass(frozen=True)
class Outline:
    """A region drawn on a panel.

    Attributes
    ----------
    box : tuple of int
        ``(x0, y0, x1, y1)``, half-open, pixels of the mask.
    name : str
        What the legend calls it.
    colour : tuple of int
        Red, green and blue, 0 to 255.
    dashed : bool
        Whether the line is broken.
    """

    box: tuple[int, int, int, int]
    name: str
    colour: Colour = OUTLINE_COLOURS[0]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One picture of a contact sheet.

    Attributes
    ----------
    values : ndarray of float, shape (H, W), or None
        The mask; None shows the image alone.
    image : ndarray of uint8, shape (h, w, 3), or None
        The image below the mask, in any size; None shows the heat map alone.
    caption : str
        Text below the picture; may have several lines.
    outlines : tuple of Outline
        Regions drawn on it.
    """

    values: NDArray[np.float64] | None
    image: RGB | None = None
    caption: str = ""
    outlines: tuple[Outline, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in which boxes are counted."""
        if self.values is not None:
            return self.values.shape[0], self.values.shape[1]
        if self.image is not None:
            return self.image.shape[0], self.image.shape[1]
        raise InputError("a panel needs a mask or an image")


def paint(panel: Panel, size: int, domain: tuple[float, float] = (0.0, 1.0)) -> RGB:
    """Draw a panel.

    Parameters
    ----------
    panel : Panel
        Mask, image or both, and outlines.
    size : int
        Longer side of the picture, pixels.
    domain : tuple of float, default (0, 1)
        The values at the two ends of the colours.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        The picture; its longer side is `size`, its proportions are the mask's.

    Raises
    ------
    InputError
        The panel has neither mask nor image, or no pixels; `size` is not positive.
    """
    if size < 1 or 0 in panel.shape:
        raise InputError(f"a panel of shape {panel.shape} drawn {size} pixels large")
    zoom = size / max(panel.shape)
    height, width = (max(1, round(zoom * side)) for side in panel.shape)
    image = None if panel.image is None else resize(panel.image, (height, width))
    if panel.values is None:
        picture = image
    else:
        values = _enlarge(panel.values, (height, width))
        picture = heat_map(values, domain) if image is None else overlay(values, image, domain)
    canvas = Image.fromarray(np.asarray(picture))
    for outline in panel.outlines:
        draw_outline(canvas, outline, zoom)
    return np.asarray(canvas)


def draw_outline(canvas: Image.Image, outline: Outline, zoom: float) -> None:
    """Draw a region's edge on a picture whose pixels are `zoom` to one pixel of the mask."""
    x0, y0, x1, y1 = (round(zoom * edge) for edge in outline.box)
    width, height = canvas.size
    inside = (max(x0, 0), max(y0, 0), min(x1, width) - 1, min(y1, height) - 1)
    if inside[0] < inside[2] and inside[1] < inside[3]:
        stroke(ImageDraw.Draw(canvas), inside, outline)


def stroke(pen: ImageDraw.ImageDraw, edges: tuple[int, int, int, int], outline: Outline) -> None:
    """Draw a rectangle, corners included, in an outline's style with a dark line inside it."""
    x0, y0, x1, y1 = edges
    if min(x1 - x0, y1 - y0) > 6:
        pen.rectangle((x0 + 2, y0 + 2, x1 - 2, y1 - 2), outline=_SHADE)
    if not outline.dashed:
        pen.rectangle(edges, outline=outline.colour, width=2)
        return
    for x in range(x0, x1, 2 * _DASH):
        end = min(x + _DASH, x1)
        pen.line((x, y0, end, y0), outline.colour, 2)
        pen.line((x, y1, end, y1), outline.colour, 2)
    for y in range(y0, y1, 2 * _DASH):
        end = min(y + _DASH, y1)
        pen.line((x0, y, x0, end), outline.colour, 2)
        pen.line((x1, y, x1, end), outline.colour, 2)


def _enlarge(values: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Bring a mask to the picture's size; NaN stays where it is."""
    height, width = shape
    image = Image.fromarray(np.asarray(values, np.float32))
    smooth = not np.isnan(values).any()
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(image.resize((width, height), how), np.float64)
