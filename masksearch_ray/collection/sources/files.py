"""A folder, a prefix or a single file of .npy, .npz, .png and .tif masks."""

from __future__ import annotations

import zipfile
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

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
    Piece,
    SourceBatch,
    batched,
)
from masksearch_ray.errors import DataError, MaskSearchError
from masksearch_ray.storage import ObjectInfo, open_storage

__all__ = ["SUFFIXES", "FilePart", "FileSource"]

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
    pieces : sequence of Piece, optional
        Of these files, if not all is to be read.
    """

    stable = True

    def __init__(self, location: Location, pieces: Sequence[Piece] | None = None) -> None:
        self._location = location
        self._storage = location.storage
        self._infos = location.infos
        self._pieces = pieces

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
        wanted: Iterable[tuple[ObjectInfo, range | None]] = ((info, None) for info in self._infos)
        if self._pieces is not None:
            wanted = ((piece.file, piece.rows) for piece in self._pieces if piece.file is not None)
        pending = (one for one in wanted if one[0].key not in done)
        masks = read_ahead(lambda one: self._read(*one, done), pending)
        return batched(named for group in masks for named in group)

    def pieces(self, size: int) -> list[Piece]:
        """Files, and ranges of the masks in large .npy files."""
        pieces: list[Piece] = []
        whole, rate = True, 0.0
        expected = self.expected()
        if expected is not None and expected != len(self._infos):  # stacks, by the first of them
            whole, rate = False, expected / sum(info.size for info in self._infos)
        for info in self._infos:
            if suffix_of(info.key) == ".npy" and info.size > size:
                pieces += self._ranges(info, size)
            else:
                masks = 1 if whole else max(1, round(rate * info.size))
                pieces.append(Piece(info.key, masks, info.size, info))
        return pieces

    def part(self, pieces: Sequence[Piece]) -> FilePart:
        """Take some of the files."""
        url, options = self._storage.describe()
        return FilePart(url, options, tuple(pieces))

    def _ranges(self, info: ObjectInfo, size: int) -> Iterator[Piece]:
        header = self._header(info, self._window(info, 0))
        if len(header.shape) != 3 or header.fortran or not header.shape[0]:
            yield Piece(info.key, 1, info.size, info)
            return
        total = header.shape[0]
        each = max(1, info.size // total)
        step = max(1, size // each)
        for start in range(0, total, step):
            rows = range(start, min(start + step, total))
            yield Piece(info.key, len(rows), len(rows) * each, info, rows, counted=True)

    def _read(self, info: ObjectInfo, rows: range | None, done: Container[str]) -> Iterable[Named]:
        """Decode a file now; a large one is decoded while it is iterated over."""
        match suffix_of(info.key):
            case ".npy":
                return self._read_npy(info, rows, done)
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

    def _read_npy(
        self, info: ObjectInfo, rows: range | None, done: Container[str]
    ) -> Iterable[Named]:
        window = self._window(info, BATCH_BYTES)
        header = self._header(info, window)
        if len(header.shape) == 3:
            return _stack(info.key, window, header, rows, done)
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


@dataclass(frozen=True)
class FilePart:
    """Some files, to be read anywhere.

    Parameters
    ----------
    url, options : str, mapping
        Of their storage.
    chosen : tuple of Piece
    """

    url: str
    options: Mapping[str, Any] = field(repr=False)
    chosen: tuple[Piece, ...]

    def open(self) -> FileSource:
        """Read these files, in their order."""
        storage = open_storage(self.url, dict(self.options))
        infos = {piece.name: piece.file for piece in self.chosen if piece.file is not None}
        return FileSource(Location(storage, "", tuple(infos.values())), self.chosen)


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


def _stack(
    key: str, window: Window, header: NpyHeader, rows: range | None, done: Container[str]
) -> Iterator[Named]:
    """Masks of an array ``(N, height, width)``, read by the batch; all, or some rows."""
    total, height, width = header.shape
    if height * width == 0 < total:  # no bytes bound how many there are
        raise DataError(f"mask {key}#0 is empty: {height} x {width} pixels")
    size = max(1, (header.stop - header.offset) // max(1, total))
    step = total if header.fortran else max(1, BATCH_BYTES // size)
    rows = range(total) if rows is None else rows
    for start in range(rows.start, rows.stop, max(1, step)):
        wanted = range(start, min(start + step, rows.stop))
        keys = [f"{key}#{row}" for row in wanted]
        if all(name in done for name in keys):
            continue
        masks = zip(keys, read_rows(window, header, wanted.start, wanted.stop), strict=True)
        yield from ((name, mask) for name, mask in masks if name not in done)
