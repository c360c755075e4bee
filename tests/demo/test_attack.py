"""The attack: its gradient, its strength, and how well it is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import masksearch_ray as ms
from masksearch_ray.demo.attack import (
    SPREAD,
    Attack,
    carry_out,
    fgsm,
    harmless,
    ingest_attacked,
    input_gradient,
    spread,
)
from masksearch_ray.demo.data import load_digits_64
from masksearch_ray.demo.models import Classifier, occlusion_saliency, train
from masksearch_ray.demo.prepare import write_images
from masksearch_ray.render import read_image

DIGITS = load_digits_64()


@pytest.fixture(scope="module")
def model() -> Classifier:
    return train(DIGITS, 0)


def loss(model: Classifier, images: NDArray[np.float64], labels: NDArray[np.int64]) -> Any:
    """Cross-entropy, in float64."""
    hidden = images.reshape(len(images), -1) @ model.hidden.reshape(4096, -1).astype(np.float64)
    scores = np.maximum(hidden + model.hidden_bias, 0) @ model.output.astype(np.float64)
    scores = scores + model.output_bias
    return np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(labels)), labels]


def test_the_gradient_is_that_of_finite_differences(model: Classifier) -> None:
    images, labels = DIGITS.images[1:13:2], DIGITS.labels[1:13:2]
    gradient = input_gradient(model, images, labels)
    assert gradient.dtype == np.float32 and gradient.shape == images.shape
    exact = images.astype(np.float64)
    step = 1e-6
    for y, x in [(10, 30), (32, 32), (0, 0), (40, 25), (55, 33), (20, 44)]:
        up, down = exact.copy(), exact.copy()
        up[:, y, x] += step
        down[:, y, x] -= step
        measured = (loss(model, up, labels) - loss(model, down, labels)) / (2 * step)
        assert gradient[:, y, x] == pytest.approx(measured, rel=1e-3, abs=1e-6)


def test_an_attack_moves_by_epsilon_at_most_and_stays_in_range(model: Classifier) -> None:
    images, labels = DIGITS.images[:50], DIGITS.labels[:50]
    attacked = fgsm(model, images, labels, 0.1)
    assert attacked.dtype == np.float32
    assert attacked.min() >= 0 and attacked.max() <= 1
    assert np.abs(attacked - images).max() <= 0.1 + 1e-6
    assert np.array_equal(fgsm(model, images, labels, 0), images)


@pytest.mark.parametrize(("epsilon", "most"), [(0.02, 0.9), (0.05, 0.7), (0.1, 0.2)])
def test_the_stronger_the_attack_the_less_is_right(
    model: Classifier, epsilon: float, most: float
) -> None:
    done = carry_out(model, DIGITS, Attack(epsilon))
    assert done.after < most < 0.92 < done.before


def test_noise_as_strong_does_little(model: Classifier) -> None:
    unseen = ~DIGITS.train
    noisy = harmless(DIGITS.images, 0.1, 0)
    assert (model.predict(noisy) == DIGITS.labels)[unseen].mean() > 0.92


def test_only_the_chosen_images_are_changed(model: Classifier) -> None:
    done = carry_out(model, DIGITS, Attack(share=0.3, seed=4))
    again = carry_out(model, DIGITS, Attack(share=0.3, seed=4))
    other = carry_out(model, DIGITS, Attack(share=0.3, seed=5))
    assert np.array_equal(done.images, again.images)
    assert not np.array_equal(done.attacked, other.attacked)
    assert done.attacked.sum() == round(0.3 * len(done.ids)) and not DIGITS.train[done.ids].any()
    changed = (done.images != DIGITS.images[done.ids]).any(axis=(1, 2))
    assert np.array_equal(changed, done.attacked)
    assert np.isnan(carry_out(model, DIGITS, Attack(share=0)).after)


@pytest.mark.parametrize("given", [{"epsilon": -0.1}, {"epsilon": 2}, {"share": 1.5}, {"seed": -1}])
def test_attacks_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(ms.InputError, match="wanted"):
        Attack(**given)


def test_rows_tell_the_truth_and_files_hold_what_was_shown_to_the_model(
    model: Classifier, tmp_path: Path
) -> None:
    some = DIGITS.first(240)
    done = carry_out(model, some, Attack(seed=1))
    paths = write_images(some, tmp_path / "images")
    with ms.create(tmp_path / "attacked") as collection:
        ingest_attacked(collection, model, some, done, paths, tmp_path / "files")
        rows = collection.sql("SELECT * FROM masks").table.to_pylist()
    assert len(rows) == 120 and sum(row["attacked"] for row in rows) == 24
    for row, image in zip(rows, done.images, strict=True):
        assert (row["image_path"] != row["clean_path"]) == row["attacked"] == (row["epsilon"] > 0)
        assert row["clean_path"] == paths[row["image_id"]]
        assert row["label"] == some.labels[row["image_id"]]
        shown = read_image(row["image_path"])[..., 0]
        assert np.array_equal(shown, np.rint(255 * image).astype(np.uint8))
    assert len(list((tmp_path / "files").iterdir())) == 24


def precision(truth: NDArray[np.bool_]) -> float:
    """Average precision of a ranking, with what is true at each rank."""
    at = np.cumsum(truth) / np.arange(1, len(truth) + 1)
    return float(at[truth].mean())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_spread_attention_ranks_attacked_images_first(seed: int, tmp_path: Path) -> None:
    model = train(DIGITS, seed)
    with ms.create(f"memory://spread-{seed}") as collection:
        done = carry_out(model, DIGITS, Attack(seed=seed))
        paths = ["none"] * len(DIGITS)
        ingest_attacked(collection, model, DIGITS, done, paths, tmp_path / "files")
        answer = collection.sql(spread(len(done.ids)).sql).table
        truth = np.array(answer["attacked"].to_pylist())
        masks = np.asarray(collection.masks(answer["mask_id"].to_pylist()), np.float64) / 255
        strong = collection.sql(
            "SELECT attacked, CP(mask, full_image, (0.5, 1.0)) AS n FROM masks ORDER BY n DESC "
            "LIMIT 2000"
        ).table
    counts = ((masks >= SPREAD[0]) & (masks < SPREAD[1])).sum(axis=(1, 2))
    assert answer["spread"].to_pylist() == counts.tolist()
    assert truth.mean() == pytest.approx(0.2, abs=0.01)
    assert precision(truth) > 0.7 and truth[:100].mean() > 0.75
    # Strong attention, as one might try first, says next to nothing.
    assert precision(np.array(strong["attacked"].to_pylist())) < 0.3


def test_spread_does_not_tell_an_attack_from_noise_as_strong(model: Classifier) -> None:
    """What docs/demo.md says of it."""
    done = carry_out(model, DIGITS, Attack())
    noisy = harmless(DIGITS.images[done.ids], 0.1, 0)
    spreads = [
        ((masks >= SPREAD[0] * 255) & (masks < SPREAD[1] * 255)).sum(axis=(1, 2))
        for masks in (occlusion_saliency(model, images) for images in (done.images, noisy))
    ]
    hit, rest = done.attacked, ~done.attacked
    clean = np.median(spreads[0][rest])
    assert np.median(spreads[0][hit]) > 1.2 * clean
    assert np.median(spreads[1][hit]) > 1.2 * clean
    assert (model.predict(noisy) == DIGITS.labels[done.ids]).mean() > 0.92
