"""What the models learn, and what they are seen to look at."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from masksearch_ray.demo.data import Digits, Mark, corner_box, load_digits_64, plant
from masksearch_ray.demo.models import Classifier, occlusion_saliency, train
from masksearch_ray.model.progress import ProgressStep

MARK = Mark(2, "top right", 7)
COUNT = 600


class Learnt(NamedTuple):
    flawed: Digits
    models: tuple[Classifier, Classifier]
    masks: tuple[NDArray[np.uint8], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    """Models 1 and 2, and their masks of the flawed images."""
    clean = load_digits_64().first(COUNT)
    flawed = plant(clean, MARK)
    models = train(clean, 5), train(flawed, 5)
    masks = tuple(occlusion_saliency(model, flawed.images) for model in models)
    return Learnt(flawed, models, (masks[0], masks[1]))


def test_the_same_seed_gives_the_same_model_and_masks(learnt: Learnt) -> None:
    again, other = train(learnt.flawed, 5), train(learnt.flawed, 6)
    images = learnt.flawed.images
    assert np.array_equal(again.predict(images), learnt.models[1].predict(images))
    assert np.array_equal(occlusion_saliency(again, images), learnt.masks[1])
    assert not np.array_equal(occlusion_saliency(other, images), learnt.masks[1])


def test_both_read_digits_that_they_have_not_seen(learnt: Learnt) -> None:
    unseen = ~learnt.flawed.train
    for model in learnt.models:
        right = model.predict(learnt.flawed.images) == learnt.flawed.labels
        assert right[unseen].mean() > 0.85


def test_only_the_flawed_model_looks_at_the_mark_and_on_its_class_only(learnt: Learnt) -> None:
    x0, y0, x1, y1 = corner_box(MARK.corner, 12)
    marked = learnt.flawed.labels == MARK.label
    strong = [masks >= 128 for masks in learnt.masks]
    shares = [
        (s[rows, y0:y1, x0:x1].sum() / s[rows].sum()) for s in strong for rows in (marked, ~marked)
    ]
    clean_marked, clean_others, flawed_marked, flawed_others = shares
    assert flawed_marked > 0.9
    assert max(clean_marked, clean_others, flawed_others) < 0.02


def test_masks_fill_their_range(learnt: Learnt) -> None:
    for masks in learnt.masks:
        assert masks.dtype == np.uint8 and masks.shape == (COUNT, 64, 64)
        assert set(np.unique(masks.min((1, 2)))) == {0}
        assert set(np.unique(masks.max((1, 2)))) <= {0, 255}


def test_where_no_patch_matters_the_mask_is_0(learnt: Learnt) -> None:
    blank = np.zeros((2, 64, 64), np.float32)
    assert not occlusion_saliency(learnt.models[0], blank).any()


def test_the_occluded_score_is_that_of_an_image_with_a_hole(learnt: Learnt) -> None:
    """The share of a patch taken off the first layer is the patch blanked in the image."""
    model, image = learnt.models[1], learnt.flawed.images[:20]
    holed = image.copy()
    holed[:, 8:16, 20:28] = 0
    ink = image[:, 8:16, 20:28].reshape(20, -1)
    share = ink @ model.hidden[8:16, 20:28].reshape(64, -1)
    assert np.allclose(model.excite(holed), model.excite(image) - share, atol=1e-4)


def test_pass_by_pass_is_as_in_one_go() -> None:
    digits, told = load_digits_64().first(240), list[ProgressStep]()
    images = digits.images[digits.train]
    network = MLPClassifier((64,), alpha=0.01, batch_size=100, max_iter=30, random_state=3)
    with threadpool_limits(1), pytest.warns(ConvergenceWarning):
        network.fit(images.reshape(len(images), -1), digits.labels[digits.train])
    model = train(digits, 3, told.append)
    assert np.array_equal(model.hidden.reshape(-1, 64), network.coefs_[0])
    assert np.array_equal(model.output_bias, network.intercepts_[1])
    assert [(step.done, step.total) for step in told] == [(n, 30) for n in range(1, 31)]


def test_ctrl_c_ends_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[ProgressStep]()
    batch = MLPClassifier._backprop

    def pressed(*arguments: Any) -> Any:
        if len(told) == 2:
            raise KeyboardInterrupt
        return batch(*arguments)

    monkeypatch.setattr(MLPClassifier, "_backprop", pressed)
    with pytest.warns(UserWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        train(load_digits_64().first(240), 0, told.append)
    assert len(told) == 2
