"""What every storage offers: bytes under keys, blocking and thread-safe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# Named here because ``list`` inside the classes below is the operation of that name.
Ranges = Sequence[tuple[int, int]]
Pieces = list[bytes | memoryview]
Data = bytes | bytearray | memoryview | Sequence[bytes | bytearray | memoryview]


@dataclass(frozen=True)
class ObjectInfo:
    """What a storage says about one object without reading it."""

    key: str
    """Relative to the root of the storage."""
    size: int
    """Bytes."""
    etag: str
    """Changes when the object changes: the ETag, or ``mtime_ns-size`` of a local file (where a
    second write of the same size within one tick of the clock, some ms, goes unseen)."""
    modified: float
    """Seconds since the epoch."""


class Storage(Protocol):
    """Bytes under keys.

    Keys are relative and '/'-separated, and never leave the root. All operations block and
    may be called from several threads. Nothing half-written is ever visible. Whatever goes
    wrong is a `StorageError` whose ``object`` is the full URL; a key that cannot be one is
    an `InputError`.
    """

    @property
    def url(self) -> str:
        """URL of the root, as errors show it."""
        ...

    def get(self, key: str) -> bytes:
        """Read a whole object.

        Raises
        ------
        NotFoundError
            If there is no such object.
        """
        ...

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read half-open byte ranges of one object, in the order given.

        Raises
        ------
        NotFoundError
            If there is no such object.
        DamagedError
            If a range is not wholly inside the object.
        """
        ...

    def info(self, key: str) -> ObjectInfo:
        """Size, ETag and time of an object; NotFoundError if there is none."""
        ...

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there, all at once."""
        ...

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically: of several racing writers exactly one succeeds.

        After a `TransientError` the outcome is unknown; the caller settles it by reading.

        Raises
        ------
        ExistsError
            If the key is taken.
        ReadOnlyError
            If the storage has no atomic create, or no permission to write.
        """
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, at any depth, sorted by key."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""
        ...

    def remove_leftovers(self, older_than: float) -> int:
        """Remove what interrupted writes left behind, and return how many there were.

        Parameters
        ----------
        older_than : float
            Seconds; younger ones may belong to a write that is still running.
        """
        ...

    def describe(self) -> tuple[str, dict[str, Any]]:
        """URL and options with which ``open_storage`` reopens this storage elsewhere."""
        ...
