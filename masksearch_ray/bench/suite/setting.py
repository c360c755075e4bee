"""What the sections of the benchmark share: options, masks, collection, limits of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from masksearch_ray.bench.apart import apart
from masksearch_ray.bench.contenders import Measured, Method, run_scans
from masksearch_ray.bench.dataset import Dataset, DatasetOptions, constant_box, make_dataset
from masksearch_ray.bench.engine import (
    Opening,
    growth,
    make_collection,
    name_region,
    run_engine,
)
from masksearch_ray.bench.machine import Machine, measure_disk, measure_memory, measure_store
from masksearch_ray.bench.questions import Question
from masksearch_ray.errors import InputError
from masksearch_ray.model.progress import Progress, ProgressStep, silent

__all__ = ["Setting", "SuiteOptions"]

P = ParamSpec("P")
T = TypeVar("T")

_COPIED = 1 << 29  # bytes of each side of the copy that shows the bandwidth of memory
_SLOW = 3  # times that what takes seconds is measured at most


@dataclass(frozen=True)
class SuiteOptions:
    """What is measured.

    Parameters
    ----------
    folder : Path
        Where masks and collection are kept from run to run.
    dataset : DatasetOptions
    repeats : int
        Times that each query is timed, at least 1.
    ray : bool
        Whether to ask workers on Ray, too.
    store : str, optional
        Prefix of an object store, to measure it and queries on it.
    storage_options : mapping
        Of the object store.
    drawn, bounded : int
        Masks of 224 x 224 drawn for their index columns, and rows taken from these to be bounded.
    shards : tuple of int
        Shards that the coordinator is simulated with.
    copied : int
        Bytes copied to measure the bandwidth of memory.
    processes : bool
        Whether contenders answer in processes of their own.
    """

    folder: Path
    dataset: DatasetOptions = field(default_factory=DatasetOptions)
    repeats: int = 15
    ray: bool = True
    store: str | None = None
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    drawn: int = 200_000
    bounded: int = 2_662_334
    shards: tuple[int, ...] = (1, 10, 100, 1000)
    copied: int = _COPIED
    processes: bool = True

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InputError(f"{self.repeats} repeats: at least 1 wanted")


class Setting:
    """Made when first asked for, so that a section alone makes only what it needs.

    Parameters
    ----------
    options : SuiteOptions
    progress : Progress
    """

    def __init__(self, options: SuiteOptions, progress: Progress = silent) -> None:
        self.options = options
        self.progress = progress
        self.stage = "benchmark"

    @cached_property
    def dataset(self) -> Dataset:
        """The masks."""
        return make_dataset(
            self.options.folder, self.options.dataset, self.machine.cores, self.progress
        )

    @cached_property
    def collection(self) -> str:
        """URL of the collection."""
        # In a process of its own, so that what it took of memory is free again.
        self.note("ingest")
        return self.apart(make_collection, self.dataset)

    @cached_property
    def named(self) -> str:
        """URL of the first model's masks with a ROI histogram of the constant region."""
        self.note("a ROI histogram of the constant region")
        box = constant_box(self.dataset.options.side)
        return self.apart(name_region, self.collection, box, self.first)

    @property
    def first(self) -> int:
        """Version of the collection that holds the first model's masks."""
        return growth(self.dataset.images)[self.dataset.images]

    @cached_property
    def machine(self) -> Machine:
        """Limits of the machine."""
        self.note("limits of the machine")
        options = self.options
        return self.apart(measure_machine, options)

    def apart(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Work in a process of its own, where options do not say otherwise."""
        if self.options.processes:
            return apart(work, *args, **kwargs)
        return work(*args, **kwargs)

    def note(self, what: str) -> None:
        """Tell what is being done."""
        self.progress(ProgressStep(self.stage, 0, None, 0, what=what))

    def ask(
        self,
        who: str,
        questions: Sequence[Question],
        version: int | None = None,
        url: str | None = None,
        **how: Any,
    ) -> list[Measured]:
        """Ask the engine, in a process of its own.

        Parameters
        ----------
        who : str
        questions : sequence of Question
        version : int, optional
            Of the collection.
        url : str, optional
            Of another collection.
        **how
            Further arguments of `open`; no pixels are kept in memory unless they say so.
        """
        self.note(f"{who}: {len(questions)} questions")
        opening = Opening(url or self.collection, version, {"pixel_bytes": 0, **how})
        return self.apart(run_engine, who, opening, questions, self.options.repeats)

    def scan(
        self, who: str, method: Method, questions: Sequence[Question], *, in_memory: bool
    ) -> list[Measured]:
        """Ask a full scan, in a process of its own."""
        self.note(f"{who}: {len(questions)} questions")
        repeats = min(_SLOW, self.options.repeats)
        dataset = self.dataset
        return self.apart(run_scans, who, method, dataset, questions, repeats, in_memory=in_memory)


def measure_machine(options: SuiteOptions) -> Machine:
    """Measure all limits."""
    import os

    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / "plain-reads"
    try:
        file.write_bytes(bytes(options.copied))
        disk = measure_disk(file, options.copied)
    finally:
        file.unlink(missing_ok=True)
    store: tuple[float | None, float | None] = (None, None)
    if options.store is not None:
        store = measure_store(options.store, options.storage_options)
    return Machine(os.cpu_count() or 1, *measure_memory(options.copied), disk, *store)
