"""What is asked at a place of a page: a newer question takes the place of the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import background_tasks, ui

from masksearch_ray.web.runs import Run

__all__ = ["Asking", "Question"]

_PAUSE = 0.15  # seconds without a change after which a question is asked


class Question:
    """One of the questions of an `Asking`.

    Attributes
    ----------
    stands : bool
        Whether its answer is still wanted: no newer question was begun, and the page is open.
    """

    def __init__(self, stands: bool = True) -> None:
        self.stands = stands
        self._runs: list[Run] = []

    def hold(self, run: Run) -> Run:
        """Let a query, which is given back, be cancelled with the question."""
        self._runs = [one for one in self._runs if not one.over] + [run]
        if not self.stands:
            run.cancel()
        return run

    def cancel(self) -> None:
        """Cancel its queries; the question stands, so that what became of them can be told."""
        for run in self._runs:
            if not run.over:
                run.cancel()

    def drop(self) -> None:
        """Cancel its queries, and want no answer any more."""
        self.stands = False
        self.cancel()


class Asking:
    """Questions of which only the newest counts.

    Made while a page is built: when the page closes, what runs is cancelled, and no question that
    is begun later stands.
    """

    def __init__(self) -> None:
        # Not asked for later: the control that tells of a change may be gone by then.
        self._client = ui.context.client
        self._client.on_delete(self._close)
        self._open = True
        self._newest = Question(stands=False)

    def begin(self) -> Question:
        """Begin a question, and drop the one before."""
        self._newest.drop()
        self._newest = Question(self._open)
        return self._newest

    def later(self, ask: Callable[[Question], Awaitable[Any]], pause: float = _PAUSE) -> None:
        """Begin a question, and ask it if a pause passes without another.

        Parameters
        ----------
        ask : callable
            Given the question, in the context of the page. A later question does not stop it: it
            looks itself whether its question stands.
        pause : float
            Seconds.
        """
        background_tasks.create(self._wait(self.begin(), ask, pause))

    def cancel(self) -> None:
        """Cancel what runs for the newest question, which stands."""
        self._newest.cancel()

    def drop(self) -> None:
        """Let no question stand, as if another one had been begun."""
        self._newest.drop()

    def _close(self) -> None:
        self._open = False
        self.drop()

    async def _wait(
        self, question: Question, ask: Callable[[Question], Awaitable[Any]], pause: float
    ) -> None:
        await asyncio.sleep(pause)
        if question.stands:
            background_tasks.create(ask(question), context=self._client)
