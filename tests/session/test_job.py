from __future__ import annotations

import os
import signal

import pytest

from masksearch_ray.errors import DataError, WorkerError
from masksearch_ray.session.job import run_job


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (DataError("a.npy: truncated"), 2, "error: a.npy: truncated\n"),
        (WorkerError("shard 1: its worker died"), 1, "error: shard 1: its worker died\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_a_failure_is_one_line_and_a_status(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_job(lambda: fail(error)) == status
    assert capsys.readouterr() == ("", line)


def test_what_nobody_foresaw_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_job(lambda: fail(ZeroDivisionError("by zero"))) == 1
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.endswith("internal error: ZeroDivisionError: by zero\n")


def test_a_job_that_is_stopped_ends_as_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert run_job(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 130
    assert signal.getsignal(signal.SIGTERM) == before
    assert capsys.readouterr().err == "interrupted\n"
    assert run_job(lambda: None) == 0
