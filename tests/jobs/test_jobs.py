"""Job scripts, run here; tests/cluster really submits one."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest

import masksearch_ray as ms
from masksearch_ray.session.job import run_job

JOBS = Path(__file__).parent.parent.parent / "jobs"
Status = Callable[..., int]
COUNT = "SELECT mask_id, CP(mask, roi, (:low, 1.0)) AS n FROM masks ORDER BY n DESC, mask_id"


@pytest.mark.parametrize("script", sorted(JOBS.glob("*.py")), ids=lambda path: path.name)
def test_a_job_is_short(script: Path) -> None:
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    logger = logging.getLogger("masksearch_ray")
    before, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(before)
    logger.handlers[:] = handlers


@pytest.mark.parametrize(("level", "told"), [(None, True), ("info", True), ("warning", False)])
def test_a_job_tells_of_waits(
    level: str | None,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("MASKSEARCH_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("MASKSEARCH_LOG_LEVEL", level)
    line = "waiting for 2 of 3 workers"
    assert run_job(lambda: logging.getLogger("masksearch_ray.runtime").info(line)) == 0
    assert (line in capsys.readouterr().err) is told


def test_a_query_tells_how_far_it_is(
    status: Status, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("masksearch_ray.runtime.ray.roundtrip._SECONDS_BETWEEN_LINES", -1.0)
    asked = ("--collection", url, "--sql", "SELECT mask_id FROM masks", "--workers", "2")
    assert status("query", *asked) == 0
    assert "0 of 2 shards have answered" in capsys.readouterr().err


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch, ray_instance: None) -> Status:
    """Run a job on the shared Ray instance; gives its exit status."""

    def run(name: str, *arguments: str) -> int:
        module: ModuleType = importlib.import_module(f"jobs.{name}")
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        args = module.arguments()
        return run_job(lambda: getattr(module, name)(args))

    return run


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = str(tmp_path_factory.mktemp("jobs") / "maps")
    with ms.create(url) as collection:
        for i in (1, 2):
            collection.append(np.full((2, 8, 8), i / 2, np.float32))
    return url


def test_an_answer_is_printed(status: Status, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = status(
        "query", "--collection", url, "--sql", COUNT, "--param", "low=0.6", "--roi", "0,0,4,4"
    )
    out, log = capsys.readouterr()
    assert done == 0
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["2", "16"], ["3", "16"], ["0", "0"], ["1", "0"],
    ]  # fmt: skip
    assert "4 of 4 rows selected" in log
    assert log.endswith(" of 1 node\n")


@pytest.mark.parametrize(("workers", "told"), [(1, "by 1 worker of"), (2, "by 2 workers of")])
def test_workers_are_asked_for(
    status: Status, url: str, workers: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--workers", str(workers), "--memory", str(64 << 20))
    asked = ("--collection", url, "--sql", "SELECT mask_id FROM masks", *options)
    assert status("query", *asked) == 0
    assert told in capsys.readouterr().err


def test_an_answer_is_written(status: Status, url: str, tmp_path: Path) -> None:
    target = tmp_path / "answer" / "found.parquet"
    sql = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.6, 1.0)) > 0"
    assert status("query", "--collection", url, "--sql", sql, "--output", str(target)) == 0
    assert sorted(pq.read_table(target)["mask_id"].to_pylist()) == [2, 3]


@pytest.mark.parametrize(
    ("change", "expected", "told"),
    [
        ({"--sql": "SELECT mask_id FROM masks WHERE CP(mask"}, 2, "error: "),
        ({"--collection": "/nowhere/maps"}, 2, "/nowhere/maps"),
        ({"--output": "found.csv"}, 2, ".parquet"),
        ({"--param": "low"}, 2, "NAME=VALUE"),
        ({"--timeout": "0"}, 1, "time"),
        ({"--workers": "0"}, 2, "workers = 0"),
        ({"--memory": "1"}, 2, "memory = 1: at least"),
        ({"--keep-alive": "0"}, 2, "keep_alive = 0.0: a number of seconds above 0"),
    ],
)
def test_failures_end_as_on_the_command_line(
    status: Status, url: str, change: dict[str, str], expected: int, told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked = {"--collection": url, "--sql": COUNT, "--param": "low=0.6", "--roi": "0,0,4,4"} | change
    assert status("query", *(part for pair in asked.items() for part in pair)) == expected
    assert told in capsys.readouterr().err


def test_the_benchmark_compares_answers(
    status: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = str(tmp_path / "bench")
    options = ("--collection", url, "--masks", "12", "--side", "32", "--repeats", "1")
    assert status("bench", *options, "--segments", "3", "--workers", "1", "--format", "csv") == 0
    out, log = capsys.readouterr()
    assert "query,rows," in out
    assert "every answer equals NumPy's" in log
    assert len(ms.open(url)) == 12
    assert status("bench", *options, "--segments", "3") == 2
    assert "already" in capsys.readouterr().err
