"""What the page keeps stays within its budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.web.kept import Kept


@pytest.mark.smoke
def test_what_was_not_used_for_longest_goes_first() -> None:
    kept = Kept[str](3)
    for name in "abc":
        kept.put(name, name)
    assert kept.get("a") == "a"
    kept.put("d", "d")
    assert [kept.get(name) for name in "abcd"] == ["a", None, "c", "d"]


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=12)), max_size=60))
def test_weight_is_that_of_what_is_kept(puts: list[tuple[int, bytes]]) -> None:
    kept = Kept[bytes](20, len)
    for key, value in puts:
        kept.put(key, value)
        held = [found for key in range(6) if (found := kept.get(key)) is not None]
        assert kept.weight == sum(map(len, held))
        assert kept.weight <= 20 or len(kept) == 1
        assert kept.get(key) == value
