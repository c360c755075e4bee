"""Writers that race, and writers that are killed: every commit lands once, or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection import list_versions
from tests.collection.helpers import content
from tests.faults.proxy import FaultProxy, Kind, Strike
from tests.faults.tally import Tally
from tests.faults.world import NEW, World, append, compact, ingest

Fresh = Callable[[], str]
WRITERS = 16


@pytest.mark.timeout(600)
def test_sixteen_writers_race_on_one_version(world: World, tally: Tally) -> None:
    url, options = world.url("race"), world.server.options()
    ms.create(url, storage_options=options).close()
    start = threading.Barrier(WRITERS)

    def write(writer: int) -> int:
        with ms.open(url, storage_options=options) as opened:
            start.wait(60)
            return opened.append(NEW[:2], {"writer": [writer, writer]}).version

    with ThreadPoolExecutor(WRITERS) as pool:
        versions = list(pool.map(write, range(WRITERS)))
    assert sorted(versions) == list(range(2, WRITERS + 2))
    storage = world.storage("race")
    assert [one.version for one in list_versions(storage)] == list(range(1, WRITERS + 2))
    found = content(storage)
    assert sorted(found) == list(range(2 * WRITERS))
    assert Counter(row["writer"] for row, *_ in found.values()) == dict.fromkeys(range(WRITERS), 2)
    tally.add("append", "16 writers on one version", "exact", WRITERS)


class Driver:
    """A process of its own that opens a collection through the proxy and does something to it."""

    def __init__(self, world: World, name: str, call: str) -> None:
        code = f"""
            import masksearch_ray as ms
            from pathlib import Path
            from tests.faults.world import CHANGES
            with ms.open({world.url(name)!r}, storage_options={world.options!r}) as opened:
                {call}
            """
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


# During what the process is killed, at which request, and whether the server still obeys it first.
MOMENTS = [
    ("ingest", "PUT tiles", "call"), ("ingest", "PUT index", "call after"),
    ("ingest", "PUT ingest", "call"), ("ingest", "PUT ingest", "call after"),
    ("ingest", "PUT manifest", "call"), ("ingest", "PUT manifest", "call after"),
    ("append", "PUT manifest", "call"), ("append", "PUT manifest", "call after"),
    ("compact", "PUT tiles", "call"), ("compact", "PUT index", "call after"),
    ("compact", "PUT manifest", "call"), ("compact", "PUT manifest", "call after"),
]  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "what", "when"), MOMENTS)
def test_a_writer_killed_in_the_middle(
    name: str,
    what: str,
    when: str,
    world: World,
    proxy: FaultProxy,
    fresh: Fresh,
    sources: Path,
    tally: Tally,
) -> None:
    change = {"ingest": ingest, "append": append, "compact": compact}[name]
    copy, undisturbed = fresh(), fresh()
    before = content(world.storage(copy))
    with ms.open(world.url(undisturbed), storage_options=world.server.options()) as opened:
        change(opened, sources)
    after = content(world.storage(undisturbed))
    driver: list[Driver] = []
    kind: Kind = "call" if when == "call" else "call after"
    nth = 2 if what == "PUT ingest" else 1  # the first is a heartbeat
    proxy.begin([Strike(kind, nth, what=what, action=lambda: driver[0].kill())])
    driver.append(Driver(world, copy, f"CHANGES[{name!r}].make(opened, Path({str(sources)!r}))"))
    assert driver[0].process.wait(300) == -signal.SIGKILL
    assert proxy.struck
    found = content(world.storage(copy))
    committed = (what, when) == ("PUT manifest", "call after")
    assert found == (after if committed or found != before else before)
    proxy.begin()
    if name != "append" or found == before:
        # The same ingest again adds what is missing, and nothing twice; compacting loses nothing.
        with ms.open(world.url(copy), storage_options=world.server.options()) as opened:
            change(opened, sources)
    assert content(world.storage(copy)) == after
    tally.add(name, f"process killed at {what}", "exact")


def test_what_was_appended_is_what_was_given(world: World, fresh: Fresh, sources: Path) -> None:
    copy = fresh()
    with ms.open(world.url(copy), storage_options=world.server.options()) as opened:
        append(opened, sources)
        newest = opened.sql("SELECT MAX(mask_id) AS m FROM masks").table["m"][0].as_py()
        for mask, given in zip(opened.masks(range(newest - 5, newest + 1)), NEW, strict=True):
            assert np.array_equal(mask, given)
