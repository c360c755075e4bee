"""Queries parsed lately: asked again, a text is not parsed again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.model.query import Query
from masksearch_ray.session.catalog import catalog_of
from masksearch_ray.sql import parse

__all__ = ["Prepared"]

_KEPT = 256
_PLAIN = (int, float, str, bool, type(None))


class Prepared:
    """Parses queries, and keeps what it made of the last ones; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Query] = OrderedDict()

    def query(
        self, manifest: Manifest, url: str, text: str, params: Mapping[str, Any], roi: Any
    ) -> Query:
        """Query of a text on a version of a collection; arguments and errors as of `parse`."""
        key = _key(manifest, text, params, roi)
        with self._lock:
            query = None if key is None else self._kept.get(key)
            if key is not None and query is not None:
                self._kept.move_to_end(key)
                return query
        query = parse(text, catalog_of(manifest, url), params, roi)
        if key is not None:
            with self._lock:
                self._kept[key] = query
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return query


def _key(manifest: Manifest, text: str, params: Mapping[str, Any], roi: Any) -> Hashable | None:
    """What a query is made of; None where that is not to be told by looks."""
    values = [roi, *params.values()]
    if type(text) is not str or any(type(value) not in _PLAIN for value in values):
        return None
    # By type and by looks: 1, 1.0 and True are equal, and so are 0.0 and -0.0.
    told = tuple((type(value), repr(value)) for value in values)
    return manifest.uuid, manifest.version, text, tuple(params), told
