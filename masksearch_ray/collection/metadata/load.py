"""Metadata tables from CSV, Parquet, Arrow, JSON and JSON lines."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet as pq

from masksearch_ray.collection.sources.location import locate, suffix_of
from masksearch_ray.errors import DataError

__all__ = ["Loaded", "load_table", "read_object"]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A table and where it came from.

    Parameters
    ----------
    name : str
        For errors.
    table : pyarrow.Table
    digest : str
        Changes when the content changes.
    """

    name: str
    table: pa.Table
    digest: str


def load_table(source: object, text: Sequence[str], options: Mapping[str, Any] | None) -> Loaded:
    """Read a table of metadata.

    Parameters
    ----------
    source : str, path, pyarrow.Table, pandas.DataFrame or dict of columns
        A URL or path ends in .csv, .tsv, .parquet, .arrow, .feather, .json, .jsonl or .ndjson.
    text : sequence of str
        Columns of a CSV that are text even where they look like numbers (``007``).
    options : mapping, optional
        Of the storage.

    Raises
    ------
    DataError
        If it cannot be read; the text names it.
    """
    name, data = "metadata", None
    if isinstance(source, str | os.PathLike):
        name, data = read_object(os.fspath(source), options)
    try:
        table = _as_table(source) if data is None else _parse(name, data, text)
        names = table.schema.names
        if len(set(names)) < len(names):
            raise DataError(f"a column is there twice: {names}")
    except (pa.ArrowException, OSError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{name}: {error}") from error
    digest = _digest_of(table) if data is None else hashlib.sha256(data).hexdigest()
    return Loaded(name, table, digest)


def read_object(url: str, options: Mapping[str, Any] | None) -> tuple[str, bytes]:
    """URL and content of a single file."""
    location = locate(url, options)
    if [info.key for info in location.infos] != [location.prefix]:
        raise DataError(f"{location.url}: a folder; a file wanted")
    return location.url, location.storage.get(location.prefix)


def _as_table(source: Any) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    if hasattr(source, "columns") and hasattr(source, "to_dict"):  # a pandas data frame
        return pa.Table.from_pandas(source, preserve_index=False).replace_schema_metadata()
    return pa.table(dict(source) if isinstance(source, Mapping) else source)


def _parse(name: str, data: bytes, text: Sequence[str]) -> pa.Table:
    match suffix_of(name):
        case ".csv" | ".tsv" as suffix:
            return _csv_table(data, "," if suffix == ".csv" else "\t", text)
        case ".parquet" | ".pq":
            return pq.read_table(io.BytesIO(data))
        case ".arrow" | ".feather" | ".ipc":
            return pyarrow.feather.read_table(io.BytesIO(data))
        case ".jsonl" | ".ndjson":
            return pyarrow.json.read_json(io.BytesIO(data))
        case ".json":
            return _json_table(data)
        case suffix:
            accepted = ".csv, .tsv, .parquet, .arrow, .feather, .json, .jsonl or .ndjson"
            raise DataError(f"files of {suffix or 'no suffix'} hold no metadata; {accepted} do")


def _csv_table(data: bytes, delimiter: str, text: Sequence[str]) -> pa.Table:
    table = pyarrow.csv.read_csv(
        io.BytesIO(data),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={column: pa.string() for column in text}
        ),
    )
    for field in table.schema:
        if pa.types.is_binary(field.type):  # what Arrow makes of text in another encoding
            raise DataError(f"column {field.name!r} is not UTF-8 text")
    return table


def _json_table(data: bytes) -> pa.Table:
    """Read a list of records, or one record a line."""
    if not data.lstrip().startswith(b"["):
        return pyarrow.json.read_json(io.BytesIO(data))
    records = json.loads(data)
    if not all(isinstance(record, dict) for record in records):
        raise DataError("a list of records wanted")
    return pa.Table.from_pylist(records)


def _digest_of(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()
