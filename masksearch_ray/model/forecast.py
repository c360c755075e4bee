"""What a query will read, told before it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from masksearch_ray.model.query import CountPixels

__all__ = ["Forecast", "TermForecast", "merge_terms"]


@dataclass(frozen=True)
class TermForecast:
    """What bounds a CP term on some masks.

    Parameters
    ----------
    term : CountPixels
    source : {"ROI histogram", "cells"}
    exact : bool
        Whether the bounds leave no doubt.
    rows, columns : int
        Masks bounded, and index columns that they take, added up over blocks.
    bytes : int
        Of these columns in storage, compressed.
    """

    term: CountPixels
    source: Literal["ROI histogram", "cells"]
    exact: bool
    rows: int
    columns: int
    bytes: int


@dataclass(frozen=True)
class Forecast:
    """What bounds a query on some segments.

    Parameters
    ----------
    rows, tiles : int
        Masks, and tiles of their pixels.
    terms : tuple of TermForecast
    bytes, memory : int
        Of all index columns that the terms take, each counted once: compressed in storage, and
        expanded.
    doubt : int
        Bytes of the columns that are read besides, if any row is in doubt after a ROI histogram.
    opening : int
        Bytes read before these columns: heads of index files, and metadata.
    """

    rows: int = 0
    tiles: int = 0
    terms: tuple[TermForecast, ...] = ()
    bytes: int = 0
    memory: int = 0
    doubt: int = 0
    opening: int = 0

    @classmethod
    def merge(cls, parts: Sequence[Forecast]) -> Forecast:
        """Forecast of all segments; terms that are bounded alike are added up."""
        return cls(
            sum(part.rows for part in parts),
            sum(part.tiles for part in parts),
            merge_terms([term for part in parts for term in part.terms]),
            sum(part.bytes for part in parts),
            sum(part.memory for part in parts),
            sum(part.doubt for part in parts),
            sum(part.opening for part in parts),
        )


def merge_terms(terms: Sequence[TermForecast]) -> tuple[TermForecast, ...]:
    """Add up what is bounded alike."""
    found: dict[tuple[CountPixels, str, bool], TermForecast] = {}
    for one in terms:
        key = (one.term, one.source, one.exact)
        held = found.get(key, TermForecast(one.term, one.source, one.exact, 0, 0, 0))
        found[key] = TermForecast(
            one.term,
            one.source,
            one.exact,
            held.rows + one.rows,
            held.columns + one.columns,
            held.bytes + one.bytes,
        )
    return tuple(found.values())
