"""Filters, regions and pairs that a collection offers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.model.roi import BoxColumn, BoxListColumn
from masksearch_ray.web.build import (
    Built,
    Condition,
    Facts,
    Pair,
    Pixels,
    facts_of,
    facts_sql,
    names,
    offers,
    pair_columns,
    region_columns,
    to_sql,
    values_of,
    values_sql,
)
from masksearch_ray.web.build.offers import FEW
from tests.sql.catalog import catalog
from tests.web.small import MASKS, N, small


@pytest.fixture(scope="module")
def col(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ms.Collection]:
    with small(tmp_path_factory.mktemp("offers")) as collection:
        yield collection


def facts(col: ms.Collection) -> dict[str, Facts]:
    found = facts_of(col.catalog, col.sql(facts_sql(col.catalog)).table)
    for name, known in found.items():
        if known.distinct is not None and known.distinct <= FEW:
            found[name] = values_of(known, col.sql(values_sql(name)).table)
    return found


def test_facts_are_those_of_the_collection(col: ms.Collection) -> None:
    found = facts(col)
    assert found["label"] == Facts(N, N, 2, "cat", "dog", ("cat", "dog"))
    assert found["model_id"] == Facts(N, N, 2, 1, 2, (1, 2))
    assert found["note"].filled == N // 4
    assert found["object_box"] == Facts(N, N)
    assert found["correct"].values == (False, True)


def test_filters_are_offered_by_kind(col: ms.Collection) -> None:
    offered = {offer.column: offer for offer in offers(col.catalog, facts(col))}
    assert set(offered) == set(col.schema.names)
    assert offered["label"].values == ("cat", "dog")
    assert offered["label"].others[0] == "prediction"
    assert "is null" not in offered["label"].operators
    assert "is null" in offered["note"].operators
    assert (offered["certainty"].low, offered["certainty"].high) == (0.0, (N - 1) / N)
    assert offered["correct"].values == (True, False)
    assert offered["object_box"].operators == ("is null", "is not null")


def test_without_facts_everything_is_offered() -> None:
    here = catalog()
    offered = offers(here)
    assert [offer.column for offer in offered] == list(here.fields)
    assert all("is null" in offer.operators for offer in offered)


def test_columns_that_tell_no_rows_apart_come_last() -> None:
    here = catalog()
    known = {"mask_id": Facts(9, 9, 9), "image_id": Facts(9, 0, 0), "label": Facts(9, 9, 1)}
    assert [offer.column for offer in offers(here, known)][-2:] == ["image_id", "label"]


def test_too_many_values_are_not_listed(tmp_path: Path) -> None:
    with ms.create(tmp_path / "many") as many:
        many.append(
            np.zeros((FEW + 1, 8, 8), np.uint8), {"word": [f"w{i}" for i in range(FEW + 1)]}
        )
        known = facts_of(many.catalog, many.sql(facts_sql(many.catalog)).table)["word"]
        assert values_of(known, many.sql(values_sql("word")).table).values == ()


def test_statistics_can_be_asked_of_any_names() -> None:
    from masksearch_ray.sql import parse

    here = catalog()
    parse(facts_sql(here), here)
    for name, field in here.fields.items():
        if field.kind in ("int", "float", "string", "bool"):
            parse(values_sql(name), here)


def test_regions_and_pairs(col: ms.Collection) -> None:
    assert region_columns(catalog()) == (
        BoxColumn("object_box"),
        BoxListColumn("parts"),
        BoxColumn("full image"),
    )
    assert pair_columns(col.catalog, facts(col)) == {"mask_type": (1, 2), "model_id": (1, 2)}
    assert pair_columns(col.catalog, {}) == {}


@pytest.mark.parametrize("counts", [True, False])
def test_answers_are_those_of_numpy(col: ms.Collection, counts: bool) -> None:
    where = (Condition("correct", "=", (False,)), Condition("label", "<>", other="prediction"))
    bright = Pixels(BoxColumn("object_box"), outside=True, low=0.7)
    built = Built("top", "share", bright, k=5, where=where)
    rows = col.sql(to_sql(built, col.catalog, counts=counts)).table.to_pylist()
    expected = []
    for i in range(N):
        if i % 3 == 0 or not (i % 2 == 0 or i % 3 == 0):
            continue
        inside = np.zeros(MASKS[i].shape, bool)
        inside[3 : 15 + i % 4, 2:12] = True
        pixels, area = int((MASKS[i] / 255 >= 0.7)[~inside].sum()), int((~inside).sum())
        expected.append((-pixels / area, i, pixels, area))
    expected.sort()
    assert [row["mask_id"] for row in rows] == [i for _, i, _, _ in expected[:5]]
    if counts:
        told = [(-row["score"], row["mask_id"], row["pixels"], row["out_of"]) for row in rows]
        assert told == expected[:5]


@pytest.mark.parametrize("cut", [True, False])
def test_an_iou_is_that_of_numpy(col: ms.Collection, cut: bool) -> None:
    pair = Pair("model_id", 2, 1)
    built = Built("filter", "iou", Pixels(low=0.5), pair=pair, cut=cut, threshold=0.3)
    named = names(built, col.catalog)
    found = {
        row[named.id]: (row[named.score], row[named.pixels], row[named.out_of])
        for row in col.sql(to_sql(built, col.catalog)).table.to_pylist()
    }
    expected = {}
    for image in range(N // 2):
        one, other = MASKS[2 * image] / 255 >= 0.5, MASKS[2 * image + 1] / 255 >= 0.5
        both, either = int((one & other).sum()), int((one | other).sum())
        if both / either > 0.3:
            expected[image] = (both / either, both, either)
    assert found == expected
    assert 0 < len(found) < N // 2
