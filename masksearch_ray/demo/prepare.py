"""From images to a collection: two models, what each looks at, and the images beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.demo.data import Digits
from masksearch_ray.demo.models import Classifier, occlusion_saliency
from masksearch_ray.errors import FailedError, InputError
from masksearch_ray.render import png_bytes
from masksearch_ray.session import Collection

__all__ = ["Accuracy", "clear", "ingest", "measure", "write_images", "write_pictures"]

_OURS = "made-by-masksearch-demo.txt"
_OURS_TEXT = "`masksearch demo` made this folder and empties it when it runs here again.\n"


@dataclass(frozen=True)
class Accuracy:
    """How often a model is right on images that it has not learnt from.

    Attributes
    ----------
    flawed : float
        Share of right answers on the flawed data set, 0 to 1.
    with_mark : float
        The same on the class that carries the mark.
    without_mark : float
        The same on that class without it.
    """

    flawed: float
    with_mark: float
    without_mark: float


def clear(folder: Path) -> bool:
    """Make an empty folder of the demonstration's own.

    Parameters
    ----------
    folder : Path
        Made where there is none; emptied where an earlier demonstration made it.

    Returns
    -------
    bool
        Whether an earlier demonstration's files were removed.

    Raises
    ------
    InputError
        It holds files that no demonstration wrote.
    FailedError
        It cannot be written to.
    """
    try:
        earlier = (folder / _OURS).is_file()
        if folder.exists() and not earlier and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder}: not an empty folder, and not one that the demo made")
        if earlier:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _OURS).write_text(_OURS_TEXT, encoding="utf-8")
    except OSError as error:
        raise FailedError(f"{folder}: {error.strerror or error}") from error
    return earlier


def measure(model: Classifier, clean: Digits, flawed: Digits, label: int) -> Accuracy:
    """How often a model is right with and without the mark, on images not learnt from.

    Parameters
    ----------
    model : Classifier
        The model.
    clean, flawed : Digits
        The same images without and with the mark.
    label : int
        The class that carries it.

    Returns
    -------
    Accuracy
        Shares of right answers.
    """
    unseen = ~clean.train
    of_class = unseen & (clean.labels == label)
    with_mark = model.predict(flawed.images) == clean.labels
    without = model.predict(clean.images) == clean.labels
    return Accuracy(
        float(with_mark[unseen].mean()),
        float(with_mark[of_class].mean()),
        float(without[of_class].mean()),
    )


def write_images(digits: Digits, folder: Path) -> list[str]:
    """Write the images as PNG files.

    Parameters
    ----------
    digits : Digits
        N images.
    folder : Path
        Made where there is none.

    Returns
    -------
    list of str
        N paths, as `folder` begins them.
    """
    return write_pictures(digits.images, range(len(digits)), folder)


def write_pictures(images: NDArray[np.float32], ids: Iterable[int], folder: Path) -> list[str]:
    """Write images as PNG files named by their ids.

    Parameters
    ----------
    images : ndarray of float32, shape (N, 64, 64)
        Ink, 0 to 1.
    ids : iterable of int
        N ids.
    folder : Path
        Made where there is none.

    Returns
    -------
    list of str
        N paths, as `folder` begins them.
    """
    folder.mkdir(exist_ok=True)
    grey: NDArray[np.uint8] = np.rint(255 * images).astype(np.uint8)
    paths = [folder / f"{i:04d}.png" for i in ids]
    for path, picture in zip(paths, grey, strict=True):
        path.write_bytes(png_bytes(picture))
    return [str(path) for path in paths]


def ingest(
    collection: Collection, model_id: int, model: Classifier, digits: Digits, paths: list[str]
) -> None:
    """Append what a model looks at in every image.

    Parameters
    ----------
    collection : Collection
        Grows by one mask for each image.
    model_id : int
        Names the model in the collection.
    model : Classifier
        The model.
    digits : Digits
        N images.
    paths : list of str
        Where they lie, N paths.
    """
    n = len(digits)
    rows = {
        "image_id": np.arange(n),
        "model_id": np.full(n, model_id),
        "label": digits.labels,
        "prediction": model.predict(digits.images),
        "digit_box": digits.boxes.tolist(),
        "image_path": paths,
    }
    collection.append(occlusion_saliency(model, digits.images), rows)
