"""What is asked: builder and SQL, in step where the SQL fits the builder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from nicegui import background_tasks, ui

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.query import Query
from masksearch_ray.model.text import count
from masksearch_ray.web.asking import Asking, Question
from masksearch_ray.web.build import Built, from_query, to_sql, with_rest
from masksearch_ray.web.explore.controls import Controls
from masksearch_ray.web.explore.editor import SqlEditor
from masksearch_ray.web.explore.region import RegionChoice
from masksearch_ray.web.site import Site
from masksearch_ray.web.suggest import completions

__all__ = ["Ask"]


class Ask:
    """The builder above the SQL; a change of one shows in the other.

    Parameters
    ----------
    site : Site
    built : Built
        What the builder holds at first.
    on_run : callable
        Called when the query is to be run: a person asked for it, or changed a control.
    on_draw : callable
        Called with the choice of a region that is to be drawn.
    """

    def __init__(
        self,
        site: Site,
        built: Built,
        on_run: Callable[[], Any],
        on_draw: Callable[[RegionChoice], Any],
    ) -> None:
        self.site = site
        self._on_run = on_run
        self._changing, self._counting = Asking(), Asking()
        # Why the SQL is not what the builder holds, which is no query then.
        self._wrong: MaskSearchError | None = None
        self.controls = Controls(site, built, self._built, on_draw)
        with ui.element("section").classes("ms-card w-full").props('aria-label="SQL"'):
            self._sql = SqlEditor("", completions(site.catalog), on_run, lambda text: self._typed())
            self._note = ui.label().classes("text-xs ms-soft")
        self.set_built(built)

    @property
    def text(self) -> str:
        """The SQL."""
        return self._sql.text

    @property
    def built(self) -> Built | None:
        """What the builder holds; None where the SQL is not that."""
        return self.controls.built if self._fits and self._wrong is None else None

    def set_built(self, built: Built) -> None:
        """Show a state of the builder, and its SQL."""
        self.controls.set(built)
        self._write(built)

    def set_sql(self, text: str) -> None:
        """Show an SQL, and in the builder what of it fits."""
        self._sql.text = text
        self._typed()

    def stop(self) -> None:
        """Forget a change for which the query was not run yet."""
        self._changing.drop()

    def understood(self) -> Query | None:
        """The query; None where the builder or the SQL holds none, which is told."""
        if self._wrong is not None:
            self.tell(self._wrong)
            return None
        try:
            query = self.site.collection.parse(self.text)
        except MaskSearchError as error:
            self.tell(error)
            return None
        self.tell(None)
        return query

    def tell(self, error: MaskSearchError | None) -> None:
        """Show why there is no answer; None: nothing is wrong."""
        self._sql.show(error)

    # -- in step ------------------------------------------------------------------------------

    def _built(self, built: Built) -> None:
        if self._write(built):
            self._changing.later(self._due)
        else:
            self.stop()
            self._counting.drop()
            self.controls.live("")

    def _write(self, built: Built) -> bool:
        try:
            text = to_sql(built, self.site.catalog)
        except MaskSearchError as error:
            self._wrong = error
            self.tell(error)
            return False
        self._wrong = None
        self.tell(None)
        self._sql.text = text
        self._show_fit(True)
        return True

    def _typed(self) -> None:
        """The SQL is what is asked from now on, whatever the builder holds."""
        self._wrong = None
        query = self.understood()
        if query is None:
            return
        built = from_query(query)
        self._show_fit(built is not None)
        if built is not None:
            self.controls.set(with_rest(built, self.controls.built))

    def _show_fit(self, fits: bool) -> None:
        self._fits = fits
        self.controls.fits(fits)
        self._note.set_text(
            "" if fits else "More than the builder can show: a change there starts anew."
        )

    async def _due(self, _: Question) -> None:
        """A control was changed a moment ago: count beside the query, which need not wait."""
        background_tasks.create(self.count())
        await self._on_run()

    async def count(self) -> None:
        """Show how many rows the bounds decide, before any pixel is read."""
        built = self.built
        question = self._counting.begin()
        said = _said(built)
        if built is None or said:
            self.controls.live(said)
            return
        text = await asyncio.to_thread(self._count, built)
        if question.stands:
            self.controls.live(text)

    def _count(self, built: Built) -> str:
        try:
            sql = to_sql(built, self.site.catalog, counts=False)
            surely, possibly = self.site.collection.count_bounds(
                sql, timeout=self.site.options.seconds
            )
        except MaskSearchError as error:
            return str(error)
        if surely == possibly:
            return f"{count(surely, 'mask')}: the index decides all of them"
        doubt = possibly - surely
        return f"{count(surely)} surely pass, {count(doubt)} in doubt until pixels are read"


def _said(built: Built | None) -> str:
    """What can be said without counting; nothing where counting says more."""
    if built is None:
        return ""
    told = "see below how many masks the index decided."
    if built.kind == "top":
        what = "image" if built.score == "iou" else "mask"
        first = f"The first {count(built.k, what)}" if built.k != 1 else f"The first {what}"
        return f"{first} can be told from an answer only: {told}"
    if built.score == "iou":
        return f"Which images pass can be told from an answer only: {told}"
    return ""
