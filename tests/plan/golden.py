"""Fixtures of SQL and the plan that EXPLAIN tells.

A file holds cases apart by a line ``====``; in a case a line ``----`` separates the text from the
expected. What is handed in beside a text stands in its first lines as a comment, in JSON:
``-- given: {"roi": [1, 2, 3, 4], "lv": 0.6}``.

Bytes are left out, as they depend on the compressor's version. ``python -m tests.plan.golden``
writes the expected parts anew; read the difference before you keep it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime

FIXTURES = Path(__file__).parents[1] / "fixtures" / "plans"
_APART, _BETWEEN = "\n====\n", "\n----\n"
_BYTES = re.compile(r"[\d,]+( bytes| expanded| more to verify)")
N, HEIGHT, WIDTH = 24, 40, 56


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    expected: str

    @property
    def given(self) -> dict[str, Any]:
        found = re.match(r"-- given: (.*)\n", self.text)
        held: dict[str, Any] = json.loads(found.group(1)) if found else {}
        return held

    @property
    def sql(self) -> str:
        return re.sub(r"^-- given: .*\n", "", self.text)

    def plan(self) -> str:
        return _BYTES.sub(r"…\1", collection().explain(self.sql, **self.given))


@cache
def collection() -> ms.Collection:
    """Three segments of uint8 masks and one of float32, on two shards; cells of 8 pixels."""
    col = ms.create("memory://plans/heat", runtime=LocalRuntime(2))
    masks = np.random.default_rng(3).integers(0, 256, (N, HEIGHT, WIDTH), np.uint8)
    for number, at in enumerate(np.array_split(np.arange(N), 4)):
        rows = {
            "image_id": at // 2,
            "model_id": at % 2 + 1,
            "label": [["cat", "dog", None][i % 3] for i in at],
            "object_box": [[3, 2, 20 + i, 30] for i in at.tolist()],
        }
        held = masks[at] if number < 3 else (masks[at] / 255).astype(np.float32)
        col.append(held, rows)
    return col


def cases() -> list[Case]:
    return [case for path in sorted(FIXTURES.glob("*.sql")) for case in read(path)]


def read(path: Path) -> list[Case]:
    parts = path.read_text("utf-8").removesuffix("\n").split(_APART)
    pairs = [part.split(_BETWEEN) for part in parts]
    return [
        Case(f"{path.stem}-{i}", text, rest[0] if rest else "")
        for i, (text, *rest) in enumerate(pairs, start=1)
    ]


def write(path: Path) -> None:
    parts = [case.text + _BETWEEN + case.plan() for case in read(path)]
    path.write_text(_APART.join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    for file in sorted(FIXTURES.glob("*.sql")):
        write(file)
