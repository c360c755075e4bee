"""What the coordinator keeps in mind of shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from masksearch_ray.execute.partials import Finished, Partial
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.types import ShardTask
from tests.conformance.pools import Opened


class Restarted:
    """A pool of which one shard's first stage was lost once, and counts what is to be forgotten."""

    def __init__(self, pool: Any, restarts: int) -> None:
        self._pool, self._restarts = pool, restarts
        self.forgotten = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def send(
        self, tasks: Mapping[int, ShardTask], control: QueryControl
    ) -> Iterator[tuple[int, Partial]]:
        for shard, part in self._pool.send(tasks, control):
            if isinstance(part, Finished) and shard == 0:
                part = Finished(replace(part.stats, restarts=self._restarts))
                self._restarts = 0
            yield shard, part

    def forget(self, query_id: str) -> None:
        self.forgotten += 1
        self._pool.forget(query_id)


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("key", ["mask_id", "CP(mask, full_image, (0.31, 0.77)) DESC"])
def test_a_worker_that_was_given_up_is_told_to_forget(url: str, key: str, restarts: int) -> None:
    with Opened(LocalRuntime(threads=3), url) as opened:
        pool = Restarted(opened.pool, restarts)
        coordinator = opened.coordinator(f"SELECT mask_id FROM masks ORDER BY {key} LIMIT 3")
        coordinator.pool = pool
        assert coordinator.assemble(list(coordinator.run())).num_rows == 3
    assert pool.forgotten == restarts
