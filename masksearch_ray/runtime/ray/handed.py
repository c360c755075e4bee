"""Which rows of a stage were handed on before its worker was lost."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from masksearch_ray.execute.ordering import Component
from masksearch_ray.execute.partials import RowsFound
from masksearch_ray.model.query import Query

__all__ = ["Handed"]


class Handed:
    """Rows or groups that were handed on, by their ``mask_id`` or key.

    Parameters
    ----------
    query : Query
    """

    def __init__(self, query: Query) -> None:
        self._keys = len(query.order_by)
        self._parts: list[tuple[Component, ...]] = []
        self._names: set[Hashable] = set()

    def fresh(self, found: RowsFound, *, repeated: bool) -> RowsFound:
        """Rows of a part that were not handed on, and are now.

        Parameters
        ----------
        found : RowsFound
        repeated : bool
            Whether the stage was begun anew: then rows may come again.
        """
        if repeated:
            for part in self._parts:
                self._names.update(_names(part))
            self._parts.clear()
            names = list(_names(self._ties(found)))
            new = np.flatnonzero([name not in self._names for name in names])
            if len(new) < len(names):
                found = RowsFound(found.table.take(new), found.places.take(new))
        self._parts.append(self._ties(found))
        return found

    def _ties(self, found: RowsFound) -> tuple[Component, ...]:
        """What settles ties tells rows apart."""
        return found.places.components[self._keys :]


def _names(ties: tuple[Component, ...]) -> Iterator[Hashable]:
    return zip(*(column.tolist() for tie in ties for column in (tie.rank, tie.value)), strict=True)
