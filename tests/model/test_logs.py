"""Log lines: what they look like, where they go, and who they are about."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from rich.console import Console
from rich.progress import Progress

from masksearch_ray.errors import InputError
from masksearch_ray.model.logs import about, current_level, level_from, log_to_stderr

LOG = logging.getLogger("masksearch_ray.storage")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the loggers as they were."""
    logger = logging.getLogger("masksearch_ray")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers = handlers


@pytest.mark.smoke
def test_a_line_has_time_level_room_and_what_it_is_about(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_to_stderr("info")
    LOG.info("read %d objects", 3)
    with about("query 3f2a, shard 1 of 4"):
        LOG.warning("slow")
    LOG.debug("not asked for")
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} INFO    storage    read 3 objects", first)
    assert second.endswith("WARNING storage    [query 3f2a, shard 1 of 4] slow")


def test_called_again_it_changes_the_level_and_writes_no_line_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for level in ("error", "debug"):
        log_to_stderr(level)
    assert current_level() == "debug"
    LOG.debug("once")
    assert capsys.readouterr().err.count("once") == 1


def test_a_terminal_obeys_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info")
    LOG.info("%s", "s3://b/a\x1b[31m\nERROR forged\x9b")
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert "\x1b" not in written
    assert "\x9b" not in written


def test_the_level_comes_from_the_argument_the_environment_or_is_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MASKSEARCH_LOG_LEVEL", raising=False)
    assert level_from() == "warning"
    monkeypatch.setenv("MASKSEARCH_LOG_LEVEL", "INFO")
    assert level_from() == "info"
    assert level_from("error") == "error"
    monkeypatch.setenv("MASKSEARCH_LOG_LEVEL", "loud")
    with pytest.raises(InputError, match="MASKSEARCH_LOG_LEVEL 'loud': debug, info, warning or"):
        level_from()


def test_threads_that_run_in_a_copy_of_the_context_speak_of_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_to_stderr("info")
    with about("query 1"), ThreadPoolExecutor(1) as threads:
        threads.submit(copy_context().run, LOG.info, "helping").result()
    assert "[query 1] helping" in capsys.readouterr().err


def test_a_line_stands_above_a_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info")
    console = Console(stderr=True, force_terminal=True, width=80)
    with Progress(console=console, refresh_per_second=0.001) as bar:
        bar.add_task("ingest", total=2)
        LOG.info("between")
    lines = re.split(r"[\r\n]", capsys.readouterr().err)
    assert [line for line in lines if "between" in line and "ingest" not in line]


def test_who_configures_nothing_sees_nothing() -> None:
    code = "import logging, masksearch_ray; logging.getLogger('masksearch_ray.x').error('seen')"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert ended.stderr == b""
