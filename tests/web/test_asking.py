"""The newest question wins, a pause before it is asked, and what runs is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from nicegui import Client, ui

from masksearch_ray.web.asking import Asking, Question
from masksearch_ray.web.runs import Run
from tests.web.conftest import OnPage

PAUSE = 0.02


def run() -> Run:
    """A query that runs until it is cancelled."""
    return Run("SELECT mask_id FROM masks", True, True)


def cancelled(one: Run) -> bool:
    return one._cancelled.is_set()


@pytest.mark.smoke
def test_a_newer_question_takes_the_place_of_the_one_before(on_page: OnPage) -> None:
    async def ask(client: Client) -> None:
        asking = Asking()
        first = asking.begin()
        assert first.stands
        runs = [first.hold(run()), first.hold(run())]
        second = asking.begin()
        assert second.stands and not first.stands
        assert all(map(cancelled, runs))
        # Its answer came meanwhile, and it asks on: that is not wanted any more.
        assert cancelled(first.hold(run()))
        assert not cancelled(second.hold(run()))

    on_page(ask)


def test_what_is_cancelled_still_tells_of_it(on_page: OnPage) -> None:
    async def ask(client: Client) -> None:
        asking = Asking()
        question = asking.begin()
        running = question.hold(run())
        asking.cancel()
        assert cancelled(running) and question.stands
        again = question.hold(run())
        assert not cancelled(again)
        asking.drop()
        assert cancelled(again) and not question.stands
        assert asking.begin().stands

    on_page(ask)


def test_what_is_over_is_left_alone(on_page: OnPage) -> None:
    async def ask(client: Client) -> None:
        asking = Asking()
        over = asking.begin().hold(run())
        over._ended = 1.0
        asking.begin()
        assert not cancelled(over)

    on_page(ask)


def test_places_of_a_page_do_not_disturb_each_other(on_page: OnPage) -> None:
    async def ask(client: Client) -> None:
        one, other = Asking(), Asking()
        question = one.begin()
        other.begin()
        other.drop()
        assert question.stands

    on_page(ask)


def test_of_many_changes_the_last_is_asked_after_a_pause(on_page: OnPage) -> None:
    async def ask(client: Client) -> None:
        asking, asked = Asking(), []

        async def note(what: int, question: Question) -> None:
            # In the context of the page, so that it can show something.
            assert question.stands and ui.context.client is client
            asked.append(what)

        before = asking.begin()
        running = before.hold(run())
        for what in range(5):
            asking.later(partial(note, what), PAUSE)
            assert not before.stands and cancelled(running)
            await asyncio.sleep(PAUSE / 20)
        assert asked == []
        await asyncio.sleep(3 * PAUSE)
        assert asked == [4]

    on_page(ask)


@pytest.mark.parametrize("forget", [Asking.drop, Asking.begin], ids=["dropped", "another begun"])
def test_a_change_that_is_forgotten_is_not_asked(
    on_page: OnPage, forget: Callable[[Asking], object]
) -> None:
    async def ask(client: Client) -> None:
        asking, asked = Asking(), []

        async def note(question: Question) -> None:
            asked.append(question)

        asking.later(note, PAUSE)
        forget(asking)
        await asyncio.sleep(3 * PAUSE)
        assert asked == []

    on_page(ask)


def test_a_later_question_does_not_stop_the_one_that_is_asked(on_page: OnPage) -> None:
    async def ask(client: Client) -> None:
        asking, ended = Asking(), []

        async def long(question: Question) -> None:
            await asyncio.sleep(2 * PAUSE)
            ended.append(question.stands)

        asking.later(long, 0)
        await asyncio.sleep(PAUSE)
        asking.later(long, 0)
        await asyncio.sleep(5 * PAUSE)
        assert ended == [False, True]

    on_page(ask)


def test_when_the_page_closes_nothing_runs_and_nothing_is_asked(on_page: OnPage) -> None:
    async def ask(client: Client) -> None:
        asking, waiting, asked = Asking(), Asking(), []

        async def note(question: Question) -> None:
            asked.append(question)

        question = asking.begin()
        running = question.hold(run())
        waiting.later(note, PAUSE)
        client.delete()
        assert cancelled(running) and not question.stands
        late = asking.begin()
        assert not late.stands and cancelled(late.hold(run()))
        waiting.later(note, PAUSE)
        await asyncio.sleep(3 * PAUSE)
        assert asked == []

    on_page(ask)
