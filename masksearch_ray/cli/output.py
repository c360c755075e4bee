"""Answers as tables, CSV, JSON and Parquet."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from masksearch_ray.cli.options import Format
from masksearch_ray.errors import FailedError, InputError
from masksearch_ray.model.text import count, printable

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table

    from masksearch_ray.model.record import QueryRecord

__all__ = ["Destination", "Rows", "emit", "say", "show_table", "write_record"]

_BY_SUFFIX = {
    ".csv": Format.csv,
    ".json": Format.json,
    ".jsonl": Format.jsonl,
    ".ndjson": Format.jsonl,
    ".parquet": Format.parquet,
    ".txt": Format.table,
}
_PLAIN_WIDTH = 100_000

Rows = Sequence[Sequence[object]]


@dataclass(frozen=True)
class Destination:
    """Where an answer goes and how it is written.

    Parameters
    ----------
    format : Format or None
        None: as the file's ending says, else a table.
    file : Path or None
        None: standard output.
    rows : int
        Most rows that a table shows; 0 for all.
    """

    format: Format | None = None
    file: Path | None = None
    rows: int = 0

    @property
    def chosen(self) -> Format:
        """The format to write.

        Raises
        ------
        InputError
            If it cannot be told by the file's ending, or Parquet would go to a terminal.
        """
        if self.format is None and self.file is not None:
            suffix = self.file.suffix.lower()
            if suffix not in _BY_SUFFIX:
                endings = ", ".join(_BY_SUFFIX)
                raise InputError(f"--output {self.file}: an ending of {endings}, or --format")
            return _BY_SUFFIX[suffix]
        if self.format is Format.parquet and self.file is None and sys.stdout.isatty():
            raise InputError("--format parquet writes bytes: name a file with --output")
        return self.format or Format.table


def say(*lines: str) -> None:
    """Print lines that are no part of an answer."""
    for line in lines:
        print(line, file=sys.stderr)


def emit(table: pa.Table, destination: Destination) -> None:
    """Write an answer.

    Parameters
    ----------
    table : pyarrow.Table
    destination : Destination

    Raises
    ------
    InputError
        If the destination makes no sense.
    FailedError
        If the file cannot be written; one that was there stays as it was.
    """
    format = destination.chosen
    if destination.file is None:
        if format is Format.table:
            _show(table, destination.rows)
        else:
            sys.stdout.flush()
            _write(table, format, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return
    with _replacing(destination.file) as stream:
        _write(table, format, stream)
    say(f"{count(table.num_rows, 'row')} written to {destination.file}")


def write_record(file: Path, record: QueryRecord) -> None:
    """Write the record of a query as a JSON object; ``-`` is standard error."""
    told = json.dumps(record.to_dict(), ensure_ascii=False)
    if file == Path("-"):
        say(told)
        return
    with _replacing(file) as stream:
        stream.write(f"{told}\n".encode())


def show_table(
    columns: Sequence[str],
    rows: Rows,
    *,
    right: Sequence[int] = (),
    whole: Sequence[int] = (),
    header: bool = True,
) -> None:
    """Print a table of anything.

    Parameters
    ----------
    columns : sequence of str
        Headings.
    rows : sequence of sequences
        Cells; columns of numbers stand right.
    right : sequence of int
        Further columns that stand right.
    whole : sequence of int
        Further columns whose cells are not folded where the terminal is narrow.
    header : bool
        Whether headings are shown.
    """
    from rich.console import Console

    table = _rich(columns, rows, right, header, whole)
    if sys.stdout.isatty():
        console = Console(file=sys.stdout, highlight=False)
        # Where even so it is too wide, the terminal breaks its lines, and nothing is lost.
        anywhere = console.options.update(width=_PLAIN_WIDTH)
        needed = console.measure(table, options=anywhere).minimum
        console.width = max(needed, console.width)
        console.print(table)
    else:
        sys.stdout.write(_plain_text(table))


def _plain_text(table: Table) -> str:
    """Text without colours and as wide as it needs, for files and pipes."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=_PLAIN_WIDTH).print(table)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _show(table: pa.Table, most: int) -> None:
    shown = table.slice(0, most) if most else table
    show_table(shown.column_names, list(_rows(shown)))
    left = table.num_rows - shown.num_rows
    if left:
        say(f"… and {count(left, 'more row')}: --rows 0 shows all, --output FILE writes all")


def _rich(
    columns: Sequence[str],
    rows: Rows,
    right: Sequence[int] = (),
    header: bool = True,
    whole: Sequence[int] = (),
) -> Table:
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    numeric = [i in right or _all_numbers([row[i] for row in rows]) for i in range(len(columns))]
    table = Table(
        box=box.SIMPLE_HEAD if header else None,
        show_header=header,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for number, (name, is_right) in enumerate(zip(columns, numeric, strict=True)):
        justify: Literal["left", "right"] = "right" if is_right else "left"
        # Where the terminal is narrow text is folded; a number cut short would be a wrong one.
        heading = Text(printable(name))
        no_wrap = is_right or number in whole
        # Told, or rich would cut cells of several words.
        cells = [name, *(_cell(row[number]) for row in rows)] if no_wrap else []
        width = max(map(cell_len, cells), default=None)
        table.add_column(
            heading, justify=justify, no_wrap=no_wrap, overflow="fold", min_width=width
        )
    for row in rows:
        table.add_row(*(Text(_cell(cell), style="" if cell is not None else "dim") for cell in row))
    return table


def _all_numbers(values: Sequence[object]) -> bool:
    numbers = (isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    given = [is_number for v, is_number in zip(values, numbers, strict=True) if v is not None]
    return bool(given) and all(given)


def _cell(value: object) -> str:
    """Text of a value in a table; floats are rounded to six digits there, and only there."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case float():
            return _short(value)
        case list() | tuple():
            return f"({', '.join(_cell(part) for part in value)})"
        case dict():
            return printable(json.dumps(_plain(value), ensure_ascii=False))
        case _:
            return printable(str(value))


def _short(value: float) -> str:
    text = f"{value:.6g}"
    return f"{value:.0f}" if "e" in text and 1e6 <= abs(value) < 1e15 else text


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    # Not to_pylist: columns of one name would become one.
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _plain(value: object) -> object:
    """Bring a value to what JSON knows; NaN, which it does not know, reads as null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [_plain(part) for part in value]
        case dict():
            return {str(name): _plain(part) for name, part in value.items()}
        case None | bool() | int() | str():
            return value
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _write(table: pa.Table, format: Format, stream: BinaryIO) -> None:
    match format:
        case Format.parquet:
            import pyarrow.parquet as pq

            pq.write_table(table, stream)
        case Format.csv:
            _write_csv(table, stream)
        case Format.json:
            lines = (f"  {line}" for line in _records(table))
            body = ",\n".join(lines)
            stream.write(f"[\n{body}\n]\n".encode() if body else b"[]\n")
        case Format.jsonl:
            stream.writelines(f"{line}\n".encode() for line in _records(table))
        case Format.table:
            stream.write(_plain_text(_rich(table.column_names, list(_rows(table)))).encode())


def _records(table: pa.Table) -> Iterator[str]:
    for row in _rows(table):
        record = dict(zip(table.column_names, map(_plain, row), strict=True))
        yield json.dumps(record, ensure_ascii=False)


def _write_csv(table: pa.Table, stream: BinaryIO) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows([_csv_cell(cell) for cell in row] for row in _rows(table))
    text.detach()


def _csv_cell(value: object) -> object:
    """NULL is an empty cell; floats are written so that they read back the same."""
    match value:
        case bool():
            return str(value).lower()
        case None | int() | float() | str():
            return value
        case list() | tuple() | dict():
            return json.dumps(_plain(value))
        case _:
            return _plain(value)


class _replacing:
    """Write a file beside its place and move it there when it is whole.

    A link stays: what it leads to is replaced. Pipes and devices (``/dev/null``) are written to.
    """

    def __init__(self, file: Path) -> None:
        self._is_stream = file.exists() and not (file.is_file() or file.is_dir())
        self._file = file if self._is_stream else Path(os.path.realpath(file))
        self._beside: str | None = None

    def __enter__(self) -> BinaryIO:
        try:
            if self._is_stream:
                self._stream: BinaryIO = open(self._file, "wb")
                return self._stream
            handle, self._beside = tempfile.mkstemp(
                dir=self._file.parent, prefix=f".{self._file.name}."
            )
        except OSError as error:
            raise FailedError(f"{self._file}: {error.strerror}") from error
        self._stream = os.fdopen(handle, "wb")
        return self._stream

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._stream.close()
            if error is None and self._beside:
                umask = os.umask(0)
                os.umask(umask)
                os.chmod(self._beside, 0o666 & ~umask)
                os.replace(self._beside, self._file)
        except OSError as failure:
            error = failure
        if error is not None and self._beside:
            Path(self._beside).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FailedError(f"{self._file}: {error.strerror or error}") from error
