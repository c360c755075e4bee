"""Answers as tables and files."""

from __future__ import annotations

import csv
import datetime
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from masksearch_ray.cli.options import Format
from masksearch_ray.cli.output import Destination, emit, show_table
from masksearch_ray.errors import FailedError

ANSWER = pa.table(
    {
        "mask_id": pa.array([1, 2, 10], pa.int64()),
        "label": ["cat", None, 'a "b", c\nd'],
        "r": [0.1 + 0.2, None, 1e20],
        "ok": [True, False, None],
        "object_box": pa.array([[1, 2, 3, 4], None, [0, 0, 0, 0]], pa.list_(pa.int32(), 4)),
        "day": [datetime.date(2025, 3, 1), None, None],
    }
)


def written(format: Format, capsys: pytest.CaptureFixture[str]) -> str:
    emit(ANSWER, Destination(format))
    return capsys.readouterr().out


@pytest.mark.smoke
def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = written(Format.table, capsys).splitlines()
    assert len(lines) == 5
    assert lines[0].split() == ["mask_id", "label", "r", "ok", "object_box", "day"]
    assert lines[2].split("  ")[0] == ["", "", "", "1"][0]
    assert "0.3 " in lines[2]
    assert "(1, 2, 3, 4)" in lines[2]
    assert lines[3].split() == ["2", "NULL", "NULL", "false", "NULL", "NULL"]
    assert 'a "b", c d' in lines[4]
    # Numbers stand right, text left.
    assert lines[2].index("1") > lines[4].index("1")
    assert lines[2].index("cat") == lines[3].index("NULL")


def test_csv_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    header, *rows = csv.reader(io.StringIO(written(Format.csv, capsys)))
    assert header == ANSWER.column_names
    assert rows[0] == ["1", "cat", "0.30000000000000004", "true", "[1, 2, 3, 4]", "2025-03-01"]
    assert rows[1] == ["2", "", "", "false", "", ""]
    assert rows[2][1] == 'a "b", c\nd'


def test_json_and_json_lines_hold_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    records = json.loads(written(Format.json, capsys))
    lines = written(Format.jsonl, capsys).splitlines()
    assert records == [json.loads(line) for line in lines]
    assert records[0]["r"] == 0.1 + 0.2
    assert records[0]["object_box"] == [1, 2, 3, 4]
    assert records[1]["label"] is None


def test_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    none = ANSWER.slice(0, 0)
    for format, expected in ((Format.json, "[]\n"), (Format.jsonl, "")):
        emit(none, Destination(format))
        assert capsys.readouterr().out == expected
    emit(none, Destination(Format.csv))
    assert capsys.readouterr().out.strip() == ",".join(ANSWER.column_names)


def test_columns_of_one_name_are_both_shown(capsys: pytest.CaptureFixture[str]) -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["n", "n"])
    emit(twice, Destination(Format.csv))
    assert capsys.readouterr().out == "n,n\n1,2\n"


@pytest.mark.parametrize("name", ["x.parquet", "x.PARQUET"])
def test_a_file_is_written_as_its_ending_says(tmp_path: Path, name: str) -> None:
    emit(ANSWER, Destination(file=tmp_path / name))
    assert pq.read_table(tmp_path / name).equals(ANSWER)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_table_shows_so_many_rows_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    emit(ANSWER, Destination(rows=1))
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert err.startswith("… and 2 more rows")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match=r"x\.csv: No such file or directory"):
        emit(ANSWER, Destination(file=tmp_path / "missing" / "x.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(FailedError, match=r"folder\.csv"):
        emit(ANSWER, Destination(file=tmp_path / "folder.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


def test_metadata_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    emit(pa.table({"a\x1b[1m": ["\x1b]0;owned\x07", "[red]x[/red]"]}), Destination())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[red]x[/red]" in out


class Terminal(io.StringIO):
    """What standard output is at a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_narrow_terminal_cuts_no_number_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", terminal := Terminal())
    show_table(
        ["id", "score", "text"], [[123456789012, 0.123456, "a long text that may be folded"]]
    )
    out = terminal.getvalue()
    assert "123456789012" in out
    assert "0.123456" in out
    assert "…" not in out
