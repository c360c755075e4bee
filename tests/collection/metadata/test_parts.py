"""Metadata of some masks only: they are found as in the whole."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.collection.metadata import RowMaker, RowOptions
from masksearch_ray.collection.metadata.names import NameIndex
from masksearch_ray.errors import DataError

STEMS = ["a", "b", "x/a", "y/a", "a#0", "b#1", "0", "1", "x/a#0", "a.b", "a#0#1"]
SUFFIXES = ["", ".npy", ".jpg", ".npz", ".csv"]
PARTS = ["", "#0", "#1", "#a", "#0#1"]

Names = st.builds(
    lambda stem, suffix, part: stem + suffix + part,
    st.sampled_from(STEMS), st.sampled_from(SUFFIXES), st.sampled_from(PARTS),
)  # fmt: skip


def outcome(index: NameIndex, names: list[str], key: str, lone: bool) -> str | None:
    try:
        row = index.find(key, lone)
    except DataError as error:
        return str(error)
    return None if row is None else names[row]


@given(
    st.lists(Names, unique=True, max_size=12),
    st.lists(Names, min_size=1, max_size=4),
    Names,
    st.sampled_from(PARTS),
    st.booleans(),
)
def test_a_part_of_an_index_finds_what_the_whole_finds(
    names: list[str], others: list[str], asked: str, part: str, lone: bool
) -> None:
    index = NameIndex(names, "rows")
    # What is known beforehand is a file, or a mask.
    rows = index.near([*others, asked], lone)
    assert rows == sorted(set(rows))
    small = index.part(rows)
    kept = [names[row] for row in rows]
    keys = [asked] if lone else [asked, asked + part]
    for key in keys:
        assert outcome(small, kept, key, lone) == outcome(index, names, key, lone)


def test_rows_of_a_part_are_those_of_the_whole() -> None:
    files = [f"{n}.npy" for n in range(5)]
    meta = {"file": ["3", "1.jpg", "0", "2", "4"], "image_id": [30, 10, 0, 20, 40]}
    maker = RowMaker(RowOptions([meta], columns={"model_id": 4}), files)
    assert maker.images(files) == [0, 10, 20, 30, 40]
    part = pickle.loads(pickle.dumps(maker.part(["1.npy", "3.npy"])))
    sizes = [(2, 2), (2, 2)]
    assert part.rows(["3.npy", "1.npy"], sizes).equals(maker.rows(["3.npy", "1.npy"], sizes))
    with pytest.raises(DataError, match=r"no row for 1 masks: 0\.npy"):
        part.rows(["0.npy"], sizes[:1])


def test_images_without_metadata_are_named_by_files() -> None:
    assert RowMaker(RowOptions(), ["a/7.npy", "b.npz"]).images(["a/7.npy"]) == ["7"]
    assert RowMaker(RowOptions()).images(["maps#0"]) == [None]
    assert RowMaker(RowOptions(columns={"image_id": 3}), ["a.npy"]).images(["a.npy"]) == [3]
    meta = {"key": ["s.npz#b", "s.npz#a"], "image_id": ["q", "p"]}
    assert RowMaker(RowOptions([meta]), ["s.npz", "t.npy"][:1]).images(["s.npz"]) == ["p"]
