"""Pictures with everything outside a box made useless, and a data set of them.

Public here: `Augmentation` (how), `augment` (a picture and its boxes to a new picture),
`scale_boxes` (from a mask's pixels to those of its image), `Example` and `write_examples` (a zip of
PNG files and `labels.csv`).
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from masksearch_ray.errors import InputError
from masksearch_ray.render.image import png_bytes

__all__ = [
    "METHODS",
    "Augmentation",
    "Box",
    "Example",
    "Method",
    "Picture",
    "augment",
    "inside_boxes",
    "scale_boxes",
    "write_examples",
]

Picture = NDArray[np.uint8]
Box = Sequence[int]
Method = Literal["randomise", "shuffle", "blur", "mean"]

METHODS: tuple[Method, ...] = get_args(Method)
"""What can be done to the pixels outside: noise, random places, blur, one colour."""

_LEVELS = 256
_WRITTEN = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Augmentation:
    """What is done to the pixels outside the boxes.

    Attributes
    ----------
    method : {"randomise", "shuffle", "blur", "mean"}
        Replace each value by one drawn evenly from all, put the pixels in random places, blur
        them, or give all of them their mean colour.
    seed : int
        Same seed, same picture; 0 or more.
    blur : float
        Standard deviation of the blur, as a share of the picture's longer side, above 0 to 1.

    Raises
    ------
    InputError
        There is no such method, or a number is outside its range.
    """

    method: Method = "randomise"
    seed: int = 0
    blur: float = 0.1

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"method {self.method!r}: one of {', '.join(METHODS)} wanted")
        if self.seed < 0:
            raise InputError(f"seed {self.seed}: 0 or more wanted")
        if not 0 < self.blur <= 1:
            raise InputError(f"blur {self.blur!r}: above 0 and at most 1 wanted")


@dataclass(frozen=True, eq=False)
class Example:
    """A picture of a data set.

    Attributes
    ----------
    picture : ndarray of uint8, shape (H, W, 3) or (H, W)
        The picture.
    label : object
        The right answer, written as text.
    told : dict of str to object
        Further columns, such as the image that it was made from; the same ones for every example.
    """

    picture: Picture
    label: Any
    told: dict[str, Any]


def scale_boxes(
    boxes: Iterable[Box], mask: tuple[int, int], image: tuple[int, int]
) -> list[tuple[int, int, int, int]]:
    """Boxes in the pixels of a mask as boxes in those of its image.

    Parameters
    ----------
    boxes : iterable of four int
        ``(x0, y0, x1, y1)``, half-open, pixels of the mask.
    mask, image : tuple of int
        ``(height, width)`` of both.

    Returns
    -------
    list of tuple of four int
        The smallest boxes of whole pixels that hold them.
    """
    (high, wide), (height, width) = mask, image
    # In whole numbers: rounding errors would move an edge by a pixel.
    return [
        (x0 * width // wide, y0 * height // high, -(-x1 * width // wide), -(-y1 * height // high))
        for x0, y0, x1, y1 in boxes
    ]


def inside_boxes(shape: tuple[int, int], boxes: Iterable[Box]) -> NDArray[np.bool_]:
    """Which pixels lie in any of the boxes.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)``.
    boxes : iterable of four int
        ``(x0, y0, x1, y1)``, half-open; clipped to the picture.

    Returns
    -------
    ndarray of bool, shape (height, width)
        True inside.
    """
    inside = np.zeros(shape, np.bool_)
    for x0, y0, x1, y1 in boxes:
        inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return inside


def augment(picture: Picture, boxes: Iterable[Box], how: Augmentation, key: int = 0) -> Picture:
    """Make the pixels outside the boxes useless; those inside stay as they are.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3) or (H, W)
        Colours, or grey levels; left as it is.
    boxes : iterable of four int
        ``(x0, y0, x1, y1)``, half-open, pixels of the picture.
    how : Augmentation
        What is done.
    key : int
        Tells apart pictures that get different noise by the same seed; 0 or more. A preview and an
        export that give the same key show the same.

    Returns
    -------
    ndarray of uint8, of the picture's shape
        The augmented copy.
    """
    inside = inside_boxes((picture.shape[0], picture.shape[1]), boxes)
    augmented = picture.copy()
    outside = picture[~inside]
    if outside.size:
        rng = np.random.default_rng([how.seed, key])
        augmented[~inside] = _replaced(picture, outside, ~inside, how, rng)
    return augmented


def write_examples(examples: Iterable[Example], stream: IO[bytes]) -> int:
    """Write a labelled data set as a zip file of PNG files and ``labels.csv``.

    Parameters
    ----------
    examples : iterable of Example
        Taken one by one, so that they need not all be in memory.
    stream : binary file
        Gets the zip file. The same examples give the same bytes.

    Returns
    -------
    int
        How many examples were written.
    """
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n")
    count = 0
    with zipfile.ZipFile(stream, "w") as archive:
        for example in examples:
            if not count:
                rows.writerow(["file", "label", *example.told])
            name = f"images/{count:06d}.png"
            # PNG is compressed already.
            archive.writestr(zipfile.ZipInfo(name, _WRITTEN), png_bytes(example.picture))
            rows.writerow([name, example.label, *example.told.values()])
            count += 1
        labels = zipfile.ZipInfo("labels.csv", _WRITTEN)
        archive.writestr(labels, table.getvalue() or "file,label\n", zipfile.ZIP_DEFLATED)
    return count


def _replaced(
    picture: Picture,
    outside: Picture,
    where: NDArray[np.bool_],
    how: Augmentation,
    rng: np.random.Generator,
) -> NDArray[Any]:
    """New values of the pixels outside, shape (n, 3) or (n,)."""
    match how.method:
        case "randomise":
            return rng.integers(0, _LEVELS, outside.shape, np.uint8)
        case "shuffle":
            return np.asarray(rng.permutation(outside, axis=0), np.uint8)
        case "blur":
            radius = how.blur * max(picture.shape[:2])
            blurred = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius))
            return np.asarray(blurred)[where]
        case "mean":
            return np.asarray(np.rint(outside.mean(axis=0)), np.uint8)
