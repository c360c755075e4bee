"""Work that newer work replaces, and names for those who cannot see a control."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import background_tasks, ui

__all__ = ["Debounce", "Latest", "named"]


class Latest:
    """Tells the newest of several pieces of work from older ones, whose results come too late."""

    def __init__(self) -> None:
        self._newest = 0

    def begin(self) -> Callable[[], bool]:
        """Begin a piece of work.

        Returns
        -------
        callable
            Says whether it is the newest still.
        """
        self._newest += 1
        mine = self._newest
        return lambda: mine == self._newest


class Debounce:
    """Calls a function a while after the last change; a change before then starts the while anew.

    Parameters
    ----------
    seconds : float
    due : callable
        Called without arguments in the page's own context, and awaited apart: no later change
        stops it.
    """

    def __init__(self, seconds: float, due: Callable[[], Awaitable[Any]]) -> None:
        self._seconds = seconds
        self._due = due
        # Not asked for later: the control that tells of a change may be gone by then.
        self._client = ui.context.client
        self._waiting: asyncio.Task[Any] | None = None

    def start(self) -> None:
        """Tell of a change."""
        self.stop()
        self._waiting = background_tasks.create(self._wait())

    def stop(self) -> None:
        """Forget a change that is not due yet."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    async def _wait(self) -> None:
        await asyncio.sleep(self._seconds)
        background_tasks.create(self._due(), context=self._client)


def named(element: Any, name: str) -> Any:
    """Name an element for screen readers, whatever characters the name has.

    Parameters
    ----------
    element : nicegui.ui.element
    name : str

    Returns
    -------
    nicegui.ui.element
        The same.
    """
    # Not by a string of props, which quotes and backslashes of a column's name would end.
    element.props["aria-label"] = name
    return element
