"""Memory runs out, really, and nodes are killed, on Rays of their own."""

from __future__ import annotations

import pytest

from tests.faults.apart import try_apart
from tests.faults.tally import Tally
from tests.faults.world import World

pytestmark = pytest.mark.timeout(1000)


def test_workers_killed_by_the_memory_monitor(world: World, tally: Tally) -> None:
    try_apart("memory", world, tally)


def test_raylets_killed_while_their_workers_read(world: World, tally: Tally) -> None:
    try_apart("node", world, tally)
