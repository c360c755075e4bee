"""A region: the full image, a column of boxes, or what is drawn on an example."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from html import escape
from typing import Any

from nicegui import ui

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.roi import Box, BoxColumn, BoxListColumn, FullImage, Polygon, Roi
from masksearch_ray.web.asking import Asking
from masksearch_ray.web.explore.answer import Mark
from masksearch_ray.web.named import named
from masksearch_ray.web.rows import Row
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View

__all__ = ["RegionChoice", "RegionDialog", "told_region"]

_DRAWN = "drawn"
_SIZE = 1024


def told_region(region: Roi) -> str:
    """A region in a few words."""
    match region:
        case FullImage():
            return "full image"
        case BoxColumn(name):
            return f"{name} (each mask's own box)"
        case BoxListColumn(name):
            return f"{name} (each mask's own boxes)"
        case Box(x0, y0, x1, y1):
            return f"drawn box ({x0}, {y0}, {x1}, {y1})"
        case Polygon(points):
            return f"drawn polygon of {len(points)} corners"
    return str(region)


class RegionChoice:
    """A select of regions, with a button to draw one, and whether its outside is meant.

    Parameters
    ----------
    name : str
        What the region is of, for those who cannot see it.
    columns : sequence of Roi
        Regions that columns name.
    on_draw : callable
        Called with the region as it is, when one is to be drawn; told what was drawn by `set`.
    on_change : callable
        Told the region, and whether its outside is meant; a coroutine that it returns is awaited.
    """

    def __init__(
        self,
        name: str,
        columns: tuple[Roi, ...],
        on_draw: Callable[[RegionChoice], Any],
        on_change: Callable[[Roi, bool], Any],
    ) -> None:
        self.region: Roi = FullImage()
        self._columns = columns
        self._on_change = on_change
        self._quiet = False
        with ui.row().classes("w-full items-center gap-1 no-wrap"):
            self._select = ui.select(self._options(), value="full_image", label=name)
            named(self._select, name).props("dense outlined").classes("grow min-w-0")
            self._select.mark(f"region {name}")
            self._select.on_value_change(self._chosen)
            draw = ui.button(icon="highlight_alt", on_click=lambda: on_draw(self))
            named(draw, f"Draw: {name}").props("flat round dense")
            draw.tooltip("Draw a box or a polygon on an example")
        self._outside = ui.checkbox("outside of it")
        named(self._outside, f"{name}: outside of it").props("dense")
        self._outside.on_value_change(lambda event: self._tell())
        self._outside.set_visibility(False)

    @property
    def outside(self) -> bool:
        """Whether the outside of the region is meant."""
        return bool(self._outside.value) and not isinstance(self.region, FullImage)

    def set(self, region: Roi, outside: bool) -> None:
        """Show a region without telling that it changed."""
        self._quiet = True
        self.region = region
        self._select.set_options(self._options(), value=self._key(region))
        self._outside.set_value(outside)
        self._outside.set_visibility(not isinstance(region, FullImage))
        self._quiet = False

    def drawn(self, region: Roi) -> Any:
        """Take a region that was drawn; what `on_change` returns is returned, to be awaited."""
        self.set(region, bool(self._outside.value))
        return self._tell()

    def _options(self) -> dict[str, str]:
        options = {"full_image": told_region(FullImage())}
        options |= {f"column {roi.name}": told_region(roi) for roi in self._columns}  # type: ignore[union-attr]
        if isinstance(self.region, Box | Polygon):
            options[_DRAWN] = told_region(self.region)
        return options

    def _key(self, region: Roi) -> str:
        match region:
            case BoxColumn(name) | BoxListColumn(name):
                return f"column {name}"
            case Box() | Polygon():
                return _DRAWN
        return "full_image"

    def _chosen(self, event: Any) -> Any:
        if self._quiet or event.value in (None, _DRAWN):
            return None
        known = {self._key(roi): roi for roi in self._columns}
        self.set(known.get(event.value, FullImage()), bool(self._outside.value))
        return self._tell()

    def _tell(self) -> Any:
        return None if self._quiet else self._on_change(self.region, self.outside)


class RegionDialog:
    """Where a box or a polygon is drawn on an example.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._choice: RegionChoice | None = None
        self._drawn: Roi | None = None
        self._shape = (1, 1)
        self._shown = 0
        self._asking = Asking()
        with ui.dialog() as self._dialog, ui.card().classes("ms-dialog"):
            ui.label("Draw a region").classes("text-lg font-medium")
            self._mode = ui.toggle({"box": "Box", "polygon": "Polygon"}, value="box")
            self._mode.props('no-caps aria-label="Box or polygon"')
            self._mode.on_value_change(lambda event: self._listen())
            self._hint = ui.label().classes("ms-soft text-sm")
            self._picture = ui.html(sanitize=False).classes("w-full")
            self._told = ui.label().classes("ms-number text-sm").mark("region-told")
            self._told.props('aria-live="polite"')
            with ui.row().classes("w-full justify-end"):
                ui.button("Cancel", on_click=self._dialog.close).props("flat no-caps")
                self._take = ui.button("Use this region", on_click=self._taken).props("no-caps")
        ui.on("region-drawn", lambda event: self._take_drawn(event.args))

    async def show(self, choice: RegionChoice, mask_id: int, view: View) -> None:
        """Open on a mask; what is drawn goes to the choice."""
        question = self._asking.begin()
        try:
            row, shape = await asyncio.to_thread(self._read, mask_id)
        except MaskSearchError as error:
            ui.notify(str(error), type="negative")
            return
        if not question.stands:
            return
        self._choice, self._drawn = choice, None
        self._shape = shape
        self._shown += 1
        height, width = shape
        image = self.site.image_url(row, _SIZE)
        below = f'<img class="ms-image" src="{escape(image)}" alt="">' if image else ""
        heat = escape(self.site.heat_url(mask_id, _SIZE, view))
        self._picture.set_content(
            f'<div class="ms-pic ms-bare ms-draw" id="region" tabindex="0" '
            f'data-at="{self._shown}" '
            f'aria-label="Example, {width} by {height} pixels: draw a region" '
            f'style="aspect-ratio:{width}/{height}">{below}'
            f'<img class="ms-heat" src="{heat}" alt=""></div>'
        )
        self._take.set_enabled(False)
        self._told.set_text("Nothing is drawn yet.")
        self._dialog.open()
        self._listen()

    def _listen(self) -> None:
        texts = {
            "box": "Drag from one corner to the other.",
            "polygon": "Click corner after corner; a double click, or Enter, ends it.",
        }
        self._hint.set_text(texts[self._mode.value])
        marks: list[Mark] = []
        if self._choice is not None and isinstance(self._choice.region, Box):
            box = self._choice.region
            marks.append(("rect", [box.x0, box.y0, box.x1, box.y1], "ms-roi"))
        height, width = self._shape
        what = {"width": width, "height": height, "mode": self._mode.value, "marks": marks}
        what["at"] = self._shown
        ui.run_javascript(f'masksearch.draw("region", {json.dumps(what)})')

    def _read(self, mask_id: int) -> tuple[Row, tuple[int, int]]:
        return self.site.rows.rows([mask_id])[0], self.site.collection.shapes([mask_id])[0]

    def _take_drawn(self, drawn: dict[str, Any]) -> None:
        numbers = drawn["numbers"]
        if drawn["kind"] == "box":
            self._drawn = Box(*(int(one) for one in numbers))
        else:
            points = zip(map(float, numbers[::2]), map(float, numbers[1::2]), strict=True)
            self._drawn = Polygon(tuple(points))
        self._told.set_text(told_region(self._drawn))
        self._take.set_enabled(bool(drawn["done"]))

    def _taken(self) -> Any:
        self._dialog.close()
        if self._choice is None or self._drawn is None:
            return None
        return self._choice.drawn(self._drawn)
