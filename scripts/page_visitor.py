"""A person's browser as the server of the page sees it: asks and fetches, and draws nothing.

Twenty browsers on the machine of the server would be the load themselves; people bring their own.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
import uuid
from typing import Any

import httpx
import socketio

__all__ = ["Visitor"]

_GRID = "masksearch.grid("
_ADDRESS = "masksearch.address("
_TOGETHER = 30  # pictures that a browser fetches in one request
_SOON = 60.0


class Visitor:
    """One person on Explore.

    Parameters
    ----------
    url : str
        Of the server, with ``/`` at its end.

    Attributes
    ----------
    tiles : list of dict
        What the grid shows, as the server sent it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=_SOON)
        self._socket = socketio.AsyncClient()
        self._socket.on("run_javascript", self._told)
        self._grids: asyncio.Queue[list[dict[str, Any]]] = asyncio.Queue()
        self._wanted = ""  # what the address must hold before tiles are those that are waited for
        self.tiles: list[dict[str, Any]] = []
        self._next = 0
        self._fetched: set[str] = set()

    async def arrive(self) -> float:
        """Open the page; gives the seconds until the first answer and its pictures are there."""
        began = time.perf_counter()
        text = (await self._http.get("")).text
        elements = json.loads(html.unescape(_between(text, "String.raw`", "`")))
        self._client = _between(text, "'client_id': '", "'")
        self._element, self._listener = _field(elements, "Values, from")
        names = {
            "client_id": self._client,
            "next_message_id": 0,
            "implicit_handshake": "true",
            "tab_id": str(uuid.uuid4()),
            "document_id": str(uuid.uuid4()),
        }
        query = "&".join(f"{name}={value}" for name, value in names.items())
        await self._socket.connect(
            f"{self._url}?{query}",
            transports=["websocket"],
            socketio_path="/_nicegui_ws/socket.io",
        )
        await self._look()
        return time.perf_counter() - began

    async def ask(self, low: float) -> float:
        """Ask with another least value; gives the seconds until answer and pictures are there."""
        began = time.perf_counter()
        self._wanted = f"values={low}.."
        while not self._grids.empty():  # the first answer, drawn again
            self._grids.get_nowait()
        event = {
            "id": self._element,
            "client_id": self._client,
            "listener_id": self._listener,
            "args": [json.dumps(str(low))],
        }
        await self._socket.emit("event", event)
        await self._look()
        await self._socket.emit("ack", {"client_id": self._client, "next_message_id": self._next})
        return time.perf_counter() - began

    async def leave(self) -> None:
        """Close the page."""
        await self._socket.disconnect()
        await self._http.aclose()

    def _told(self, message: dict[str, Any]) -> None:
        self._next = message["_id"] + 1
        code: str = message["code"]
        if code.startswith(_ADDRESS) and self._wanted in code:
            self._wanted = ""
        if code.startswith(_GRID) and not self._wanted:
            _, tiles, _ = json.loads(f"[{code[len(_GRID) : -1]}]")
            self._grids.put_nowait(tiles)

    async def _look(self) -> None:
        """Wait for tiles, and fetch the pictures of the first ones."""
        self.tiles = await asyncio.wait_for(self._grids.get(), _SOON)
        urls = [tile[kind] for kind in ("image", "heat") for tile in self.tiles[:_TOGETHER]]
        for url in _together([url for url in urls if url]):
            if url not in self._fetched:
                (await self._http.get(url)).raise_for_status()
                self._fetched.add(url)


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _field(elements: dict[str, Any], label: str) -> tuple[int, str]:
    """Element with a label, and who listens to its changes."""
    for number, element in elements.items():
        if element.get("props", {}).get("aria-label") == label:
            for event in element["events"]:
                if event["type"] == "update:modelValue":
                    return int(number), event["listener_id"]
    raise LookupError(f"the page has no field {label!r}")


def _together(urls: list[str]) -> list[str]:
    """URLs of pictures that differ by their id alone, as one of all of them."""
    ids: dict[str, list[str]] = {}
    for url in urls:
        found = re.fullmatch(r"(.*/\w+)/([\d-]+)\.png\?(.*)", url)
        assert found is not None, url
        where, name, look = found.groups()
        ids.setdefault(f"{where}s?{look}", []).append(name)
    return [f"{where}&ids={','.join(names)}" for where, names in ids.items()]
