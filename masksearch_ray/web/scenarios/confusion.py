"""Which classes are taken for which, and an image that stands for each such pair. No page here.

Public here: `Columns`, `confusion_sql` and `confusion` (table to `Confusion`), `shares_sql` (of
every mask the share of its attention outside the box) and `prototypes` of its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from masksearch_ray.web.rows import quoted

__all__ = [
    "Cell",
    "Columns",
    "Confusion",
    "Prototype",
    "confusion",
    "confusion_sql",
    "prototypes",
    "shares_sql",
]

Cell = tuple[Any, Any]
"""A label, and what was predicted for it."""


@dataclass(frozen=True)
class Columns:
    """Where a collection keeps what the page needs.

    Parameters
    ----------
    label, prediction : str
        Metadata columns of the right and of the given answer.
    box : str
        Box column of the object.
    low, high : float
        Values that count as strong attention, ``low <= value < high``, the domain's end included.
    where : str
        SQL condition that picks the masks of one model; empty for all.
    """

    label: str = "label"
    prediction: str = "prediction"
    box: str = "object_box"
    low: float = 0.5
    high: float = 1.0
    where: str = ""

    @property
    def inside_out(self) -> tuple[str, str]:
        """SQL of the strong pixels outside the box, and of all strong pixels."""
        values = f"({self.low!r}, {self.high!r})"
        outside = f"CP(mask, outside({quoted(self.box)}), {values})"
        return outside, f"CP(mask, full_image, {values})"


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each class was taken for each.

    Attributes
    ----------
    classes : tuple
        All labels and predictions there are, ascending.
    counts : ndarray of int64, shape (C, C)
        Masks of label ``classes[i]`` and prediction ``classes[j]``.
    unknown : int
        Masks without a label or prediction.
    """

    classes: tuple[Any, ...]
    counts: NDArray[np.int64]
    unknown: int = 0

    @property
    def total(self) -> int:
        """Masks with label and prediction."""
        return int(self.counts.sum())

    @property
    def right(self) -> int:
        """Masks of which both are the same."""
        return int(np.trace(self.counts))

    def count(self, cell: Cell) -> int:
        """Masks of a cell."""
        label, prediction = (self.classes.index(one) for one in cell)
        return int(self.counts[label, prediction])


@dataclass(frozen=True)
class Prototype:
    """The mask that stands for a cell.

    Attributes
    ----------
    mask_id : int
        Of all masks of the cell the one whose share of strong attention outside the box is nearest
        to their mean, the least id where several are; where none has any, the least id of all.
    share : float or None
        Its share, 0 to 1; None without strong attention.
    mean : float or None
        The mean of the cell; masks without strong attention are left out of it.
    """

    mask_id: int
    share: float | None
    mean: float | None


def confusion_sql(columns: Columns) -> str:
    """SQL of the counts of all cells.

    Parameters
    ----------
    columns : Columns
        The collection's.

    Returns
    -------
    str
        Its answer is for `confusion`.
    """
    label, prediction = quoted(columns.label), quoted(columns.prediction)
    return (
        f"SELECT {label}, {prediction}, COUNT(*) AS n\n"
        f"FROM masks{_where(columns)}\nGROUP BY {label}, {prediction}"
    )


def confusion(table: pa.Table) -> Confusion:
    """Make the matrix.

    Parameters
    ----------
    table : pyarrow.Table
        Label, prediction and count, in this order, a row for each cell that there is.

    Returns
    -------
    Confusion
        Classes and counts.
    """
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    known = [row for row in rows if row[0] is not None and row[1] is not None]
    classes = _ascending(value for label, prediction, _ in known for value in (label, prediction))
    at = {value: i for i, value in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    for label, prediction, n in known:
        counts[at[label], at[prediction]] += n
    return Confusion(classes, counts, sum(row[2] for row in rows) - int(counts.sum()))


def shares_sql(columns: Columns) -> str:
    """SQL of that share of every mask.

    Parameters
    ----------
    columns : Columns
        The collection's.

    Returns
    -------
    str
        Its answer is for `prototypes`.
    """
    outside, anywhere = columns.inside_out
    return (
        f"SELECT mask_id, {quoted(columns.label)}, {quoted(columns.prediction)},\n"
        f"       {outside} / {anywhere} AS share\nFROM masks{_where(columns)}"
    )


def prototypes(table: pa.Table) -> dict[Cell, Prototype]:
    """Find the mask that stands for each cell.

    Parameters
    ----------
    table : pyarrow.Table
        Id, label, prediction and share, in this order.

    Returns
    -------
    dict of Cell to Prototype
        For every cell that has a mask; those without label or prediction are left out.
    """
    cells: dict[Cell, list[tuple[int, float | None]]] = {}
    for mask_id, label, prediction, share in zip(
        *(column.to_pylist() for column in table.columns), strict=True
    ):
        if label is not None and prediction is not None:
            cells.setdefault((label, prediction), []).append((mask_id, share))
    return {cell: _prototype(members) for cell, members in cells.items()}


def _prototype(members: list[tuple[int, float | None]]) -> Prototype:
    looking = [(mask_id, share) for mask_id, share in members if share is not None]
    if not looking:
        return Prototype(min(mask_id for mask_id, _ in members), None, None)
    mean = sum(share for _, share in looking) / len(looking)
    mask_id, share = min(looking, key=lambda one: (abs(one[1] - mean), one[0]))
    return Prototype(mask_id, share, mean)


def _where(columns: Columns) -> str:
    return f"\nWHERE {columns.where}" if columns.where else ""


def _ascending(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each value once; numbers before words, should a collection mix them."""
    return tuple(sorted(set(values), key=lambda one: (isinstance(one, str), one)))
