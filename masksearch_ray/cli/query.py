"""``sql`` and ``explain``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masksearch_ray.cli.help import add_command
from masksearch_ray.cli.opening import opened
from masksearch_ray.cli.options import (
    Address,
    Cache,
    CacheBytes,
    Collection,
    KeepAlive,
    Memory,
    MostRows,
    OutputFile,
    OutputFormat,
    Parameters,
    Region,
    RuntimeName,
    RuntimeOption,
    ShowStats,
    StatsJson,
    StorageOption,
    Timeout,
    UseIndex,
    Version,
    Workers,
)
from masksearch_ray.cli.output import Destination, emit, say, write_record
from masksearch_ray.cli.parse import box_or_text, named_values
from masksearch_ray.errors import InputError
from masksearch_ray.model.text import count, duration, percent, size

if TYPE_CHECKING:
    from masksearch_ray.model.record import QueryRecord, Sink
    from masksearch_ray.session import Stats

__all__ = ["add_to", "stats_line", "workers_line"]

Statement = Annotated[
    str,
    typer.Argument(
        metavar="SQL",
        help="The query; - reads it from standard input, @FILE from a file.",
        show_default=False,
    ),
]
_TOP = (
    'masksearch sql maps/ "SELECT mask_id, CP(mask, object_box, (0.8, 1.0)) AS n',
    '    FROM masks WHERE label <> prediction ORDER BY n DESC LIMIT 10" --stats',
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        sql,
        "Ask",
        *_TOP,
        'masksearch sql maps/ "SELECT COUNT(*) FROM masks',
        '    WHERE CP(mask, roi, (:t, 1.0)) > 1000" --roi 50,50,200,200 --param t=0.6',
        "masksearch sql maps/ @query.sql --output found.csv",
    )
    add_command(
        app,
        explain,
        "Ask",
        'masksearch explain maps/ "SELECT mask_id FROM masks',
        '    WHERE CP(mask, full_image, (0.8, 1.0)) > 1000" --analyze',
    )


def sql(
    collection: Collection,
    statement: Statement,
    param: Parameters,
    storage_option: StorageOption,
    roi: Region = None,
    timeout: Timeout = None,
    use_index: UseIndex = True,
    version: Version = None,
    format: OutputFormat = None,
    output: OutputFile = None,
    rows: MostRows = 100,
    stats: ShowStats = False,
    stats_json: StatsJson = None,
    runtime: RuntimeOption = RuntimeName.local,
    address: Address = None,
    cache: Cache = None,
    cache_bytes: CacheBytes = None,
    keep_alive: KeepAlive = None,
    workers: Workers = None,
    memory: Memory = None,
) -> None:
    """Answer a query.

    The answer is a table on standard output; --format and --output choose CSV, JSON (one array),
    JSON lines or Parquet. Tables round floats to six digits, the other formats do not. Whatever the
    format, rows are written when the whole answer is known, and in the order of the answer.
    """
    destination = Destination(format, output, rows)
    destination.chosen  # noqa: B018 - a query may take long: refuse a wrong destination first
    text = statement_text(statement)
    asked = _asked(param, roi, timeout, use_index)
    where = collection, storage_option, runtime, address, version, cache
    ray = keep_alive, workers, memory
    with _kept(stats_json) as on_query, opened(*where, on_query, cache_bytes, *ray) as col:
        result = col.sql(text, **asked)
        emit(result.table, destination)
        if stats:
            say(stats_line(result.stats))


def explain(
    collection: Collection,
    statement: Statement,
    param: Parameters,
    storage_option: StorageOption,
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Run it too, and say what it read and how long.")
    ] = False,
    roi: Region = None,
    timeout: Timeout = None,
    use_index: UseIndex = True,
    version: Version = None,
    runtime: RuntimeOption = RuntimeName.local,
    address: Address = None,
    cache: Cache = None,
    cache_bytes: CacheBytes = None,
    keep_alive: KeepAlive = None,
    workers: Workers = None,
    memory: Memory = None,
) -> None:
    """Show how a query would be answered; with --analyze, how it was."""
    text = statement_text(statement)
    if analyze and not text.lstrip().upper().startswith("EXPLAIN"):
        text = f"EXPLAIN ANALYZE {text}"
    asked = _asked(param, roi, timeout, use_index)
    where = collection, storage_option, runtime, address, version, cache
    with opened(*where, None, cache_bytes, keep_alive, workers, memory) as col:
        told = col.explain(text, **asked)
    typer.echo(told)


@contextmanager
def _kept(file: Path | None) -> Iterator[Sink | None]:
    """Write the record of the query to a file, however the query ends."""
    records: list[QueryRecord] = []
    try:
        yield None if file is None else records.append
    finally:
        if file is not None and records:
            write_record(file, records[-1])


def _asked(
    param: Sequence[str], roi: str | None, timeout: float | None, use_index: bool
) -> dict[str, Any]:
    """Everything asked besides the text."""
    return {
        "params": named_values(param, "--param"),
        "roi": None if roi is None else box_or_text(roi),
        "timeout": timeout,
        "use_index": use_index,
    }


def statement_text(statement: str) -> str:
    """Text of a query given as such, by ``@FILE`` or on standard input."""
    if statement == "-":
        return sys.stdin.read()
    if not statement.startswith("@"):
        return statement
    try:
        return Path(statement[1:]).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{statement[1:]}: not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{statement[1:]}: {error.strerror}") from error


def stats_line(stats: Stats) -> str:
    """How much the index decided and how much was read, in a line."""
    decided = percent(stats.rows_decided_by_index, stats.rows_selected)
    cached = f"; index of {count(stats.index_cached, 'segment')} in a cache"
    kept = f", {size(stats.bytes_cached)} from the cache" if stats.bytes_cached else ""
    return (
        f"{count(stats.rows_selected)} of {count(stats.rows_total, 'row')} selected: "
        f"{count(stats.rows_decided_by_index)} decided by the index ({decided}), "
        f"{count(stats.rows_verified)} verified; "
        f"{count(stats.tiles_read)} of {count(stats.tiles_total, 'tile')} and "
        f"{size(stats.bytes_read)} read{kept}; {duration(stats.seconds)}"
        f"{cached if stats.index_cached else ''}"
    )


def workers_line(stats: Stats) -> str:
    """Who answered, in a line."""
    done = stats.to_dict()
    return f"by {count(done['workers'], 'worker')} of {count(done['nodes'], 'node')}"
