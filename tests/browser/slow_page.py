"""The page with answers that come slowly: python -m tests.browser.slow_page FOLDER COLLECTION …

The answers are the engine's own; only their parts are handed on one by one, until a file ``go`` is
in the folder. What begins and how it ends is written to ``log`` there, a line each. As long as a
file ``broken`` is there, metadata cannot be read.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from masksearch_ray.cli import main
from masksearch_ray.errors import FailedError, QueryCancelledError
from masksearch_ray.session import Result, Stats
from masksearch_ray.web import app
from masksearch_ray.web.rows import Row, RowBook
from masksearch_ray.web.runs import Runs

ROWS = 20
_PAUSE = 0.25


class Slow:
    """A result of which some rows come after a pause, and then some more."""

    def __init__(self, result: Result, folder: Path) -> None:
        self._result = result
        self._folder = folder
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[pa.Table]:
        try:
            yield from self._parts()
        except QueryCancelledError:
            note(self._folder, "cancelled")
            raise
        note(self._folder, "ended")

    def _parts(self) -> Iterator[pa.Table]:
        for part in self._result:
            for at in range(0, max(1, part.num_rows), ROWS):
                if not (self._folder / "go").exists():
                    self._stopped.wait(_PAUSE)
                if self._stopped.is_set():
                    raise QueryCancelledError("cancelled")
                yield part.slice(at, ROWS)

    def cancel(self) -> None:
        """Stop it."""
        self._stopped.set()
        self._result.cancel()

    @property
    def table(self) -> pa.Table:
        """The whole answer."""
        return self._result.table

    @property
    def stats(self) -> Stats:
        """What the query did."""
        return self._result.stats


def note(folder: Path, line: str) -> None:
    """Write down what happened."""
    with (folder / "log").open("a") as file:
        file.write(f"{line}\n")


def slow_down(folder: Path) -> None:
    """Let answers come slowly in this process, and pages be given up soon."""
    ask, rows = Runs._ask, RowBook.rows

    def slowly(self: Runs, sql: str, use_index: bool) -> Any:
        note(folder, "begun " + " ".join(sql.split()))
        return Slow(ask(self, sql, use_index), folder)

    def unreadable(self: RowBook, mask_ids: Iterable[int]) -> list[Row]:
        if (folder / "broken").exists():
            raise FailedError("the metadata cannot be read")
        return rows(self, mask_ids)

    Runs._ask = slowly  # type: ignore[method-assign]
    RowBook.rows = unreadable  # type: ignore[method-assign]
    app._RECONNECT = 1.0


if __name__ == "__main__":
    slow_down(Path(sys.argv[1]))
    sys.exit(main(["serve", *sys.argv[2:]]))
