"""``ingest`` and ``register``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from masksearch_ray.cli.build_options import (
    Bins,
    Boxes,
    Cell,
    Constants,
    Domain,
    Images,
    InPlace,
    Key,
    MaskColumn,
    Metadata,
    NanPolicy,
    On,
    Round,
    Shape,
    Source,
)
from masksearch_ray.cli.entry import Interrupted
from masksearch_ray.cli.fresh import Creation, opened_or_created
from masksearch_ray.cli.help import add_command
from masksearch_ray.cli.options import (
    Address,
    Collection,
    RuntimeName,
    RuntimeOption,
    StorageOption,
)
from masksearch_ray.cli.output import say
from masksearch_ray.cli.parse import named_values, pair
from masksearch_ray.cli.progress import progress
from masksearch_ray.errors import InputError
from masksearch_ray.model.text import count, duration, percent, size

if TYPE_CHECKING:
    from masksearch_ray.collection.ingest_run import IngestReport

__all__ = ["AGAIN", "add_to", "low_high", "report_lines", "row_arguments"]

_GROUP = "From folder to collection"
AGAIN = "run the same command again to continue; nothing is added twice"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        ingest,
        _GROUP,
        "masksearch ingest maps/ masks/ --metadata rows.csv --images photos/",
        "masksearch ingest maps/ gradcam/ --set model_id=1 \\",
        "    --box object_box=coco:instances.json",
        "masksearch ingest depth/ depth.zarr --domain 0,10 --nan keep",
        "masksearch ingest s3://bucket/maps s3://bucket/masks --runtime ray",
    )
    add_command(
        app,
        register,
        _GROUP,
        "masksearch register maps/ s3://bucket/masks/ --metadata rows.csv",
    )


def ingest(
    collection: Collection,
    source: Source,
    metadata: Metadata,
    box: Boxes,
    set_: Constants,
    storage_option: StorageOption,
    on: On = None,
    images: Images = None,
    column: MaskColumn = None,
    key: Key = None,
    shape: Shape = None,
    dtype: Round = None,
    domain: Domain = None,
    nan: NanPolicy = None,
    cell: Cell = None,
    bins: Bins = None,
    runtime: RuntimeOption = RuntimeName.local,
    address: Address = None,
) -> None:
    """Copy masks and what is known of them into a collection.

    The collection is created if there is none, and the masks are indexed. All masks are added, or
    on any error none. If it is interrupted, the same command continues where it was; run again
    later, it adds what is new. On Ray the masks are read by the nodes of the cluster, which must
    see source and collection under the same names.
    """
    creation = Creation(low_high(domain), nan.value if nan else None, cell, bins)
    rows = row_arguments(source, metadata, on, box, images, set_, storage_option)
    try:
        where = opened_or_created(collection, storage_option, creation, runtime, address)
        with where as col, progress() as bar:
            report = col.ingest(
                source,
                column=column,
                key=key,
                shape=_height_width(shape),
                dtype=dtype.value if dtype else None,
                progress=bar,
                **rows,
            )
    except KeyboardInterrupt:
        raise Interrupted(AGAIN) from None
    facts, remarks = report_lines(report)
    typer.echo("\n".join(facts))
    say(*remarks)


def register(
    collection: Collection,
    source: InPlace,
    metadata: Metadata,
    box: Boxes,
    set_: Constants,
    storage_option: StorageOption,
    on: On = None,
    images: Images = None,
    domain: Domain = None,
    nan: NanPolicy = None,
    cell: Cell = None,
    bins: Bins = None,
) -> None:
    """Add .npy or .png masks where they lie, without a copy.

    The first query that touches masks indexes them, the next ones use what it has built. The files
    must stay as they are: one that has changed since is an error that names it.
    """
    creation = Creation(low_high(domain), nan.value if nan else None, cell, bins)
    rows = row_arguments(source, metadata, on, box, images, set_, storage_option)
    with opened_or_created(collection, storage_option, creation) as col, progress() as bar:
        report = col.register(source, progress=bar, **rows)
    typer.echo(f"registered {count(report.rows, 'mask')}: version {report.version}")


def row_arguments(
    source: str,
    metadata: Sequence[str],
    on: str | None,
    boxes: Sequence[str],
    images: str | None,
    constants: Sequence[str],
    storage: Sequence[str],
) -> dict[str, Any]:
    """Arguments that say what is known of the masks."""
    named = {
        "boxes": dict(_box(text) for text in boxes),
        "columns": named_values(constants, "--set"),
    }
    options = named_values(storage, "--storage-option")
    places = [source, *metadata, *([images] if images else [])]
    for place in places:
        # Now, lest a misspelt name leave an empty collection behind.
        if "://" not in place and not os.path.lexists(place):
            raise InputError(f"{os.path.abspath(place)}: nothing there")
    return {
        **named,
        "metadata": list(metadata),
        "on": on,
        "images": images,
        # Folders take no options: they are meant for the collection alone where any is local.
        "storage_options": options if all("://" in place for place in places) else None,
    }


def _box(text: str) -> tuple[str, Any]:
    """Read ``NAME=FROM``."""
    from masksearch_ray.collection.metadata import BoxColumns, Coco

    name, _, source = (part.strip() for part in text.partition("="))
    if not (name and source):
        raise InputError(f"--box {text!r}: NAME=FROM wanted, as in object_box=x0,y0,x1,y1")
    if source.startswith("coco:"):
        return name, Coco(source.removeprefix("coco:"))
    columns = tuple(part.strip() for part in source.removeprefix("xywh:").split(","))
    return name, BoxColumns(columns, "size" if source.startswith("xywh:") else "corners")


def low_high(text: str | None) -> tuple[float, float] | None:
    """Read a value domain."""
    return None if text is None else pair(text, "--domain")


def _height_width(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    height, width = pair(text, "--shape", "HEIGHT,WIDTH")
    if height != int(height) or width != int(width):
        raise InputError(f"--shape {text}: whole numbers HEIGHT,WIDTH wanted")
    return int(height), int(width)


def _rate(report: IngestReport) -> str:
    """Tell how fast it was, and by whom."""
    if report.seconds <= 0:
        return ""
    each = size(round(report.raw_bytes / report.seconds))
    told = f"{report.rows / report.seconds:,.0f} masks/s, {each}/s"
    if report.workers > 1 or report.nodes > 1:
        told += f", {count(report.workers, 'worker')} of {count(report.nodes, 'node')}"
    return f" ({told})"


def report_lines(report: IngestReport) -> tuple[list[str], list[str]]:
    """Say what was added and what it takes, and what else there is to know."""
    if not report.rows:
        return [f"nothing to add, {count(report.skipped, 'mask')} were there already"], []
    sizes = report.sizes
    share = percent(sizes.index, sizes.pixels)
    facts = [
        f"{count(report.rows, 'mask')} added in {duration(report.seconds)}{_rate(report)}: "
        f"version {report.version}",
        f"{size(sizes.raw)} as given, {size(sizes.stored)} stored: "
        f"pixels {size(sizes.pixels)}, metadata {size(sizes.rows)}, "
        f"index {size(sizes.index)}, {share} of the pixels (CHI {size(sizes.chi)}, "
        f"ROI histograms {size(sizes.histograms)}, tile directory {size(sizes.directory)})",
    ]
    remarks = [
        f"{column}: in {count(rows, 'row')} boxes reach beyond the mask, and are clipped on use"
        for column, rows in report.boxes_beyond.items()
    ]
    if report.skipped:
        remarks.insert(0, f"{count(report.skipped, 'mask')} were there already")
    if report.resumed:
        told = f"{count(report.resumed, 'mask')} of these were done by a run that was interrupted"
        remarks.insert(0, told)
    return facts, remarks
