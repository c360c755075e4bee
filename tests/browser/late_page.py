"""Serves a collection whose pixels come late, and writes down how every query ended.

Run as ``python -m tests.browser.late_page COLLECTION RECORDS``: RECORDS gets a line of JSON
a query when it begins and one when it ends, and pixels are late while there is a file `LATE_NOW`
beside it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import masksearch_ray as ms
from masksearch_ray.collection.layout import TILES
from masksearch_ray.runtime import reading
from masksearch_ray.storage import Storage, open_storage
from masksearch_ray.storage.wrappers import WrappedStorage
from masksearch_ray.web import ServeOptions, app, serve
from masksearch_ray.web.runs import Runs

T = TypeVar("T")

LATE = 5.0
"""Seconds that a read of pixels takes."""

LATE_NOW = "late"

BEGUN = "begun"
"""Outcome of a query that has but begun."""

FORGOTTEN = 0.5
"""Seconds after which the server forgets a page that was left."""


class LatePixels(WrappedStorage):
    """Reads pixels late, all else at once.

    Parameters
    ----------
    inner : Storage
    switch : Path
        They are late while it is there.
    """

    def __init__(self, inner: Storage, switch: Path) -> None:
        super().__init__(inner)
        self._switch = switch

    def _around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        if key.endswith(TILES) and self._switch.exists():
            time.sleep(LATE)
        return call()


def main(collection: str, records: Path) -> None:
    """Serve until interrupted."""
    lock = threading.Lock()

    def write(text: str, outcome: str) -> None:
        with lock, records.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"text": text, "outcome": outcome}) + "\n")

    def note(record: ms.QueryRecord) -> None:
        write(record.text, record.outcome)

    ask = Runs._ask

    def begin(self: Runs, sql: str, use_index: bool) -> Any:
        asked = ask(self, sql, use_index)
        write(sql, BEGUN)
        return asked

    def late(url: str, options: Any = None) -> Storage:
        return LatePixels(open_storage(url, options), records.parent / LATE_NOW)

    reading.open_storage = late  # type: ignore[attr-defined]
    Runs._ask = begin  # type: ignore[method-assign]
    app._RECONNECT = FORGOTTEN
    # Pixels are not kept, so that they come late each time.
    how = {"on_query": note, "pixel_bytes": 0}
    serve(
        ServeOptions(collection, how=how, port=0),
        lambda url: print(f"Serving {collection} at {url}", flush=True),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
