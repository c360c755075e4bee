"""Explore without a browser: what is asked, what the address says of it, what is told meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from nicegui import Client, ui

import masksearch_ray as ms
from masksearch_ray.web.explore.answer import Answer
from masksearch_ray.web.explore.execution import Execution
from masksearch_ray.web.explore.page import Explore
from masksearch_ray.web.explore.results import Results
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.permalink import read_link
from masksearch_ray.web.runs import Run
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View
from tests.web.conftest import OnPage, texts
from tests.web.small import small

BY_HAND = "SELECT mask_id, CP(mask, full_image, (0.5, 1.0)) + 1 AS n FROM masks LIMIT 4"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("asked")
    small(folder).close()
    held = Site(ServeOptions(str(folder / "small")))
    yield held
    held.close()


def explore(site: Site, query: str) -> Explore:
    """The page that a link opens."""
    return Explore(site, read_link(query, site.catalog))


def linked(page: Explore) -> dict[str, str]:
    """What the address says."""
    return {name: values[0] for name, values in parse_qs(page.link()).items()}


@pytest.mark.parametrize(
    ("query", "control", "told"),
    [
        ("top=5", "_k", "Number of results: "),
        ("above=7", "_threshold", "Threshold: "),
    ],
)
def test_what_the_builder_cannot_hold_is_neither_run_nor_linked(
    site: Site, on_page: OnPage, query: str, control: str, told: str
) -> None:
    async def look(client: Client) -> None:
        page = explore(site, query)
        await page.run()
        before, link = page._run, page.link()
        assert before is not None and before.state == "done"
        held = getattr(page.ask.controls, control)
        held.set_value(None)
        assert any(text.startswith(told) for text in texts(client))
        await page.results._change(colours="viridis")
        assert page.link() == f"{link}&map=viridis"
        await page.ask.count()
        await page.run()
        assert page._run is before
        assert any(text.startswith(told) for text in texts(client))
        held.set_value(3)
        await page.run()
        assert page._run is not before and not any(text.startswith(told) for text in texts(client))
        assert linked(page)[query.partition("=")[0]] == "3"

    on_page(look)


def test_sql_may_take_the_place_of_what_the_builder_cannot_hold(
    site: Site, on_page: OnPage
) -> None:
    async def look(client: Client) -> None:
        page = explore(site, "top=5")
        await page.run()
        page.ask.controls._k.set_value(None)
        page.ask.set_sql(BY_HAND)
        await page.run()
        assert page._run is not None and page._run.sql == BY_HAND
        assert linked(page)["sql"] == BY_HAND

    on_page(look)


def test_the_address_holds_the_query_that_was_run(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        page = explore(site, "top=5")
        await page.run()
        page.ask.set_sql(BY_HAND)
        page.results._opaque(0.5)
        assert "sql" not in linked(page)
        assert (linked(page)["top"], linked(page)["opacity"]) == ("5", "0.5")
        await page.run()
        assert linked(page)["sql"] == BY_HAND

    on_page(look)


def test_nothing_is_told_of_the_query_before(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        panel = Execution(lambda: None)
        sql = "SELECT mask_id FROM masks"
        indexed = await site.runs.start(sql).wait(60)
        scanned = await site.runs.start(sql, use_index=False).wait(60)
        other = Run(sql, True, True)
        other.cancel()
        other.work(lambda sql, use_index: site.collection.sql(sql), 1)
        for show in (panel.running, panel.show):
            panel.show(indexed)
            panel.compare(indexed, scanned)
            assert panel._stages.content and panel._shards.rows
            assert "The answers agree" in panel._compared.content
            show(other)
            assert not panel._stages.content and not panel._shards.rows
            assert not panel._compared.content

    on_page(look)


def test_filters_are_offered_while_the_first_query_runs(
    site: Site, on_page: OnPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, filled = threading.Event(), asyncio.Event()

    def ask(sql: str, use_index: bool) -> ms.Result:
        go_on.wait(30)
        return site.collection.sql(sql)

    async def look(client: Client) -> None:
        page = explore(site, "top=5")
        monkeypatch.setattr(page.ask.controls, "fill", lambda facts, histogram: filled.set())
        begun = asyncio.create_task(_within(client, page))
        try:
            await asyncio.wait_for(filled.wait(), 20)
            assert page._run is not None and not page._run.over
        finally:
            go_on.set()
            await begun

    monkeypatch.setattr(site.runs, "_ask", ask)
    on_page(look)


async def _within(client: Client, page: Explore) -> None:
    with client:
        await page.begin()


def test_only_other_tiles_are_drawn_anew(
    site: Site, on_page: OnPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    async def look(client: Client) -> None:
        sql = "SELECT mask_id FROM masks"
        query, run = site.collection.parse(sql), Run(sql, True, True)
        table = site.collection.sql(sql).table
        results = Results(site, "some", lambda key: None, lambda view: None)
        results.set_view(View(size=4))
        monkeypatch.setattr(ui, "run_javascript", drawn.append)
        for rows in (2, 6, 9):
            await results.show(run, Answer(table.slice(0, rows), query))
        # The second page and more have no part in the first.
        assert len(drawn) == 2 and drawn[0].endswith(", [])") and drawn[1].endswith(", null)")
        await results.show(Run(sql, True, True), Answer(table, query))
        assert len(drawn) == 3 and drawn[2].endswith(", [])")

    on_page(look)
