"""How often a query waits for all shards, whichever shards the masks of an image lie on."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from masksearch_ray.runtime.types import Runtime
from tests.conformance.pools import Opened, make_collection

N, SEGMENTS = 240, 5
MASKS = (np.random.default_rng(6).random((N, 16, 16)) ** 2 * 256).astype(np.uint8)
IMAGES = {"apart": np.arange(N) // 4, "spanning": np.arange(N) % 60}
BOX = [3, 2, 13, 12]

COUNT = "CP(mask, object_box, (0.61, 0.87))"
GROUPED = (
    "SELECT image_id, CP(intersect(mask > 0.2), full_image, (0.5, 1.0)) AS n "
    "FROM masks GROUP BY image_id"
)
OTHER = f"SELECT image_id, CP(union(mask > 0.9), full_image, (0.5, 1.0)) AS n, SUM({COUNT}) AS s"
OTHER += " FROM masks GROUP BY image_id"
SUMS = f"SELECT image_id, SUM({COUNT}) AS s FROM masks GROUP BY image_id"

# A question, its round trips where images span shards, and where they do not.
TRIPS = {
    "filter": (f"SELECT mask_id FROM masks WHERE {COUNT} > 22", 1, 1),
    "filter in an order": (f"SELECT mask_id FROM masks WHERE {COUNT} > 22 ORDER BY {COUNT}", 1, 1),
    "top-k": (f"SELECT mask_id, {COUNT} AS n FROM masks ORDER BY n DESC LIMIT 7", 2, 2),
    "top-k with other columns": (f"SELECT image_id FROM masks ORDER BY {COUNT} DESC LIMIT 7", 3, 3),
    "top-k that bounds decide": (
        "SELECT mask_id FROM masks ORDER BY AREA(object_box) LIMIT 7",
        1,
        1,
    ),
    "one aggregate": (f"SELECT AVG({COUNT}) AS a FROM masks", 1, 1),
    "aggregates": (SUMS, 1, 1),
    "some aggregates": (f"{SUMS} HAVING s > 70", 2, 2),
    "mask aggregates": (GROUPED, 2, 1),
    "some mask aggregates": (f"{OTHER} HAVING n > 50", 2, 1),
    "mask aggregates, top-k": (f"{GROUPED} ORDER BY n DESC LIMIT 5", 3, 2),
    "mask aggregates by others, top-k": (f"{OTHER} ORDER BY s, n LIMIT 5 OFFSET 2", 3, 2),
    "one mask aggregate": (
        "SELECT CP(union(mask > 0.9), full_image, (0.5, 1.0)) AS n FROM masks",
        2,
        2,
    ),
}

Layout = Literal["apart", "spanning"]


class RoundTripTests:
    """Part of the contract of `Runtime` and `Pool`."""

    @pytest.fixture(scope="class", params=["apart", "spanning"])
    @classmethod
    def layout(cls, request: pytest.FixtureRequest) -> Layout:
        """Whether masks of one image lie on several shards."""
        layout: Layout = request.param
        return layout

    @pytest.fixture(scope="class")
    @classmethod
    def laid_out(cls, layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> str:
        """A collection in that layout."""
        url = str(tmp_path_factory.mktemp("trips") / layout)
        rows: dict[str, list[Any]] = {
            "image_id": IMAGES[layout].tolist(),
            "object_box": [BOX] * N,
        }
        make_collection(url, MASKS, rows, SEGMENTS)
        return url

    @pytest.mark.parametrize("question", TRIPS)
    def test_round_trips(
        self, runtime: Runtime, laid_out: str, layout: Layout, question: str
    ) -> None:
        text, spanning, apart = TRIPS[question]
        with Opened(runtime, laid_out) as opened:
            assert opened.pool.shards > 1
            assert opened.pool.images_apart == (layout == "apart")
            coordinator = opened.coordinator(text)
            found = coordinator.assemble(list(coordinator.run()))
            assert coordinator.round_trips == (apart if layout == "apart" else spanning)
            assert coordinator.round_trips <= (3 if "LIMIT" in text else 2)
            assert found == opened.ask(text, use_index=False)

    def test_masks_of_an_image_taken_together(
        self, runtime: Runtime, laid_out: str, layout: Layout
    ) -> None:
        """The best groups, some left out, against brute force; ties are settled by their key."""
        best, of_image = MASKS / 255 > 0.2, IMAGES[layout]
        counts = {i: int(best[of_image == i].all(axis=0).sum()) for i in range(60)}
        order = sorted(counts, key=lambda i: (-counts[i], i))
        with Opened(runtime, laid_out) as opened:
            for offset, limit in ((0, 0), (0, 7), (4, 9), (55, 60), (70, 5)):
                found = opened.ask(f"{GROUPED} ORDER BY n DESC LIMIT {limit} OFFSET {offset}")
                wanted = order[offset : offset + limit]
                assert found["image_id"].to_pylist() == wanted
                assert found["n"].to_pylist() == [counts[i] for i in wanted]
            found = opened.ask(f"{GROUPED} HAVING n > {counts[order[20]]}")
            wanted = sorted(i for i in counts if counts[i] > counts[order[20]])
            assert found["image_id"].to_pylist() == wanted
