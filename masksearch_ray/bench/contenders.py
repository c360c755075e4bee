"""Who answers the benchmark's questions, each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.alternatives import in_threads, numpy_counts, stored_range
from masksearch_ray.bench.dataset import Dataset
from masksearch_ray.bench.questions import Question, Scan
from masksearch_ray.bench.scans import scan_boxes, scan_pairs
from masksearch_ray.bench.timing import Spread, timed

__all__ = ["Measured", "Method", "by_scan", "run_scans"]

Method = Literal["NumPy", "numba"]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """Times of one contender for one question, whose answer was checked every time.

    Parameters
    ----------
    who : str
    question : str
        Its name.
    setting : str
        How it did it.
    times : Spread
    details : mapping of str to float
        What else is known of it.
    """

    who: str
    question: str
    setting: str
    times: Spread
    details: Mapping[str, Any] = field(default_factory=dict)


def by_scan(questions: Sequence[Question]) -> dict[Scan, list[Question]]:
    """Questions that one scan answers: the threshold makes no difference to it."""
    found: dict[Scan, list[Question]] = {}
    for question in questions:
        found.setdefault(question.scan, []).append(question)
    return found


def run_scans(
    who: str,
    method: Method,
    dataset: Dataset,
    questions: Sequence[Question],
    repeats: int,
    *,
    in_memory: bool,
    threads: Sequence[int] = (),
) -> list[Measured]:
    """Scan all pixels of every question's regions.

    Parameters
    ----------
    who : str
        Name of the contender.
    method : {"NumPy", "numba"}
    dataset : Dataset
    questions : sequence of Question
        Those that one scan answers are answered by it, and get the same times.
    repeats : int
    in_memory : bool
        Copy the masks into memory first, else map their file.
    threads : sequence of int
        Numbers of threads to try; the one that was quickest is measured. By default one and one
        a core.
    """
    scans = by_scan(questions)
    masks = dataset.masks()
    if all(scan.kind == "first" for scan in scans):
        masks = masks[: max(scan.images or dataset.images for scan in scans)]
    if in_memory:
        masks = np.array(masks)
    found = []
    for scan, asked in scans.items():
        works = {
            n: _work(method, masks, dataset, scan, n)
            for n in threads or sorted({1, os.cpu_count() or 1})
        }

        def check(counts: Counts, asked: Sequence[Question] = asked) -> None:
            for question in asked:
                question.check_counts(counts)

        # Once each, which also brings pages into memory and compiles; then to choose.
        for work in works.values():
            timed(work, 1, check)
        best = min(works, key=lambda n: timed(works[n], 1).median)
        times = timed(works[best], repeats, check)
        setting = f"{best} thread{'s' if best > 1 else ''}"
        found += [Measured(who, question.name, setting, times) for question in asked]
    return found


def _work(
    method: Method, masks: NDArray[np.uint8], dataset: Dataset, scan: Scan, threads: int
) -> Callable[[], Counts]:
    n, cuts = scan.images or dataset.images, stored_range(scan.low, scan.high)
    boxes = np.ascontiguousarray(dataset.regions(scan.roi)[:n])
    if scan.kind == "pair":
        pairs = _numpy_pairs if method == "NumPy" else _numba_pairs
        return lambda: pairs(masks[:n], masks[n:], cuts, threads)
    count = numpy_counts if method == "NumPy" else _numba_boxes
    if scan.kind == "sum":
        return lambda: _sum(count(half, boxes, cuts, threads) for half in (masks[:n], masks[n:]))
    return lambda: count(masks[:n], boxes, cuts, threads)


def _sum(parts: Iterable[Counts]) -> Counts:
    total: Counts = np.sum(list(parts), axis=0)
    return total


def _numba_boxes(masks: Any, boxes: Any, cuts: tuple[int, int], threads: int) -> Counts:
    counts = np.empty(len(masks), np.int64)

    def part(rows: range) -> None:
        here = slice(rows.start, rows.stop)
        scan_boxes(masks[here], boxes[here], *cuts, counts[here])

    in_threads(part, len(masks), threads)
    return counts


def _numba_pairs(ones: Any, others: Any, cuts: tuple[int, int], threads: int) -> Counts:
    both = np.empty((len(ones), 2), np.int64)

    def part(rows: range) -> None:
        here = slice(rows.start, rows.stop)
        scan_pairs(ones[here], others[here], *cuts, both[here])

    in_threads(part, len(ones), threads)
    return both


def _numpy_pairs(ones: Any, others: Any, cuts: tuple[int, int], threads: int) -> Counts:
    both = np.empty((len(ones), 2), np.int64)
    start, width = np.uint8(cuts[0]), np.uint8(cuts[1] - 1 - cuts[0])

    def part(rows: range) -> None:
        room, inside = (np.empty(ones.shape[1:], dtype) for dtype in (np.uint8, np.bool_))
        for row in rows:
            for at, join in enumerate((np.minimum, np.maximum)):
                join(ones[row], others[row], out=room)
                np.subtract(room, start, out=room)
                np.less_equal(room, width, out=inside)
                both[row, at] = np.count_nonzero(inside)

    in_threads(part, len(ones), threads)
    return both
