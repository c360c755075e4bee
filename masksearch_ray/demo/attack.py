"""A real attack on the demonstration's classifier, and a collection in which to search for it.

Public here: `Attack` (how strong, how many), `input_gradient`, `fgsm`, `harmless` (noise as
strong), `carry_out` -> `Attacked`, `ingest_attacked`, `spread` (the question) and `SPREAD`, the
range of values that it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from masksearch_ray.demo.data import Digits
from masksearch_ray.demo.models import Classifier, occlusion_saliency
from masksearch_ray.demo.prepare import write_pictures
from masksearch_ray.demo.questions import Question
from masksearch_ray.errors import InputError
from masksearch_ray.session import Collection

__all__ = [
    "SPREAD",
    "Attack",
    "Attacked",
    "carry_out",
    "fgsm",
    "harmless",
    "ingest_attacked",
    "input_gradient",
    "spread",
]

SPREAD = (0.002, 0.1)
"""Values that count as attention spread thinly: more than none, less than a tenth of the peak.

Chosen on attacked training images; what it achieves on the other half is told in docs/demo.md: it
finds images of which every pixel was moved, be it by an attack or by `harmless` noise.
"""

_LEVELS = np.float32(255)


@dataclass(frozen=True)
class Attack:
    """How images are attacked.

    Attributes
    ----------
    epsilon : float
        How far a pixel is moved, 0 to 1 of the ink's range.
    share : float
        Share of the images that are attacked, 0 to 1.
    seed : int
        Chooses these.

    Raises
    ------
    InputError
        A number outside its range.
    """

    epsilon: float = 0.1
    share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epsilon", "share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} {getattr(self, name)!r}: 0 to 1 wanted")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed {self.seed}: 0 to {2**32 - 1} wanted")


@dataclass(frozen=True)
class Attacked:
    """Images of which some are attacked.

    Attributes
    ----------
    ids : ndarray of int64, shape (N,)
        Rows of the digits, those not learnt from, in their order.
    attacked : ndarray of bool, shape (N,)
        Which of them are attacked.
    images : ndarray of float32, shape (N, 64, 64)
        The attacked ones in whole levels of 255, as a file holds them; the others as they were.
    predictions : ndarray of int64, shape (N,)
        What the model takes these images for.
    before, after : float
        Share of right answers on the images chosen, before and after the attack; NaN of none.
    attack : Attack
        What was done.
    """

    ids: NDArray[np.int64]
    attacked: NDArray[np.bool_]
    images: NDArray[np.float32]
    predictions: NDArray[np.int64]
    before: float
    after: float
    attack: Attack


def input_gradient(
    model: Classifier, images: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Gradient of the cross-entropy loss by the pixels.

    Parameters
    ----------
    model : Classifier
        The model.
    images : ndarray of float32, shape (N, 64, 64)
        Ink, 0 to 1.
    labels : ndarray of int64, shape (N,)
        The right answers, 0 to 9.

    Returns
    -------
    ndarray of float32, shape (N, 64, 64)
        How fast each image's loss grows with each pixel.
    """
    with threadpool_limits(1):
        excitation = model.excite(images)
        scores = model.scores(excitation)
        weight = np.exp(scores - scores.max(axis=1, keepdims=True))
        by_score = weight / weight.sum(axis=1, keepdims=True)
        by_score[np.arange(len(labels)), labels] -= 1
        by_unit = (by_score @ model.output.T) * (excitation > 0)
        flat = by_unit @ model.hidden.reshape(-1, by_unit.shape[1]).T
    return np.asarray(flat.reshape(images.shape), np.float32)


def fgsm(
    model: Classifier,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    epsilon: float,
) -> NDArray[np.float32]:
    """Move every pixel by epsilon to where the loss grows: the fast gradient sign method.

    Parameters
    ----------
    model : Classifier
        The model under attack; the attacker knows its weights.
    images : ndarray of float32, shape (N, 64, 64)
        Ink, 0 to 1.
    labels : ndarray of int64, shape (N,)
        The right answers.
    epsilon : float
        How far, 0 to 1.

    Returns
    -------
    ndarray of float32, shape (N, 64, 64)
        Attacked copies, 0 to 1.

    References
    ----------
    I. J. Goodfellow, J. Shlens, C. Szegedy, "Explaining and Harnessing Adversarial Examples",
    ICLR 2015, arXiv 1412.6572, section 4.
    """
    moved = images + np.float32(epsilon) * np.sign(input_gradient(model, images, labels))
    return np.asarray(np.clip(moved, 0, 1), np.float32)


def harmless(images: NDArray[np.float32], epsilon: float, seed: int) -> NDArray[np.float32]:
    """Move every pixel as far as an attack does, but up or down by chance.

    Parameters
    ----------
    images : ndarray of float32, shape (N, 64, 64)
        Ink, 0 to 1.
    epsilon : float
        How far, 0 to 1.
    seed : int
        Chooses the ways.

    Returns
    -------
    ndarray of float32, shape (N, 64, 64)
        Noisy copies, 0 to 1, in whole levels of 255.
    """
    ways = np.random.default_rng([seed, 1]).choice([-epsilon, epsilon], images.shape)
    moved = np.rint(_LEVELS * np.clip(images + ways, 0, 1)) / _LEVELS
    return np.asarray(moved, np.float32)


def carry_out(model: Classifier, digits: Digits, attack: Attack) -> Attacked:
    """Attack a share of the images that the model has not learnt from.

    Parameters
    ----------
    model : Classifier
        The model under attack.
    digits : Digits
        Images; left as they are.
    attack : Attack
        How strong, and how many.

    Returns
    -------
    Attacked
        All images not learnt from, those chosen in their attacked form.
    """
    ids = np.flatnonzero(~digits.train)
    chosen = np.zeros(len(ids), np.bool_)
    count = round(attack.share * len(ids))
    chosen[np.random.default_rng(attack.seed).choice(len(ids), count, replace=False)] = True
    images, labels = digits.images[ids].copy(), digits.labels[ids]
    before = model.predict(images) == labels
    moved = fgsm(model, images[chosen], labels[chosen], attack.epsilon)
    images[chosen] = np.rint(_LEVELS * moved) / _LEVELS
    predictions = model.predict(images)
    shares = [
        float(right[chosen].mean()) if count else float("nan")
        for right in (before, predictions == labels)
    ]
    return Attacked(ids, chosen, images, predictions, shares[0], shares[1], attack)


def ingest_attacked(
    collection: Collection,
    model: Classifier,
    digits: Digits,
    done: Attacked,
    clean_paths: list[str],
    folder: Path,
) -> None:
    """Append what the model looks at in images of which some are attacked.

    Rows are as the demonstration's, of model 1, and tell besides whether the image is attacked
    (`attacked`), how strongly (`epsilon`, 0 where it is not) and where it lies as it was before
    (`clean_path`).

    Parameters
    ----------
    collection : Collection
        Grows by one mask for each image of `done`.
    model : Classifier
        The model under attack.
    digits : Digits
        What was attacked.
    done : Attacked
        Answer of `carry_out`.
    clean_paths : list of str
        Where the images of all digits lie, not attacked.
    folder : Path
        Gets the attacked ones as PNG files; made where there is none.
    """
    clean = [clean_paths[i] for i in done.ids]
    paths = clean.copy()
    which = np.flatnonzero(done.attacked)
    written = write_pictures(done.images[which], done.ids[which].tolist(), folder)
    for row, path in zip(which, written, strict=True):
        paths[row] = path
    rows = {
        "image_id": done.ids,
        "model_id": np.ones(len(done.ids), np.int64),
        "label": digits.labels[done.ids],
        "prediction": done.predictions,
        "attacked": done.attacked,
        "epsilon": np.where(done.attacked, done.attack.epsilon, 0.0),
        "digit_box": digits.boxes[done.ids].tolist(),
        "image_path": paths,
        "clean_path": clean,
    }
    collection.append(occlusion_saliency(model, done.images), rows)


def spread(k: int) -> Question:
    """Ask for the images over which attention is spread the widest.

    Parameters
    ----------
    k : int
        How many.

    Returns
    -------
    Question
        Its answer tells of each whether it is attacked.
    """
    sql = f"""
SELECT mask_id, image_id, label, prediction, attacked,
       CP(mask, full_image, {SPREAD}) AS spread
FROM masks
ORDER BY spread DESC
LIMIT {k}"""
    return Question(
        "Attention spread",
        "On which images is the model's attention spread the widest? "
        f"Pixels of a saliency of {SPREAD[0]} to {SPREAD[1]}.",
        sql.strip(),
    )
