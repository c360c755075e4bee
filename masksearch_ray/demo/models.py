"""Two classifiers, and what in an image they look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from masksearch_ray.demo.data import SIDE, Digits, interpolation
from masksearch_ray.model.interrupt import check
from masksearch_ray.model.progress import Progress, ProgressStep, silent

__all__ = ["Classifier", "occlusion_saliency", "train"]

_HIDDEN = 64
_CLASSES = 10
_PASSES = 30
_PATCH = 8
_STRIDE = 4


@dataclass(frozen=True)
class Classifier:
    """A network with one hidden layer of rectified units.

    Attributes
    ----------
    hidden : ndarray of float32, shape (64, 64, H)
        Weight of every pixel (y, x) for every hidden unit.
    hidden_bias : ndarray of float32, shape (H,)
        Bias of the hidden units.
    output : ndarray of float32, shape (H, 10)
        Weight of every hidden unit for every class.
    output_bias : ndarray of float32, shape (10,)
        Bias of the classes.
    """

    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    output: NDArray[np.float32]
    output_bias: NDArray[np.float32]

    def excite(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Input of the hidden units, shape (N, H), for images of shape (N, 64, 64)."""
        flat = images.reshape(len(images), SIDE * SIDE)
        return flat @ self.hidden.reshape(flat.shape[1], -1) + self.hidden_bias

    def scores(self, excitation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score of every class, shape (N, 10), from the input of the hidden units."""
        return np.maximum(excitation, 0) @ self.output + self.output_bias

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Most likely class of each image.

        Parameters
        ----------
        images : ndarray of float32, shape (N, 64, 64)
            Ink, 0 to 1.

        Returns
        -------
        ndarray of int64, shape (N,)
            Classes, 0 to 9.
        """
        classes = self.scores(self.excite(images)).argmax(axis=1)
        return np.asarray(classes, np.int64)


def train(digits: Digits, seed: int, progress: Progress = silent) -> Classifier:
    """Train a classifier on the training half of the digits.

    Parameters
    ----------
    digits : Digits
        Only the rows with ``train`` are learnt from.
    seed : int
        Fixes the initial weights and the order of the images; same seed, same classifier.
    progress : Progress
        Told after every pass; before each, `interrupt.check` may end the training.

    Returns
    -------
    Classifier
        Right on about 96 of 100 images that it has not seen.

    Raises
    ------
    KeyboardInterrupt
        Someone pressed Ctrl-C.
    """
    # Imported here, as it takes seconds that `masksearch --help` has not.
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        (_HIDDEN,), alpha=0.01, batch_size=100, shuffle=False, random_state=seed
    )
    images, labels = digits.images[digits.train], digits.labels[digits.train]
    flat = images.reshape(len(images), SIDE * SIDE)
    for done, order in enumerate(_orders(len(flat), flat.shape[1], seed), 1):
        check()
        # One thread: the matrices are small, so threads would wait for each other; and sums come
        # out the same on any machine. Each pass on its own: the limit is the whole process's.
        with threadpool_limits(1):
            network.partial_fit(flat[order], labels[order], classes=np.arange(_CLASSES))
        if network.t_ < done * len(flat):
            # It takes Ctrl-C for a wish to end the pass.
            raise KeyboardInterrupt
        what = f"pass {done} of {_PASSES} over {len(images):,} images"
        progress(ProgressStep("training", done, _PASSES, 0, what=what))
    return _classifier(network)


def _orders(rows: int, inputs: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Orders of the rows, one a pass: those of scikit-learn's `fit`, which trains in one go.

    It draws the weights first, and then shuffles what was shuffled for the pass before.
    """
    rng = np.random.RandomState(seed)
    rng.uniform(size=(inputs + 1) * _HIDDEN + (_HIDDEN + 1) * _CLASSES)
    order = np.arange(rows)
    for _ in range(_PASSES):
        places = np.arange(rows)
        rng.shuffle(places)
        order = order[places]
        yield order


def _classifier(network: Any) -> Classifier:
    hidden, output = (np.asarray(w, np.float32) for w in network.coefs_)
    hidden_bias, output_bias = (np.asarray(b, np.float32) for b in network.intercepts_)
    return Classifier(hidden.reshape(SIDE, SIDE, -1), hidden_bias, output, output_bias)


def occlusion_saliency(model: Classifier, images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What in each image the model's prediction rests on.

    A blank 8x8 patch is moved over the image in steps of 4 pixels. Where the lead of the predicted
    class over the runner-up shrinks, the covered ink spoke for the prediction; growth counts as
    nothing. Between the patches' centres the loss is interpolated, and each image is scaled from
    its least to its greatest loss; an image where no patch matters is all 0.

    Parameters
    ----------
    model : Classifier
        The model to explain.
    images : ndarray of float32, shape (N, 64, 64)
        Ink, 0 to 1.

    Returns
    -------
    ndarray of uint8, shape (N, 64, 64)
        Saliency, 0 to 255.

    References
    ----------
    M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
    section 4.2.
    """
    with threadpool_limits(1):
        loss = np.maximum(_patch_losses(model, images), 0)
        patches = loss.shape[1]
        spread = interpolation((np.arange(SIDE) + 0.5 - _PATCH / 2) / _STRIDE, patches)
        saliency = spread @ loss @ spread.T
    low = saliency.min(axis=(1, 2), keepdims=True)
    height = saliency.max(axis=(1, 2), keepdims=True) - low
    scaled: NDArray[np.uint8] = np.rint(
        255 * (saliency - low) / np.where(height > 0, height, 1)
    ).astype(np.uint8)
    return scaled


def _patch_losses(model: Classifier, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lead lost by the predicted class, shape (N, P, P), for each position (y, x) of the patch."""
    starts = range(0, SIDE - _PATCH + 1, _STRIDE)
    excitation = model.excite(images)
    scores = model.scores(excitation)
    predicted = scores.argmax(axis=1)
    lead = _lead(scores, predicted)
    loss = np.empty((len(images), len(starts), len(starts)), np.float32)
    for i, y in enumerate(starts):
        for j, x in enumerate(starts):
            window = np.s_[y : y + _PATCH, x : x + _PATCH]
            ink = images[:, *window].reshape(len(images), -1)
            # The first layer is linear, so the patch's share is taken off instead of computing
            # the occluded image anew.
            share = ink @ model.hidden[window].reshape(ink.shape[1], -1)
            loss[:, i, j] = lead - _lead(model.scores(excitation - share), predicted)
    return loss


def _lead(scores: NDArray[np.float32], predicted: NDArray[np.int64]) -> NDArray[np.float32]:
    """Score of the predicted class minus the best other score, shape (N,)."""
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, predicted] = -np.inf
    lead: NDArray[np.float32] = scores[rows, predicted] - others.max(axis=1)
    return lead
