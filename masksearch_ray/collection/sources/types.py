"""What every source of masks offers, and how masks are grouped into batches."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.storage import ObjectInfo

__all__ = [
    "BATCH_BYTES",
    "Listed",
    "Mask",
    "Piece",
    "Source",
    "SourceBatch",
    "SourcePart",
    "batched",
    "native",
]

Mask = npt.NDArray[Any]

BATCH_BYTES = 16 * 1024 * 1024
"""Pixels after which a batch is handed on."""
_BATCH_MASKS = 256


@dataclass(frozen=True, eq=False)
class SourceBatch:
    """Some masks of a source, in its order.

    Parameters
    ----------
    keys : list of str
        Name of each mask, unique in the source: a relative path, for one of several masks in a
        file followed by ``#`` and its name or number.
    masks : list of numpy.ndarray
        As stored, shape ``(height, width)`` each where the data are right.
    rows : pyarrow.Table or None
        Metadata that came with the masks, one row each.
    """

    keys: list[str]
    masks: list[Mask]
    rows: pa.Table | None = None


@runtime_checkable
class Source(Protocol):
    """Masks to be read once, in a fixed order, with bounded memory."""

    @property
    def identity(self) -> str | None:
        """What names the source in every run; None where nothing does."""
        ...

    @property
    def files(self) -> Sequence[str] | None:
        """Paths of the files that hold the masks, sorted; None where masks have no file name."""
        ...

    @property
    def stable(self) -> bool:
        """Whether a key names the same mask in every run."""
        ...

    def expected(self) -> int | None:
        """How many masks there are, as far as it can be told without reading them."""
        ...

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        """Read all masks but those whose keys are in `done`.

        Raises
        ------
        DataError
            If a file or value is no mask; the text names it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """What of a source is read as one: a file, some masks of an array, a group of a table's rows.

    Parameters
    ----------
    name : str
        Of the file; of masks of an array, its own.
    masks : int
        How many, as far as that can be told without reading them.
    size : int
        Bytes stored, about.
    file : ObjectInfo or None
    rows : range or None
        Masks within file or array, where not all are meant.
    group : int or None
        Row group of a Parquet file.
    image : int, str or None
        Smallest ``image_id``, where the source tells.
    counted : bool
        Whether the masks are called ``name#row``, for every row of `rows`.
    """

    name: str
    masks: int
    size: int
    file: ObjectInfo | None = None
    rows: range | None = None
    group: int | None = None
    image: int | str | None = None
    counted: bool = False

    @property
    def keys(self) -> list[str] | None:
        """Keys of its masks; None where these are known only to who has read it."""
        if self.counted and self.rows is not None:
            return [f"{self.name}#{row}" for row in self.rows]
        return None


class SourcePart(Protocol):
    """Some pieces of a source, to be read anywhere."""

    def open(self) -> Source:
        """Read these pieces, in their order."""
        ...


@runtime_checkable
class Listed(Source, Protocol):
    """A source of which it can be told what there is, so that many can read it at once."""

    def pieces(self, size: int) -> Sequence[Piece]:
        """List what there is to read, in pieces of at most so many bytes where that can be.

        Raises
        ------
        DataError
            If a file is none; the text names it.
        """
        ...

    def part(self, pieces: Sequence[Piece]) -> SourcePart:
        """Take some of the pieces."""
        ...


def batched(masks: Iterable[tuple[str, Mask]]) -> Iterator[SourceBatch]:
    """Group masks that come one by one."""
    keys: list[str] = []
    group: list[Mask] = []
    size = 0
    for key, mask in masks:
        keys.append(key)
        group.append(mask)
        size += mask.nbytes
        if size >= BATCH_BYTES or len(keys) >= _BATCH_MASKS:
            yield SourceBatch(keys, group)
            keys, group, size = [], [], 0
    if keys:
        yield SourceBatch(keys, group)


def native(mask: npt.NDArray[Any]) -> Mask:
    """Return `mask` in this machine's byte order."""
    return np.asarray(mask, mask.dtype.newbyteorder("="))
