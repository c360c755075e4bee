"""What is read once: all wait for the same, failures are not kept, and nothing blocks for long."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from masksearch_ray.errors import MaskSearchError, QueryTimeoutError
from masksearch_ray.web.once import Once
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.site import Site
from tests.web.small import MASKS, small


def test_all_wait_for_the_same() -> None:
    go_on, reads = threading.Event(), []

    def read() -> object:
        reads.append(1)
        go_on.wait(30)
        return object()

    once = Once(read)

    async def ask() -> set[object]:
        waiting = [asyncio.ensure_future(once.wait()) for _ in range(50)]
        gives_up = asyncio.ensure_future(once.wait())
        await asyncio.sleep(0.01)
        gives_up.cancel()
        # No thread waits for them: more than there are pages' threads may.
        assert threading.active_count() < 40
        go_on.set()
        return set(await asyncio.gather(*waiting))

    (found,) = asyncio.run(ask())
    assert once.get() is found and reads == [1]


def test_a_failure_is_told_and_tried_again() -> None:
    answers: list[object] = [MaskSearchError("not now"), "found"]

    def read() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    once = Once(read)
    with pytest.raises(MaskSearchError, match="not now"):
        asyncio.run(once.wait())
    assert once.get() == once.get() == "found"


def test_the_histogram_ends_as_queries_do(tmp_path: Path) -> None:
    small(tmp_path).close()
    url = str(tmp_path / "small")
    hasty = Site(ServeOptions(url, seconds=1e-9))
    for once in (hasty.histogram, hasty.facts):
        with pytest.raises(QueryTimeoutError):
            once.get()
    began = time.perf_counter()
    hasty.warm_up()
    assert time.perf_counter() - began < 30
    hasty.close()
    site = Site(ServeOptions(url))
    assert sum(site.histogram.get().counts) == MASKS.size
    assert site.facts.get()["model_id"].values == (1, 2)
    site.close()
