"""An object in a storage as a file that is read piece by piece."""

from __future__ import annotations

import errno
import io
import os

from masksearch_ray.storage import Storage

__all__ = ["open_ranged"]

_BUFFER = 1024 * 1024


class _RangedFile(io.RawIOBase):
    """Reads what it is asked for by ranged reads."""

    def __init__(self, storage: Storage, key: str, size: int) -> None:
        self._storage = storage
        self._key = key
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        stop = min(self._at + len(buffer), self._size)
        if stop <= self._at:
            return 0
        (piece,) = self._storage.get_ranges(self._key, [(self._at, stop)])
        buffer[: len(piece)] = piece
        self._at = stop
        return len(piece)


def open_ranged(storage: Storage, key: str, size: int) -> io.BufferedReader:
    """Open an object of `size` bytes for reading and seeking, with bounded memory."""
    return io.BufferedReader(_RangedFile(storage, key, size), _BUFFER)
