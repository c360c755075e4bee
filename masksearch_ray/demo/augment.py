"""Which of the demonstration's images are augmented, and the images that this gives.

Public here: `Plan`, `choose` (images selected to images augmented), `augmented` (their copies),
`preview` (one copy as a picture), `examples` (all as a labelled data set for `write_examples`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.demo.data import Digits
from masksearch_ray.errors import InputError
from masksearch_ray.render.augment import Augmentation, Example, Picture, augment, inside_boxes

__all__ = ["SCOPES", "Plan", "Scope", "augmented", "choose", "examples", "preview"]

Scope = Literal["balanced", "selected", "class", "all"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""The images selected and as many of every other class, these alone, their class, or all."""

_MOST_COPIES = 10
_LEVELS = np.float32(255)


@dataclass(frozen=True)
class Plan:
    """What is added to the training images.

    Attributes
    ----------
    how : Augmentation
        What is done outside the digit's box.
    scope : {"balanced", "selected", "class", "all"}
        Of which images copies are made: of those selected and of as many of every other class, so
        that what is done to them tells nothing of the class; of those selected; of all of the class
        that most of them show; or of all.
    copies : int
        Of each image, 1 to 10; each with other noise.

    Raises
    ------
    InputError
        There is no such scope or number.
    """

    how: Augmentation = field(default_factory=Augmentation)
    scope: Scope = "balanced"
    copies: int = 3

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise InputError(f"scope {self.scope!r}: one of {', '.join(SCOPES)} wanted")
        if self.copies not in range(1, _MOST_COPIES + 1):
            raise InputError(f"{self.copies!r} copies: 1 to {_MOST_COPIES} wanted")


def choose(digits: Digits, selected: Iterable[int], plan: Plan) -> NDArray[np.int64]:
    """Images to augment, of those that are learnt from.

    Parameters
    ----------
    digits : Digits
        All images.
    selected : iterable of int
        Rows selected; those that are for testing are left out.
    plan : Plan
        How far to go beyond them.

    Returns
    -------
    ndarray of int64, shape (n,)
        Rows, those selected first, then others by their order; none twice.

    Raises
    ------
    InputError
        A row that is not there, or none of those selected is learnt from.
    """
    rows = np.unique(np.fromiter(selected, np.int64))
    if rows.size and not 0 <= rows[0] <= rows[-1] < len(digits):
        raise InputError(f"no image {rows[0] if rows[0] < 0 else rows[-1]}")
    kept = rows[digits.train[rows]]
    if not kept.size:
        raise InputError("none of the images selected is among those that models learn from")
    beyond = _beyond(digits, kept, plan)
    return np.concatenate([kept, np.setdiff1d(beyond, kept)])


def _beyond(digits: Digits, kept: NDArray[np.int64], plan: Plan) -> NDArray[np.int64]:
    """Rows that a scope adds; some of `kept` may be among them."""
    counts = np.bincount(digits.labels[kept], minlength=10)
    of_class = [np.flatnonzero(digits.train & (digits.labels == label)) for label in range(10)]
    match plan.scope:
        case "selected":
            return kept
        case "class":
            return of_class[int(counts.argmax())]
        case "all":
            return np.flatnonzero(digits.train)
        case "balanced":
            rng = np.random.default_rng(plan.how.seed)
            spare = [np.setdiff1d(rows, kept) for rows in of_class]
            wanted = counts.max() - counts
            drawn = [
                rng.permutation(rows)[:n].astype(np.int64)
                for rows, n in zip(spare, wanted, strict=True)
            ]
            return np.concatenate(drawn)


def augmented(digits: Digits, rows: NDArray[np.int64], plan: Plan) -> Digits:
    """Augmented copies of images.

    Parameters
    ----------
    digits : Digits
        All images.
    rows : ndarray of int64, shape (n,)
        Those to augment.
    plan : Plan
        How, and how often each.

    Returns
    -------
    Digits
        ``n * plan.copies`` images to learn from: all of `rows`, then all again.
    """
    every = np.tile(rows, plan.copies)
    images = digits.images[every]
    for at, (row, copy) in enumerate(_each(rows, plan)):
        outside = ~inside_boxes(images[at].shape, [digits.boxes[row]])
        images[at][outside] = _drawn(digits, row, copy, plan)[outside] / _LEVELS
    return Digits(images, digits.labels[every], digits.boxes[every], np.ones(len(every), np.bool_))


def preview(digits: Digits, row: int, plan: Plan, copy: int = 0) -> Picture:
    """An augmented copy of an image, the one that `augmented` makes.

    Parameters
    ----------
    digits : Digits
        All images.
    row : int
        Which of them.
    plan : Plan
        How.
    copy : int
        Which copy, from 0.

    Returns
    -------
    ndarray of uint8, shape (64, 64)
        Grey levels.
    """
    return _drawn(digits, row, copy, plan)


def examples(digits: Digits, rows: NDArray[np.int64], plan: Plan) -> Iterator[Example]:
    """The augmented copies as a labelled data set, in the order of `augmented`.

    Parameters
    ----------
    digits : Digits
        All images.
    rows : ndarray of int64, shape (n,)
        Those to augment.
    plan : Plan
        How, and how often each.

    Yields
    ------
    Example
        With the image's number, the method and the copy's number.
    """
    for row, copy in _each(rows, plan):
        told = {"image_id": row, "method": plan.how.method, "copy": copy}
        yield Example(_drawn(digits, row, copy, plan), int(digits.labels[row]), told)


def _each(rows: NDArray[np.int64], plan: Plan) -> Iterator[tuple[int, int]]:
    return ((int(row), copy) for copy in range(plan.copies) for row in rows)


def _drawn(digits: Digits, row: int, copy: int, plan: Plan) -> Picture:
    grey = np.rint(_LEVELS * digits.images[row]).astype(np.uint8)
    return augment(grey, [digits.boxes[row].tolist()], plan.how, row * _MOST_COPIES + copy)
