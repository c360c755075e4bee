"""Servers for tests of object stores: one that behaves, and one that does as a script says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from moto.moto_server.threaded_moto_server import ThreadedMotoServer


def options(endpoint: str, **config: Any) -> dict[str, Any]:
    return {
        "endpoint_url": endpoint,
        "key": "test",
        "secret": "test",
        "client_kwargs": {"region_name": "us-east-1"},
        "config_kwargs": config,
    }


@contextmanager
def moto() -> Iterator[str]:
    """Run moto in this process; the value is its endpoint."""
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


class Script:
    """What the next requests are answered with; the last answer stays."""

    def __init__(self, *answers: int | str) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self.credentials: list[str] = []
        self.payers: list[str] = []
        self.lock = threading.Lock()

    def next(self, request: str) -> int | str:
        with self.lock:
            self.requests.append(request)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


CODES = {403: "AccessDenied", 404: "NoSuchKey", 409: "OperationAborted", 412: "PreconditionFailed"}
CODES |= {416: "InvalidRange", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}


REFUSALS = {
    "ExpiredToken": 400,
    "InvalidAccessKeyId": 403,
    "NoSuchBucket": 404,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
}


class Scripted(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Answers with a status, or breaks the connection in one of several ways."""

    protocol_version = "HTTP/1.1"
    server: Scripted

    def handle_expect_100(self) -> bool:
        return self.server.script.answers[0] == "mute" or super().handle_expect_100()

    def answer(self) -> None:
        self.close_connection = True
        script = self.server.script
        script.credentials.append(self.headers.get("Authorization", ""))
        script.payers.append(self.headers.get("x-amz-request-payer", ""))
        answer = script.next(f"{self.command} {self.path}")
        if answer != "mute":
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if isinstance(answer, int):
            self.send_status(answer)
        elif answer in ("silence", "mute"):
            self.server.closing.wait(20)
        elif answer == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif answer == "cut":
            self.send_head(1000)
            self.wfile.write(b"on")
        elif answer == "drip":
            self.send_head(1000)
            while not self.server.closing.wait(0.05):
                self.wfile.write(b".")
        else:
            self.send_status(REFUSALS[answer], answer)

    def send_head(self, size: int) -> None:
        """Begin to answer a GET; `size` is that of the object."""
        asked = self.headers.get("Range")
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            size = int(last) + 1 - int(first)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(size))
        self.send_header("ETag", '"1"')
        # Said, or a client would send its next request where nobody listens any more.
        self.send_header("Connection", "close")
        self.end_headers()

    def send_status(self, status: int, code: str = "") -> None:
        if status == 200 and self.command == "GET":
            self.send_head(4)
            self.wfile.write(b"body")
            return
        body, code = b"", code or CODES.get(status, "")
        if code and self.command != "HEAD":
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def scripting() -> Iterator[Callable[..., tuple[str, Script]]]:
    """Make servers that answer every request as a script says: endpoint and script of each."""
    running: list[Scripted] = []

    def make(*answers: int | str) -> tuple[str, Script]:
        server = Scripted(Script(*answers))
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", server.script

    yield make
    for server in running:
        server.closing.set()
        server.shutdown()
        server.server_close()
