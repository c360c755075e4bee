"""The benchmark on tiny inputs, so that it never rots."""

from __future__ import annotations

import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from masksearch_ray.bench.alternatives import numpy_counts, stored_range
from masksearch_ray.bench.apart import MemoryWatch, apart, own_memory
from masksearch_ray.bench.contenders import run_scans
from masksearch_ray.bench.dataset import ROIS, Dataset, DatasetOptions, make_dataset
from masksearch_ray.bench.minimum import must_verify
from masksearch_ray.bench.questions import RANGES, filters
from masksearch_ray.bench.suite import SECTIONS, SuiteOptions, SuiteReport, run_suite, write_report
from masksearch_ray.errors import FailedError, InputError

# Every contender's code is compiled, where no run before did that.
pytestmark = pytest.mark.timeout(300)

DOCS = Path(__file__).parent.parent.parent / "docs"
TINY = DatasetOptions(images=40, side=64)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("bench"), TINY, 1)


@pytest.fixture(scope="module")
def report(dataset: Dataset) -> SuiteReport:
    options = SuiteOptions(
        dataset.folder.parent,
        TINY,
        repeats=2,
        ray=False,
        copied=1 << 16,
        processes=False,
        drawn=70,
        bounded=900,
        shards=(1, 3),
        store="memory://bench-store",
    )
    return run_suite(options)


def test_masks_are_seeded_and_kept(dataset: Dataset, tmp_path: Path) -> None:
    masks = dataset.masks()
    assert masks.shape == (80, 64, 64)
    assert (masks.min(axis=(1, 2)) == 0).all()
    assert (masks.max(axis=(1, 2)) == 255).all()
    before = (dataset.folder / "masks.npy").stat().st_mtime_ns
    assert make_dataset(dataset.folder.parent, TINY, 1) == dataset
    assert (dataset.folder / "masks.npy").stat().st_mtime_ns == before
    again = make_dataset(tmp_path, TINY, 2)
    assert np.array_equal(again.masks(), masks)
    assert np.array_equal(again.boxes, dataset.boxes)
    other = make_dataset(tmp_path, replace(TINY, seed=1), 1)
    assert not np.array_equal(other.masks(), masks)
    # The second model mostly agrees with the first.
    one, two = masks[:40].reshape(40, -1).astype(float), masks[40:].reshape(40, -1).astype(float)
    agree = [np.corrcoef(a, b)[0, 1] for a, b in zip(one, two, strict=True)]
    assert 0.7 < np.median(agree) < 0.99


def test_a_dataset_travels_without_its_arrays(dataset: Dataset) -> None:
    assert dataset.counts("full", 0.2, 0.4).any()
    sent = pickle.dumps(dataset)
    assert len(sent) < 1000
    again: Dataset = pickle.loads(sent)
    assert again == dataset
    assert np.array_equal(again.boxes, dataset.boxes)


def test_an_unfinished_dataset_is_drawn_anew(dataset: Dataset, tmp_path: Path) -> None:
    made = make_dataset(tmp_path, TINY, 1)
    (made.folder / "dataset.json").write_text("{", encoding="utf-8")
    (made.folder / "masks.npy").write_bytes(b"")
    assert np.array_equal(make_dataset(tmp_path, TINY, 1).masks(), dataset.masks())


@pytest.mark.parametrize("roi", ROIS)
@pytest.mark.parametrize("values", RANGES)
def test_counts_are_those_of_numpy_on_values(
    dataset: Dataset, roi: str, values: tuple[float, float]
) -> None:
    masks, (low, high) = dataset.masks() / 255, values
    boxes = dataset.regions(roi)
    for model in (1, 2):
        each = zip(masks[40 * (model - 1) :], boxes, strict=False)
        parts = [mask[y0:y1, x0:x1] for mask, (x0, y0, x1, y1) in each]
        inside = [(part >= low) & ((part < high) | (high == 1.0)) for part in parts]
        assert dataset.counts(roi, low, high, model).tolist() == [i.sum() for i in inside]
    lesser, greater = dataset.pair_counts(low, high)
    for found, join in ((lesser, np.minimum), (greater, np.maximum)):
        joined = join(masks[:40], masks[40:])
        inside_all = (joined >= low) & ((joined < high) | (high == 1.0))
        assert found.tolist() == inside_all.sum(axis=(1, 2)).tolist()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_scans_count_the_same(dataset: Dataset, threads: int) -> None:
    asked = filters(dataset)
    for method in ("NumPy", "numba"):
        found = run_scans(
            method,
            method,
            dataset,
            asked,
            1,
            in_memory=threads == 1,
            threads=(threads,),
        )
        assert [m.question for m in found] == [q.name for q in asked]
    counted = numpy_counts(dataset.masks(), np.tile(dataset.boxes, (2, 1)), (0, 256), threads)
    x0, y0, x1, y1 = dataset.boxes.T
    assert counted.tolist() == [*((x1 - x0) * (y1 - y0))] * 2
    assert stored_range(0.0, 1.0) == (0, 256)


def test_a_wrong_answer_ends_the_run(dataset: Dataset) -> None:
    asked = filters(dataset, ("full",), RANGES[:1], (0.5,))[0]
    wrong = replace(asked, answer=asked.answer[1:])
    with pytest.raises(FailedError, match="rows found"):
        run_scans("NumPy", "NumPy", dataset, [wrong], 1, in_memory=False)


def test_thresholds_keep_what_ties_allow(dataset: Dataset) -> None:
    for question in filters(dataset, shares=(0.1, 0.5)):
        assert question.share == len(question.answer) / dataset.images
        aimed = 0.1 if question.name.endswith("10 %") else 0.5
        assert abs(question.share - aimed) <= question.ties + 1 / dataset.images


def _fail(text: str) -> None:
    raise FailedError(text)


def _memory_of_another(before: int) -> tuple[bool, int]:
    held = np.ones(1 << 24, np.uint8)
    return os.getpid() != before, len(held) and own_memory()


def test_work_is_done_apart_and_its_memory_watched() -> None:
    with MemoryWatch() as watch:
        other, memory = apart(_memory_of_another, os.getpid())
    assert other
    assert memory > 1 << 24
    assert watch.peak > 1 << 24
    with pytest.raises(FailedError, match="to be told"):
        apart(_fail, "to be told")
    with pytest.raises(FailedError, match="the process of _exit died"):
        apart(os._exit, 3)


def test_every_section_measures(report: SuiteReport) -> None:
    assert [section.name for section in report.sections] == [*SECTIONS, "run"]
    for _, target in report.targets:
        assert "" not in (target.what, target.wanted, target.reached)


def test_every_place_of_the_document_is_filled_in(report: SuiteReport, tmp_path: Path) -> None:
    text = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    (tmp_path / "benchmarks.md").write_text(text, encoding="utf-8")
    write_report(report, tmp_path)
    written = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    between = re.compile(r"<!-- ([\w-]+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
    shown = {name: table.splitlines() for name, table in between.findall(written)}
    assert shown.keys() == report.tables.keys()
    for lines in shown.values():
        assert len(lines) > 2
        assert len({line.count("|") for line in lines}) == 1
    assert between.sub("", written) == between.sub("", text)


@pytest.mark.parametrize("descending", [False, True])
def test_rows_that_must_be_verified(descending: bool) -> None:
    chance = np.random.default_rng(5)
    for _ in range(60):
        n, k = int(chance.integers(1, 8)), int(chance.integers(1, 4))
        exact = chance.integers(0, 5, n)
        lower = exact - chance.integers(0, 3, n)
        upper = exact + chance.integers(0, 3, n)
        # By hand: every value that the bounds allow a row, all others being known.
        open_rows = 0
        for row in range(n):
            answers = set()
            for value in range(lower[row], upper[row] + 1):
                values = exact.copy()
                values[row] = value
                keys = -values if descending else values
                answers.add(tuple(np.lexsort([np.arange(n), keys])[:k].tolist()))
            open_rows += len(answers) > 1
        assert must_verify(lower, upper, exact, k, descending) == open_rows


def test_a_document_or_section_that_is_not_there_is_refused(
    report: SuiteReport, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no such file"):
        write_report(report, tmp_path)
    with pytest.raises(InputError, match="no section 'filters': machine, bounds"):
        run_suite(SuiteOptions(tmp_path), ["filters"])
    for wrong in ({"images": 0}, {"side": 8}):
        with pytest.raises(InputError):
            DatasetOptions(**wrong)


def test_questions_are_told_apart(dataset: Dataset) -> None:
    names = [question.name for question in filters(dataset)]
    assert len(set(names)) == len(names) == 36
    assert all(len(question.answer) for question in filters(dataset))
