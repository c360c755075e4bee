"""What the errors of an object store's client mean for an object.

Clients wrap one another (botocore, aiobotocore, s3fs), so the HTTP status is looked for along
the whole chain of causes: it is the truth, whatever a client makes of it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator

from masksearch_ray.errors import (
    DamagedError,
    ExistsError,
    MaskSearchError,
    NotFoundError,
    ReadOnlyError,
    StorageError,
    TransientError,
)
from masksearch_ray.storage.options import redact

# By name, for the clients that define them need not be installed.
_PASSING_NAMES = {
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectionError",
    "FSTimeoutError",
    "HTTPClientError",
    "IncompleteReadError",
    "ResponseParserError",
    "ServiceRequestError",
    "ServiceResponseError",
    "TimeoutError",
}
_PASSING_STATUS = {408, 409, 425, 429}
_PASSING_ERRNO = {errno.EBUSY, errno.ECONNRESET, errno.ETIMEDOUT, errno.EPIPE}


def remote_error(
    error: Exception, name: str, creating: bool = False, secrets: Iterable[str] = ()
) -> StorageError:
    """Error for object `name`; a failed precondition means that it exists when `creating`."""
    status = _status(error)
    text = redact(" ".join(str(error).split()), secrets) or type(error).__name__
    if creating and (status == 412 or isinstance(error, FileExistsError)):
        return ExistsError("exists already", name)
    if status == 404 or isinstance(error, FileNotFoundError):
        return NotFoundError("no such object or bucket", name)
    if status in (401, 403) or isinstance(error, PermissionError):
        return ReadOnlyError(f"no permission: {text}", name)
    if status == 416:
        return DamagedError("a range lies beyond its end", name)
    if creating and (status == 501 or isinstance(error, NotImplementedError)):
        return ReadOnlyError("its storage has no atomic create", name)
    if _is_passing(error, status):
        return TransientError(text, name)
    return StorageError(text, name)


def _is_passing(error: Exception, status: int | None) -> bool:
    # First, for aiohttp gives a broken connection the code 400.
    names = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
    if names & _PASSING_NAMES:
        return True
    if status is not None:
        return status in _PASSING_STATUS or (status >= 500 and status != 501)
    return isinstance(error, OSError) and error.errno in _PASSING_ERRNO


def _status(error: Exception) -> int | None:
    for cause in _causes(error):
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            status = getattr(cause, "status_code", None) or getattr(cause, "code", None)
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    # An error of ours is what a caller was handling when it called; it says nothing of this call.
    while current and id(current) not in seen and not isinstance(current, MaskSearchError):
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
