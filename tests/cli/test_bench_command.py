"""``bench`` from the command line."""

from __future__ import annotations

from tests.cli.conftest import Run


def test_bench_command(run: Run) -> None:
    answer = run("bench", "--masks", 30, "--side", 32, "--repeats", 1, "--format", "csv")
    assert answer.status == 0
    assert len(answer.out.splitlines()) == 4
    assert "ratio" in answer.out
    assert "every answer equals NumPy's" in answer.err
    answer = run("bench", "--masks", 30, "--side", 32, "--repeats", 1)
    assert answer.out.split("\n")[0].split()[:3] == ["query", "rows", "verified"]
    assert "ratio: NumPy's median by the engine's" in answer.out
    assert max(map(len, [*answer.out.splitlines(), *answer.err.splitlines()])) <= 80
