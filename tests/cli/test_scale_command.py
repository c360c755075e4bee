"""``scale`` from the command line."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run

TINY = ("scale", "--shards", 3, "--combine", 2, "--masks", 16, "--side", 16, "--segments", 100)


def test_scale_command(run: Run) -> None:
    answer = run(*TINY, "--format", "csv")
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("query,shards,")
    assert len(lines) == 1 + 2 * 5
    assert "every answer equals NumPy's" in answer.err


def test_a_folder_without_the_document_is_refused_before_the_work(run: Run, tmp_path: Path) -> None:
    answer = run(*TINY, "--write", tmp_path)
    assert answer.status == 2
    assert "no such file" in answer.err
    assert "equals" not in answer.err
