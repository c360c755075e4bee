"""What every runtime must do, as tests.

Subclass `RuntimeTests` in a module that has a `runtime` fixture of module scope; `url` and
`opened` are in tests/runtime/conftest.py.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from masksearch_ray.errors import (
    DamagedError,
    NotFoundError,
    QueryCancelledError,
    QueryError,
    QueryTimeoutError,
)
from masksearch_ray.execute.leaders import Leaders
from masksearch_ray.execute.partials import Filter, Finished, Offer, Partial, Ranked, RowsFound, Top
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.types import Pool, Runtime, ShardTask
from tests.conformance.pools import Opened, make_collection, parse_text, source_of
from tests.conformance.trips import RoundTripTests

LABELS = ["cat", "dog", "eel", "fox"]
N, SIDE, SEGMENTS = 240, 16, 5
BOX = (3, 2, 13, 12)

# Seconds of work: many terms, each over groups whose masks have to be read together.
TERMS = [f"CP(intersect(mask > 0.{i:03}), full_image, (0.1, 1.0))" for i in range(1, 400)]
SLOW = f"SELECT image_id FROM masks GROUP BY image_id HAVING least({', '.join(TERMS)}) > 7"


def pixels() -> npt.NDArray[np.uint8]:
    chance = np.random.default_rng(5)
    masks = (chance.random((N, SIDE, SIDE)) ** 2 * 256).astype(np.uint8)
    masks[N // 2 : N // 2 + 40] = masks[:40]  # ties across shards
    return masks


def metadata() -> dict[str, list[object]]:
    return {
        "image_id": [i % 60 for i in range(N)],
        "label": [LABELS[i * 7 % 4] for i in range(N)],
        "object_box": [list(BOX) for _ in range(N)],
    }


def counts(lo: float, hi: float) -> npt.NDArray[np.int64]:
    """Pixels of every mask inside BOX with lo <= value < hi, value = stored / 255."""
    x0, y0, x1, y1 = BOX
    inside = pixels()[:, y0:y1, x0:x1] / 255
    found: npt.NDArray[np.int64] = ((inside >= lo) & (inside < hi)).sum(axis=(1, 2))
    return found


COUNT = "CP(mask, object_box, (0.6, 0.9))"
EXPECTED = counts(0.6, 0.9)


def above(least: int) -> list[int]:
    return [i for i in range(N) if EXPECTED[i] > least]


def best_first() -> list[int]:
    return sorted(range(N), key=lambda i: (-EXPECTED[i], i))


class RuntimeTests(RoundTripTests):
    """The contract of `Runtime` and `Pool`."""

    # -- answers ------------------------------------------------------------------------------

    def test_filter(self, opened: Opened) -> None:
        found = opened.ask(f"SELECT mask_id, {COUNT} AS n FROM masks WHERE {COUNT} > 22")
        expected = above(22)
        assert 0 < len(expected) < N
        assert found["mask_id"].to_pylist() == expected
        assert found["n"].to_pylist() == EXPECTED[expected].tolist()

    def test_filter_without_rows(self, opened: Opened) -> None:
        found = opened.ask(f"SELECT mask_id, label FROM masks WHERE {COUNT} > 1000")
        assert found.num_rows == 0
        assert found.schema.types == [pa.int64(), pa.string()]

    @pytest.mark.parametrize("k", [0, 1, 7, 100, N, N + 50])
    def test_top_k_with_ties(self, opened: Opened, k: int) -> None:
        text = f"SELECT mask_id, {COUNT} AS n FROM masks ORDER BY n DESC LIMIT {k}"
        found = opened.ask(text)
        expected = best_first()[:k]
        assert found["mask_id"].to_pylist() == expected
        assert found["n"].to_pylist() == EXPECTED[expected].tolist()

    def test_top_k_with_offset(self, opened: Opened) -> None:
        text = f"SELECT mask_id FROM masks ORDER BY {COUNT} DESC LIMIT 20 OFFSET 30"
        assert opened.ask(text)["mask_id"].to_pylist() == best_first()[30:50]

    def test_the_index_changes_nothing(self, opened: Opened) -> None:
        text = f"SELECT * FROM masks WHERE {COUNT} > 20 ORDER BY {COUNT}, label LIMIT 30"
        assert opened.ask(text) == opened.ask(text, use_index=False)

    def test_bounds_of_a_count(self, opened: Opened) -> None:
        text = f"SELECT mask_id FROM masks WHERE {COUNT} > 22"
        surely, possibly = opened.coordinator(text).count_bounds()
        assert surely <= len(above(22)) <= possibly <= N

    def test_groups_merged(self, opened: Opened) -> None:
        text = f"SELECT label, COUNT(*) AS n, AVG({COUNT}) AS a FROM masks GROUP BY label"
        found = opened.ask(text).to_pydict()
        members = {name: [i for i in range(N) if LABELS[i * 7 % 4] == name] for name in LABELS}
        assert found["label"] == LABELS
        assert found["n"] == [len(members[name]) for name in LABELS]
        assert found["a"] == [EXPECTED[members[name]].sum() / len(members[name]) for name in LABELS]

    def test_best_groups_merged(self, opened: Opened) -> None:
        text = (
            f"SELECT image_id, SUM({COUNT}) AS s FROM masks GROUP BY image_id "
            "HAVING s > 0 ORDER BY s DESC LIMIT 5"
        )
        sums = [int(EXPECTED[image::60].sum()) for image in range(60)]
        expected = sorted(range(60), key=lambda image: (-sums[image], image))[:5]
        found = opened.ask(text).to_pydict()
        assert found == {"image_id": expected, "s": [sums[image] for image in expected]}

    def test_groups_brought_together(self, opened: Opened) -> None:
        text = (
            "SELECT image_id, CP(intersect(mask), object_box, (0.1, 1.0)) AS n FROM masks "
            "GROUP BY image_id ORDER BY n DESC LIMIT 9"
        )
        x0, y0, x1, y1 = BOX
        stacks = pixels()[:, y0:y1, x0:x1].reshape(N // 60, 60, -1)
        both = (stacks.min(axis=0) / 255 >= 0.1).sum(axis=1)
        expected = sorted(range(60), key=lambda image: (-both[image], image))[:9]
        found = opened.ask(text).to_pydict()
        assert found == {"image_id": expected, "n": both[expected].tolist()}

    def test_an_empty_collection(self, runtime: Runtime, tmp_path: Path) -> None:
        make_collection(str(tmp_path / "empty"), pixels(), {}, 0)
        with Opened(runtime, str(tmp_path / "empty")) as empty:
            assert empty.ask("SELECT mask_id FROM masks").num_rows == 0
            counted = empty.ask("SELECT COUNT(*) AS n FROM masks")
            assert counted.to_pydict() == {"n": [0]}

    # -- partials -----------------------------------------------------------------------------

    def test_every_shard_ends_with_finished(self, opened: Opened) -> None:
        kinds: dict[int, list[type]] = {}
        for shard, partial in opened.send(f"SELECT mask_id FROM masks WHERE {COUNT} > 20"):
            kinds.setdefault(shard, []).append(type(partial))
        assert sorted(kinds) == list(range(opened.pool.shards))
        for seen in kinds.values():
            assert seen == [RowsFound] * (len(seen) - 1) + [Finished]

    def test_shards_hold_every_row_once(self, opened: Opened) -> None:
        partials = opened.send("SELECT mask_id FROM masks")
        found = Counter(ids for _, part in partials for ids in _ids(part))
        assert found == Counter(range(N))

    def test_rows_come_while_the_query_runs(self, opened: Opened) -> None:
        # The index decides the first groups; the others have to be read.
        terms = ", ".join(TERMS[:150])
        having = f"HAVING image_id < 20 OR least({terms}) > 7"
        text = f"SELECT image_id FROM masks GROUP BY image_id {having}"
        began = time.monotonic()
        seen = [time.monotonic() - began for _ in opened.coordinator(text).run()]
        assert seen[0] < 0.8 * seen[-1]

    def test_only_the_shards_asked_answer(self, opened: Opened) -> None:
        task = opened.task("SELECT mask_id FROM masks", Filter())
        last = opened.pool.shards - 1
        assert {shard for shard, _ in opened.run({last: task})} == {last}

    def test_a_stage_run_again_finds_the_same(self, opened: Opened) -> None:
        text = f"SELECT mask_id, {COUNT} AS n FROM masks WHERE {COUNT} > 20"
        once, again = (_rows(opened.send(text)) for _ in range(2))
        assert once == again

    def test_a_forgotten_query_starts_anew(self, opened: Opened) -> None:
        text = f"SELECT mask_id FROM masks ORDER BY {COUNT} DESC LIMIT 9"
        offer, top = opened.task(text, Offer(9)), opened.task(text, Top(9, None))
        every = range(opened.pool.shards)
        list(opened.run(dict.fromkeys(every, offer)))
        kept = _places(opened.run(dict.fromkeys(every, top)))
        opened.pool.forget(top.query_id)
        assert _places(opened.run(dict.fromkeys(every, top))) == kept

    def test_the_threshold_is_taken_along(self, opened: Opened) -> None:
        text = f"SELECT mask_id FROM masks ORDER BY {COUNT} DESC, mask_id LIMIT 9"
        every = range(opened.pool.shards)
        for least, kept in [(0, True), (10**6, False)]:
            control = QueryControl(threshold=((1, least), (1, 0), (1, 0)))
            task = opened.task(f"{text} OFFSET {least}", Top(9, control.threshold))
            partials = opened.pool.send(dict.fromkeys(every, task), control)
            ranked = [p for _, p in partials if isinstance(p, Ranked)]
            assert ranked
            assert [len(p.items) > 0 for p in ranked] == [kept for _ in ranked]

    def test_thresholds_of_unknown_queries_are_ignored(self, opened: Opened) -> None:
        opened.pool.raise_threshold("nothing of that name", ((1, 5), (1, 7)), [0])
        opened.pool.forget("nothing of that name")
        assert opened.ask("SELECT mask_id FROM masks").num_rows == N

    # -- errors -------------------------------------------------------------------------------

    def test_damaged_pixels(self, runtime: Runtime, url: str, tmp_path: Path) -> None:
        folder = tmp_path / "masks"
        shutil.copytree(url, folder)
        (tiles, *_) = sorted(folder.rglob("tiles.bin"))
        data = bytearray(tiles.read_bytes())
        data[: len(data) // 2] = bytes(byte ^ 1 for byte in data[: len(data) // 2])
        tiles.write_bytes(data)
        with Opened(runtime, str(folder)) as opened:
            with pytest.raises(DamagedError) as caught:
                opened.ask(f"SELECT mask_id FROM masks WHERE {COUNT} > 22", use_index=False)
            assert caught.value.object.endswith(str(tiles.relative_to(folder)))
            # Whatever needs no pixels is answered still.
            assert opened.ask("SELECT mask_id FROM masks").num_rows == N

    def test_a_missing_object(self, runtime: Runtime, url: str, tmp_path: Path) -> None:
        folder = tmp_path / "masks"
        shutil.copytree(url, folder)
        with Opened(runtime, str(folder)) as opened:
            for tiles in folder.rglob("tiles.bin"):
                tiles.unlink()
            with pytest.raises(NotFoundError) as caught:
                opened.ask(f"SELECT mask_id FROM masks WHERE {COUNT} > 22", use_index=False)
            assert caught.value.object.endswith("tiles.bin")

    def test_a_version_that_is_not_there(self, runtime: Runtime, url: str) -> None:
        # Workers are not waited for before a query is asked.
        with pytest.raises(NotFoundError):
            pool = runtime.pool(source_of(url, version=77))
            task = ShardTask("query", parse_text(url, "SELECT mask_id FROM masks"), Filter())
            list(pool.send({0: task}, QueryControl()))

    def test_an_error_that_only_the_rows_show(self, runtime: Runtime, tmp_path: Path) -> None:
        url = str(tmp_path / "mixed")
        make_collection(url, pixels(), metadata(), 2)
        make_collection(url, pixels()[:, :8], metadata(), 1)
        text = "SELECT CP(intersect(mask), full_image, (0.1, 1.0)) FROM masks GROUP BY image_id"
        with Opened(runtime, url) as opened:
            with pytest.raises(QueryError, match="masks of several sizes"):
                opened.ask(text)
            assert opened.ask("SELECT mask_id FROM masks").num_rows == 2 * N

    # -- stopping -----------------------------------------------------------------------------

    def test_time_limit(self, opened: Opened) -> None:
        began = time.monotonic()
        with pytest.raises(QueryTimeoutError, match=r"time limit of 0\.3 s passed"):
            opened.ask(SLOW, timeout=0.3)
        assert time.monotonic() - began < 5
        self._serves(opened)

    @pytest.mark.parametrize("timeout", [1e300, float("inf")])
    def test_a_time_limit_beyond_all_bounds(self, opened: Opened, timeout: float) -> None:
        assert opened.ask("SELECT mask_id FROM masks", timeout=timeout).num_rows == N

    def test_no_time_at_all(self, opened: Opened) -> None:
        with pytest.raises(QueryTimeoutError):
            opened.ask("SELECT mask_id FROM masks", timeout=0.0)

    def test_cancelled_from_another_thread(self, opened: Opened) -> None:
        coordinator = opened.coordinator(SLOW)
        timer = threading.Timer(0.3, coordinator.control.cancel)
        timer.start()
        with pytest.raises(QueryCancelledError):
            list(coordinator.run())
        timer.join()
        self._serves(opened)

    def test_an_answer_left_half_read(self, opened: Opened) -> None:
        for _ in range(8):
            partials = opened.send(f"SELECT mask_id FROM masks WHERE {COUNT} > 20")
            next(partials)
            assert isinstance(partials, Generator)
            partials.close()
        self._serves(opened)

    def test_a_slow_reader_misses_nothing(self, opened: Opened) -> None:
        found: list[int] = []
        for _, partial in opened.send("SELECT mask_id FROM masks"):
            time.sleep(0.02)
            found += _ids(partial)
        assert sorted(found) == list(range(N))

    # -- several at once ----------------------------------------------------------------------

    def test_many_queries_at_once(self, opened: Opened) -> None:
        def ask(least: int) -> list[int]:
            found = opened.ask(f"SELECT mask_id FROM masks WHERE {COUNT} > {least}")
            ids: list[int] = found["mask_id"].to_pylist()
            return ids

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(ask, range(14, 26)))
        assert answers == [above(least) for least in range(14, 26)]

    def test_two_collections_at_once(self, runtime: Runtime, url: str, tmp_path: Path) -> None:
        other = str(tmp_path / "other")
        make_collection(other, pixels()[:50], {}, 2)
        with Opened(runtime, url) as one:
            with Opened(runtime, other) as two:
                first = one.coordinator("SELECT mask_id FROM masks").run()
                assert two.ask("SELECT mask_id FROM masks").num_rows == 50
                assert sum(part.table.num_rows for part in first) == N
            self._serves(one)

    def test_closed_and_opened_again(self, runtime: Runtime, url: str, opened: Opened) -> None:
        pools: list[Pool] = []
        for _ in range(2):
            with Opened(runtime, url) as again:
                pools.append(again.pool)
                self._serves(again)
        pools[0].close()
        self._serves(opened)

    def _serves(self, opened: Opened) -> None:
        text = f"SELECT mask_id FROM masks WHERE {COUNT} > 22"
        found = opened.ask(text, timeout=60.0)
        assert found["mask_id"].to_pylist() == above(22)


def _ids(partial: Partial) -> list[int]:
    if not isinstance(partial, RowsFound):
        return []
    ids: list[int] = partial.table["mask_id"].to_pylist()
    return ids


def _rows(partials: Iterator[tuple[int, Partial]]) -> pa.Table:
    tables = [partial.table for _, partial in partials if isinstance(partial, RowsFound)]
    return pa.concat_tables(tables).sort_by("mask_id").combine_chunks()


def _places(partials: Iterator[tuple[int, Partial]]) -> list[object]:
    """The first nine with the shards that they lie on, however they were combined."""
    leaders = Leaders(9)
    for shard, partial in partials:
        if isinstance(partial, Ranked):
            leaders.add(partial.places, partial.owners(shard), partial.items)
    assert leaders.places is not None
    places = [component.value.tolist() for component in leaders.places.components]
    return [places, *(column.tolist() for column in leaders.columns)]
