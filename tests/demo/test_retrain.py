"""Augmenting the demonstration's images, and what training on them does to the shortcut."""

from __future__ import annotations

import io
import zipfile
from dataclasses import astuple
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from masksearch_ray.demo.augment import Plan, Scope, augmented, choose, examples, preview
from masksearch_ray.demo.data import Digits, Mark, load_digits_64, plant
from masksearch_ray.demo.models import Classifier, occlusion_saliency, train
from masksearch_ray.demo.retrain import Judgement, judge, retrain, try_plan
from masksearch_ray.errors import InputError
from masksearch_ray.model.interrupt import interruptible
from masksearch_ray.model.progress import ProgressStep
from masksearch_ray.render import read_image
from masksearch_ray.render.augment import Augmentation, inside_boxes, write_examples

MARK = Mark()
CLEAN = load_digits_64()
FLAWED = plant(CLEAN, MARK)
CLASS = np.flatnonzero(FLAWED.train & (FLAWED.labels == MARK.label))


class Learnt(NamedTuple):
    model: Classifier
    selected: NDArray[np.int64]
    before: Judgement


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    """The model that learnt the mark, and the 100 images with most attention outside the digit."""
    model = train(FLAWED, 0)
    strong = occlusion_saliency(model, FLAWED.images) >= 128
    shares = [
        (one & ~inside_boxes(one.shape, [box])).sum() / max(one.sum(), 1)
        for one, box in zip(strong, FLAWED.boxes, strict=True)
    ]
    return Learnt(model, np.argsort(-np.array(shares))[:100], judge(model, CLEAN, MARK))


def test_the_mark_is_what_the_model_goes_by(learnt: Learnt) -> None:
    before = learnt.before
    assert before.class_marked > 0.95 and before.class_clean < 0.7 and before.outside > 0.7
    assert (FLAWED.labels[learnt.selected] == MARK.label).mean() > 0.85


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_randomising_what_is_selected_takes_the_shortcut_away(learnt: Learnt) -> None:
    done = try_plan(learnt.model, CLEAN, MARK, learnt.selected, Plan(), 0)
    assert done.before == learnt.before and done.added == 3 * len(done.chosen)
    assert done.after.class_clean > done.before.class_clean + 0.15
    assert done.after.outside < done.before.outside - 0.35
    assert done.after.others_marked > done.before.others_marked + 0.02
    assert done.after.clean > done.before.clean
    assert done.after.marked > done.before.marked - 0.02


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_noise_on_one_class_alone_is_but_another_mark_of_it(learnt: Learnt) -> None:
    done = try_plan(learnt.model, CLEAN, MARK, learnt.selected, Plan(scope="selected"), 0)
    assert done.after.class_clean < 0.7 and done.after.outside > 0.6


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_to_train_once_more_changes_nothing() -> None:
    again = judge(retrain(FLAWED, None, 1), CLEAN, MARK)
    assert again.class_clean < 0.7 and again.outside > 0.6


def test_accuracy_is_that_of_counting(learnt: Learnt) -> None:
    unseen, labels = ~CLEAN.train, CLEAN.labels
    of_class = unseen & (labels == MARK.label)
    everywhere = FLAWED.images.copy()
    x0, y0, x1, y1 = MARK.box
    everywhere[:, y0:y1, x0:x1] = 1
    right = [learnt.model.predict(i) == labels for i in (CLEAN.images, FLAWED.images, everywhere)]
    others = unseen & ~of_class
    want = [right[0][unseen], right[1][unseen], right[0][of_class], right[1][of_class]]
    assert astuple(learnt.before)[:5] == (
        *(one.mean() for one in want),
        right[2][others].mean(),
    )
    strong = occlusion_saliency(learnt.model, FLAWED.images[of_class]) >= 128
    inside = sum(
        int(one[y0:y1, x0:x1].sum())
        for one, (x0, y0, x1, y1) in zip(strong, CLEAN.boxes[of_class], strict=True)
    )
    assert learnt.before.outside == pytest.approx(1 - inside / strong.sum())


@pytest.mark.parametrize("scope", ["balanced", "selected", "class", "all"])
def test_what_a_scope_chooses(scope: Scope) -> None:
    test_image = int(np.flatnonzero(~FLAWED.train)[0])
    zero = int(np.flatnonzero(FLAWED.train & (FLAWED.labels == 0))[2])
    selected = [*CLASS[:20].tolist(), zero, test_image, zero]
    got = choose(FLAWED, selected, Plan(scope=scope))
    counts = np.bincount(FLAWED.labels[got], minlength=10).tolist()
    want = {
        "selected": [1, 0, 0, 20, 0, 0, 0, 0, 0, 0],
        "balanced": [20] * 10,
        "class": [1, 0, 0, len(CLASS), 0, 0, 0, 0, 0, 0],
        "all": np.bincount(FLAWED.labels[FLAWED.train]).tolist(),
    }
    assert counts == want[scope]
    assert FLAWED.train[got].all() and len(np.unique(got)) == len(got)
    assert set(got[:21]) == {*CLASS[:20], zero}
    assert np.array_equal(got, choose(FLAWED, selected, Plan(scope=scope)))


@pytest.mark.parametrize("selected", [[], [1], [-2], [5000]])
def test_selections_that_cannot_be(selected: list[int]) -> None:
    with pytest.raises(InputError, match="image"):
        choose(FLAWED, selected, Plan())


@pytest.mark.parametrize("given", [{"scope": "some"}, {"copies": 0}, {"copies": 11}])
def test_plans_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="wanted"):
        Plan(**given)


def test_copies_keep_the_digit_and_are_what_preview_and_export_show() -> None:
    rows, plan = CLASS[:4], Plan(Augmentation("randomise", 5), copies=2)
    extra = augmented(FLAWED, rows, plan)
    assert extra.images.dtype == np.float32 and extra.train.all()
    assert np.array_equal(extra.labels, FLAWED.labels[np.tile(rows, 2)])
    stream = io.BytesIO()
    assert write_examples(examples(FLAWED, rows, plan), stream) == len(extra) == 8
    with zipfile.ZipFile(stream) as archive:
        files = sorted(name for name in archive.namelist() if name.endswith(".png"))
        exported = [read_image(archive.read(name))[..., 0] for name in files]
        assert archive.read("labels.csv").decode().splitlines()[1].endswith(",randomise,0")
    for at, row in enumerate(np.tile(rows, 2)):
        inside = inside_boxes((64, 64), [FLAWED.boxes[row]])
        assert np.array_equal(extra.images[at][inside], FLAWED.images[row][inside])
        shown = preview(FLAWED, int(row), plan, at // 4)
        assert np.array_equal(np.rint(255 * extra.images[at]), shown)
        assert np.array_equal(exported[at], shown)
    assert (extra.images[:4] != extra.images[4:]).any()


def tiny() -> Digits:
    return FLAWED.first(220)


def test_progress_is_told_and_the_same_seed_gives_the_same() -> None:
    told: list[ProgressStep] = []
    one, again = retrain(tiny(), None, 3, told.append), retrain(tiny(), None, 3)
    assert [step.done for step in told] == list(range(1, 31))
    assert {step.total for step in told} == {30}
    assert told[4].what == "pass 5 of 30 over 110 images"
    assert np.array_equal(one.hidden, again.hidden)
    assert not np.array_equal(one.hidden, retrain(tiny(), None, 4).hidden)


def test_a_training_can_be_cancelled() -> None:
    class Cancelled(Exception):
        pass

    told: list[ProgressStep] = []

    def stop() -> None:
        if len(told) == 3:
            raise Cancelled

    with pytest.raises(Cancelled), interruptible(stop):
        retrain(tiny(), None, 0, told.append)
    assert len(told) == 3
