"""A simulated pool: partials arrive as bytes, at drawn times, and the clock is the coordinator's.

Time is virtual. A reply arrives when its shards are done; the coordinator takes it up then, or
when it is done with what came before. What the coordinator itself does is measured, in CPU time,
so that other processes of the machine do not count.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.simulate_shard import Layout, SimulatedShard
from masksearch_ray.execute.combine import combine
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Partial, RowsFound
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.types import ShardTask

__all__ = ["Latency", "Meter", "SimulatedPool", "TransportCosts"]


@dataclass(frozen=True)
class Latency:
    """How long shards take for a stage: log-normal, some of them stragglers.

    Parameters
    ----------
    median : float
        Seconds.
    spread : float
        Standard deviation of the logarithm.
    stragglers : float
        Share of shards that take `slowdown` times as long.
    slowdown : float
    """

    median: float = 0.2
    spread: float = 0.5
    stragglers: float = 0.01
    slowdown: float = 5.0

    def draw(self, count: int, seed: int) -> NDArray[np.float64]:
        """Seconds of each of some shards."""
        rng = np.random.default_rng(seed)
        seconds = rng.lognormal(np.log(self.median), self.spread, count)
        seconds[rng.random(count) < self.stragglers] *= self.slowdown
        return seconds


@dataclass(frozen=True)
class TransportCosts:
    """What the coordinator's process spends on Ray beside its own work, in seconds.

    Parameters
    ----------
    task : float
        To send a task.
    reply : float
        To wait for a reply and fetch it.
    message : float
        To send a message that is not waited for.
    """

    task: float = 100e-6
    reply: float = 350e-6
    message: float = 50e-6


@dataclass(eq=False)
class Meter:
    """CPU seconds by kind of work; one kind at a time."""

    kind: str = "merge"
    seconds: dict[str, float] = field(default_factory=dict)
    _mark: float = field(default_factory=time.process_time)

    def switch(self, kind: str) -> None:
        """Count from here on as another kind of work."""
        now = time.process_time()
        self.seconds[self.kind] = self.seconds.get(self.kind, 0.0) + now - self._mark
        self.kind, self._mark = kind, now

    @property
    def coordinator(self) -> float:
        """Seconds of everything that the coordinator's process does."""
        return sum(s for kind, s in self.seconds.items() if kind != "workers")


class SimulatedPool:
    """Shards that yield real partials.

    Parameters
    ----------
    layout : Layout
    chosen : int
        Rows a shard that WHERE leaves where members of groups are looked for.
    fan : int
        Shards whose partials are combined into one reply before they are sent.
    latency : Latency
    costs : TransportCosts
    seed : int
        Of the latencies.
    """

    def __init__(
        self,
        layout: Layout,
        chosen: int,
        fan: int,
        latency: Latency,
        costs: TransportCosts,
        seed: int,
    ) -> None:
        self.layout, self.chosen, self.fan = layout, chosen, fan
        self.images_apart = False
        self.latency, self.costs, self.seed = latency, costs, seed
        self.meter = Meter()
        self.replies = self.messages = self.bytes_in = self.bytes_out = self.tasks = 0
        self.now = self.workers = 0.0
        self._accounted = 0.0
        self._stages = 0
        self._threshold: Threshold | None = None

    @property
    def shards(self) -> int:
        """Number of shards."""
        return self.layout.shards

    def send(
        self, tasks: Mapping[int, ShardTask], control: QueryControl
    ) -> Iterator[tuple[int, Partial]]:
        """Run a stage on simulated shards."""
        groups = self._grouped(tasks)
        self._dispatch(groups)
        began = self.now
        drawn = self.latency.draw(self.layout.shards, self.seed + self._stages)
        # Shards of a group run side by side: it is done when its slowest is.
        arrivals = [began + float(drawn[list(group)].max()) for group in groups]
        self._stages += 1
        for at in np.argsort(arrivals, kind="stable").tolist():
            self.meter.switch("workers")
            replies = self._replies(groups[at])
            self._advance(arrivals[at])
            for reply in replies:
                yield from self._received(reply)
        self._advance(began)
        self.workers += max(arrivals) - began

    def raise_threshold(self, query_id: str, threshold: Threshold, shards: Collection[int]) -> None:
        """Tell shards a better threshold: those that answer from now on know it."""
        self._threshold = threshold
        self.messages += len({shard // self.fan for shard in shards})

    def forget(self, query_id: str) -> None:
        """One message to each actor."""
        self.messages += -(-self.layout.shards // self.fan)

    def close(self) -> None:
        """Nothing was started."""

    @property
    def transport(self) -> float:
        """Seconds that the coordinator's process would spend on Ray."""
        costs = self.costs
        return costs.task * self.tasks + costs.reply * self.replies + costs.message * self.messages

    def finish(self) -> None:
        """Account for what was done since the last reply."""
        self.meter.switch("merge")
        self._advance(0.0)

    def _grouped(self, tasks: Mapping[int, ShardTask]) -> list[dict[int, ShardTask]]:
        groups: dict[int, dict[int, ShardTask]] = {}
        for shard, task in tasks.items():
            groups.setdefault(shard // self.fan, {})[shard] = task
        return list(groups.values())

    def _dispatch(self, groups: Sequence[Mapping[int, ShardTask]]) -> None:
        self.meter.switch("encode")
        for group in groups:
            self.bytes_out += sum(map(len, _packed(group)))
        self.tasks += len(groups)
        self.meter.switch("merge")
        self._advance(0.0)

    def _replies(self, group: Mapping[int, ShardTask]) -> list[list[bytes | bytearray]]:
        """What a group of shards sends, one or more replies, in bytes."""
        answers = [
            (shard, partial)
            for shard, task in group.items()
            for partial in SimulatedShard(self.layout, shard, self.chosen).answer(
                task, self._threshold
            )
        ]
        if len(group) > 1:
            task = next(iter(group.values()))
            return [_packed(combine(task.stage, task.query, answers))]
        # As actors do: rows are handed out as they are found, all else at the end.
        replies: list[list[tuple[int, Partial]]] = [[]]
        for answer in answers:
            replies[-1].append(answer)
            if isinstance(answer[1], RowsFound):
                replies.append([])
        return [_packed(reply) for reply in replies]

    def _received(self, reply: Sequence[bytes | bytearray]) -> Iterator[tuple[int, Partial]]:
        self.replies += 1
        self.bytes_in += sum(map(len, reply))
        self.meter.switch("decode")
        answers = pickle.loads(reply[0], buffers=reply[1:])
        self.meter.switch("merge")
        yield from answers

    def _advance(self, arrival: float) -> None:
        """Let the clock run by what the coordinator did, at least to an arrival."""
        self.meter.switch(self.meter.kind)
        spent = self.meter.coordinator + self.transport
        self.now = max(self.now + spent - self._accounted, arrival)
        self._accounted = spent


def _packed(record: object) -> list[bytes | bytearray]:
    """Bytes as Ray makes them: a pickle, and its arrays beside it."""
    buffers: list[pickle.PickleBuffer] = []
    # What cloudpickle writes of classes that can be imported is what pickle writes.
    head = pickle.dumps(record, protocol=5, buffer_callback=buffers.append)
    return [head, *(bytes(buffer.raw()) for buffer in buffers)]
