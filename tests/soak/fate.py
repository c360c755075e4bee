"""What befalls workers and requests."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.proxy import KINDS, READ_KINDS, Kind, Request, Strike

__all__ = ["chance_of", "kill_a_worker", "workers"]


# A node dies with its agents, which are no workers.
SPARED = (b"ray::IDLE", b"ray::DashboardAgent", b"ray::RuntimeEnvAgent")


def kill_a_worker(rng: random.Random) -> int:
    """Kill one of the actors that descend from this process; how many were killed."""
    living = sorted(workers())
    if not living:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(rng.choice(living), signal.SIGKILL)
        return 1
    return 0


def workers() -> Iterator[int]:
    """Ids of the processes below this one in which an actor of Ray lives."""
    parents, titles = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(stat[1])
                titles[int(folder.name)] = (folder / "cmdline").read_bytes()
    for process, title in titles.items():
        if title.startswith(b"ray::") and not title.startswith(SPARED):
            above = process
            while above in parents and above != os.getpid():
                above = parents[above]
            if above == os.getpid():
                yield process


def chance_of(seed: int, share: float) -> Callable[[Request], Strike | None]:
    """Strike a share of all requests, once each, in any way that passes."""
    rng, lock = random.Random(f"{seed}-storage"), threading.Lock()

    def chance(request: Request) -> Strike | None:
        with lock:
            kind: Kind = rng.choice(KINDS)
            struck = rng.random() < share
        if kind.startswith("silence") and request.number % 8:
            kind = "reset before"  # silence takes long
        if request.listing and kind in ("short", "flip"):
            kind = "cut"  # only its framing protects a listing
        if kind in READ_KINDS and request.method not in ("GET", "PUT"):
            kind = "500"
        return Strike(kind) if struck else None

    return chance
