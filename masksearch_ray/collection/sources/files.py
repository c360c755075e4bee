"""A folder, a prefix or a single file of .npy, .npz, .png and .tif masks."""

from __future__ import annotations

import zipfile
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain

from masksearch_ray.collection.sources.ahead import read_ahead
from masksearch_ray.collection.sources.images import read_png, read_tiff
from masksearch_ray.collection.sources.location import Location, suffix_of
from masksearch_ray.collection.sources.npy import (
    LONGEST_HEADER,
    NpyHeader,
    Window,
    object_window,
    read_array,
    read_header,
    read_rows,
)
from masksearch_ray.collection.sources.ranged import open_ranged
from masksearch_ray.collection.sources.types import (
    BATCH_BYTES,
    Mask,
    SourceBatch,
    batched,
)
from masksearch_ray.errors import DataError, MaskSearchError
from masksearch_ray.storage import ObjectInfo

__all__ = ["SUFFIXES", "FileSource"]

SUFFIXES = (".npy", ".npz", ".png", ".tif", ".tiff")

Named = tuple[str, Mask]


class FileSource:
    """Masks in files; keys are paths relative to the location's storage.

    A file of several masks names each ``path#i`` (.npy of shape ``(N, height, width)``, pages of a
    .tif) or ``path#name`` (.npz).

    Parameters
    ----------
    location : Location
        Files with one of `SUFFIXES`, at least one.
    """

    stable = True

    def __init__(self, location: Location) -> None:
        self._location = location
        self._storage = location.storage
        self._infos = location.infos

    @property
    def identity(self) -> str:
        """URL of the files."""
        return f"files:{self._location.url}"

    @property
    def files(self) -> Sequence[str]:
        """Paths of the files, sorted."""
        return [info.key for info in self._infos]

    def expected(self) -> int | None:
        """Estimate by the first file how many masks there are; None where .npz are among them."""
        kinds = {suffix_of(info.key) for info in self._infos}
        if ".npz" in kinds:
            return None
        if kinds != {".npy"}:
            return len(self._infos)
        first = self._infos[0]
        shape = self._header(first, self._window(first, 0)).shape
        if len(shape) != 3:
            return len(self._infos)
        return round(shape[0] * sum(info.size for info in self._infos) / first.size)

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        """Read all masks but those whose keys are in `done`."""
        pending = (info for info in self._infos if info.key not in done)
        masks = read_ahead(lambda info: self._read(info, done), pending)
        return batched(named for group in masks for named in group)

    def _read(self, info: ObjectInfo, done: Container[str]) -> Iterable[Named]:
        """Decode a file now; a large one is decoded while it is iterated over."""
        match suffix_of(info.key):
            case ".npy":
                return self._read_npy(info, done)
            case ".npz":
                return _some_now(self._read_npz(info, done))
            case ".png":
                return [
                    (
                        info.key,
                        read_png(self._storage.get(info.key), self._location.url_of(info.key)),
                    )
                ]
            case _:
                pages = read_tiff(self._storage.get(info.key), self._location.url_of(info.key))
                if len(pages) == 1:
                    return [(info.key, pages[0])]
                named = ((f"{info.key}#{page}", mask) for page, mask in enumerate(pages))
                return [(key, mask) for key, mask in named if key not in done]

    def _read_npy(self, info: ObjectInfo, done: Container[str]) -> Iterable[Named]:
        window = self._window(info, BATCH_BYTES)
        header = self._header(info, window)
        if len(header.shape) == 3:
            return _stack(info.key, window, header, done)
        if len(header.shape) != 2:
            raise DataError(
                f"{self._location.url_of(info.key)}: an array of shape {header.shape}; "
                "(height, width) or (N, height, width) wanted"
            )
        return [(info.key, read_array(window, header))]

    def _read_npz(self, info: ObjectInfo, done: Container[str]) -> Iterator[Named]:
        name = self._location.url_of(info.key)
        try:
            with (
                open_ranged(self._storage, info.key, info.size) as stream,
                zipfile.ZipFile(stream) as archive,
            ):
                for member in archive.namelist():
                    array = member.removesuffix(".npy")
                    key = f"{info.key}#{array}"
                    if key not in done:
                        yield key, _member(archive, member, f"{name}: array {array!r}")
        except (zipfile.BadZipFile, EOFError) as error:
            raise DataError(f"{name}: not a .npz file, or a truncated one: {error}") from error

    def _window(self, info: ObjectInfo, whole: int) -> Window:
        return object_window(self._storage, info.key, info.size, whole)

    def _header(self, info: ObjectInfo, window: Window) -> NpyHeader:
        return read_header(window, info.size, self._location.url_of(info.key))


def _some_now(masks: Iterator[Named]) -> Iterator[Named]:
    """Decode the first masks now, and the others, however many there are, when asked for."""
    first, pixels = [], 0
    for named in masks:
        first.append(named)
        pixels += named[1].nbytes
        if pixels > BATCH_BYTES:
            break
    return chain(first, masks)


def _member(archive: zipfile.ZipFile, member: str, name: str) -> Mask:
    size = archive.getinfo(member).file_size
    try:
        with archive.open(member) as stream:
            # Only what its header speaks of is ever decompressed.
            data = stream.read(LONGEST_HEADER)
            header = read_header(lambda start, stop: data[start:stop], size, name)
            if size > header.stop:
                raise DataError(f"{name} holds {size - header.stop} bytes too many")
            data += stream.read()
    except MaskSearchError:
        raise
    except Exception as error:  # zip and zlib each raise their own of damaged data
        raise DataError(f"{name} is unreadable or truncated: {error}") from error
    return read_array(lambda start, stop: data[start:stop], header)


def _stack(key: str, window: Window, header: NpyHeader, done: Container[str]) -> Iterator[Named]:
    """Masks of an array ``(N, height, width)``, read by the batch."""
    total, height, width = header.shape
    if height * width == 0 < total:  # no bytes bound how many there are
        raise DataError(f"mask {key}#0 is empty: {height} x {width} pixels")
    size = max(1, (header.stop - header.offset) // max(1, total))
    step = total if header.fortran else max(1, BATCH_BYTES // size)
    for start in range(0, total, max(1, step)):
        wanted = range(start, min(start + step, total))
        keys = [f"{key}#{row}" for row in wanted]
        if all(name in done for name in keys):
            continue
        masks = zip(keys, read_rows(window, header, wanted.start, wanted.stop), strict=True)
        yield from ((name, mask) for name, mask in masks if name not in done)
