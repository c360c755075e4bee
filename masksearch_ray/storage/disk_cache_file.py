"""Pieces of objects in an SQLite file, which several processes of one machine share.

Nothing here is trusted when it is read: a piece counts only if its checksum fits, which covers
whose bytes it holds, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

from masksearch_ray.storage.sqlite import PAGE, connect, transaction, used_bytes

__all__ = ["PIECE_BYTES", "CacheFile", "Piece"]

PIECE_BYTES = 64 * 1024
"""Longest piece: as much as is read and checked for a tile of some hundred bytes in it."""

_ROW = 256  # bytes that rows and index entries take beside a piece
_SPARE_PAGES = 16  # that SQLite may take for itself
_SLACK = 0.05  # share of the limit that is freed at a time
_OLDEST = 256  # pieces looked at together when some have to go

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pieces (
    id INTEGER PRIMARY KEY,
    object INTEGER NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    used INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS by_place ON pieces (object, start);
CREATE INDEX IF NOT EXISTS by_use ON pieces (used);
CREATE TABLE IF NOT EXISTS bytes (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""

# Of the pieces that begin at or before a range, only the last can reach into it. CROSS JOIN: for
# each range its pieces are looked up, whatever SQLite thinks of how many there are.
_FIND = """
SELECT id, start, stop, ends, crc, used, data FROM (
    SELECT DISTINCT p.id FROM json_each(:wanted) AS w CROSS JOIN pieces AS p
    WHERE p.object = :object AND p.start < w.value ->> 1 AND p.start >= coalesce(
        (SELECT max(start) FROM pieces WHERE object = :object AND start <= w.value ->> 0), 0
    ) AND p.stop > w.value ->> 0
) CROSS JOIN pieces USING (id) CROSS JOIN bytes USING (id)
"""


@dataclass(frozen=True, eq=False)
class Piece:
    """Bytes of an object.

    Parameters
    ----------
    object : str
        URL of the object.
    start : int
        Its first byte in the object.
    data : bytes
    ends : bool
        Whether the object ends where it does.
    """

    object: str
    start: int
    data: bytes
    ends: bool = False

    @property
    def stop(self) -> int:
        """One past its last byte."""
        return self.start + len(self.data)

    @property
    def crc32c(self) -> int:
        """Checksum of its bytes and of whose they are."""
        whose = f"{self.object}\0{self.start}\0{self.stop}\0{int(self.ends)}".encode()
        return int(google_crc32c.extend(google_crc32c.value(whose), self.data))


class CacheFile:
    """Pieces of objects, at most so many bytes; may be used by several threads and processes.

    A file found damaged is left to whoever has it open, and another takes its place.

    Parameters
    ----------
    folder : Path
        Where the file lies; it is made, for this user alone.
    limit : int
        Bytes that the file may take.
    touch_after : float
        Seconds for which a use counts as the latest, so that not every read is a write.

    Attributes
    ----------
    number : int
        Of the file in use: each that takes a damaged one's place has the next.

    Raises
    ------
    OSError, sqlite3.Error
        Of every method, if the file cannot be used.
    """

    def __init__(self, folder: Path, limit: int, touch_after: float = 600.0) -> None:
        self.folder = folder
        self.limit = limit
        self.touch_after = touch_after
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        # SQLite's log wants one machine's memory: a home folder may be several machines'.
        self._name = f"{socket.gethostname()}-{os.getuid()}"
        self.number = self._newest()

    @property
    def path(self) -> Path:
        """The file in use."""
        return self._path_of(self.number)

    def find(self, object: str, wanted: Sequence[tuple[int, int]]) -> list[tuple[Piece, int]]:
        """Pieces that reach into any of the ranges, by start; each with a number.

        The number is that of a piece whose use is to be told to `add`, or 0. Pieces that are
        damaged are deleted and left out.
        """
        code = _code(object)
        with self._connection() as connection:
            rows = connection.execute(
                _FIND, {"object": code, "wanted": json.dumps(wanted)}
            ).fetchall()
            stale = int((time.time() - self.touch_after) * 1000)
            found, damaged = [], []
            for number, start, stop, ends, crc, used, data in rows:
                piece = _checked(object, start, stop, ends, crc, data)
                if piece is None:
                    damaged.append(number)
                else:
                    found.append((piece, number if used <= stale else 0))
            if damaged:
                with contextlib.suppress(sqlite3.OperationalError):  # another process writes
                    _delete(connection, damaged)
        return sorted(found, key=lambda one: one[0].start)

    def end(self, object: str) -> int | None:
        """Size of an object, where that is known."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT stop FROM pieces WHERE object = ? AND ends", (_code(object),)
            ).fetchone()
        return None if row is None else int(row[0])

    def add(self, pieces: Iterable[Piece], used: Iterable[int] = ()) -> int:
        """Keep pieces, tell which were used, and return how many others had to go."""
        now = int(time.time() * 1000)
        with self._connection() as connection, transaction(connection):
            touched = [(now, number) for number in sorted(used)]
            connection.executemany("UPDATE pieces SET used = ? WHERE id = ?", touched)
            kept = self._fitting(pieces)
            evicted = self._make_room(connection, sum(map(_room, kept)))
            for piece in kept:
                _insert(connection, piece, now)
        if evicted:
            self._shrink()
        return evicted

    def forget(self, object: str) -> int:
        """Drop all pieces of an object, and return how many there were."""
        with self._connection() as connection, transaction(connection):
            query = "SELECT id FROM pieces WHERE object = ?"
            numbers = [row[0] for row in connection.execute(query, (_code(object),))]
            _delete(connection, numbers)
        return len(numbers)

    def size(self) -> int:
        """Bytes taken by what is kept."""
        with self._connection() as connection:
            return used_bytes(connection)

    def replace(self) -> None:
        """Begin another file, as this one is damaged; or take that which another process began."""
        with self._lock:
            _remove(self.path)
            self._idle.clear()
            self.number = max(self._newest(), self.number + 1)
        self._give(self._take())

    def after_fork(self) -> None:
        """Leave connections to the parent: SQLite's must not be used, nor closed, here."""
        _left_to_the_parent.extend(self._idle)
        self._idle = []
        self._lock = threading.Lock()

    # -- connections --------------------------------------------------------------------------

    def _newest(self) -> int:
        """Number of the newest file, or of one to begin; older ones are removed.

        Numbers are times, and never given twice: whoever has a file open that is gone must not
        meddle with another of the same name.
        """
        found = []
        for path in self.folder.glob("*.sqlite"):
            name, _, number = path.name.removesuffix(".sqlite").rpartition(".")
            if name == self._name and number.isdecimal():
                found.append(int(number))
        for older in sorted(found)[:-1]:
            _remove(self._path_of(older))
        return max(found, default=time.time_ns())

    def _path_of(self, number: int) -> Path:
        return self.folder / f"{self._name}.{number}.sqlite"

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._give(connection)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if not self.path.exists():
                self._idle.clear()
                self.number = self._newest()
            if self._idle:
                return self._idle.pop()
            path = self.path
        _make_private(self.folder)
        return connect(path, _SCHEMA)

    def _give(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    # -- room ---------------------------------------------------------------------------------

    def _fitting(self, pieces: Iterable[Piece]) -> list[Piece]:
        """The first pieces, as many as may lie here at once."""
        kept, total = [], 0
        for piece in pieces:
            total += _room(piece)
            if total > self.limit // 2:
                break
            kept.append(piece)
        return kept

    def _make_room(self, connection: sqlite3.Connection, wanted: int) -> int:
        """Delete those that were used longest ago, until so many bytes are free."""
        evicted = 0
        limit = self.limit - _SPARE_PAGES * PAGE
        if used_bytes(connection) + wanted <= limit:
            return 0
        target = limit - wanted - int(limit * _SLACK)
        while (excess := used_bytes(connection) - target) > 0:
            rows = connection.execute(
                "SELECT id, stop - start FROM pieces ORDER BY used, id LIMIT ?", (_OLDEST,)
            ).fetchall()
            if not rows:
                break
            going = []
            for number, length in rows:
                going.append(number)
                excess -= length + _ROW
                if excess <= 0:
                    break
            _delete(connection, going)
            evicted += len(going)
        return evicted

    def _shrink(self) -> None:
        """Give the disk back what lies beyond the limit, after it was lowered."""
        with self._connection() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            beyond = pages - self.limit // PAGE
            if beyond > 0:
                connection.execute(f"PRAGMA incremental_vacuum({beyond})").fetchall()


_left_to_the_parent: list[sqlite3.Connection] = []


def _make_private(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    folder.chmod(0o700)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            Path(f"{path}{suffix}").unlink()


def _code(object: str) -> int:
    """Number of an object; two may share one, as checksums cover their names."""
    digest = hashlib.sha256(object.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _checked(
    object: str, start: object, stop: object, ends: object, crc: object, data: object
) -> Piece | None:
    if not (isinstance(start, int) and isinstance(stop, int) and isinstance(data, bytes)):
        return None
    piece = Piece(object, start, data, bool(ends))
    return piece if piece.stop == stop and piece.crc32c == crc else None


def _insert(connection: sqlite3.Connection, piece: Piece, now: int) -> None:
    place = (_code(piece.object), piece.start)
    held = connection.execute(
        "SELECT id, stop FROM pieces WHERE object = ? AND start = ?", place
    ).fetchone()
    if held is not None:
        if held[1] >= piece.stop and not piece.ends:
            return
        _delete(connection, [held[0]])
    row = (*place, piece.stop, piece.ends, piece.crc32c, now)
    number = connection.execute(
        "INSERT INTO pieces (object, start, stop, ends, crc, used) VALUES (?, ?, ?, ?, ?, ?)", row
    ).lastrowid
    connection.execute("INSERT OR REPLACE INTO bytes VALUES (?, ?)", (number, piece.data))


def _delete(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    going = [(number,) for number in numbers]
    connection.executemany("DELETE FROM bytes WHERE id = ?", going)
    connection.executemany("DELETE FROM pieces WHERE id = ?", going)


def _room(piece: Piece) -> int:
    """Bytes that a piece may take in the file; a long one fills whole pages."""
    size = len(piece.data) + _ROW
    return size if size < PAGE // 4 else -(-size // PAGE) * PAGE + PAGE
