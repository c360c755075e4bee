"""Jobs as Ray tasks: bounded in flight, sent again where a worker died."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import ray
from ray.exceptions import RayError, RayTaskError

from masksearch_ray.errors import MaskSearchError, WorkerError
from masksearch_ray.model.logs import about, current_level, log_to_stderr
from masksearch_ray.model.tasks import Done, Job
from masksearch_ray.runtime.ray.errand import Lost
from masksearch_ray.runtime.ray.faults import is_memory, reason_of, worker_error
from masksearch_ray.runtime.ray.names import task_name

__all__ = ["RayTasks"]

R = TypeVar("R")

_log = logging.getLogger("masksearch_ray.runtime")

_ATTEMPTS = 4
_TICK = 0.5  # seconds between looks at whether Ray is still there
_LOOK = 2.0  # seconds between looks at the cluster's size
# Jobs in flight for each CPU: one runs, one waits for it, and shows an autoscaler that more could.
_AHEAD = 2
_FEWEST = 4
_STANDSTILL = 5.0  # seconds without a job that runs, after which CPUs are asked back
_PATIENCE = 600.0  # seconds that a cluster may leave jobs without any CPU; it may have to grow


@dataclass(eq=False)
class _Sent:
    job: Job[Any]
    memory: int
    attempt: int = 1
    running: bool = False
    alone: bool = False  # it ran out of memory elsewhere: nothing else is to run beside it


class RayTasks:
    """Does jobs on whatever nodes the cluster has, or gets meanwhile.

    Parameters
    ----------
    valid : callable
        Whether Ray still is what it was.
    relieve : callable
        Gives back CPUs that are held and not used.
    """

    remote = True

    def __init__(self, valid: Callable[[], bool], relieve: Callable[[], None]) -> None:
        self._valid = valid
        self._relieve = relieve
        self._looked = self._moved = self._relieved = 0.0
        self._cpus = 0
        self._most_memory = 0

    def run(self, jobs: Iterable[Job[R]]) -> Iterator[Done[R]]:
        """Do jobs; yield what comes of them as it comes."""
        rest = iter(jobs)
        flying: dict[Any, _Sent] = {}
        waiting: list[_Sent] = []
        self._moved = time.monotonic()
        try:
            while True:
                self._fill(flying, waiting, rest)
                if not flying:
                    return
                ready, _ = ray.wait(list(flying), timeout=_TICK)
                for ref in ready:
                    sent = flying.pop(ref)
                    reply = self._take(ref, sent)
                    if reply is None:
                        sent.running = True
                        flying[ref] = sent
                    elif isinstance(reply, _Sent):
                        waiting.append(reply)
                    else:
                        yield reply
                        self._moved = time.monotonic()  # the reader may have paused for long
                self._watch(flying.values())
        finally:
            if self._valid():
                for ref in flying:
                    ray.cancel(ref)

    def _fill(
        self, flying: dict[Any, _Sent], waiting: list[_Sent], rest: Iterator[Job[Any]]
    ) -> None:
        """Send what may be sent: again what was lost, then the rest.

        What ran out of memory is sent when nothing else is in flight, and nothing else beside it.
        """
        room = self._room()
        while not any(sent.alone for sent in flying.values()):
            waiting.sort(key=lambda sent: sent.alone)
            if waiting and not (waiting[0].alone and flying):
                sent = waiting.pop(0)
            elif not waiting and len(flying) < room and (job := next(rest, None)) is not None:
                sent = _Sent(job, job.memory)
            else:
                return
            flying[self._send(sent)] = sent

    def _send(self, sent: _Sent) -> Any:
        # Sent again by us and not by Ray, which would send for ever what takes too much memory.
        options = {"num_cpus": 1, "max_retries": 0, "scheduling_strategy": "SPREAD"}
        memory = min(sent.memory, self._most_memory) if self._most_memory else sent.memory
        return _do.options(name=task_name(sent.job.label), memory=memory, **options).remote(
            sent.job, current_level()
        )

    def _take(self, ref: Any, sent: _Sent) -> Any:
        """Give the answer of a task, or the task to be sent again; None: it runs now."""
        try:
            reply = ray.get(next(ref))
        except RayError as error:
            if isinstance(error, RayTaskError) and not is_memory(error):
                raise worker_error(error, sent.job.label) from None
            return self._again(sent, reason_of(error), is_memory(error), error)
        if isinstance(reply, MaskSearchError):
            raise reply
        if isinstance(reply, Lost):
            return self._again(sent, reply.reason, reply.memory)
        return reply

    def _again(self, sent: _Sent, why: str, memory: bool, error: RayError | None = None) -> _Sent:
        """Have a job done by another worker; give up where it costs one after another."""
        label = sent.job.label
        if sent.attempt == _ATTEMPTS:
            if error is not None and not memory:
                raise worker_error(error, label) from None
            found = WorkerError(
                f"{label}: its worker {why}, {_ATTEMPTS} times over; give workers more memory"
            )
            if error is not None:
                found.add_note(str(error))
            raise found from None
        _log.warning("%s is done again: its worker %s", label, why)
        more = 2 if memory else 1
        alone = sent.alone or memory
        return _Sent(sent.job, more * sent.memory, sent.attempt + 1, alone=alone)

    def _room(self) -> int:
        """Jobs that may be in flight."""
        if not self._valid():
            raise WorkerError("Ray was shut down while jobs were running")
        now = time.monotonic()
        if now - self._looked > _LOOK:
            self._looked = now
            nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
            there = [node["Resources"] for node in nodes if node["Alive"]]
            self._cpus = int(sum(node.get("CPU", 0) for node in there))
            # Half, for workers that hold shards may have theirs for good; a job that asked for
            # more than any node has would wait for ever.
            most = max((node.get("memory", 0) for node in there if node.get("CPU", 0)), default=0)
            self._most_memory = int(most / 2)
        return max(_FEWEST, _AHEAD * self._cpus)

    def _watch(self, flying: Collection[_Sent]) -> None:
        """Do something about jobs of which none gets a CPU."""
        now = time.monotonic()
        if not flying or any(sent.running for sent in flying):
            self._moved = now
            return
        stood = now - self._moved
        if stood > _PATIENCE:
            raise WorkerError(
                f"no job got a CPU within {_PATIENCE:.0f} s: {len(flying)} wait, and the cluster "
                f"has {self._cpus} CPUs; end what holds them, or give it more nodes"
            )
        if stood > _STANDSTILL and now - self._relieved > _STANDSTILL:
            _log.info("%d jobs are waiting for a free CPU", len(flying))
            self._relieve()
            self._relieved = time.monotonic()


# Two answers, the first of which says that it has a CPU; Ray does not tell that otherwise.
@ray.remote(num_returns="streaming")
def _do(job: Job[Any], log_level: str) -> Iterator[Done[Any] | MaskSearchError | Lost | None]:
    yield None
    yield _done(job, log_level)


def _done(job: Job[Any], log_level: str) -> Done[Any] | MaskSearchError | Lost:
    log_to_stderr(log_level)
    pa.set_cpu_count(1)  # other jobs use the other cores
    try:
        with about(job.label):
            value = job.run()
    except MaskSearchError as error:
        return error
    except MemoryError:
        return Lost("ran out of memory", memory=True)
    context = ray.get_runtime_context()
    return Done(value, context.get_node_id(), context.get_worker_id())
