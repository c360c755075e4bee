"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Address",
    "Collection",
    "Format",
    "MostRows",
    "OutputFile",
    "OutputFormat",
    "Parameters",
    "Region",
    "RuntimeName",
    "RuntimeOption",
    "ShowStats",
    "StorageOption",
    "Timeout",
    "UseIndex",
    "Version",
]

QUERY = "The query"
RESULT = "The answer"
WHERE = "Where it runs"


class Format(StrEnum):
    """How an answer is written."""

    table = "table"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"
    parquet = "parquet"


class RuntimeName(StrEnum):
    """What carries a query out."""

    local = "local"
    ray = "ray"


Collection = Annotated[
    str,
    typer.Argument(
        metavar="COLLECTION",
        help="Folder or URL of the collection (s3://…).",
        show_default=False,
    ),
]
Version = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="An older version in place of the latest.", show_default=False
    ),
]
StorageOption = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=VALUE",
        help="An option of the storage's client, such as endpoint_url; may be repeated.",
        rich_help_panel=WHERE,
        show_default=False,
        default_factory=list,
    ),
]
RuntimeOption = Annotated[
    RuntimeName,
    typer.Option("--runtime", help="Threads of this process, or Ray.", rich_help_panel=WHERE),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Ray cluster; else RAY_ADDRESS, else a private instance on this machine.",
        rich_help_panel=WHERE,
        show_default=False,
    ),
]
Parameters = Annotated[
    list[str],
    typer.Option(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="Value of :NAME: a number, true, false, null, else text ('7' in quotes is text); "
        "may be repeated.",
        rich_help_panel=QUERY,
        show_default=False,
        default_factory=list,
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--roi",
        metavar="REGION",
        help="What roi means: x0,y0,x1,y1, a column of boxes, or any region of SQL.",
        rich_help_panel=QUERY,
        show_default=False,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="Give up after so long.",
        rich_help_panel=QUERY,
        show_default=False,
    ),
]
UseIndex = Annotated[
    bool,
    typer.Option(
        "--index/--no-index",
        help="Without the index every selected mask is read; the answer is the same.",
        rich_help_panel=QUERY,
    ),
]
OutputFormat = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-f",
        help="How the answer is written; by default as FILE's ending says, else a table.",
        rich_help_panel=RESULT,
        show_default=False,
    ),
]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to a file (.csv, .json, .jsonl, .parquet).",
        rich_help_panel=RESULT,
        show_default=False,
    ),
]
MostRows = Annotated[
    int,
    typer.Option(
        "--rows",
        metavar="N",
        min=0,
        help="Most rows that a table shows, 0 for all; files always hold all.",
        rich_help_panel=RESULT,
    ),
]
ShowStats = Annotated[
    bool,
    typer.Option(
        "--stats",
        help="Say how much the index decided and how much was read.",
        rich_help_panel=RESULT,
    ),
]
