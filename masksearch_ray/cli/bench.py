"""``bench``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masksearch_ray.cli.help import add_command, option, repeated
from masksearch_ray.cli.options import OutputFile, OutputFormat, StorageOption
from masksearch_ray.cli.output import Destination, emit, say
from masksearch_ray.cli.parse import named_values
from masksearch_ray.cli.progress import progress

if TYPE_CHECKING:
    import pyarrow as pa

    from masksearch_ray.bench.suite import SuiteReport

__all__ = ["add_to"]

_ALL = 22_275

Images = Annotated[
    int, typer.Option("--images", metavar="N", min=1, help="Images, of two masks each.")
]
Side = Annotated[int, typer.Option(metavar="PIXELS", min=16, help="Height and width of a mask.")]
Repeats = Annotated[int, typer.Option(metavar="N", min=1, help="Times each query is timed.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="The same seed draws the same masks.")]
Folder = Annotated[
    Path | None,
    option(metavar="FOLDER", help="Keeps masks and collection; by default in the user's cache."),
]
Only = Annotated[
    list[str], repeated("--only", metavar="SECTION", help="One section; may be repeated.")
]
Ray = Annotated[bool, typer.Option("--ray/--no-ray", help="Whether to measure on Ray, too.")]
Store = Annotated[
    str | None, option(metavar="URL", help="Prefix of an object store to measure on, too.")
]
Write = Annotated[
    Path | None,
    option("--write", metavar="FOLDER", help="Fill in FOLDER/benchmarks.md, draw its chart."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        bench,
        "Try it",
        "masksearch bench --images 1000 --only filter --only top-k",
        "masksearch bench --write docs",
    )


def bench(
    only: Only,
    storage_option: StorageOption,
    images: Images = _ALL,
    side: Side = 448,
    repeats: Repeats = 15,
    seed: Seed = 0,
    folder: Folder = None,
    ray: Ray = True,
    store: Store = None,
    write: Write = None,
    format: OutputFormat = None,
    output: OutputFile = None,
) -> None:
    """Measure against NumPy, numba, DuckDB, Zarr and the limits of this machine.

    Masks like saliency maps are drawn once and kept. Each contender then answers in a process of
    its own, one after another, from one file of masks, and every answer is checked. The table
    shows what is aimed at and what was reached. All of it takes some 20 minutes, 20 GiB of disk
    and up to 20 GiB of memory; less with fewer images.
    """
    from masksearch_ray.bench.dataset import DatasetOptions
    from masksearch_ray.bench.suite import SuiteOptions, check_docs, run_suite, write_report

    destination = Destination(format, output)
    destination.chosen  # noqa: B018 - refuse a wrong destination before the work
    options = SuiteOptions(
        folder=folder or _cache(),
        dataset=DatasetOptions(images, side, seed),
        repeats=repeats,
        drawn=max(1, 200_000 * min(images, _ALL) // _ALL),
        bounded=max(1, 2_662_334 * min(images, _ALL) // _ALL),
        ray=ray,
        store=store,
        storage_options=named_values(storage_option, "--storage-option"),
    )
    if write is not None:
        check_docs(write)
    with progress() as bar:
        report = run_suite(options, only, bar)
    say("every answer was right")
    if write is not None:
        write_report(report, write)
        say(f"written: {write / 'benchmarks.md'}")
    emit(_table(report), destination)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
    return Path(base) / "masksearch_ray" / "bench"


def _table(report: SuiteReport) -> pa.Table:
    import pyarrow as pa

    rows = report.targets
    return pa.table(
        {
            "section": [section for section, _ in rows],
            "what": [target.what for _, target in rows],
            "target": [target.wanted for _, target in rows],
            "reached": [target.reached for _, target in rows],
            "met": pa.array([target.met for _, target in rows], pa.bool_()),
            "physical limit": [target.limit for _, target in rows],
        }
    )
