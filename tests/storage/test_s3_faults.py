from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from masksearch_ray.errors import (
    DamagedError,
    ExistsError,
    NotFoundError,
    QueryTimeoutError,
    ReadOnlyError,
    StorageError,
    TransientError,
)
from masksearch_ray.model.interrupt import interruptible
from masksearch_ray.storage import (
    RetryingStorage,
    S3Storage,
    probe_atomic_create,
    s3,
    s3_connection,
)
from tests.storage.servers import Script, options, scripting

Make = Callable[..., tuple[S3Storage, Script]]


@pytest.fixture
def scripted() -> Iterator[Make]:
    """Make a storage on a server that answers every request as a script says."""
    with scripting() as serve:

        def make(*answers: int | str) -> tuple[S3Storage, Script]:
            endpoint, script = serve(*answers)
            settings = options(endpoint, read_timeout=0.3, connect_timeout=2)
            return S3Storage("s3://bucket/masks", settings), script

        yield make


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
    assert len(script.requests) == len(calls), "one layer alone tries again"


def test_a_server_that_gives_no_leave_to_send(scripted: Make) -> None:
    storage, _ = scripted("mute")
    with pytest.raises(TransientError):
        storage.put("a", b"x")


def test_a_body_that_drips(scripted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_connection, "_GRACE_SECONDS", 0.3)
    storage, _ = scripted("drip")
    for call in (lambda: storage.get("a"), lambda: storage.get_ranges("a", [(0, 1000)])):
        with pytest.raises(TransientError, match=r"only \d+ bytes came in") as caught:
            call()
        assert caught.value.object == "s3://bucket/masks/a"


@pytest.mark.parametrize("answer", ["silence", "drip", 503])
def test_no_call_outlives_the_query(scripted: Make, answer: int | str) -> None:
    inner, _ = scripted(answer)
    storage, end = RetryingStorage(inner), time.monotonic() + 0.4

    def stop() -> None:
        if time.monotonic() > end:
            raise QueryTimeoutError("the query's time limit of 0.4 s passed")

    calls: list[Callable[[], object]] = [
        lambda: storage.get("a"),
        lambda: storage.get_ranges("a", [(0, 1000)]),
        lambda: storage.list(),
    ]
    for call in calls:
        with interruptible(stop), pytest.raises(QueryTimeoutError, match="time limit"):
            call()
    assert time.monotonic() - end < 30


def test_what_never_answers_is_waited_for_so_long(
    scripted: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_SECONDS", 0.2)
    storage, _ = scripted("drip")
    with pytest.raises(TransientError, match="no answer within"):
        storage.get("a")


def test_a_server_that_nobody_runs() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        storage = S3Storage(
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
