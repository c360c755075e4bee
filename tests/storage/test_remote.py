from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

from masksearch_ray.errors import (
    DamagedError,
    ExistsError,
    NotFoundError,
    ReadOnlyError,
    StorageError,
    TransientError,
)
from masksearch_ray.storage import (
    FsspecStorage,
    RetryingStorage,
    Storage,
    open_storage,
    probe_atomic_create,
    remote,
)
from tests.conformance.storage import StorageTests, keys


def options(endpoint: str, **config: Any) -> dict[str, Any]:
    return {
        "endpoint_url": endpoint,
        "key": "test",
        "secret": "test",
        "client_kwargs": {"region_name": "us-east-1"},
        "config_kwargs": config,
    }


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(scope="module")
def client(server: str) -> Any:
    import s3fs

    return s3fs.S3FileSystem(**options(server), use_listings_cache=False)


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"b-{uuid.uuid4().hex}"
    client.call_s3("create_bucket", Bucket=name)
    return name


class TestS3(StorageTests):
    @pytest.fixture
    def storage(self, server: str, bucket: str) -> Storage:
        return FsspecStorage(f"s3://{bucket}/some/masks", options(server))


@pytest.fixture
def storage(server: str, bucket: str) -> FsspecStorage:
    return FsspecStorage(f"s3://{bucket}/masks", options(server))


def test_what_others_write_is_seen_at_once(
    storage: FsspecStorage, server: str, bucket: str
) -> None:
    other = FsspecStorage(f"s3://{bucket}/masks", options(server))
    assert keys(storage) == []
    other.put("a", b"x")
    assert keys(storage) == ["a"]
    other.put("a", b"longer")
    assert storage.info("a").size == 6
    other.delete("a")
    assert keys(storage) == []


def test_a_whole_bucket(server: str, bucket: str) -> None:
    storage = open_storage(f"s3://{bucket}/", options(server))
    storage.put_if_absent("b/c", b"x")
    storage.put("a", b"x")
    assert storage.url == f"s3://{bucket}"
    assert keys(storage) == ["a", "b/c"]
    assert keys(storage, "b") == ["b/c"]


def test_folder_markers_and_neighbours_are_no_objects(
    storage: FsspecStorage, client: Any, bucket: str
) -> None:
    client.call_s3("put_object", Bucket=bucket, Key="masks/", Body=b"")
    client.call_s3("put_object", Bucket=bucket, Key="masks/folder/", Body=b"")
    client.call_s3("put_object", Bucket=bucket, Key="masks-other/a", Body=b"x")
    storage.put("folder/a", b"x")
    assert keys(storage) == keys(storage, "fold") == ["folder/a"]
    with pytest.raises(NotFoundError):
        storage.info("folder")


def test_near_ranges_share_a_request(
    storage: FsspecStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put("a", bytes(3_000_000))
    asked: list[tuple[int, int]] = []
    inner = storage._client
    cat_ranges = inner.cat_ranges

    def note(paths: list[str], starts: list[int], stops: list[int], **rest: Any) -> Any:
        asked.extend(zip(starts, stops, strict=True))
        return cat_ranges(paths, starts, stops, **rest)

    monkeypatch.setattr(inner, "cat_ranges", note)
    pieces = storage.get_ranges("a", [(2_500_000, 2_500_010), (0, 100), (50_000, 50_100)])
    assert [len(piece) for piece in pieces] == [10, 100, 100]
    assert asked == [(0, 50_100), (2_500_000, 2_500_010)]


def test_a_bucket_that_does_not_exist(server: str) -> None:
    storage = FsspecStorage("s3://no-such-bucket/masks", options(server))
    calls: list[Callable[[], object]] = [
        lambda: storage.get("a"),
        lambda: storage.put("a", b"x"),
        lambda: storage.put_if_absent("a", b"x"),
        lambda: storage.list(),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match="no such object or bucket"):
            call()


# ------------------------------------------------------------------ servers that misbehave


class Script:
    """What the next requests are answered with; the last answer stays."""

    def __init__(self, *answers: int | str) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self.lock = threading.Lock()

    def next(self, request: str) -> int | str:
        with self.lock:
            self.requests.append(request)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


CODES = {403: "AccessDenied", 404: "NoSuchKey", 409: "OperationAborted", 412: "PreconditionFailed"}
CODES |= {416: "InvalidRange", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}


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
        answer = self.server.script.next(f"{self.command} {self.path}")
        if answer != "mute":
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if isinstance(answer, int):
            self.send_status(answer)
        elif answer in ("silence", "mute"):
            self.server.closing.wait(20)
        elif answer == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif answer == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only this")

    def send_status(self, status: int) -> None:
        body = b"body" if self.command == "GET" else b""
        if status in CODES:
            body = f"<Error><Code>{CODES[status]}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        pass


Make = Callable[..., tuple[FsspecStorage, Script]]


@pytest.fixture
def scripted() -> Iterator[Make]:
    """Make a storage on a server that answers every request as a script says."""
    servers: list[Scripted] = []

    def make(*answers: int | str) -> tuple[FsspecStorage, Script]:
        server = Scripted(Script(*answers))
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        settings = options(endpoint, read_timeout=0.3, connect_timeout=2)
        return FsspecStorage("s3://bucket/masks", settings), server.script

    yield make
    for server in servers:
        server.closing.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (403, ReadOnlyError),
        (404, NotFoundError),
        (409, TransientError),
        (412, StorageError),
        (416, DamagedError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
        ("reset", TransientError),
        ("silence", TransientError),
        ("cut", TransientError),
    ],
)
def test_answers_become_errors_that_name_the_object(
    scripted: Make, answer: int | str, kind: type[StorageError]
) -> None:
    storage, script = scripted(answer)
    calls: list[Callable[[], object]] = [
        lambda: storage.get("a/b"),
        lambda: storage.get_ranges("a/b", [(0, 4)]),
    ]
    if answer != "cut":
        calls.append(lambda: storage.put("a/b", b"x"))
    for call in calls:
        with pytest.raises(StorageError) as caught:
            call()
        assert type(caught.value) is kind
        assert caught.value.object == "s3://bucket/masks/a/b"
        assert "\n" not in str(caught.value)
    if answer != "reset":  # after which aiohttp tries once more by itself
        assert len(script.requests) == len(calls), "one layer alone tries again"


def test_a_server_that_gives_no_leave_to_send(
    scripted: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_SEND_SECONDS", 0.2)
    storage, _ = scripted("mute")
    with pytest.raises(TransientError):
        storage.put("a", b"x")


def test_a_server_that_nobody_runs() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        storage = FsspecStorage(
            "s3://bucket", options(f"http://127.0.0.1:{free.getsockname()[1]}", connect_timeout=1)
        )
        with pytest.raises(TransientError):
            storage.get("a")


def test_what_passes_is_survived(scripted: Make) -> None:
    inner, script = scripted(503, "reset", 500, 200)
    storage = RetryingStorage(inner, base=0.001)
    assert storage.get("a") == b"body"
    assert len(script.requests) == 4


def test_a_failed_precondition_means_that_it_exists(scripted: Make) -> None:
    storage, script = scripted(200, 412, 412)
    with pytest.raises(ExistsError):
        storage.put_if_absent("a", b"x")
    assert [request.split()[0] for request in script.requests] == ["PUT", "PUT", "DELETE", "PUT"]


def test_what_a_caller_is_handling_says_nothing_of_the_next_call(scripted: Make) -> None:
    storage, _ = scripted(200, 412, 200, 412, "reset")
    try:
        storage.put_if_absent("1", b"x")
    except ExistsError:
        with pytest.raises(TransientError):
            storage.put_if_absent("2", b"x")


def test_a_store_that_creates_twice_is_read_only(scripted: Make) -> None:
    storage, script = scripted(200)
    for _ in range(2):
        with pytest.raises(ReadOnlyError, match="no atomic create"):
            storage.put_if_absent("manifests/1.json", b"x")
    assert not any("manifests" in request for request in script.requests)
    with pytest.raises(ReadOnlyError):
        probe_atomic_create(storage)


def test_the_proof_is_asked_for_once(scripted: Make) -> None:
    storage, script = scripted(200, 412, 204, 200)
    storage.put_if_absent("a", b"x")
    storage.put_if_absent("b", b"x")
    methods = [request.split()[0] for request in script.requests]
    assert methods == ["PUT", "PUT", "DELETE", "PUT", "PUT"]
    probed = {request.split("?")[0].split()[1] for request in script.requests[:3]}
    assert len(probed) == 1


def test_a_proof_whose_first_answer_was_lost_still_holds(scripted: Make) -> None:
    storage, _ = scripted(412, 412, 204, 200)
    storage.put_if_absent("a", b"x")
