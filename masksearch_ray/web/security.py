"""Who may see the page: a token where others can reach it, this machine's browsers elsewhere."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from masksearch_ray.web.options import is_loopback

__all__ = ["Guard"]

_COOKIE = "masksearch_token"
_OPEN = frozenset({"/health"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class Guard:
    """Lets requests pass that carry the token, and such as no other site's page has sent.

    A page of another site can make a browser send requests here, under a name that it lets stand
    for this machine, or from a script; so where no token is asked for, the name must be this
    machine's own and the origin the page's.

    Parameters
    ----------
    app : callable
        What is guarded (ASGI).
    token : str or None
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and origin.partition("://")[2] != host:
            return PlainTextResponse("This page answers no other site's scripts.\n", 403)
        if self._token is None:
            name = host.rpartition(":")[0] if _has_port(host) else host
            if is_loopback(name):
                return None
            return PlainTextResponse("Ask for this page by the name localhost.\n", 403)
        return self._unless_known(scope, headers, self._token)

    def _unless_known(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        if cookie is not None and _same([cookie.value], token):
            return None
        if not _same([value for name, value in query if name == "token"], token):
            return PlainTextResponse("Open the page by the URL with its token.\n", 401)
        # The token is kept in a cookie and leaves the URL, which people copy and share.
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        answer = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(_COOKIE, token, httponly=True, samesite="strict")
        return answer


def _same(given: Iterable[str], token: str) -> bool:
    return any(hmac.compare_digest(one.encode(), token.encode()) for one in given)


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and not host.endswith("]") and host.count(":") != 0


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_HEADERS]
        await send(message)

    return sent
