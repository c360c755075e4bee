"""Who gets in: requests as a server passes them on, held against who may see the page."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from masksearch_ray.web.security import Guard

TOKEN = "a token; with=signs"


def asked(
    path: str = "/",
    query: str = "",
    token: str | None = None,
    kind: str = "http",
    **headers: str,
) -> list[dict[str, Any]]:
    """What is sent in answer to a request."""
    sent: list[dict[str, Any]] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        begins = "http.response.start" if kind == "http" else "websocket.accept"
        await send({"type": begins, "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    named = {"host": "localhost:8080", **headers}
    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
    }
    asyncio.run(Guard(page, token)(scope, receive, send))
    return sent


def status(*arguments: Any, **named: Any) -> int:
    return int(asked(*arguments, **named)[0]["status"])


def header(sent: list[dict[str, Any]], name: str) -> str:
    return str(dict(sent[0]["headers"])[name.encode()].decode())


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({}, 200),
        ({"host": "127.0.0.1"}, 200),
        ({"host": "[::1]:80"}, 200),
        ({"origin": "http://localhost:8080"}, 200),
        ({"host": "evil.example:8080"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:9090"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_without_a_token_this_machine_alone(headers: dict[str, str], wanted: int) -> None:
    assert status(**headers) == wanted
    accepted = asked(kind="websocket", **headers)[0]["type"] == "websocket.accept"
    assert accepted == (wanted == 200)


def test_a_websocket_needs_the_token() -> None:
    assert asked(kind="websocket", token=TOKEN)[0] == {"type": "websocket.close", "code": 1008}


def test_the_token_moves_into_a_cookie() -> None:
    assert status(token=TOKEN) == 401
    assert status(query="token=other", token=TOKEN) == 401
    assert status("/health", token=TOKEN) == 200
    given = asked("/classifier", "token=a+token%3B+with%3Dsigns&bottom=3", token=TOKEN)
    assert given[0]["status"] == 303 and header(given, "location") == "/classifier?bottom=3"
    cookie = header(given, "set-cookie")
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    held = cookie.partition(";")[0]
    assert status(token=TOKEN, cookie=held) == 200
    assert status(token=TOKEN, cookie=f'of others=[1, "2"]; {held}; {{x}}=@:/?') == 200
    assert status(token=TOKEN, cookie=held, host="localhost:9090") == 401
    assert asked(kind="websocket", token=TOKEN, cookie=held)[0]["type"] == "websocket.accept"
    assert status(token="another", cookie=held) == 401


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "///evil.example", "/a?b"])
def test_the_way_to_the_cookie_stays_on_this_site(path: str) -> None:
    given = asked(path, "token=t", token="t")
    place = header(given, "location")
    assert given[0]["status"] == 303
    assert place.startswith("/") and place[1:2] not in ("/", "\\") and "?" not in place
