"""Measure what Ray costs a query and what a second worker gains: python scripts/measure_workers.py.

Prints, for threads and for one and two workers of a private Ray instance, the median seconds of a
query that reads and decodes every pixel, and of one that the index decides.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.types import Runtime

MASKS, SIDE, SEGMENTS, TIMES = 8000, 224, 8, 5
SCAN = "SELECT COUNT(*) AS n FROM masks WHERE CP(mask, full_image, (0.33, 0.77)) > 20000"
DECIDED = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.0, 1.0)) < 0"


def seconds(ask: Callable[[], object]) -> float:
    """Median of several runs, after one that loads what is kept."""
    ask()
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def make(url: str, masks: int) -> None:
    """Make a collection of smooth random masks."""
    rng = np.random.default_rng(0)
    with ms.create(url) as col:
        for _ in range(SEGMENTS):
            coarse = rng.random((masks // SEGMENTS, 14, 14), dtype=np.float32)
            col.append((coarse.repeat(SIDE // 14, 1).repeat(SIDE // 14, 2) * 255).astype(np.uint8))


def main(masks: int = MASKS) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"{folder}/masks"
        make(url, masks)
        runtimes: dict[str, Runtime] = {
            "1 thread": LocalRuntime(1),
            "1 worker": RayRuntime("local", workers=1),
            "2 workers": RayRuntime("local", workers=2),
        }
        print(f"{masks} masks of {SIDE} x {SIDE}; median of {TIMES} runs\n")
        print("| runtime | all pixels read, s | decided by the index, ms |\n|---|---|---|")
        for name, runtime in runtimes.items():
            with ms.open(url, runtime, pixel_bytes=0) as col:
                scan = seconds(lambda col=col: col.sql(SCAN, use_index=False).table)  # type: ignore[misc]
                decided = seconds(lambda col=col: col.sql(DECIDED).table)  # type: ignore[misc]
            runtime.close()
            print(f"| {name} | {scan:.2f} | {1000 * decided:.1f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
