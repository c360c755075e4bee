"""Guided page: a classifier is debugged, from who is taken for whom to training it again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from nicegui import ui

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.roi import BoxColumn
from masksearch_ray.model.text import count, percent
from masksearch_ray.web.asking import Asking
from masksearch_ray.web.build import Built, Condition, Pixels, region_columns, to_sql
from masksearch_ray.web.explore.answer import Answer, range_of
from masksearch_ray.web.explore.detail import Detail
from masksearch_ray.web.explore.results import Results
from masksearch_ray.web.frame import frame
from masksearch_ray.web.rows import literal
from masksearch_ray.web.scenarios.augment import AugmentStep
from masksearch_ray.web.scenarios.confusion import (
    Cell,
    Columns,
    Confusion,
    Prototype,
    confusion,
    confusion_sql,
    prototypes,
    shares_sql,
)
from masksearch_ray.web.scenarios.parts import ask_all, step, too_many
from masksearch_ray.web.scenarios.retrain import RetrainStep
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View

if TYPE_CHECKING:
    from masksearch_ray.demo.record import DemoRecord

__all__ = ["add_classifier"]

_MOST = 300
_CONNECT = 60.0
_PICTURE = 96
_MOST_CLASSES = 20
_NOTHING = Confusion((), np.zeros((0, 0), np.int64))


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


@dataclass(frozen=True)
class _Counted:
    """Of what a matrix is counted; its cells are chosen by the same."""

    columns: Columns
    model: tuple[Condition, ...] = ()


class _Classifier:
    """The page as one person has it open."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._made = _NOTHING
        self._made_of = _Counted(Columns())
        self._prototypes: dict[Cell, Prototype] = {}
        self._asking, self._choosing = Asking(), Asking()
        self._cell: Cell | None = None
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
            self._augment = AugmentStep(site, self._chosen, lambda: self._made_of.columns.box)
            self._retrain = None if site.record is None else self._build_retrain(site.record)
        self._detail = Detail(site, self._step)
        ui.on("cell", lambda event: self._clicked(event.args))

    def _build_retrain(self, record: DemoRecord) -> RetrainStep:
        return RetrainStep(self.site, record, self._chosen_images, lambda: self._augment.how)

    def _build_matrix(self, boxes: list[str]) -> None:
        text = (
            "Rows are the right class, columns the predicted one. The picture is the one of a cell "
            "whose share of strong attention outside the box is nearest to the mean. Choose a cell."
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
                self._strong.props('dense outlined debounce=120 aria-label="Strong from"')
                self._told = ui.label().classes("text-sm ms-number").mark("confusion-told")
                self._told.props('aria-live="polite"')
            self._matrix = ui.html(sanitize=False).classes("w-full overflow-auto").mark("matrix")

    def _build_worst(self) -> None:
        text = (
            "Masks of the cell by the share of strong attention that lies outside the object's "
            f"box, the most first, {_MOST} at most. Mark those to be augmented, or none for all "
            "that are shown here."
        )
        with step(2, "What it looks at", text):
            self._results = Results(self.site, "worst", self._open)
            self._results.clear("Choose a cell above.")

    async def begin(self) -> None:
        """Offer the models, and count."""
        if self._lacking:
            return
        try:
            facts = await self.site.facts.wait()
        except MaskSearchError as error:
            self._told.set_text(str(error))
            return
        known = facts["model_id"].values if "model_id" in facts else ()
        self._model.set_options(list(known), value=known[-1] if known else None)
        self._model.set_visibility(len(known) > 1)
        for control in (self._model, self._box, self._strong):
            control.on_value_change(self._count)
        await self._count()

    def _counted(self) -> _Counted | None:
        """What the controls say; None without a threshold."""
        if self._strong.value is None:
            return None
        model = self._model.value
        column = "" if model is None else "model_id"
        return _Counted(
            Columns(
                box=str(self._box.value),
                low=float(self._strong.value),
                high=self.site.collection.domain[1],
                where=f"{column} = {literal(model)}" if column else "",
            ),
            (Condition(column, "=", (model,)),) if column else (),
        )

    async def _count(self, *_: Any) -> None:
        question, asked = self._asking.begin(), self._counted()
        if asked is None:
            await self._show_no_matrix("Strong from: a number is wanted.")
            return
        run = ask_all(self.site, question, shares_sql(asked.columns))
        counted = await ask_all(self.site, question, confusion_sql(asked.columns)).wait()
        await run.wait()
        if not question.stands:
            return
        if run.table is None or counted.table is None or counted.cut:
            cut = too_many(counted) if counted.cut else ""
            await self._show_no_matrix(cut or str(run.error or counted.error or run.state))
            return
        # Of a part of the masks, no mean is right.
        found = {} if run.cut else await asyncio.to_thread(prototypes, run.table)
        if not question.stands:
            return
        self._made, self._prototypes = confusion(counted.table), found
        self._made_of = asked
        self._tell(f" {too_many(run)}" if run.cut else "")
        await self._choose(self._first())

    async def _show_no_matrix(self, text: str) -> None:
        self._made, self._prototypes = _NOTHING, {}
        self._told.set_text(text)
        self._matrix.set_content("")
        await self._choose(None)

    def _tell(self, also: str) -> None:
        shown = _shown(self._made)
        left, unknown = len(self._made.classes) - len(shown), self._made.unknown
        self._told.set_text(
            f"{count(self._made.right)} of {count(self._made.total)} right "
            f"({percent(self._made.right, self._made.total)})"
            + (f"; {count(left)} classes with fewer errors are not shown" if left else "")
            + (f"; {count(unknown, 'mask')} without label or prediction" if unknown else "")
            + (f".{also}" if also else "")
        )
        self._matrix.set_content(self._drawn(shown))

    def _first(self) -> Cell | None:
        """The cell whose masks stray the most on average, errors or not."""
        means = {cell: one.mean for cell, one in self._prototypes.items() if one.mean is not None}
        if means:
            return max(means, key=lambda cell: (means[cell], self._made.count(cell)))
        classes, counts = self._made.classes, self._made.counts
        if not counts.any():
            return None
        label, prediction = np.unravel_index(int(counts.argmax()), counts.shape)
        return classes[label], classes[prediction]

    def _drawn(self, classes: Sequence[Any]) -> str:
        head = "".join(f"<th scope=col>{escape(str(one))}</th>" for one in classes)
        body = []
        for label in classes:
            cells = "".join(self._drawn_cell((label, one)) for one in classes)
            body.append(f"<tr><th scope=row>{escape(str(label))}</th>{cells}</tr>")
        return (
            f"<table class='ms-matrix ms-number'><tr><th aria-label='right class'></th>{head}</tr>"
            f"{''.join(body)}</table>"
        )

    def _drawn_cell(self, cell: Cell) -> str:
        n = self._made.count(cell)
        if not n:
            return "<td></td>"
        one = self._prototypes.get(cell)
        picture = ""
        if one is not None:
            url = escape(self.site.heat_url(one.mask_id, _PICTURE, View()))
            picture = f"<img src='{url}' alt='' loading=lazy>"
        # Places of the classes: names may hold anything, line breaks too.
        names = "\n".join(str(self._made.classes.index(name)) for name in cell)
        right = " ms-right" if cell[0] == cell[1] else ""
        stray = "" if one is None or one.mean is None else f", {100 * one.mean:.0f} % outside"
        told = escape(f"{cell[0]} taken for {cell[1]}: {count(n, 'mask')}{stray}", quote=True)
        return (
            f"<td><button type=button class='ms-cell{right}' data-emit=cell data-value='{names}' "
            f"aria-label='{told}' title='{told}'>{picture}"
            f"<span>{count(n)}</span></button></td>"
        )

    async def _clicked(self, places: list[str]) -> None:
        """Show the cell of a label and a prediction, both by their places among the classes."""
        classes = self._made.classes
        at = [int(one) for one in places if one.isdecimal() and int(one) < len(classes)]
        cell = (classes[at[0]], classes[at[1]]) if len(at) == 2 else None
        # Chosen again, it would lose the marks.
        if cell is not None and cell != self._cell:
            await self._choose(cell)

    async def _choose(self, cell: Cell | None) -> None:
        """Show the worst masks of a cell."""
        question = self._choosing.begin()
        self._cell = cell
        if cell is None:
            await self._show_none("Choose a cell above.")
            return
        try:
            query = self.site.collection.parse(to_sql(self._built(cell), self.site.catalog))
        except MaskSearchError as error:
            await self._show_none(str(error))
            return
        run = await ask_all(self.site, question, query.text).wait()
        if not question.stands:
            return
        if run.table is None:
            await self._show_none(str(run.error or run.state))
            return
        await self._results.show(run, Answer(run.table, query))
        if not question.stands:
            return
        label, prediction = cell
        n = self._made.count(cell)
        part = f": the first {count(_MOST)} of {count(n, 'mask')}" if n > _MOST else ""
        self._results.tell_also(f", {label} taken for {prediction}, the most stray first{part}")
        await self._augment.refresh()

    async def _show_none(self, text: str) -> None:
        self._cell = None
        self._results.clear(text)
        await self._augment.refresh()

    def _built(self, cell: Cell) -> Built:
        columns = self._made_of.columns
        low, high = columns.low, columns.high
        asked = (("label", cell[0]), ("prediction", cell[1]))
        return Built(
            kind="top",
            score="ratio",
            pixels=Pixels(BoxColumn(columns.box), True, low, high),
            below=Pixels(low=low, high=high),
            k=_MOST,
            where=(
                *self._made_of.model,
                *(Condition(name, "=", (value,)) for name, value in asked),
            ),
        )

    def _chosen(self) -> list[int]:
        """Masks that are marked; all that are shown of the cell where none are."""
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


def _shown(made: Confusion) -> list[Any]:
    """All classes, or of many those with the most errors."""
    wrong = made.counts.copy()
    np.fill_diagonal(wrong, 0)
    errors = wrong.sum(axis=0) + wrong.sum(axis=1)
    worst = np.argsort(-errors, kind="stable")[:_MOST_CLASSES]
    return [made.classes[at] for at in sorted(worst.tolist())]
