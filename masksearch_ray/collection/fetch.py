"""Reads of objects whose length and checksum are known, all of them counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.counter import ReadCounter
from masksearch_ray.collection.manifest import ObjectEntry
from masksearch_ray.collection.reread import reread
from masksearch_ray.collection.versions import object_url
from masksearch_ray.errors import DamagedError
from masksearch_ray.index.tilecodec import crc32c
from masksearch_ray.storage import Pieces, Storage, bytes_cached_here

__all__ = ["Fetcher"]


class Fetcher:
    """Reads from a storage and counts what it reads.

    Parameters
    ----------
    storage : Storage
    counter : ReadCounter
    """

    def __init__(self, storage: Storage, counter: ReadCounter) -> None:
        self.storage = storage
        self.counter = counter

    def url(self, key: str) -> str:
        """URL of an object, for errors."""
        return object_url(self.storage, key)

    def whole(self, key: str, entry: ObjectEntry) -> bytes:
        """Read an object of known length and checksum; DamagedError where they differ."""
        return reread(lambda: self._checked(key, self._read_whole(key), entry))

    def head(self, key: str, entry: ObjectEntry) -> bytes:
        """Read the first bytes of an object, of known number and checksum."""
        span = 0, entry.size
        return reread(lambda: self._checked(key, bytes(self._read(key, [span])[0]), entry))

    def _read_whole(self, key: str) -> bytes:
        before = bytes_cached_here()
        data = self.storage.get(key)
        self._count(len(data), before)
        return data

    def _read(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces:
        before = bytes_cached_here()
        pieces = self.storage.get_ranges(key, ranges)
        self._count(sum(map(len, pieces)), before)
        return pieces

    def _count(self, given: int, cached_before: int) -> None:
        """Count as read what was given, but for what a cache on disk gave."""
        read = given - (bytes_cached_here() - cached_before)
        self.counter.add(bytes=read, requests=int(read > 0))

    def _checked(self, key: str, data: bytes, entry: ObjectEntry) -> bytes:
        if len(data) != entry.size or crc32c(data) != entry.crc32c:
            raise DamagedError("its length or checksum is wrong", self.url(key))
        return data

    def ranges(
        self, key: str, ranges: Sequence[tuple[int, int]] | npt.NDArray[np.int64]
    ) -> list[bytes]:
        """Read byte ranges in the order given; those that adjoin are read at once.

        Parameters
        ----------
        key : str
        ranges : sequence of (int, int), or numpy.ndarray
            First byte of each, and one past its last; int64, shape ``(n, 2)``.
        """
        spans = ranges.tolist() if isinstance(ranges, np.ndarray) else ranges
        merged: list[tuple[int, int]] = []
        members: list[list[int]] = []
        for at in sorted(range(len(spans)), key=lambda at: spans[at][0]):
            start, stop = spans[at]
            if merged and merged[-1][1] == start:
                merged[-1] = merged[-1][0], stop
                members[-1].append(at)
            else:
                merged.append((start, stop))
                members.append([at])
        found: list[bytes] = [b""] * len(spans)
        pieces = self._read(key, merged) if merged else []
        for piece, (start, stop), some in zip(pieces, merged, members, strict=True):
            if len(piece) != stop - start:
                raise DamagedError("a range of it came short", self.url(key))
            for at in some:
                first, last = spans[at]
                found[at] = bytes(piece[first - start : last - start] if len(some) > 1 else piece)
        return found
