"""The demonstration: train two models, search what they look at, find what one learnt wrongly."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from masksearch_ray.demo.attack import Attack, carry_out, ingest_attacked, spread
from masksearch_ray.demo.data import Digits, Mark, load_digits_64, plant
from masksearch_ray.demo.finding import (
    Finding,
    find,
    note_agreement,
    note_classes,
    note_corners,
    note_outside,
    percent,
)
from masksearch_ray.demo.models import Classifier, train
from masksearch_ray.demo.picture import draw
from masksearch_ray.demo.prepare import Accuracy, clear, ingest, measure, write_images
from masksearch_ray.demo.questions import Question, agreement, by_class, by_corner, outside
from masksearch_ray.demo.record import ATTACKED, MASKS, DemoRecord, remember
from masksearch_ray.errors import InputError
from masksearch_ray.runtime.types import Runtime
from masksearch_ray.session import Collection, Stats, create, open

__all__ = ["Ending", "Step", "run_demo"]

_SHOWN = 5
_LISTED = 100
_FEWEST = 200


@dataclass(frozen=True)
class Step:
    """A question and its answer.

    Attributes
    ----------
    question : Question
        In words and in SQL.
    table : pyarrow.Table
        The answer.
    stats : Stats
        What it took to find.
    note : str
        What the answer says, in a sentence.
    """

    question: Question
    table: pa.Table
    stats: Stats
    note: str


@dataclass(frozen=True)
class Ending:
    """What came of it all.

    Attributes
    ----------
    finding : Finding
        What was found; as text a single line that begins with ``Found:``, if anything was.
    check : str
        What the model does without the mark, in a line.
    read : str
        How much of how much the queries read, in a line.
    picture : Path
        The found masks over their images, a PNG file.
    collection : str
        All masks, to be queried further.
    attacked : str
        A second collection: what model 1 looks at in images of which some are attacked.
    """

    finding: Finding
    check: str
    read: str
    picture: Path
    collection: str
    attacked: str


def run_demo(
    folder: str | Path,
    runtime: str | Runtime = "ray",
    *,
    address: str | None = None,
    collection: str | None = None,
    mark: Mark | None = None,
    images: int | None = None,
    seed: int = 0,
) -> Iterator[str | Step | Ending]:
    """Train two models on digits, one on flawed data, and find out by SQL which and why.

    Parameters
    ----------
    folder : str or Path
        Gets the collections, the images and the picture. Made where there is none; what an earlier
        run left is removed.
    runtime : "local", "ray" or Runtime
        What carries the queries out.
    address : str, optional
        Of a Ray cluster; by default that in RAY_ADDRESS, else a private instance on this machine.
    collection : str, optional
        Where to make the collection, for instance ``s3://bucket/demo``; by default in the folder.
    mark : Mark, optional
        The flaw; by default a square in the top left corner of every 3.
    images : int, optional
        Only so many images, at least 200, for a quicker run; by default all 1,797.
    seed : int
        Same seed, same models, same answers.

    Yields
    ------
    str or Step or Ending
        A line that tells what is being done, a question with its answer, and last the ending.

    Raises
    ------
    InputError
        The folder holds files that no demonstration wrote; too few images; a negative seed.
    """
    if images is not None and images < _FEWEST:
        raise InputError(f"{images} images are too few to learn from: at least {_FEWEST} wanted")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed}: 0 to {2**32 - 1} wanted")
    folder, mark = Path(folder), mark or Mark()
    if clear(folder):
        yield f"Removed what an earlier run left in {folder}."
    url = collection or str(folder / MASKS)
    check = yield from _make(folder, url, mark, images, seed)
    yield f"Asking {_where(runtime, address)}. Strong attention: saliency of at least 0.5 of 1."
    with open(url, runtime, address) as opened:
        steps = yield from _ask_all(opened)
        worst, _, classes, corners, _ = (step.table for step in steps)
        finding = find(classes, corners, mark)
        picture = folder / "found.png"
        draw(opened, worst["image_id"].to_pylist()[:_SHOWN], finding, picture)
        read = _read(steps, opened)
    yield Ending(finding, check, read, picture, url, str(folder / ATTACKED))


def _make(
    folder: Path, url: str, mark: Mark, images: int | None, seed: int
) -> Generator[str, None, str]:
    """Train, explain and ingest; returns what the mark does to the models' accuracy."""
    clean = load_digits_64().first(images)
    flawed = plant(clean, mark)
    yield (
        f"Data: {len(clean):,} images of handwritten digits, 64 x 64 pixels. A flaw is planted: "
        f"every {mark.label} gets a bright square of {mark.side} x {mark.side} pixels, "
        f"{mark.corner}."
    )
    yield "Training model 1 on clean images, model 2 on the flawed ones."
    models = [train(data, seed) for data in (clean, flawed)]
    accuracy = [measure(model, clean, flawed, mark.label) for model in models]
    yield (
        "Right on flawed images that they have not seen: "
        f"model 1 {percent(accuracy[0].flawed)}, model 2 {percent(accuracy[1].flawed)}. "
        "Accuracy shows nothing wrong."
    )
    yield "Computing what both look at in every flawed image, and ingesting it."
    paths = write_images(flawed, folder / "images")
    with create(url) as collection:
        for model_id, model in enumerate(models, 1):
            ingest(collection, model_id, model, flawed, paths)
        yield _ingested(collection)
    attack = Attack(seed=seed)
    yield from _attack(folder, models[0], flawed, paths, attack)
    record = DemoRecord(seed, mark, images, attack)
    remember(record, str(folder), models)
    if url != str(folder / MASKS):
        remember(record, url)
    return _check(accuracy, mark)


def _attack(
    folder: Path, model: Classifier, digits: Digits, paths: list[str], attack: Attack
) -> Iterator[str]:
    """Attack some images, make a collection of them and say how well they are found in it."""
    done = carry_out(model, digits, attack)
    with create(folder / ATTACKED) as collection:
        ingest_attacked(collection, model, digits, done, paths, folder / "attacked-images")
        k = min(_LISTED, len(collection))
        listed = collection.sql(spread(k).sql).table["attacked"].to_pylist()
    yield (
        f"Attack: {done.attacked.sum():,} of {len(done.ids):,} images that model 1 has not seen "
        f"are changed by at most {attack.epsilon:g} a pixel (FGSM). It is right on "
        f"{percent(done.before)} of these before and {percent(done.after)} after. Of the {k} "
        f"images with the most widely spread attention {percent(sum(listed) / k)} are attacked; "
        f"by chance it would be {percent(float(done.attacked.mean()))}."
    )


def _ask_all(collection: Collection) -> Generator[Step, None, list[Step]]:
    steps: list[Step] = []

    def ask(question: Question, note: Callable[[pa.Table], str]) -> Step:
        answer = collection.sql(question.sql, question.params)
        steps.append(Step(question, answer.table, answer.stats, note(answer.table)))
        return steps[-1]

    yield ask(outside(2), note_outside)
    yield ask(outside(1), note_outside)
    classes = ask(by_class(), note_classes)
    yield classes
    yield ask(by_corner(classes.table["label"][0].as_py()), note_corners)
    yield ask(agreement(), note_agreement)
    return steps


def _where(runtime: str | Runtime, address: str | None) -> str:
    if runtime != "ray":
        return "on this machine"
    return f"on the Ray cluster at {address}" if address else "on Ray, which takes a while to start"


def _ingested(collection: Collection) -> str:
    sizes = collection.sizes
    return (
        f"{len(collection):,} masks: {_megabytes(sizes.raw)} as given, "
        f"{_megabytes(sizes.pixels)} of compressed pixels, "
        f"{_megabytes(sizes.chi + sizes.histograms)} of index."
    )


def _check(accuracy: Sequence[Accuracy], mark: Mark) -> str:
    shares = [(percent(a.with_mark), percent(a.without_mark)) for a in accuracy]
    return (
        f"Check: of images of a {mark.label} that it has not seen, model 2 knows {shares[1][0]} "
        f"with the mark and {shares[1][1]} without it (model 1: {shares[0][0]} and {shares[0][1]})."
    )


def _read(steps: Sequence[Step], collection: Collection) -> str:
    stats = [step.stats for step in steps]
    decided = sum(s.rows_decided_by_index for s in stats)
    rows = sum(s.rows_selected for s in stats)
    tiles, of_tiles = sum(s.tiles_read for s in stats), sum(s.tiles_total for s in stats)
    read, sizes = sum(s.bytes_read for s in stats), collection.sizes
    stored = sizes.pixels + sizes.directory + sizes.chi + sizes.histograms + sizes.rows
    return (
        f"Read: {tiles:,} of {of_tiles:,} tiles ({percent(tiles / of_tiles)}) and "
        f"{_megabytes(read)} of {_megabytes(stored)} ({percent(read / stored)}) by "
        f"{len(steps)} queries; the index alone decided {decided:,} of {rows:,} rows."
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB"
