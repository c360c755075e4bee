"""The Explore page: ask, look, understand."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui import run as background

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.query import Query
from masksearch_ray.web.explore.answer import Answer
from masksearch_ray.web.explore.detail import Detail
from masksearch_ray.web.explore.execution import Execution
from masksearch_ray.web.explore.results import Results
from masksearch_ray.web.frame import frame
from masksearch_ray.web.runs import Problem, Run
from masksearch_ray.web.site import Site

__all__ = ["add_explore"]

_FIRST = 0.15  # seconds until what is decided of a running query is shown, and between
_NEXT = 0.5
_START = (
    "SELECT mask_id, CP(mask, full_image, (0.8, 1.0)) AS score\n"
    "FROM masks\nORDER BY score DESC\nLIMIT 60"
)


def add_explore(site: Site) -> None:
    """Add the page to the application.

    Parameters
    ----------
    site : Site
    """

    @ui.page("/")
    async def explore() -> None:
        with frame(site, "/"):
            page = Explore(site)
        await ui.context.client.connected()
        await page.run()


class Explore:
    """The page as one person has it open.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._run: Run | None = None
        with ui.element("div").classes("ms-shell"):
            with ui.element("aside"):
                self._build_ask()
                self._execution = Execution(self.scan)
            with ui.element("div").classes("ms-main"), ui.element("section").classes("ms-card"):
                self._results = Results(site, "results", self.open_tile)
        self._detail = Detail(site, self.step)

    def _build_ask(self) -> None:
        self._sql = ui.textarea(value=_START).props("outlined autogrow").classes("w-full")
        with ui.row().classes("items-center gap-2"):
            self._go = ui.button("Run", icon="play_arrow", on_click=self.run).props("no-caps")
            self._stop = ui.button("Cancel", icon="stop", on_click=self.cancel)
            self._stop.props("flat no-caps").set_visibility(False)
            self._busy = ui.spinner(size="sm")
            self._busy.set_visibility(False)
        self._problem = ui.label().classes("ms-problem ms-bad w-full").mark("problem")
        self._problem.set_visibility(False)

    # -- asking -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run what is asked; what ran before is cancelled."""
        self.cancel()
        query = self._understood(self._sql.value)
        if query is None:
            return
        run = self._run = self.site.runs.start(self._sql.value)
        self._set_busy(True)
        pause = _FIRST
        while not (await run.wait(pause)).over:
            pause = _NEXT
            if run is not self._run:
                return
            self._execution.running(run)
            part = run.so_far()
            if part is not None and not query.order_by:
                await self._results.show(run, Answer(part, query, self._results.view.order))
        if run is self._run:
            self._set_busy(False)
            await self._ended(run, query)

    def cancel(self) -> None:
        """Stop what runs."""
        if self._run is not None and not self._run.over:
            self._run.cancel()

    async def _ended(self, run: Run, query: Query) -> None:
        self._execution.show(run)
        if run.table is not None:
            answer = await background.io_bound(
                Answer, run.table, query, self._results.view.order
            )
            await self._results.show(run, answer)
        elif run.state == "cancelled":
            self._results.clear("Cancelled.")
        else:
            self._tell(run.problem)
            self._results.clear("The query was not answered.")

    def _understood(self, text: str) -> Query | None:
        try:
            query = self.site.collection.parse(text)
        except MaskSearchError as error:
            self._tell(Problem.of(error))
            return None
        self._tell(None)
        return query

    def _tell(self, problem: Problem | None) -> None:
        self._problem.set_visibility(problem is not None)
        if problem is not None:
            where = f"line {problem.line}, column {problem.column}: " if problem.line else ""
            hint = f"\n{problem.hint}" if problem.hint else ""
            self._problem.set_text(f"{where}{problem.text}{hint}")

    def _set_busy(self, busy: bool) -> None:
        self._busy.set_visibility(busy)
        self._stop.set_visibility(busy)

    # -- without the index ----------------------------------------------------------------------

    async def scan(self) -> None:
        """Run the same query as a full scan, and compare."""
        run = self._run
        if run is None or run.stats is None:
            return
        self._execution.comparing()
        scanned = await self.site.runs.start(run.sql, use_index=False).wait()
        if run is self._run:
            self._execution.compare(run, scanned)

    # -- one mask ---------------------------------------------------------------------------------

    async def open_tile(self, key: str) -> None:
        """Show a mask of the answer large; of an image, the first of its masks."""
        answer = self._results.answer
        if answer is None:
            return
        mask_id = int(key)
        if answer.kind == "images":
            members = await background.io_bound(self.site.rows.members, [_typed(answer, key)])
            mask_id = next(iter(members.values()))[0]["mask_id"]
        self._opened = key
        await self._detail.show(mask_id, answer, self._results.view)

    async def step(self, by: int) -> None:
        """Show the mask before or after the one that is shown."""
        answer = self._results.answer
        if answer is None:
            return
        keys = answer.table.column(answer.key).to_pylist()
        at = [str(key) for key in keys].index(self._opened) + by
        if 0 <= at < len(keys):
            await self.open_tile(str(keys[at]))


def _typed(answer: Answer, key: str) -> Any:
    """A key as the answer has it."""
    keys = answer.table.column(answer.key).to_pylist()
    return next(one for one in keys if str(one) == key)


