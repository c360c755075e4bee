"""The answer as a grid of pictures: paging, order, marks, exports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nicegui import ui

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.text import count
from masksearch_ray.render import COLOUR_MAPS
from masksearch_ray.web.asking import Asking
from masksearch_ray.web.explore.answer import Answer
from masksearch_ray.web.explore.tiles import Tiles
from masksearch_ray.web.runs import Run
from masksearch_ray.web.site import Site
from masksearch_ray.web.sliders import Slider
from masksearch_ray.web.view import View

__all__ = ["Results"]

_SIZES = [60, 120, 300]
_EXPORTS = (
    ("csv", "Table as CSV"),
    ("parquet", "Table as Parquet"),
    ("txt", "Ids, one a line"),
    ("zip", "Overlays as PNG, in a ZIP file"),
)


class Results:
    """The grid, and what stands above it.

    Parameters
    ----------
    site : Site
    name : str
        Of the grid's element, unique on the page.
    on_open : callable
        Told the key of a tile that was clicked.
    on_view : callable
        Told when the view was changed.
    """

    def __init__(
        self,
        site: Site,
        name: str,
        on_open: Callable[[str], Any],
        on_view: Callable[[View], Any] = lambda view: None,
    ) -> None:
        self.site = site
        self.view = View()
        self.answer: Answer | None = None
        self.selected: list[str] = []
        self._name = name
        # Controls that a table without pictures has no use for.
        self._of_pictures: list[ui.element] = []
        self._run: Run | None = None
        # What the browser draws, and of which run.
        self._drawn: tuple[Run | None, list[dict[str, Any]]] = (None, [])
        self._drawing = Asking()
        self._on_view = on_view
        ui.on(f"{name}-open", lambda event: on_open(event.args))
        ui.on(f"{name}-selected", lambda event: self._mark(event.args))
        self._build()

    # -- what is shown ------------------------------------------------------------------------

    async def show(self, run: Run, answer: Answer) -> None:
        """Show an answer, or the part of it that is there."""
        if self._run is not run:
            self.selected = []
        self._run, self.answer = run, answer
        if run.over:
            # Before that, more pages may come.
            last = max(0, (len(answer) - 1) // self.view.size)
            self.view = replace(self.view, page=min(self.view.page, last))
        if self.view.order.removeprefix("-") not in answer.table.column_names:
            self.view = replace(self.view, order="asked")
        self._tell()
        await self._draw()

    def tell_also(self, text: str) -> None:
        """Say more in the head."""
        self._head.set_text(self._head.text + text)

    def clear(self, text: str) -> None:
        """Show no answer but a sentence."""
        self._drawing.drop()
        self.answer, self._run = None, None
        self._head.set_text("")
        self._bar.set_visibility(False)
        self._empty.set_text(text)
        self._empty.set_visibility(True)
        self._table.set_visibility(False)
        self._show_tiles([])

    async def _draw(self) -> None:
        assert self.answer is not None
        question = self._drawing.begin()
        pictures = self.answer.kind != "table" and len(self.answer) > 0
        self._empty.set_visibility(not len(self.answer))
        self._empty.set_text(self.answer.nothing)
        self._table.set_visibility(not pictures and len(self.answer) > 0)
        made: list[dict[str, Any]] = []
        if pictures:
            tiles, why = Tiles(self.site, self.answer, self.view), None
            try:
                made = await asyncio.to_thread(tiles.make)
            except MaskSearchError as error:
                why = error
            if not question.stands:
                return
            if why is not None:
                # Where the pictures were to be, as long as they are not there.
                self._empty.set_text(f"What was found cannot be shown: {why}")
                self._empty.set_visibility(True)
        elif len(self.answer):
            self._fill_table()
        self._show_tiles(made)

    def _show_tiles(self, made: list[dict[str, Any]]) -> None:
        before, self._drawn = self._drawn, (self._run, made)
        if before == self._drawn and self._run is not None:
            return
        # Of the same answer the browser knows the marks: some may not have been told yet.
        marks = None if before[0] is self._run is not None else self.selected
        arguments = ", ".join(json.dumps(one) for one in (self._name, made, marks))
        ui.run_javascript(f"masksearch.grid({arguments})")

    def _fill_table(self) -> None:
        assert self.answer is not None
        rows = self.answer.page(self.view)
        names = self.answer.table.column_names
        self._table.columns = [
            {"name": name, "label": name, "field": name, "align": "left"} for name in names
        ]
        self._table.rows = [{name: str(row[name]) for name in names} for row in rows]
        self._table.update()

    # -- what stands above --------------------------------------------------------------------

    def _build(self) -> None:
        self._head = ui.label().classes("text-base font-medium").mark("result-head")
        self._head.props('aria-live="polite"')
        with ui.row().classes("items-center gap-3 w-full") as self._bar:
            self._order = ui.select({"asked": "order asked for"}, value="asked", label="Order")
            self._order.props('dense outlined aria-label="Order"').classes("min-w-40")
            self._order.on_value_change(lambda event: self._change(order=event.value, page=0))
            self._size = ui.select(_SIZES, value=self.view.size, label="Per page")
            self._size.props("dense outlined").classes("min-w-28")
            self._size.on_value_change(lambda event: self._change(size=event.value, page=0))
            self._pages = ui.pagination(1, 1, direction_links=True)
            self._pages.props(":max-pages=7 boundary-links aria-label=Pages")
            self._pages.on_value_change(lambda event: self._change(page=(event.value or 1) - 1))
            self._build_look()
            self._build_marks()
        self._bar.set_visibility(False)
        self._empty = ui.label().classes("ms-empty w-full")
        self._table = ui.table(rows=[], columns=[], row_key="").classes("w-full")
        self._table.set_visibility(False)
        ui.html(sanitize=False).props(
            f'id="{self._name}" role="listbox" aria-multiselectable="true" aria-label="Masks found"'
        ).classes("ms-grid w-full")

    def _build_look(self) -> None:
        with ui.row().classes("items-center gap-2") as heat:
            ui.label("Heat").classes("text-sm ms-soft")
            slider = Slider(min=0, max=1, step=0.05, value=self.view.opacity)
            slider.props('dense aria-label="Opacity of the heat map"').classes("w-24")
            slider.on_value_change(lambda event: self._opaque(event.value))
            self._slider = slider
        self._colours = ui.select(list(COLOUR_MAPS), value=self.view.colours, label="Colours")
        self._colours.props('dense outlined aria-label="Colour map"')
        self._colours.on_value_change(lambda event: self._change(colours=event.value))
        self._own = ui.checkbox("own scale", value=self.view.own)
        self._own.tooltip("Colours from each mask's own least value to its own greatest")
        self._own.on_value_change(lambda event: self._change(own=event.value))
        self._boxes = ui.checkbox("boxes", value=self.view.boxes)
        self._boxes.on_value_change(lambda event: self._change(boxes=event.value))
        self._of_pictures += [heat, self._colours, self._own, self._boxes]

    def _build_marks(self) -> None:
        with ui.row().classes("items-center gap-1"):
            self._marked = ui.label().classes("text-sm ms-soft ms-number").mark("marked")
            for text, choose in (("Mark page", self._mark_page), ("Unmark", self._unmark)):
                button = ui.button(text, on_click=choose).props("flat dense no-caps")
                self._of_pictures.append(button)
            self._of_pictures.append(self._marked)
            with ui.button("Export", icon="download").props("flat dense no-caps"), ui.menu():
                for ending, name in _EXPORTS:
                    item = ui.menu_item(name, lambda ending=ending: self._export(ending))
                    item.props("role=menuitem")

    def set_view(self, view: View) -> None:
        """Take a view, as of a permalink, before an answer is shown."""
        self.view = view
        controls: tuple[tuple[Any, Any], ...] = (
            (self._size, view.size),
            (self._colours, view.colours),
            (self._own, view.own),
            (self._boxes, view.boxes),
            (self._slider, view.opacity),
        )
        for control, value in controls:
            control.set_value(value)
        ui.run_javascript(f"masksearch.opacity({view.opacity})")

    def _tell(self) -> None:
        assert self.answer is not None and self._run is not None
        run, total = self._run, len(self.answer)
        what = {"masks": "mask", "images": "image"}.get(self.answer.kind, "row")
        text = count(total, what)
        if run.cut:
            text = f"The first {text}; there are more"
        elif run.state == "cancelled":
            text = f"Cancelled; what was decided before: {text}"
        elif not run.over:
            text += " so far"
        self._head.set_text(text)
        self._bar.set_visibility(total > 0)
        for control in self._of_pictures:
            control.set_visibility(self.answer.kind != "table")
        pages = max(1, -(-total // self.view.size), self.view.page + 1)
        self._pages.max = pages
        self._pages.set_visibility(pages > 1)
        self._pages.value = self.view.page + 1
        names = self.answer.table.column_names
        orders = {"asked": "order asked for"}
        for name in names:
            orders |= {name: f"{name}, least first", f"-{name}": f"{name}, greatest first"}
        self._order.set_options(orders, value=self.view.order)
        self._marked.set_text(f"{len(self.selected):,} marked")

    # -- what people do -----------------------------------------------------------------------

    async def _change(self, **changes: Any) -> None:
        if None in changes.values():
            # A select tells None while its options change.
            return
        view = replace(self.view, **changes)
        if view == self.view or self.answer is None or self._run is None:
            return
        table = self._run.so_far()
        if view.order != self.view.order and table is not None:
            self.answer = Answer(table, self.answer.query, view.order)
        self.view = view
        self._on_view(view)
        self._tell()
        await self._draw()

    def _opaque(self, value: float) -> None:
        self.view = replace(self.view, opacity=value)
        ui.run_javascript(f"masksearch.opacity({value})")
        self._on_view(self.view)

    def _mark(self, ids: list[str]) -> None:
        # Marks of other pages are kept: the browser knows those of all pages.
        self.selected = ids
        self._marked.set_text(f"{len(ids):,} marked")

    def _mark_page(self) -> None:
        if self.answer is not None:
            here = [str(row[self.answer.key]) for row in self.answer.page(self.view)]
            self._set_marks(list(dict.fromkeys([*self.selected, *here])))

    def _unmark(self) -> None:
        self._set_marks([])

    def _set_marks(self, ids: list[str]) -> None:
        self._mark(ids)
        ui.run_javascript(f"masksearch.select({json.dumps(self._name)}, {json.dumps(ids)})")

    def _export(self, ending: str) -> None:
        if self._run is None or not self._run.over:
            ui.notify("Wait until the answer is whole.", type="warning")
            return
        if self._run.table is None:
            ui.notify("It was cancelled: there is no whole answer.", type="warning")
            return
        if ending == "zip" and self.answer is not None and self.answer.kind != "masks":
            ui.notify("The answer has no mask_id, so there are no masks to draw.", type="warning")
            return
        if self._run.cut:
            ui.notify(f"The first {count(self._run.rows, 'row')} alone; --rows allows more.")
        # Not in the URL, which thousands of ids would be too long for.
        self._run.marked = frozenset(self.selected)
        ui.download.from_url(f"/export/{self.site.key}/{self._run.key}.{ending}")
