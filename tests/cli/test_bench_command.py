"""``bench`` from the command line, and what the job for clusters prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from masksearch_ray.bench import BenchOptions, run_bench
from masksearch_ray.cli.bench_report import show_report
from masksearch_ray.cli.output import Destination
from tests.cli.conftest import Run


def test_bench_command(run: Run, tmp_path: Path) -> None:
    shared = ("bench", "--images", 20, "--side", 32, "--repeats", 1, "--folder", tmp_path)
    answer = run(*shared, "--only", "machine", "--no-ray", "--format", "csv")
    assert answer.status == 0
    assert "every answer was right" in answer.err
    lines = answer.out.splitlines()
    assert lines[0] == "section,what,target,reached,met,physical limit"
    assert [line.split(",")[0] for line in lines[1:]] == ["run"]
    answer = run(*shared, "--only", "nothing")
    assert answer.status == 2
    assert "no section" in answer.err


def test_what_a_cluster_took_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_report(run_bench(BenchOptions(masks=30, side=32, repeats=1)), Destination())
    answer = capsys.readouterr()
    assert "every answer equals NumPy's" in answer.err
    assert answer.out.split("\n")[0].split()[:3] == ["query", "rows", "verified"]
    assert "ratio: NumPy's median by the engine's" in answer.out
    assert max(map(len, [*answer.out.splitlines(), *answer.err.splitlines()])) <= 80
