"""One mask, large: with its image, beside others of it; a box drawn on it is counted live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
from nicegui import ui

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.roi import Roi
from masksearch_ray.web.asking import Asking
from masksearch_ray.web.explore.answer import Answer, marks_of, regions_of, told
from masksearch_ray.web.named import named
from masksearch_ray.web.rows import Row
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View

__all__ = ["Detail"]

_SIZE = 1024
_SMALL = 96
_BINS = 32


class Detail:
    """The dialog.

    Parameters
    ----------
    site : Site
    on_step : callable
        Told -1 or 1, when the one before or after is wanted.
    on_closed : callable
        Called when the dialog was closed.
    on_other : callable
        Told the mask, when another of the same image was chosen and is shown.

    Attributes
    ----------
    mask_id : int or None
        What is shown.
    """

    def __init__(
        self,
        site: Site,
        on_step: Callable[[int], Any],
        on_closed: Callable[[], Any] = lambda: None,
        on_other: Callable[[int], Any] = lambda mask_id: None,
    ) -> None:
        self.site = site
        self.mask_id: int | None = None
        self._answer: Answer | None = None
        self._shown = 0
        self._reading, self._counting = Asking(), Asking()
        self._on_other = on_other
        self._range = site.collection.domain
        self._regions: list[Roi] = []
        self._view = View()
        with ui.dialog().props("maximized") as self._dialog, ui.card().classes("w-full"):
            with ui.row().classes("items-center w-full"):
                self._title = ui.label().classes("text-lg font-medium").mark("detail-title")
                ui.space()
                for icon, name, step in (
                    ("chevron_left", "The one before", -1),
                    ("chevron_right", "The one after", 1),
                ):
                    button = ui.button(icon=icon, on_click=lambda step=step: on_step(step))
                    named(button, name).props("flat round")
                close = ui.button(icon="close", on_click=self._dialog.close)
                close.props('flat round aria-label="Close"')
            self._panels = ui.html(sanitize=False).classes("w-full")
            self._drawn = ui.label("Drag a box on a picture to count its pixels.")
            self._drawn.classes("ms-number").props('aria-live="polite"').mark("drawn")
            with ui.row().classes("w-full gap-6 items-start"):
                self._histogram = ui.html(sanitize=False).classes("min-w-72 grow")
                self._facts = ui.html(sanitize=False).classes("min-w-72 grow")
            self._others = ui.row().classes("w-full gap-2")
        self._dialog.on("hide", lambda: self._closed(on_closed))
        self._keys = ui.keyboard(lambda event: self._key(event, on_step), active=False)
        ui.on("detail-drawn", lambda event: self._count(event.args))

    @property
    def open(self) -> bool:
        """Whether it is shown."""
        return bool(self._dialog.value)

    async def show(
        self,
        mask_id: int,
        answer: Answer | None,
        view: View,
        values: tuple[float, float] | None = None,
    ) -> bool:
        """Show a mask.

        Parameters
        ----------
        mask_id : int
        answer : Answer, optional
            In which it was found, and of which regions are drawn.
        view : View
        values : (float, float), optional
            Range of values that is marked in the histogram and counted in boxes.

        Returns
        -------
        bool
            Whether it is shown; not if it cannot be read, or another was asked for meanwhile.
        """
        question = self._reading.begin()
        try:
            row, mask, beside = await asyncio.to_thread(self._read, mask_id)
        except MaskSearchError as error:
            if question.stands:
                ui.notify(str(error), type="negative")
            return False
        if not question.stands:
            return False
        self._counting.drop()
        self.mask_id, self._view, self._answer = mask_id, view, answer
        self._range = values or self.site.collection.domain
        self._regions = regions_of(answer.query) if answer is not None else []
        self._shown += 1
        self._fill(row, mask, beside)
        return True

    def _fill(self, row: Row, mask: np.ndarray[Any, Any], beside: list[Row]) -> None:
        self._title.set_text(_title(row))
        self._drawn.set_text("Drag a box on a picture to count its pixels.")
        self._panels.set_content(self._pictures(row, mask.shape))
        self._histogram.set_content(_bars(mask, self.site.collection.domain, self._range))
        self._facts.set_content(_facts(row))
        self._fill_others(beside)
        self._dialog.open()
        self._keys.active = True
        height, width = mask.shape
        marks = marks_of(self._regions, row, self.site.box_columns)
        panels = ["detail-mask"]
        if self.site.image_url(row, _SIZE) is not None:
            panels += ["detail-overlay", "detail-image"]
        for panel in panels:
            what = {"width": width, "height": height, "mode": "box", "marks": marks}
            what["at"] = self._shown
            arguments = f"{json.dumps(panel)}, {json.dumps(what)}"
            ui.run_javascript(f'masksearch.draw({arguments}, "detail")')

    def _read(self, mask_id: int) -> tuple[Row, np.ndarray[Any, Any], list[Row]]:
        row = self.site.rows.rows([mask_id])[0]
        mask = self.site.pictures.values([mask_id])[0]
        return row, mask, self.site.rows.beside(row)

    def _pictures(self, row: Row, shape: tuple[int, ...]) -> str:
        height, width = shape
        crisp = " ms-crisp" if max(shape) <= 128 else ""
        heat = escape(self.site.heat_url(row["mask_id"], _SIZE, self._view))
        image = self.site.image_url(row, _SIZE)
        layers = {"mask": f'<img class="ms-heat" style="opacity:1" src="{heat}" alt="Heat map">'}
        if image is not None:
            shown = f'<img class="ms-image" src="{escape(image)}" alt="Image">'
            plain = shown.replace("ms-image", "ms-plain")
            layers = {
                "image": plain,
                **layers,
                "overlay": f'{shown}<img class="ms-heat" src="{heat}" alt="">',
            }
        style = f"aspect-ratio:{width}/{height}"
        figures = "".join(
            f'<figure><div class="ms-pic ms-bare ms-draw{crisp}" id="detail-{name}" tabindex="0" '
            f'data-at="{self._shown}" style="{style}" '
            f'aria-label="{name}: drag to count pixels in a box">{inner}</div>'
            f"<figcaption>{name}</figcaption></figure>"
            for name, inner in layers.items()
        )
        return f'<div class="ms-panels">{figures}</div>'

    def _fill_others(self, beside: list[Row]) -> None:
        self._others.clear()
        if len(beside) < 2:
            return
        with self._others:
            for row in beside:
                name = _title(row)
                heat = self.site.heat_url(row["mask_id"], _SMALL, self._view)
                with ui.element("button").classes("ms-card p-1") as button:
                    named(button, name).props("type=button")
                    if row["mask_id"] == self.mask_id:
                        button.classes("ms-now")
                    ui.html(f'<img src="{escape(heat)}" alt="" width="72">', sanitize=False)
                    ui.label(_short(row)).classes("text-xs")
                button.on("click", lambda row=row: self._other(row["mask_id"]))

    async def _other(self, mask_id: int) -> None:
        if await self.show(mask_id, self._answer, self._view, self._range):
            self._on_other(mask_id)

    def _key(self, event: Any, on_step: Callable[[int], Any]) -> Any:
        if not event.action.keydown or not self.open:
            return None
        step = {"ArrowLeft": -1, "ArrowRight": 1}.get(str(event.key))
        return None if step is None else on_step(step)

    def _closed(self, on_closed: Callable[[], Any]) -> None:
        self._keys.active = False
        self._reading.drop()
        self._counting.drop()
        self.mask_id = None
        on_closed()

    async def _count(self, drawn: dict[str, Any]) -> None:
        """Count the pixels of a box that is being drawn, by the engine itself."""
        if self.mask_id is None:
            return
        box = ", ".join(str(int(one)) for one in drawn["numbers"])
        low, high = self._range
        sql = (
            f"SELECT CP(mask, box({box}), ({low}, {high})) AS n, area(box({box})) AS a "
            f"FROM masks WHERE mask_id = {self.mask_id}"
        )
        question = self._counting.begin()
        run = await question.hold(self.site.runs.start(sql, most=1)).wait()
        if not question.stands:
            return
        if run.table is None:
            self._drawn.set_text(str(run.error or "Cancelled."))
            return
        (row,) = run.table.to_pylist()
        share = f", {100 * row['n'] / row['a']:.1f} % of {row['a']:,} pixels" if row["a"] else ""
        self._drawn.set_text(
            f"box({box}): {row['n']:,} pixels from {told(low)} to {told(high)}{share}"
        )


def _title(row: Row) -> str:
    parts = [f"mask {row['mask_id']}"]
    for name in ("image_id", "model_id", "mask_type"):
        if row.get(name) is not None:
            parts.append(f"{name.removesuffix('_id').replace('_', ' ')} {row[name]}")
    if row.get("label") is not None:
        arrow = f" → {row['prediction']}" if row.get("prediction") is not None else ""
        parts.append(f"label {row['label']}{arrow}")
    return ", ".join(parts)


def _short(row: Row) -> str:
    told = [f"{n.removesuffix('_id')} {row[n]}" for n in ("model_id", "mask_type") if n in row]
    return ", ".join(told) or f"mask {row['mask_id']}"


def _shown(name: str, value: object) -> str:
    """A value of the metadata; of a path the last name, as folders are the server's own."""
    text = str(value)
    return text.rpartition("/")[2] if name.endswith("_path") else text


def _facts(row: Row) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(_shown(name, value))}</dd>"
        for name, value in row.items()
    )
    return f"<dl class='ms-facts m-0' aria-label='Metadata'>{rows}</dl>"


def _bars(
    mask: np.ndarray[Any, Any], domain: tuple[float, float], values: tuple[float, float]
) -> str:
    """Histogram of a mask's values, those in the range marked; heights are roots of counts."""
    counts, edges = np.histogram(mask[~np.isnan(mask)], bins=_BINS, range=domain)
    heights = np.sqrt(counts / max(1, counts.max()))
    low, high = values
    bars = "".join(
        f'<i class="{"ms-in" if low <= (a + b) / 2 < high else ""}" '
        f'style="height:{100 * h:.1f}%" title="{told(float(a))} to {told(float(b))}: {n:,}"></i>'
        for h, n, a, b in zip(heights, counts, edges[:-1], edges[1:], strict=True)
    )
    name = f"Values of this mask; {told(low)} to {told(high)} marked"
    return (
        f'<div class="ms-bars" role="img" aria-label="{name}">{bars}</div>'
        f'<div class="ms-soft text-xs">{name}</div>'
    )
