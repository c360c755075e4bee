"""What ingest by tasks must survive, as tests: of workers, and of whoever leads.

Subclass in a module that has fixtures `tasks` (on Ray), `made` (an empty collection) and `source`
(`COUNT` masks under a URL, see `mask_of`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import ray

from masksearch_ray.collection import Limits, open_manifest
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.collection.sources import Listed, Piece, Source, SourceBatch, open_source
from masksearch_ray.collection.vacuum import vacuum
from masksearch_ray.errors import WorkerError
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.storage import Storage
from tests.collection.ingest.test_ingest import assert_each_once

__all__ = ["COUNT", "SMALL", "LeaderDeaths", "Trap", "WorkerDeaths"]

COUNT = 30
SMALL = Limits(rows=4)

Moment = Literal["begins", "half", "segment", "record", "hangs"]


@dataclass(frozen=True)
class _DeadlyPart:
    inner: Any
    moment: Moment
    mark: str
    always: bool

    def open(self) -> Source:
        mark = Path(self.mark)
        if self.always or not mark.exists():
            mark.write_text(ray.get_runtime_context().get_node_id())
            _set(self.moment)
        found: Source = self.inner.open()
        return found


def _set(moment: Moment) -> None:
    """Let this process die at a moment."""
    from masksearch_ray.collection import builder
    from masksearch_ray.collection.journal import Journal, Record
    from masksearch_ray.collection.layout import segment_key

    write = Journal.write
    objects = 0

    def die_at_record(journal: Journal, record: Record) -> None:
        if moment == "record":
            write(journal, record)
        _die()

    def die_at_second_object(segment: str, name: str) -> str:
        nonlocal objects
        objects += 1
        if objects == 2:
            _die()
        return segment_key(segment, name)

    if moment == "begins":
        _die()
    elif moment == "hangs":
        time.sleep(600)
    elif moment == "half":
        setattr(builder, "segment_key", die_at_second_object)  # noqa: B010
    else:
        setattr(Journal, "write", die_at_record)  # noqa: B010


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Trap:
    """A source of which one part ends, at a moment, the first worker that reads it; or all.

    The worker writes the name of its node to `mark` before.
    """

    inner: Listed
    moment: Moment
    mark: str
    always: bool = False
    file: str = "013.npy"
    stable = True

    @property
    def identity(self) -> str | None:
        return self.inner.identity

    @property
    def files(self) -> Sequence[str] | None:
        return self.inner.files

    def expected(self) -> int | None:
        return self.inner.expected()

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        return self.inner.batches(done)

    def pieces(self, size: int) -> Sequence[Piece]:
        return self.inner.pieces(size)

    def part(self, pieces: Sequence[Piece]) -> Any:
        part = self.inner.part(pieces)
        if self.file in [piece.name for piece in pieces]:
            return _DeadlyPart(part, self.moment, self.mark, self.always)
        return part

    @classmethod
    def at(cls, url: str, moment: Moment, mark: Path, always: bool = False) -> Trap:
        source = open_source(url)
        assert isinstance(source, Listed)
        return cls(source, moment, str(mark), always)


def segments_written(storage: Storage) -> set[str]:
    return {info.key.split("/")[1] for info in storage.list("segments/")}


def segments_named(storage: Storage) -> set[str]:
    return {entry.id for entry in open_manifest(storage).segments}


class WorkerDeaths:
    """Workers that are killed over a segment."""

    @pytest.mark.parametrize("moment", ["begins", "half", "segment", "record"])
    def test_a_worker_that_dies_over_a_segment(
        self, tasks: Tasks, made: Storage, source: str, tmp_path: Path, moment: Moment
    ) -> None:
        trap = Trap.at(source, moment, tmp_path / "mark")
        report = ingest(made, trap, limits=SMALL, tasks=tasks)
        assert (tmp_path / "mark").exists()
        assert report.rows == COUNT
        assert_each_once(made, COUNT)
        named, written = segments_named(made), segments_written(made)
        assert (named == written) == (moment == "begins")
        # What the dead have left is no part of the collection, and vacuum takes it.
        assert ingest(made, source, limits=SMALL, tasks=tasks).rows == 0
        vacuum(made, older_than=0)
        assert segments_written(made) == named
        assert ingest(made, source, limits=SMALL, tasks=tasks).rows == 0
        assert_each_once(made, COUNT)

    def test_a_segment_over_which_all_workers_die(
        self, tasks: Tasks, made: Storage, source: str, tmp_path: Path
    ) -> None:
        trap = Trap.at(source, "segment", tmp_path / "mark", always=True)
        words = r"ingest of 012\.npy to 015\.npy: its worker died and could not be replaced"
        with pytest.raises(WorkerError, match=words):
            ingest(made, trap, limits=SMALL, tasks=tasks)
        assert open_manifest(made).version == 1
        report = ingest(made, source, limits=SMALL, tasks=tasks)
        assert report.rows == COUNT
        assert_each_once(made, COUNT)


_LEADER = """
import os, signal, sys
from masksearch_ray.collection import Limits, commit
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.storage import open_storage

url, source, address, moment = sys.argv[1:]
create, steps = commit._create, 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_at_commit(storage, proposed):
    if moment == "after the commit":
        create(storage, proposed)
    die()

def die_at_step(step):
    global steps
    steps += 1
    if moment == f"at step {steps}":
        die()

commit._create = die_at_commit
tasks = RayRuntime(address).tasks()
ingest(open_storage(url), source, limits=Limits(rows=4), tasks=tasks, progress=die_at_step)
"""


class LeaderDeaths:
    """The process that leads is killed, and the same ingest is run again."""

    @pytest.mark.timeout(240)
    @pytest.mark.parametrize(
        "moment", ["at step 1", "at step 4", "before the commit", "after the commit"]
    )
    def test_the_same_call_continues(
        self, tasks: Tasks, made: Storage, source: str, moment: str
    ) -> None:
        address = ray.get_runtime_context().gcs_address
        ended = subprocess.run(
            [sys.executable, "-c", _LEADER, made.url, source, address, moment],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        there = open_manifest(made).rows
        assert there == (COUNT if moment == "after the commit" else 0)
        report = ingest(made, source, limits=SMALL, tasks=tasks)
        assert report.rows == COUNT - there
        if moment == "before the commit":
            assert report.resumed == COUNT
        elif moment == "at step 4":
            assert report.resumed >= 14
        assert_each_once(made, COUNT)
        assert ingest(made, source, limits=SMALL, tasks=tasks).rows == 0
        vacuum(made, older_than=0)
        assert segments_written(made) == segments_named(made)
