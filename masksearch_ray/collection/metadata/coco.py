"""Boxes from COCO annotations."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from masksearch_ray.collection.metadata.boxes import PixelBox, Size, pixel_box
from masksearch_ray.collection.metadata.load import read_object
from masksearch_ray.collection.metadata.names import NameIndex, listed
from masksearch_ray.errors import DataError

__all__ = ["Coco", "CocoBoxes"]


@dataclass(frozen=True)
class Coco:
    """COCO annotations as a source of boxes.

    Parameters
    ----------
    annotations : str
        URL or path of the JSON file, with ``images`` and ``annotations``.
    largest : bool
        Only the largest box of each image, as a box column; otherwise all, as a column of lists.
    """

    annotations: str
    largest: bool = False


class CocoBoxes:
    """Annotated boxes, found by the names of their images.

    Boxes are scaled from the image to the mask where the size of the image is given; an image
    without annotations has no region.

    Parameters
    ----------
    coco : Coco
    options : mapping, optional
        Of the storage.

    Raises
    ------
    DataError
        If the file cannot be read, or holds no annotations of images.
    """

    def __init__(self, coco: Coco, options: Mapping[str, Any] | None) -> None:
        self.name, data = read_object(coco.annotations, options)
        self.digest = hashlib.sha256(data).hexdigest()
        self.largest = coco.largest
        try:
            record = json.loads(data, parse_float=Decimal, parse_constant=_refuse)
            images = {image["id"]: image for image in record["images"]}
            names = [str(image["file_name"]) for image in images.values()]
            self._sizes = [_size(image) for image in images.values()]
            self._boxes: list[list[Sequence[Any]]] = [[] for _ in images]
            rows = {image: row for row, image in enumerate(images)}
            for annotation in record["annotations"]:
                self._boxes[rows[annotation["image_id"]]].append(_four(annotation))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            told = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{self.name}: no COCO annotations: {told}") from error
        self.names = NameIndex(names, self.name)

    def part(self, names: Sequence[str], lone: bool) -> CocoBoxes:
        """Keep only the images that some masks, or masks in some files, may be about."""
        rows = self.names.near(names, lone)
        made = copy.copy(self)
        made._sizes = [self._sizes[row] for row in rows]
        made._boxes = [self._boxes[row] for row in rows]
        made.names = self.names.part(rows)
        return made

    def boxes(
        self, keys: Sequence[str], sizes: Sequence[Size], lone: bool
    ) -> list[PixelBox | None] | list[list[PixelBox] | None]:
        """Boxes of some masks: one each, or a list each.

        Raises
        ------
        DataError
            If the file knows nothing of an image, or a box is no box.
        """
        rows = [self.names.find(key, lone) for key in keys]
        missing = [key for key, row in zip(keys, rows, strict=True) if row is None]
        if missing:
            raise DataError(f"{self.name}: no image for {len(missing)} masks: {listed(missing)}")
        found = [
            self._row(row, key, size)
            for row, key, size in zip(rows, keys, sizes, strict=True)
            if row is not None
        ]
        if not self.largest:
            return [[box for box, _ in boxes] or None for boxes in found]
        return [max(boxes, key=_area)[0] if boxes else None for boxes in found]

    def _row(self, row: int, key: str, size: Size) -> list[tuple[PixelBox, Sequence[Any]]]:
        """Each box of an image on the mask, and as it was annotated."""
        try:
            return [
                (pixel_box(box, "size", size, self._sizes[row]), box) for box in self._boxes[row]
            ]
        except DataError as error:
            raise DataError(f"{self.name}: {key}: {error}") from None


def _area(box: tuple[PixelBox, Sequence[Any]]) -> Any:
    return box[1][2] * box[1][3]


def _size(image: Mapping[str, Any]) -> Size | None:
    height, width = image.get("height"), image.get("width")
    return None if height is None or width is None else (height, width)


def _four(annotation: Mapping[str, Any]) -> Sequence[Any]:
    box = annotation["bbox"]
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError(f"annotation {annotation.get('id')}: bbox {box}; four numbers wanted")
    return box


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of a box")
