"""What reaches the server damaged is refused there, and sent again."""

from __future__ import annotations

import pytest

from masksearch_ray.storage import Storage, open_storage
from tests.faults.proxy import FaultProxy, Strike
from tests.faults.world import World

DATA = b"hello world, this is it" * 10


@pytest.fixture
def storage(world: World) -> Storage:
    return open_storage(world.url("uploads"), world.options)


@pytest.mark.parametrize("times", [1, 2])
def test_a_damaged_write_is_sent_again(storage: Storage, proxy: FaultProxy, times: int) -> None:
    proxy.begin([Strike("flip", 1, times, what="PUT a")])
    storage.put(f"{times}/a", DATA)
    assert storage.get(f"{times}/a") == DATA
    proxy.begin([Strike("flip", 1, times, what="PUT b")])
    storage.put_if_absent(f"{times}/b", DATA)
    assert storage.get(f"{times}/b") == DATA
    assert len(proxy.struck) == times
