"""What the answers say, in words; every figure is taken from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from masksearch_ray.demo.data import CORNERS, Mark

__all__ = [
    "Finding",
    "find",
    "note_agreement",
    "note_classes",
    "note_corners",
    "note_outside",
    "percent",
]

_MOST = 0.5


@dataclass(frozen=True)
class Finding:
    """What was found in the end.

    Attributes
    ----------
    label : int
        The class on which model 2 looks outside the digit the most.
    corner : str
        The corner where it looks then, one of `CORNERS`.
    outside : tuple of float
        Shares of the strong attention of models 1 and 2 outside the digit on that class, 0 to 1.
    in_corner : tuple of float
        Shares of it in that corner.
    next_label : int or None
        The class on which model 2 looks outside the digit second most.
    next_outside : float
        Its share there.
    is_mark : bool
        Whether class and corner are those of the planted mark.
    """

    label: int
    corner: str
    outside: tuple[float, float]
    in_corner: tuple[float, float]
    next_label: int | None
    next_outside: float
    is_mark: bool

    @property
    def is_shortcut(self) -> bool:
        """Whether most of what model 2 looks at is in the corner, and of model 1 is not."""
        return self.in_corner[1] >= _MOST > self.in_corner[0]

    def __str__(self) -> str:
        inside, outside = map(percent, self.in_corner), map(percent, self.outside)
        inside_1, inside_2, outside_1, outside_2 = *inside, *outside
        if not self.is_shortcut:
            return (
                "Nothing found: on no class does model 2 look mostly at one corner; closest is "
                f"class {self.label}, {self.corner}, with {inside_2} (model 1: {inside_1})."
            )
        mark = "the planted mark" if self.is_mark else "something, but not the planted mark"
        following = (
            ""
            if self.next_label is None
            else f", next class, {self.next_label}: {percent(self.next_outside)}"
        )
        return (
            f"Found: {mark}. Model 2 knows class {self.label} by the {self.corner} corner: there "
            f"lies {inside_2} of its strong attention (model 1: {inside_1}), outside the digit "
            f"lies {outside_2} (model 1: {outside_1}{following})."
        )


def find(classes: pa.Table, corners: pa.Table, mark: Mark) -> Finding:
    """Draw the conclusion.

    Parameters
    ----------
    classes : pyarrow.Table
        Answer to `questions.by_class`.
    corners : pyarrow.Table
        Answer to `questions.by_corner` for the first class of `classes`.
    mark : Mark
        What was planted, to tell whether it is what was found.

    Returns
    -------
    Finding
        Class, corner and shares.
    """
    first, *others = classes.to_pylist()
    models = corners.to_pylist()
    corner = _strongest(corners)
    of_all = tuple(m[_column(corner)] / m["anywhere"] if m["anywhere"] else 0.0 for m in models)
    return Finding(
        label=first["label"],
        corner=corner,
        outside=(first["model_1"] or 0.0, first["model_2"] or 0.0),
        in_corner=(of_all[0], of_all[1]),
        next_label=others[0]["label"] if others else None,
        next_outside=(others[0]["model_2"] or 0.0) if others else 0.0,
        is_mark=(first["label"], corner) == (mark.label, mark.corner),
    )


def note_outside(answer: pa.Table) -> str:
    """Say which class the masks are of, and how large the shares are."""
    label, times = Counter(answer["label"].to_pylist()).most_common(1)[0]
    shares = _numbers(answer, "share_outside")
    return (
        f"{times} of these {len(answer)} images show a {label}; outside the digit lies "
        f"{_span(shares)} of the strong attention."
    )


def note_classes(answer: pa.Table) -> str:
    """Compare the first class with all others."""
    labels, shares = answer["label"].to_pylist(), _numbers(answer, "model_2")
    others = f"{_span(shares[1:])} on any other class" if shares[1:] else "there is no other class"
    return (
        f"Model 2 looks outside the digit with {percent(shares[0])} of its strong attention on a "
        f"{labels[0]}, {others}; model 1 with {_span(_numbers(answer, 'model_1'))} on all."
    )


def note_corners(answer: pa.Table) -> str:
    """Name the corner where model 2 looks."""
    corner = _strongest(answer)
    counts, anywhere = _numbers(answer, _column(corner)), _numbers(answer, "anywhere")
    return (
        f"The {corner}: {counts[1]:.1f} of {anywhere[1]:.1f} strong pixels of model 2, "
        f"{counts[0]:.1f} of {anywhere[0]:.1f} of model 1."
    )


def note_agreement(answer: pa.Table) -> str:
    """Say which class the images are of, and how little the models agree."""
    label, times = Counter(answer["label"].to_pylist()).most_common(1)[0]
    return (
        f"{times} of these {len(answer)} images show a {label}; the models' strong attention "
        f"overlaps by {_span(_numbers(answer, 'iou'))}."
    )


def percent(share: float) -> str:
    """Write a share, of which something is never 0 % and not all is never 100 %."""
    value = 100 * share
    if 0 < value < 0.05:
        return "< 0.1 %"
    if 99.95 <= value < 100:
        return "> 99.9 %"
    return f"{value:.1f} %" if value < 10 and value else f"{value:.0f} %"


def _span(shares: Sequence[float]) -> str:
    low, high = percent(min(shares)), percent(max(shares))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _numbers(answer: pa.Table, column: str) -> list[float]:
    """Values of a column; a share of nothing is NULL in SQL, and 0 here."""
    return [value or 0.0 for value in answer[column].to_pylist()]


def _column(corner: str) -> str:
    return corner.replace(" ", "_")


def _strongest(corners: pa.Table) -> str:
    """The corner in which model 2, the second row, has most strong pixels."""
    model_2 = corners.to_pylist()[1]
    return max(CORNERS, key=lambda corner: float(model_2[_column(corner)]))
