"""Log lines for people: time, level, room, and on workers the query and shard they speak of.

The package only ever writes to loggers under ``masksearch_ray``, one a room. Where lines go is up
to whoever runs it: a shell calls `log_to_stderr`, others configure `logging` as they are used to.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from masksearch_ray.errors import InputError
from masksearch_ray.model.text import printable

__all__ = ["LEVELS", "LEVEL_VARIABLE", "about", "current_level", "level_from", "log_to_stderr"]

LEVELS = ("debug", "info", "warning", "error")
LEVEL_VARIABLE = "MASKSEARCH_LOG_LEVEL"
_ROOT = "masksearch_ray"

_about: ContextVar[str] = ContextVar("masksearch_about", default="")


@contextmanager
def about(what: str) -> Iterator[None]:
    """Let log lines of this context say what they are about, such as a query and a shard."""
    token = _about.set(what)
    try:
        yield
    finally:
        _about.reset(token)


def level_from(name: str | None = None) -> str:
    """Choose a level by name.

    Parameters
    ----------
    name : str, optional
        By default ``MASKSEARCH_LOG_LEVEL``, else ``warning``.

    Raises
    ------
    InputError
        If there is no such level.
    """
    chosen = name or os.environ.get(LEVEL_VARIABLE) or "warning"
    if chosen.lower() not in LEVELS:
        source = "--log-level" if name else LEVEL_VARIABLE
        raise InputError(f"{source} {chosen!r}: {', '.join(LEVELS[:-1])} or {LEVELS[-1]} wanted")
    return chosen.lower()


def current_level() -> str:
    """Name of the level from which on the package's lines are written now."""
    level = logging.getLogger(_ROOT).getEffectiveLevel()
    return next((name for name in LEVELS if level <= getattr(logging, name.upper())), "error")


def log_to_stderr(level: str | None = None) -> None:
    """Write the package's log lines to standard error; called again it changes the level.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}, optional
        By default ``MASKSEARCH_LOG_LEVEL``, else ``warning``.

    Raises
    ------
    InputError
        If there is no such level.
    """
    logger = logging.getLogger(_ROOT)
    logger.setLevel(level_from(level).upper())
    if not any(isinstance(handler, _ToStderr) for handler in logger.handlers):
        logger.addHandler(_ToStderr())


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to standard error as it is at that moment: a progress bar puts itself there."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(_Lines())

    @property
    def stream(self) -> TextIO:
        """Where lines go now."""
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        """Nothing is kept."""


class _Lines(logging.Formatter):
    """``12:00:01.250 INFO    storage  [query 3f2a on shard 1 of 4] …``; times are UTC."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line; a traceback follows on further ones."""
        parts = record.name.split(".")
        room = parts[1] if len(parts) > 1 else parts[0]
        moment = f"{self.formatTime(record, '%H:%M:%S')}.{record.msecs:03.0f}"
        what = _about.get()
        told = f"{moment} {record.levelname:<7} {room:<10} "
        told += f"[{what}] " if what else ""
        told += printable(record.getMessage())
        if record.exc_info:
            told += "\n" + self.formatException(record.exc_info)
        return told
