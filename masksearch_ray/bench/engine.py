"""The engine as a contender: its collection, and the times of its answers."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import masksearch_ray
from masksearch_ray.bench.contenders import Measured
from masksearch_ray.bench.dataset import Dataset
from masksearch_ray.bench.questions import Question
from masksearch_ray.bench.timing import timed
from masksearch_ray.model.progress import Progress, silent
from masksearch_ray.session import Collection, Result, create, open

__all__ = [
    "Opening",
    "Planned",
    "growth",
    "make_collection",
    "name_region",
    "planned",
    "run_engine",
]

_WRITERS = ("collection", "index", "kernels", "model", "storage")


@dataclass(frozen=True)
class Opening:
    """How a collection is opened; the arguments of `open`.

    Parameters
    ----------
    url : str
    version : int, optional
    how : mapping
        Further arguments.
    """

    url: str
    version: int | None = None
    how: Mapping[str, Any] = field(default_factory=dict)

    def open(self) -> Collection:
        """Open it."""
        return open(self.url, version=self.version, **self.how)


@dataclass(frozen=True)
class Planned:
    """What EXPLAIN says that a query reads of the index.

    Parameters
    ----------
    bytes, expanded : int
        As stored, and in memory.
    doubt : int
        Bytes read besides if any row is in doubt after a ROI histogram.
    opening : int
        Bytes read before all that.
    """

    bytes: int
    expanded: int
    doubt: int = 0
    opening: int = 0


def planned(lines: str) -> Planned:
    """Read the prediction in an EXPLAIN."""
    found = re.search(r"index to read .*: ([\d,]+) bytes, ([\d,]+) expanded(?:; ([\d,]+))?", lines)
    if found is None:
        return Planned(0, 0)
    before = re.search(r"before that, .*: ([\d,]+) bytes", lines)
    told = *found.groups(), before and before[1]
    return Planned(*(int((number or "0").replace(",", "")) for number in told))


def growth(images: int) -> dict[int, int]:
    """Versions of the collection that hold the first so many images' masks of one model."""
    sizes = [size for size in (1000, 3000, 10_000) if size < images]
    return {size: 2 + at for at, size in enumerate([*sizes, images])}


def make_collection(dataset: Dataset, progress: Progress = silent) -> str:
    """Ingest the masks with the default index, unless the same code has done so before.

    ``object_box`` has a ROI histogram, as box columns have by default; ``plain_box`` holds the
    same boxes and has none. Versions hold more and more of the first model's masks, see `growth`;
    the last one holds all masks of both.

    Parameters
    ----------
    dataset : Dataset
    progress : Progress

    Returns
    -------
    str
        URL.
    """
    folder = dataset.folder / f"collection-{_code()}"
    mark = dataset.folder / f"{folder.name}.whole"
    if mark.is_file():
        return str(folder)
    # Of other code, or left by a run that was cut short.
    for old in dataset.folder.glob("collection-*"):
        old.unlink() if old.is_file() else shutil.rmtree(old)
    masks, boxes = dataset.masks(), dataset.boxes
    began = time.perf_counter()
    with create(folder, rois=["full_image", "object_box"]) as collection:
        for model in (1, 2):
            for start, stop in pairwise([0, *growth(dataset.images)]):
                columns = {
                    "image_id": np.arange(start, stop),
                    "model_id": np.full(stop - start, model),
                    "object_box": list(boxes[start:stop]),
                    "plain_box": list(boxes[start:stop]),
                }
                first = (model - 1) * dataset.images
                collection.append(masks[first + start : first + stop], columns, progress=progress)
    mark.write_text(f"{time.perf_counter() - began}\n", encoding="utf-8")
    return str(folder)


def name_region(url: str, region: tuple[int, int, int, int], version: int) -> str:
    """Make a like collection that has a ROI histogram of a region, as if it was named at ingest.

    Parameters
    ----------
    url : str
        Of a collection in a folder; its files are shared, as none of them ever changes.
    region : (int, int, int, int)
    version : int
        What this and those before it hold.

    Returns
    -------
    str
        URL.
    """
    folder = Path(f"{url}-named")
    mark = Path(f"{folder}.whole")
    if not mark.is_file():
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(url, folder, copy_function=os.link)
        for manifest in (folder / "manifests").iterdir():
            if int(manifest.stem) > version:
                manifest.unlink()
        with open(folder) as collection:
            collection.build_index(rois=[region])
        mark.touch()
    return str(folder)


def _code() -> str:
    """Short name of the code that writes collections."""
    package = Path(masksearch_ray.__file__).parent
    known = hashlib.sha256()
    for file in sorted(f for room in _WRITERS for f in (package / room).rglob("*.py")):
        known.update(file.read_bytes())
    return known.hexdigest()[:12]


def run_engine(
    who: str, opening: Opening, questions: Sequence[Question], repeats: int
) -> list[Measured]:
    """Ask the engine, its index columns in memory, its answers not.

    Parameters
    ----------
    who : str
        Name of the contender.
    opening : Opening
    questions : sequence of Question
    repeats : int
    """
    found = []
    with opening.open() as collection:
        for question in questions:

            def ask(sql: str = question.sql) -> Result:
                result = collection.sql(sql)
                result.table  # noqa: B018 - which runs it
                return result

            def check(result: Result, question: Question = question) -> None:
                question.check(result.table.column(0).to_numpy())

            plan = planned(collection.explain(question.sql))
            first = ask()
            check(first)
            times = timed(ask, repeats, check)
            details = {"plan": plan, "first": first.stats, "stats": ask().stats}
            found.append(Measured(who, question.name, "", times, details))
    return found
