"""Which strings are keys, and what ranges an object can answer."""

from __future__ import annotations

from collections.abc import Iterable

from masksearch_ray.errors import DamagedError, InputError
from masksearch_ray.storage.types import Data, Ranges

# A local write that was cut short leaves a file of this name behind; it is never an object.
TEMPORARY_PREFIX = ".tmp-"


def check_key(key: str) -> str:
    """Return `key` if it names an object below the root.

    Raises
    ------
    InputError
        If it is empty, absolute, climbs out of the root, or is no plain text.
    """
    if not key:
        raise InputError("a storage key must not be empty")
    if not key.isprintable() and (
        "\0" in key or any("\ud800" <= letter <= "\udfff" for letter in key)
    ):
        raise InputError(f"storage key {key!r} holds bytes that are no text")
    if key.startswith("/"):
        raise InputError(f"storage key {key!r} must be relative")
    for part in key.split("/"):
        if part in ("", ".", ".."):
            raise InputError(f"storage key {key!r} must not hold empty, '.' or '..' parts")
        if part.startswith(TEMPORARY_PREFIX):
            raise InputError(f"storage key {key!r}: names in {TEMPORARY_PREFIX}* are reserved")
    return key


def check_prefix(prefix: str) -> str:
    """Return `prefix` if keys can start with it; a last part may be unfinished."""
    folder, _, _ = prefix.rpartition("/")
    if folder or prefix.startswith("/"):
        check_key(folder or prefix)
    return prefix


def is_temporary(key: str) -> bool:
    """Tell whether `key` is a leftover of an interrupted write."""
    return any(part.startswith(TEMPORARY_PREFIX) for part in key.split("/"))


def join_url(root: str, key: str) -> str:
    """Full URL of an object, fit to be printed."""
    return f"{root.rstrip('/')}/{key}".encode("utf-8", "backslashreplace").decode()


def check_ranges(ranges: Ranges, url: str, size: int | None = None) -> None:
    """Refuse ranges that an object of `size` bytes cannot answer.

    Offsets come from directories stored beside the data, so a senseless one means damage.

    Raises
    ------
    DamagedError
        If a range is reversed, negative or reaches beyond the end.
    """
    for start, stop in ranges:
        if not 0 <= start <= stop:
            raise DamagedError(f"bytes {start}:{stop} are no range", url)
        if size is not None and stop > size:
            raise DamagedError(f"bytes {start}:{stop} lie beyond its end at {size}", url)


def buffers(data: Data) -> Iterable[bytes | bytearray | memoryview]:
    """View `data` as a sequence of buffers."""
    return (data,) if isinstance(data, bytes | bytearray | memoryview) else data
