"""Training the demonstration's classifier again, with augmented images added.

Public here: `retrain` (tells its progress, can be cancelled), `judge` -> `Judgement` (accuracy and
attention of one model), `try_plan` -> `Retrained` (all of it, before and after).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.demo.augment import Plan, augmented, choose
from masksearch_ray.demo.data import Digits, Mark, plant
from masksearch_ray.demo.models import Classifier, occlusion_saliency, train
from masksearch_ray.model.interrupt import check
from masksearch_ray.model.progress import Progress, silent
from masksearch_ray.render.augment import inside_boxes

__all__ = ["Judgement", "Retrained", "judge", "retrain", "try_plan"]

_STRONG = 128


@dataclass(frozen=True)
class Judgement:
    """What a model does on images that it has not learnt from; shares, 0 to 1.

    Attributes
    ----------
    clean, marked : float
        Right answers on all classes: without the mark anywhere, and with it on its class.
    class_clean, class_marked : float
        The same on the class that the mark was planted on.
    others_marked : float
        Right answers on all other classes when they carry the mark too.
    outside : float
        Of the strong attention on the marked class, how much lies outside the digit's box.
    """

    clean: float
    marked: float
    class_clean: float
    class_marked: float
    others_marked: float
    outside: float


@dataclass(frozen=True)
class Retrained:
    """A model before and after.

    Attributes
    ----------
    before, after : Judgement
        What both do.
    model : Classifier
        The one after.
    chosen : ndarray of int64, shape (n,)
        Rows of the images of which copies were added.
    added : int
        How many images that made.
    """

    before: Judgement
    after: Judgement
    model: Classifier
    chosen: NDArray[np.int64]
    added: int


def retrain(
    digits: Digits, extra: Digits | None, seed: int, progress: Progress = silent
) -> Classifier:
    """Train a classifier anew on images and further ones.

    Between two passes over the images `masksearch_ray.model.interrupt.check` is asked whether to go
    on, so that a page can cancel.

    Parameters
    ----------
    digits : Digits
        Only the rows with ``train`` are learnt from.
    extra : Digits or None
        Augmented copies, all of which are learnt from too.
    seed : int
        Same seed and images, same classifier.
    progress : Progress
        Told after every pass.

    Returns
    -------
    Classifier
        The new one.
    """
    if extra is not None:
        parts = [field.name for field in fields(Digits)]
        digits = Digits(*(np.concatenate([getattr(digits, p), getattr(extra, p)]) for p in parts))
    return train(digits, seed, progress)


def judge(model: Classifier, clean: Digits, mark: Mark) -> Judgement:
    """Measure a model on the images that it has not learnt from.

    Parameters
    ----------
    model : Classifier
        The model.
    clean : Digits
        Images without the mark.
    mark : Mark
        What is planted.

    Returns
    -------
    Judgement
        All shares.
    """
    unseen = ~clean.train
    labels, of_class = clean.labels[unseen], clean.labels[unseen] == mark.label
    flawed = plant(clean, mark).images[unseen]
    # All images get the mark where all are said to be of its class.
    everywhere = plant(replace(clean, labels=np.full(len(clean), mark.label)), mark).images[unseen]
    right, right_flawed, right_everywhere = (
        model.predict(images) == labels for images in (clean.images[unseen], flawed, everywhere)
    )
    strong = occlusion_saliency(model, flawed[of_class]) >= _STRONG
    boxes = clean.boxes[unseen][of_class]
    outside = sum(
        int((one & ~inside_boxes(one.shape, [box])).sum())
        for one, box in zip(strong, boxes, strict=True)
    )
    return Judgement(
        float(right.mean()),
        float(right_flawed.mean()),
        float(right[of_class].mean()),
        float(right_flawed[of_class].mean()),
        float(right_everywhere[~of_class].mean()),
        outside / max(int(strong.sum()), 1),
    )


def try_plan(
    model: Classifier,
    clean: Digits,
    mark: Mark,
    selected: NDArray[np.int64],
    plan: Plan,
    seed: int,
    progress: Progress = silent,
) -> Retrained:
    """Augment, train again and compare.

    Parameters
    ----------
    model : Classifier
        The one that learnt the mark.
    clean : Digits
        Images without the mark; the model's images are these with it.
    mark : Mark
        What is planted.
    selected : ndarray of int64, shape (m,)
        Images selected, of which the plan makes its choice.
    plan : Plan
        What is added.
    seed : int
        Of the training.
    progress : Progress
        Told after every pass.

    Returns
    -------
    Retrained
        Before and after.

    Raises
    ------
    InputError
        None of the images selected is learnt from.
    """
    flawed = plant(clean, mark)
    check()
    chosen = choose(flawed, selected.tolist(), plan)
    extra = augmented(flawed, chosen, plan)
    after = retrain(flawed, extra, seed, progress)
    check()
    before = judge(model, clean, mark)
    check()
    return Retrained(before, judge(after, clean, mark), after, chosen, len(extra))
