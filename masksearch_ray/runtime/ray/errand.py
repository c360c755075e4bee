"""What travels between a pool and its workers."""

from __future__ import annotations

import hashlib
import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.execute.combine import combine
from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import Finished, Partial
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.ray.names import shard_label
from masksearch_ray.runtime.types import CollectionSource, ShardTask

__all__ = [
    "Answers",
    "Errand",
    "Lost",
    "Reply",
    "Shard",
    "ended_in",
    "packed",
    "shards_of",
    "together",
    "unpacked",
]


@dataclass(frozen=True, eq=False)
class Shard:
    """What a worker is given to own.

    Parameters
    ----------
    label : str
        Its name, for people.
    key : str
        The same for the same segments of the same version, whoever asks.
    source : CollectionSource
        Without the loads of segments, which workers do not need.
    source_key : str
        The same for all shards of a version.
    segments : tuple of int
        Positions in the manifest.
    rows : int
    number : int
        From 0, among the shards of its version.
    """

    label: str
    key: str
    source: CollectionSource
    source_key: str
    segments: tuple[int, ...]
    rows: int = 0
    number: int = 0


def shards_of(source: CollectionSource, cut: Sequence[Sequence[int]]) -> list[Shard]:
    """Make the shards of a version.

    Parameters
    ----------
    source : CollectionSource
    cut : sequence of sequence of int
        Segments of each.
    """
    bare = replace(source, segments=())
    # Hashed, because options may hold secrets and keys are shown.
    options = sorted((name, repr(value)) for name, value in source.options.items())
    caches = source.cache, source.cache_bytes, source.pixel_bytes
    whole = _hash(source.url, source.version, *caches, options)
    return [
        Shard(
            shard_label(number + 1, len(cut), source.url),
            _hash(whole, list(segments)),
            bare,
            whole,
            tuple(segments),
            sum(source.segments[s].rows for s in segments),
            number,
        )
        for number, segments in enumerate(cut)
    ]


def _hash(*told: object) -> str:
    return hashlib.sha256(repr(told).encode()).hexdigest()[:24]


@dataclass(frozen=True, eq=False)
class Errand:
    """One stage of one shard as it is sent to a worker, by itself or with others of the query.

    Parameters
    ----------
    name : str
        By which it can be stopped; the same for all that are sent together.
    client : str
        Who asked; a client that is silent for long is not worked for any more.
    shard : Shard
        Given with every errand: a worker that does not hold it opens it.
    task : ShardTask
    timeout, left : float or None
        The query's time limit and what was left of it when this was sent, in seconds.
    threshold, horizon : Threshold or None
        Of a top-k, the best known when this was sent.
    again : bool
        Whether another try of it was lost: what is left of one here is not gone on with.
    log_level : str
        Of whoever asks: log lines of workers go to Ray's logs from this level on.
    alone : bool
        Whether it ran out of memory elsewhere: nothing else is to run beside it.
    """

    name: str
    client: str
    shard: Shard
    task: ShardTask
    timeout: float | None
    left: float | None
    threshold: Threshold | None
    again: bool = False
    log_level: str = "warning"
    alone: bool = False
    horizon: Threshold | None = None

    def control(self) -> QueryControl:
        """Control of the query on the worker's side."""
        if self.timeout is None or self.left is None:
            return QueryControl(None, self.threshold, self.horizon)
        spent = self.timeout - self.left
        began = time.monotonic() - spent
        return QueryControl(self.timeout, self.threshold, self.horizon, _start=began)


@dataclass(frozen=True)
class Lost:
    """Says why a worker could not do what it was asked; another may.

    Parameters
    ----------
    reason : str
        To follow "its worker".
    memory : bool
        Whether it ran out of memory.
    """

    reason: str
    memory: bool = False


Answers = tuple[tuple[int, Partial | Lost], ...]
"""Partials with their shard, combined ones with any of theirs, or that a shard's stage was lost."""
Reply = Answers | MaskSearchError
"""What a worker answers: as much, or an error of ours as a value."""


def packed(errands: Sequence[Errand]) -> bytes:
    """Errands as Ray carries them fastest: its own pickling looks closely at each class."""
    return pickle.dumps(list(errands), pickle.HIGHEST_PROTOCOL)


def unpacked(held: bytes) -> list[Errand]:
    """Errands as they were packed."""
    errands: list[Errand] = pickle.loads(held)
    return errands


def ended_in(answers: Answers) -> set[int]:
    """Shards whose stages have ended, or were lost, with some answers."""
    return {shard for shard, part in answers if isinstance(part, Finished | Lost)}


def together(task: ShardTask, answers: Sequence[tuple[int, Partial | Lost]]) -> Answers:
    """Few answers of many, those that end a shard last.

    Parameters
    ----------
    task : ShardTask
        Of any of the shards.
    answers : sequence of (int, Partial or Lost)
        Each with its shard.
    """
    lost = [(shard, part) for shard, part in answers if isinstance(part, Lost)]
    whole = [(shard, part) for shard, part in answers if not isinstance(part, Lost)]
    return (*combine(task.stage, task.query, whole), *lost)
