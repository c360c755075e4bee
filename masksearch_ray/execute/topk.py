"""Exact top-k over the items of a shard, whatever the items are.

See docs/architecture.md and He et al., "MaskSearch: Querying Image Masks at Scale", arXiv
2305.02375, section 3, of which this is the distributed and interval-valued form.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.execute.contest import Contest, Guide
from masksearch_ray.execute.interval import Bools
from masksearch_ray.execute.partials import Emit
from masksearch_ray.execute.search import Items, Ranking
from masksearch_ray.model.shard import Poll, Request

__all__ = ["fight_out"]

Index = npt.NDArray[np.int64]

_TOLD = 4096  # places at most that shards tell one another on the way


def fight_out(
    items: Items, ranking: Ranking, contest: Contest
) -> Generator[Request | Emit, Any, None]:
    """Verify items until none that can be among the first k is in doubt.

    An item in doubt that may be among the k earliest of all shards must be verified, whatever else
    is found: those come first, and as little else as can be.
    """
    done, told = 0, contest.k is not None and contest.k <= _TOLD
    while True:
        guide: Guide = yield Poll()
        contest.hear(guide.threshold)
        if not contest.doubt.any():
            return
        chosen, last = contest.choose(guide.horizon, done, patient=told and guide.patient)
        if len(chosen):

            def undecided(some: Index, last: Any = last) -> Bools:
                return contest.undecided(some, last)

            # Most of those that come first are in the answer, and so to be exact.
            whole = not contest.late(done)
            yield from items.refine(chosen, ranking.exprs, undecided, whole=whole)
            contest.update(chosen)
            contest.hear(None)
            done += len(chosen)
        if told:
            yield Emit(contest.offered())
