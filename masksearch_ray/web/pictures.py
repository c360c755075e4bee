"""Pictures of masks and their images, drawn when asked for and kept a while."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.collection.recent import Recent
from masksearch_ray.errors import DataError, MaskSearchError
from masksearch_ray.render import (
    RGB,
    PairShown,
    Panel,
    heat_layer,
    paint,
    pair_layer,
    png_bytes,
    resize,
)
from masksearch_ray.session import Collection
from masksearch_ray.session.images import Images
from masksearch_ray.web.rows import Row, RowBook

__all__ = ["Look", "Pictures"]

_log = logging.getLogger("masksearch_ray.web")

Values = NDArray[np.float64]
_SIZES = (96, 160, 320, 1024)
_MASK_BYTES = 64 << 20
_AT_ONCE = 64 << 20  # bytes of float64 values
_SMALLEST = 256


@dataclass(frozen=True)
class Look:
    """How a mask is drawn.

    Parameters
    ----------
    size : int
        Longer side at most, pixels; brought to the next of a few sizes, so that few are kept.
    colours : str
        Name of a colour map.
    own : bool
        Colours from the mask's own least value to its own greatest; else over the domain.
    """

    size: int = 160
    colours: str = "inferno"
    own: bool = False

    @property
    def side(self) -> int:
        """The size that is drawn."""
        return next((side for side in _SIZES if side >= self.size), _SIZES[-1])


class Pictures:
    """Draws pictures; threads may share it.

    Parameters
    ----------
    collection : Collection
    rows : RowBook
        From which paths of images come: no other file is ever read.
    images : Images
        Reads them.
    budget : int
        Bytes of pictures that are kept.
    """

    def __init__(
        self,
        collection: Collection,
        rows: RowBook,
        images: Images,
        budget: int,
    ) -> None:
        self._collection = collection
        self._rows = rows
        self._images = images
        self._drawn = Recent[bytes](budget)
        self._values = Recent[Values](_MASK_BYTES)

    def heat(self, mask_id: int, look: Look) -> bytes:
        """The heat map of a mask, clear where it is low: a PNG file."""
        return self.heats([mask_id], look)[0]

    def heats(self, mask_ids: Sequence[int], look: Look) -> list[bytes]:
        """Heat maps of several masks; those not drawn yet are read together."""
        keys = [("heat", mask_id, look.side, look.colours, look.own) for mask_id in mask_ids]
        found = [self._drawn.get(key) for key in keys]
        missing = [at for at, picture in enumerate(found) if picture is None]
        for some in self._batches(mask_ids, missing):
            for at, values in zip(some, self.values([mask_ids[at] for at in some]), strict=True):
                domain = _own(values) if look.own else None
                picture = heat_layer(
                    values, domain or self._collection.domain, look.colours, look.side
                )
                self._drawn.put(keys[at], picture, len(picture))
                found[at] = picture
        return [picture for picture in found if picture is not None]

    def _batches(self, mask_ids: Sequence[int], missing: Sequence[int]) -> Iterator[list[int]]:
        """Split places among ids, so that the values of a part fit into memory."""
        shapes = self._collection.shapes([mask_ids[at] for at in missing])
        some: list[int] = []
        held = 0
        for at, (height, width) in zip(missing, shapes, strict=True):
            nbytes = 8 * height * width
            if some and held + nbytes > _AT_ONCE:
                yield some
                some, held = [], 0
            some.append(at)
            held += nbytes
        if some:
            yield some

    def pair(
        self, first: int, second: int, threshold: float, size: int, show: PairShown = "all"
    ) -> bytes:
        """Where two masks reach a threshold: the one, the other, or both."""
        side = Look(size).side
        key = ("pair", first, second, threshold, side, show)
        picture = self._drawn.get(key)
        if picture is None:
            one, other = self.values([first, second])
            picture = pair_layer(one, other, threshold, side, show)
            self._drawn.put(key, picture, len(picture))
        return picture

    def image(self, mask_id: int, size: int, column: str = "image_path") -> bytes:
        """The image of a mask, not larger than so many pixels: a PNG file.

        Raises
        ------
        DataError
            The collection names no image of it, or it cannot be read.
        """
        side = Look(size).side
        key = ("image", mask_id, side, column)
        picture = self._drawn.get(key)
        if picture is None:
            row = self._rows.rows([mask_id])[0]
            picture = png_bytes(_fitted(self.read(row, column), side))
            self._drawn.put(key, picture, len(picture))
        return picture

    def overlay(self, mask_id: int) -> bytes:
        """The mask over its image, or alone where the image cannot be had: a PNG file."""
        row, values = self._rows.rows([mask_id])[0], self.values([mask_id])[0]
        try:
            image = self.read(row)
        except MaskSearchError:
            image = None
        side = max(_SMALLEST, *values.shape, *(() if image is None else image.shape[:2]))
        return png_bytes(paint(Panel(values, image), side, self._collection.domain))

    def read(self, row: Row, column: str = "image_path") -> RGB:
        """The image that a row names, as it is.

        Raises
        ------
        DataError
            The row names none, or it cannot be read.
        """
        path = row.get(column)
        if not isinstance(path, str) or not path:
            raise DataError(f"mask {row.get('mask_id')}: no {column} is known")
        try:
            return self._images.read(path)
        except (MaskSearchError, OSError, ValueError) as error:
            # Paths of this machine are the log's alone.
            _log.warning("image of mask %s: %s", row.get("mask_id"), error)
            told = f"the image of mask {row.get('mask_id')} cannot be read"
            raise DataError(told) from None

    def values(self, mask_ids: Sequence[int]) -> list[Values]:
        """Masks as values of the domain, ``(H, W)`` each."""
        found = {mask_id: self._values.get(mask_id) for mask_id in mask_ids}
        missing = [mask_id for mask_id, values in found.items() if values is None]
        if missing:
            for mask_id, mask in zip(
                missing, self._collection.masks(missing, scaled=True), strict=True
            ):
                found[mask_id] = mask
                self._values.put(mask_id, mask, int(mask.nbytes))
        return [values for m in mask_ids if (values := found[m]) is not None]


def _own(values: Values) -> tuple[float, float] | None:
    """A mask's own least and greatest value; None where they are one, or there is none."""
    known = values[~np.isnan(values)]
    if not known.size or known.min() == known.max():
        return None
    return float(known.min()), float(known.max())


def _fitted(picture: RGB, side: int) -> RGB:
    height, width = picture.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return picture
    return resize(picture, (max(1, height * side // longest), max(1, width * side // longest)))
