"""Wrong arguments of every public method: refused by name, before anything is changed."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms

_names = itertools.count()
MASK = np.arange(64, dtype=np.uint8).reshape(8, 8)
SQL = "SELECT mask_id FROM masks WHERE CP(mask, roi, (0.1, 1.0)) > 1"


class Odd:
    """Nothing that is wanted anywhere."""

    def __repr__(self) -> str:
        return "<odd>"


ODD = Odd()
BYTES, ARRAY = b"\xff", np.zeros(3)
NO_TEXT: tuple[Any, ...] = (1.5, ODD, BYTES, {}, [], ARRAY, ["x"])
NO_PATH: tuple[Any, ...] = (1.5, ODD, [], {}, ARRAY)
NO_MAPPING: tuple[Any, ...] = (1.5, "x", ODD, [], [1], {1}, {1: 2}, ARRAY)
NO_COUNT: tuple[Any, ...] = (0, -1, 1.5, "x", ODD, [], ARRAY, 10**30)
NO_FUNCTION: tuple[Any, ...] = (None, 1, "x", ODD, [], ARRAY)
NO_FLAG: tuple[Any, ...] = (None, 1.5, "x", ODD, [], ARRAY)

Call = Callable[[ms.Collection, Path, dict[str, Any]], Any]
CALLS: dict[str, Call] = {
    "append": lambda col, maps, given: col.append(**{"masks": MASK[None], **given}),
    "ingest": lambda col, maps, given: col.ingest(**{"source": str(maps), **given}),
    "register": lambda col, maps, given: col.register(**{"prefix": str(maps), **given}),
    "delete": lambda col, maps, given: col.delete(**{"predicate": "label = 'a'", **given}),
    "build_index": lambda col, maps, given: col.build_index(**given),
    "compact": lambda col, maps, given: col.compact(**given),
    "vacuum": lambda col, maps, given: col.vacuum(**given),
    "masks": lambda col, maps, given: col.masks(**{"ids": [0], **given}),
    "sql": lambda col, maps, given: col.sql(**{"text": SQL, "roi": (0, 0, 2, 2), **given}),
    "explain": lambda col, maps, given: col.explain(**{"text": SQL, "roi": (0, 0, 2, 2), **given}),
    "count_bounds": lambda col, maps, given: col.count_bounds(
        **{"text": SQL, "roi": (0, 0, 2, 2), **given}
    ),
    "histogram": lambda col, maps, given: col.histogram(**given),
    "open": lambda col, maps, given: ms.open(**{"url": col.url, **given}),
    "create": lambda col, maps, given: ms.create(**{"url": f"{col.url}-other", **given}),
}

_SOURCE: dict[str, tuple[Any, ...]] = {
    "metadata": (1.5, ODD, [ODD], [None]),
    "on": NO_TEXT,
    "boxes": (*NO_MAPPING, {"box": 1}, {"box": ODD}),
    "images": NO_PATH,
    "columns": (*NO_MAPPING, {"a": ODD}, {"a": float("nan")}),
    "storage_options": NO_MAPPING,
    "progress": NO_FUNCTION,
}
_OPENING: dict[str, tuple[Any, ...]] = {
    "url": (None, *NO_PATH, BYTES),
    "runtime": (None, *NO_TEXT, "x"),
    "address": ("x",),
    "storage_options": NO_MAPPING,
}
_ASKING: dict[str, tuple[Any, ...]] = {
    "text": (None, *NO_TEXT, "x"),
    "params": NO_MAPPING[:-2],
    "roi": (1.5, ODD, BYTES, (1, 2, 3), {}),
}
_RUNNING: dict[str, tuple[Any, ...]] = {
    "timeout": ("x", ODD, [], float("nan")),
    "use_index": NO_FLAG,
}
WRONG: dict[str, dict[str, tuple[Any, ...]]] = {
    "append": {
        "masks": (None, 1.5, "x", BYTES, ODD, [None], ["x"], {}),
        "rows": (1.5, "x", ODD, [1], {"a": 1}, ARRAY),
        "progress": NO_FUNCTION,
    },
    "ingest": {
        "source": (None, 1.5, ODD, [None]),
        **_SOURCE,
        "column": NO_TEXT,
        "key": NO_TEXT,
        "shape": (1, 1.5, "xy", (1,), (1, 2, 3), (0, 2), (1.5, 2), ODD),
        "dtype": ("x", "float64", np.float32, 1, [], ARRAY),
        "name": NO_TEXT,
        "threads": NO_COUNT,
    },
    "register": {"prefix": (None, *NO_PATH, BYTES), **_SOURCE},
    "delete": {"predicate": (None, *NO_TEXT, "x"), "params": NO_MAPPING[:-2]},
    "build_index": {
        "rois": (None, 1.5, "x", ODD, [ODD], [1.5]),
        "bins": (0, -1, 1.5, "x", ODD, [], [1], [None], ARRAY),
        "threads": NO_COUNT,
        "progress": NO_FUNCTION,
    },
    "compact": {
        "cluster_by": (1.5, "x", ODD, BYTES, [], ARRAY),
        "threads": NO_COUNT,
        "progress": NO_FUNCTION,
    },
    "vacuum": {
        "keep_versions": (None, 0, -1, 1.5, "x", ODD, []),
        "older_than": (None, -1, float("nan"), "x", "", BYTES, ODD, [], ARRAY),
    },
    "masks": {"ids": (None, 1.5, "x", ODD, [None], [1.5], [99]), "scaled": NO_FLAG},
    "sql": _ASKING | _RUNNING,
    "explain": _ASKING | _RUNNING,
    "count_bounds": _ASKING | {"timeout": _RUNNING["timeout"]},
    "histogram": {"timeout": _RUNNING["timeout"]},
    "open": {
        **_OPENING,
        "cache": NO_PATH,
        "on_query": (1, "x", ODD, []),
        "cache_bytes": (-1, 1.5, "x", ODD, [], ARRAY),
        "pixel_bytes": (-1, 1.5, "x", ODD, [], ARRAY),
        "keep_alive": (60.0, -1, "x", ODD, [], float("nan")),
        "workers": (2, 0, -1, 1.5, "x", ODD, []),
        "memory": (1 << 30, 0, -1, 1.5, "x", ODD, []),
        "version": (0, -1, 1.5, "x", ODD, [], 99),
    },
    "create": {
        **_OPENING,
        "domain": (None, 1.5, "x", ODD, (1,), (1, 0), (0, float("inf")), ARRAY),
        "nan": (None, 1, "x", ODD, ARRAY),
        "cell": (0, -1, 1.5, "x", ODD, ARRAY),
        "bins": (None, 0, -1, 1.5, "x", ODD, [], [1], ARRAY),
        "rois": (None, 1.5, ODD, [ODD], [1.5]),
    },
}
# Told of by what they hold: text, masks, rows and files have messages of their own.
_NAMED = {
    *("on", "images", "columns", "storage_options", "progress", "column", "key", "shape", "dtype"),
    *("name", "threads", "bins", "keep_versions", "older_than", "timeout", "use_index", "scaled"),
    *(
        "cache",
        "cache_bytes",
        "pixel_bytes",
        "on_query",
        "version",
        "domain",
        "nan",
        "cell",
        "params",
    ),
    "cluster_by",
}


@pytest.fixture
def col(tmp_path: Path) -> ms.Collection:
    made = ms.create(f"memory://arguments-{next(_names)}")
    for label in "ab":
        made.append(MASK[None], {"label": [label], "box": [[0, 0, 2, 2]]})
    return made


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    folder.mkdir()
    np.save(folder / "c.npy", MASK)
    return folder


def test_every_argument_is_tried() -> None:
    for name in CALLS:
        method = getattr(ms if name in ("open", "create") else ms.Collection, name)
        arguments = set(inspect.signature(method).parameters) - {"self", "more"}
        assert arguments == set(WRONG[name]), name


@pytest.mark.parametrize(
    ("method", "argument"), [(name, argument) for name in WRONG for argument in WRONG[name]]
)
def test_a_wrong_argument_is_an_input_error(
    col: ms.Collection, maps: Path, method: str, argument: str
) -> None:
    version = col.version
    for value in WRONG[method][argument]:
        with pytest.raises(ms.InputError) as caught:
            CALLS[method](col, maps, {argument: value})
            pytest.fail(f"{argument} = {value!r} was taken")
        told = str(caught.value)
        assert argument not in _NAMED or argument in told or value == 99, (value, told)
        assert len(told.splitlines()[0]) < 300, value
    assert ms.open(col.url).version == version
