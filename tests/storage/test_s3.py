from __future__ import annotations

import socket
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from masksearch_ray.errors import (
    DamagedError,
    ExistsError,
    InputError,
    NotFoundError,
    QueryTimeoutError,
    ReadOnlyError,
    StorageError,
    TransientError,
)
from masksearch_ray.model.interrupt import interruptible
from masksearch_ray.model.usage import Meter, metered
from masksearch_ray.storage import (
    RetryingStorage,
    S3Storage,
    Storage,
    StorageOptions,
    open_storage,
    probe_atomic_create,
    s3,
    s3_connection,
)
from tests.conformance.storage import StorageTests, keys
from tests.storage.servers import Script, moto, options, scripting


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def client(server: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"b-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name


class TestS3(StorageTests):
    @pytest.fixture
    def storage(self, server: str, bucket: str) -> Storage:
        return S3Storage(f"s3://{bucket}/some/masks", options(server))


@pytest.fixture
def storage(server: str, bucket: str) -> S3Storage:
    return S3Storage(f"s3://{bucket}/masks", options(server))


def test_what_others_write_is_seen_at_once(storage: S3Storage, server: str, bucket: str) -> None:
    other = S3Storage(f"s3://{bucket}/masks", options(server))
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
    storage: S3Storage, client: Any, bucket: str
) -> None:
    client.put_object(Bucket=bucket, Key="masks/", Body=b"")
    client.put_object(Bucket=bucket, Key="masks/folder/", Body=b"")
    client.put_object(Bucket=bucket, Key="masks-other/a", Body=b"x")
    storage.put("folder/a", b"x")
    assert keys(storage) == keys(storage, "fold") == ["folder/a"]
    with pytest.raises(NotFoundError):
        storage.info("folder")


def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the ranges of all GETs that are sent."""
    from botocore.httpsession import URLLib3Session

    asked: list[str] = []
    send = URLLib3Session.send

    def note(session: Any, request: Any) -> Any:
        if request.method == "GET":
            asked.append(str(request.headers.get("Range")))
        return send(session, request)

    monkeypatch.setattr(URLLib3Session, "send", note)
    return asked


def test_near_ranges_share_a_request(storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.put("a", bytes(3_000_000))
    asked = sent(monkeypatch)
    pieces = storage.get_ranges("a", [(2_500_000, 2_500_010), (0, 100), (50_000, 50_100)])
    assert [len(piece) for piece in pieces] == [10, 100, 100]
    assert sorted(asked) == ["bytes=0-50099", "bytes=2500000-2500009"]


def test_a_large_object_is_written_and_read_in_parts(
    storage: S3Storage, client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # S3 takes no part below 5 MiB but the last.
    size = 5 * 1024 * 1024
    monkeypatch.setattr(s3, "_PART", size)
    data = bytes(range(251)) * (4 * size // 251)
    storage.put("a", data)
    assert client.head_object(Bucket=bucket, Key="masks/a")["ETag"].endswith('-4"')
    asked = sent(monkeypatch)
    assert storage.get("a") == data
    assert len(asked) == 4
    asked.clear()
    assert storage.get_ranges("a", [(7, len(data))]) == [data[7:]]
    assert len(asked) == 4


def test_an_upload_that_fails_leaves_no_parts(
    storage: S3Storage, client: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_PART", 1024)
    with pytest.raises(StorageError):
        storage.put("a", bytes(4096))  # in parts smaller than S3 takes
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")
    assert keys(storage) == []


def test_more_objects_than_one_answer_lists(storage: S3Storage, client: Any, bucket: str) -> None:
    for number in range(1003):
        client.put_object(Bucket=bucket, Key=f"masks/{number:04}", Body=b"")
    meter = Meter()
    with metered(meter):
        assert keys(storage) == [f"{number:04}" for number in range(1003)]
    assert meter.usage.requests == 1  # besides the first


def test_a_bucket_that_does_not_exist(server: str) -> None:
    storage = S3Storage("s3://no-such-bucket/masks", options(server))
    calls: list[Callable[[], object]] = [
        lambda: storage.get("a"),
        lambda: storage.put("a", b"x"),
        lambda: storage.put_if_absent("a", b"x"),
        lambda: storage.list(),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match="no such bucket"):
            call()


# ------------------------------------------------------------------ servers that misbehave

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


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ExpiredToken", "the credentials have expired"),
        ("InvalidAccessKeyId", "the access key is not known"),
        ("NoSuchBucket", "no such bucket"),
        ("RequestTimeTooSkewed", "the clock of this machine is wrong"),
        ("SignatureDoesNotMatch", "the secret key does not fit"),
    ],
)
def test_what_is_wrong_with_whom(scripted: Make, code: str, text: str) -> None:
    storage, _ = scripted(code)
    calls: list[Callable[[], object]] = [
        lambda: storage.get("a"),
        lambda: storage.get_ranges("a", [(0, 4)]),
        lambda: storage.put("a", b"x"),
        lambda: storage.list(),
    ]
    if code != "NoSuchBucket":  # which a HEAD cannot tell from a missing object
        calls.append(lambda: storage.info("a"))
    for call in calls:
        with pytest.raises(StorageError, match=text) as caught:
            call()
        assert not isinstance(caught.value, TransientError)


def test_credentials_that_were_renewed_are_picked_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(written))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def write(key: str) -> None:
        written.write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key=secret\n")

    write("FIRST")
    with scripting() as serve:
        endpoint, script = serve(200, "ExpiredToken", 200, "ExpiredToken")
        storage = S3Storage("s3://bucket", {"endpoint_url": endpoint, "region": "us-east-1"})
        assert storage.get("a") == b"body"
        write("SECOND")
        assert storage.get("a") == b"body"
        assert ["FIRST" in one for one in script.credentials] == [True, True, False]
        with pytest.raises(StorageError, match="expired"):
            storage.get("a")


def test_no_credentials_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    storage = S3Storage("s3://bucket", {"endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(StorageError, match="no credentials"):
        storage.get("a")


def test_anonymous_requests_are_not_signed() -> None:
    with scripting() as serve:
        endpoint, script = serve(200)
        storage = S3Storage("s3://bucket", {"endpoint_url": endpoint, "anon": True})
        storage.get("a")
        storage.put("a", b"x")
        assert script.credentials == ["", ""]


def test_requests_are_paid_for_where_asked() -> None:
    with scripting() as serve:
        endpoint, script = serve(200)
        storage = S3Storage("s3://bucket", {**options(endpoint), "requester_pays": True})
        storage.get("a")
        storage.put("a", b"x")
        assert script.payers == ["requester", "requester"]


SECRET = "a-secret-that-nobody-may-see"


def test_secrets_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "masksearch_ray")
    with scripting() as serve:
        for answer in (403, 500, "reset", "SignatureDoesNotMatch"):
            endpoint, _ = serve(answer)
            given = {**options(endpoint), "key": "KEY-" + SECRET, "secret": SECRET, "token": SECRET}
            storage = RetryingStorage(S3Storage("s3://bucket", given), attempts=2, base=0.001)
            with pytest.raises(StorageError) as caught:
                storage.get("a")
            shown = "".join(traceback.format_exception(caught.value))
            url, reopened = storage.describe()
            assert reopened == given
            for text in (shown, repr(storage.inner), repr(reopened), str(reopened), url):
                assert SECRET not in text
                assert "Signature=" not in text
    assert "again in" in caplog.text
    assert SECRET not in caplog.text


def test_options_show_only_where_and_how() -> None:
    given = StorageOptions(
        endpoint_url="https://user:pass@host/?sig=1", key="K", client_kwargs={"x": SECRET}
    )
    assert (
        repr(given)
        == "{'endpoint_url': 'https://***@host/?***', 'key': '***', 'client_kwargs': '***'}"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "http://x"},
        {"key": "only"},
        {"client_kwargs": "x"},
        {"config_kwargs": {"no_such_setting": 1}},
        {"profile": "there-is-no-such-profile"},
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        S3Storage("s3://bucket", wrong).get("a")


def test_credentials_in_a_url_are_refused_and_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        S3Storage(f"s3://key:{SECRET}@bucket/masks")
    assert SECRET not in str(caught.value)


def test_many_threads_make_one_client(scripted: Make) -> None:
    storage, _ = scripted(200)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(storage.get("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"body"] * 8
