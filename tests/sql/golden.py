"""Fixtures of SQL and what is to become of it.

A file holds cases apart by a line ``====``; in a case a line ``----`` separates the text from the
expected. What is handed in beside a text stands in its first lines as a comment, in JSON:
``-- params: {"lv": 0.6}``, ``-- roi: [1, 2, 3, 4]``, ``-- domain: [0, 255]``.

``python -m tests.sql.golden`` writes the expected parts anew; read the difference before you keep
it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import Query
from masksearch_ray.model.values import Domain
from masksearch_ray.sql import parse, render_query
from tests.sql.catalog import catalog

FIXTURES = Path(__file__).parents[1] / "fixtures" / "sql"
_APART, _BETWEEN = "\n====\n", "\n----\n"


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    expected: str

    def given(self, key: str) -> Any:
        found = re.search(rf"^-- {key}: (.*)$", self.text, re.MULTILINE)
        return json.loads(found.group(1)) if found else None

    def parse(self, text: str | None = None) -> Query:
        domain = self.given("domain")
        known = catalog(Domain(*domain) if domain else None)
        return parse(text or self.text, known, self.given("params"), self.given("roi"))

    def outcome(self) -> str:
        try:
            return render_query(self.parse())
        except QueryError as error:
            return str(error)


def cases(folder: str) -> list[Case]:
    return [case for path in sorted((FIXTURES / folder).glob("*.sql")) for case in read(path)]


def read(path: Path) -> list[Case]:
    parts = path.read_text("utf-8").removesuffix("\n").split(_APART)
    pairs = [part.split(_BETWEEN) for part in parts]
    return [
        Case(f"{path.stem}-{i}", text, rest[0] if rest else "")
        for i, (text, *rest) in enumerate(pairs, start=1)
    ]


def write(path: Path) -> None:
    parts = [case.text + _BETWEEN + case.outcome() for case in read(path)]
    path.write_text(_APART.join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    for file in sorted(FIXTURES.glob("*/*.sql")):
        write(file)
