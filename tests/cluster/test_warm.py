"""Workers that outlive their process: found again, shared, and gone when nobody uses them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import ray
from ray.util import list_named_actors

from masksearch_ray.errors import InputError
from masksearch_ray.runtime.ray import RayRuntime
from tests.cluster.nodes import Nodes, wait_until
from tests.conformance.pools import Opened, source_of
from tests.conformance.runtime import COUNT, N, above

SOME = f"SELECT mask_id FROM masks WHERE {COUNT} > 22"
ASK = """
    import json, sys
    from masksearch_ray.runtime.ray import RayRuntime
    from tests.conformance.pools import Opened
    from tests.conformance.runtime import COUNT, above
    address, url, keep = sys.argv[1:]
    runtime = RayRuntime(address, workers=2, keep_alive=float(keep))
    opened = Opened(runtime, url)
    before = {r.pid: r.bytes_read for r in runtime.reports() if r.shards}
    found = opened.ask("SELECT mask_id FROM masks WHERE " + COUNT + " > 22")
    assert found["mask_id"].to_pylist() == above(22)
    reports = runtime.reports()
    print(json.dumps([[r.pid, r.bytes_read, len(r.shards)] for r in reports]))
    opened.pool.close()
    runtime.close()
    """


@pytest.fixture(autouse=True)
def no_workers(nodes: Nodes) -> Iterator[None]:
    yield
    for actor in list_named_actors(all_namespaces=True):
        ray.kill(ray.get_actor(actor["name"], actor["namespace"]))


def ask(nodes: Nodes, url: str, keep_alive: float) -> list[Any]:
    """Ask by a process of its own; gives pid, bytes read and shards of each worker."""
    ended = finish(begin(nodes, url, keep_alive))
    found: list[Any] = json.loads(ended)
    return found


def begin(nodes: Nodes, url: str, keep_alive: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(ASK), nodes.address, url, str(keep_alive)]
    return subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    return out


def test_the_next_process_finds_them_with_what_they_hold(nodes: Nodes, url: str) -> None:
    first = ask(nodes, url, 300)
    assert len(first) == 2
    assert all(read > 0 and shards == 1 for _, read, shards in first)
    # The same processes answer, and read nothing again.
    assert sorted(ask(nodes, url, 300)) == sorted(first)


def test_two_clients_share_them(nodes: Nodes, url: str) -> None:
    both = [begin(nodes, url, 300) for _ in range(2)]
    answers = [json.loads(finish(process)) for process in both]
    pids = [{pid for pid, _, _ in answer} for answer in answers]
    assert pids[0] == pids[1] and len(pids[0]) == 2


def test_they_end_when_nobody_uses_them(nodes: Nodes, url: str) -> None:
    pids = {pid for pid, _, _ in ask(nodes, url, 10)}
    assert list_named_actors(all_namespaces=True)
    wait_until(lambda: not list_named_actors(all_namespaces=True), "the workers to end")
    cpus: dict[str, float] = {}

    def free() -> bool:
        cpus.update(ray.available_resources())  # type: ignore[no-untyped-call]
        return cpus.get("CPU") == 3

    wait_until(free, "their CPUs to be free")
    # Whoever asks next gets others.
    assert not pids & {pid for pid, _, _ in ask(nodes, url, 10)}


def test_a_session_that_waits_longer_gets_others(nodes: Nodes, url: str) -> None:
    runtime = RayRuntime(nodes.address, workers=2, keep_alive=2)
    with Opened(runtime, url) as opened:
        assert opened.ask(SOME)["mask_id"].to_pylist() == above(22)
        wait_until(lambda: not list_named_actors(all_namespaces=True), "the workers to end")
        assert opened.ask(SOME)["mask_id"].to_pylist() == above(22)
        assert opened.ask("SELECT mask_id FROM masks").num_rows == N
    runtime.close()


def test_a_private_instance_ends_with_its_process(url: str) -> None:
    code = f"""
        from masksearch_ray.runtime.ray import RayRuntime
        from tests.conformance.pools import source_of
        RayRuntime("local", keep_alive=60).pool(source_of({url!r}))
        """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert "InputError: keep_alive: workers outlive this process on a cluster only" in ended.stderr


def test_another_address_than_that_of_this_process(nodes: Nodes, url: str) -> None:
    elsewhere = RayRuntime("127.0.0.1:1")
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1: this process is connected to Ray at "):
        elsewhere.pool(source_of(url))
