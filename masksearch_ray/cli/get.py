"""``get``: masks as arrays and as pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masksearch_ray.cli.help import add_command, option
from masksearch_ray.cli.opening import opened
from masksearch_ray.cli.options import (
    Cache,
    CacheBytes,
    Collection,
    Parameters,
    Region,
    StorageOption,
    Version,
)
from masksearch_ray.cli.output import say
from masksearch_ray.cli.parse import box_or_text, named_values
from masksearch_ray.cli.pictures import Overlay, Painter
from masksearch_ray.cli.query import statement_text
from masksearch_ray.errors import FailedError, InputError
from masksearch_ray.model.text import count

if TYPE_CHECKING:
    from masksearch_ray.session import Collection as OpenCollection

__all__ = ["add_to"]

_BATCH = 64


class Files(StrEnum):
    """Which files are written for each mask."""

    both = "both"
    npy = "npy"
    png = "png"


Ids = Annotated[
    list[int] | None,
    typer.Argument(metavar="MASK_ID", help="Masks to get.", show_default=False),
]
Query = Annotated[
    str | None,
    option(
        "--sql",
        metavar="SQL",
        help="Get the masks that a query finds: its answer has a column mask_id.",
    ),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where files go; made if need be.")
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace files that are there already; else they are an error."
    ),
]
FileFormat = Annotated[
    Files,
    typer.Option(
        "--format", "-f", help="npy: the pixels as stored; png: a heat map to look at; or both."
    ),
]
OverlayOption = Annotated[
    bool | None,
    option(
        "--overlay/--no-overlay",
        help="Heat maps over the images (an image that is missing is an error), or alone; "
        "by default over those images that are known and there.",
    ),
]
ImageFolder = Annotated[
    Path | None,
    option(
        "--images",
        metavar="FOLDER",
        help="Where relative paths of images begin.",
    ),
]
Side = Annotated[
    int | None,
    option(
        "--size",
        metavar="PIXELS",
        min=1,
        help="Longer side of the pictures; by default that of mask or image, at least 256.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        get,
        "Ask",
        "masksearch get maps/ 17 23 --out found/",
        'masksearch get maps/ --format png --sql "SELECT mask_id FROM masks',
        '    ORDER BY CP(mask, outside(object_box), (0.8, 1.0)) DESC LIMIT 9"',
    )


def get(
    collection: Collection,
    param: Parameters,
    storage_option: StorageOption,
    mask_id: Ids = None,
    sql: Query = None,
    out: Out = Path("found"),
    overwrite: Overwrite = False,
    format: FileFormat = Files.both,
    overlay: OverlayOption = None,
    images: ImageFolder = None,
    size: Side = None,
    roi: Region = None,
    version: Version = None,
    cache: Cache = None,
    cache_bytes: CacheBytes = None,
) -> None:
    """Write masks to files: FOLDER/<mask_id>.npy and .png.

    Where the collection has a column image_path, pictures show the mask over its image.
    """
    if bool(mask_id) == (sql is not None):
        raise InputError("get wants mask_ids, or --sql with a query that finds them")
    where = collection, storage_option
    with opened(*where, version=version, cache=cache, cache_bytes=cache_bytes) as col:
        ids = mask_id or []
        if sql is not None:
            region = None if roi is None else box_or_text(roi)
            ids = _found(col, statement_text(sql), named_values(param, "--param"), region)
        if not overwrite:
            _refuse_to_replace(out, ids, format)
        painter = Painter(col.domain, Overlay.of(overlay), images, storage_option, size)
        _write(col, ids, out, format, painter)
    say(f"{count(len(ids), 'mask')} written to {out}{painter.told}")


def _found(
    collection: OpenCollection, text: str, values: Mapping[str, Any], roi: object
) -> list[int]:
    table = collection.sql(text, values, roi=roi).table
    if "mask_id" not in table.column_names:
        raise InputError(
            f"--sql: the answer has no column mask_id, but {', '.join(table.column_names)}"
        )
    return list(dict.fromkeys(table["mask_id"].to_pylist()))


def _refuse_to_replace(out: Path, ids: Sequence[int], format: Files) -> None:
    """Before anything is written, for the folder may well hold masks of the user's own."""
    for mask_id in ids:
        for suffix in _suffixes(format):
            file = out / f"{mask_id}{suffix}"
            if os.path.lexists(file):
                raise InputError(
                    f"{file} is there already: --overwrite replaces such files, "
                    "--out names another folder"
                )


def _suffixes(format: Files) -> tuple[str, ...]:
    return (".npy", ".png") if format is Files.both else (f".{format.value}",)


def _write(
    collection: OpenCollection, ids: Sequence[int], out: Path, format: Files, painter: Painter
) -> None:
    import numpy as np

    from masksearch_ray.model.values import Domain, pixel_values

    domain, suffixes = Domain(*collection.domain), _suffixes(format)
    try:
        for some in _batches(ids):
            paths = _image_paths(collection, some) if ".png" in suffixes else {}
            masks = collection.masks(some)
            out.mkdir(parents=True, exist_ok=True)
            for mask_id, mask in zip(some, masks, strict=True):
                if ".npy" in suffixes:
                    np.save(out / f"{mask_id}.npy", mask)
                if ".png" in suffixes:
                    values = pixel_values(mask, domain)
                    painter.write(out / f"{mask_id}.png", values, paths.get(mask_id))
    except OSError as error:
        raise FailedError(f"{error.filename or out}: {error.strerror or error}") from error


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(ids), _BATCH):
        yield ids[first : first + _BATCH]


def _image_paths(collection: OpenCollection, ids: Sequence[int]) -> dict[int, str | None]:
    if "image_path" not in collection.schema.names:
        return {}
    listed = ", ".join(str(mask_id) for mask_id in ids)
    text = f"SELECT mask_id, image_path FROM masks WHERE mask_id IN ({listed})"
    table = collection.sql(text).table
    return dict(zip(table["mask_id"].to_pylist(), table["image_path"].to_pylist(), strict=True))
