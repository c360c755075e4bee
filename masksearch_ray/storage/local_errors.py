"""What the operating system's errors mean for an object."""

from __future__ import annotations

import errno

from masksearch_ray.errors import (
    ExistsError,
    NotFoundError,
    ReadOnlyError,
    StorageError,
    TransientError,
)

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_PASSING = {errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.ECONNRESET, errno.EBUSY}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def read_error(error: OSError, name: str) -> StorageError:
    """Error of a read."""
    if error.errno in _ABSENT:
        return NotFoundError("no such object", name)
    if error.errno in _FORBIDDEN:
        return ReadOnlyError("no permission to read it", name)
    return _other(error, name)


def write_error(error: OSError, name: str) -> StorageError:
    """Error of a write."""
    if error.errno in _FORBIDDEN:
        return ReadOnlyError("no permission to write it", name)
    if error.errno in _FULL:
        return StorageError("no space left", name)
    return _other(error, name)


def link_error(error: OSError, name: str) -> StorageError:
    """Error of the link that creates an object."""
    if error.errno == errno.EEXIST:
        return ExistsError("exists already", name)
    if error.errno in _NO_LINKS:
        return ReadOnlyError("its file system has no hard links, so no atomic create", name)
    return write_error(error, name)


def _other(error: OSError, name: str) -> StorageError:
    kind = TransientError if error.errno in _PASSING else StorageError
    return kind((error.strerror or str(error)).lower(), name)
