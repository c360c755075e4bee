"""Who may see the page: a token where others can reach it, this machine's browsers elsewhere."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
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
        # Cookies know no ports: another server of this host must not overwrite the cookie of this.
        name = f"{_COOKIE}_{_port(headers.get('host', ''))}"
        held = cookie_parser(headers.get("cookie", "")).get(name)
        if held is not None and _same([held], quote(token, safe="")):
            return None
        if not _same([value for key, value in query if key == "token"], token):
            return PlainTextResponse("Open the page by the URL with its token.\n", 401)
        # The token is kept in a cookie and leaves the URL, which people copy and share.
        rest = urlencode([(key, value) for key, value in query if key != "token"])
        # A path that begins with two slashes would name another host.
        path = "/" + quote(scope["path"].lstrip("/\\"), safe="/")
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        # Not "strict": links from other programs to the page must work.
        answer.set_cookie(name, quote(token, safe=""), httponly=True, samesite="lax")
        return answer


def _same(given: Iterable[str], token: str) -> bool:
    return any(hmac.compare_digest(one.encode(), token.encode()) for one in given)


def _port(host: str) -> str:
    return host.rpartition(":")[2] if _has_port(host) else ""


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and not host.endswith("]") and host.count(":") != 0


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_HEADERS]
        await send(message)

    return sent
