"""Ingesting masks from a source: resumable, committed at once at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from masksearch_ray.collection.builder import DEFAULT_LIMITS, Limits
from masksearch_ray.collection.feed import Feed
from masksearch_ray.collection.ingest_run import IngestReport, IngestRun, ingest_name
from masksearch_ray.collection.ingest_tasks import ingest_by_tasks
from masksearch_ray.collection.metadata import RowMaker, RowOptions
from masksearch_ray.collection.remote import refuse_memory
from masksearch_ray.collection.sources import Listed, Source, open_source
from masksearch_ray.errors import InputError
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.storage import Storage

__all__ = ["ingest"]

_FLOATS = ("float16", "float32")


def ingest(
    storage: Storage,
    source: object,
    *,
    column: str | None = None,
    key: str | None = None,
    shape: tuple[int, int] | None = None,
    dtype: str | None = None,
    rows: RowOptions | None = None,
    name: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    threads: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    tasks: Tasks | None = None,
) -> IngestReport:
    """Add the masks of a source: all of them, or on any error none.

    What a run has finished is kept when it is interrupted; the same call continues there, and
    adds nothing twice however often it is made. Without a `name` this holds for sources that have
    a URL.

    Parameters
    ----------
    storage : Storage
        Of the collection.
    source : object
        See `masksearch_ray.collection.sources.open_source`, also for `column`, `key`, `shape`.
    column, key : str, optional
    shape : (int, int), optional
    dtype : {"float16", "float32"}, optional
        To which masks of other floats are rounded.
    rows : RowOptions, optional
        Metadata that are joined.
    name : str, optional
        Under which the ingest is continued, in place of source and options.
    storage_options : mapping, optional
        Of the storages that source and metadata lie on.
    progress : Progress
    threads : int, optional
        Encoders; by default as many as there are processors.
    limits : Limits
        When a segment is full.
    tasks : Tasks, optional
        Where they are done outside this process, a source that can be listed is sorted by
        ``image_id`` and read there, and the masks of each segment are sorted in any case.

    Raises
    ------
    DataError
        If masks or metadata cannot be taken; the text says which and why.
    CollectionError
        If there is no collection.
    ConflictError
        If another run of the same ingest was quicker.
    StorageError
        If the storage fails.
    """
    if dtype not in (None, *_FLOATS):
        raise InputError(f"dtype {dtype!r}: one of {', '.join(_FLOATS)} wanted")
    opened = open_source(
        source, column=column, key=key, shape=shape, storage_options=storage_options
    )
    rows = rows or RowOptions()
    maker = RowMaker(rows, opened.files, storage_options)
    run = IngestRun(storage, _name(opened, name, dtype, rows), maker.digest)
    if tasks is None or not tasks.remote:
        _stream(storage, run, opened, maker, dtype, threads, limits, progress, cluster=False)
    elif run.resumable and isinstance(opened, Listed) and not _in_memory(opened):
        refuse_memory(storage)
        ingest_by_tasks(storage, run, opened, maker, dtype, limits, tasks, progress)
    else:
        _stream(storage, run, opened, maker, dtype, threads, limits, progress, cluster=True)
    return run.commit()


def _stream(
    storage: Storage,
    run: IngestRun,
    source: Source,
    maker: RowMaker,
    dtype: str | None,
    threads: int | None,
    limits: Limits,
    progress: Progress,
    cluster: bool,
) -> None:
    """Take all masks that are not known, one after the other."""
    expected = source.expected()
    total = None if expected is None else max(0, expected - len(run.known))
    done = pixels = 0

    def told(masks: int, size: int) -> None:
        nonlocal done, pixels
        done += masks
        pixels += size
        progress(ProgressStep("ingest", done, total, pixels))

    feed = Feed(storage, run.manifest, run, maker, dtype, threads, limits, cluster)
    feed.take(source, run.known, told)


def _in_memory(source: Source) -> bool:
    """Whether only this process can read it."""
    return source.identity is not None and ":memory://" in source.identity


def _name(source: Source, name: str | None, dtype: str | None, rows: RowOptions) -> str | None:
    """Name of the ingest; None where a second run could not tell what the first has done."""
    if name is not None:
        if not source.stable:
            raise InputError(
                f"ingest {name!r}: a data set has no fixed order; name a key column to continue it"
            )
        return ingest_name(["named", name])
    if source.identity is None:
        return None
    return ingest_name(["source", source.identity, dtype, *rows.identity])
