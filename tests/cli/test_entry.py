"""Exit status and wording of whatever goes wrong, and how quickly help is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import masksearch_ray
from tests.cli.conftest import Run

COMMANDS = (
    *("ingest", "register", "sql", "explain", "get", "info"),
    *("delete", "index", "compact", "vacuum", "status", "demo", "bench"),
)


@pytest.mark.smoke
def test_help_shows_every_command_and_the_way_to_an_answer(run: Run) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        answer = run(*arguments)
        assert answer.status == 0
        assert "masksearch ingest maps/ masks/" in answer.out
        for command in COMMANDS:
            assert f"\n  {command} " in answer.out
        assert max(map(len, answer.out.splitlines())) <= 80


@pytest.mark.smoke
def test_every_command_has_help_with_an_example(run: Run) -> None:
    for command in COMMANDS:
        answer = run(command, "--help")
        assert answer.status == 0
        assert f"Usage: masksearch {command} " in answer.out
        assert f"Examples:\n  masksearch {command}" in answer.out
        assert "--log-level LEVEL" in answer.out
        assert max(map(len, answer.out.splitlines())) <= 80


def test_help_imports_nothing_that_is_slow() -> None:
    code = """
import sys
from masksearch_ray.cli import main
assert main(["sql", "--help"]) == 0
slow = {"numpy", "numba", "pyarrow", "ray", "rich.markdown", "sqlglot"}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.smoke
def test_version(run: Run) -> None:
    assert run("--version").out == f"masksearch {masksearch_ray.__version__}\n"


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "No such command 'nope'"),
        (["sqll"], "Did you mean 'sql'"),
        (["sql"], "Missing argument 'COLLECTION' (see 'masksearch sql --help')"),
        (["sql", "maps", "SELECT 1", "--nope"], "No such option: --nope"),
        (["sql", "maps", "SELECT 1", "--rows", "x"], "Invalid value for '--rows'"),
        (["sql", "maps", "SELECT 1", "--workers", "0"], "Invalid value for '--workers'"),
        (["sql", "maps", "SELECT 1", "--runtime", "dask"], "Invalid value for '--runtime'"),
        (["sql", "maps", "SELECT 1", "--param", "x"], "--param 'x': NAME=VALUE wanted"),
        (["sql", "maps", "SELECT 1", "-o", "x.foo"], "--output x.foo: an ending of .csv"),
        (["sql", "maps", "@missing.sql"], "missing.sql: No such file"),
        (["sql", "/nowhere/at/all", "SELECT 1"], "no collection there"),
        (["ingest", "maps", "masks", "--domain", "1"], "two numbers LOW,HIGH wanted"),
        (["ingest", "maps", "masks", "--box", "b"], "NAME=FROM wanted"),
        (["ingest", "maps", "masks"], "masks: nothing there"),
        (["register", "maps", "masks"], "masks: nothing there"),
        (["get", "maps"], "get wants mask_ids, or --sql"),
        (["info", "maps", "--log-level", "loud"], "--log-level 'loud': debug, info, warning or"),
        (["info", "maps", "--log-level"], "--log-level 'nothing': debug, info, warning or error"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    run: Run,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = run(*arguments)
    assert answer.status == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.smoke
def test_bad_sql_shows_where(run: Run, made: Path) -> None:
    answer = run("sql", made, "SELECT mask_id FROM masks WHERE modl_id = 1")
    assert answer.status == 2
    message, sql, caret = answer.err.splitlines()
    assert "unknown column" in message
    assert "model_id" in message
    assert sql[caret.index("^") :].startswith("modl_id")


def test_debug_shows_the_traceback_wherever_it_stands(run: Run) -> None:
    for arguments in (["--debug", "info", "/nowhere"], ["info", "/nowhere", "--debug"]):
        answer = run(*arguments)
        assert answer.status == 2
        assert "Traceback" in answer.err
        assert answer.err.endswith("error: /nowhere: no collection there\n")


def test_log_level_wherever_it_stands(run: Run, made: Path) -> None:
    text = "SELECT COUNT(*) FROM masks"
    quiet = run("sql", made, text)
    for arguments in (
        ["--log-level", "info", "sql", made, text],
        ["sql", "--log-level=info", made, text],
        ["sql", made, text, "--log-level", "INFO"],
    ):
        answer = run(*arguments)
        assert (answer.status, answer.out) == (0, quiet.out)
        assert ' INFO    query      {"query_id": ' in answer.err
    assert quiet.err == run("sql", made, text).err == ""


def test_log_level_of_the_environment(
    run: Run, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKSEARCH_LOG_LEVEL", "debug")
    assert " DEBUG " in run("sql", made, "SELECT COUNT(*) FROM masks").err


def test_after_two_dashes_debug_is_an_argument(run: Run) -> None:
    assert "--debug: no collection there" in run("info", "--", "--debug").err


def test_what_nobody_foresaw_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise KeyError("a bug\n\x1b[31m")

    monkeypatch.setattr(masksearch_ray, "open", broken)
    answer = run("sql", "maps", "SELECT 1")
    assert answer.status == 1
    assert answer.err.startswith("internal error: KeyError: ")
    assert "--debug" in answer.err
    assert answer.err.count("\n") == 1
    assert "\x1b" not in answer.err


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(masksearch_ray, "open", interrupted)
    answer = run("sql", "maps", "SELECT 1")
    assert (answer.status, answer.err) == (130, "interrupted\n")


def test_a_reader_may_leave_early(made: Path) -> None:
    # More than a pipe holds, so that the writer notices.
    columns = ", ".join(f"'{'x' * 900}' AS c{i}" for i in range(20))
    command = [sys.executable, "-m", "masksearch_ray", "sql", str(made)]
    command += [f"SELECT {columns} FROM masks", "--format", "csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
def test_where_nothing_more_can_be_written(made: Path) -> None:
    command = [sys.executable, "-m", "masksearch_ray", "info", str(made)]
    with Path("/dev/full").open("wb") as stdout:
        ended = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b"error: No space left on device\n"
