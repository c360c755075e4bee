"""The Explore page: ask, look, understand."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pyarrow as pa
from fastapi import Request
from nicegui import background_tasks, ui

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.query import Query
from masksearch_ray.web.asking import Asking, Question
from masksearch_ray.web.explore.answer import Answer, range_of
from masksearch_ray.web.explore.ask import Ask
from masksearch_ray.web.explore.copying import Copy
from masksearch_ray.web.explore.detail import Detail
from masksearch_ray.web.explore.execution import Execution
from masksearch_ray.web.explore.region import RegionChoice, RegionDialog
from masksearch_ray.web.explore.results import Results
from masksearch_ray.web.frame import frame
from masksearch_ray.web.permalink import Link, Read, read_link, write_link
from masksearch_ray.web.rows import Row
from masksearch_ray.web.runs import Run
from masksearch_ray.web.site import Site
from masksearch_ray.web.snippets import Snippets, snippets

__all__ = ["Explore", "add_explore"]

_FIRST = 0.15  # seconds until what is decided of a running query is shown, and between
_NEXT = 0.5
_CONNECT = 60.0  # seconds that a slow browser may take


def add_explore(site: Site) -> None:
    """Add the page to the application.

    Parameters
    ----------
    site : Site
    """

    @ui.page("/")
    async def explore(request: Request) -> None:
        asked = read_link(request.url.query, site.catalog)
        with frame(site, "/"):
            page = Explore(site, asked)
        await ui.context.client.connected(timeout=_CONNECT)
        await page.begin()


class Explore:
    """The page as one person has it open.

    Parameters
    ----------
    site : Site
    asked : Read
        What the URL says.
    """

    def __init__(self, site: Site, asked: Read) -> None:
        self.site = site
        self._asked = asked
        # The query of which the answer is shown, whatever the controls hold meanwhile.
        self._linked = asked.link
        self._asking = Asking()
        self._question: Question | None = None
        self._run: Run | None = None
        self._opened: str | None = None
        link = asked.link
        with ui.element("div").classes("ms-shell"):
            with ui.element("aside").classes("flex flex-col gap-3"):
                self.ask = Ask(site, link.built, self.run, self._draw_region)
                self._build_go()
                self._execution = Execution(self.scan, self.run, link.use_index)
            with ui.element("div").classes("ms-main"), ui.element("section").classes("ms-card"):
                self.results = Results(site, "results", self.open_tile, lambda view: self._link())
        self._detail = Detail(site, self.step, self._closed, self._shown)
        self._regions = RegionDialog(site)

    def _build_go(self) -> None:
        with ui.row().classes("items-center gap-2 w-full"):
            self._go = ui.button("Run", icon="play_arrow", on_click=self.run).props("no-caps")
            self._stop = ui.button("Cancel", icon="stop", on_click=self.cancel)
            self._stop.props("flat no-caps").set_visibility(False)
            self._busy = ui.spinner(size="sm")
            self._busy.set_visibility(False)
            ui.space()
            Copy(self._snippets)

    async def begin(self) -> None:
        """Ask what the URL asks, and fill in beside it what must be read first."""
        link = self._asked.link
        for line in self._asked.dropped:
            ui.notify(f"Of the link: {line}", type="warning")
        self.results.set_view(link.view)
        if link.sql is not None:
            self.ask.set_sql(link.sql)
        background_tasks.create(self._fill(), context=ui.context.client)
        await self.run()
        if link.mask is not None:
            await self.open_mask(link.mask)

    async def _fill(self) -> None:
        try:
            facts, histogram = await self.site.facts.wait(), await self.site.histogram.wait()
        except MaskSearchError as error:
            ui.notify(f"What columns and pixels hold is not known: {error}", type="warning")
        else:
            self.ask.controls.fill(facts, histogram)
        await self.ask.count()

    # -- asking -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run what is asked; what ran before is cancelled."""
        self.ask.stop()
        query = self.ask.understood()
        if query is None:
            self.cancel()
            return
        question = self._asking.begin()
        use_index = self._execution.use_index
        run = question.hold(self.site.runs.start(self.ask.text, use_index=use_index))
        self._question, self._run = question, run
        built = self.ask.built
        sql = run.sql if built is None else None
        self._linked = Link(built or self.ask.controls.built, sql, use_index=use_index)
        self._link()
        self._set_busy(True)
        pause, shown = _FIRST, 0
        while not (await run.wait(pause)).over:
            pause = _NEXT
            if not question.stands:
                return
            self._execution.running(run)
            part = _decided(run, query)
            if part is not None and part.num_rows > shown:
                shown = part.num_rows
                await self.results.show(run, Answer(part, query, self.results.view.order))
        if question.stands:
            self._set_busy(False)
            await self._ended(question, run, query)

    def cancel(self) -> None:
        """Stop what runs."""
        self._asking.cancel()

    async def _ended(self, question: Question, run: Run, query: Query) -> None:
        self._execution.show(run)
        part = _decided(run, query) if run.state == "cancelled" else run.table
        if part is not None:
            answer = await asyncio.to_thread(Answer, part, query, self.results.view.order)
            if question.stands:
                await self.results.show(run, answer)
        elif run.state == "cancelled":
            self.results.clear("Cancelled.")
        else:
            self.ask.tell(run.error)
            self.results.clear("The query was not answered.")

    def _set_busy(self, busy: bool) -> None:
        self._busy.set_visibility(busy)
        self._stop.set_visibility(busy)

    async def scan(self) -> None:
        """Run the same query as a full scan, and compare."""
        question, run = self._question, self._run
        if question is None or run is None or run.stats is None:
            return
        self._execution.comparing()
        self._set_busy(True)
        scanned = question.hold(self.site.runs.start(run.sql, use_index=False))
        await scanned.wait()
        if question.stands:
            self._set_busy(False)
            self._execution.compare(run, scanned)

    # -- one mask -----------------------------------------------------------------------------

    async def open_tile(self, key: str) -> None:
        """Show a mask of the answer large; of an image, the first of its masks."""
        answer = self.results.answer
        if answer is None or answer.kind == "table" or key not in answer.keys:
            return
        if answer.kind == "masks":
            await self.open_mask(int(key), key)
            return
        image = answer.typed(key)
        found: list[Row] = []
        if image is not None:
            members = await asyncio.to_thread(self.site.rows.members, [image])
            found = answer.members(members[image])
        if found:
            await self.open_mask(found[0]["mask_id"], key)
        else:
            ui.notify("There is no mask to show.", type="warning")

    async def open_mask(self, mask_id: int, key: str | None = None) -> None:
        """Show any mask large; the key is that of its tile, if it is known."""
        answer = self.results.answer
        values = None if answer is None else range_of(answer.query)
        if await self._detail.show(mask_id, answer, self.results.view, values):
            self._opened = key
            self._shown(mask_id)

    def _shown(self, mask_id: int) -> None:
        """Go on from here if it is in the answer, and else from where it was chosen."""
        answer = self.results.answer
        if answer is not None and answer.kind == "masks" and str(mask_id) in answer.keys:
            self._opened = str(mask_id)
        elif answer is not None and answer.kind == "images" and self._opened is None:
            self._opened = str(self.site.rows.rows([mask_id])[0].get("image_id"))
        self._link()

    async def step(self, by: int) -> None:
        """Show the mask before or after the one that is shown."""
        answer = self.results.answer
        keys = [] if answer is None else answer.keys
        at = keys.index(self._opened) + by if self._opened in keys else -1
        if 0 <= at < len(keys):
            await self.open_tile(keys[at])

    def _closed(self) -> None:
        self._opened = None
        self._link()

    async def _draw_region(self, choice: RegionChoice) -> None:
        """Draw on the first mask that was found, or else the first of all."""
        try:
            mask_id = await asyncio.to_thread(self._example)
        except MaskSearchError as error:
            ui.notify(str(error), type="warning")
            return
        if mask_id is None:
            ui.notify("There is no mask to draw on.", type="warning")
        else:
            await self._regions.show(choice, mask_id, self.results.view)

    def _example(self) -> int | None:
        answer = self.results.answer
        if answer is not None and answer.kind == "masks" and len(answer):
            return int(answer.keys[0])
        return self.site.rows.first()

    # -- to take away ---------------------------------------------------------------------------

    def _link(self) -> None:
        """Let the address say what is shown."""
        ui.run_javascript(f"masksearch.address({json.dumps(self.link())})")

    def link(self) -> str:
        """Query string that shows the same."""
        link = replace(self._linked, view=self.results.view, mask=self._detail.mask_id)
        return write_link(link, self.site.catalog)

    def _snippets(self) -> Snippets:
        options = self.site.options.how
        return snippets(
            self.ask.text,
            self.site.collection.url,
            runtime=options.get("runtime") or "local",
            address=options.get("address"),
            use_index=self._execution.use_index,
        )


def _decided(run: Run, query: Query) -> pa.Table | None:
    """Rows that are in the answer whatever else will be; None where none are known."""
    part = None if query.order_by else run.so_far()
    return part if part is not None and part.num_rows else None
