"""A step: the pixels outside the box are made useless, looked at, and exported with labels."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import Callable, Iterator, Sequence

from nicegui import ui

from masksearch_ray.errors import MaskSearchError, QueryCancelledError
from masksearch_ray.model.text import count
from masksearch_ray.render import png_bytes
from masksearch_ray.render.augment import (
    METHODS,
    Augmentation,
    Example,
    Picture,
    augment,
    scale_boxes,
    write_examples,
)
from masksearch_ray.web.asking import Asking
from masksearch_ray.web.rows import Row
from masksearch_ray.web.scenarios.parts import panels, step
from masksearch_ray.web.site import Site

__all__ = ["AugmentStep"]

_PREVIEWED = 4


class AugmentStep:
    """The step.

    Parameters
    ----------
    site : Site
    chosen : callable
        Gives the masks whose images are augmented.
    box : callable
        Gives the name of the column of boxes of which the outside is changed.
    """

    def __init__(
        self, site: Site, chosen: Callable[[], Sequence[int]], box: Callable[[], str]
    ) -> None:
        self.site = site
        self._wanted = chosen
        self._box = box
        self._previewing = Asking()
        self._stopped = threading.Event()
        self._written, self._of = 0, 0
        text = (
            "Outside the object's box, pixels are replaced, so that nothing can be learnt from "
            "them: by noise, by themselves in random places, by a blur, or by their mean."
        )
        with step(3, "Take away what it should not look at", text):
            with ui.row().classes("items-center gap-3"):
                self._method = ui.toggle(list(METHODS), value=METHODS[0])
                self._method.props('no-caps aria-label="How pixels outside are replaced"')
                self._method.on_value_change(lambda event: self.refresh())
                ui.button("Preview", icon="refresh", on_click=self.refresh).props("flat no-caps")
                self._told = ui.label().classes("text-sm ms-soft").mark("augment-told")
                self._told.props('aria-live="polite"')
            self._build_export()
            self._shown = ui.html(sanitize=False).classes("ms-previews w-full").mark("previews")

    def _build_export(self) -> None:
        with ui.row().classes("items-center gap-3"):
            self._go = ui.button("Export images and labels", icon="download", on_click=self._export)
            self._go.props("flat no-caps")
            self._stop = ui.button("Cancel export", icon="stop", on_click=self._stopped.set)
            self._stop.props("flat no-caps").set_visibility(False)
            self._exported = ui.label().classes("text-sm ms-soft ms-number").mark("export-told")
            self._exported.props('aria-live="polite"')
            self._tick = ui.timer(0.2, self._tell_written, active=False)
        ui.context.client.on_delete(self._stopped.set)

    @property
    def how(self) -> Augmentation:
        """How pixels are replaced."""
        return Augmentation(self._method.value)

    async def refresh(self) -> None:
        """Show the first images before and after."""
        question = self._previewing.begin()
        ids, how, box = list(self._wanted()), self.how, self._box()
        try:
            shown = await self.site.drawn(lambda: self._previews(ids[:_PREVIEWED], how, box))
            first = f", the first {_PREVIEWED} shown" if len(ids) > _PREVIEWED else ""
            told = f"{count(len(ids), 'mask')}{first}"
        except MaskSearchError as error:
            shown, told = "", str(error)
        if question.stands:
            self._shown.set_content(shown)
            self._told.set_text(told)

    async def _export(self) -> None:
        ids, how, box = list(self._wanted()), self.how, self._box()
        stream = io.BytesIO()
        self._stopped.clear()
        self._written, self._of = 0, len(ids)
        self._busy(True)
        try:
            await asyncio.to_thread(lambda: write_examples(self._examples(ids, how, box), stream))
        except QueryCancelledError:
            self._exported.set_text("Cancelled.")
        except MaskSearchError as error:
            self._exported.set_text(str(error))
        else:
            self._tell_written()
            ui.download.content(stream.getvalue(), "augmented.zip", "application/zip")
        finally:
            self._busy(False)

    def _busy(self, busy: bool) -> None:
        self._go.set_enabled(not busy)
        self._stop.set_visibility(busy)
        self._tick.active = busy
        if busy:
            self._tell_written()

    def _tell_written(self) -> None:
        self._exported.set_text(f"{count(self._written)} of {count(self._of, 'image')} written")

    def _previews(self, ids: Sequence[int], how: Augmentation, box: str) -> str:
        parts = []
        for row, before, after in self._pictures(ids, how, box):
            title = f"mask {row['mask_id']}, label {row.get('label')}"
            shown = [("before", [_data(before)]), ("after", [_data(after)])]
            parts.append(panels(title, (before.shape[0], before.shape[1]), shown))
        return "".join(parts)

    def _examples(self, ids: Sequence[int], how: Augmentation, box: str) -> Iterator[Example]:
        for row, _, after in self._pictures(ids, how, box):
            if self._stopped.is_set() or self.site.closed.is_set():
                raise QueryCancelledError("the export was cancelled")
            told = {name: row[name] for name in ("mask_id", "image_id") if name in row}
            yield Example(after, row.get("label"), {**told, "method": how.method})
            self._written += 1

    def _pictures(
        self, ids: Sequence[int], how: Augmentation, column: str
    ) -> Iterator[tuple[Row, Picture, Picture]]:
        rows, shapes = self.site.rows.rows(ids), self.site.collection.shapes(ids)
        for row, shape in zip(rows, shapes, strict=True):
            before = self.site.pictures.read(row)
            box = row.get(column)
            boxes = [] if box is None else scale_boxes([box], shape, before.shape[:2])
            yield row, before, augment(before, boxes, how, row["mask_id"])


def _data(picture: Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture)).decode()
