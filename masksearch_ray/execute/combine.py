"""Partials of several shards as few: a level of the tree between shards and coordinator.

A partial is chunked by a shard's stage and finalised by the coordinator; in between it may be
combined any number of times, in any order and grouping, without a change to the answer's last
bit. No partials at all are the identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from masksearch_ray.execute.leaders import Leaders
from masksearch_ray.execute.merge import join_rows, merge_states
from masksearch_ray.execute.partials import (
    Counted,
    Finished,
    GroupStates,
    MemberRefs,
    Offer,
    Offered,
    Partial,
    Ranked,
    RowsFound,
    Stage,
    Top,
)
from masksearch_ray.model.forecast import Forecast
from masksearch_ray.model.query import Query

__all__ = ["combine"]

Answer = tuple[int, Any]
"""A shard and its partial."""


def combine(stage: Stage, query: Query, answers: Sequence[tuple[int, Partial]]) -> list[Answer]:
    """Combine answers to one stage: one partial of each kind, and every `Finished`.

    Parameters
    ----------
    stage : Stage
        That the shards were asked.
    query : Query
    answers : sequence of (int, Partial)
        Each with its shard; combined ones with any of theirs.

    Returns
    -------
    list of (int, Partial)
        Those that finished last.
    """
    ended = [answer for answer in answers if isinstance(answer[1], Finished)]
    kinds: dict[type[Partial], list[Answer]] = {}
    for answer in answers:
        if not isinstance(answer[1], Finished):
            kinds.setdefault(type(answer[1]), []).append(answer)
    combined = [
        (held[0][0], held[0][1] if len(held) == 1 else _COMBINED[kind](stage, query, held))
        for kind, held in kinds.items()
    ]
    return [*combined, *ended]


def _rows(_: Stage, query: Query, held: Sequence[Answer]) -> RowsFound:
    found = join_rows([part for _, part in held], query)
    return found if found is not None else held[0][1]


def _offered(stage: Stage, _: Query, held: Sequence[Answer]) -> Offered:
    assert isinstance(stage, Offer)
    sure, hopes = Leaders(stage.k), Leaders(stage.k)
    for _shard, part in held:
        sure.add(part.places)
        hopes.add(part.hopes)
    first: Offered = held[0][1]
    return Offered(
        first.places if sure.places is None else sure.places,
        first.hopes if hopes.places is None else hopes.places,
        tuple(sorted(owner for shard, part in held for owner in part.owners(shard))),
    )


def _ranked(stage: Stage, _: Query, held: Sequence[Answer]) -> Ranked:
    assert isinstance(stage, Offer | Top)
    leaders = Leaders(stage.k)
    for shard, part in held:
        leaders.add(part.places, part.items, part.owners(shard))
    if leaders.places is None:
        none = np.zeros(0, np.int64)
        return Ranked(none, held[0][1].places.take(none), none)
    return Ranked(leaders.columns[0], leaders.places, leaders.columns[1])


def _counted(_stage: Stage, _: Query, held: Sequence[Answer]) -> Counted:
    return Counted(sum(p.surely for _, p in held), sum(p.possibly for _, p in held))


def _foreseen(_stage: Stage, _: Query, held: Sequence[Answer]) -> Forecast:
    return Forecast.merge([part for _, part in held])


def _states(_: Stage, query: Query, held: Sequence[Answer]) -> GroupStates:
    return merge_states(query, [part for _, part in held])


def _members(_stage: Stage, _: Query, held: Sequence[Answer]) -> MemberRefs:
    return MemberRefs.concat(held)


_COMBINED: Mapping[type[Partial], Callable[[Stage, Query, Sequence[Answer]], Partial]] = {
    RowsFound: _rows,
    Offered: _offered,
    Ranked: _ranked,
    Counted: _counted,
    Forecast: _foreseen,
    GroupStates: _states,
    MemberRefs: _members,
}
