"""``delete``, ``index``, ``compact`` and ``vacuum``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import typer

from masksearch_ray.cli.help import add_command, option, repeated
from masksearch_ray.cli.opening import opened
from masksearch_ray.cli.options import (
    Address,
    Collection,
    Parameters,
    RuntimeName,
    RuntimeOption,
    StorageOption,
)
from masksearch_ray.cli.output import say
from masksearch_ray.cli.parse import box_or_text, named_values, value
from masksearch_ray.cli.progress import progress
from masksearch_ray.errors import InputError
from masksearch_ray.model.text import count, size

__all__ = ["add_to", "bins_of"]

_GROUP = "Look after"


class Clustering(StrEnum):
    """What masks may be clustered by."""

    image_id = "image_id"


Predicate = Annotated[
    str,
    typer.Argument(
        metavar="PREDICATE",
        help="A condition on metadata, as after WHERE.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many masks are meant.")]
Rois = Annotated[
    list[str],
    repeated(
        "--roi",
        metavar="REGION",
        help="x0,y0,x1,y1, a column of boxes, or any region of SQL; may be repeated. "
        "Without: the full image and every column of boxes.",
    ),
]
Bins = Annotated[
    str | None,
    option(
        metavar="N|quantiles",
        help="Bins in place of the collection's: so many of one width (256 make counts on uint8 "
        "masks exact), or as many as it has, with about as many pixels in each.",
    ),
]
Keep = Annotated[
    int,
    typer.Option("--keep-versions", metavar="N", min=1, help="Newest versions that stay."),
]
ClusterBy = Annotated[
    Clustering | None,
    option("--cluster-by", help="Sort the masks by it, over all segments."),
]
Age = Annotated[
    str,
    typer.Option(
        "--older-than",
        metavar="AGE",
        help="What is younger stays: 90s, 30m, 12h, 7d. No running ingest may be older.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        delete,
        _GROUP,
        "masksearch delete maps/ \"model_id = 2 AND split = 'val'\" --dry-run",
        'masksearch delete maps/ "mask_id IN (17, 23)"',
    )
    add_command(
        app,
        index,
        _GROUP,
        "masksearch index maps/ --roi 50,50,200,200",
        "masksearch index maps/ --roi object_box --bins 256",
    )
    add_command(
        app,
        compact,
        _GROUP,
        "masksearch compact maps/",
        "masksearch compact s3://bucket/maps --cluster-by image_id --runtime ray",
    )
    add_command(app, vacuum, _GROUP, "masksearch vacuum maps/ --keep-versions 3 --older-than 1d")


def delete(
    collection: Collection,
    predicate: Predicate,
    param: Parameters,
    storage_option: StorageOption,
    dry_run: DryRun = False,
) -> None:
    """Delete the masks that a condition on metadata selects.

    The version before still holds them (--version), until vacuum removes it.
    """
    values = named_values(param, "--param")
    with opened(collection, storage_option) as col:
        if dry_run:
            asked = f"SELECT COUNT(*) AS n FROM masks WHERE {predicate}"
            meant = col.sql(asked, values).table["n"][0].as_py()
            typer.echo(f"would delete {meant:,} of {count(len(col), 'mask')}")
            return
        before = col.version
        deleted = col.delete(predicate, values).rows
        typer.echo(f"deleted {count(deleted, 'mask')}, {len(col):,} left: version {col.version}")
        if deleted:
            say(f"--version {before} still has them, until masksearch vacuum")


def index(
    collection: Collection,
    roi: Rois,
    storage_option: StorageOption,
    bins: Bins = None,
    runtime: RuntimeOption = RuntimeName.local,
    address: Address = None,
) -> None:
    """Let the index know more regions, or finer bins.

    It keeps a histogram of each region. A count inside such a region needs no pixels where its
    range ends on edges of bins. What is there already is not built again; for masks added later
    run it again.
    """
    rois = [box_or_text(text) for text in roi] or "auto"
    with opened(collection, storage_option, runtime, address) as col, progress() as bar:
        report = col.build_index(rois=rois, bins=bins_of(bins), progress=bar)
    typer.echo(
        f"built for {report.built:,} of {count(report.segments, 'segment')}, {size(report.bytes)}"
    )


def bins_of(text: str | None) -> int | Literal["quantiles"] | None:
    """Read the bins of an index: a number, or "quantiles"."""
    if text is None:
        return None
    if text == "quantiles":
        return "quantiles"
    number = value(text)
    if isinstance(number, int) and not isinstance(number, bool) and number > 0:
        return number
    raise InputError(f"--bins {text!r}: a number of bins or 'quantiles' wanted")


def compact(
    collection: Collection,
    storage_option: StorageOption,
    cluster_by: ClusterBy = None,
    runtime: RuntimeOption = RuntimeName.local,
    address: Address = None,
) -> None:
    """Merge small segments, and those with deleted masks, into full ones.

    With --cluster-by image_id the masks of an image are brought together over all segments, which
    lets queries that group by image read less. Answers stay the same.
    """
    with opened(collection, storage_option, runtime, address) as col, progress() as bar:
        report = col.compact(cluster_by="image_id" if cluster_by else None, progress=bar)
    if not report.merged:
        typer.echo("nothing to merge")
        return
    typer.echo(
        f"merged {count(report.merged, 'segment')} with {count(report.rows, 'mask')} "
        f"into {report.written:,}: version {report.version}"
    )


def vacuum(
    collection: Collection,
    storage_option: StorageOption,
    keep_versions: Keep = 10,
    older_than: Age = "7d",
) -> None:
    """Remove old versions, and what no version that is kept needs."""
    with opened(collection, storage_option) as col:
        report = col.vacuum(keep_versions=keep_versions, older_than=older_than)
    typer.echo(
        f"removed {count(report.versions, 'version')} and {count(report.objects, 'object')}, "
        f"{size(report.bytes)}"
    )
