"""Guided page: a classifier is debugged, from who is taken for whom to training it again."""

from __future__ import annotations

import asyncio
from html import escape
from typing import Any

from nicegui import ui

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.roi import BoxColumn
from masksearch_ray.model.text import count, percent
from masksearch_ray.web.build import Built, Condition, Pixels, region_columns, to_sql
from masksearch_ray.web.explore.answer import Answer, range_of
from masksearch_ray.web.explore.detail import Detail
from masksearch_ray.web.explore.results import Results
from masksearch_ray.web.frame import frame
from masksearch_ray.web.opening import demo_record
from masksearch_ray.web.rows import quoted
from masksearch_ray.web.runs import Run
from masksearch_ray.web.scenarios.augment import AugmentStep
from masksearch_ray.web.scenarios.confusion import Cell, Confusion, confusion, confusion_sql
from masksearch_ray.web.scenarios.parts import step
from masksearch_ray.web.scenarios.retrain import RetrainStep
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View

__all__ = ["add_classifier"]

_MOST = 300
_CONNECT = 60.0
_PICTURE = 96


def add_classifier(site: Site) -> None:
    """Add the page to the application.

    Parameters
    ----------
    site : Site
    """

    @ui.page("/classifier")
    async def classifier() -> None:
        with frame(site, "/classifier"):
            page = _Classifier(site)
        await ui.context.client.connected(timeout=_CONNECT)
        await page.begin()


class _Classifier:
    """The page as one person has it open."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._cell: Cell | None = None
        self._run: Run | None = None
        self._opened: str | None = None
        fields = site.catalog.fields
        boxes = [roi.name for roi in region_columns(site.catalog) if isinstance(roi, BoxColumn)]
        self._lacking = [name for name in ("label", "prediction") if name not in fields]
        self._lacking += [] if boxes else ["a column of boxes around the objects"]
        ui.label("Debug a classifier").classes("text-2xl font-medium")
        ui.label(
            "Which classes are confused, what does the classifier look at then, and does it help "
            "to take away what it should not have looked at?"
        ).classes("ms-soft max-w-3xl")
        if self._lacking:
            ui.label(f"This collection lacks {', '.join(self._lacking)}.").classes("ms-empty")
            return
        with ui.column().classes("w-full gap-4 pt-3"):
            self._build_matrix(boxes)
            self._build_worst()
            self._augment = AugmentStep(site, self._chosen, lambda: str(self._box.value))
            record = demo_record(site.options)
            self._retrain = None if record is None else RetrainStep(record, self._chosen_images)
        self._detail = Detail(site, self._step)
        ui.on("cell", lambda event: self._choose(event.args))

    def _build_matrix(self, boxes: list[str]) -> None:
        text = (
            "Rows are the right class, columns the predicted one. The picture is the middle one "
            "of a cell, by strong attention outside the box. Choose a cell."
        )
        with step(1, "Who is taken for whom", text):
            with ui.row().classes("items-center gap-3"):
                self._model = ui.select([], label="Model").classes("w-32")
                self._model.props('dense outlined aria-label="Model"')
                self._box = ui.select(boxes, value=boxes[0], label="Object")
                self._box.props('dense outlined aria-label="Box of the object"')
                low, high = self.site.collection.domain
                self._strong = ui.number(
                    "Strong from", value=(low + high) / 2, min=low, max=high, step=0.05
                )
                self._strong.props('dense outlined debounce=250 aria-label="Strong from"')
                self._told = ui.label().classes("text-sm ms-number").mark("confusion-told")
                self._told.props('aria-live="polite"')
            self._matrix = ui.html(sanitize=False).classes("w-full overflow-auto").mark("matrix")

    def _build_worst(self) -> None:
        text = (
            "Masks of the cell by the share of strong attention that lies outside the object's "
            "box, the most first. Mark those to be augmented."
        )
        with step(2, "What it looks at", text):
            self._results = Results(self.site, "worst", self._open)
            self._results.clear("Choose a cell above.")

    async def begin(self) -> None:
        """Offer the models, and count."""
        if self._lacking:
            return
        facts = await asyncio.to_thread(lambda: self.site.facts)
        known = facts["model_id"].values if "model_id" in facts else ()
        self._model.set_options(list(known), value=known[-1] if known else None)
        self._model.set_visibility(len(known) > 1)
        for control in (self._model, self._box, self._strong):
            control.on_value_change(self._count)
        await self._count()

    def _where(self) -> dict[str, Any]:
        return {} if self._model.value is None else {"model_id": self._model.value}

    def _values(self) -> tuple[float, float]:
        high = self.site.collection.domain[1]
        return float(self._strong.value or 0), high

    async def _count(self, *_: Any) -> None:
        sql = confusion_sql(quoted(str(self._box.value)), self._values(), where=self._where())
        run = self._run = self.site.runs.start(sql)
        await run.wait()
        if run is not self._run:
            return
        if run.table is None:
            self._told.set_text(str(run.error or run.state))
            return
        made = await asyncio.to_thread(confusion, run.table)
        left = f"; {count(made.left_out)} classes are not shown" if made.left_out else ""
        self._told.set_text(
            f"{count(made.right)} of {count(made.total)} right "
            f"({percent(made.right, made.total)}){left}"
        )
        self._cells = made.cells
        self._matrix.set_content(self._drawn(made))
        await self._choose(self._first(made))

    def _first(self, made: Confusion) -> list[str] | None:
        """The cell whose middle mask strays the most, errors or not."""
        cells = [cell for cell in made.cells.values() if cell.stray == cell.stray]
        if not cells:
            return None
        worst = max(cells, key=lambda cell: (cell.stray, cell.count))
        return [str(worst.label), str(worst.prediction)]

    def _drawn(self, made: Confusion) -> str:
        head = "".join(f"<th scope=col>{escape(str(one))}</th>" for one in made.classes)
        body = []
        for label in made.classes:
            cells = "".join(self._drawn_cell(made, label, one) for one in made.classes)
            body.append(f"<tr><th scope=row>{escape(str(label))}</th>{cells}</tr>")
        return (
            f"<table class='ms-matrix ms-number'><tr><th aria-label='right class'></th>{head}</tr>"
            f"{''.join(body)}</table>"
        )

    def _drawn_cell(self, made: Confusion, label: Any, prediction: Any) -> str:
        cell = made.cells.get((label, prediction))
        if cell is None:
            return "<td></td>"
        url = self.site.heat_url(cell.prototype, _PICTURE, View())
        names = escape(f"{label}\n{prediction}", quote=True)
        right = " ms-right" if label == prediction else ""
        told = escape(f"{label} taken for {prediction}: {count(cell.count, 'image')}", quote=True)
        return (
            f"<td><button type=button class='ms-cell{right}' data-emit=cell data-value='{names}' "
            f"aria-label='{told}' title='{told}'><img src='{escape(url)}' alt='' loading=lazy>"
            f"<span>{count(cell.count)}</span></button></td>"
        )

    async def _choose(self, names: list[str] | None) -> None:
        """Show the worst masks of a cell."""
        found = [
            cell
            for (label, prediction), cell in self._cells.items()
            if names == [str(label), str(prediction)]
        ]
        if not found:
            return
        self._cell = found[0]
        try:
            query = self.site.collection.parse(to_sql(self._built(found[0]), self.site.catalog))
        except MaskSearchError as error:
            self._results.clear(str(error))
            return
        run = await self.site.runs.start(query.text).wait()
        if run.table is None:
            self._results.clear(str(run.error or run.state))
            return
        await self._results.show(run, Answer(run.table, query))
        told = f"{found[0].label} taken for {found[0].prediction}"
        self._results.tell_also(f", {told}, the most stray first")
        await self._augment.refresh()

    def _built(self, cell: Cell) -> Built:
        region = BoxColumn(str(self._box.value))
        low, high = self._values()
        asked = {**self._where(), "label": cell.label, "prediction": cell.prediction}
        return Built(
            kind="top",
            score="ratio",
            pixels=Pixels(region, True, low, high),
            below=Pixels(low=low, high=high),
            k=_MOST,
            where=tuple(Condition(name, "=", (value,)) for name, value in asked.items()),
        )

    def _chosen(self) -> list[int]:
        """Masks that are marked; all of the cell where none are."""
        keys = self._results.selected or (
            [] if self._results.answer is None else self._results.answer.keys
        )
        return [int(key) for key in keys]

    def _chosen_images(self) -> list[int]:
        """Their images."""
        return [int(row["image_id"]) for row in self.site.rows.rows(self._chosen())]

    # -- one mask -----------------------------------------------------------------------------

    async def _open(self, key: str) -> None:
        answer = self._results.answer
        if answer is not None:
            self._opened = key
            values = range_of(answer.query)
            await self._detail.show(int(key), answer, self._results.view, values)

    async def _step(self, by: int) -> None:
        keys = [] if self._results.answer is None else self._results.answer.keys
        at = keys.index(self._opened) + by if self._opened in keys else -1
        if 0 <= at < len(keys):
            await self._open(keys[at])
