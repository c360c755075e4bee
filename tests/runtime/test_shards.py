from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.index.levels import block_levels
from masksearch_ray.model.roi import BoxColumn, FullImage, roi_key
from masksearch_ray.runtime.loads import segment_loads
from masksearch_ray.runtime.shards import balance, cut, overlapping
from masksearch_ray.runtime.types import SegmentLoad
from masksearch_ray.storage import open_storage
from tests.conformance.pools import make_collection
from tests.conformance.runtime import SEGMENTS, metadata, pixels

GIB = 1 << 30


def load_of(rows: int, size: int, first: int | None, span: int) -> SegmentLoad:
    return SegmentLoad(rows, size, first, None if first is None else first + span)


SEGMENT = st.builds(
    load_of,
    st.integers(0, 3_000_000),
    st.integers(0, 4 * GIB),
    st.none() | st.integers(0, 1000),
    st.integers(0, 100),
)
LOADS = st.lists(SEGMENT, max_size=30)


@given(LOADS, st.integers(0, 40), st.none() | st.integers(1, 40), st.none() | st.integers(1, GIB))
def test_every_segment_lies_in_one_shard_and_every_shard_in_one_group(
    loads: list[SegmentLoad], cpus: int, workers: int | None, memory: int | None
) -> None:
    found = cut(loads, cpus, workers, memory)
    assert sorted(s for shard in found.shards for s in shard) == list(range(len(loads)))
    assert sorted(s for group in found.groups for s in group) == list(range(len(found.shards)))
    assert all(found.groups)
    assert all(found.shards) or not loads
    assert 1 <= found.workers <= max(1, len(loads))
    if workers is not None:
        assert found.workers <= workers
    sizes = [sum(loads[s].bytes for n in group for s in found.shards[n]) for group in found.groups]
    assert max(sizes) == found.bytes


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40), st.integers(1, 10))
def test_no_share_is_heavier_than_an_even_one_and_the_heaviest_item(
    weights: list[int], shards: int
) -> None:
    shares = balance(weights, shards)
    heaviest = max(sum(weights[i] for i in share) for share in shares)
    assert heaviest <= sum(weights) / len(shares) + max(weights)
    assert all(shares)


@given(LOADS)
def test_no_image_lies_in_two_lists(loads: list[SegmentLoad]) -> None:
    lists = overlapping(loads)
    assert sorted(s for segments in lists for s in segments) == list(range(len(loads)))
    for one, other in combinations(lists, 2):
        for a in (loads[s] for s in one):
            for b in (loads[s] for s in other):
                assert a.image_max < b.image_min or b.image_max < a.image_min  # type: ignore[operator]


def test_more_workers_than_cpus_where_their_memory_asks_for_it() -> None:
    loads = [SegmentLoad(1000, GIB)] * 12
    assert cut(loads, cpus=2).workers == 2
    assert cut(loads, cpus=2, memory=2 * GIB).workers == 6
    assert cut(loads, cpus=2, memory=2 * GIB).bytes == 2 * GIB
    assert cut(loads, cpus=0, memory=100 * GIB).workers == 1
    assert cut(loads, cpus=0, workers=4, memory=100 * GIB).workers == 4


def test_few_workers_own_several_shards_that_fit() -> None:
    found = cut([SegmentLoad(1000, GIB)] * 12, cpus=2, workers=3, memory=2 * GIB)
    assert (found.workers, len(found.shards)) == (3, 6)
    assert all(len(group) == 2 for group in found.groups)


def test_images_lie_together_where_shards_stay_even() -> None:
    together = [SegmentLoad(10, 10, image, image + 5) for image in (0, 100, 3, 104, 200, 203)]
    assert sorted(cut(together, cpus=3).shards) == [(0, 2), (1, 3), (4, 5)]
    # All over the place: two workers are better than one that has every image's masks.
    assert len(cut([SegmentLoad(10, 10, 0, 500)] * 6, cpus=2).shards) == 2


def test_what_is_predicted_covers_what_is_kept(tmp_path: Path) -> None:
    url = str(tmp_path / "masks")
    make_collection(url, pixels(), metadata(), SEGMENTS)
    storage = open_storage(url)
    manifest = open_manifest(storage)
    reader = CollectionReader(storage, manifest)
    for segment in reader.segments():
        (block,) = segment.blocks
        cells = np.arange(block.grid.cells, dtype=np.int32)
        levels = block_levels(manifest.spec.edges, block.shape.dtype, manifest.domain)
        segment.counts(0, dict.fromkeys(range(1, len(levels) + 1), cells))
        for roi in (roi_key(FullImage()), roi_key(BoxColumn("object_box"))):
            assert segment.histogram_levels(0, roi) == levels
            segment.histogram(0, roi, range(1, len(levels) + 1))
        segment.metadata(["mask_id", "image_id", "label", "object_box"])
    predicted = sum(load.bytes for load in segment_loads(manifest))
    assert 0 < reader.nbytes <= predicted < 4 * reader.nbytes
