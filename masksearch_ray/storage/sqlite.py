"""SQLite files that several processes share, opened so that a damaged one does no harm."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PAGE", "connect", "is_busy", "is_full", "transaction", "used_bytes"]

PAGE = 8192
"""Bytes of a page."""

_FORMAT = 1
_WAIT = 1.0  # seconds that a statement waits for another process's
_LOG_BYTES = 16 << 20  # what the write-ahead log may keep of its size

_BEGIN = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE;"
_END = f"PRAGMA user_version = {_FORMAT}; COMMIT;"


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """Open a file, or begin it with a schema; used by one thread at a time.

    Raises
    ------
    sqlite3.Error
        If it is damaged, of another format, or cannot be opened.
    """
    connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, schema, time.monotonic() + _WAIT)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, schema: str, until: float) -> None:
    # Read, not mapped: a file cut short under a mapping ends the process.
    for setting in (
        f"page_size = {PAGE}",
        "mmap_size = 0",
        "trusted_schema = OFF",
        "synchronous = NORMAL",
        f"journal_size_limit = {_LOG_BYTES}",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()
    # SQLite does not wait where two processes begin a file at once.
    while (version := _version(connection)) == 0:
        try:
            connection.executescript(f"{_BEGIN}{schema}{_END}")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            if time.monotonic() > until:
                # To begin a file takes no time: whoever has this one open lost sight of its end.
                raise sqlite3.DatabaseError(str(error)) from error
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("ROLLBACK")
            time.sleep(0.01)
    if version != _FORMAT:
        raise sqlite3.DatabaseError(f"format {version} is not {_FORMAT}")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether an error says only that another process is at work."""
    return _code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_full(error: sqlite3.Error) -> bool:
    """Whether an error says that the disk is full."""
    return _code_of(error) == sqlite3.SQLITE_FULL


def _code_of(error: sqlite3.Error) -> int:
    """Primary code, of which the last byte of an extended one consists; 0 where there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of a file that hold something."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages - free) * PAGE
