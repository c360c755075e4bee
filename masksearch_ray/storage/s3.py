"""Objects on S3, or on a server that speaks its language."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from masksearch_ray.errors import InputError, NotFoundError, StorageError, TransientError
from masksearch_ray.model.usage import note_usage
from masksearch_ray.storage.calls import Calls
from masksearch_ray.storage.coalesce import coalesce, cut
from masksearch_ray.storage.keys import (
    buffers,
    check_key,
    check_prefix,
    check_ranges,
    is_temporary,
    join_url,
)
from masksearch_ray.storage.options import StorageOptions
from masksearch_ray.storage.probe import AtomicCreate
from masksearch_ray.storage.retry import Retry
from masksearch_ray.storage.s3_client import CONNECTIONS
from masksearch_ray.storage.s3_connection import S3Connection, SignedGet
from masksearch_ray.storage.types import Data, ObjectInfo, Pieces, Ranges

__all__ = ["S3Storage"]

T = TypeVar("T")
_Targets = Sequence[tuple[bytearray, int]]

# A request costs about as much time as a connection needs for so many bytes.
_GAP = 128 * 1024
# Several connections are faster than one: what is larger is read and written in parts.
_PART = 8 * 1024 * 1024
_MOST_PARTS = 10_000
# Bytes that are read without asking first whether the object is so large.
_UNSEEN = 64 * 1024 * 1024

# Not even a name server that hangs may hold up a call for longer.
_SECONDS = 60.0
_BYTES_PER_SECOND = 1024 * 1024

_PART_RETRY = Retry(attempts=4)


class S3Storage:
    """A bucket, or a prefix in one.

    The first create proves that the store really refuses to create a key twice; a store that
    does not is read-only here.

    Parameters
    ----------
    url : str
        ``s3://bucket[/prefix]``.
    options : mapping, optional
        ``endpoint_url``, ``key``, ``secret``, ``token``, ``profile``, ``region``, ``anon``,
        ``requester_pays``, ``use_ssl``, ``client_kwargs`` and ``config_kwargs`` for botocore's
        client and its ``Config``, ``s3_additional_kwargs`` for requests that write. Credentials
        that are not given come from the usual chain of AWS.

    Raises
    ------
    InputError
        If the URL names no bucket, or an option is not known.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        bucket, _, prefix = url.partition("://")[2].strip("/").partition("/")
        if not bucket:
            raise InputError(f"{url}: names no bucket, as in s3://bucket/collection")
        if "@" in bucket:
            raise InputError("s3://…@…: credentials do not belong in a URL; give them as options")
        self._prefix = f"{check_key(prefix)}/" if prefix else ""
        self._url = f"s3://{bucket}/{self._prefix}".rstrip("/")
        self._options = StorageOptions(options or {})
        self._connection = S3Connection(bucket, self._url, self._options)
        self._calls = Calls(CONNECTIONS)
        self._proof = AtomicCreate(self._create, self.delete, self._url)

    def __repr__(self) -> str:
        return f"S3Storage({self._url!r})"

    @property
    def url(self) -> str:
        """URL of the root."""
        return self._url

    def get(self, key: str) -> bytes:
        """Read a whole object; a large one over several connections."""
        path, name = self._path(key), join_url(self.url, key)
        first = self._calls.all([lambda stop: self._begin(path, name, stop)], name, _SECONDS)[0]
        if first.got < len(first.data):
            self._fill(first.signed, [(first.data, 0)], name, first.got, first.etag)
        return bytes(first.data)

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read byte ranges, in the order given; close ones share a request."""
        path, name = self._path(key), join_url(self.url, key)
        check_ranges(ranges, name)
        if sum(stop - start for start, stop in ranges) > _UNSEEN:
            # A damaged directory may ask for more than there is memory.
            check_ranges(ranges, name, self.info(key).size)
        reads = coalesce(ranges, _GAP, _PART)
        targets = [(bytearray(read.stop - read.start), read.start) for read in reads]
        if targets:
            signed = self._ask(name, lambda: self._connection.sign(path, name))
            self._fill(signed, targets, name)
        pieces: Pieces = [b""] * len(ranges)
        for read, (data, _) in zip(reads, targets, strict=True):
            view = memoryview(data).toreadonly()
            for member in read.members:
                start, stop = ranges[member]
                pieces[member] = view[start - read.start : stop - read.start]
        return pieces

    def info(self, key: str) -> ObjectInfo:
        """Size, ETag and time of an object."""
        path, name = self._path(key), join_url(self.url, key)

        def ask() -> ObjectInfo:
            try:
                found = self._connection.ask("head_object", name, Key=path)
            except (NotFoundError, TransientError):
                raise
            except StorageError:
                # An answer without a body does not say what is wrong; that to a GET does.
                stop = threading.Event()
                self._connection.open(self._connection.sign(path, name), None, stop).close()
                found = self._connection.ask("head_object", name, Key=path)
            return _info(key, found["ContentLength"], found)

        return self._ask(name, ask)

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there, all at once; a large one in parts."""
        path, name = self._path(key), join_url(self.url, key)
        whole = b"".join(buffers(data))
        if len(whole) > 2 * _PART:
            self._put_parts(path, name, whole)
            return
        self._ask(name, lambda: self._write("put_object", name, Key=path, Body=whole), len(whole))

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically, by a conditional PUT."""
        check_key(key)
        self._proof.check()
        self._create(key, b"".join(buffers(data)))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, sorted by key."""
        start, name = self._prefix + check_prefix(prefix), join_url(self.url, prefix)
        objects: list[ObjectInfo] = []
        more: dict[str, str] = {}
        while True:
            page = self._ask(name, self._asking("list_objects_v2", name, Prefix=start, **more))
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self._prefix)
                # A key that ends with a slash is a folder's marker, made by a browser.
                if key and not key.endswith("/") and not is_temporary(key):
                    objects.append(_info(key, found["Size"], found))
            if not page.get("IsTruncated"):
                return iter(sorted(objects, key=lambda found: found.key))
            note_usage(requests=1)
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""
        path, name = self._path(key), join_url(self.url, key)
        with contextlib.suppress(NotFoundError):
            self._ask(name, self._asking("delete_object", name, Key=path))

    def remove_leftovers(self, older_than: float) -> int:
        """Return 0: parts of unfinished uploads are removed by the bucket's lifecycle rules."""
        return 0

    def describe(self) -> tuple[str, dict[str, Any]]:
        """URL and options with which another process reopens it."""
        return self.url, StorageOptions(self._options)

    def _path(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _ask(self, name: str, call: Callable[[], T], size: int = 0) -> T:
        return self._calls.one(call, name, _limit(size))

    def _asking(self, operation: str, name: str, **asked: Any) -> Callable[[], Any]:
        return lambda: self._connection.ask(operation, name, **asked)

    def _write(self, operation: str, name: str, creating: bool = False, **asked: Any) -> Any:
        more = self._connection.settings.writing
        return self._connection.ask(operation, name, creating, **asked, **more)

    # ------------------------------------------------------------------------------- in parts

    def _begin(self, path: str, name: str, stop: threading.Event) -> _Begun:
        """Read a small object wholly, of a large one the first part."""
        signed = self._connection.sign(path, name)
        body = self._connection.open(signed, None, stop)
        if body.size < 0:
            return _Begun(signed, body.etag, bytearray(body.read_all(stop)))
        data = bytearray(body.size)
        got = body.size if body.size <= 2 * _PART else _PART
        body.read_into(memoryview(data)[:got], stop)
        if got == body.size:
            body.finish()
        else:
            body.close()
        return _Begun(signed, body.etag, data, got)

    def _fill(
        self,
        signed: SignedGet,
        targets: _Targets,
        name: str,
        begin: int = 0,
        etag: str | None = None,
    ) -> None:
        """Read into buffers, each from its offset in the object; the first `begin` bytes are there.

        Raises
        ------
        TransientError
            If the object was replaced meanwhile, among others.
        """
        parts = [
            (memoryview(data)[start:stop], offset + start, offset + stop)
            for data, offset in targets
            for start, stop in cut(begin, len(data), _PART)
        ]

        calls = [partial(self._read, signed, view, (start, stop)) for view, start, stop in parts]
        note_usage(requests=len(calls) - 1)
        seen = set(self._calls.all(calls, name, _limit(sum(len(view) for view, _, _ in parts))))
        if len(seen | ({etag} if etag is not None else set())) > 1:
            raise TransientError("it was replaced while it was read", name)

    def _read(
        self, signed: SignedGet, view: memoryview, span: tuple[int, int], stop: threading.Event
    ) -> str:
        body = self._connection.open(signed, span, stop)
        body.read_into(view, stop)
        body.finish()
        return body.etag

    def _create(self, key: str, data: bytes) -> None:
        # In one part: not every store heeds the condition where a multipart upload completes.
        path, name = self._path(key), join_url(self.url, key)
        self._ask(
            name,
            lambda: self._write("put_object", name, True, Key=path, Body=data, IfNoneMatch="*"),
            len(data),
        )

    def _put_parts(self, path: str, name: str, whole: bytes) -> None:
        size = max(_PART, -(-len(whole) // _MOST_PARTS))
        started = self._ask(name, lambda: self._write("create_multipart_upload", name, Key=path))
        upload = {"Key": path, "UploadId": started["UploadId"]}

        def send(number: int, start: int, stop: int, unwanted: threading.Event) -> dict[str, Any]:
            part = whole[start:stop]
            asked = {**upload, "PartNumber": number, "Body": part}
            sent = _PART_RETRY.run(self._asking("upload_part", name, **asked))
            return {"ETag": sent["ETag"], "PartNumber": number}

        try:
            spans = enumerate(cut(0, len(whole), size), 1)
            calls = [partial(send, number, start, stop) for number, (start, stop) in spans]
            note_usage(requests=len(calls) + 1)
            parts = self._calls.all(calls, name, _limit(len(whole)))
            complete = {"Parts": parts}
            self._ask(
                name,
                self._asking("complete_multipart_upload", name, **upload, MultipartUpload=complete),
                len(whole),
            )
        except BaseException:
            with contextlib.suppress(Exception):
                self._ask(name, self._asking("abort_multipart_upload", name, **upload))
            raise


@dataclass(eq=False)
class _Begun:
    """An object of which a part was read."""

    signed: SignedGet
    etag: str
    data: bytearray
    got: int = -1

    def __post_init__(self) -> None:
        if self.got < 0:
            self.got = len(self.data)


def _limit(size: int) -> float:
    return _SECONDS + size / _BYTES_PER_SECOND


def _info(key: str, size: int, found: Mapping[str, Any]) -> ObjectInfo:
    # A HEAD says whole seconds, a listing may say more.
    modified = float(int(found["LastModified"].timestamp()))
    return ObjectInfo(key, size, found["ETag"].strip('"'), modified)
