"""The demonstration from end to end, and that what it says is computed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.demo import Ending, Mark, Step, run_demo
from masksearch_ray.demo.attack import spread
from masksearch_ray.demo.finding import find, percent
from masksearch_ray.demo.picture import draw
from masksearch_ray.demo.questions import by_class, by_corner
from masksearch_ray.demo.record import recall
from masksearch_ray.render import read_image

OTHER = Mark(7, "bottom right", 7)


class Ran(NamedTuple):
    folder: Path
    lines: list[str]
    steps: list[Step]
    ending: Ending


def carry_out(folder: Path, mark: Mark | None, images: int | None = None) -> Ran:
    """Run the demonstration on this machine and sort what it yields."""
    parts = list(run_demo(folder, "local", mark=mark, images=images))
    ending = parts[-1]
    assert isinstance(ending, Ending)
    return Ran(
        folder,
        [part for part in parts if isinstance(part, str)],
        [part for part in parts if isinstance(part, Step)],
        ending,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return carry_out(tmp_path_factory.mktemp("demo") / "whole", None)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return carry_out(tmp_path_factory.mktemp("demo") / "other", OTHER, 600)


def test_the_plant_is_found(whole: Ran) -> None:
    finding, line = whole.ending.finding, str(whole.ending.finding)
    assert (finding.label, finding.corner) == (3, "top left")
    assert finding.is_mark and finding.is_shortcut
    assert line.startswith("Found: the planted mark. ") and "\n" not in line
    assert "knows class 3 by the top left corner" in line


def test_another_plant_is_found_elsewhere(other: Ran) -> None:
    finding = other.ending.finding
    assert (finding.label, finding.corner, finding.is_mark) == (7, "bottom right", True)
    assert "knows class 7 by the bottom right corner" in str(finding)
    assert "every 7" in other.lines[0] and "images of a 7" in other.ending.check


def test_the_finding_follows_the_answers_and_not_the_plant(other: Ran) -> None:
    classes, corners = other.steps[2].table, other.steps[3].table
    finding = find(classes, corners, Mark())
    assert (finding.label, finding.corner, finding.is_mark) == (7, "bottom right", False)
    assert str(finding).startswith("Found: something, but not the planted mark.")
    swapped = corners.rename_columns(
        ["model_id", "images", "anywhere", "bottom_right", "top_right", "bottom_left", "top_left"]
    )
    assert find(classes, swapped, OTHER).corner == "top left"


def test_the_shares_are_those_of_the_pixels(other: Ran) -> None:
    finding = other.ending.finding
    with ms.open(other.ending.collection) as collection:
        asked = "SELECT mask_id FROM masks WHERE label = 7 AND model_id = :model"
        ids = [collection.sql(asked, {"model": model}).table["mask_id"] for model in (1, 2)]
        strong = [
            np.asarray(collection.masks(some.to_pylist(), scaled=True)) >= 0.5 for some in ids
        ]
    for mine, share in zip(strong, finding.in_corner, strict=True):
        assert share == pytest.approx(mine[:, 52:, 52:].sum() / mine.sum())
    assert percent(finding.in_corner[1]) in str(finding)


def test_the_picture_changes_with_what_was_found(whole: Ran, other: Ran, tmp_path: Path) -> None:
    pictures = [read_image(ran.ending.picture) for ran in (whole, other)]
    for ran, picture in zip((whole, other), pictures, strict=True):
        assert ran.ending.picture == ran.folder / "found.png"
        # Two rows of five panels of 160 pixels, and the text around them.
        assert 320 < picture.shape[0] < 600 and 800 < picture.shape[1] < 1200
    assert pictures[0].shape != pictures[1].shape or (pictures[0] != pictures[1]).any()
    with ms.open(whole.ending.collection) as collection:
        ids = whole.steps[0].table["image_id"].to_pylist()[:5]
        for name, images in (("again", ids), ("turned", ids[::-1])):
            draw(collection, images, whole.ending.finding, tmp_path / name)
    assert (tmp_path / "again").read_bytes() == whole.ending.picture.read_bytes()
    assert (tmp_path / "turned").read_bytes() != whole.ending.picture.read_bytes()


def test_running_again_gives_the_same_and_replaces_only_its_own(other: Ran, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    folder.mkdir()
    precious = folder / "thesis.txt"
    precious.write_text("years")
    with pytest.raises(ms.InputError, match="not an empty folder"):
        carry_out(folder, OTHER, 200)
    assert [*folder.iterdir()] == [precious]
    precious.unlink()
    carry_out(folder, OTHER, 200)
    again = carry_out(folder, OTHER, 600)
    assert again.lines[0].startswith("Removed what an earlier run left")
    assert again.ending.finding == other.ending.finding
    assert [s.table for s in again.steps] == [s.table for s in other.steps]


def test_it_is_known_again_with_its_models(other: Ran) -> None:
    records = [recall(place) for place in (other.ending.collection, other.ending.attacked)]
    assert [record and record.part for record in records] == ["masks", "attacked"]
    record = records[0]
    assert record is not None
    assert (record.seed, record.mark, record.images) == (0, OTHER, 600)
    _, flawed = record.digits()
    with ms.open(other.ending.collection) as collection:
        for number, model in enumerate(record.models(), 1):
            asked = "SELECT prediction FROM masks WHERE model_id = :n ORDER BY image_id"
            told = collection.sql(asked, {"n": number}).table["prediction"].to_pylist()
            assert told == model.predict(flawed.images).tolist()


def test_what_is_said_of_the_attack_is_so(other: Ran) -> None:
    (said,) = (line for line in other.lines if line.startswith("Attack: "))
    with ms.open(other.ending.attacked) as collection:
        rows = collection.sql("SELECT * FROM masks").table.to_pylist()
        found = collection.sql(spread(100).sql).table["attacked"].to_pylist()
    hit = [row for row in rows if row["attacked"]]
    right = sum(row["label"] == row["prediction"] for row in hit) / len(hit)
    assert said.startswith(f"Attack: {len(hit)} of {len(rows)} images")
    assert f"{percent(right)} after. Of the 100 images" in said
    assert f"spread attention {percent(sum(found) / 100)} are attacked" in said


@pytest.mark.parametrize(("images", "seed"), [(0, 0), (-5, 0), (199, 0), (None, -1), (None, 2**32)])
def test_what_cannot_be_asked_for(images: int | None, seed: int, tmp_path: Path) -> None:
    with pytest.raises(ms.InputError, match="wanted"):
        list(run_demo(tmp_path / "demo", "local", images=images, seed=seed))
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "0 %"),
        (0.0001, "< 0.1 %"),
        (0.09, "9.0 %"),
        (0.5, "50 %"),
        (0.9999, "> 99.9 %"),
        (1, "100 %"),
    ],
)
def test_a_share_of_something_is_never_nothing(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.smoke
def test_the_questions_on_masks_made_by_hand() -> None:
    """Model 2 looks at a corner of class 1; the digits' boxes fill the middle."""
    masks = np.zeros((4, 64, 64), np.uint8)
    masks[:, 20:30, 20:30] = 255
    masks[3] = 0
    masks[3, 55:60, 2:4] = 200
    rows = {
        **{"image_id": [0, 1, 0, 1], "model_id": [1, 1, 2, 2], "label": [0, 1, 0, 1]},
        **{"prediction": [0, 1, 0, 1], "digit_box": [(16, 16, 48, 48)] * 4},
    }
    with ms.create("memory://demo-by-hand") as collection:
        collection.append(masks, rows)
        classes = collection.sql(by_class().sql).table
        question = by_corner(1)
        corners = collection.sql(question.sql, question.params).table
    assert classes["label"].to_pylist() == [1, 0]
    assert classes["model_1"].to_pylist() == [0, 0] and classes["model_2"].to_pylist() == [1, 0]
    assert corners["bottom_left"].to_pylist() == [0, 10]
    finding = find(classes, corners, Mark(1, "bottom left"))
    assert (finding.label, finding.corner, finding.in_corner) == (1, "bottom left", (0, 1))
    assert finding.is_mark and str(finding).startswith("Found: ")
