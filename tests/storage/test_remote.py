from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

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
from masksearch_ray.storage import FsspecStorage, Storage, open_storage, probe_atomic_create
from tests.conformance.storage import StorageTests
from tests.storage.servers import Script, moto, options, scripting

# What gs:// and az:// use, shown with the one fsspec client for which there is a server here.


def settings(endpoint: str, **config: Any) -> dict[str, Any]:
    return options(endpoint, retries={"total_max_attempts": 1}, **config)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as endpoint:
        yield endpoint


def make(server: str) -> FsspecStorage:
    import s3fs

    name = f"b-{uuid.uuid4().hex}"
    s3fs.S3FileSystem(**settings(server)).call_s3("create_bucket", Bucket=name)
    return FsspecStorage(f"s3://{name}/some/masks", settings(server))


class TestFsspec(StorageTests):
    @pytest.fixture
    def storage(self, server: str) -> Storage:
        return make(server)


def test_near_ranges_share_a_request(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = make(server)
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


Make = Callable[..., tuple[FsspecStorage, Script]]


@pytest.fixture
def scripted() -> Iterator[Make]:
    """Make a storage on a server that answers every request as a script says."""
    with scripting() as serve:

        def make(*answers: int | str) -> tuple[FsspecStorage, Script]:
            endpoint, script = serve(*answers)
            given = settings(endpoint, read_timeout=0.3, connect_timeout=2)
            storage = FsspecStorage("s3://bucket/masks", given)
            storage._client.retries = 1
            return storage, script

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
    storage, _ = scripted(answer)
    calls: list[Callable[[], object]] = [lambda: storage.get_ranges("a/b", [(0, 4)])]
    if answer != "cut":
        calls.append(lambda: storage.put("a/b", b"x"))
    for call in calls:
        with pytest.raises(StorageError) as caught:
            call()
        assert type(caught.value) is kind
        assert caught.value.object == "s3://bucket/masks/a/b"
        assert "\n" not in str(caught.value)


def test_a_failed_precondition_means_that_it_exists(scripted: Make) -> None:
    storage, script = scripted(200, 412, 204, 412)
    with pytest.raises(ExistsError):
        storage.put_if_absent("a", b"x")
    assert [request.split()[0] for request in script.requests] == ["PUT", "PUT", "DELETE", "PUT"]


def test_a_store_that_creates_twice_is_read_only(scripted: Make) -> None:
    storage, script = scripted(200)
    for _ in range(2):
        with pytest.raises(ReadOnlyError, match="no atomic create"):
            storage.put_if_absent("manifests/1.json", b"x")
    assert not any("manifests" in request for request in script.requests)
    with pytest.raises(ReadOnlyError):
        probe_atomic_create(storage)


def test_no_call_outlives_the_query(scripted: Make) -> None:
    storage, _ = scripted("drip")

    def stop() -> None:
        raise QueryTimeoutError("the query's time limit of 1 s passed")

    with interruptible(stop), pytest.raises(QueryTimeoutError, match="time limit"):
        storage.get("a")


def test_secrets_are_not_shown(scripted: Make) -> None:
    storage, _ = scripted(403)
    assert "secret" in storage.describe()[1]
    assert "'secret': '***'" in repr(storage.describe())
    assert repr(storage) == "FsspecStorage('s3://bucket/masks')"


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs")])
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, scheme: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Exception, match=f"needs the package {package}"):
        open_storage(f"{scheme}://bucket/masks")
