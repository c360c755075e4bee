"""Pictures of masks, over their images where these can be found."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from masksearch_ray.cli.parse import named_values
from masksearch_ray.errors import DataError, MaskSearchError
from masksearch_ray.model.text import count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from masksearch_ray.render import RGB

__all__ = ["Overlay", "Painter"]

_SMALLEST = 256


class Overlay(Enum):
    """Whether pictures show the image below the mask."""

    where_known = auto()
    always = auto()
    never = auto()

    @classmethod
    def of(cls, asked: bool | None) -> Overlay:
        """Tell what an option that may be absent asks for."""
        return {None: cls.where_known, True: cls.always, False: cls.never}[asked]


class Painter:
    """Writes pictures and remembers how many have their image.

    Parameters
    ----------
    domain : (float, float)
        Values at the two ends of the colours.
    overlay : Overlay
    folder : Path, optional
        Where relative paths of images begin; by default the working folder.
    storage : sequence of str
        Options ``NAME=VALUE`` of the storage where images are URLs.
    side : int, optional
        Longer side of the pictures, pixels.
    """

    def __init__(
        self,
        domain: tuple[float, float],
        overlay: Overlay,
        folder: Path | None,
        storage: Sequence[str],
        side: int | None,
    ) -> None:
        self._domain = domain
        self._overlay = overlay
        self._folder = folder
        self._options = named_values(storage, "--storage-option")
        self._side = side
        self._over = 0
        self._missing: list[str] = []

    @property
    def told(self) -> str:
        """What was not as one might expect, to end a sentence."""
        over = f", {count(self._over)} over their images" if self._over else ""
        if not self._missing:
            return over
        images = count(len(self._missing), "image")
        return f"{over}; {images} could not be read, the first: {self._missing[0]}"

    def write(self, file: Path, values: NDArray[np.float64], image_path: str | None) -> None:
        """Write the picture of a mask.

        Parameters
        ----------
        file : Path
        values : numpy.ndarray
            float64, shape ``(H, W)``.
        image_path : str or None
            Of its image, where known.

        Raises
        ------
        DataError
            If the image is asked for and cannot be had.
        """
        from masksearch_ray.render import Panel, paint, write_png

        image = self._image(file.stem, image_path)
        side = self._side or max(
            _SMALLEST, *values.shape, *(image.shape if image is not None else ())
        )
        write_png(file, paint(Panel(values, image), side, self._domain))
        self._over += image is not None

    def _image(self, mask_id: str, path: str | None) -> RGB | None:
        if self._overlay is Overlay.never:
            return None
        if path is None:
            if self._overlay is Overlay.always:
                raise DataError(
                    f"mask {mask_id}: no image_path is known; --no-overlay does without"
                )
            return None
        try:
            return self._read(path)
        except MaskSearchError as error:
            if self._overlay is Overlay.always:
                raise
            self._missing.append(str(error))
            return None

    def _read(self, path: str) -> RGB:
        from masksearch_ray.session.images import Images

        return Images([self._folder] if self._folder else [], self._options).read(path)
