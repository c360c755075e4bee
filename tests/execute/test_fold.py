"""Merging parts as they come."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from masksearch_ray.execute.fold import Fold


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 255, 256, 257, 5000])
def test_every_part_is_merged_once_and_few_are_held(count: int) -> None:
    merged = 0

    def merge(parts: Sequence[frozenset[int]]) -> frozenset[int]:
        nonlocal merged
        merged += sum(map(len, parts))
        return frozenset().union(*parts)

    fold = Fold(merge)
    most = 0
    for number in range(count):
        fold.add(frozenset([number]))
        most = max(most, len(fold.parts()))
    left = fold.parts()
    assert sorted(number for part in left for number in part) == list(range(count))
    levels = 0 if count < 2 else len(f"{count:x}")
    assert most <= 16 * levels or count < 2
    assert merged <= count * levels
