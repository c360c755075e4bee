"""``--stats-json``: the record of a query, for machines."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import COUNT, Run
from tests.cli.test_commands import TOP


def test_stats_as_json(run: Run, made: Path, tmp_path: Path) -> None:
    file = tmp_path / "stats.json"
    answer = run("sql", made, TOP, "-p", "t=0.6", "--stats-json", file)
    told = json.loads(file.read_text())
    assert (answer.status, told["outcome"], told["kind"]) == (0, "ok", "top-k")
    assert told["rows_decided"] + told["rows_verified"] == told["rows_selected"] == COUNT
    assert "0.6" not in file.read_text()
    answer = run("sql", made, "SELECT COUNT(*) FROM masks", "-f", "csv", "--stats-json", "-")
    assert json.loads(answer.err)["rows_total"] == COUNT


def test_stats_as_json_of_a_query_that_fails(run: Run, made: Path, tmp_path: Path) -> None:
    file = tmp_path / "stats.json"
    failing = ["sql", made, TOP, "-p", "t=0.5", "--timeout", "0", "--stats-json", file]
    assert run(*failing).status == 1
    assert json.loads(file.read_text())["outcome"] == "timed out"
    answer = run("sql", made, "SELECT COUNT(*) FROM masks", "--stats-json", tmp_path / "no" / "f")
    assert (answer.status, answer.err) == (
        1,
        f"error: {tmp_path}/no/f: No such file or directory\n",
    )
