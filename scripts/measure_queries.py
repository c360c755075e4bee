"""Measure the same queries on a collection on S3 and in a folder, as a table in Markdown.

    eval "$(scripts/s3-server start)"; .venv/bin/python scripts/measure_queries.py

Cold: the collection is opened anew, and nothing of it is in memory or on disk. Disk cache: the
process is new to it, but another one read it before. Warm: the session asked the query before.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import uuid

import numpy as np

import masksearch_ray as ms

MASKS, SIDE, APPENDS, ROUNDS = 2000, 112, 4, 5
QUERIES = {
    "filter": "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.6, 1.0)) > 5500",
    "top 25": "SELECT mask_id FROM masks ORDER BY CP(mask, box(20, 20, 90, 90), (0.8, 1.0)) "
    "DESC LIMIT 25",
    "mean": "SELECT AVG(CP(mask, full_image, (0.25, 0.75))) AS n FROM masks",
}


def make(url: str) -> None:
    """Write masks whose values lean to one side, each to its own degree."""
    chance = np.random.default_rng(0)
    with ms.create(url) as collection:
        for _ in range(APPENDS):
            lean = chance.uniform(0.3, 3.0, (MASKS // APPENDS, 1, 1))
            masks = chance.random((MASKS // APPENDS, SIDE, SIDE)) ** lean
            collection.append(masks.astype(np.float32))


def seconds(collection: ms.Collection, text: str) -> float:
    """Time of one query, its table included."""
    began = time.perf_counter()
    _ = collection.sql(text).table
    return time.perf_counter() - began


def cold(url: str, text: str, **how: object) -> float:
    """Time to open a collection and ask."""
    began = time.perf_counter()
    with ms.open(url, **how) as collection:  # type: ignore[arg-type]
        seconds(collection, text)
        return time.perf_counter() - began


def warm(url: str, text: str) -> float:
    """Time to ask again."""
    with ms.open(url) as collection:
        seconds(collection, text)
        return seconds(collection, text)


def main() -> int:
    """Print the table."""
    if "AWS_ENDPOINT_URL_S3" not in os.environ:
        print('no server: eval "$(scripts/s3-server start)" first', file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        local = f"{folder}/masks"
        far = f"s3://{os.environ['MASKSEARCH_S3_BUCKET']}/{uuid.uuid4().hex}"
        for url in (local, far):
            make(url)
        print("| query | S3 cold | S3, disk cache | S3 warm | folder, opened anew | folder warm |")
        print("|---|---|---|---|---|---|")
        for name, text in QUERIES.items():
            rows = [
                (
                    cold(far, text, cache_bytes=0),
                    cold(far, text),
                    warm(far, text),
                    cold(local, text),
                    warm(local, text),
                )
                for _ in range(ROUNDS + 1)
            ]
            medians = [statistics.median(column) for column in zip(*rows[1:], strict=True)]
            print(f"| {name} | " + " | ".join(f"{1e3 * m:.0f} ms" for m in medians) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
