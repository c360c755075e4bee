"""Pictures of masks: heat maps, overlays on images, contact sheets; pictures augmented.

Pictures are ``(H, W, 3)`` uint8 arrays; masks are ``(H, W)`` arrays of values in a domain, as
``Collection.masks(ids, scaled=True)`` gives them.
"""

from __future__ import annotations

from masksearch_ray.render.augment import (
    METHODS,
    Augmentation,
    Example,
    augment,
    inside_boxes,
    scale_boxes,
    write_examples,
)
from masksearch_ray.render.chart import Chart, Curve, chart_png
from masksearch_ray.render.colour import COLOUR_MAPS, RGB, colour_scale, heat_map, overlay
from masksearch_ray.render.image import png_bytes, read_image, resize, write_png
from masksearch_ray.render.layer import PairShown, heat_layer, pair_layer
from masksearch_ray.render.panel import OUTLINE_COLOURS, Outline, Panel, paint
from masksearch_ray.render.sheet import Sheet, contact_sheet

__all__ = [
    "COLOUR_MAPS",
    "METHODS",
    "OUTLINE_COLOURS",
    "RGB",
    "Augmentation",
    "Chart",
    "Curve",
    "Example",
    "Outline",
    "PairShown",
    "Panel",
    "Sheet",
    "augment",
    "chart_png",
    "colour_scale",
    "contact_sheet",
    "heat_layer",
    "heat_map",
    "inside_boxes",
    "overlay",
    "paint",
    "pair_layer",
    "png_bytes",
    "read_image",
    "resize",
    "scale_boxes",
    "write_examples",
    "write_png",
]
