"""Objects as files below a folder."""

from __future__ import annotations

import contextlib
import math
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from masksearch_ray.errors import (
    DamagedError,
    ExistsError,
    InputError,
    NotFoundError,
    StorageError,
)
from masksearch_ray.storage.keys import (
    TEMPORARY_PREFIX,
    buffers,
    check_key,
    check_prefix,
    check_ranges,
    is_temporary,
    join_url,
)
from masksearch_ray.storage.local_errors import link_error, read_error, write_error
from masksearch_ray.storage.types import Data, ObjectInfo, Pieces, Ranges

# A folder may be pruned by a deleter between being made and being written into.
_FOLDER_ATTEMPTS = 10


class LocalStorage:
    """A folder on this machine, or on a file system mounted on it.

    A write goes to a temporary file beside the target, is synced to disk and then renamed or
    linked into place, so that readers, and whoever comes after a crash, see all of it or
    nothing.

    Parameters
    ----------
    url : str
        Path of the folder, or a ``file://`` URL. It need not exist before the first write.
    """

    def __init__(self, url: str) -> None:
        if "\0" in url:
            raise InputError(f"{url!r}: a path holds no NUL")
        self._root = os.path.abspath(_folder_of(url))

    @property
    def url(self) -> str:
        """Absolute path of the folder."""
        return self._root

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        path = self._path(key)
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read()
        except OSError as error:
            raise read_error(error, self._name(key)) from error

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read byte ranges, in the order given."""
        path, name = self._path(key), self._name(key)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise NotFoundError("no such object", name)
                check_ranges(ranges, name, status.st_size)
                return [_read_range(descriptor, start, stop, name) for start, stop in ranges]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise read_error(error, name) from error

    def info(self, key: str) -> ObjectInfo:
        """Size, ETag and time of an object."""
        path = self._path(key)
        try:
            status = os.stat(path)
        except OSError as error:
            raise read_error(error, self._name(key)) from error
        if not stat.S_ISREG(status.st_mode):
            raise NotFoundError("no such object", self._name(key))
        return _info(key, status)

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there, all at once."""
        self._publish(key, data, os.replace, write_error)

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically."""
        if os.path.lexists(self._path(key)):
            # Spares writing and syncing what os.link would refuse in any case.
            raise ExistsError("exists already", self._name(key))
        self._publish(key, data, os.link, link_error)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, at any depth, sorted by key."""
        folder, slash, _ = check_prefix(prefix).rpartition("/")
        return self._walk(folder + slash, prefix, ())

    def delete(self, key: str) -> None:
        """Remove an object, and the folders that it leaves empty."""
        path = self._path(key)
        if not os.path.isdir(path):
            self._remove(path, self._name(key))

    def remove_leftovers(self, older_than: float) -> int:
        """Remove temporary files of interrupted writes, and return how many there were."""
        latest = time.time() - older_than
        removed = 0
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = os.path.join(folder, name)
                if name.startswith(TEMPORARY_PREFIX) and _modified(path) <= latest:
                    removed += self._remove(path, join_url(folder, name))
        return removed

    def describe(self) -> tuple[str, dict[str, Any]]:
        """URL and options with which it is reopened on this machine."""
        return self.url, {}

    def _path(self, key: str) -> str:
        return os.path.join(self._root, *check_key(key).split("/"))

    def _name(self, key: str) -> str:
        return join_url(self._root, key)

    def _remove(self, path: str, name: str) -> bool:
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise write_error(error, name) from error
        with contextlib.suppress(OSError):  # where a folder is not empty
            while (path := os.path.dirname(path)) != self._root:
                os.rmdir(path)
        return True

    def _publish(
        self,
        key: str,
        data: Data,
        place: Callable[[str, str], None],
        translate: Callable[[OSError, str], StorageError],
    ) -> None:
        path, name = self._path(key), self._name(key)
        folder = os.path.dirname(path)
        temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
        try:
            try:
                _write(_create(temporary), data)
            except OSError as error:
                raise write_error(error, name) from error
            try:
                place(temporary, path)
            except OSError as error:
                raise translate(error, name) from error
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        try:
            _sync_folder(folder)
        except OSError as error:
            raise write_error(error, name) from error

    def _walk(
        self, folder: str, prefix: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[ObjectInfo]:
        """Yield what lies in `folder`, whose name ends in a slash or is empty."""
        path = os.path.join(self._root, folder)
        try:
            status = os.stat(path)
            here = (status.st_dev, status.st_ino)
            if here in above:  # a symbolic link back to a folder above
                return
            with os.scandir(path) as entries:
                # With its slash a folder sorts where its keys belong among the files.
                names = sorted(e.name + "/" * _is_folder(e) for e in entries)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise read_error(error, self._name(folder)) from error
        for name in names:
            key = folder + name
            if is_temporary(name) or not key.startswith(prefix):
                continue
            if name.endswith("/"):
                yield from self._walk(key, prefix, (*above, here))
                continue
            with contextlib.suppress(NotFoundError):  # deleted meanwhile, or no plain file
                yield self._listed(key)

    def _listed(self, key: str) -> ObjectInfo:
        try:
            status = os.stat(os.path.join(self._root, key))
        except OSError as error:
            raise read_error(error, self._name(key)) from error
        if not stat.S_ISREG(status.st_mode):
            raise NotFoundError("no such object", self._name(key))
        return _info(key, status)


def _folder_of(url: str) -> str:
    if not url.startswith("file:"):
        return os.path.expanduser(url)
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise InputError(f"{url}: a file:// URL needs an absolute path, as in file:///data/masks")
    return unquote(parts.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link in a circle is an error only for who reads it."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    etag = f"{status.st_mtime_ns}-{status.st_size}"
    return ObjectInfo(key, status.st_size, etag, status.st_mtime)


def _modified(path: str) -> float:
    """Time of a file's last change; of one that is gone, or cannot be seen, none is old."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return math.inf


def _read_range(descriptor: int, start: int, stop: int, name: str) -> bytes:
    data = os.pread(descriptor, stop - start, start)
    if len(data) == stop - start:
        return data
    parts = [data]  # the kernel gives at most 2 GiB a call
    at = start + len(data)
    while at < stop:
        data = os.pread(descriptor, stop - at, at)
        if not data:
            raise DamagedError(f"bytes {start}:{stop} end early, at {at}", name)
        parts.append(data)
        at += len(data)
    return b"".join(parts)


def _create(path: str) -> int:
    """Open a new file for writing, in a folder that is made where it is missing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for _ in range(_FOLDER_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags, 0o666)
        with contextlib.suppress(FileNotFoundError):
            _make_folder(Path(path).parent)
    return os.open(path, flags, 0o666)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    _sync_folder(str(folder.parent))


def _write(descriptor: int, data: Data) -> None:
    try:
        for buffer in buffers(data):
            rest = memoryview(buffer).cast("B")
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: str) -> None:
    """Make a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
