"""Cutting what is sorted by image."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.collection.cutting import cut, image_order


def test_images_are_ordered_those_of_none_last() -> None:
    assert image_order(["b", None, "a", "b"]) == [2, 0, 3, 1]
    assert image_order([3, 1, None, 2, 1]) == [1, 4, 3, 0, 2]
    assert image_order(["x", 2, 1]) == [2, 1, 0]


def test_a_share_is_full_by_rows_or_by_bytes() -> None:
    images = list(range(6))
    assert cut(images, [1] * 6, [0] * 6, 4, 10) == [range(0, 4), range(4, 6)]
    assert cut(images, [1] * 6, [5] * 6, 4, 10) == [range(0, 2), range(2, 4), range(4, 6)]
    assert cut([1, 2, 3], [1, 9, 1], [0] * 3, 4, 10) == [range(0, 1), range(1, 2), range(2, 3)]
    assert cut([], [], [], 4, 10) == []


def test_the_masks_of_an_image_stay_together_where_they_can() -> None:
    images = ["a", "a", "a", "b", "b", "b"]
    assert cut(images, [1] * 6, [0] * 6, 4, 10) == [range(0, 3), range(3, 6)]
    # Too small a share would be left.
    assert cut(["a", *"bbbbbb"], [1] * 7, [0] * 7, 4, 10) == [range(0, 4), range(4, 7)]


Units = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(0, 9)), max_size=40)


@given(Units, st.integers(1, 12), st.integers(1, 30))
def test_shares_are_whole_in_order_and_fit(
    units: list[tuple[int, int, int]], most_rows: int, most_size: int
) -> None:
    images = sorted(image for image, _, _ in units)
    rows, sizes = [rows for _, rows, _ in units], [size for _, _, size in units]
    shares = cut(images, rows, sizes, most_rows, most_size)
    assert [place for share in shares for place in share] == list(range(len(units)))
    for share in shares:
        assert len(share) == 1 or sum(rows[i] for i in share) <= most_rows
        assert len(share) == 1 or sum(sizes[i] for i in share) <= most_size
