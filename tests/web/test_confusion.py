"""Confusion matrix and prototypes, held against counts made by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.web.scenarios.confusion import (
    Columns,
    confusion,
    confusion_sql,
    prototypes,
    shares_sql,
)

COUNT, SIDE = 120, 24
COLUMNS = Columns(box="digit box", where="model_id = 2 OR model_id = 3")


class Made:
    """A collection and all that it is made of."""

    def __init__(self, words: bool) -> None:
        rng = np.random.default_rng(3)
        self.masks = (rng.random((COUNT, SIDE, SIDE)) ** 4 * 255).astype(np.uint8)
        self.masks[::11] = 0
        corners = rng.integers(0, SIDE // 2, (COUNT, 2))
        self.boxes = np.concatenate([corners, corners + rng.integers(0, 12, (COUNT, 2))], axis=1)
        names: list[Any] = ["it's", 'a "b"', "c"] if words else [3, 1, 7]
        self.rows: dict[str, Any] = {
            "label": [names[i] for i in rng.integers(0, 3, COUNT)],
            "prediction": [names[i] for i in rng.integers(0, 3, COUNT)],
            "model_id": rng.integers(1, 4, COUNT),
            "digit box": self.boxes.tolist(),
        }
        self.rows["label"][5] = None
        self.collection = ms.create(f"memory://confusion-{words}")
        self.collection.append(self.masks, self.rows)

    def cells(self) -> dict[tuple[Any, Any], list[int]]:
        """Masks of models 2 and 3 by label and prediction."""
        cells: dict[tuple[Any, Any], list[int]] = {}
        pairs = zip(self.rows["label"], self.rows["prediction"], strict=True)
        for i, cell in enumerate(pairs):
            if self.rows["model_id"][i] > 1:
                cells.setdefault(cell, []).append(i)
        return cells

    def share(self, i: int) -> float | None:
        """Strong pixels outside the box of a mask, as a share of all."""
        strong = self.masks[i].astype(np.float64) / 255 >= 0.5
        x0, y0, x1, y1 = self.boxes[i]
        inside = strong[y0:y1, x0:x1].sum()
        return float((strong.sum() - inside) / strong.sum()) if strong.any() else None


@pytest.fixture(scope="module", params=[True, False], ids=["words", "numbers"])
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


def test_counts_are_those_of_the_rows(made: Made) -> None:
    got = confusion(made.collection.sql(confusion_sql(COLUMNS)).table)
    cells = {cell: len(ids) for cell, ids in made.cells().items()}
    unknown = sum(n for cell, n in cells.items() if None in cell)
    known = Counter({cell: n for cell, n in cells.items() if None not in cell})
    assert got.classes == tuple(sorted({one for cell in known for one in cell}))
    assert {(a, b): got.count((a, b)) for a in got.classes for b in got.classes} == {
        (a, b): known[a, b] for a in got.classes for b in got.classes
    }
    assert got.unknown == unknown and got.total == sum(known.values())
    assert got.right == sum(n for (a, b), n in known.items() if a == b)


def test_a_prototype_is_nearest_to_the_mean_of_its_cell(made: Made) -> None:
    got = prototypes(made.collection.sql(shares_sql(COLUMNS)).table)
    cells = {cell: ids for cell, ids in made.cells().items() if None not in cell}
    assert got.keys() == cells.keys()
    for cell, ids in cells.items():
        shares = {i: share for i in ids if (share := made.share(i)) is not None}
        mean = float(np.mean(list(shares.values())))
        far = {i: abs(share - mean) for i, share in shares.items()}
        assert got[cell].mean == pytest.approx(mean)
        assert got[cell].share == shares[got[cell].mask_id]
        assert far[got[cell].mask_id] == pytest.approx(min(far.values()))


@pytest.mark.smoke
def test_a_cell_without_attention_and_no_cells_at_all() -> None:
    with ms.create("memory://confusion-small") as collection:
        rows = {"label": [1, 1], "prediction": [1, 1], "object_box": [[0, 0, 2, 2]] * 2}
        collection.append(np.zeros((2, 8, 8), np.uint8), rows)
        (prototype,) = prototypes(collection.sql(shares_sql(Columns())).table).values()
        nobody = Columns(where="label = 9")
        none = confusion(collection.sql(confusion_sql(nobody)).table)
    assert (prototype.mask_id, prototype.share, prototype.mean) == (0, None, None)
    assert none.classes == () and none.total == none.right == 0
