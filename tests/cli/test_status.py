"""How a cluster is shown."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from masksearch_ray.cli.output import _rich
from masksearch_ray.cli.status import show
from masksearch_ray.runtime.status import ClusterStatus, NodeStatus, WorkerStatus
from masksearch_ray.runtime.types import RunningQuery, ShardHeld, WorkerReport

URL = "s3://lab/saliency/maps"
NODE = NodeStatus("f00d", "10.0.12.101", 16, 15, 64_000_000_000, 48_000_000_000, 1)


def worker(name: str, shards: int = 1, **more: Any) -> WorkerStatus:
    held = tuple(
        ShardHeld(f"shard {n} of {shards} of {URL}", URL, 12, 40, 12_345_678)
        for n in range(1, shards + 1)
    )
    fields: dict[str, Any] = {
        **{"name": name, "node": NODE.name, "host": NODE.host, "pid": 4711, "shards": held},
        **{"queries": (), "memory_kept": 1_300_000_000, "memory_budget": 4_000_000_000},
        **{"bytes_read": 1, "requests": 1, "idle": 12.0, "uptime": 9000.0, **more},
    }
    return WorkerStatus(name, 2, False, WorkerReport(**fields))


def shown(capsys: pytest.CaptureFixture[str], *workers: WorkerStatus) -> list[str]:
    show(ClusterStatus("10.0.12.100:6379", (NODE,), workers))
    return capsys.readouterr().out.splitlines()


def line(lines: list[str], start: str) -> list[str]:
    (found,) = [one.split() for one in lines if one.startswith(start)]
    return found


@pytest.mark.smoke
def test_workers_by_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    query = RunningQuery("ab12cd34ef56", "SELECT mask_id\n  FROM masks\x1b[31m", 12.3)
    lines = shown(
        capsys,
        worker("masksearch worker 1 of session 5acb", queries=(query,), cache_hits=9),
        worker("masksearch worker 2 of session 5acb", queries=(query,)),
        worker("masksearch worker 3 of session kept by masksearch 0.1.0", expires=300.0),
        WorkerStatus("masksearch worker 4 of session 5acb", 7, False, None),
    )
    assert "1 node, 15 of 16 CPUs free, 4 workers of masksearch" in lines[0]
    table = [one for one in lines if "4711" in one or "does not answer" in one]
    assert [one.split("  ")[0] for one in table] == [
        "1 of 5acb",
        "2 of 5acb",
        "3, kept",
        "4 of 5acb",
    ]
    busy, _, kept, silent = table
    assert "1 running" in busy and "1.3 GB/4.0 GB" in busy and " 2 h " in busy
    assert kept.endswith("idle 12 s, ends in 5 min")
    assert silent.split()[3:] == ["7", "does", "not", "answer"]
    assert line(lines, "ab12cd34") == [
        *("ab12cd34", "12", "s", "2", "SELECT", "mask_id", "FROM", "masks\\x1b[31m")
    ]
    assert any(one.endswith("100.0 %") for one in lines)


def test_many_shards_are_not_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, worker("masksearch worker 1 of session 5acb", shards=100))
    assert sum(one.startswith("shard ") for one in lines) == 41  # with the heading


def test_cells_that_stay_whole_do_so_on_a_narrow_terminal() -> None:
    table = _rich(("memory", "doing"), [("1.3 GB/4.0 GB", "idle " * 20)], right=(0,), whole=(0,))
    stream = io.StringIO()
    Console(file=stream, width=30).print(table)
    assert "1.3 GB/4.0 GB" in stream.getvalue()
