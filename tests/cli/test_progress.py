"""Progress where it is drawn and where it is not."""

from __future__ import annotations

import pytest

from masksearch_ray.cli.progress import _Bar, progress
from masksearch_ray.model.progress import ProgressLines, ProgressStep


def test_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLines(seconds=0.0) as lines:
        lines(ProgressStep("ingest", 1, 2000, 20_000))
        lines(ProgressStep("ingest", 500, 2000, 10_000_000))
        lines(ProgressStep("ingest", 2000, 2000, 40_000_000))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ingest: 500/2,000 masks, ")
    assert "masks/s" in err
    assert "25.0 %" in err
    assert err.rstrip().endswith("left")
    assert err.count("\n") == 1


def test_quick_work_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as steps:
        assert isinstance(steps, ProgressLines)
        steps(ProgressStep("ingest", 1, None, 100))
    assert capsys.readouterr() == ("", "")


def test_the_bar_is_drawn_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with _Bar() as bar:
        bar(ProgressStep("ingest", 1, None, 100))
        bar(ProgressStep("ingest", 3, 3, 300))
        bar(ProgressStep("index", 3, 3, 0))
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/3 masks" in err
    assert "index" in err
