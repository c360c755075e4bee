"""Workers die, or hang, while they answer; the moment is that of a request to the storage."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

import masksearch_ray as ms
from masksearch_ray.errors import NotFoundError, QueryTimeoutError, StorageError
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.types import Runtime
from tests.faults.proxy import FaultProxy, Kind, Strike
from tests.faults.tally import Tally
from tests.faults.world import QUERIES, World
from tests.oracle.render import render
from tests.soak.fate import workers

Fresh = Callable[[], str]

# During which stage, and the request at which all workers are killed: the first of its kind is the
# stage's begin, the last its end.
MOMENTS = [
    ("opening", "GET manifest", 2),
    ("filter", "GET index", 1),
    ("filter", "GET index", 4),
    ("verify", "GET tiles", 1),
    ("verify", "GET tiles", 4),
]


def kill_all() -> None:
    for process in workers():
        os.kill(process, signal.SIGKILL)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize(("stage", "what", "nth"), MOMENTS)
@pytest.mark.parametrize("when", ["call", "call after"])
def test_workers_killed_at_a_request(
    name: str,
    stage: str,
    what: str,
    nth: int,
    when: str,
    world: World,
    proxy: FaultProxy,
    actors: RayRuntime,
    every: bool,
    tally: Tally,
) -> None:
    # Each query meets some of the moments; together they meet all.
    chosen = (list(QUERIES).index(name) + nth + len(when)) % 4 == 0
    if not (chosen or every):
        return
    kind: Kind = "call" if when == "call" else "call after"
    proxy.begin([Strike(kind, nth, what=what, action=kill_all)])
    world.ask("masks", QUERIES[name], actors)
    if proxy.struck:
        tally.add(f"query: {name}", f"all workers killed during {stage}", "exact")


def test_workers_killed_between_queries(world: World, actors: RayRuntime, tally: Tally) -> None:
    with ms.open(
        world.url("masks"), actors, storage_options=world.options, cache_bytes=0
    ) as opened:
        wanted = opened.sql(render(QUERIES["filter"])).table
        for name, query in QUERIES.items():
            kill_all()
            assert opened.sql(render(query), timeout=90).table.num_rows
            tally.add(f"query: {name}", "all workers killed before the query", "exact")
        assert opened.sql(render(QUERIES["filter"])).table.equals(wanted)


@pytest.fixture(params=["ray", "local"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    if request.param == "local":
        return LocalRuntime(2)
    found: RayRuntime = request.getfixturevalue("actors")
    return found


def test_the_time_limit_holds_while_the_storage_hangs(
    world: World, proxy: FaultProxy, runtime: Runtime, tally: Tally
) -> None:
    with ms.open(
        world.url("masks"), runtime, storage_options=world.options, cache_bytes=0
    ) as opened:
        proxy.begin([Strike("silence before", times=None, what="GET (index|tiles)")])
        began = time.monotonic()
        with pytest.raises(QueryTimeoutError, match="time limit of 2 s passed"):
            assert opened.sql(render(QUERIES["filter"]), timeout=2).table is None
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
