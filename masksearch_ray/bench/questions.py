"""Questions of the benchmark: as SQL for the engine, as a scan for the others, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.dataset import Dataset, constant_box
from masksearch_ray.errors import FailedError

__all__ = [
    "RANGES",
    "SELECTED",
    "K",
    "Question",
    "Scan",
    "decided",
    "filters",
    "ious",
    "means",
    "threshold",
    "tops",
]

RANGES = ((0.6, 1.0), (0.8, 1.0), (0.2, 0.4))
SELECTED = (0.001, 0.01, 0.1, 0.5)
"""Shares of the masks that thresholds are to keep."""
K = 25
_ORDERS: tuple[tuple[str, Literal["greatest", "smallest"]], ...] = (
    ("DESC", "greatest"),
    ("ASC", "smallest"),
)

Ids = NDArray[np.int64]
Values = NDArray[Any]


@dataclass(frozen=True)
class Scan:
    """Counts that someone without an index must make for a question.

    Parameters
    ----------
    roi : str
        One of `ROIS`.
    low, high : float
        Range of values.
    kind : {"first", "sum", "pair"}
        Of the first model's masks; of both models' and their sums; of the lesser and the greater
        pixel of both.
    images : int, optional
        The first so many alone.
    """

    roi: str
    low: float
    high: float
    kind: Literal["first", "sum", "pair"] = "first"
    images: int | None = None

    def values(self, counts: NDArray[np.int64]) -> Values:
        """What is compared: counts, or for pairs ``(N, 2)`` their ratio, NaN where none is."""
        if self.kind != "pair":
            return counts
        lesser, greater = counts.T
        ratio: Values = np.full(len(counts), np.nan)
        np.divide(lesser, greater, out=ratio, where=greater > 0)
        return ratio

    def pixels(self, dataset: Dataset) -> int:
        """Pixels that it must look at, of one byte each."""
        x0, y0, x1, y1 = dataset.regions(self.roi)[: self.images].astype(np.int64).T
        each = int(((x1 - x0) * (y1 - y0)).sum())
        return each if self.kind == "first" else 2 * each


@dataclass(frozen=True, eq=False)
class Question:
    """A question with its answer.

    Parameters
    ----------
    name : str
        In words.
    sql : str
        The query.
    scan : Scan
    decide : {"above", "below", "greatest", "smallest"}
        Which counts, or ratios, are wanted: beyond a number, or the first k.
    answer : numpy.ndarray
        int64: ids of masks or images, in the order of the answer.
    least : float
        The number, if any.
    share : float
        Of the rows, that the answer holds.
    ties : float
        Share of the rows whose count equals the number: where it is large, no threshold keeps
        the share that was wanted.
    """

    name: str
    sql: str
    scan: Scan
    decide: Literal["above", "below", "greatest", "smallest"]
    answer: Ids
    least: float = 0.0
    share: float = 0.0
    ties: float = 0.0

    def check(self, found: Ids) -> None:
        """Compare with the answer.

        Raises
        ------
        FailedError
            It is another.
        """
        if not np.array_equal(found, self.answer):
            raise FailedError(
                f"{self.name}: {len(found)} rows found, {len(self.answer)} expected, "
                f"and they differ: {self.sql}"
            )

    def check_counts(self, counts: NDArray[np.int64]) -> None:
        """Do as `check` with what the counts of a scan say."""
        self.check(decided(self.decide, self.scan.values(counts), self.least))


def filters(
    dataset: Dataset,
    rois: tuple[str, ...] = ("constant", "object", "full"),
    ranges: tuple[tuple[float, float], ...] = RANGES,
    shares: tuple[float, ...] = SELECTED,
    column: str = "object_box",
    images: int | None = None,
) -> list[Question]:
    """Ask for the first model's masks with more than so many pixels in a range.

    Parameters
    ----------
    dataset : Dataset
    rois : tuple of str
    ranges : tuple of (float, float)
    shares : tuple of float
        Of the masks, that the thresholds are to keep.
    column : str
        Of the objects' boxes.
    images : int, optional
        The first so many alone.
    """
    found = []
    for roi in rois:
        for low, high in ranges:
            counts = dataset.counts(roi, low, high)[:images]
            for share in shares:
                least = threshold(counts, share)
                answer = decided("above", counts, least)
                term = f"CP(mask, {_sql_of(roi, dataset, column)}, ({low}, {high}))"
                found.append(
                    Question(
                        f"{roi} ROI, ({low}, {high}), {100 * share:g} %",
                        f"SELECT mask_id FROM masks WHERE {term} > {least}",
                        Scan(roi, low, high, "first", images),
                        "above",
                        answer,
                        least,
                        len(answer) / len(counts),
                        float((counts == least).mean()),
                    )
                )
    return found


def tops(
    dataset: Dataset,
    rois: tuple[str, ...] = ("object",),
    ranges: tuple[tuple[float, float], ...] = RANGES,
    column: str = "object_box",
) -> list[Question]:
    """Ask for the first model's masks with the most and the fewest pixels in a range."""
    found = []
    for roi in rois:
        for low, high in ranges:
            counts = dataset.counts(roi, low, high)
            term = f"CP(mask, {_sql_of(roi, dataset, column)}, ({low}, {high}))"
            for order, decide in _ORDERS:
                found.append(
                    Question(
                        f"top {K}, {roi} ROI, ({low}, {high}), {order}",
                        f"SELECT mask_id FROM masks ORDER BY {term} {order} LIMIT {K}",
                        Scan(roi, low, high),
                        decide,
                        decided(decide, counts, 0),
                    )
                )
    return found


def means(dataset: Dataset, values: tuple[float, float] = (0.8, 1.0)) -> list[Question]:
    """Ask for the images whose masks of both models have the most and the fewest on average."""
    low, high = values
    sums = sum(dataset.counts("object", low, high, model) for model in (1, 2))
    term = f"AVG(CP(mask, object_box, ({low}, {high})))"
    return [
        Question(
            f"top {K} of the mean of two models, object ROI, ({low}, {high}), {order}",
            f"SELECT image_id, {term} AS s FROM masks GROUP BY image_id ORDER BY s {order} "
            f"LIMIT {K}",
            Scan("object", low, high, "sum"),
            decide,
            decided(decide, np.asarray(sums), 0),
        )
        for order, decide in _ORDERS
    ]


def ious(
    dataset: Dataset, values: tuple[float, float] = (0.6, 1.0), share: float = 0.01
) -> list[Question]:
    """Ask where two models agree most and least, and most by a threshold."""
    low, high = values
    scan = Scan("full", low, high, "pair")
    ratios = scan.values(np.stack(dataset.pair_counts(low, high), axis=1))
    term = " / ".join(
        f"CP({join}(mask), full_image, ({low}, {high}))" for join in ("intersect", "union")
    )
    head = f"SELECT image_id, {term} AS iou FROM masks GROUP BY image_id"
    found = [
        Question(
            f"IoU of two models, ({low}, {high}), top {K} {order}",
            f"{head} ORDER BY iou {order} LIMIT {K}",
            scan,
            decide,
            decided(decide, ratios, 0),
        )
        for order, decide in _ORDERS
    ]
    known = ratios[~np.isnan(ratios)]
    least = round(float(np.quantile(known, 1 - share)), 6) if len(known) else 0.0
    answer = decided("above", ratios, least)
    found.append(
        Question(
            f"IoU of two models, ({low}, {high}), filter, {100 * share:g} %",
            f"{head} HAVING iou > {least:.6f}",
            scan,
            "above",
            answer,
            least,
            len(answer) / len(ratios),
            float((ratios == least).mean()),
        )
    )
    return found


def threshold(counts: NDArray[np.int64], share: float) -> int:
    """Find the number that a share of the counts exceeds, or as near to it as ties allow."""
    tried = np.unique(counts)
    below = np.searchsorted(np.sort(counts), tried, side="right")
    kept = 1 - below / len(counts)
    # Not all and not none, where that can be: such a query would be decided for other reasons.
    partly = np.flatnonzero((kept > 0) & (kept < 1))
    among = partly if len(partly) else np.arange(len(tried))
    return int(tried[among[np.argmin(np.abs(kept[among] - share))]])


def decided(decide: str, values: Values, least: float, k: int = K) -> Ids:
    """Positions of what a question wants: ascending, or the first k in order, ties by position."""
    if decide in ("above", "below"):
        return np.flatnonzero(values > least if decide == "above" else values < least)
    # NaN, which stands for NULL, comes last either way.
    keys = -values if decide == "greatest" else values
    return np.argsort(keys, kind="stable")[:k].astype(np.int64)


def _sql_of(roi: str, dataset: Dataset, column: str) -> str:
    if roi == "constant":
        return "box({}, {}, {}, {})".format(*constant_box(dataset.options.side))
    return {"object": column, "full": "full_image"}[roi]
