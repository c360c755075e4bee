"""Many writers of one collection on the real server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import masksearch_ray as ms
from tests.s3_server import S3Server

WRITERS = 16


def test_all_commits_of_writers_that_race_land(s3_server: S3Server, s3_bucket: str) -> None:
    url, options = f"s3://{s3_bucket}/masks", s3_server.options()
    ms.create(url, storage_options=options).close()
    start = threading.Barrier(WRITERS)

    def write(number: int) -> None:
        with ms.open(url, storage_options=options) as collection:
            masks = np.full((2, 4, 4), number / WRITERS, np.float32)
            ids = [2 * number, 2 * number + 1]
            start.wait(60)
            collection.append(masks, {"mask_id": ids})

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    with ms.open(url, storage_options=options, cache_bytes=0) as collection:
        found = collection.sql("SELECT mask_id, CP(mask, full_image, (0.5, 1.0)) AS n FROM masks")
        table = found.table.sort_by("mask_id")
        assert table["mask_id"].to_pylist() == list(range(2 * WRITERS))
        assert table["n"].to_pylist() == [
            16 if m // 2 >= WRITERS / 2 else 0 for m in range(2 * WRITERS)
        ]
        assert collection.version == 1 + WRITERS
