"""A plan: how a query is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from masksearch_ray.model.query import Query

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """How a query is answered.

    Parameters
    ----------
    query : Query
    groups : {None, "merged", "apart", "together"}
        None: a query over rows. "merged": every shard bounds its part of each group and the parts
        are merged. "apart": the masks of a group lie on one shard. "together": they are brought
        there first, which takes a round trip.
    k : int or None
        Items that an exact top-k looks for, LIMIT + OFFSET; None: all that pass.
    use_index : bool
        False: bounds are not used, every pixel asked for is read.
    """

    query: Query
    groups: Literal["merged", "apart", "together"] | None
    k: int | None
    use_index: bool = True
