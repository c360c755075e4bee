"""A Zarr array ``(N, height, width)``, format 2 or 3, on any storage."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from masksearch_ray.collection.sources.types import (
    BATCH_BYTES,
    Mask,
    Piece,
    SourceBatch,
    batched,
    native,
)
from masksearch_ray.collection.values import check_size
from masksearch_ray.errors import DataError, InputError, MaskSearchError, NotFoundError
from masksearch_ray.storage import Storage, open_storage

if TYPE_CHECKING:
    import zarr

__all__ = ["ZarrPart", "ZarrSource", "is_zarr"]

_MARKERS = ("zarr.json", ".zarray", ".zgroup")
_MOST_BYTES = 256 * 1024 * 1024
_CUTS = 4  # pieces of the size that is asked for, so that images find their places


def is_zarr(storage: Storage) -> bool:
    """Tell whether the root of a storage is a Zarr array or group."""
    for marker in _MARKERS:
        with contextlib.suppress(NotFoundError):
            storage.info(marker)
            return True
    return False


class ZarrSource:
    """Masks of a Zarr array; the key of mask `i` is ``name#i``.

    Parameters
    ----------
    storage : Storage
        Its root is the array, or a group.
    array : str, optional
        Path of the array within a group; not needed where the group holds one array only.
    ranges : sequence of range, optional
        Masks to read, if not all.
    """

    stable = True

    def __init__(
        self, storage: Storage, array: str | None = None, ranges: Sequence[range] | None = None
    ) -> None:
        self._storage = storage
        self._ranges = ranges
        self._path = array or ""
        self._url = posixpath.join(storage.url, self._path).rstrip("/")

    @property
    def identity(self) -> str:
        """URL of the array."""
        return f"zarr:{self._url}"

    @property
    def files(self) -> None:
        """Masks of an array have no file names."""
        return None

    def expected(self) -> int:
        """Length of the first axis."""
        return int(self._array.shape[0])

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        """Read all masks but those whose keys are in `done`, some chunks at a time."""
        return batched(self._masks(done))

    def pieces(self, size: int) -> list[Piece]:
        """Ranges of masks, each of whole chunks."""
        total = self.expected()
        mask = max(1, self._array.nbytes // max(1, total))
        step = _chunk(self._array) * max(1, size // mask // _chunk(self._array) // _CUTS)
        ranges = [range(at, min(at + step, total)) for at in range(0, total, step)]
        name = posixpath.basename(self._url)
        return [
            Piece(name, len(rows), mask * len(rows), rows=rows, counted=True) for rows in ranges
        ]

    def part(self, pieces: Sequence[Piece]) -> ZarrPart:
        """Take some of the masks."""
        url, options = self._storage.describe()
        ranges = tuple(piece.rows for piece in pieces if piece.rows is not None)
        return ZarrPart(url, options, self._path, ranges)

    def _masks(self, done: Container[str]) -> Iterator[tuple[str, Mask]]:
        name = posixpath.basename(self._url)
        step = _step(self._array)
        ranges = [range(self.expected())] if self._ranges is None else self._ranges
        for wanted in (some for rows in ranges for some in _steps(rows, step)):
            keys = [f"{name}#{row}" for row in wanted]
            if all(key in done for key in keys):
                continue
            masks = zip(keys, self._read(wanted), strict=True)
            yield from ((key, mask) for key, mask in masks if key not in done)

    def _read(self, rows: range) -> Mask:
        try:
            return native(self._array[rows.start : rows.stop])  # type: ignore[arg-type]
        except MaskSearchError:
            raise
        except Exception as error:  # every codec raises its own of damaged chunks
            where = f"masks {rows.start} to {rows.stop - 1}"
            raise DataError(f"{self._url}: {where} are unreadable: {error}") from error

    @cached_property
    def _array(self) -> zarr.Array[Any]:
        found = _open(self._storage, self._path, self._url)
        if found.ndim != 3:
            raise DataError(f"{self._url}: shape {found.shape}; (N, height, width) wanted")
        check_size(found.shape[1], found.shape[2], f"{self._url}: a mask")
        if _names_pickle(found.metadata.to_dict()) or found.dtype.hasobject:
            raise DataError(f"{self._url}: holds Python objects, which are never unpickled")
        return found


@dataclass(frozen=True)
class ZarrPart:
    """Some masks of a Zarr array, to be read anywhere.

    Parameters
    ----------
    url, options : str, mapping
        Of the storage.
    array : str
        Path of the array.
    ranges : tuple of range
        The masks.
    """

    url: str
    options: Mapping[str, Any] = field(repr=False)
    array: str
    ranges: tuple[range, ...]

    def open(self) -> ZarrSource:
        """Read these masks."""
        return ZarrSource(open_storage(self.url, dict(self.options)), self.array, self.ranges)


def _steps(rows: range, step: int) -> Iterator[range]:
    return (range(at, min(at + step, rows.stop)) for at in range(rows.start, rows.stop, step))


def _chunk(array: zarr.Array[Any]) -> int:
    """Masks of a chunk, or of a shard."""
    return max(1, int((array.shards or array.chunks)[0]))


def _step(array: zarr.Array[Any]) -> int:
    """Masks to read at a time: whole chunks where they are not too large."""
    mask = max(1, array.nbytes // max(1, array.shape[0]))
    chunk = _chunk(array)
    return max(1, min(max(chunk, BATCH_BYTES // mask // chunk * chunk), _MOST_BYTES // mask))


def _names_pickle(metadata: object) -> bool:
    """Whether a codec that runs code from the data is among an array's filters."""
    if isinstance(metadata, Mapping):
        return any(_names_pickle(value) for value in metadata.values())
    if isinstance(metadata, list | tuple):
        return any(_names_pickle(value) for value in metadata)
    if hasattr(metadata, "get_config"):
        return _names_pickle(metadata.get_config())
    return isinstance(metadata, str) and "pickle" in metadata.lower()


def _open(storage: Storage, path: str, url: str) -> zarr.Array[Any]:
    try:
        import zarr  # an extra, and slow to import

        from masksearch_ray.collection.sources.zarr_store import ReadingStore
    except ImportError as error:
        raise InputError(
            f"{url}: reading it needs zarr: pip install masksearch-ray[zarr]"
        ) from error
    try:
        found = zarr.open(ReadingStore(storage), path=path, mode="r")
        if isinstance(found, zarr.Array):
            return found
        arrays = dict(found.arrays())
    except MaskSearchError:
        raise
    except Exception as error:  # metadata that others wrote can be wrong in any way
        raise DataError(f"{url}: no readable Zarr array: {error}") from error
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise DataError(
        f"{url}: a group; name one of its arrays: {', '.join(sorted(arrays)) or 'none'}"
    )
