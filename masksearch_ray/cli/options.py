"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from masksearch_ray.cli.help import option, repeated

__all__ = [
    "Address",
    "Cache",
    "CacheBytes",
    "Collection",
    "Format",
    "KeepAlive",
    "Memory",
    "MostRows",
    "OutputFile",
    "OutputFormat",
    "Parameters",
    "Region",
    "RuntimeName",
    "RuntimeOption",
    "ShowStats",
    "StatsJson",
    "StorageOption",
    "Timeout",
    "UseIndex",
    "Version",
    "Workers",
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
    option(metavar="N", min=0, help="An older version in place of the latest."),
]
StorageOption = Annotated[
    list[str],
    repeated(
        metavar="NAME=VALUE",
        help="An option of the storage's client, such as endpoint_url; may be repeated.",
        group=WHERE,
    ),
]
RuntimeOption = Annotated[
    RuntimeName,
    typer.Option("--runtime", help="Threads of this process, or Ray.", rich_help_panel=WHERE),
]
Address = Annotated[
    str | None,
    option(
        metavar="ADDRESS",
        help="Ray cluster; else RAY_ADDRESS, else a private instance on this machine.",
        group=WHERE,
    ),
]
KeepAlive = Annotated[
    float | None,
    option(
        metavar="SECONDS",
        min=0,
        help="Let the workers of a Ray cluster stay so long without use, with what they hold in "
        "memory, for the next query that asks so; else they end with this one.",
        group=WHERE,
    ),
]
Workers = Annotated[
    int | None,
    option(
        metavar="N",
        min=1,
        help="Ray workers to ask for, one CPU each, never more than the collection has segments; "
        "by default one for each CPU that the cluster has now.",
        group=WHERE,
    ),
]
Memory = Annotated[
    int | None,
    option(metavar="BYTES", min=0, help="Memory to ask Ray for, for each worker.", group=WHERE),
]
Cache = Annotated[
    str | None,
    option(
        metavar="FOLDER",
        help="Where is kept what was read of a remote collection, and the index of registered "
        "masks if the collection is read-only; by default in the user's cache.",
        group=WHERE,
    ),
]
CacheBytes = Annotated[
    int | None,
    option(
        metavar="BYTES",
        min=0,
        help="How much of remote collections is kept there, 0 for nothing; by default "
        "MASKSEARCH_CACHE_BYTES, else a fifth of what the disk has free, at most 10 GiB.",
        group=WHERE,
    ),
]
Parameters = Annotated[
    list[str],
    repeated(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="Value of :NAME: a number, true, false, null, else text ('7' in quotes is text); "
        "may be repeated.",
        group=QUERY,
    ),
]
Region = Annotated[
    str | None,
    option(
        "--roi",
        metavar="REGION",
        help="What roi means: x0,y0,x1,y1, a column of boxes, or any region of SQL.",
        group=QUERY,
    ),
]
Timeout = Annotated[
    float | None,
    option(
        metavar="SECONDS",
        min=0,
        help="Give up after so long.",
        group=QUERY,
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
    option(
        "--format",
        "-f",
        help="How the answer is written; by default as FILE's ending says, else a table.",
        group=RESULT,
    ),
]
OutputFile = Annotated[
    Path | None,
    option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to a file (.csv, .json, .jsonl, .parquet).",
        group=RESULT,
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
StatsJson = Annotated[
    Path | None,
    option(
        "--stats-json",
        metavar="FILE",
        help="Write what the query did, or how it failed, as a JSON object; - is standard error.",
        group=RESULT,
    ),
]
