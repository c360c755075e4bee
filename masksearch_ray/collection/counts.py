"""Columns of counts, read from index files when they are first asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.fetch import Fetcher
from masksearch_ray.collection.manifest import ObjectEntry
from masksearch_ray.collection.recent import Recent
from masksearch_ray.collection.reread import reread
from masksearch_ray.errors import DamagedError, NotFoundError
from masksearch_ray.index.container import (
    TRAILER_BYTES,
    Directory,
    Part,
    read_head,
    read_trailer,
    read_whole,
)

__all__ = ["IndexFile", "Kind", "open_part", "whole_part"]

Counts = npt.NDArray[Any]
Kind = Literal["chi", "histogram"]


@dataclass(frozen=True, eq=False)
class _Level:
    """Counts ``(cells, N)`` of a part at a level, and of which cells they are loaded."""

    counts: Counts
    loaded: npt.NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        # Memory that was never written to takes no room.
        return int(self.loaded.sum()) * self.counts[:1].nbytes


class IndexFile:
    """One file of an index; may be used by several threads.

    Parameters
    ----------
    fetcher : Fetcher
    key : str
    directory : Directory
        Of this file.
    recent : Recent
        Keeps columns in memory.
    data : bytes, optional
        The whole file, where it is at hand.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        key: str,
        directory: Directory,
        recent: Recent[Any],
        data: bytes | None = None,
    ) -> None:
        self.directory = directory
        self._fetcher = fetcher
        self._key = key
        self._recent = recent
        self._data = data
        self._parts = {(part.block, part.kind, part.roi): part for part in directory.parts}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, fetcher: Fetcher, key: str, head: ObjectEntry, recent: Recent[Any]) -> IndexFile:
        """Open a file whose head is known.

        Raises
        ------
        DamagedError
            If the head is damaged.
        """
        try:
            return cls(fetcher, key, read_head(fetcher.head(key, head), head.crc32c), recent)
        except ValueError as error:
            raise DamagedError(str(error), fetcher.url(key)) from error

    def part(self, block: int, kind: Kind, roi: str, cells: int, rows: int) -> Part | None:
        """Find the counts of a block of so many cells and rows; None where there are none.

        Raises
        ------
        DamagedError
            If they were made for other masks.
        """
        part = self._parts.get((block, kind, roi))
        if part is not None and (part.cells, part.rows) != (cells, rows):
            raise DamagedError("was made for other masks", self._fetcher.url(self._key))
        return part

    def columns(self, part: Part, wanted: Mapping[int, npt.NDArray[Any]]) -> dict[int, Counts]:
        """Columns of a part.

        Parameters
        ----------
        part : Part
        wanted : mapping of int to numpy.ndarray
            Level index to cells.

        Returns
        -------
        dict of int to numpy.ndarray
            Level index to counts, ``(cells, N)``; only the rows of wanted cells are valid.
        """
        with self._lock:
            levels = {level: self._level(part, level) for level in wanted}
            missing = {
                level: cells[~levels[level].loaded[cells]] for level, cells in wanted.items()
            }
            if any(len(cells) for cells in missing.values()):
                frames = part.frames_of(missing)
                reread(lambda: self._load(part, frames, levels))
            return {level: levels[level].counts for level in wanted}

    def bytes_of(self, part: Part, wanted: Mapping[int, npt.NDArray[Any]]) -> int:
        """Bytes that columns of a part take in the file, loaded or not."""
        ranges = self.directory.ranges(part.frames_of(wanted))
        return sum(stop - start for start, stop in ranges)

    def _level(self, part: Part, level: int) -> _Level:
        held: _Level | None = self._recent.get((self._key, part.first, level))
        if held is not None:
            return held
        counts = np.empty((part.cells, part.rows), part.dtype)
        return _Level(counts, np.zeros(part.cells, np.bool_))

    def _load(self, part: Part, frames: Sequence[int], levels: dict[int, _Level]) -> None:
        """Load frames into `levels`, and into those that they hold besides."""
        for frame, data in zip(frames, self._frames(frames), strict=True):
            try:
                counts = self.directory.decode(part, frame, data)
            except ValueError as error:
                raise DamagedError(str(error), self._fetcher.url(self._key)) from error
            for (level, cell), column in zip(part.columns_in(frame), counts, strict=True):
                if level not in levels:
                    levels[level] = self._level(part, level)
                levels[level].counts[cell] = column
                levels[level].loaded[cell] = True
        if frames:
            for level, held in levels.items():
                self._recent.put((self._key, part.first, level), held, held.nbytes)

    def _frames(self, frames: Sequence[int]) -> list[bytes]:
        ranges = self.directory.ranges(frames)
        if self._data is not None:
            return [self._data[start:stop] for start, stop in ranges]
        return self._fetcher.ranges(self._key, ranges)


def open_part(fetcher: Fetcher, key: str, segment: str, recent: Recent[Any]) -> IndexFile | None:
    """Open an index file that says itself how long its head is; None where there is none.

    Raises
    ------
    DamagedError
        If its trailer or its head is damaged, or it belongs to another segment.
    """
    try:
        size = fetcher.storage.info(key).size
    except NotFoundError:
        return None

    def read() -> tuple[int, int]:
        (tail,) = fetcher.ranges(key, [(max(0, size - TRAILER_BYTES), size)])
        try:
            return read_trailer(tail, segment)
        except ValueError as error:
            raise DamagedError(str(error), fetcher.url(key)) from error

    return IndexFile.open(fetcher, key, ObjectEntry(*reread(read)), recent)


def whole_part(
    fetcher: Fetcher, key: str, segment: str, recent: Recent[Any], data: bytes
) -> IndexFile:
    """Open an index file that is in memory."""
    return IndexFile(fetcher, key, read_whole(data, segment), recent, data)
