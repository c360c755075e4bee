"""Third parties stay in their rooms; the layers themselves are import-linter's (scripts/check)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "masksearch_ray"

ROOMS = {
    "PIL": ("render", "collection/sources"),
    "botocore": ("storage",),
    "fastapi": ("web",),
    "fsspec": ("storage",),
    "matplotlib": ("render",),
    "nicegui": ("web",),
    "ray": ("runtime/ray",),
    "rich": ("cli",),
    "sklearn": ("demo", "feedback", "comparison"),
    "sqlglot": ("sql",),
    "starlette": ("web",),
    "threadpoolctl": ("demo",),
    "torch": ("saliency", "similarity"),
    "typer": ("cli",),
    "uvicorn": ("web",),
}


def imported(text: str) -> Iterator[str]:
    """Top-level packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@cache
def imports() -> dict[str, frozenset[str]]:
    """What each module of the package imports, by its path below it without `.py`."""
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix(): frozenset(
            imported(path.read_text(encoding="utf-8"))
        )
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def users(third_party: str) -> list[str]:
    """Modules of the package that import a third party."""
    return [module for module, third_parties in imports().items() if third_party in third_parties]


@pytest.mark.smoke
@pytest.mark.parametrize("third_party", ROOMS)
def test_third_party_stays_in_its_rooms(third_party: str) -> None:
    rooms = ROOMS[third_party]
    strays = [
        module
        for module in users(third_party)
        if not any(module == room or module.startswith(room + "/") for room in rooms)
    ]
    assert strays == []
