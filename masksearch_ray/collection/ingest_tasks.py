"""Ingesting what can be listed by many workers at once, about a segment at a time.

Whoever leads lists the source, sorts it by image and cuts it; no pixels come to it. Each job reads
its own files, writes a segment and its record in the journal, and is forgotten once the record has
come back; so a job can be done again, and a worker's memory does not grow with the number of masks.
The leader's does, by what it keeps of each file: its name and its key.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from masksearch_ray.collection.builder import Limits
from masksearch_ray.collection.cutting import cut, image_order
from masksearch_ray.collection.feed import Feed
from masksearch_ray.collection.ingest_run import IngestRun, SegmentLog
from masksearch_ray.collection.journal import Journal, Record
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.metadata import RowMaker
from masksearch_ray.collection.sources import Listed, Piece, SourcePart
from masksearch_ray.model.progress import Progress, ProgressStep
from masksearch_ray.model.tasks import Done, Tasks
from masksearch_ray.storage import Storage, open_storage

__all__ = ["SegmentJob", "Segments", "ingest_by_tasks"]

_BASE_MEMORY = 320 << 20  # of a worker with the engine loaded, and masks on their way
_COPIES = 3  # of what a segment holds, while it is put together
_NUMBERS = 1 << 16  # segments that one job may make


@dataclass(frozen=True)
class Target:
    """Where segments go.

    Parameters
    ----------
    url, options : str, mapping
        Of the collection.
    manifest : Manifest
        Its settings and columns, without its segments.
    ingest, digest : str
        See `Journal` and `Record`.
    dtype : str or None
    limits : Limits
    """

    url: str
    options: Mapping[str, Any] = field(repr=False)
    manifest: Manifest
    ingest: str
    digest: str
    dtype: str | None
    limits: Limits


@dataclass(frozen=True)
class Segments:
    """What a job has made.

    Parameters
    ----------
    records : tuple of Record
        Of its segments; the journal has them already.
    masks, bytes : int
        Added, and bytes of their pixels.
    """

    records: tuple[Record, ...]
    masks: int
    bytes: int


@dataclass(frozen=True, eq=False)
class SegmentJob:
    """Makes segments of some pieces of a source.

    Parameters
    ----------
    number : int
        Place among the jobs.
    names : (str, str)
        First and last piece.
    size : int
        Bytes to read, about.
    target : Target
    part : SourcePart
    maker : RowMaker
        Knows these masks.
    known : frozenset of str
        Keys of masks to leave out.
    """

    number: int
    names: tuple[str, str]
    size: int
    target: Target
    part: SourcePart
    maker: RowMaker
    known: frozenset[str]

    @property
    def label(self) -> str:
        """Say what it adds."""
        first, last = self.names
        return f"ingest of {first}" if first == last else f"ingest of {first} to {last}"

    @property
    def memory(self) -> int:
        """Bytes that it takes at its peak, about."""
        return _BASE_MEMORY + _COPIES * min(self.size, self.target.limits.bytes)

    def run(self) -> Segments:
        """Make them."""
        target = self.target
        storage = open_storage(target.url, dict(target.options))
        journal = Journal(storage, target.ingest)
        log = SegmentLog(journal, target.digest, self.number * _NUMBERS)
        feed = Feed(
            storage, target.manifest, log, self.maker, target.dtype, 1, target.limits, cluster=True
        )
        masks = size = 0

        def told(more: int, pixels: int) -> None:
            nonlocal masks, size
            masks += more
            size += pixels

        feed.take(self.part.open(), self.known, told)
        return Segments(tuple(log.records), masks, size)


def ingest_by_tasks(
    storage: Storage,
    run: IngestRun,
    source: Listed,
    maker: RowMaker,
    dtype: str | None,
    limits: Limits,
    tasks: Tasks,
    progress: Progress,
) -> None:
    """Let jobs make segments of all masks that are not known.

    Raises
    ------
    DataError
        If a file is none, or two masks have one key; the text names it.
    WorkerError
        If workers died over a job again and again.
    """
    url, options = storage.describe()
    bare = replace(run.manifest, segments=(), ingests={})
    assert run.journal is not None
    target = Target(url, options, bare, run.journal.ingest, run.digest, dtype, limits)
    shares = _shares(source, maker, run, limits)
    expected = sum(piece.masks for share in shares for piece in share)
    total = expected if source.expected() is not None else None
    jobs = (
        _job(number, share, target, source, maker, run.known)
        for number, share in enumerate(shares)
        if share
    )
    done = pixels = 0
    with closing(cast(Generator[Done[Segments]], tasks.run(jobs))) as results:
        for result in results:
            run.adopt(result.value.records, result.node, result.worker)
            done += result.value.masks
            pixels += result.value.bytes
            spread = len(run.nodes), len(run.workers)
            progress(ProgressStep("ingest", done, total, pixels, *spread))
    run.put_in_order()


def _shares(source: Listed, maker: RowMaker, run: IngestRun, limits: Limits) -> list[list[Piece]]:
    """Cut what is to be added into the shares of jobs.

    What an interrupted run has finished is left out only once the cuts are made: so these fall
    where they fell then, and segments of both runs keep to images of their own.
    """
    pieces = [p for p in source.pieces(limits.bytes) if not _is_known(p, run.committed)]
    names = [keys[0] if (keys := _ends(piece)) else piece.name for piece in pieces]
    found = maker.images(names)
    images = [p.image if p.image is not None else i for p, i in zip(pieces, found, strict=True)]
    order = image_order(images)
    pieces = [pieces[place] for place in order]
    cuts = cut(
        [images[place] for place in order],
        [piece.masks for piece in pieces],
        [piece.size for piece in pieces],
        limits.rows,
        limits.bytes,
    )
    return [
        [pieces[place] for place in share if not _is_known(pieces[place], run.known)]
        for share in cuts
    ]


def _job(
    number: int,
    share: Sequence[Piece],
    target: Target,
    source: Listed,
    maker: RowMaker,
    known: frozenset[str],
) -> SegmentJob:
    names = [name for piece in share for name in piece.keys or [piece.name]]
    return SegmentJob(
        number,
        (names[0], names[-1]),
        sum(piece.size for piece in share),
        target,
        source.part(share),
        maker.part(names),
        frozenset(_known_of(share, known)),
    )


def _ends(piece: Piece) -> list[str]:
    """Keys of the first and the last mask, where they are known."""
    if piece.counted and piece.rows:
        return [f"{piece.name}#{row}" for row in (piece.rows[0], piece.rows[-1])]
    return []


def _is_known(piece: Piece, known: frozenset[str]) -> bool:
    if not known:
        return False
    keys = piece.keys
    return piece.name in known if keys is None else all(key in known for key in keys)


def _known_of(share: Sequence[Piece], known: frozenset[str]) -> Iterator[str]:
    """Which masks that are known may lie in a share."""
    if known and all(piece.counted for piece in share):
        yield from (key for piece in share for key in piece.keys or () if key in known)
    elif known:
        files = tuple(f"{piece.name}#" for piece in share)
        by_name = all(piece.group is None and piece.rows is None for piece in share)
        yield from (key for key in known if not by_name or key.startswith(files))
