"""Guided page: where a model looks elsewhere than people, or than another model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa
from nicegui import ui
from numpy.typing import NDArray

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.text import count, duration, percent
from masksearch_ray.web.asking import Asking, Question
from masksearch_ray.web.build import (
    Names,
    Pair,
    names,
    pair_columns,
    region_columns,
    to_sql,
)
from masksearch_ray.web.explore.answer import told
from masksearch_ray.web.explore.region import RegionChoice, RegionDialog
from masksearch_ray.web.frame import frame
from masksearch_ray.web.permalink import Link, write_link
from masksearch_ray.web.rows import Row
from masksearch_ray.web.runs import Run
from masksearch_ray.web.scenarios.alike import Asked, alone_sql
from masksearch_ray.web.scenarios.histogram import BINS, Bars, bin_range, bins_of
from masksearch_ray.web.scenarios.parts import Panel, ask_all, panels, step, too_many
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View

__all__ = ["add_attention"]

_SIZE = 320
_CONNECT = 60.0
_LOOK = (
    "Blue is the first mask, orange the second. The pictures show whole masks, whatever the "
    "region; the IoU and its pixels are those of the region."
)


def add_attention(site: Site) -> None:
    """Add the page to the application.

    Parameters
    ----------
    site : Site
    """

    @ui.page("/attention")
    async def attention() -> None:
        with frame(site, "/attention"):
            page = _Attention(site)
        await ui.context.client.connected(timeout=_CONNECT)
        await page.begin()


class _Attention:
    """The page as one person has it open."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._asked: Asked | None = None
        self._all: pa.Table | None = None
        self._bin: int | None = None
        self._shown: pa.Table | None = None
        self._pairs: dict[str, tuple[Any, ...]] = {}
        self._alone_of: dict[Pair, bool] = {}
        self._asking = Asking()
        self._quiet = True
        ui.label("Model against human attention").classes("text-2xl font-medium")
        ui.label(
            "Two masks of an image, such as a model's attention and people's, or two models', "
            "agree as far as their strong pixels are the same: intersection over union (IoU)."
        ).classes("ms-soft max-w-3xl")
        with ui.element("div").classes("ms-shell pt-3"):
            with ui.element("aside").classes("flex flex-col gap-3"):
                self._build_asked()
                self._build_histogram()
            with (
                ui.element("div").classes("ms-main"),
                step(3, "Look at the images", _LOOK),
            ):
                self._head = ui.label().classes("font-medium").mark("attention-head")
                self._head.props('aria-live="polite"')
                self._rows = ui.html(sanitize=False).classes("ms-rows w-full").mark("rows")
        self._regions = RegionDialog(site)

    def _build_asked(self) -> None:
        with step(1, "Say what is compared", "Any two values that tell apart masks of an image."):
            self._column = self._select("Column", "w-full")
            with ui.row().classes("w-full no-wrap gap-1"):
                self._first = self._select("First mask", "grow basis-0 min-w-0")
                self._second = self._select("Second mask", "grow basis-0 min-w-0")
            low, high = self.site.collection.domain
            self._threshold = ui.number(
                "Strong from", value=(low + high) / 2, min=low, max=high, step=(high - low) / 20
            )
            self._threshold.props('dense outlined debounce=120 aria-label="Strong from"')
            self._threshold.on_value_change(self._changed)
            self._region = RegionChoice(
                "Region", region_columns(self.site.catalog), self._draw, self._changed
            )
            self._lowest = ui.toggle({True: "least alike", False: "most alike"}, value=True)
            self._lowest.props('no-caps spread aria-label="Which first"').classes("w-full")
            self._lowest.on_value_change(self._changed)

    def _build_histogram(self) -> None:
        text = (
            "All images by IoU, orange where those shown are. Click a bar to see its images; click "
            "it again for the first ones."
        )
        with step(2, "See the whole collection", text):
            self._bars = Bars(self._clicked)
            self._told = ui.label().classes("text-sm ms-soft ms-number").mark("histogram-told")
            self._told.props('aria-live="polite"')
            self._explore = ui.link("Open in Explore", "/").classes("text-sm")

    def _select(self, name: str, classes: str) -> ui.select:
        control = ui.select([], label=name).classes(classes)
        control.props(f'dense outlined aria-label="{name}"')
        control.on_value_change(lambda event: self._paired(control))
        return control

    # -- asking -------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Offer what the collection has, and ask the first question."""
        try:
            facts = await self.site.facts.wait()
        except MaskSearchError as error:
            self._head.set_text(str(error))
            return
        self._pairs = dict(pair_columns(self.site.catalog, facts))
        if not self._pairs:
            self._head.set_text(
                "Nothing to compare here: an image_id is wanted, and a model_id or mask_type "
                "of at least two values."
            )
            return
        column = next(iter(self._pairs))
        self._column.set_options(list(self._pairs), value=column)
        self._offer(column)
        self._quiet = False
        self._changed()

    def _offer(self, column: str) -> None:
        values = self._pairs[column]
        self._first.set_options(list(values), value=values[0])
        self._second.set_options(list(values), value=values[1])

    def _paired(self, control: ui.select) -> None:
        if self._quiet:
            return
        if control is self._column:
            self._quiet = True
            self._offer(str(self._column.value))
            self._quiet = False
        self._changed()

    def _changed(self, *_: Any) -> None:
        if self._quiet:
            return
        self._all, self._bin = None, None
        if self._threshold.value is None:
            self._asking.drop()
            self._clear("Strong from: a number is wanted.")
            return
        pair = Pair(str(self._column.value), self._first.value, self._second.value)
        outside = self._region.outside
        self._asked = Asked(
            pair, float(self._threshold.value), self._region.region, outside, self._lowest.value
        )
        asked = self._asked
        self._asking.later(lambda question: self._ask(question, asked))

    async def _ask(self, question: Question, asked: Asked) -> None:
        built = asked.built(self.site.collection.domain)
        try:
            sql = to_sql(built, self.site.catalog)
        except MaskSearchError as error:
            self._clear(str(error))
            return
        link = write_link(Link(built), self.site.catalog)
        self._explore.set_visibility(True)
        self._explore.props(f'href="/?{link}"')
        self._bars.show([], ())
        self._told.set_text("Counting all images …")
        first = ask_all(self.site, question, sql)
        await first.wait()
        if not question.stands:
            return
        if first.table is None:
            self._clear(str(first.error or first.state))
            return
        await self._show(first.table, _told_run(first), asked)
        if question.stands:
            await self._count(question, sql.rpartition("\nLIMIT")[0], asked.pair)

    def _clear(self, text: str) -> None:
        """Tell why nothing is shown."""
        self._shown = None
        self._head.set_text(text)
        self._rows.set_content("")
        self._told.set_text("")
        self._bars.show([], ())
        self._explore.set_visibility(False)

    async def _find_alone(self, question: Question, pair: Pair) -> None:
        """Find out whether some image has but one of the two, and is left out."""
        if pair not in self._alone_of:
            run = await ask_all(self.site, question, alone_sql(pair)).wait()
            if run.table is not None:
                self._alone_of[pair] = run.table.num_rows > 0

    async def _count(self, question: Question, sql: str, pair: Pair) -> None:
        """Fill the histogram: of all images, as without a limit no bound leaves any out."""
        await self._find_alone(question, pair)
        every = await ask_all(self.site, question, sql).wait()
        if not question.stands:
            return
        if every.table is None or every.cut:
            self._told.set_text(too_many(every) if every.cut else str(every.error or every.state))
            return
        self._all = every.table
        self._fill()

    # -- what is shown ------------------------------------------------------------------------

    def _fill(self) -> None:
        assert self._all is not None and self._asked is not None
        values = self._scores(self._all)
        known = values[~np.isnan(values)]
        at = bins_of(values)
        marked = at[: self._asked.k].tolist() if self._bin is None else [self._bin]
        self._bars.show(np.bincount(at[at >= 0], minlength=BINS).tolist(), marked, self._bin)
        empty = len(values) - len(known)
        none = f"; {count(empty)} where neither mask is strong" if empty else ""
        mean = f", mean {known.mean():.3f}" if len(known) else ""
        alone = self._alone_of.get(self._asked.pair, False)
        left = "; images with but one of both are left out" if alone else ""
        self._told.set_text(f"{count(len(known), 'image')}{mean}{none}{left}")

    def _scores(self, table: pa.Table) -> NDArray[np.float64]:
        assert self._asked is not None
        score = self._names(self._asked).score
        return np.array(table[score].to_pylist(), np.float64)

    def _names(self, asked: Asked) -> Names:
        return names(asked.built(self.site.collection.domain), self.site.catalog)

    async def _clicked(self, at: int) -> None:
        if self._all is None or self._asked is None:
            return
        self._bin = None if self._bin == at else at
        self._fill()
        asked = self._asked
        if self._bin is None:
            await self._show(self._all.slice(0, asked.k), "", asked)
            return
        found = self._all.filter(pa.array(bins_of(self._scores(self._all)) == at))
        text = f"{bin_range(at)}: {count(found.num_rows, 'image')}"
        text += f", the first {asked.k} shown" if found.num_rows > asked.k else ""
        await self._show(found.slice(0, asked.k), text, asked)

    async def _show(self, table: pa.Table, text: str, asked: Asked) -> None:
        self._shown = table
        shown = f"{count(table.num_rows, 'image')}, " + (
            "least alike first" if asked.lowest else "most alike first"
        )
        self._head.set_text(text or shown)
        try:
            rows = await self.site.drawn(lambda: self._made(table, asked))
        except MaskSearchError as error:
            rows = escape(str(error))
        # Meanwhile another question, or another bar, may have been chosen.
        if self._shown is table and self._asked is asked:
            self._rows.set_content(rows)

    def _made(self, table: pa.Table, asked: Asked) -> str:
        found = table.to_pylist()
        members = self.site.rows.members([row["image_id"] for row in found])
        parts = []
        for row in found:
            of = members[row["image_id"]]
            each = [
                [one for one in of if one[asked.pair.column] == value]
                for value in (asked.pair.first, asked.pair.second)
            ]
            if all(each):
                n = sum(map(len, each))
                parts.append(self._row(row, [some[0] for some in each], n, asked))
        return "".join(parts)

    def _row(self, found: Row, two: Sequence[Row], n: int, asked: Asked) -> str:
        site, (first, second) = self.site, two
        image = site.image_url(first, _SIZE)
        below = [image] if image else []
        ids = first["mask_id"], second["mask_id"]
        column = asked.pair.column
        shown: list[Panel] = [
            (f"{column} {one[column]}", [*below, site.heat_url(one["mask_id"], _SIZE, View())])
            for one in two
        ]
        for name, which in (("intersection", "both"), ("union", "all")):
            url = site.pair_url(*ids, _SIZE, asked.threshold, which)  # type: ignore[arg-type]
            shown.append((name, [*below, url]))
        named = self._names(asked)
        both, either = found[named.pixels], found[named.out_of]
        title = (
            f"image {found['image_id']}: IoU {told(found[named.score])} "
            f"({count(both)} of {count(either)} pixels)"
        )
        if n > len(two):
            title += f", of {count(n, 'mask')}: the first of each side is shown"
        return panels(title, site.collection.shapes([ids[0]])[0], shown)

    async def _draw(self, choice: RegionChoice) -> None:
        try:
            first = await asyncio.to_thread(self.site.rows.first)
        except MaskSearchError as error:
            self._head.set_text(str(error))
            return
        if first is not None:
            await self._regions.show(choice, first, View())


def _told_run(run: Run) -> str:
    if run.stats is None or run.table is None:
        return ""
    stats = run.stats
    return (
        f"{count(run.table.num_rows, 'image')} in {duration(stats.seconds)}; the index decided "
        f"{percent(stats.rows_decided_by_index, stats.rows_selected)} of the masks"
    )
