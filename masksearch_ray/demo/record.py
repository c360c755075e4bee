"""By what a folder or collection of the demonstration is known again, with its two models.

Public here: `DemoRecord`, `recall` (a folder or a collection's URL to its record), `remember`.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePath
from typing import Any, Final, Literal

import numpy as np

from masksearch_ray.demo.attack import Attack
from masksearch_ray.demo.data import SIDE, Digits, Mark, load_digits_64, plant
from masksearch_ray.demo.models import Classifier, train
from masksearch_ray.errors import InputError, NotFoundError
from masksearch_ray.storage import open_storage

__all__ = ["ATTACKED", "MASKS", "DemoRecord", "recall", "remember"]

MASKS: Final = "masks"
"""The collection of two models' saliency maps, in the demonstration's folder."""

ATTACKED: Final = "attacked"
"""The collection of images of which some are attacked, beside it."""

_FILE = "demo.json"
_WEIGHTS = "models.npz"
_VERSION = 1
_PARTS = ("hidden", "hidden_bias", "output", "output_bias")


@dataclass(frozen=True)
class DemoRecord:
    """How a demonstration was made, enough to make its data and models again.

    Attributes
    ----------
    seed : int
        Of both models.
    mark : Mark
        The planted flaw.
    images : int or None
        How many images; None for all.
    attack : Attack
        What was done to the images of the collection `ATTACKED`.
    part : "masks", "attacked" or None
        The collection that was asked for; None for the folder of both.
    home : str
        Where the record lies.
    """

    seed: int
    mark: Mark
    images: int | None
    attack: Attack = field(default_factory=Attack)
    part: Literal["masks", "attacked"] | None = None
    home: str = ""

    def digits(self) -> tuple[Digits, Digits]:
        """Make the images again.

        Returns
        -------
        clean, flawed : Digits
            Without and with the mark.
        """
        clean = load_digits_64().first(self.images)
        return clean, plant(clean, self.mark)

    def models(self) -> tuple[Classifier, Classifier]:
        """Get the models, from the file beside the record or else by training, which takes seconds.

        Returns
        -------
        model_1, model_2 : Classifier
            Learnt from clean and from flawed images.
        """
        stored = _stored_models(self.home) if self.home else None
        if stored is not None:
            return stored
        clean, flawed = self.digits()
        return train(clean, self.seed), train(flawed, self.seed)


def remember(record: DemoRecord, place: str, models: Sequence[Classifier] = ()) -> None:
    """Write a record, and the weights of the models if they are given.

    Parameters
    ----------
    record : DemoRecord
        What is to be known again.
    place : str
        Folder or URL that gets the files.
    models : sequence of Classifier
        Both models, or none.
    """
    storage = open_storage(place)
    if models:
        stream = io.BytesIO()
        weights = {
            f"model_{n}_{part}": getattr(model, part)
            for n, model in enumerate(models, 1)
            for part in _PARTS
        }
        np.savez(stream, allow_pickle=False, **weights)
        storage.put(_WEIGHTS, stream.getvalue())
    told = {
        "version": _VERSION,
        "seed": record.seed,
        "mark": asdict(record.mark),
        "images": record.images,
        "attack": asdict(record.attack),
    }
    storage.put(_FILE, json.dumps(told, indent=2).encode() + b"\n")


def recall(place: str, storage_options: Mapping[str, Any] | None = None) -> DemoRecord | None:
    """Tell whether a folder or collection is the demonstration's.

    Parameters
    ----------
    place : str
        The demonstration's folder, or one of its collections.
    storage_options : mapping, optional
        As for `masksearch_ray.open`.

    Returns
    -------
    DemoRecord or None
        None where no demonstration of this version made it.
    """
    record = _read(place, storage_options)
    path = place.removeprefix("file://")
    if "://" in path:
        # The options that reach it are not kept, so the models are not looked for there.
        return record and replace(record, part=MASKS, home="")
    part = PurePath(path).name
    if record is not None or part not in (MASKS, ATTACKED):
        return record
    record = _read(str(PurePath(path).parent), None)
    return record and replace(record, part=MASKS if part == MASKS else ATTACKED)


def _read(place: str, options: Mapping[str, Any] | None) -> DemoRecord | None:
    try:
        told = json.loads(open_storage(place, options).get(_FILE))
        if told["version"] != _VERSION:
            return None
        images = told["images"]
        return DemoRecord(
            int(told["seed"]),
            Mark(**told["mark"]),
            images if images is None else int(images),
            Attack(**told["attack"]),
            home=place,
        )
    except NotFoundError:
        return None
    except (AttributeError, InputError, KeyError, TypeError, ValueError):
        # A file of that name that no demonstration wrote.
        return None


def _stored_models(place: str) -> tuple[Classifier, Classifier] | None:
    """Both models as they were stored; None where they were not, or not whole."""
    try:
        stream = io.BytesIO(open_storage(place).get(_WEIGHTS))
        with np.load(stream, allow_pickle=False) as weights:
            first, second = (
                Classifier(*(weights[f"model_{n}_{part}"] for part in _PARTS)) for n in (1, 2)
            )
    except (NotFoundError, KeyError, OSError, ValueError, zipfile.BadZipFile):
        return None
    return (first, second) if all(map(_is_whole, (first, second))) else None


def _is_whole(model: Classifier) -> bool:
    units = model.hidden_bias.size
    shapes = (SIDE, SIDE, units), (units,), (units, 10), (10,)
    parts = [getattr(model, part) for part in _PARTS]
    return all(
        part.dtype == np.float32 and part.shape == shape
        for part, shape in zip(parts, shapes, strict=True)
    )
