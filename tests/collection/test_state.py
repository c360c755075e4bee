"""Any sequence of operations shows what a dictionary would show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from masksearch_ray.collection import Limits, append, list_versions
from masksearch_ray.collection.indexing import build_index
from masksearch_ray.collection.maintain import compact, delete
from masksearch_ray.collection.vacuum import vacuum
from masksearch_ray.errors import DataError
from masksearch_ray.model.roi import Box
from tests.collection.helpers import check_index, content, empty, mixed_masks

Row = tuple[Any, ...]
LIMITS = st.sampled_from([Limits(rows=2), Limits(rows=5), Limits()])


class CollectionMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.storage = empty()
        self.model: dict[int, Row] = {}
        self.past: dict[int, dict[int, Row]] = {1: {}}
        self.next_id = 0
        self.seed = 0

    def commit(self, version: int) -> None:
        self.past[version] = dict(self.model)

    @rule(n=st.integers(0, 7), label=st.none() | st.integers(0, 2), limits=LIMITS)
    def append(self, n: int, label: int | None, limits: Limits) -> None:
        self.seed += 100
        masks = mixed_masks(n, self.seed)
        report = append(self.storage, masks, {"label": [label] * n}, limits=limits, threads=1)
        for mask in masks:
            self.put(self.next_id, mask, label)
            self.next_id += 1
        if n:
            self.commit(report.version)

    @rule(ids=st.lists(st.integers(-5, 60), min_size=1, max_size=4, unique=True))
    def append_with_ids(self, ids: list[int]) -> None:
        self.seed += 100
        masks = mixed_masks(len(ids), self.seed)
        if self.model.keys() & set(ids):
            with pytest.raises(DataError, match="in the collection already"):
                append(self.storage, masks, {"mask_id": ids}, threads=1)
            return
        report = append(self.storage, masks, {"mask_id": ids}, threads=1)
        for mask_id, mask in zip(ids, masks, strict=True):
            self.put(mask_id, mask, None)
        self.next_id = max(self.next_id, max(ids) + 1)
        self.commit(report.version)

    def put(self, mask_id: int, mask: np.ndarray[Any, Any], label: int | None) -> None:
        row = {"mask_id": mask_id} | ({} if label is None else {"label": label})
        self.model[mask_id] = (row, mask.shape, mask.dtype.name, mask.tobytes())

    @rule(divisor=st.integers(1, 5), rest=st.integers(0, 4))
    def delete(self, divisor: int, rest: int) -> None:
        doomed = [i for i in self.model if i % divisor == rest]
        report = delete(self.storage, lambda s: s.mask_ids() % divisor == rest)
        assert report.rows == len(doomed)
        for mask_id in doomed:
            del self.model[mask_id]
        self.commit(report.version)

    @rule(limits=LIMITS)
    def compact(self, limits: Limits) -> None:
        self.commit(compact(self.storage, limits=limits, threads=1).version)

    @rule(keep=st.integers(1, 4))
    def vacuum(self, keep: int) -> None:
        vacuum(self.storage, keep, older_than=0)
        kept = [one.version for one in list_versions(self.storage)]
        assert kept == sorted(self.past)[-keep:]
        self.past = {version: self.past[version] for version in kept}

    @rule(side=st.integers(1, 3))
    def build(self, side: int) -> None:
        build_index(self.storage, [Box(0, 0, side, side)], 4, threads=1)

    @rule()
    def index_is_right(self) -> None:
        check_index(self.storage)

    @rule(data=st.data())
    def older_version(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(sorted(self.past)))
        assert content(self.storage, version) == self.past[version]

    @invariant()
    def shows_what_is_there(self) -> None:
        assert content(self.storage) == self.model


TestCollectionMachine = CollectionMachine.TestCase
TestCollectionMachine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
