"""Workers die, or hang, while they answer; the moment is that of a request to the storage."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from masksearch_ray.errors import NotFoundError, QueryTimeoutError, StorageError
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.types import Runtime
from tests.faults.proxy import FaultProxy, Kind, Place, Strike, befall, places
from tests.faults.tally import Tally
from tests.faults.world import QUERIES, World, check
from tests.soak.fate import workers

Fresh = Callable[[], str]

STAGES = ("GET manifest", "GET index", "GET tiles")


def kill_all() -> list[str]:
    """Kill all workers, and say at which stages they were, as their titles tell."""
    stages = []
    for process in list(workers()):
        title = Path(f"/proc/{process}/cmdline").read_text()
        os.kill(process, signal.SIGKILL)
        found = re.match(r"ray::masksearch (\w+) on", title)
        stages.append(found[1] if found else "rest")
    return stages


def moments(met: Collection[Place]) -> list[tuple[Place, Kind]]:
    """Before the last request of each stage that there is, and after the first.

    Not every query reads tiles. The first manifest is read before there is work for workers.
    """
    found: list[tuple[Place, Kind]] = []
    for stage in STAGES:
        last = max((number for what, number in met if what == stage), default=0)
        if last:
            found.append(((stage, last), "call"))
        if last and stage != "GET manifest":
            found.append(((stage, 1), "call after"))
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", QUERIES)
def test_workers_killed_at_a_request(
    name: str,
    world: World,
    proxy: FaultProxy,
    actors: RayRuntime,
    fresh: Fresh,
    every: bool,
    tally: Tally,
) -> None:
    def run(collection: str) -> None:
        world.ask(collection, QUERIES[name], actors)

    found = moments(places(proxy, lambda: run(fresh())))
    assert {what for what, _ in dict(found)} >= {"GET manifest", "GET index"}
    for number, ((what, nth), kind) in enumerate(found):
        # Each query meets half of the moments; two of them meet all.
        if not every and (number + list(QUERIES).index(name)) % 2:
            continue
        killed: list[str] = []

        def act(killed: list[str] = killed) -> None:
            killed.extend(kill_all())

        befall(proxy, Strike(kind, nth, what=what, action=act), fresh, run)
        assert killed, (what, nth, kind)
        stage = " and ".join(sorted(set(killed)))
        tally.add(f"query: {name}", f"all workers killed at {what}, during {stage}", "exact")


@pytest.mark.timeout(600)
def test_workers_killed_between_queries(world: World, actors: RayRuntime, tally: Tally) -> None:
    with world.open("masks", actors) as opened:
        check(opened, QUERIES["filter"])
        for name, query in QUERIES.items():
            assert kill_all()
            check(opened, query)
            tally.add(f"query: {name}", "all workers killed before the query", "exact")


@pytest.fixture(params=["ray", "local"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    if request.param == "local":
        return LocalRuntime(2)
    found: RayRuntime = request.getfixturevalue("actors")
    return found


def test_the_time_limit_holds_while_the_storage_hangs(
    world: World, proxy: FaultProxy, runtime: Runtime, tally: Tally
) -> None:
    with world.open("masks", runtime) as opened:
        proxy.begin([Strike("silence before", times=None, what="GET (index|tiles)")])
        began = time.monotonic()
        with pytest.raises(QueryTimeoutError, match="time limit of 2 s passed"):
            check(opened, QUERIES["filter"], timeout=2)
        assert time.monotonic() - began < 30, "of which a busy machine may take most"
        assert proxy.struck
        tally.add("query: filter", "time limit while storage hangs", "error")
        proxy.begin()
    world.ask("masks", QUERIES["filter"], runtime)


def test_an_object_deleted_under_a_reader(
    world: World, proxy: FaultProxy, runtime: Runtime, fresh: Fresh, tally: Tally
) -> None:
    copy, client = fresh(), world.server.client()

    def delete() -> None:
        found = client.list_objects_v2(Bucket=world.bucket, Prefix=f"{copy}/segments/")
        for one in found["Contents"]:
            if one["Key"].endswith("tiles.bin"):
                client.delete_object(Bucket=world.bucket, Key=one["Key"])

    proxy.begin([Strike("call", what="GET tiles", action=delete)])
    with pytest.raises(NotFoundError, match="tiles") as caught:
        world.ask(copy, QUERIES["filter"], runtime)
    assert caught.value.object.startswith(world.url(copy))
    tally.add("query: filter", "object deleted under a reader", "error")


@pytest.mark.timeout(600)
def test_a_server_that_restarts_in_the_middle(
    world: World, proxy: FaultProxy, runtime: Runtime, tally: Tally
) -> None:
    for what in ("GET index", "GET tiles"):
        proxy.begin([Strike("call", what=what, action=world.server.restart)])
        world.ask("masks", QUERIES["filter"], runtime)
        assert proxy.struck
        tally.add("query: filter", "server restarted mid-query", "exact")


def test_credentials_that_expire_in_the_middle(
    world: World, proxy: FaultProxy, runtime: Runtime, tally: Tally
) -> None:
    for what in ("GET index", "GET tiles"):
        proxy.begin([Strike("expired", 1, None, what), Strike("expired", 1, None, "LIST .*")])
        with pytest.raises(StorageError) as caught:
            world.ask("masks", QUERIES["filter"], runtime)
        assert caught.value.object.startswith(world.url("masks"))
        assert world.server.secret not in str(caught.value)
        tally.add("query: filter", "credentials expired", "error")
    proxy.begin()
    world.ask("masks", QUERIES["filter"], runtime)
