"""Knowing a demonstration's folder and collections again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masksearch_ray.demo.attack import Attack
from masksearch_ray.demo.data import Mark
from masksearch_ray.demo.models import Classifier, train
from masksearch_ray.demo.record import DemoRecord, recall, remember

RECORD = DemoRecord(7, Mark(5, "bottom left", 6), 240, Attack(0.05, 0.25, 7))
PARTS = ("hidden", "hidden_bias", "output", "output_bias")


def same(one: Classifier, other: Classifier) -> bool:
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in PARTS)


def told(record: DemoRecord | None) -> tuple[Any, ...]:
    assert record is not None
    return record.seed, record.mark, record.images, record.attack


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("place", "part"), [("", None), ("masks", "masks"), ("attacked", "attacked")]
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_and_its_collections_are_known(
    place: str, part: str | None, scheme: str, tmp_path: Path
) -> None:
    remember(RECORD, str(tmp_path))
    record = recall(scheme + str(tmp_path / place))
    assert told(record) == told(RECORD) and record is not None and record.part == part


def test_a_collection_elsewhere_is_known_by_its_own_record() -> None:
    assert recall("memory://demo-record") is None
    remember(RECORD, "memory://demo-record")
    record = recall("memory://demo-record")
    assert told(record) == told(RECORD) and record is not None and record.part == "masks"


@pytest.mark.parametrize("place", ["", "mine", "masks/segments", "nowhere/masks"])
def test_other_folders_are_not(place: str, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    if place:
        remember(RECORD, str(tmp_path / "demo"))
    assert recall(str(tmp_path / "demo" / place)) is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "no json", "[]", "null", "{}", '{"version": 99}', '{"version": 1}', "\xff"),
        *('{"version": 1, "seed": null, "mark": {}, "images": null, "attack": {}}',),
        *('{"version": 1, "seed": 1, "mark": {"label": 12}, "images": null, "attack": {}}',),
        *('{"version": 1, "seed": 1, "mark": {"x": 2}, "images": null, "attack": {}}',),
    ],
)
def test_a_file_that_is_no_record(text: str, tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(text, encoding="latin-1")
    assert recall(str(tmp_path)) is None


def test_models_come_back_from_the_file_and_from_training_alike(tmp_path: Path) -> None:
    clean, flawed = RECORD.digits()
    assert len(clean) == 240 and (clean.images != flawed.images).any()
    models = train(clean, 7), train(flawed, 7)
    remember(RECORD, str(tmp_path), models)
    record = recall(str(tmp_path / "masks"))
    assert record is not None
    assert all(map(same, record.models(), models))
    np.savez(tmp_path / "models.npz", hidden=np.array([{}], object))
    assert all(map(same, record.models(), models))
    (tmp_path / "models.npz").unlink()
    assert all(map(same, record.models(), models))


@pytest.mark.parametrize("change", ["cut", "shape", "pickle", "no zip"])
def test_weights_that_are_damaged_are_not_used(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    shapes = (64, 64, 8), (8,), (8, 10), (10,)
    wrong = Classifier(*(rng.random(shape).astype(np.float32) for shape in shapes))
    remember(RECORD, str(tmp_path), (wrong, wrong))
    file = tmp_path / "models.npz"
    with np.load(file) as stored:
        weights: dict[str, Any] = dict(stored)
    match change:
        case "cut":
            file.write_bytes(file.read_bytes()[:5000])
        case "shape":
            np.savez(file, **{**weights, "model_2_output": np.zeros((3, 10), np.float32)})
        case "pickle":
            np.savez(file, **{**weights, "model_2_output": np.array([{}], object)})
        case _:
            file.write_text("weights")
    trained: list[int] = []

    def fake(digits: object, seed: int) -> Classifier:
        trained.append(seed)
        return wrong

    monkeypatch.setattr("masksearch_ray.demo.record.train", fake)
    record = recall(str(tmp_path))
    assert record is not None
    record.models()
    assert trained == [7, 7]


def test_the_record_holds_no_path_of_the_machine(tmp_path: Path) -> None:
    remember(RECORD, str(tmp_path))
    text = (tmp_path / "demo.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["mark"] == {"label": 5, "corner": "bottom left", "side": 6}
