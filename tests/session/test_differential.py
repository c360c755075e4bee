"""The engine against the oracle on random collections and queries; see tests/differential.py."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.ray import RayRuntime
from tests import differential
from tests.oracle.compare import check
from tests.oracle.strategies import Case, cases, random_cases

# quick: 20, ci: 100; "thorough" asks 10,000 queries.
SEEDS = min(settings.default.max_examples if settings.default else 20, 1250)
_names = itertools.count()

layouts = st.builds(
    differential.Layout,
    appends=st.integers(1, 4),
    shards=st.integers(1, 3),
    bins=st.sampled_from([20, 1, 2, 7, 256]),
    cell=st.sampled_from([None, 8, 16, 1, 3, 50]),
    rois=st.sampled_from(["auto", (), ("full_image",), ((1, 1, 9, 9), "full_image")]),
    use_index=st.booleans(),
    deleted=st.integers(0, 2),
    compact=st.booleans(),
)


@pytest.mark.parametrize("seed", range(100_000, 100_000 + SEEDS))
def test_random_queries(seed: int) -> None:
    assert sum(1 for _ in differential.run(seed)) == differential.QUERIES


@given(cases(per_collection=2), layouts)
def test_any_query(asked: list[Case], layout: differential.Layout) -> None:
    url = f"memory://any-{next(_names)}"
    with differential.build(asked[0], layout, url, LocalRuntime(layout.shards)) as collection:
        for case in asked:
            check(
                case,
                lambda *query: differential.ask(collection, layout.use_index, *query),
                (ms.QueryError,),
            )


@pytest.fixture(scope="module")
def on_actors(ray_instance: None) -> Iterator[RayRuntime]:
    runtime = RayRuntime(workers=2)
    yield runtime
    runtime.close()


@pytest.mark.ray
@pytest.mark.parametrize("seed", [4, 12, 32])
def test_ray_gives_the_same_answers(seed: int, on_actors: RayRuntime, tmp_path: Path) -> None:
    layout = differential.Layout(4, 2, 20, 8, "auto", True, deleted=1, compact=False)
    asked = list(random_cases(seed, 10))
    with (
        differential.build(asked[0], layout, str(tmp_path / "masks"), on_actors) as on_ray,
        ms.open(tmp_path / "masks", LocalRuntime(3)) as local,
    ):
        answered = 0
        for case in asked:
            tables: list[pa.Table] = []

            def ask(*query: object, tables: list[pa.Table] = tables) -> pa.Table:
                tables.append(differential.ask(on_ray, True, *query))  # type: ignore[arg-type]
                tables.append(differential.ask(local, True, *query))  # type: ignore[arg-type]
                assert tables[0].equals(tables[1]), f"{tables[0]} on Ray, {tables[1]} here"
                return tables[0]

            check(case, ask, (ms.QueryError,))
            answered += len(tables) == 2
        assert answered > len(asked) // 2
        for collection in (on_ray, local):
            assert len(collection.sql("SELECT * FROM masks").stats.shards) > 1
