"""Groups of masks: which are refused, and by what name."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.execute import portions
from masksearch_ray.model.shard import ReadTiles
from masksearch_ray.runtime.answers import Answers
from masksearch_ray.runtime.local import LocalRuntime
from tests.session.held import smooth

BOTH = "CP({}(mask), {}, (0.31, 0.77))"
_names = itertools.count()


def made(shards: int, masks: list[np.ndarray], **columns: Any) -> ms.Collection:
    """One segment a mask, so that every group spans shards."""
    col = ms.create(f"memory://cohort-{next(_names)}", runtime=LocalRuntime(shards))
    for i, mask in enumerate(masks):
        col.append([mask], {name: [values[i]] for name, values in columns.items()})
    return col


MASKS = [*smooth(6, 20, 22)]
SHARDS = pytest.mark.parametrize("shards", [1, 3])


@SHARDS
@pytest.mark.parametrize("tail", ["", "ORDER BY n DESC LIMIT 1", "LIMIT 0", "HAVING n > 99999"])
def test_masks_of_several_sizes_are_refused_whatever_the_limit(shards: int, tail: str) -> None:
    masks = [*MASKS[:5], MASKS[5][:19]]
    col = made(shards, masks, image_id=["a", "a", "b", "b", "it's", "it's"])
    text = f"SELECT image_id, {BOTH.format('avg', 'full_image')} AS n FROM masks GROUP BY image_id"
    with pytest.raises(ms.QueryError, match="several sizes") as caught:
        col.sql(f"{text} {tail}").table  # noqa: B018
    assert "it's" in str(caught.value)
    apart = text.replace("FROM masks", "FROM masks WHERE image_id <> 'it''s'")
    assert len(col.sql(apart)) == 2


@SHARDS
@pytest.mark.parametrize("column", ["object_box", "parts"])
def test_members_agree_in_their_boxes_or_are_refused(shards: int, column: str) -> None:
    one, other = [2, 3, 15, 17], [2, 3, 15, 18]
    boxes = [one, one, other, other, None, None]
    lists = [None if box is None else [box, [0, 0, 4, 4]] for box in boxes]
    col = made(shards, MASKS, g=[1, 1, 2, 2, 3, 3], h=[1, 2, 2, 1, 1, 2], object_box=boxes,
               parts=lists)  # fmt: skip
    term = BOTH.format("union", column)
    inside = [
        (np.maximum(MASKS[i], MASKS[i + 1]) / 255, region[column])
        for i, region in (
            (0, {"object_box": [one], "parts": [one, [0, 0, 4, 4]]}),
            (2, {"object_box": [other], "parts": [other, [0, 0, 4, 4]]}),
        )
    ]
    expected: list[int | None] = []
    for values, regions in inside:
        where = np.zeros(values.shape, np.bool_)
        for x0, y0, x1, y1 in regions:
            where[y0:y1, x0:x1] = True
        expected.append(int((where & (values >= 0.31) & (values < 0.77)).sum()))
    found = col.sql(f"SELECT g, {term} AS n FROM masks GROUP BY g").table
    assert found.to_pydict() == {"g": [1, 2, 3], "n": [*expected, None]}
    with pytest.raises(ms.QueryError, match=column):
        col.sql(f"SELECT h, {term} AS n FROM masks GROUP BY h").table  # noqa: B018
    # The full image asks for no agreement of boxes.
    assert len(col.sql(f"SELECT {BOTH.format('union', 'full_image')} AS n FROM masks GROUP BY h"))


@SHARDS
def test_only_rows_that_passed_where_are_members(shards: int) -> None:
    col = made(shards, MASKS, g=[1, 1, 1, 2, 2, 2])
    values = np.stack(MASKS) / 255
    counts = ((values >= 0.31) & (values < 0.77)).sum(axis=(1, 2))
    least = int(np.sort(counts)[2])
    assert 0 < (counts >= least).sum() < 6
    where = f"CP(mask, full_image, (0.31, 0.77)) >= {least}"
    term = BOTH.format("intersect", "full_image")
    found = col.sql(f"SELECT g, {term} AS n, COUNT(*) AS c FROM masks WHERE {where} GROUP BY g")
    expected = []
    for group, members in ((1, [0, 1, 2]), (2, [3, 4, 5])):
        kept = [i for i in members if counts[i] >= least]
        both = values[kept].min(axis=0) if kept else None
        if both is not None:
            number = int(((both >= 0.31) & (both < 0.77)).sum())
            expected.append({"g": group, "n": number, "c": len(kept)})
    assert found.to_pylist() == expected


@pytest.mark.parametrize("most", [1, 1 << 30])
def test_members_read_at_a_time_are_few(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    asked: list[int] = []
    of = Answers.of

    def noted(self: Answers, wanted: Any, control: Any) -> Any:
        if isinstance(wanted, ReadTiles):
            asked.append(sum(len(batch.tiles) for batch in wanted.batches))
        return of(self, wanted, control)

    monkeypatch.setattr(Answers, "of", noted)
    monkeypatch.setattr(portions, "_MOST", most)
    masks = [*smooth(12, 70, 90, seed=5)]
    col = made(1, masks, g=[i // 3 for i in range(12)])
    term = BOTH.format("union", "full_image")
    found = col.sql(f"SELECT g, {term} AS n FROM masks GROUP BY g").table
    unions = [np.maximum.reduce(masks[i : i + 3]) / 255 for i in range(0, 12, 3)]
    assert found["n"].to_pylist() == [int(((u >= 0.31) & (u < 0.77)).sum()) for u in unions]
    # A tile of all members of one group cannot be cut.
    assert (max(asked) == 3) == (most == 1)
