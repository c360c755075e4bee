from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from masksearch_ray.errors import (
    InputError,
    StorageError,
    TransientError,
)
from masksearch_ray.storage import (
    RetryingStorage,
    S3Storage,
    StorageOptions,
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
