"""Arguments and options of ``ingest`` and ``register``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from masksearch_ray.cli.help import option, repeated

__all__ = [
    "Bins",
    "Boxes",
    "Cell",
    "Constants",
    "Domain",
    "Floats",
    "Images",
    "InPlace",
    "Key",
    "MaskColumn",
    "Metadata",
    "Nan",
    "NanPolicy",
    "On",
    "Round",
    "Shape",
    "Source",
]

_META = "What is known of the masks"
_NEW = "Where the collection is new or empty"
_FROM = "How masks lie in the source"


class Floats(StrEnum):
    """Types to which pixels of wider floats may be rounded."""

    float16 = "float16"
    float32 = "float32"


class Nan(StrEnum):
    """What becomes of masks that hold NaN."""

    reject = "reject"
    keep = "keep"


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Folder, prefix or file of .npy, .npz, .png or .tif masks; a Zarr array; Parquet or "
        "Arrow files with a column of masks.",
        show_default=False,
    ),
]
InPlace = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Folder, prefix or file of .npy or .png masks.",
        show_default=False,
    ),
]
Metadata = Annotated[
    list[str],
    repeated(
        "--metadata",
        "-m",
        metavar="FILE",
        help="CSV, Parquet or JSON lines, one row a mask, joined by file name; may be repeated.",
        group=_META,
    ),
]
On = Annotated[
    str | None,
    option(
        metavar="COLUMN",
        help="FILE's column of file names; else file, filename, path, …",
        group=_META,
    ),
]
Boxes = Annotated[
    list[str],
    repeated(
        "--box",
        metavar="NAME=FROM",
        help="A column of boxes, from four columns x0,y0,x1,y1, from one column of lists, "
        "from xywh:x,y,w,h, or from coco:FILE.json; may be repeated.",
        group=_META,
    ),
]
Images = Annotated[
    str | None,
    option(
        metavar="FOLDER",
        help="The images, found by the masks' names; fills image_path.",
        group=_META,
    ),
]
Constants = Annotated[
    list[str],
    repeated(
        "--set",
        metavar="NAME=VALUE",
        help="A column with one value for all, such as model_id=1; may be repeated.",
        group=_META,
    ),
]
MaskColumn = Annotated[
    str | None,
    option(
        "--column",
        metavar="NAME",
        help="Column of a table, or array of a Zarr group, that holds the masks.",
        group=_FROM,
    ),
]
Key = Annotated[
    str | None,
    option(
        metavar="COLUMN",
        help="Column of a table that names the masks.",
        group=_FROM,
    ),
]
Shape = Annotated[
    str | None,
    option(
        metavar="HEIGHT,WIDTH",
        help="Of masks in flat lists.",
        group=_FROM,
    ),
]
Round = Annotated[
    Floats | None,
    option(
        "--dtype",
        help="Round masks of other floats to this type; float64 is not stored.",
        group=_FROM,
    ),
]
Domain = Annotated[
    str | None,
    option(
        metavar="LOW,HIGH",
        help="Smallest and largest value of a pixel; 0,1 by default.",
        group=_NEW,
    ),
]
NanPolicy = Annotated[
    Nan | None,
    option(
        help="Whether masks may hold NaN; reject by default.",
        group=_NEW,
    ),
]
Cell = Annotated[
    int | None,
    option(
        metavar="PIXELS",
        min=1,
        help="Side of the index's cells; by the masks' size by default.",
        group=_NEW,
    ),
]
Bins = Annotated[
    int | None,
    option(
        metavar="N",
        min=1,
        help="Bins of the index; 20 by default, 256 make every count on uint8 masks exact "
        "where a region has a histogram.",
        group=_NEW,
    ),
]
