"""Objects in an object store, through the fsspec package made for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from masksearch_ray.errors import DamagedError, InputError, NotFoundError
from masksearch_ray.storage.calls import Calls
from masksearch_ray.storage.coalesce import coalesce
from masksearch_ray.storage.keys import (
    buffers,
    check_key,
    check_prefix,
    check_ranges,
    is_temporary,
    join_url,
)
from masksearch_ray.storage.options import StorageOptions, redact
from masksearch_ray.storage.probe import AtomicCreate
from masksearch_ray.storage.remote_errors import remote_error
from masksearch_ray.storage.types import Data, ObjectInfo, Pieces, Ranges

T = TypeVar("T")

PACKAGES = {"gs": "gcsfs", "az": "adlfs"}
"""Accepted schemes and the package that each needs."""

# A request costs about as much time as a connection needs for so many bytes.
_GAP = 128 * 1024
_MAX_READ = 8 * 1024 * 1024

# Not every client has time-outs of its own for everything.
_SECONDS = 60.0
_BYTES_PER_SECOND = 1024 * 1024

_THREADS = 16


class FsspecStorage:
    """A bucket, or a prefix in one.

    The first create proves that the store really refuses to create a key twice; a store that
    does not is read-only here.

    Parameters
    ----------
    url : str
        ``gs://bucket[/prefix]``, or the same with another scheme that fsspec knows.
    options : mapping, optional
        Handed to the client, for instance ``{"token": …}``.

    Raises
    ------
    InputError
        If the URL names no bucket, an option is not the client's, or its package is not
        installed.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        scheme, _, path = url.partition("://")
        bucket, _, prefix = path.strip("/").partition("/")
        if not bucket:
            raise InputError(f"{url}: names no bucket, as in {scheme}://bucket/collection")
        self._root = f"{bucket}/{check_key(prefix)}/" if prefix else f"{bucket}/"
        self._url = f"{scheme}://{self._root}".rstrip("/")
        self._options = StorageOptions(options or {})
        self._client = _client(scheme, url, self._options)
        self._calls = Calls(_THREADS)
        self._proof = AtomicCreate(self._create, self.delete, self._url)

    def __repr__(self) -> str:
        return f"FsspecStorage({self._url!r})"

    @property
    def url(self) -> str:
        """URL of the root."""
        return self._url

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        path = self._path(key)
        return self._ask(key, lambda: bytes(self._client.cat_file(path)))

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read byte ranges, in the order given; close ones share a request."""
        path, name = self._path(key), join_url(self.url, key)
        check_ranges(ranges, name)
        reads = coalesce(ranges, _GAP, _MAX_READ)
        starts, stops = [read.start for read in reads], [read.stop for read in reads]
        answers = self._ask(
            key,
            lambda: self._client.cat_ranges([path] * len(reads), starts, stops, on_error="raise"),
            size=sum(stops) - sum(starts),
        )
        pieces: Pieces = [b""] * len(ranges)
        for read, answer in zip(reads, answers, strict=True):
            if len(answer) != read.stop - read.start:
                raise DamagedError(f"bytes {read.start}:{read.stop} lie beyond its end", name)
            view = memoryview(answer)
            for member in read.members:
                start, stop = ranges[member]
                pieces[member] = view[start - read.start : stop - read.start]
        return pieces

    def info(self, key: str) -> ObjectInfo:
        """Size, ETag and time of an object."""
        path = self._path(key)
        found = self._ask(key, lambda: self._client.info(path))
        if found["type"] != "file":
            raise NotFoundError("no such object", join_url(self.url, key))
        return _info(key, found)

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there, all at once."""
        path, whole = self._path(key), b"".join(buffers(data))
        self._ask(key, lambda: self._client.pipe_file(path, whole), size=len(whole))

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically, by a conditional PUT."""
        check_key(key)
        self._proof.check()
        self._create(key, b"".join(buffers(data)))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, sorted by key."""
        folder, slash, rest = check_prefix(prefix).rpartition("/")
        found = self._ask(
            prefix,
            lambda: self._client.find(
                self._root + folder + slash, prefix=rest, detail=True, withdirs=False
            ),
        )
        objects = (
            _info(path.removeprefix(self._root), entry)
            for path, entry in found.items()
            if entry["type"] == "file" and not path.endswith("/") and path.startswith(self._root)
        )
        wanted = (o for o in objects if o.key.startswith(prefix) and not is_temporary(o.key))
        return iter(sorted(wanted, key=lambda o: o.key))

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""
        path = self._path(key)
        try:
            self._ask(key, lambda: self._client.rm_file(path))
        except NotFoundError:
            return

    def remove_leftovers(self, older_than: float) -> int:
        """Return 0: parts of unfinished uploads are removed by the bucket's lifecycle rules."""
        return 0

    def describe(self) -> tuple[str, dict[str, Any]]:
        """URL and options with which another process reopens it."""
        return self.url, StorageOptions(self._options)

    def _path(self, key: str) -> str:
        return self._root + check_key(key)

    def _ask(self, key: str, call: Callable[[], T], creating: bool = False, size: int = 0) -> T:
        name = join_url(self.url, key)

        def attempt() -> T:
            try:
                return call()
            except Exception as error:
                raise remote_error(error, name, creating, self._options.secrets) from None

        return self._calls.one(attempt, name, _SECONDS + size / _BYTES_PER_SECOND)

    def _create(self, key: str, data: bytes) -> None:
        path = self._path(key)
        self._ask(
            key, lambda: self._client.pipe_file(path, data, mode="create"), True, size=len(data)
        )


def _client(scheme: str, url: str, options: StorageOptions) -> Any:
    import fsspec  # here, for it takes a while, and folders do not need it

    # A cached listing would hide what other processes committed meanwhile.
    settings: dict[str, Any] = {"use_listings_cache": False, **options}
    try:
        return fsspec.filesystem(scheme, **settings)
    except ImportError as error:
        raise InputError(f"{url}: needs the package {PACKAGES.get(scheme, scheme)}") from error
    except (TypeError, ValueError) as error:
        text = redact(str(error), options.secrets)
        raise InputError(f"{url}: its client does not take these options: {text}") from None


def _info(key: str, found: Mapping[str, Any]) -> ObjectInfo:
    times = (found.get(name) for name in ("LastModified", "last_modified", "mtime", "updated"))
    modified = next((time for time in times if time), None)
    if isinstance(modified, str):
        modified = datetime.fromisoformat(modified)
    seconds = modified.timestamp() if isinstance(modified, datetime) else float(modified or 0)
    etag = str(found.get("ETag") or found.get("etag") or "").strip('"')
    # A HEAD says whole seconds, a listing may say more.
    return ObjectInfo(key, int(found["size"]), etag, float(int(seconds)))
