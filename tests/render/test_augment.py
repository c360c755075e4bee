"""Pixels outside a box made useless, those inside left alone."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.errors import InputError
from masksearch_ray.render import read_image
from masksearch_ray.render.augment import (
    METHODS,
    Augmentation,
    Example,
    Method,
    augment,
    inside_boxes,
    scale_boxes,
    write_examples,
)

BOXES = [(5, 8, 30, 20), (-4, 30, 12, 99)]


def picture(*shape: int) -> Any:
    return np.random.default_rng(9).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3), (61, 37, 3)])
def test_inside_nothing_changes_and_outside_nearly_all(
    method: Method, shape: tuple[int, ...]
) -> None:
    before = picture(*shape)
    kept = before.copy()
    after = augment(before, BOXES, Augmentation(method))
    inside = inside_boxes((shape[0], shape[1]), BOXES)
    assert after.dtype == np.uint8 and after.shape == shape
    assert np.array_equal(before, kept) and np.array_equal(after[inside], before[inside])
    assert (after != before)[~inside].mean() > 0.9


def test_what_each_method_puts_outside() -> None:
    before = picture(80, 90, 3) // 2
    before[:, :45] += 100
    inside = inside_boxes((80, 90), BOXES)
    made = {m: augment(before, BOXES, Augmentation(m, blur=0.02))[~inside] for m in METHODS}
    old = before[~inside]
    assert abs(made["randomise"].mean() - 127.5) < 2 and made["randomise"].max() == 255
    assert sorted(map(tuple, made["shuffle"].tolist())) == sorted(map(tuple, old.tolist()))
    assert (made["mean"] == made["mean"][0]).all()
    assert np.abs(made["mean"][0] - old.mean(axis=0)).max() <= 0.5
    assert made["blur"].std() < 0.8 * old.std()
    assert abs(made["blur"].mean() - old.mean()) < 5


@pytest.mark.parametrize("method", ["randomise", "shuffle"])
def test_the_same_seed_and_key_give_the_same(method: Method) -> None:
    before = picture(20, 20)
    one, again = (augment(before, [], Augmentation(method, 3), 7) for _ in range(2))
    assert np.array_equal(one, again)
    for seed, key in ((3, 8), (4, 7)):
        assert not np.array_equal(one, augment(before, [], Augmentation(method, seed), key))


@pytest.mark.parametrize("method", METHODS)
def test_where_all_is_inside_all_stays(method: Method) -> None:
    before = picture(9, 9, 3)
    assert np.array_equal(augment(before, [(0, 0, 9, 9)], Augmentation(method)), before)


@pytest.mark.parametrize(
    "given", [{"method": "paint"}, {"seed": -1}, {"blur": 0}, {"blur": 1.5}, {"blur": float("nan")}]
)
def test_augmentations_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="wanted"):
        Augmentation(**given)


@pytest.mark.smoke
@given(
    st.tuples(*[st.integers(-20, 300)] * 4),
    st.tuples(*[st.integers(1, 300)] * 2),
    st.tuples(*[st.integers(1, 3000)] * 2),
)
def test_a_scaled_box_is_the_smallest_that_holds_the_other(
    box: tuple[int, int, int, int], mask: tuple[int, int], image: tuple[int, int]
) -> None:
    ((x0, y0, x1, y1),) = scale_boxes([box], mask, image)
    for low, high, a, b, old, new in (
        (box[0], box[2], x0, x1, mask[1], image[1]),
        (box[1], box[3], y0, y1, mask[0], image[0]),
    ):
        assert a * old <= low * new < (a + 1) * old
        assert (b - 1) * old < high * new <= b * old


def test_a_data_set_is_a_zip_of_pictures_and_their_labels() -> None:
    pictures = [picture(5, 7, 3), picture(6, 4)]
    labels = ["a, b", 'é "c"']
    sets = [io.BytesIO(), io.BytesIO()]
    for stream in sets:
        made = (
            Example(p, label, {"image_id": i})
            for i, (p, label) in enumerate(zip(pictures, labels, strict=True))
        )
        assert write_examples(made, stream) == 2
    assert sets[0].getvalue() == sets[1].getvalue()
    with zipfile.ZipFile(sets[0]) as archive:
        assert archive.testzip() is None
        rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))
        shown = [read_image(archive.read(row["file"])) for row in rows]
    assert [row["label"] for row in rows] == labels
    assert [row["image_id"] for row in rows] == ["0", "1"]
    assert np.array_equal(shown[0], pictures[0])
    assert np.array_equal(shown[1][..., 0], pictures[1])


def test_a_data_set_of_nothing() -> None:
    stream = io.BytesIO()
    assert write_examples([], stream) == 0
    with zipfile.ZipFile(stream) as archive:
        assert archive.read("labels.csv") == b"file,label\n"
