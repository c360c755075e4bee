"""Every error of the project, one tree.

::

    MaskSearchError
    ├── InputError            what was asked or given cannot be taken (exit status 2)
    │   ├── QueryError        bad SQL: .line, .column, .hint; the text shows a caret
    │   ├── DataError         bad masks, rows, boxes or files to ingest
    │   └── CollectionError   no collection there, one there already, written by a newer format
    └── FailedError           the request was right, carrying it out failed (exit status 1)
        ├── StorageError      an object is missing, damaged or cannot be reached: .object
        │   ├── NotFoundError
        │   ├── ExistsError       create-if-absent found the key taken
        │   ├── DamagedError      checksum, length or structure is wrong
        │   ├── ReadOnlyError     no permission, or no atomic create
        │   └── TransientError    the only retryable error
        ├── ConflictError     a commit could not be re-based on what others committed
        ├── WorkerError       a worker died or became unavailable and could not be replaced
        ├── QueryTimeoutError
        └── QueryCancelledError
"""

from __future__ import annotations

__all__ = [
    "CollectionError",
    "ConflictError",
    "DamagedError",
    "DataError",
    "ExistsError",
    "FailedError",
    "InputError",
    "MaskSearchError",
    "NotFoundError",
    "QueryCancelledError",
    "QueryError",
    "QueryTimeoutError",
    "ReadOnlyError",
    "StorageError",
    "TransientError",
    "WorkerError",
]


class MaskSearchError(Exception):
    """Base of every error that the package raises on purpose."""

    exit_status = 1


class InputError(MaskSearchError, ValueError):
    """What was asked or given cannot be taken; nothing was changed."""

    exit_status = 2


class DataError(InputError):
    """Masks, rows, boxes or files that cannot be taken; the text names which and where."""


class CollectionError(InputError):
    """No collection at the URL, one there already, or one of a newer format."""


class QueryError(InputError):
    """SQL that cannot be answered.

    Parameters
    ----------
    message : str
        What is wrong, in one line.
    line, column : int, optional
        Position of the offending token in the text, both counted from 1.
    sql : str, optional
        The text of the query, from which the line with the caret is drawn.
    hint : str, optional
        What would be accepted.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        sql: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.line = line
        self.column = column
        self.sql = sql
        self.hint = hint
        super().__init__(self._render())

    def _render(self) -> str:
        where = f" (line {self.line}, column {self.column})" if self.line else ""
        text = f"{self.message}{where}"
        if self.hint:
            text += f"; {self.hint}"
        if self.sql and self.line and self.column:
            lines = self.sql.splitlines() or [""]
            source = lines[min(self.line, len(lines)) - 1]
            # A window keeps the caret readable when one line holds a megabyte of SQL.
            start = max(0, self.column - 61)
            window = source[start : start + 100].replace("\t", " ")
            text += f"\n  {window}\n  {' ' * (self.column - 1 - start)}^"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_query_error, (
            self.message,
            self.line,
            self.column,
            self.sql,
            self.hint,
        )


def _rebuild_query_error(
    message: str, line: int | None, column: int | None, sql: str | None, hint: str | None
) -> QueryError:
    return QueryError(message, line=line, column=column, sql=sql, hint=hint)


class FailedError(MaskSearchError, RuntimeError):
    """The request was right, but carrying it out failed."""


class StorageError(FailedError):
    """An object is missing, damaged or cannot be reached.

    Parameters
    ----------
    message : str
        What happened, in one line.
    object : str
        URL or key of the object.
    """

    def __init__(self, message: str, object: str) -> None:
        self.message = message
        self.object = object
        super().__init__(f"{object}: {message}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.object)


class NotFoundError(StorageError):
    """The object does not exist."""


class ExistsError(StorageError):
    """Create-if-absent found the key taken."""


class DamagedError(StorageError):
    """The object's checksum, length or structure is wrong."""


class ReadOnlyError(StorageError):
    """The storage cannot be written to: no permission, or no atomic create."""


class TransientError(StorageError):
    """A failure that may pass: time-out, reset, throttling, 5xx. Alone retryable."""


class ConflictError(FailedError):
    """A commit could not be re-based on what others committed meanwhile."""


class WorkerError(FailedError):
    """A worker died or became unavailable and could not be replaced."""


class QueryTimeoutError(FailedError):
    """The query's time limit passed before the answer was complete."""


class QueryCancelledError(FailedError):
    """The query was cancelled."""
