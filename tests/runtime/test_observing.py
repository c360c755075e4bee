"""What can be seen of a cluster while it works: status, records, logs, names."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
import ray

import masksearch_ray as ms
from masksearch_ray.cli import main
from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.ray import RayRuntime
from tests.conformance.runtime import COUNT, N

SOME = f"SELECT mask_id FROM masks WHERE {COUNT} > 22"


@pytest.fixture(scope="module")
def runtime(ray_instance: None) -> Iterator[RayRuntime]:
    runtime = RayRuntime(workers=2)
    yield runtime
    runtime.close()


@pytest.fixture
def records() -> list[QueryRecord]:
    return []


@pytest.fixture
def col(runtime: RayRuntime, url: str, records: list[QueryRecord]) -> Iterator[ms.Collection]:
    with ms.open(url, runtime, on_query=records.append) as col:
        yield col


def held_by(status: ms.ClusterStatus, url: str) -> dict[str, int]:
    """Rows that each worker holds of a collection."""
    return {
        worker.name: sum(shard.rows for shard in worker.report.shards if shard.url == url)
        for worker in status.workers
        if worker.report is not None and any(shard.url == url for shard in worker.report.shards)
    }


def test_status_finds_workers_and_what_they_hold(col: ms.Collection, url: str) -> None:
    col.sql(SOME).table  # noqa: B018
    status = ms.cluster_status()
    (node,) = status.nodes
    assert (node.cpus, node.cpus_free) == (2, 2)
    assert 0 < node.memory_free <= node.memory
    held = held_by(status, url)
    assert len(held) == 2 and sum(held.values()) == N
    assert len(set(held)) == len([w for w in status.workers if w.name in held])
    for worker in status.workers:
        if worker.name not in held:
            continue
        report = worker.report
        assert report is not None
        assert (report.node, report.queries) == (node.name, ())
        assert 0 < report.memory_kept <= report.memory_budget
        assert report.bytes_read > 0 and report.requests > 0
        assert 0 <= report.idle <= report.uptime
        assert {s.version for s in report.shards if s.url == url} == {col.version}
    assert held_by(ms.cluster_status(url=url), url) == held
    assert ms.cluster_status(url=f"{url}-of-nobody").workers == ()


def running() -> set[str]:
    return {q.text for w in ms.cluster_status().workers if w.report for q in w.report.queries}


def test_status_shows_the_queries_that_run(col: ms.Collection) -> None:
    text, over = "SELECT COUNT(*) AS n FROM masks WHERE CP(mask, full_image, (0.3, 1)) > 9", Event()

    def ask() -> None:
        while not over.is_set():
            col.sql(text, use_index=False).table  # noqa: B018

    asking = Thread(target=ask)
    asking.start()
    try:
        # One at work for milliseconds is not seen at every look.
        seen = any(running() == {text} for _ in range(500))
    finally:
        over.set()
        asking.join()
    assert seen
    assert any(not running() for _ in range(500))


def test_status_counts_workers_that_were_replaced(
    col: ms.Collection, url: str, records: list[QueryRecord], caplog: pytest.LogCaptureFixture
) -> None:
    col.sql(SOME).table  # noqa: B018
    before = {w.name: w for w in ms.cluster_status(url=url).workers}
    lost = before[min(before)]
    assert lost.report is not None
    os.kill(lost.report.pid, signal.SIGKILL)
    answer = col.sql(SOME)
    assert len(answer) > 0
    assert [(r.outcome, r.worker_restarts, r.workers, r.nodes) for r in records] == [
        ("ok", 0, 2, 1),
        ("ok", 1, 1, 1),
    ]
    assert f"of {url}: its worker became unavailable; another does its stage" in caplog.text
    for _ in range(100):  # the answer came from the other one; this one is being replaced
        after = {w.name: w for w in ms.cluster_status().workers}
        if after[lost.name].report is not None:
            break
    assert {name: after[name].restarts - w.restarts for name, w in before.items()} == {
        name: int(name == lost.name) for name in before
    }


def test_the_command_shows_it(
    col: ms.Collection, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    col.sql(SOME).table  # noqa: B018
    assert main(["status", url]) == 0
    told = capsys.readouterr().out
    assert "Ray cluster at 127.0.0.1:" in told and "1 node, 2 of 2 CPUs free" in told
    assert f"shard 1 of 2 of {url}" in told and "idle" in told
    assert main(["status", f"{url}-of-nobody"]) == 0
    told = capsys.readouterr().out
    assert "No workers that hold shards of" in told and "--runtime ray" in told


def test_the_command_shows_it_again_and_again_until_ctrl_c(
    col: ms.Collection, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("masksearch_ray.cli.status.sleep", sleep)
    assert main(["status", "--json", "--watch"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(status["nodes"]) for status in told] == [1, 1, 1]


def test_workers_log_from_the_level_of_whoever_asks(
    runtime: RayRuntime, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", "masksearch_ray"), ms.open(url, runtime) as col:
        result = col.sql(SOME)
        result.table  # noqa: B018
        record = result.record
        reports = [w.report for w in ms.cluster_status(url=url).workers]
    assert record is not None
    session = ray._private.worker._global_node
    assert session is not None
    folder = Path(session.get_logs_dir_path())
    for report in reports:
        assert report is not None
        (file,) = folder.glob(f"worker-*-{report.pid}.err")
        about = f"[query {record.query_id[:8]}, {report.shards[0].label}] Filter took"
        assert about in file.read_text()


def test_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    from masksearch_ray.runtime.ray import status

    def nowhere(address: str) -> None:
        raise ms.WorkerError("the Ray cluster at auto cannot be reached")

    monkeypatch.setattr(status, "attach", nowhere)
    with pytest.raises(ms.WorkerError, match="no Ray cluster runs on this machine"):
        ms.cluster_status()
