"""A proxy between clients and an S3 server that strikes as a table says, at the same requests."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

__all__ = [
    "KINDS",
    "READ_KINDS",
    "FaultProxy",
    "Kind",
    "Place",
    "Request",
    "Strike",
    "befall",
    "places",
]

Kind = Literal[
    "503", "429", "500", "reset before", "reset after", "silence before", "silence after",
    "cut", "short", "flip", "drip", "expired", "call", "call after",
]  # fmt: skip
"""What befalls a request.

``503``, ``429``, ``500``: SlowDown, TooManyRequests, InternalError, without asking the server.
``reset before``, ``reset after``: the connection is reset before the server saw the request, or
after it obeyed. ``silence before``, ``silence after``: the same, but no answer ever comes.
``cut``: half the body, then the connection ends. ``short``: half the body, as if it were all.
``flip``: one bit in the middle of the body is wrong, of the request where that has one.
``drip``: the body comes in small pieces. ``expired``: 403 ExpiredToken.
``call``, ``call after``: `Strike.action` is called before the server sees the request, or after
it obeyed; else the request takes its way.
"""

KINDS: tuple[Kind, ...] = (
    "503", "429", "500", "reset before", "reset after", "silence before", "silence after",
    "cut", "short", "flip", "drip",
)  # fmt: skip
"""Those that pass by themselves."""

READ_KINDS: tuple[Kind, ...] = ("cut", "short", "flip", "drip")
"""Those that need an answer with a body, or (``flip``) a request with one."""

_ERRORS = {
    "503": (503, "SlowDown"),
    "429": (429, "TooManyRequests"),
    "500": (500, "InternalError"),
    "expired": (403, "ExpiredToken"),
}
_PIECES = 8  # of an answer that drips
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


@dataclass(frozen=True)
class Request:
    """A request as the proxy saw it."""

    number: int
    """Counted from 1 since the last `FaultProxy.begin`, by arrival."""
    method: str
    key: str
    """Of the object, without the bucket; of a listing, its prefix."""
    listing: bool
    sends: bool
    """Whether it has a body."""

    @property
    def what(self) -> str:
        """Kind of request: ``GET tiles``, ``PUT manifest``, ``LIST``…"""
        if self.listing:
            return f"LIST {self.key.rstrip('/').rpartition('/')[2]}".strip()
        return f"{self.method} {object_kind(self.key)}"


@dataclass(frozen=True)
class Strike:
    """One row of a table: which requests are struck, and how."""

    kind: Kind
    nth: int = 1
    """The first request struck, counted from 1 among those that match."""
    times: int | None = 1
    """How many in a row; None: every one from there on."""
    what: str = ".*"
    """Regular expression that the whole of `Request.what` matches."""
    key: str = ".*"
    """Regular expression that the whole of the key matches."""
    seconds: float = 0.02
    """Between the pieces of a body that drips."""
    action: Callable[[], object] | None = None

    def matches(self, request: Request) -> bool:
        """Whether the request counts."""
        found = re.fullmatch(self.what, request.what) and re.fullmatch(self.key, request.key)
        return found is not None


Chance = Callable[[Request], Strike | None]
T = TypeVar("T")
Place = tuple[str, int]  # kind of request, and its number among those


class FaultProxy:
    """Listens on loopback; its `url` takes the place of the server's endpoint.

    Headers are passed on as they come, Host included, which the signature covers.

    Parameters
    ----------
    target : str
        Endpoint of the server, ``http://127.0.0.1:port``.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._table: tuple[Strike, ...] = ()
        self._chance: Chance | None = None
        self._matched: Counter[int] = Counter()
        self._seen: list[Request] = []
        self._struck: list[tuple[Request, Strike]] = []
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """Endpoint for clients."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def begin(self, table: Sequence[Strike] = (), chance: Chance | None = None) -> None:
        """Forget what was seen, and strike by another table, or by chance where it has no row."""
        with self._lock:
            self._table, self._chance = tuple(table), chance
            self._matched.clear()
            self._seen, self._struck = [], []

    @property
    def seen(self) -> list[Request]:
        """Requests since `begin`."""
        with self._lock:
            return list(self._seen)

    @property
    def struck(self) -> list[tuple[Request, Strike]]:
        """Requests that were struck since `begin`."""
        with self._lock:
            return list(self._struck)

    def close(self) -> None:
        """Stop listening, and end what still waits."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def meet(self, method: str, path: str, size: int) -> tuple[Request, Strike | None]:
        """Number a request and say what befalls it."""
        split = urlsplit(path)
        _, _, key = unquote(split.path).lstrip("/").partition("/")
        listing = method == "GET" and not key
        if listing:
            found = re.search(r"(?:^|&)prefix=([^&]*)", split.query)
            key = unquote(found[1]) if found else ""
        with self._lock:
            request = Request(len(self._seen) + 1, method, key, listing, size > 0)
            self._seen.append(request)
            strike = self._choose(request)
            if strike is not None:
                self._struck.append((request, strike))
        return request, strike

    def _choose(self, request: Request) -> Strike | None:
        for row, strike in enumerate(self._table):
            if strike.matches(request):
                self._matched[row] += 1
                late = self._matched[row] - strike.nth
                if late >= 0 and (strike.times is None or late < strike.times):
                    return strike
        return None if self._chance is None else self._chance(request)


def places(proxy: FaultProxy, run: Callable[[], object]) -> dict[Place, Request]:
    """The requests of an operation without faults."""
    proxy.begin()
    run()
    found: Counter[str] = Counter()
    met = {}
    for request in proxy.seen:
        found[request.what] += 1
        met[request.what, found[request.what]] = request
    return met


def befall(
    proxy: FaultProxy, strike: Strike, name: Callable[[], str], run: Callable[[str], T]
) -> T:
    """Strike while something runs on a collection, and give what became of it.

    How reads are joined depends on what arrives first: where a request does not come this time,
    the one before it is struck instead. Each time the collection is another one, which no worker
    holds yet; what a query of another one left behind is not struck.
    """
    for nth in range(strike.nth, 0, -1):
        collection = name()
        proxy.begin([replace(strike, nth=nth, key=f"{re.escape(collection)}/.*")])
        found = run(collection)
        if proxy.struck:
            return found
    raise AssertionError(f"{strike} befell nothing")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone."""


class _Gone(Exception):
    """The connection is to end without a further word."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.upstream = http.client.HTTPConnection(self.server.proxy.target, timeout=120)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def pass_on(self) -> None:
        """Take one request, and let it fare as the table says."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, strike = self.server.proxy.meet(self.command, self.path, len(body))
        try:
            self._fare(strike, body)
        except _Gone:
            self.close_connection = True
        except (http.client.HTTPException, OSError):
            # The server is away: to the client as if the connection were reset.
            self._reset()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = pass_on

    def _fare(self, strike: Strike | None, body: bytes) -> None:
        kind = strike.kind if strike else None
        action = strike.action if strike and strike.action else _nothing
        if kind == "call":
            action()
        if kind in _ERRORS:
            self._refuse(*_ERRORS[kind])
            return
        if kind == "reset before":
            self._reset()
        if kind == "silence before":
            self._wait()
        response, data = self._forward(_flipped(body) if kind == "flip" and body else body)
        if kind == "call after":
            action()
        if kind == "reset after":
            self._reset()
        if kind == "silence after":
            self._wait()
        if kind == "flip" and not body:
            data = _flipped(data)
        self._answer(response, data, strike)

    def _forward(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        for fresh in (False, True):
            try:
                self.upstream.putrequest(
                    self.command, self.path, skip_host=True, skip_accept_encoding=True
                )
                for name, value in self.headers.items():
                    if name.lower() not in _HOP_BY_HOP:
                        self.upstream.putheader(name, value)
                self.upstream.endheaders(body or None)
                response = self.upstream.getresponse()
                return response, response.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                # An idle connection may have been closed; a request is sent twice for that only.
                self.upstream.close()
                if fresh:
                    raise
        raise AssertionError("unreachable")

    def _answer(
        self, response: http.client.HTTPResponse, data: bytes, strike: Strike | None
    ) -> None:
        kind = strike.kind if strike else None
        half = data[: len(data) // 2]
        sent = half if kind in ("cut", "short") else data
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() == "content-length" and self.command != "HEAD" and kind != "cut":
                value = str(len(sent))
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if response.getheader("Content-Length") is None and self.command != "HEAD":
            self.send_header("Content-Length", str(len(data if kind == "cut" else sent)))
        self.end_headers()
        if strike is not None and kind == "drip":
            self._drip(data, strike.seconds)
        else:
            self.wfile.write(sent)
        if kind == "cut":
            raise _Gone

    def _drip(self, data: bytes, seconds: float) -> None:
        step = max(1, -(-len(data) // _PIECES))
        for first in range(0, len(data), step):
            if self.server.proxy.closing.wait(seconds):
                raise _Gone
            self.wfile.write(data[first : first + step])

    def _refuse(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>struck</Message></Error>"
        body = b"" if self.command == "HEAD" else text.encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        """End the connection by a reset, not in order."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise _Gone

    def _wait(self) -> None:
        """Say nothing until the client has gone."""
        self.connection.settimeout(0.05)
        while not self.server.proxy.closing.is_set():
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        raise _Gone

    def log_message(self, *_: object) -> None:
        pass


def _flipped(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :] if data else data


def object_kind(key: str) -> str:
    """What a key of a collection holds: manifest, rows, index, tiles…"""
    parts = key.split("/")
    for place in ("manifests", "deletes", "ingests", "indexes", "probes"):
        if place in parts:
            return place.removesuffix("s") if place != "indexes" else "index part"
    return parts[-1].partition(".")[0]


def _nothing() -> None:
    pass
