"""Which levels of an index are stored."""

from __future__ import annotations

from collections.abc import Iterable

from masksearch_ray.model.shard import BlockView

__all__ = ["stored_levels"]


def stored_levels(wanted: Iterable[int], view: BlockView) -> tuple[int, ...]:
    """Level indices that are stored: "none" never is, "valid" only where a block holds NaN."""
    lowest = 0 if view.nan else 1
    return tuple(sorted({level for level in wanted if lowest <= level}))
