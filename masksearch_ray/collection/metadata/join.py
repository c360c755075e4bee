"""The metadata of each mask, joined from all that says something about it."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from masksearch_ray.collection.metadata.boxes import BoxColumns, Size
from masksearch_ray.collection.metadata.coco import Coco, CocoBoxes
from masksearch_ray.collection.metadata.load import Loaded, load_table
from masksearch_ray.collection.metadata.names import (
    IMAGE_SUFFIXES,
    NameIndex,
    image_id_of,
    listed,
)
from masksearch_ray.collection.sources.location import locate
from masksearch_ray.collection.specs import BOX, BOXES
from masksearch_ray.errors import DataError
from masksearch_ray.storage import open_storage

__all__ = ["NAME_COLUMNS", "BoxSource", "RowMaker", "RowOptions"]

NAME_COLUMNS = ("file", "filename", "file_name", "path", "mask", "mask_path", "key", "name")
"""Columns of metadata that are taken for file names, in this order."""

_IMAGE_ID, _IMAGE_PATH = "image_id", "image_path"

BoxSource = BoxColumns | Coco | str | Sequence[str]


@dataclass(frozen=True)
class RowOptions:
    """What becomes of the metadata of masks.

    Parameters
    ----------
    metadata : sequence or object
        One table or several that are joined by name: URLs or paths of CSV, Parquet, Arrow, JSON or
        JSON lines files, or Arrow tables, pandas data frames, dicts of columns.
    on : str, optional
        Their column of names: paths, base names or stems of files, or keys of masks; by default
        the first of `NAME_COLUMNS`, else ``image_id``.
    boxes : mapping of str to BoxColumns, Coco, str or sequence of str
        Columns of boxes to make; a name stands for a column of lists, four for one column each.
    images : str, optional
        Folder of the images; ``image_path`` is the one with the mask's name.
    columns : mapping of str to int, float, str or bool
        Columns with one value for all masks, such as ``model_id``.
    """

    metadata: Sequence[object] | object = ()
    on: str | None = None
    boxes: Mapping[str, BoxSource] = field(default_factory=dict)
    images: str | None = None
    columns: Mapping[str, int | float | str | bool] = field(default_factory=dict)

    @property
    def tables(self) -> Sequence[object]:
        """The tables, also where there is but one."""
        return self.metadata if isinstance(self.metadata, list | tuple) else [self.metadata]

    @property
    def identity(self) -> list[Any]:
        """What names these options in every run; tables in memory have no name."""
        metadata = [
            open_storage(os.fspath(table)).url if isinstance(table, str | os.PathLike) else "table"
            for table in self.tables
        ]
        boxes = {column: repr(boxes) for column, boxes in self.boxes.items()}
        return [metadata, self.on, boxes, self.images, dict(self.columns)]


class RowMaker:
    """Makes the rows of masks.

    Parameters
    ----------
    options : RowOptions
    files : sequence of str, optional
        Files that hold the masks, where they have names.
    storage : mapping, optional
        Options of the storages that the metadata lie on.

    Raises
    ------
    DataError
        If metadata cannot be read, or a file has none.
    """

    def __init__(
        self,
        options: RowOptions,
        files: Sequence[str] | None = None,
        storage: Mapping[str, Any] | None = None,
    ) -> None:
        self._options = options
        self._files = files
        # A part's own name or number is a name where there is one file or array only.
        self._lone = files is None or len(files) == 1
        text = [options.on] if options.on else [*NAME_COLUMNS, _IMAGE_ID]
        self._tables = [
            _Named(load_table(table, text, storage), options.on) for table in options.tables
        ]
        self._boxes = {name: _box_source(source, storage) for name, source in options.boxes.items()}
        self._images = _Images.locate(options.images, storage) if options.images else None
        self._require_rows()

    @property
    def digest(self) -> str:
        """Changes when any of the metadata changes."""
        coco = [boxes.digest for boxes in self._boxes.values() if isinstance(boxes, CocoBoxes)]
        parts = [table.loaded.digest for table in self._tables] + coco
        if self._images:
            parts.append(self._images.digest)
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def rows(
        self, keys: Sequence[str], sizes: Sequence[Size], given: pa.Table | None = None
    ) -> pa.Table:
        """Rows of some masks.

        Parameters
        ----------
        keys : sequence of str
            Of the masks.
        sizes : sequence of (int, int)
            Their height and width.
        given : pyarrow.Table, optional
            Columns that came with them.

        Raises
        ------
        DataError
            If a mask has no metadata, two sources give one column, or a box is no box.
        """
        columns: dict[str, Any] = {}
        if given is not None:
            columns.update(zip(given.schema.names, given.columns, strict=True))
        for table in self._tables:
            rows = table.take(keys, self._lone)
            # Tables agree in the column that they are joined by.
            names = [n for n in rows.schema.names if n != table.column or n not in columns]
            _add(columns, zip(names, rows.select(names).columns, strict=True), table.name)
        constants = {
            name: pa.array([value] * len(keys)) for name, value in self._options.columns.items()
        }
        _add(columns, constants.items(), "a constant")
        if self._images and _IMAGE_PATH not in columns:
            columns[_IMAGE_PATH] = pa.array(self._images.paths(keys, self._lone), pa.string())
        if self._files is not None and _IMAGE_ID not in columns:
            columns[_IMAGE_ID] = pa.array([image_id_of(key) for key in keys], pa.string())
        self._add_boxes(columns, keys, sizes)
        return pa.table(columns)

    def images(self, names: Sequence[str]) -> list[int | str | None]:
        """Images that some masks, or masks in some files, are about: the smallest where several.

        Parameters
        ----------
        names : sequence of str
            Keys of masks, or paths of files.
        """
        known = self._options.columns.get(_IMAGE_ID)
        if isinstance(known, int | str):
            return [known] * len(names)
        by_name = self._files is not None
        found: list[int | str | None] = [image_id_of(n) if by_name else None for n in names]
        for table in self._tables:
            if _IMAGE_ID in table.loaded.table.schema.names:
                given = [table.image(name, self._lone) for name in names]
                return [a if a is not None else b for a, b in zip(given, found, strict=True)]
        return found

    def part(self, names: Sequence[str]) -> RowMaker:
        """Make the rows of some masks, or of masks in some files, only; can be pickled.

        Parameters
        ----------
        names : sequence of str
            Keys of masks, or paths of files.
        """
        made = copy.copy(self)
        made._options = replace(self._options, metadata=(), boxes={})
        made._files = None if self._files is None else ()
        made._tables = [table.part(names, self._lone) for table in self._tables]
        made._boxes = {
            name: boxes.part(names, self._lone) if isinstance(boxes, CocoBoxes) else boxes
            for name, boxes in self._boxes.items()
        }
        made._images = self._images and self._images.part(names, self._lone)
        return made

    def _add_boxes(
        self, columns: dict[str, Any], keys: Sequence[str], sizes: Sequence[Size]
    ) -> None:
        whole = pa.table(columns)
        made: dict[str, pa.Array] = {}
        for name, source in self._boxes.items():
            if isinstance(source, CocoBoxes):
                made[name] = pa.array(
                    source.boxes(keys, sizes, self._lone), BOX if source.largest else BOXES
                )
            else:
                made[name] = pa.array(source.boxes(whole, keys, sizes), BOX)
        for source in self._boxes.values():
            if isinstance(source, BoxColumns):
                for used in source.columns:
                    columns.pop(used, None)
        _add(columns, made.items(), "boxes")

    def _require_rows(self) -> None:
        """Refuse files without metadata before any of them is read."""
        if self._files is None or self._lone:
            return
        coco = [boxes.names for boxes in self._boxes.values() if isinstance(boxes, CocoBoxes)]
        for names in (*(table.names for table in self._tables), *coco):
            missing = [file for file in self._files if not names.may_find(file)]
            if missing:
                raise DataError(
                    f"{names.what}: no row for {len(missing)} of {len(self._files)} files: "
                    f"{listed(missing)}"
                )


class _Named:
    """A table with its index of names."""

    def __init__(self, loaded: Loaded, on: str | None) -> None:
        self.loaded = loaded
        self.name = loaded.name
        columns = loaded.table.schema.names
        column = on or next((name for name in (*NAME_COLUMNS, _IMAGE_ID) if name in columns), None)
        if column not in columns:
            asked = f"no column {on!r}" if on else "no column of file names"
            raise DataError(f"{self.name}: {asked}; which of {columns} is it?")
        self.column = column
        values = loaded.table.column(column).to_pylist()
        if None in values:
            raise DataError(f"{self.name}: row {values.index(None)} has no name in {column!r}")
        self.names = NameIndex([str(value) for value in values], self.name)
        self._image_ids: list[Any] | None = None

    def image(self, name: str, lone: bool) -> int | str | None:
        """Give the image of a mask, or the smallest of those of the masks in a file."""
        if self._image_ids is None:
            self._image_ids = self.loaded.table.column(_IMAGE_ID).to_pylist()
        row = self.names.find(name, lone)
        rows = self.names.near([name], lone) if row is None else [row]
        images = [self._image_ids[row] for row in rows]
        return min((image for image in images if image is not None), default=None, key=_ranked)

    def part(self, names: Sequence[str], lone: bool) -> _Named:
        """Keep only the rows that some masks may need."""
        table = self.loaded.table.take(pa.array(self.names.near(names, lone), pa.int64()))
        return _Named(replace(self.loaded, table=table.combine_chunks()), self.column)

    def take(self, keys: Sequence[str], lone: bool) -> pa.Table:
        """Rows of some masks."""
        found = [self.names.find(key, lone) for key in keys]
        missing = [key for key, row in zip(keys, found, strict=True) if row is None]
        if missing:
            raise DataError(f"{self.name}: no row for {len(missing)} masks: {listed(missing)}")
        return self.loaded.table.take(found)


class _Images:
    """Images of a folder by the names of masks."""

    def __init__(self, folder: str, paths: Sequence[str], urls: Sequence[str]) -> None:
        self._folder = folder
        self._paths = paths
        self._urls = urls
        self._names = NameIndex(paths, folder)

    @classmethod
    def locate(cls, url: str, options: Mapping[str, Any] | None) -> _Images:
        """Find the images of a folder."""
        location = locate(url, options).of(IMAGE_SUFFIXES)
        paths = [info.key for info in location.infos]
        return cls(location.url, paths, [location.url_of(path) for path in paths])

    @property
    def digest(self) -> str:
        """Changes when the images do."""
        return hashlib.sha256("\n".join(self._paths).encode()).hexdigest()

    def part(self, names: Sequence[str], lone: bool) -> _Images:
        """Keep only the images that some masks may be about."""
        rows = self._names.near(names, lone)
        return _Images(
            self._folder, [self._paths[row] for row in rows], [self._urls[row] for row in rows]
        )

    def paths(self, keys: Sequence[str], lone: bool) -> list[str | None]:
        """URL of each mask's image; None where there is none."""
        rows = [self._names.find(key, lone) for key in keys]
        return [None if row is None else self._urls[row] for row in rows]


def _box_source(source: BoxSource, options: Mapping[str, Any] | None) -> BoxColumns | CocoBoxes:
    if isinstance(source, Coco):
        return CocoBoxes(source, options)
    if isinstance(source, BoxColumns):
        return source
    try:
        return BoxColumns((source,) if isinstance(source, str) else tuple(source))
    except TypeError as error:
        raise DataError(
            f"boxes from {source!r:.60}: names of columns, or Coco annotations, wanted"
        ) from error


def _ranked(image: Any) -> tuple[bool, Any]:
    return isinstance(image, str), image


def _add(columns: dict[str, Any], more: Any, what: str) -> None:
    for name, values in more:
        if name in columns:
            raise DataError(f"column {name!r} is given twice, the second time by {what}")
        columns[name] = values
