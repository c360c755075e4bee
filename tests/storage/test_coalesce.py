from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.storage import Read, coalesce
from masksearch_ray.storage.coalesce import cut

RANGES = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 40)).map(lambda pair: (pair[0], sum(pair))),
    max_size=30,
)
GAPS = st.integers(0, 30)
SIZES = st.integers(1, 200)


def test_near_ranges_share_a_read_and_far_ones_do_not() -> None:
    ranges = [(100, 110), (0, 10), (15, 20)]
    assert coalesce(ranges, gap=5, max_size=1000) == (Read(0, 20, (1, 2)), Read(100, 110, (0,)))
    assert len(coalesce(ranges, gap=4, max_size=1000)) == 3
    assert len(coalesce(ranges, gap=80, max_size=1000)) == 1
    assert len(coalesce(ranges, gap=80, max_size=109)) == 2


def test_a_large_range_is_not_split_and_takes_in_what_lies_inside() -> None:
    assert coalesce([(0, 1000), (10, 20), (990, 1001)], gap=0, max_size=100) == (
        Read(0, 1000, (0, 1)),
        Read(990, 1001, (2,)),
    )


@given(RANGES, GAPS, SIZES)
def test_every_range_is_inside_exactly_one_read(
    ranges: list[tuple[int, int]], gap: int, max_size: int
) -> None:
    reads = coalesce(ranges, gap, max_size)
    members = [member for read in reads for member in read.members]
    assert sorted(members) == [n for n, (start, stop) in enumerate(ranges) if start < stop]
    for read in reads:
        assert all(read.start <= ranges[m][0] and ranges[m][1] <= read.stop for m in read.members)


@given(RANGES, GAPS, SIZES)
def test_reads_waste_no_more_than_allowed(
    ranges: list[tuple[int, int]], gap: int, max_size: int
) -> None:
    for read in coalesce(ranges, gap, max_size):
        inside = sorted(ranges[member] for member in read.members)
        assert read.start == inside[0][0]
        assert read.stop == max(stop for _, stop in inside)
        longest = max(stop - start for start, stop in inside)
        assert read.stop - read.start <= max(max_size, longest)
        reached = read.start
        for start, stop in inside:
            assert start - reached <= gap
            reached = max(reached, stop)


@given(RANGES, GAPS)
def test_without_a_size_limit_reads_are_further_apart_than_the_gap(
    ranges: list[tuple[int, int]], gap: int
) -> None:
    reads = coalesce(ranges, gap, max_size=10**9)
    assert all(left.stop + gap < right.start for left, right in itertools.pairwise(reads))


@given(RANGES, GAPS, SIZES)
def test_the_order_given_does_not_matter(
    ranges: list[tuple[int, int]], gap: int, max_size: int
) -> None:
    spans = [(read.start, read.stop) for read in coalesce(ranges, gap, max_size)]
    assert spans == [(r.start, r.stop) for r in coalesce(ranges[::-1], gap, max_size)]


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 20))
def test_parts_make_up_the_whole(start: int, length: int, size: int) -> None:
    parts = cut(start, start + length, size)
    assert [place for a, b in parts for place in range(a, b)] == list(range(start, start + length))
    assert [b - a for a, b in parts[:-1]] == [size] * (len(parts) - 1)
