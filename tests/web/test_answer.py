"""An answer as the page shows it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.web.explore.answer import Answer, marks_of, range_of, regions_of, told
from masksearch_ray.web.view import View

FILTER = "SELECT mask_id, CP(mask, object_box, (0.5, 1.0)) AS n, label FROM masks WHERE n > 3"
IOU = (
    "SELECT image_id, CP(intersect(mask >= 0.3), box(1, 2, 5, 6), (0.5, 1))"
    " / CP(union(mask >= 0.3), box(1, 2, 5, 6), (0.5, 1)) AS score"
    " FROM masks WHERE model_id IN (1, 2) GROUP BY image_id ORDER BY score LIMIT 9"
)


@pytest.fixture(scope="module")
def collection() -> Iterator[ms.Collection]:
    masks = np.random.default_rng(2).integers(0, 256, (12, 8, 8), np.uint8)
    with ms.create("memory://answers-of-the-page") as made:
        made.append(
            masks,
            {
                "image_id": np.arange(12) // 2,
                "model_id": [2, 1] * 6,
                "label": ["cat", "dog"] * 6,
                "object_box": [(1, 1, 6, 7)] * 11 + [None],
            },
        )
        yield made


def answered(collection: ms.Collection, sql: str, order: str = "asked") -> Answer:
    return Answer(collection.sql(sql).table, collection.parse(sql), order)


@pytest.mark.smoke
def test_masks_with_their_score(collection: ms.Collection) -> None:
    answer = answered(collection, FILTER)
    assert (answer.kind, answer.key, answer.score) == ("masks", "mask_id", "n")
    (first, *_) = answer.page(View(size=2))
    assert answer.title(first) == str(first["n"])
    assert answer.lines(first, {"label": "cat", "prediction": "dog"}) == ["cat → dog"]
    assert range_of(answer.query) == (0.5, 1.0)


def test_order_is_stable_both_ways(collection: ms.Collection) -> None:
    up, down = (answered(collection, FILTER, order) for order in ("label", "-label"))
    labels = up.table["label"].to_pylist()
    assert labels == sorted(labels)
    of_cats = [k for k, one in zip(up.keys, labels, strict=True) if one == "cat"]
    assert of_cats == sorted(of_cats, key=int)
    assert down.table["label"].to_pylist() == sorted(labels, reverse=True)
    assert answered(collection, FILTER, "nonsense").keys == answered(collection, FILTER).keys


def test_pages_hold_all_rows_once(collection: ms.Collection) -> None:
    answer = answered(collection, "SELECT mask_id FROM masks")
    pages = [answer.page(View(page=n, size=5)) for n in range(3)]
    assert [row["mask_id"] for page in pages for row in page] == list(range(12))


def test_images_and_the_pair_that_is_compared(collection: ms.Collection) -> None:
    answer = answered(collection, IOU)
    assert (answer.kind, answer.key) == ("images", "image_id")
    assert answer.threshold == 0.3
    rows = collection.sql("SELECT * FROM masks WHERE image_id = 4").to_pylist()
    assert [row["model_id"] for row in answer.members(rows)] == [1, 2]
    assert answer.typed(answer.keys[0]) == answer.table["image_id"][0].as_py()


def test_what_is_no_mask_is_a_table(collection: ms.Collection) -> None:
    assert answered(collection, "SELECT label, COUNT(*) FROM masks GROUP BY label").kind == "table"


COUNT = "CP(mask, full_image, (0.5, 1))"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            f"SELECT mask_id FROM masks WHERE {COUNT} > 64",
            "Lower the threshold, or widen the range.",
        ),
        (
            f"SELECT mask_id FROM masks WHERE {COUNT} < 0",
            "Raise the threshold, or narrow the range.",
        ),
        (f"SELECT mask_id FROM masks WHERE label = 'cow' AND {COUNT} > 0", "or remove a filter."),
        (IOU.replace("ORDER BY score LIMIT 9", "HAVING score < 0"), "Raise the threshold."),
        (IOU.replace("(1, 2)", "(5, 6)"), "No image passes the filters."),
        (
            f"SELECT mask_id FROM masks WHERE label = 'cow' ORDER BY {COUNT} LIMIT 3",
            "No mask passes the filters.",
        ),
        (
            "SELECT label FROM masks WHERE label = 'cow' GROUP BY label",
            "No row passes the filters.",
        ),
    ],
)
def test_what_helps_where_nothing_is_found(collection: ms.Collection, sql: str, told: str) -> None:
    answer = answered(collection, sql)
    assert len(answer) == 0 and answer.nothing.endswith(told)


def test_marks(collection: ms.Collection) -> None:
    regions = regions_of(collection.parse(FILTER))
    row = {"object_box": [1, 1, 6, 7], "other": [[0, 0, 2, 2], [3, 3, 4, 4]]}
    assert marks_of(regions, row, ["object_box", "other"]) == [
        ("rect", [0, 0, 2, 2], "ms-box"),
        ("rect", [3, 3, 4, 4], "ms-box"),
        ("rect", [1, 1, 6, 7], "ms-roi"),
    ]
    assert marks_of(regions, {"object_box": None}, ["object_box"]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (12345, "12,345"), (0.123456, "0.1235"), (1e6, "1,000,000"), (True, "True")],
)
def test_values_are_told(value: object, text: str) -> None:
    assert told(value) == text
