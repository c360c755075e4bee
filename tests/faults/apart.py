"""What needs a Ray of its own kind: asked in a process of its own, beside the lane's.

    python -m tests.faults.apart memory|node < WORLD

Prints what was tried, as `Tally.record` gives it; fails with a traceback.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ray

from masksearch_ray.errors import QueryTimeoutError, WorkerError
from masksearch_ray.runtime.ray import RayRuntime
from tests.cluster.nodes import Nodes
from tests.conformance.tasks import begun
from tests.faults.hunger import SETTINGS, Hungry, eat, limited, wrapped
from tests.faults.proxy import FaultProxy, Strike, befall
from tests.faults.tally import Tally
from tests.faults.world import QUERIES, World, check
from tests.s3_server import S3Server

__all__ = ["try_apart"]

KILLED = r"Ray killed (\d+) worker\(s\) based on"  # what raylets write of the memory monitor
_LONGEST = 900.0  # seconds that all of one kind may take
_RECOVERY = 240.0  # seconds of a query whose workers have to be started anew
_SHORT = 10.0  # seconds of a query while there is no memory


def try_apart(kind: str, world: World, tally: Tally) -> None:
    """Try all of one kind, and count it."""
    told = {"environment": dict(world.server.environment), "bucket": world.bucket}
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        hungry = kind == "memory"
        more = {"RAY_TMPDIR": folder, "TMPDIR": folder, **(SETTINGS if hungry else {})}
        command = [sys.executable, "-m", "tests.faults.apart", kind]
        done = subprocess.run(
            wrapped(command) if hungry else command,
            input=json.dumps(told),
            env=os.environ | more,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=_LONGEST,
        )
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert records
    for record in records:
        tally.add(**record)


# -- memory ------------------------------------------------------------------------------------


def memory(world: World, tally: Tally) -> None:
    """Have Ray's memory monitor kill workers while they answer, and while they do a job."""
    with limited():
        starved(world, RayRuntime(workers=2), tally)


def starved(world: World, runtime: RayRuntime, tally: Tally) -> None:
    """What befalls queries and jobs that eat, or whose neighbour does."""
    with world.open("masks", runtime) as opened:
        check(opened, QUERIES["filter"])
        for name in ("top-k", "groups"):
            before, killed = pids(runtime), kills()
            actor = runtime._started()._members[0].actor
            ray.get(actor.__ray_call__.remote(eat_at_work))
            check(opened, QUERIES[name], _RECOVERY)
            assert kills() > killed, "the memory monitor killed nobody"
            assert pids(runtime) != before
            tally.add(f"query: {name}", "a worker killed by Ray's memory monitor", "exact")
        tally.add("query: filter", "memory short on the whole node", short(opened))
        check(opened, QUERIES["filter"], _RECOVERY)  # as soon as there is memory again
    with tempfile.TemporaryDirectory() as folder:
        marks = f"{folder}/marks"
        jobs = [Hungry(number, marks=marks if number == 2 else "") for number in range(4)]
        killed = kills()
        assert sorted(done.value for done in runtime.tasks().run(jobs)) == [0, 1, 4, 9]
        assert begun(marks) == 2 and kills() > killed
    tally.add("job", "a worker killed by Ray's memory monitor", "exact")
    runtime.close()


def short(opened: Any) -> str:
    """Ask while another process takes more than there is; how that ends."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.faults.hunger"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as neighbour:
        try:
            assert neighbour.stdout is not None and neighbour.stdout.readline()
            check(opened, QUERIES["filter"], _SHORT)
            return "exact"
        except (WorkerError, QueryTimeoutError) as error:
            told = str(error)
            assert "shard " in told or "time limit" in told, told
            print(f"memory short on the whole node: {told}", file=sys.stderr)
            return "error"
        finally:
            neighbour.kill()
            assert time.monotonic() - began < _RECOVERY


def pids(runtime: RayRuntime) -> set[int]:
    """Processes of the workers."""
    return {report.pid for report in runtime.reports()}


def kills() -> int:
    """How many workers Ray says that it killed for want of memory."""
    node: Any = ray._private.worker._global_node
    logs = Path(node.get_logs_dir_path())
    told = [text for log in logs.glob("raylet.*") for text in re.findall(KILLED, log.read_text())]
    return sum(map(int, told))


def eat_at_work(actor: object) -> None:
    """Have a worker eat memory when it has found something, until it is killed."""
    from masksearch_ray.runtime.worker import Worker

    run = Worker.run

    def hungry(*args: Any, **more: Any) -> Iterator[Any]:
        found = list(run(*args, **more))
        eat()
        yield from found

    Worker.run = hungry  # type: ignore[method-assign]


# -- nodes -------------------------------------------------------------------------------------


def node(world: World, tally: Tally) -> None:
    """Kill the raylet of a node whose worker reads from the server."""
    nodes, proxy = Nodes(3), FaultProxy(world.server.endpoint)
    world = World(world.server, world.bucket, proxy.url)
    runtime = RayRuntime(nodes.address, workers=2)
    numbers = itertools.count(1)

    def run(name: str) -> Callable[[str], None]:
        return lambda copy: world.ask(copy, QUERIES[name], runtime)

    run("filter")("masks")
    for what, name in (("GET index", "groups"), ("GET tiles", "filter")):
        victim = runtime.reports()[0].node
        strike = Strike("call", what=what, action=partial(nodes.kill, victim))
        befall(proxy, strike, lambda: world.copy("masks", f"node-{next(numbers)}"), run(name))
        assert victim not in nodes._nodes
        tally.add(f"query: {name}", f"raylet killed at {what}", "exact")
        nodes.add()
    runtime.close()
    nodes.close()
    proxy.close()


KINDS: Mapping[str, Callable[[World, Tally], None]] = {"memory": memory, "node": node}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep standard output for the records: Ray writes there, too."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)


def main() -> None:
    """Try what the command line names."""
    told = json.load(sys.stdin)
    server = S3Server(told["environment"])
    tally = Tally()
    with _quiet():
        KINDS[sys.argv[1]](World(server, told["bucket"], server.endpoint), tally)
    print(json.dumps(tally.record()))


if __name__ == "__main__":
    main()
