"""A page of which there is no browser, for what needs one to be built or asked from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from nicegui import Client, core, ui
from nicegui.page import page

OnPage = Callable[[Callable[[Client], Awaitable[None]]], None]


@pytest.fixture
def on_page(monkeypatch: pytest.MonkeyPatch) -> OnPage:
    """Do something on a page that a person has open."""

    def do(what: Callable[[Client], Awaitable[None]]) -> None:
        async def on_it() -> None:
            monkeypatch.setattr(core, "loop", asyncio.get_running_loop())
            client = Client(page("/tried"), request=None)
            with client:
                await what(client)

        asyncio.run(on_it())

    return do


def texts(client: Client) -> list[str]:
    """All that labels say."""
    return [one.text for one in client.elements.values() if isinstance(one, ui.label)]
