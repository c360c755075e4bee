"""The local runtime: shards on threads of this process."""

from __future__ import annotations

import os
import platform
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Thread

from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.errors import QueryCancelledError
from masksearch_ray.execute.contest import Guide
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Offered, Partial, Top
from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.control import Pause, QueryControl, Watch
from masksearch_ray.runtime.reading import open_reader
from masksearch_ray.runtime.shards import cut
from masksearch_ray.runtime.tasks import LocalTasks
from masksearch_ray.runtime.turnstile import Turnstile, in_turns
from masksearch_ray.runtime.types import CollectionSource, ShardTask
from masksearch_ray.runtime.worker import Place, Worker

__all__ = ["LocalPool", "LocalRuntime"]

_PATIENCE = 0.02  # seconds that a stage runs in the caller's thread before others help


class LocalPool:
    """Workers in this process that share one reader.

    Parameters
    ----------
    reader : CollectionReader
    shards : sequence of sequence of int
        Segments of each shard.
    turnstile : Turnstile, optional
        Through which all stages go that share this process's cores.
    """

    def __init__(
        self,
        reader: CollectionReader,
        shards: Sequence[Sequence[int]],
        turnstile: Turnstile | None = None,
        images_apart: bool = False,
    ) -> None:
        self.reader = reader
        self.images_apart = images_apart
        node, count = platform.node(), len(shards)
        self.workers = [
            Worker(reader, segments, Place(f"thread {n}", node, f"shard {n} of {count}"))
            for n, segments in enumerate(shards, 1)
        ]
        self._turnstile = turnstile or Turnstile(os.cpu_count() or 1)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return len(self.workers)

    def send(
        self, tasks: Mapping[int, ShardTask], control: QueryControl
    ) -> Iterator[tuple[int, Partial]]:
        """Run a stage on shards, in the caller's thread as long as they are quick.

        Short work takes longest in several threads: they wait for each other at every step.
        """
        found, stop = _Found(), _StageWatch(control)
        waiting = deque(_Run(self, shard, task) for shard, task in tasks.items())
        threads = list[Thread]()

        def help_out() -> None:
            while waiting:
                run = waiting.popleft()
                threads.append(Thread(target=run.hand_over, args=(watch, found), daemon=True))
                threads[-1].start()

        watch = _Patient(stop, found, help_out)
        try:
            while waiting:
                run = waiting.popleft()
                with watch.working():
                    part = run.next(watch)
                if part is None:
                    continue
                # What is told on the way may spare another shard some work: it is that one's turn.
                if isinstance(part, Offered) and isinstance(run.task.stage, Top):
                    waiting.append(run)
                else:
                    waiting.appendleft(run)
                yield run.shard, part
                yield from found.ready()
            while found.ended < len(threads):
                yield from found.next()
        finally:
            stop.halt()
            for run in waiting:
                run.close()
            while any(thread.is_alive() for thread in threads):
                found.drop()
                threads = [t for t in threads if t.is_alive()]
                for thread in threads:
                    thread.join(0.01)

    def parts_of(self, shard: int, task: ShardTask, control: Watch) -> Iterator[Partial]:
        """Partials of a stage on a shard, worked out as they are read."""
        turn = self._turnstile.turn(task.query_id)
        parts = in_turns(partial(self.workers[shard].run, task), control, turn)
        return (part for part in parts if not isinstance(part, Pause))

    def raise_threshold(self, query_id: str, threshold: Threshold, shards: Collection[int]) -> None:
        """Shards share the coordinator's control; there is nothing to send."""

    def forget(self, query_id: str) -> None:
        """Let shards drop the state of a query."""
        for worker in self.workers:
            worker.forget(query_id)

    def close(self) -> None:
        """Nothing outlives a stage."""


class _Run:
    """A stage on a shard, begun when it is first worked at, by whatever thread."""

    def __init__(self, pool: LocalPool, shard: int, task: ShardTask) -> None:
        self.shard = shard
        self.task = task
        self._pool = pool
        self._parts: Iterator[Partial] | None = None

    def next(self, watch: _Patient) -> Partial | None:
        """Work until there is a partial; None at the end."""
        if self._parts is None:
            self._parts = self._pool.parts_of(self.shard, self.task, watch)
        return next(self._parts, None)

    def hand_over(self, watch: _Patient, found: _Found) -> None:
        """Work to the end for a thread that waits."""
        try:
            while (part := self.next(watch)) is not None:
                found.put(self.shard, part)
            found.put(self.shard, None)
        except BaseException as error:  # handed to the thread that waits
            found.fail(self.shard, error)
        finally:
            self.close()

    def close(self) -> None:
        """Leave what is still to do."""
        if isinstance(self._parts, Generator):
            self._parts.close()


class _StageWatch:
    """A query's control that also stops when the stage it belongs to has ended."""

    def __init__(self, control: QueryControl) -> None:
        self._control = control
        self._halted = threading.Event()

    def halt(self) -> None:
        """Stop what is still running."""
        self._halted.set()

    @property
    def guide(self) -> Guide:
        """What is known of a top-k elsewhere."""
        return self._control.guide

    @property
    def pausing(self) -> bool:
        """Never: parts are taken as they come."""
        return False

    def check(self) -> None:
        """Stop here if the query or the stage is to stop."""
        if self._halted.is_set():
            raise QueryCancelledError("the stage was stopped")
        self._control.check()

    def step(self) -> None:
        """Do as `check`."""
        self.check()


class _Found:
    """What threads have found, until it is read."""

    def __init__(self) -> None:
        # The bound holds shards back while the reader of the answer is slower than they are.
        self._parts: queue.Queue[tuple[int, Partial | BaseException | None]] = queue.Queue(64)
        self.ended = 0
        self.error: BaseException | None = None

    def put(self, shard: int, part: Partial | None) -> None:
        """Hand over a partial, or None at a shard's end; waits while there are too many."""
        self._parts.put((shard, part))

    def fail(self, shard: int, error: BaseException) -> None:
        """Hand over an error, also to who does not read now."""
        self.error = error
        self._parts.put((shard, error))

    def ready(self) -> Iterator[tuple[int, Partial]]:
        """What is there now; raises the error of a thread that failed."""
        for _ in range(self._parts.qsize()):
            yield from self.next()

    def next(self) -> Iterator[tuple[int, Partial]]:
        """Wait for the next partial; none where a shard has ended."""
        shard, part = self._parts.get()
        if isinstance(part, BaseException):
            raise part
        if part is None:
            self.ended += 1
        else:
            yield shard, part

    def drop(self) -> None:
        """Forget what is there, so that nobody waits to hand it over."""
        while not self._parts.empty():
            self._parts.get()


class _Patient:
    """A stage's control that calls for help, once, if the stage takes long.

    Until then its shards take turns in one thread: one that waits leaves its turn to the others.
    It also ends the stage where one of those who help has failed.
    """

    def __init__(self, control: _StageWatch, found: _Found, help_out: Callable[[], None]) -> None:
        self._control = control
        self._found = found
        self._help_out: Callable[[], None] | None = help_out
        self._began = self._spent = 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time that the caller's thread works; not what its reader takes."""
        self._began = time.perf_counter()
        yield
        self._spent += time.perf_counter() - self._began

    @property
    def guide(self) -> Guide:
        """What is known of a top-k elsewhere."""
        return replace(self._control.guide, patient=self._help_out is not None)

    @property
    def pausing(self) -> bool:
        """Never: parts are taken as they come."""
        return False

    def check(self) -> None:
        """Stop here if the query or the stage is to stop."""
        if self._found.error is not None:
            raise self._found.error
        self._control.check()

    def step(self) -> None:
        """Do as `check`; have others do what waits, if this has gone on for long."""
        self.check()
        help_out = self._help_out
        if help_out and self._spent + time.perf_counter() - self._began > _PATIENCE:
            self._help_out = None
            help_out()


class LocalRuntime:
    """Shards on threads.

    Parameters
    ----------
    threads : int, optional
        That work at once; by default the number of cores.
    """

    name = "local"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or os.cpu_count() or 1
        self._turnstile = Turnstile(self.threads)

    def pool(self, source: CollectionSource) -> LocalPool:
        """Workers for one version of a collection."""
        reader = open_reader(source)
        plan = cut(source.segments, self.threads, self.threads, reader.recent.budget)
        return LocalPool(reader, plan.shards, self._turnstile, plan.images_apart)

    def record(self, record: QueryRecord) -> None:
        """Nobody counts queries of one process."""

    def tasks(self) -> LocalTasks:
        """Do pieces of work on threads."""
        return LocalTasks(self.threads)

    def close(self) -> None:
        """Nothing was started."""
