"""The actor: a worker in a process of Ray's, which holds shards and runs stages on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from functools import partial

import pyarrow as pa
import ray

from masksearch_ray.collection.recent import default_budget
from masksearch_ray.errors import MaskSearchError, QueryCancelledError
from masksearch_ray.execute.leaders import Leaders
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Offered, Partial, Ranked, RowsFound, Stage, Top
from masksearch_ray.model.logs import current_level, log_to_stderr
from masksearch_ray.runtime.control import Pause
from masksearch_ray.runtime.ray.begun import Begun
from masksearch_ray.runtime.ray.errand import (
    Answers,
    Errand,
    Lost,
    Reply,
    ended_in,
    together,
    unpacked,
)
from masksearch_ray.runtime.ray.gather import gather
from masksearch_ray.runtime.ray.holdings import Holdings
from masksearch_ray.runtime.ray.metrics import measure_worker
from masksearch_ray.runtime.ray.report import actor_name, end_actor, node_id, report_of
from masksearch_ray.runtime.ray.running import Running
from masksearch_ray.runtime.turnstile import Turnstile, in_turns
from masksearch_ray.runtime.types import WorkerReport
from masksearch_ray.storage import is_remote

__all__ = ["CONTROL", "STREAMS", "ShardActor"]

CONTROL = "control"  # calls of this group overtake the stages that run
STREAMS = "streams"  # one that is held back keeps its thread, so that others have their own
_AHEAD = 8  # answers that a shard may be ahead of the reader before it is held back
_PAUSE = 1.0  # seconds at most in which rows of shards that answer together are gathered
_SOON = 0.025  # seconds in which most stages end: to stream takes longer than to wait for it
_AT_WORK = 4  # stages that work at a time; others wait for their turn
_SETTLED = 0.25  # seconds after a change until it is seen in metrics, and between two of them
_LOOK = 1.0  # seconds between looks at whether the worker is needed still


class ShardActor:
    """Holds shards and streams to callers what their workers yield.

    Parameters
    ----------
    budget : int, optional
        Bytes that may be kept of what was read; by default as the machine's memory allows.
    keep_alive : float, optional
        Seconds without use after which the worker ends itself; None: it is ended by others.
    """

    def __init__(self, budget: int | None = None, keep_alive: float | None = None) -> None:
        pa.set_cpu_count(1)  # other workers use the other cores
        budget = default_budget() if budget is None else budget
        self._holdings = Holdings(budget, actor_name(), node_id())
        self._running = Running()
        self._turnstile = Turnstile(_AT_WORK)
        self._one_by_one = Turnstile(1)  # for what took too much memory elsewhere
        self._begun = Begun()
        self._keep_alive = keep_alive
        self._began = time.monotonic()
        self._changed = threading.Event()
        self._changed.set()
        threading.Thread(target=self._measure, daemon=True).start()
        if keep_alive is not None:
            threading.Thread(target=self._wait_for_the_end, daemon=True).start()

    def __repr__(self) -> str:
        held = self._holdings.held()
        return f"worker of {held[-1][0].label}" if held else "worker without a shard"

    def answer(self, errands: bytes) -> Reply:
        """Run a stage on some shards and give its whole answer."""
        some, whole = unpacked(errands), Answers()
        for reply in self._replies(some):
            if isinstance(reply, MaskSearchError):
                return reply
            whole += reply
        # What came of a shard before it was lost comes again, from elsewhere.
        lost = {shard for shard, part in whole if isinstance(part, Lost)}
        kept = [(s, part) for s, part in whole if s not in lost or isinstance(part, Lost)]
        return together(some[0].task, kept)

    def begin(self, errands: bytes) -> Reply:
        """Run a stage on some shards and give what is found soon: mostly the whole answer.

        Shards that have not ended by then are gone on with when `stream` asks for the rest.
        """
        some, began = unpacked(errands), time.monotonic()
        # What comes from afar takes longer than a stream: its first rows are handed out at once.
        remote, soon = is_remote(some[0].shard.source.url), began + _SOON
        replies, whole = self._replies(some, _PAUSE, soon), Answers()
        for reply in replies:
            if isinstance(reply, MaskSearchError):
                return reply
            whole += reply
            if len(ended_in(whole)) == len(some):
                break
            # Also where nothing was found: whoever waits here keeps others from their calls.
            if (remote and whole) or time.monotonic() >= soon:
                self._leave(some[0], replies)
                break
        return together(some[0].task, whole)

    def _leave(self, errand: Errand, replies: Generator[Reply, None, None]) -> None:
        """Keep the rest of an answer, unless it was stopped before it was there to be dropped."""
        self._begun.put(errand, replies)
        if not self._running.wanted(errand):
            self._begun.drop(lambda held: held is errand)

    @ray.method(
        num_returns="streaming",
        _generator_backpressure_num_objects=_AHEAD,
        concurrency_group=STREAMS,
    )
    def stream(self, name: str) -> Iterator[Reply]:
        """Go on with what was begun: hand out rows as they are found, all else at the end."""
        for task, replies in self._begun.take(lambda errand: errand.name == name):
            for reply in replies:
                yield together(task, reply) if isinstance(reply, tuple) else reply

    @ray.method(concurrency_group=CONTROL)
    def raise_threshold(self, query_id: str, threshold: Threshold) -> None:
        """Tell the running stages of a query a better threshold."""
        self._running.raise_threshold(query_id, threshold)

    @ray.method(concurrency_group=CONTROL)
    def stop(self, name: str) -> None:
        """Stop an errand, also one that has yet to arrive."""
        self._running.stop(name)
        self._begun.drop(lambda errand: errand.name == name)

    @ray.method(concurrency_group=CONTROL)
    def forget(self, query_id: str) -> None:
        """Drop the state of a query."""
        self._holdings.forget(query_id)

    @ray.method(concurrency_group=CONTROL)
    def release(self, client: str) -> None:
        """Stop what runs for a client, and drop what is held for it alone."""
        self._running.stop_client(client)
        self._begun.drop(lambda errand: errand.client == client)
        keep = self._keep_alive is not None
        self._holdings.release(client, self._running.busy(), keep=keep)
        self._changed.set()

    @ray.method(concurrency_group=CONTROL)
    def ping(self, client: str = "", keep_alive: float | None = None) -> None:
        """Show that the worker lives, to a client that shows that it does."""
        if self._keep_alive is not None and keep_alive is not None:
            self._keep_alive = max(self._keep_alive, keep_alive)
        if client:
            self._running.hear(client)

    @ray.method(concurrency_group=CONTROL)
    def report(self) -> WorkerReport:
        """Say what the worker holds and does."""
        return self._report()

    def _report(self) -> WorkerReport:
        return report_of(
            self._holdings.held(),
            self._running.queries(),
            time.monotonic() - self._began,
            self._running.idle,
            self._holdings.budget,
            self._keep_alive,
        )

    def _replies(
        self, errands: Sequence[Errand], pause: float = 0.0, until: float | None = None
    ) -> Generator[Reply, None, None]:
        """What shards of one query answer, each on a thread of its own: they share the turns."""
        leading, at_work = _Leading(errands[0].task.stage), {e.shard.number for e in errands}
        try:
            works = [partial(self._replies_of, errand, until) for errand in errands]
            for come in gather(works, pause):
                reply: Answers = ()
                for one in come:
                    if isinstance(one, MaskSearchError):
                        yield one
                        return
                    reply += one
                better = leading.better(reply) if len(errands) > 1 else None
                if better is not None:
                    self._running.raise_threshold(errands[0].task.query_id, better)
                at_work -= ended_in(reply)
                yield reply
        finally:
            if at_work:
                self._running.stop(errands[0].name)

    def _replies_of(self, errand: Errand, until: float | None) -> Iterator[Reply]:
        shard = errand.shard.number
        try:
            for partials in self._partials(errand, until):
                yield tuple((shard, found) for found in partials)
        except QueryCancelledError as error:
            # Whoever asked for that does not listen; whoever did not will ask somebody else.
            yield ((shard, Lost(f"stopped its work ({error})")),)
        except MaskSearchError as error:
            yield error
        except MemoryError:
            # What is kept can be read again; the next try may have all of it.
            self._holdings.trim(self._running.busy(), 0)
            yield ((shard, Lost("ran out of memory", memory=True)),)

    def _partials(self, errand: Errand, until: float | None) -> Iterator[tuple[Partial, ...]]:
        held: list[Partial] = []
        if errand.log_level != current_level():
            log_to_stderr(errand.log_level)
        worker = self._holdings.worker(errand.shard, errand.client)
        with self._running.stage(errand, worker.forget) as control:
            control.pause = until
            if errand.alone:
                self._holdings.trim(self._running.busy(), 0)
            turnstile = self._one_by_one if errand.alone else self._turnstile
            turn = turnstile.turn(errand.task.query_id)
            for found in in_turns(partial(worker.run, errand.task), control, turn):
                if isinstance(found, Offered) and isinstance(errand.task.stage, Top):
                    continue  # told on the way, for shards that take turns; these do not wait
                if not isinstance(found, Pause):
                    held.append(found)
                if isinstance(found, RowsFound | Pause):
                    yield tuple(held)
                    held = []
        self._holdings.trim(self._running.busy())
        self._changed.set()
        yield tuple(held)

    def _measure(self) -> None:
        """Show in metrics what the worker holds and does, now and then where it changes."""
        while True:
            self._changed.wait()
            time.sleep(_SETTLED)
            self._changed.clear()
            measure_worker(self._report())

    def _stop_abandoned(self) -> None:
        silent = self._running.stop_abandoned()
        if silent:
            self._begun.drop(lambda errand: errand.client in silent)

    def _wait_for_the_end(self) -> None:
        while True:
            time.sleep(_LOOK)
            self._stop_abandoned()
            if self._keep_alive is not None and self._running.idle > self._keep_alive:
                end_actor()
                return


class _Leading:
    """What shards sent together tell one another in a top-k: the coordinator hears of all at once.

    Parameters
    ----------
    stage : Stage
    """

    def __init__(self, stage: Stage) -> None:
        self._leaders = Leaders(stage.k, stage.threshold) if isinstance(stage, Top) else None

    def better(self, reply: Answers) -> Threshold | None:
        """A better threshold, if there is one since these answers."""
        if self._leaders is None:
            return None
        before = self._leaders.threshold
        for _, part in reply:
            if isinstance(part, Ranked):
                self._leaders.add(part.places)
        return None if self._leaders.threshold == before else self._leaders.threshold
