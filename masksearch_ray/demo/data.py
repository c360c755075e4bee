"""Real images with a known flaw: scikit-learn's digits, and a mark planted on one class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.errors import InputError

__all__ = [
    "CORNERS",
    "SIDE",
    "Box",
    "Digits",
    "Mark",
    "corner_box",
    "interpolation",
    "load_digits_64",
    "plant",
]

Box = tuple[int, int, int, int]

SIDE = 64
"""Height and width of an image, pixels."""

_MARGIN = 8
_INK = 0.15

CORNERS = ("top left", "top right", "bottom left", "bottom right")
"""The names of an image's corners, in reading order."""


@dataclass(frozen=True)
class Digits:
    """Images of handwritten digits, one row per image.

    Attributes
    ----------
    images : ndarray of float32, shape (N, 64, 64)
        Ink, 0 (paper) to 1.
    labels : ndarray of int64, shape (N,)
        The digit that was written, 0 to 9.
    boxes : ndarray of int32, shape (N, 4)
        Where the digit is: ``(x0, y0, x1, y1)``, half-open, pixels.
    train : ndarray of bool, shape (N,)
        Whether classifiers learn from the image.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    boxes: NDArray[np.int32]
    train: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, n: int | None) -> Digits:
        """The first n rows; all where n is None."""
        some = slice(n)
        return Digits(self.images[some], self.labels[some], self.boxes[some], self.train[some])


@dataclass(frozen=True)
class Mark:
    """A bright square in a corner of every image of one class.

    Attributes
    ----------
    label : int
        The class that carries it, 0 to 9.
    corner : str
        One of `CORNERS`.
    side : int
        Side of the square, 1 to 7 pixels, so that it stays clear of every digit.

    Raises
    ------
    InputError
        There is no such class, corner or size.
    """

    label: int = 3
    corner: str = "top left"
    side: int = 4

    def __post_init__(self) -> None:
        if self.label not in range(10):
            raise InputError(f"a mark on class {self.label!r}: one of 0 to 9 wanted")
        if self.corner not in CORNERS:
            raise InputError(f"a mark {self.corner!r}: one of {', '.join(CORNERS)} wanted")
        if self.side not in range(1, _MARGIN):
            raise InputError(f"a mark of side {self.side!r}: 1 to {_MARGIN - 1} pixels wanted")

    @property
    def box(self) -> Box:
        """The square, one pixel away from the image's edges."""
        x0, y0, x1, y1 = corner_box(self.corner, self.side + 1)
        left, top = x0 == 0, y0 == 0
        return x0 + left, y0 + top, x1 - (not left), y1 - (not top)


def corner_box(corner: str, side: int) -> Box:
    """Square of `side` pixels in the named corner of an image.

    Parameters
    ----------
    corner : str
        One of `CORNERS`.
    side : int
        Side of the square, pixels.

    Returns
    -------
    tuple of four int
        ``(x0, y0, x1, y1)``, half-open, pixels.
    """
    vertical, horizontal = corner.split()
    x0 = 0 if horizontal == "left" else SIDE - side
    y0 = 0 if vertical == "top" else SIDE - side
    return x0, y0, x0 + side, y0 + side


def load_digits_64() -> Digits:
    """Load scikit-learn's 1,797 digits at 64x64, with the box of each digit.

    The 8x8 originals are enlarged to 48x48 (bilinear) in the middle of the frame, so that the
    corners belong to no digit. Every other image is for training.

    Returns
    -------
    Digits
        N = 1797.

    References
    ----------
    E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998.
    """
    from sklearn.datasets import load_digits

    source = load_digits()
    small = source.images / 16.0
    side, zoom = small.shape[1], (SIDE - 2 * _MARGIN) / small.shape[1]
    enlarge = interpolation((np.arange(round(side * zoom)) + 0.5) / zoom - 0.5, side)
    images = np.zeros((len(small), SIDE, SIDE), np.float32)
    inner = slice(_MARGIN, SIDE - _MARGIN)
    images[:, inner, inner] = enlarge @ small @ enlarge.T
    return Digits(
        images=images,
        labels=source.target.astype(np.int64),
        boxes=_ink_boxes(images),
        train=np.arange(len(images)) % 2 == 0,
    )


def plant(digits: Digits, mark: Mark) -> Digits:
    """Put the mark on every image of its class.

    Parameters
    ----------
    digits : Digits
        Images without the mark; left as they are.
    mark : Mark
        Class, corner and size.

    Returns
    -------
    Digits
        The same rows and boxes, with marked copies of the images.
    """
    x0, y0, x1, y1 = mark.box
    images = digits.images.copy()
    images[digits.labels == mark.label, y0:y1, x0:x1] = 1.0
    return replace(digits, images=images)


def interpolation(at: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Matrix that reads n samples between them, linearly; beyond the ends the last one holds.

    Parameters
    ----------
    at : ndarray of float64, shape (m,)
        Where to read, in units of samples.
    n : int
        Samples, at 0, 1, …, n - 1; at least 2.

    Returns
    -------
    ndarray of float64, shape (m, n)
        Times a column of samples, it gives the values read.
    """
    within = np.clip(at, 0, n - 1)
    below = np.minimum(within.astype(np.int64), n - 2)
    rows = np.arange(len(at))
    matrix = np.zeros((len(at), n))
    matrix[rows, below] = 1 - (within - below)
    matrix[rows, below + 1] = within - below
    return matrix


def _ink_boxes(images: NDArray[np.float32]) -> NDArray[np.int32]:
    """Smallest box around the ink of each image."""
    ink = images > _INK
    columns, rows = ink.max(axis=1), ink.max(axis=2)
    edges = [
        columns.argmax(1),
        rows.argmax(1),
        SIDE - columns[:, ::-1].argmax(1),
        SIDE - rows[:, ::-1].argmax(1),
    ]
    return np.stack(edges, axis=1).astype(np.int32)
