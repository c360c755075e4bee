"""The engine against the oracle, with its collections on the real server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.ray import RayRuntime
from tests import differential
from tests.s3_server import S3Server


@pytest.mark.parametrize("seed", range(40_000, 40_006))
def test_any_query(s3_bucket: str, seed: int) -> None:
    asked = sum(1 for _ in differential.run(seed, folder=f"s3://{s3_bucket}"))
    assert asked == differential.QUERIES


@pytest.fixture(scope="module")
def ray_runtime(ray_instance: None) -> Iterator[RayRuntime]:
    runtime = RayRuntime()
    yield runtime
    runtime.close()


@pytest.mark.parametrize("seed", range(41_000, 41_003))
def test_any_query_on_ray(ray_runtime: RayRuntime, s3_bucket: str, seed: int) -> None:
    cases = differential.run(seed, runtime=ray_runtime, folder=f"s3://{s3_bucket}")
    assert sum(1 for _ in cases) == differential.QUERIES


N, SIDE = 400, 32
SQL = "SELECT mask_id, CP(mask, box(3, 2, 29, 30), (0.3, 0.61)) AS n FROM masks ORDER BY mask_id"


@pytest.mark.parametrize("where", ["local", "ray"])
def test_a_server_started_again_in_the_middle_of_queries(
    s3_server: S3Server, s3_bucket: str, where: str, request: pytest.FixtureRequest
) -> None:
    runtime = request.getfixturevalue("ray_runtime") if where == "ray" else "local"
    masks = np.random.default_rng(7).random((N, SIDE, SIDE), np.float32)
    inside = masks[:, 2:30, 3:29]
    want = ((inside >= np.float32(0.3)) & (inside < np.float32(0.61))).sum(axis=(1, 2)).tolist()
    url = f"s3://{s3_bucket}/masks"
    with ms.create(url) as collection:
        for start in range(0, N, 50):
            collection.append(masks[start : start + 50])
    answers = 0
    with ThreadPoolExecutor(1) as pool:
        back = pool.submit(s3_server.restart, down=1.0)
        while not back.done() or answers < 2:
            # Opened anew each time, so that nothing is remembered.
            with ms.open(url, runtime=runtime, cache_bytes=0) as collection:
                assert collection.sql(SQL, timeout=100).table["n"].to_pylist() == want
            answers += 1
        back.result()
